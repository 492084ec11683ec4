//! The head of a frame (RFC 6455 5.2).

use super::DecodeError;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn of(first: u8) -> Option<Self> {
        Some(match first & 0x0f {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    /// Control frames may stand between the frames of a message.
    #[must_use]
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Whether a message goes on behind a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    More,
    Last,
}

/// Who sends what is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Masks everything.
    Client,
    /// Masks nothing.
    Server,
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) opcode: Opcode,
    /// What the bit FIN says.
    pub(super) part: Part,
    pub(super) length: u64,
    /// Zeros if the frame is not masked.
    pub(super) mask: [u8; 4],
}

impl FrameHead {
    /// The head that `bytes` begin with, and how many bytes it has; `None` if more are needed.
    ///
    /// Judged byte for byte, so that the first mistake is the same one however the bytes come.
    #[inline]
    pub(super) fn parse(bytes: &[u8], peer: Peer) -> Result<Option<(Self, usize)>, DecodeError> {
        let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
        let (opcode, part) = parse_first(*first)?;
        let Some((second, rest)) = rest.split_first() else { return Ok(None) };
        check_second(*second, opcode, peer)?;
        let Some((length, rest)) = parse_length(second & LENGTH_BITS, rest)? else { return Ok(None) };
        let (mask, rest) = match peer {
            Peer::Client => match rest.split_first_chunk() {
                Some((mask, rest)) => (*mask, rest),
                None => return Ok(None),
            },
            Peer::Server => ([0; 4], rest),
        };
        Ok(Some((Self { opcode, part, length, mask }, bytes.len() - rest.len())))
    }
}

fn parse_first(first: u8) -> Result<(Opcode, Part), DecodeError> {
    if first & RESERVED_BITS != 0 {
        return Err(DecodeError::ReservedBits);
    }
    let opcode = Opcode::of(first).ok_or(DecodeError::Opcode)?;
    let part = if first & FIN_BIT == 0 { Part::More } else { Part::Last };
    if opcode.is_control() && part == Part::More {
        return Err(DecodeError::ControlFragmented);
    }
    Ok((opcode, part))
}

fn check_second(second: u8, opcode: Opcode, peer: Peer) -> Result<(), DecodeError> {
    match (peer, second & MASK_BIT != 0) {
        (Peer::Client, false) => return Err(DecodeError::NotMasked),
        (Peer::Server, true) => return Err(DecodeError::Masked),
        (Peer::Client, true) | (Peer::Server, false) => {}
    }
    if opcode.is_control() && second & LENGTH_BITS > CONTROL_BYTES_MAX {
        return Err(DecodeError::ControlTooLong);
    }
    Ok(())
}

/// The length, and what stands behind it.
fn parse_length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, DecodeError> {
    let (length, rest, least) = match short {
        LENGTH_IN_2 => match rest.split_first_chunk() {
            Some((length, rest)) => (u16::from_be_bytes(*length).into(), rest, 126),
            None => return Ok(None),
        },
        LENGTH_IN_8 => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from_be_bytes(*length), rest, 0x1_0000),
            None => return Ok(None),
        },
        _ => (short.into(), rest, 0),
    };
    if length >> 63 != 0 {
        return Err(DecodeError::LengthTopBit);
    }
    if length < least {
        return Err(DecodeError::LengthForm);
    }
    Ok(Some((length, rest)))
}

/// Appends a head. The bytes of the mask are the caller's, behind it.
pub(super) fn write(out: &mut Vec<u8>, opcode: Opcode, part: Part, length: usize, mask_bit: u8) {
    let fin = if part == Part::Last { FIN_BIT } else { 0 };
    out.push(fin | opcode as u8);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..LENGTH_IN_2), _) => out.push(mask_bit | short),
        (_, Ok(length)) => {
            out.push(mask_bit | LENGTH_IN_2);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(mask_bit | LENGTH_IN_8);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// The most bytes of a head: 2, 8 of the length, 4 of the mask.
pub(super) const HEAD_BYTES_MAX: usize = 14;
/// The most bytes in a control frame.
pub(super) const CONTROL_BYTES_MAX: u8 = 125;
pub(super) const MASK_BIT: u8 = 0x80;
const FIN_BIT: u8 = 0x80;
const RESERVED_BITS: u8 = 0x70;
const LENGTH_BITS: u8 = 0x7f;
const LENGTH_IN_2: u8 = 126;
const LENGTH_IN_8: u8 = 127;
