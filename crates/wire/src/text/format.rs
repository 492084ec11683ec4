//! What a subscriber gets, one line per message.
//!
//! A line is a head and a tail, which are the same for a whole run, with the payload
//! between them. [`Frame`] holds the two; a long payload is written in parts.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::around::{write_json_head, write_json_tail, write_plain_head};
use super::lines::utf8_tail;
use crate::json;
use crate::printable::{escape_into, is_plain_ascii};

/// How a subscriber's lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// `[FROM 127.0.0.1:50123] : text`
    From,
    /// `[sports | FROM 127.0.0.1:50123] : text`
    FromTopic,
    /// `[('127.0.0.1', 54321)]: text`
    Tuple,
    /// `[sports] ('127.0.0.1', 54321): text`
    TupleTopic,
    /// `text`: the payload and nothing else. Not for the text protocol, whose lines say who speaks.
    Payload,
    Json,
}

/// Whether a plain line begins with an RFC 3339 time. JSON always has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeField {
    /// `2026-11-22T12:00:00.123Z ` in front.
    Shown,
    Hidden,
}

/// Where a message comes from.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// Topic it was published to.
    pub topic: &'a str,
    /// The publisher's address; none, if it is the broker itself.
    pub addr: Option<SocketAddr>,
    /// The publisher's own name.
    pub name: Option<&'a str>,
    /// When it was accepted, in milliseconds since 1970 (UTC).
    pub time_ms: u64,
    pub source: Source,
}

/// What no other publisher has: numbers that its messages' ids begin with. An id is `{source}-{number}`,
/// where the number counts the publisher's messages up from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source(pub [u64; 4]);

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [shard, slot, generation, began_ms] = self.0;
        write!(f, "{shard}-{slot}-{generation}-{began_ms}")
    }
}

/// What stands around every payload of one run in one format. Made once per run; its
/// buffers are used again.
#[derive(Debug)]
pub struct Frame {
    format: Format,
    /// All in front of the payload; for JSON it ends with [`TEXT_KEY`].
    head: Vec<u8>,
    /// All behind the payload, the newline included.
    tail: Vec<u8>,
    /// A tail and the head of the next line: what stands between two payloads.
    between: Vec<u8>,
    /// Where a message's number stands in tail and between; empty if it is not shown.
    number: Range<usize>,
}

/// Where a line that is written in parts goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinePart {
    /// Bytes of the payload that are written.
    offset: usize,
    encoding: Encoding,
}

/// How a payload stands in its line: one decision for all of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Escaped,
    JsonText,
    Base64,
}

impl Default for Frame {
    fn default() -> Self {
        Self::new()
    }
}

impl Frame {
    /// A frame that must be set before it writes anything.
    #[must_use]
    pub fn new() -> Self {
        Self { format: Format::From, head: Vec::new(), tail: Vec::new(), between: Vec::new(), number: 0..0 }
    }

    /// Makes the frame for messages of `sender`.
    pub fn set(&mut self, format: Format, time: TimeField, sender: &Sender<'_>) {
        self.format = format;
        self.head.clear();
        self.tail.clear();
        self.number = 0..0;
        if format == Format::Json {
            write_json_head(&mut self.head, sender);
            write_json_tail(&mut self.tail, sender);
            self.number = self.tail.len()..self.tail.len() + 1;
            self.tail.extend_from_slice(b"0\"}");
        } else {
            write_plain_head(&mut self.head, format, time, sender);
        }
        self.tail.push(b'\n');
        self.between.clear();
        self.between.extend_from_slice(&self.tail);
        self.between.extend_from_slice(&self.head);
    }

