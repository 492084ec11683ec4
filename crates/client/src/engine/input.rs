//! Bytes from the server until they are whole packets.

use wire::mqtt::{Frame, Kind, frame};

use crate::event::ProtocolError;

/// Never holds more than the longest packet and one read.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    taken: usize,
}

impl Input {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole packet, its frame and its body; `None` if more bytes are needed.
    pub(super) fn next(&mut self, bytes_max: usize) -> Result<Option<(Frame, &[u8])>, ProtocolError> {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let Some(frame) = frame(rest)? else { return Ok(None) };
        if frame.len() > bytes_max {
            return Err(ProtocolError::TooLarge { bytes: frame.len(), max: bytes_max });
        }
        let Some(body) = rest.get(frame.head_len..frame.len()) else { return Ok(None) };
        self.taken += frame.len();
        Ok(Some((frame, body)))
    }

    /// What the next packet claims to be, `Some(None)` if there is no such packet.
    pub(super) fn kind(&self) -> Option<Option<Kind>> {
        self.bytes.get(self.taken).map(|first| Kind::of(*first))
    }

    pub(super) fn clear(&mut self) {
        self.bytes = Vec::new();
        self.taken = 0;
    }
}
