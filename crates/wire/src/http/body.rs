//! Takes the body of a request out of the stream, in whatever pieces it comes (RFC 9112 6 and 7).
//!
//! ```text
//!          ┌──────────────────────────────────────────────────┐
//!          ▼                                                  │
//!   Size ──┬─▶ Blank ─▶ Extension ──┬─▶ SizeEnd ─▶ Data ─▶ DataEnd (CR, LF)
//!          └────────────────────────┘      │
//!                                          ▼ size 0
//!                   TrailerField ◀──▶ TrailerStart ─▶ TrailerEnd ─▶ Ended
//! ```
//!
//! A chunk of one byte of data has at most 20 bytes around it, and extensions and trailer together have a
//! bound, so that what is not data costs a bounded multiple of what is.

use std::ops::Range;

use super::{BodyError, Framing};

/// What one call found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyPart {
    /// How many bytes are done with, `data` among them.
    pub used: usize,
    /// Which of the bytes are data; often none.
    pub data: Range<usize>,
    /// Whether this was the last of the body.
    pub ended: bool,
}

/// Where in a body the stream stands.
#[derive(Debug, Clone)]
pub struct BodyReader {
    state: State,
    /// How much data may still come.
    data_left_max: u64,
    /// How many bytes of extensions and trailer may still come.
    aside_left_max: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes of a body without chunks are to come, at least one.
    Sized(u64),
    /// In the digits of a size.
    Size {
        size: u64,
        digits: u8,
    },
    /// In blanks behind a size: only an extension may follow.
    Blank {
        size: u64,
    },
    /// In an extension, which nobody here understands.
    Extension {
        size: u64,
    },
    /// Behind the CR of a size.
    SizeEnd {
        size: u64,
    },
    /// So many bytes of a chunk are to come, at least one.
    Data(u64),
    /// Behind the data of a chunk.
    DataCr,
    DataLf,
    /// At the beginning of a line of the trailer, or of the empty line that ends it.
    TrailerStart,
    TrailerField,
    TrailerLf,
    /// Behind the CR of that empty line.
    TrailerEnd,
    Ended,
}

impl BodyReader {
    /// For a body that ends as `framing` says and may have `data_max` bytes of data.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] if it says that it has more.
    pub fn new(framing: Framing, data_max: u64) -> Result<Self, BodyError> {
        let state = match framing {
            Framing::None | Framing::Sized(0) => State::Ended,
            Framing::Sized(length) if length > data_max => return Err(BodyError::TooLarge),
            Framing::Sized(length) => State::Sized(length),
            Framing::Chunked => State::Size { size: 0, digits: 0 },
        };
        Ok(Self { state, data_left_max: data_max, aside_left_max: ASIDE_BYTES_MAX })
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Takes the next bytes: what stands before data, and data up to the end of `bytes` or of a chunk. Uses
    /// all bytes unless data or the end of the body was found, so that it is to be called again for the
    /// rest until the body has ended or no bytes are left.
    ///
    /// # Errors
    /// A [`BodyError`]; nothing more can be read then.
    pub fn read(&mut self, bytes: &[u8]) -> Result<BodyPart, BodyError> {
        let mut used = 0;
        for byte in bytes {
            match self.state {
                State::Sized(left) | State::Data(left) => return Ok(self.take_data(used, bytes.len(), left)),
                State::Ended => break,
                _ => self.state = self.after(*byte)?,
            }
            used += 1;
        }
        Ok(BodyPart { used, data: used..used, ended: self.is_ended() })
    }

    fn take_data(&mut self, from: usize, end: usize, left: u64) -> BodyPart {
        let here = (end - from) as u64;
        let (taken, left) = (left.min(here), left.saturating_sub(here));
        self.state = match self.state {
            State::Sized(_) if left == 0 => State::Ended,
            State::Sized(_) => State::Sized(left),
            _ if left == 0 => State::DataCr,
            _ => State::Data(left),
        };
        // Not more than `here`, which is a usize.
        let used = from + taken as usize;
        BodyPart { used, data: from..used, ended: self.is_ended() }
    }

    /// The state behind a byte that is no data.
    fn after(&mut self, byte: u8) -> Result<State, BodyError> {
        Ok(match (self.state, byte) {
            (State::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                next_digit(size, digits, byte)?
            }
            (State::Size { digits: 0, .. }, _) => return Err(BodyError::ChunkSize),
            (State::Size { size, .. } | State::Extension { size }, b'\r') => State::SizeEnd { size },
            (State::Size { size, .. } | State::Blank { size }, b';') => {
                self.aside(byte, BodyError::ExtensionsTooLong)?;
                State::Extension { size }
            }
            (State::Size { size, .. } | State::Blank { size }, b' ' | b'\t') => {
                self.aside(byte, BodyError::ExtensionsTooLong)?;
                State::Blank { size }
            }
            (State::Size { .. } | State::Extension { .. }, b'\n') => return Err(BodyError::LineEnd),
            (State::Size { .. } | State::Blank { .. }, _) => return Err(BodyError::ChunkSize),
            (State::Extension { size }, _) => {
                self.aside(byte, BodyError::ExtensionsTooLong)?;
                State::Extension { size }
            }
            (State::SizeEnd { size: 0 }, b'\n') => State::TrailerStart,
            (State::SizeEnd { size }, b'\n') => self.chunk(size)?,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { size: 0, digits: 0 },
            (State::TrailerStart, b'\r') => State::TrailerEnd,
            (State::TrailerField, b'\r') => State::TrailerLf,
            (State::TrailerStart | State::TrailerField, b'\n') => return Err(BodyError::LineEnd),
            (State::TrailerStart | State::TrailerField, _) => {
                self.aside(byte, BodyError::TrailerTooLong)?;
                State::TrailerField
            }
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::TrailerEnd, b'\n') => State::Ended,
            (
                State::SizeEnd { .. } | State::DataCr | State::DataLf | State::TrailerLf | State::TrailerEnd,
                _,
            ) => {
                return Err(BodyError::LineEnd);
            }
            // `read` takes these itself.
            (State::Sized(_) | State::Data(_) | State::Ended, _) => self.state,
        })
    }

    /// A chunk of data begins.
    fn chunk(&mut self, size: u64) -> Result<State, BodyError> {
        self.data_left_max = self.data_left_max.checked_sub(size).ok_or(BodyError::TooLarge)?;
        Ok(State::Data(size))
    }

    /// A byte of an extension or a trailer.
    fn aside(&mut self, byte: u8, too_long: BodyError) -> Result<(), BodyError> {
        if byte.is_ascii_control() && byte != b'\t' {
            return Err(BodyError::Control);
        }
        self.aside_left_max = self.aside_left_max.checked_sub(1).ok_or(too_long)?;
        Ok(())
    }
}

fn next_digit(size: u64, digits: u8, byte: u8) -> Result<State, BodyError> {
    if digits == SIZE_DIGITS_MAX {
        return Err(BodyError::ChunkSizeOverflow);
    }
    let digit = char::from(byte).to_digit(16).ok_or(BodyError::ChunkSize)?;
    Ok(State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 })
}

/// As many as a 64-bit number has, so that a size cannot be too large for one. Leading zeros count.
const SIZE_DIGITS_MAX: u8 = 16;

/// Extensions and trailer of one body together: nobody here understands any, and those that exist
/// (signatures, checksums) are far shorter.
const ASIDE_BYTES_MAX: u16 = 8192;