    /// Bytes of a line besides its payload, the newline included. For JSON with the longer
    /// of the two payload keys and the longest number.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let json = BASE64_KEY.len() - TEXT_KEY.len() + DIGITS_MAX;
        let extra = if self.format == Format::Json { json - self.number.len() } else { 0 };
        self.head.len() + extra + self.tail.len()
    }

    /// The next line is that of this message of its publisher.
    fn set_number(&mut self, number: u64) {
        if self.number.is_empty() {
            return;
        }
        let (mut digits, mut begin, mut rest) = ([b'0'; DIGITS_MAX], DIGITS_MAX, number);
        for (at, digit) in digits.iter_mut().enumerate().rev() {
            *digit += (rest % 10) as u8;
            begin = at;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let digits = digits.get(begin..).unwrap_or_default();
        for bytes in [&mut self.tail, &mut self.between] {
            bytes.splice(self.number.clone(), digits.iter().copied());
        }
        self.number.end = self.number.start + digits.len();
    }

    /// What stands between two payloads is that of the next message. A number is counted up in
    /// its place, so that it costs next to nothing; the tail is behind until it is wanted.
    #[inline]
    fn count_up(&mut self) {
        if self.number.is_empty() {
            return;
        }
        for digit in self.between.get_mut(self.number.clone()).unwrap_or_default().iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
        for bytes in [&mut self.tail, &mut self.between] {
            bytes.insert(self.number.start, b'1');
        }
        self.number.end += 1;
    }

    /// Appends whole lines until `out` has grown by `bytes_max`, or a payload is longer than
    /// `payload_bytes_max`. The first is that of its publisher's message `number`. Returns how
    /// many.
    #[inline]
    pub fn write_lines<'a>(
        &mut self,
        out: &mut Vec<u8>,
        payloads: impl Iterator<Item = &'a [u8]>,
        number: u64,
        bytes_max: usize,
        payload_bytes_max: usize,
    ) -> u32 {
        let payloads = payloads.take_while(|payload| payload.len() <= payload_bytes_max);
        let full = out.len().saturating_add(bytes_max).saturating_add(self.head.len());
        // The head of a line that may come; it is taken back if none does. So two copies make a
        // line, not three.
        out.extend_from_slice(&self.head);
        let count = match self.number.is_empty() {
            true => self.write_alike(out, payloads, full),
            false => self.write_counted(out, payloads, number, full),
        };
        out.truncate(out.len() - self.head.len());
        count
    }

    /// Lines whose ends are all the same: nothing here changes, and the compiler knows.
    #[inline]
    fn write_alike<'a>(
        &self,
        out: &mut Vec<u8>,
        payloads: impl Iterator<Item = &'a [u8]>,
        full: usize,
    ) -> u32 {
        let mut count = 0;
        for payload in payloads {
            if is_plain_ascii(payload) {
                out.extend_from_slice(payload);
                out.extend_from_slice(&self.between);
            } else {
                self.replace_head(out, payload);
            }
            count += 1;
            if out.len() >= full {
                break;
            }
        }
        count
    }

    /// Lines with numbers in their ends.
    #[inline]
    fn write_counted<'a>(
        &mut self,
        out: &mut Vec<u8>,
        payloads: impl Iterator<Item = &'a [u8]>,
        number: u64,
        full: usize,
    ) -> u32 {
        let mut count = 0;
        self.set_number(number);
        for payload in payloads {
            if json::is_plain(payload) {
                out.extend_from_slice(payload);
                out.extend_from_slice(&self.between);
            } else {
                self.set_number(number + u64::from(count));
                self.replace_head(out, payload);
            }
            self.count_up();
            count += 1;
            if out.len() >= full {
                break;
            }
        }
        count
    }

    /// In place of a head that was written ahead: a whole line, and the head of the next.
    fn replace_head(&self, out: &mut Vec<u8>, payload: &[u8]) {
        out.truncate(out.len() - self.head.len());
        self.part(out, payload, None, usize::MAX);
        out.extend_from_slice(&self.head);
    }

    /// Appends one whole line.
    pub fn write_line(&mut self, out: &mut Vec<u8>, payload: &[u8], number: u64) {
        self.write_lines(out, std::iter::once(payload), number, usize::MAX, usize::MAX);
    }

    /// Appends the next part of a line, with at most `payload_bytes_max` bytes of its
    /// payload and at least one if that is 4 or more: no character is split, and base64 goes
    /// by groups of three. `None` begins the line. Returns where it goes on, `None` when it
    /// is finished. Beginning a JSON line looks through the whole payload, once.
    #[inline]
    pub fn write_part(
        &mut self,
        out: &mut Vec<u8>,
        payload: &[u8],
        number: u64,
        from: Option<LinePart>,
        payload_bytes_max: usize,
    ) -> Option<LinePart> {
        self.set_number(number);
        self.part(out, payload, from, payload_bytes_max)
    }

    #[inline]
    fn part(
        &self,
        out: &mut Vec<u8>,
        payload: &[u8],
        from: Option<LinePart>,
        payload_bytes_max: usize,
    ) -> Option<LinePart> {
        debug_assert!(self.tail.ends_with(b"\n"), "a frame is set before it writes");
        let LinePart { offset, encoding } = from.unwrap_or_else(|| self.begin(out, payload));
        let rest = payload.get(offset..).unwrap_or_default();
        let part = match rest.get(..payload_bytes_max) {
            Some(most) if most.len() < rest.len() => cut(most, encoding),
            _ => rest,
        };
        encoding.write(out, part);
        if part.len() < rest.len() {
            return Some(LinePart { offset: offset + part.len(), encoding });
        }
        out.extend_from_slice(&self.tail);
        None
    }

    /// Writes the head.
    fn begin(&self, out: &mut Vec<u8>, payload: &[u8]) -> LinePart {
        out.extend_from_slice(&self.head);
        let encoding = if self.format != Format::Json {
            Encoding::Escaped
        } else if std::str::from_utf8(payload).is_ok() {
            Encoding::JsonText
        } else {
            out.truncate(out.len() - TEXT_KEY.len());
            out.extend_from_slice(BASE64_KEY);
            Encoding::Base64
        };
        LinePart { offset: 0, encoding }
    }
}

