//! What one benchmark message looks like on the wire, and how its number is bumped in place.
//!
//! A payload is 4 hex digits of publisher, 12 of sequence, then `x` up to the size. The stamp is kept as ASCII in two
//! words, so that counting on and comparing cost about a nanosecond and nothing is formatted on the hot path.

/// Digits of a stamp, and so the smallest payload.
pub(super) const STAMP_BYTES: usize = 16;
/// The publisher number of probe messages, which no count includes.
pub(super) const PROBE_PUBLISHER: u16 = 0xffff;
/// The publisher number of the last probe message.
pub(super) const PROBE_END_PUBLISHER: u16 = 0xfffe;
/// Publishers a stamp can number, with room kept for the probes.
pub(super) const PUBLISHERS_MAX: usize = 0xff00;

/// Publisher and sequence number as 16 ASCII hex digits, in two big-endian words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    high: u64,
    low: u64,
}

impl Stamp {
    /// A publisher's message of this number.
    #[must_use]
    pub fn new(publisher: u16, sequence: u64) -> Stamp {
        let value = (u64::from(publisher) << 48) | (sequence & SEQUENCE_MASK);
        let mut digits = [0; STAMP_BYTES];
        for (index, digit) in digits.iter_mut().enumerate() {
            let nibble = (value >> (60 - 4 * index)) & 0xf;
            *digit = HEX[nibble as usize];
        }
        Stamp::from_bytes(&digits)
    }

    #[inline]
    pub(super) fn from_bytes(digits: &[u8; STAMP_BYTES]) -> Stamp {
        let both = u128::from_be_bytes(*digits);
        Stamp { high: (both >> 64) as u64, low: both as u64 }
    }

    #[inline]
    pub(super) fn to_bytes(self) -> [u8; STAMP_BYTES] {
        ((u128::from(self.high) << 64) | u128::from(self.low)).to_be_bytes()
    }

    /// Publisher and sequence number; `None` where a digit is not lower-case hex.
    pub(super) fn parse(self) -> Option<(u16, u64)> {
        let mut value = 0_u64;
        for digit in self.to_bytes() {
            let nibble = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            value = (value << 4) | u64::from(nibble);
        }
        Some(((value >> 48) as u16, value & SEQUENCE_MASK))
    }

    /// The same publisher's next number.
    #[inline]
    pub(super) fn advance(&mut self) {
        match self.low as u8 {
            b'9' => self.low += u64::from(b'a' - b'9'),
            b'f' => self.carry(),
            _ => self.low += 1,
        }
    }

    fn carry(&mut self) {
        let mut digits = self.to_bytes();
        for digit in digits.iter_mut().rev() {
            match *digit {
                b'f' => *digit = b'0',
                b'9' => {
                    *digit = b'a';
                    break;
                }
                _ => {
                    *digit += 1;
                    break;
                }
            }
        }
        *self = Stamp::from_bytes(&digits);
    }
}

/// How the lines, or packets, that a publisher sends are laid out.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Bytes before the payload: of lines none towards the broker, which adds its own; stand-ins towards the references.
    prefix_bytes: usize,
    payload_bytes: usize,
    /// What follows a payload.
    tail: &'static str,
    /// Over all bytes, by where in a message they stand; zeros outside of a client's frame.
    mask: [u8; 4],
}

impl Layout {
    /// Lines of a stand-in for the broker's prefix and a payload, which holds a stamp at least.
    #[must_use]
    pub fn new(prefix_bytes: usize, payload_bytes: usize) -> Layout {
        Layout::framed(prefix_bytes, payload_bytes, NEWLINE)
    }

    /// A head of so many bytes, a payload and what follows it.
    pub(super) fn framed(head_bytes: usize, payload_bytes: usize, tail: &'static str) -> Layout {
        assert!(payload_bytes >= STAMP_BYTES, "a payload holds at least its stamp");
        Layout { prefix_bytes: head_bytes, payload_bytes, tail, mask: [0; 4] }
    }

