//! Where one packet ends and the next begins: the fixed header (MQTT5 2.1).

use super::DecodeError;

/// The longest body that a remaining length can tell (MQTT5 1.5.5).
pub const BODY_BYTES_MAX: usize = 268_435_455;

/// The type of a packet, as the upper four bits of its first byte say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    Connect = 1,
    ConnAck,
    Publish,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    Subscribe,
    SubAck,
    Unsubscribe,
    UnsubAck,
    PingReq,
    PingResp,
    Disconnect,
    /// Only in 5.0.
    Auth,
}

impl Kind {
    /// The type that a first byte says; `None` for the reserved type 0.
    #[must_use]
    pub fn of(first: u8) -> Option<Self> {
        Some(match first >> 4 {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// The first byte of a packet of this type with the flags that the standard fixes; a PUBLISH
    /// has flags of its own.
    pub(super) fn first(self) -> u8 {
        let flags = match self {
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => 0b0010,
            _ => 0,
        };
        (self as u8) << 4 | flags
    }
}

/// The frame of a packet: its fixed header, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Type and flags.
    pub first: u8,
    /// Bytes of the fixed header, 2 to 5.
    pub head_len: usize,
    /// Bytes behind the fixed header.
    pub body_len: usize,
    kind: Kind,
}

impl Frame {
    /// Bytes of the whole packet.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no packet is empty")]
    pub fn len(&self) -> usize {
        self.head_len + self.body_len
    }

    /// What packet it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// The frame of the packet that `bytes` begin with; `None` if more bytes are needed to tell. Looks
/// at five bytes at most.
///
/// A remaining length that is longer than it need be is taken: 3.1.1 allows it, and the version is
/// not known before the first packet is read.
///
/// # Errors
/// [`DecodeError::ReservedType`] for type 0, [`DecodeError::RemainingLength`] for a length that does
/// not end with its fourth byte.
#[inline]
pub fn frame(bytes: &[u8]) -> Result<Option<Frame>, DecodeError> {
    let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
    let kind = Kind::of(*first).ok_or(DecodeError::ReservedType)?;
    let length = var_int(rest).map_err(|_| DecodeError::RemainingLength)?;
    Ok(length.map(|(length, bytes)| Frame {
        first: *first,
        head_len: 1 + bytes,
        body_len: length as usize,
        kind,
    }))
}

/// The variable byte integer that `bytes` begin with, and how many bytes it has. `None` if it does
/// not end in `bytes`.
///
/// # Errors
/// If it does not end with its fourth byte.
#[inline]
pub(super) fn var_int(bytes: &[u8]) -> Result<Option<(u32, usize)>, DecodeError> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(VAR_INT_BYTES_MAX).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 1)));
        }
    }
    if bytes.len() < VAR_INT_BYTES_MAX { Ok(None) } else { Err(DecodeError::VarInt) }
}

/// How many bytes the shortest form of a variable byte integer has.
#[inline]
pub(super) fn var_int_len(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

const VAR_INT_BYTES_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Result<Option<(usize, usize)>, DecodeError>) {
        let found = frame(bytes);
        assert_eq!(found.map(|f| f.map(|f| (f.head_len, f.body_len))), expected, "{bytes:x?}");
    }

    #[test]
    //= MQTT5-1.5.5-1
    //= type=test
    fn lengths_at_their_borders() {
        for (length, bytes) in [
            (0, &[0x30, 0x00][..]),
            (127, &[0x30, 0x7f]),
            (128, &[0x30, 0x80, 0x01]),
            (16_383, &[0x30, 0xff, 0x7f]),
            (16_384, &[0x30, 0x80, 0x80, 0x01]),
            (2_097_151, &[0x30, 0xff, 0xff, 0x7f]),
            (2_097_152, &[0x30, 0x80, 0x80, 0x80, 0x01]),
            (BODY_BYTES_MAX, &[0x30, 0xff, 0xff, 0xff, 0x7f]),
        ] {
            check(bytes, Ok(Some((bytes.len(), length))));
            assert_eq!(1 + var_int_len(length), bytes.len());
            for end in 0..bytes.len() {
                check(bytes.get(..end).unwrap(), Ok(None));
            }
            let mut more = bytes.to_vec();
            more.push(0xff);
            check(&more, Ok(Some((bytes.len(), length))));
        }
    }

    #[test]
    fn a_length_of_five_bytes_is_malformed_at_its_fourth() {
        check(&[0x30, 0xff, 0xff, 0xff, 0xff], Err(DecodeError::RemainingLength));
        check(&[0x30, 0x80, 0x80, 0x80, 0x80, 0x01], Err(DecodeError::RemainingLength));
    }

    #[test]
    fn a_length_may_be_longer_than_it_need_be() {
        check(&[0xc0, 0x80, 0x00], Ok(Some((3, 0))));
        check(&[0xc0, 0x82, 0x80, 0x80, 0x00], Ok(Some((5, 2))));
    }

    #[test]
    fn every_type_but_0_has_a_frame() {
        check(&[0x00], Err(DecodeError::ReservedType));
        check(&[0x0f, 0x00], Err(DecodeError::ReservedType));
        for number in 1..=15_u8 {
            let found = frame(&[number << 4, 0]).unwrap().unwrap();
            assert_eq!(found.kind() as u8, number);
            assert_eq!(found.len(), 2);
        }
    }
}
