//! Whether text that comes in pieces is UTF-8; the answer is no at the first byte that cannot be.

use super::DecodeError;

/// What is left over from the pieces so far: the beginning of a character, or nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Utf8 {
    begun: [u8; 4],
    begun_len: u8,
}

impl Utf8 {
    /// The next piece.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<(), DecodeError> {
        while self.begun_len > 0 {
            let Some((byte, rest)) = bytes.split_first() else { return Ok(()) };
            self.go_on(*byte)?;
            bytes = rest;
        }
        match std::str::from_utf8(bytes) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_none() => {
                let begun = bytes.get(error.valid_up_to()..).unwrap_or_default();
                begun.iter().try_for_each(|byte| self.go_on(*byte))
            }
            Err(_) => Err(DecodeError::Utf8),
        }
    }

    /// The text ends here.
    pub(super) fn end(self) -> Result<(), DecodeError> {
        if self.begun_len == 0 { Ok(()) } else { Err(DecodeError::Utf8) }
    }

    /// The next byte of a character, or its first one.
    fn go_on(&mut self, byte: u8) -> Result<(), DecodeError> {
        let place = self.begun.get_mut(usize::from(self.begun_len)).ok_or(DecodeError::Utf8)?;
        *place = byte;
        self.begun_len += 1;
        let begun = self.begun.get(..usize::from(self.begun_len)).unwrap_or_default();
        match std::str::from_utf8(begun) {
            Ok(_) => self.begun_len = 0,
            Err(error) if error.error_len().is_none() => {}
            Err(_) => return Err(DecodeError::Utf8),
        }
        Ok(())
    }
}