    /// The same with all bytes masked, for heads and stamps that are.
    pub(super) fn masked(self, mask: [u8; 4]) -> Layout {
        Layout { mask, ..self }
    }

    /// Bytes of a line with its newline, or of a packet.
    #[must_use]
    pub fn line_bytes(&self) -> usize {
        self.prefix_bytes + self.payload_bytes + self.tail.len()
    }

    /// One whole line.
    pub(super) fn line(&self, stamp: Stamp) -> Vec<u8> {
        let mut line = vec![b'p'; self.prefix_bytes];
        line.extend(stamp.to_bytes());
        line.extend(padding(self.payload_bytes, self.tail));
        line.iter_mut().zip(self.mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        line
    }

    /// As many lines as fit in one write, at least one, for `stamp_lines` to number.
    #[must_use]
    pub fn batch(&self) -> Vec<u8> {
        let lines = (WRITE_BYTES_MAX / self.line_bytes()).max(1);
        self.line(Stamp::new(0, 0)).repeat(lines)
    }

    /// Numbers the first `count` lines of a batch, counting on from `stamp`.
    pub fn stamp_lines(&self, batch: &mut [u8], count: usize, mut stamp: Stamp) {
        for line in batch.chunks_exact_mut(self.line_bytes()).take(count) {
            if let Some(digits) = line.get_mut(self.prefix_bytes..).and_then(|rest| rest.first_chunk_mut()) {
                *digits = stamp.to_bytes();
            }
            stamp.advance();
        }
    }
}

/// What follows a stamp in a message that ends with `tail`.
pub(super) fn padding(payload_bytes: usize, tail: &str) -> Vec<u8> {
    let mut padding = vec![b'x'; payload_bytes - STAMP_BYTES];
    padding.extend(tail.bytes());
    padding
}

/// Topics of one length, so that the heads of all publishers are of one.
pub(super) fn fixed_topic_name(topic: usize) -> String {
    format!("b{topic:05}")
}

/// The length of what the broker puts before a payload of topic `b{topic}` from a local publisher.
#[must_use]
pub fn delivered_prefix_bytes(topic: usize) -> usize {
    format!("[b{topic} | FROM 127.0.0.1:50123] : ").len()
}

/// Ends a line.
pub(super) const NEWLINE: &str = "\n";
/// One write: more gains nothing on loopback and costs cache.
pub(super) const WRITE_BYTES_MAX: usize = 64 * 1024;
const SEQUENCE_MASK: u64 = 0xffff_ffff_ffff;
const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_as_hex_and_parses_back() {
        let stamp = Stamp::new(0x12, 0xabcdef);
        assert_eq!(&stamp.to_bytes(), b"0012000000abcdef");
        assert_eq!(stamp.parse(), Some((0x12, 0xabcdef)));
        assert_eq!(Stamp::from_bytes(b"0012000000abcdeg").parse(), None);
    }

    #[test]
    fn advancing_equals_formatting_the_next_number() {
        for first in [0, 0xf0, 0xfff0, 0x0fff_fff0, 0xffff_fff0, 0x9999_9990] {
            let mut stamp = Stamp::new(7, first);
            for sequence in first..first + 40 {
                assert_eq!(stamp, Stamp::new(7, sequence));
                stamp.advance();
            }
        }
    }

    #[test]
    fn a_batch_is_whole_lines_numbered_in_order() {
        let layout = Layout::new(3, 20);
        let mut batch = layout.batch();
        assert_eq!(batch.len() % layout.line_bytes(), 0);
        assert!(batch.len() <= WRITE_BYTES_MAX);
        layout.stamp_lines(&mut batch, 2, Stamp::new(1, 9));
        assert_eq!(&batch[..24], b"ppp0001000000000009xxxx\n");
        assert_eq!(&batch[24..48], b"ppp000100000000000axxxx\n");
        assert_eq!(&batch[48..72], b"ppp0000000000000000xxxx\n");
    }
}
