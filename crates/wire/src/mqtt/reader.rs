//! Takes the fields of a packet off its front. Nothing here can read past the end.

use std::num::NonZeroU16;

use super::DecodeError;
use super::frame::{var_int, var_int_len};

/// What is left of a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Everything that is left.
    #[inline]
    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// # Errors
    /// [`DecodeError::TrailingBytes`] if something is left.
    #[inline]
    pub(super) fn end(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }

    #[inline]
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_be_bytes)
    }

    #[inline]
    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A variable byte integer of 5.0, which must be in its shortest form.
    #[inline]
    pub(super) fn var_int(&mut self) -> Result<u32, DecodeError> {
        let (value, bytes) = var_int(self.rest)?.ok_or(DecodeError::Truncated)?;
        //= MQTT5-1.5.5-1
        if bytes != var_int_len(value as usize) {
            return Err(DecodeError::OverlongVarInt);
        }
        self.bytes(bytes)?;
        Ok(value)
    }

    /// Binary data with its length in front (MQTT5 1.5.6).
    #[inline]
    pub(super) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let count = self.u16()?;
        self.bytes(count.into())
    }

    /// A UTF-8 string. A byte order mark is a character like others (MQTT5-1.5.4-3).
    #[inline]
    pub(super) fn str(&mut self) -> Result<&'a str, DecodeError> {
        //= MQTT5-1.5.4-1
        //= MQTT311-1.5.3-1
        let text = std::str::from_utf8(self.binary()?).map_err(|_| DecodeError::Utf8)?;
        //= MQTT5-1.5.4-2
        //= MQTT311-1.5.3-2
        if memchr::memchr(0, text.as_bytes()).is_some() {
            return Err(DecodeError::Nul);
        }
        Ok(text)
    }

    #[inline]
    pub(super) fn packet_id(&mut self) -> Result<NonZeroU16, DecodeError> {
        //= MQTT5-2.2.1-3
        //= MQTT5-2.2.1-4
        //= MQTT311-2.3.1-1
        NonZeroU16::new(self.u16()?).ok_or(DecodeError::PacketIdZero)
    }
}
