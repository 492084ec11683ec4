//! Bytes that wait for one socket.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// A queue of buffers, written together and in order.
#[derive(Debug, Default)]
pub struct Outgoing {
    buffers: VecDeque<Bytes>,
    bytes: usize,
}

impl Outgoing {
    /// Appends bytes.
    pub fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.buffers.push_back(bytes);
        }
    }

    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Fills `slices` with the first buffers and returns how many it filled.
    #[must_use]
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slot, buffer) in slices.iter_mut().zip(&self.buffers) {
            *slot = IoSlice::new(buffer);
            filled += 1;
        }
        filled
    }

    /// Takes `written` bytes off the front.
    ///
    /// # Panics
    /// If fewer wait: a socket cannot have taken more than it was given.
    pub fn advance(&mut self, mut written: usize) {
        assert!(written <= self.bytes, "a socket takes what it was given");
        self.bytes -= written;
        while let Some(front) = self.buffers.front_mut() {
            if written < front.len() {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.buffers.pop_front();
        }
    }

    /// Gives everything up.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_of_writes_gives_the_same_bytes() {
        let all = b"abcdefghij";
        for step in 1..=all.len() {
            let mut out = Outgoing::default();
            for part in [&b"abc"[..], b"", b"d", b"efghij"] {
                out.push(Bytes::copy_from_slice(part));
            }
            let mut written = Vec::new();
            while !out.is_empty() {
                let mut slices = [IoSlice::new(&[]); 2];
                let filled = out.slices(&mut slices);
                let bytes: Vec<u8> =
                    slices.iter().take(filled).flat_map(|s| s.iter().copied()).take(step).collect();
                out.advance(bytes.len());
                written.extend(bytes);
            }
            assert_eq!(written, all);
        }
    }
}