/// Shortens a part of a payload to where what follows can be written on its own.
fn cut(part: &[u8], encoding: Encoding) -> &[u8] {
    let kept_back = match encoding {
        Encoding::Base64 => part.len() % BASE64_GROUP,
        // Only a byte that leads a character is kept back, with what follows it. Such a byte
        // never belongs to what stands before it, so both sides are escaped as in one piece,
        // whether or not the character turns out to be one.
        Encoding::Escaped | Encoding::JsonText => utf8_tail(part),
    };
    part.get(..part.len() - kept_back).unwrap_or(part)
}

impl Encoding {
    #[inline]
    fn write(self, out: &mut Vec<u8>, part: &[u8]) {
        match self {
            Self::Escaped => escape_into(out, part),
            Self::JsonText if json::is_plain(part) => out.extend_from_slice(part),
            // Never lossy: the payload is UTF-8, and it is cut between characters.
            Self::JsonText => json::escape_into(out, &String::from_utf8_lossy(part)),
            Self::Base64 => write_base64(out, part),
        }
    }
}

/// The line that tells a subscriber what it lost.
#[must_use]
pub fn gap_line(format: Format, dropped: u64) -> String {
    match format {
        Format::Json => format!("{{\"gap\":{dropped}}}\n"),
        _ => format!("[GAP {dropped} messages dropped: reading too slowly]\n"),
    }
}

fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(BASE64_GROUP) * 4, 0);
    let room = out.get_mut(start..).unwrap_or_default();
    let written = BASE64.encode_slice(bytes, room).expect("four bytes for each group of three");
    out.truncate(start + written);
}

