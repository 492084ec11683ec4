//! Where encoded bytes go: into a buffer, or into a count of bytes, so that the length of a packet
//! is worked out by the code that writes it.

use super::frame::var_int_len;

/// Takes the fields of a packet.
pub(super) trait Sink {
    fn bytes(&mut self, bytes: &[u8]);
    /// Bytes taken so far.
    fn len(&self) -> usize;

    #[inline]
    fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    #[inline]
    fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    #[inline]
    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// The shortest form of a variable byte integer.
    ///
    /// # Panics
    /// If the value does not fit into four bytes of seven bits.
    #[inline]
    fn var_int(&mut self, value: usize) {
        assert!(value <= super::BODY_BYTES_MAX, "a variable byte integer has 28 bits");
        let count = var_int_len(value);
        for at in 0..count {
            let more = if at + 1 < count { 0x80 } else { 0 };
            self.u8((value >> (7 * at) & 0x7f) as u8 | more);
        }
    }

    /// Binary data or a string, with its length in front.
    ///
    /// # Panics
    /// If it is longer than 65,535 bytes.
    #[inline]
    fn binary(&mut self, bytes: &[u8]) {
        let length = u16::try_from(bytes.len());
        self.u16(length.expect("whoever makes a packet keeps strings under 65,536 bytes"));
        self.bytes(bytes);
    }
}

impl Sink for Vec<u8> {
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn len(&self) -> usize {
        self.len()
    }
}

/// Counts and forgets.
#[derive(Debug, Default)]
pub(super) struct Count(usize);

impl Sink for Count {
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    #[inline]
    fn len(&self) -> usize {
        self.0
    }
}
