//! Where the body of a request ends (RFC 9112 6.3).

use super::{HeadError, Version};

/// How the end of a body is told, in a request or in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Nothing tells it. A request has no body then; that of an answer ends with the connection.
    None,
    /// So many bytes.
    Sized(u64),
    /// In chunks, the last one empty.
    Chunked,
}

/// What the two fields that tell it have said so far.
#[derive(Debug, Default)]
pub(super) struct FramingFields {
    length: Option<u64>,
    coding: Option<Coding>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Chunked,
    /// Unknown, several, or none at all.
    Other,
}

impl FramingFields {
    /// One field Content-Length. A second one is refused even if it says the same: RFC 9112 6.3 lets a
    /// server take it, but who takes the first and who takes the last would agree by luck only.
    pub(super) fn content_length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        let length = decimal(value).ok_or(HeadError::ContentLength)?;
        match self.length.replace(length) {
            None => Ok(()),
            Some(_) => Err(HeadError::ContentLength),
        }
    }

    /// One field Transfer-Encoding.
    pub(super) fn transfer_encoding(&mut self, value: &[u8]) {
        let is_chunked = self.coding.is_none() && value.eq_ignore_ascii_case(b"chunked");
        self.coding = Some(if is_chunked { Coding::Chunked } else { Coding::Other });
    }

    /// The verdict, when all fields were seen.
    pub(super) fn judge(self, version: Version) -> Result<Framing, HeadError> {
        match (self.length, self.coding) {
            (Some(_), Some(_)) => Err(HeadError::LengthAndCoding),
            (None, Some(_)) if version == Version::Http10 => Err(HeadError::CodingInHttp10),
            (None, Some(Coding::Other)) => Err(HeadError::TransferCoding),
            (None, Some(Coding::Chunked)) => Ok(Framing::Chunked),
            (Some(length), None) => Ok(Framing::Sized(length)),
            (None, None) => Ok(Framing::None),
        }
    }
}

/// Digits and nothing else, unlike what `parse` takes.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}