/// The key of a payload that is UTF-8, as the end of a JSON head.
pub(super) const TEXT_KEY: &[u8] = b"\"payload\":\"";
/// The key of any other payload.
const BASE64_KEY: &[u8] = b"\"payload_b64\":\"";
/// Digits of the largest number.
const DIGITS_MAX: usize = 20;
/// Bytes that base64 encodes together.
const BASE64_GROUP: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORMATS: [Format; 6] =
        [Format::From, Format::FromTopic, Format::Tuple, Format::TupleTopic, Format::Payload, Format::Json];

    fn frame(format: Format, time: TimeField, sender: &Sender<'_>) -> Frame {
        let mut frame = Frame::new();
        // What was set before leaves no trace.
        frame.set(Format::Json, TimeField::Shown, &Sender { topic: "before", ..*sender });
        frame.set(format, time, sender);
        frame
    }

    fn whole(frame: &mut Frame, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        frame.write_line(&mut out, payload, 42);
        out
    }

    fn line(format: Format, time: TimeField, name: Option<&str>, payload: &[u8]) -> String {
        let sender = Sender {
            topic: "sports",
            addr: Some("127.0.0.1:50123".parse().unwrap()),
            name,
            time_ms: 1_795_348_800_123,
            source: Source([0, 17, 3, 1_795_348_800_000]),
        };
        String::from_utf8(whole(&mut frame(format, time, &sender), payload)).unwrap()
    }

    #[test]
    fn golden_lines() {
        let plain = |format| line(format, TimeField::Hidden, None, b"Goal!");
        assert_eq!(plain(Format::From), "[FROM 127.0.0.1:50123] : Goal!\n");
        assert_eq!(plain(Format::FromTopic), "[sports | FROM 127.0.0.1:50123] : Goal!\n");
        assert_eq!(plain(Format::Tuple), "[('127.0.0.1', 50123)]: Goal!\n");
        assert_eq!(plain(Format::TupleTopic), "[sports] ('127.0.0.1', 50123): Goal!\n");
        let named = |format| line(format, TimeField::Shown, Some("alice"), b"Goal!");
        assert_eq!(named(Format::From), "2026-11-22T12:00:00.123Z [FROM alice@127.0.0.1:50123] : Goal!\n");
        assert_eq!(named(Format::Tuple), "2026-11-22T12:00:00.123Z [('alice@127.0.0.1', 50123)]: Goal!\n");
        assert_eq!(
            named(Format::Json),
            "{\"topic\":\"sports\",\"payload\":\"Goal!\",\"time\":\"2026-11-22T12:00:00.123Z\",\
             \"publisher\":\"127.0.0.1:50123\",\"name\":\"alice\",\"id\":\"0-17-3-1795348800000-42\"}\n"
        );
        assert!(line(Format::Json, TimeField::Hidden, None, b"\xff\n").contains("\"payload_b64\":\"/wo=\""));
        assert!(
            line(Format::Json, TimeField::Hidden, None, b"\x1b\n").contains("\"payload\":\"\\u001b\\n\"")
        );
        assert_eq!(gap_line(Format::From, 120), "[GAP 120 messages dropped: reading too slowly]\n");
        assert_eq!(gap_line(Format::Json, 120), "{\"gap\":120}\n");
    }

    /// What has no address is the broker: it has the same places in a line as anybody.
    #[test]
    fn lines_of_the_broker_itself() {
        let line = |format| {
            let sender = Sender {
                topic: "$SYS/a b",
                addr: None,
                name: None,
                time_ms: 0,
                source: Source([0, 1, 2, 3]),
            };
            String::from_utf8(whole(&mut frame(format, TimeField::Hidden, &sender), b"7")).unwrap()
        };
        assert_eq!(line(Format::From), "[FROM tidings] : 7\n");
        assert_eq!(line(Format::FromTopic), "[$SYS/a\\x20b | FROM tidings] : 7\n");
        assert_eq!(line(Format::Tuple), "[('tidings', 0)]: 7\n");
        assert_eq!(line(Format::TupleTopic), "[$SYS/a\\x20b] ('tidings', 0): 7\n");
        assert_eq!(
            line(Format::Json),
            "{\"topic\":\"$SYS/a b\",\"payload\":\"7\",\"time\":\"1970-01-01T00:00:00.000Z\",\
             \"publisher\":\"tidings\",\"id\":\"0-1-2-3-42\"}\n"
        );
    }

    /// Numbers count up through a run, whichever way its lines are written.
    #[test]
    fn every_line_has_its_number() {
        let sender = Sender {
            topic: "t",
            addr: Some("[::1]:9".parse().unwrap()),
            name: None,
            time_ms: 0,
            source: Source([1, 2, 3, 4]),
        };
        let payloads: Vec<&[u8]> = (0..30).map(|n| if n % 7 == 3 { &b"\"\xff"[..] } else { b"x" }).collect();
        for first in [0, 8, 85, 990, u64::MAX - 30] {
            let mut out = Vec::new();
            let mut frame = frame(Format::Json, TimeField::Hidden, &sender);
            let lines = payloads.iter().copied();
            assert_eq!(frame.write_lines(&mut out, lines, first, usize::MAX, usize::MAX), 30);
            for (line, number) in String::from_utf8(out).unwrap().lines().zip(first..) {
                assert!(line.ends_with(&format!(",\"id\":\"1-2-3-4-{number}\"}}")), "{line}, {number}");
            }
        }
    }

    proptest! {
        /// Nobody can forge a line or drive a terminal: whatever payload, name and topic are,
        /// a line has exactly one line end and no control character but tab, JSON not even that.
        #[test]
        fn one_line_and_no_controls(
            payload in proptest::collection::vec(any::<u8>(), 0..100),
            name in proptest::option::of("\\PC{0,10}|[\\x00-\\x1f\u{202a}-\u{202e}a]{1,10}"),
            topic in "\\PC{1,10}|[\\x00-\\x1f\u{202a}-\u{202e}a]{1,10}",
        ) {
            let sender = Sender {
                topic: &topic,
                addr: Some("[::1]:9".parse().unwrap()),
                name: name.as_deref(),
                time_ms: 0,
                source: Source([0; 4]),
            };
            for format in FORMATS {
                let mut frame = frame(format, TimeField::Shown, &sender);
                let text = String::from_utf8(whole(&mut frame, &payload)).expect("a line is UTF-8");
                let body = text.strip_suffix('\n').expect("a line ends");
                let drives = |c| crate::printable::is_control(c) || (c != '\t' && c.is_control());
                prop_assert!(!body.chars().any(drives), "{:?}", body);
                if format == Format::Json {
                    prop_assert!(!body.contains('\t'));
                    let object: serde_json::Value = serde_json::from_str(body).unwrap();
                    prop_assert_eq!(object.get("topic").and_then(|t| t.as_str()), Some(topic.as_str()));
                    prop_assert_eq!(object.get("name").and_then(|n| n.as_str()), name.as_deref());
                    let text = object.get("payload").and_then(|p| p.as_str());
                    prop_assert_eq!(text, std::str::from_utf8(&payload).ok());
                } else {
                    // Behind the time the head has only its own blanks and brackets.
                    let head = String::from_utf8_lossy(&frame.head);
                    let brackets = head.chars().filter(|c| matches!(c, '[' | ']' | '|')).count();
                    let own = match format {
                        Format::FromTopic => 5, // two of them from [::1]
                        Format::From => 4,
                        Format::Payload => 0,
                        _ => 2,
                    };
                    prop_assert_eq!(brackets, own, "{:?}", head);
                }
            }
        }

        /// However a line is cut, its parts are the line; and each but the last is a part
        /// of the payload that is not empty and not longer than it may be.
        #[test]
        fn parts_make_the_line(
            payload in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                "[a\"\\\x00-\x7f\u{80}-\u{a0}é€🎉\u{202e}]{0,40}".prop_map(String::into_bytes),
                // Characters that are cut short, overlong, surrogates, and continuation bytes.
                proptest::collection::vec(
                    proptest::sample::select(&b"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\x89\x80\xed\xa0\xc0\xff\xf4\x90"[..]),
                    0..40,
                ),
            ],
            payload_bytes_max in 4_usize..20,
        ) {
            for format in FORMATS {
                let sender = Sender { topic: "t", addr: Some("[::1]:9".parse().unwrap()), name: None, time_ms: 0, source: Source([0; 4]) };
                let mut frame = frame(format, TimeField::Shown, &sender);
                let (mut out, mut from) = (Vec::new(), None);
                loop {
                    let before = from.map_or(0, |part: LinePart| part.offset);
                    from = frame.write_part(&mut out, &payload, 42, from, payload_bytes_max);
                    let after = from.map_or(payload.len(), |part| part.offset);
                    prop_assert!(after - before <= payload_bytes_max);
                    if from.is_none() {
                        break;
                    }
                    prop_assert!(before < after);
                }
                prop_assert_eq!(&out, &whole(&mut frame, &payload), "{:?}", String::from_utf8_lossy(&out));
            }
        }

        /// What a line takes besides a payload that needs no escapes is said exactly, for JSON
        /// up to the difference of the two keys.
        #[test]
        fn a_frame_knows_its_bytes(payload in "[a-z]{0,20}", topic in "[a-z\\[\"]{1,9}") {
            for format in FORMATS {
                let sender = Sender { topic: &topic, addr: Some("[::1]:9".parse().unwrap()), name: None, time_ms: 0, source: Source([0; 4]) };
                let mut frame = frame(format, TimeField::Shown, &sender);
                let key = if format == Format::Json { "_b64".len() + DIGITS_MAX - "42".len() } else { 0 };
                prop_assert_eq!(whole(&mut frame, payload.as_bytes()).len() + key, frame.bytes() + payload.len());
            }
        }
    }
}
