//! Bytes that wait for one socket.

use std::collections::VecDeque;
use std::io::IoSlice;

use broker::{Charge, Gauge, Use};
use bytes::{Buf, Bytes};
use wire::websocket::{Opcode, Part, write_frame_head};

/// A buffer takes more bytes until it holds this many; then the next one begins.
const BUFFER_BYTES: usize = 64 * 1024;
/// Larger buffers are not worth keeping for another use.
const KEPT_BYTES_MAX: usize = 4 * BUFFER_BYTES;
/// Nor are those that would have to grow at once.
const KEPT_BYTES_MIN: usize = 64;
/// Buffers that a shard keeps for another use.
const KEPT_MAX: usize = 16;
/// Places for pieces that a connection keeps while nothing waits.
const PIECES_KEPT: usize = 1;

/// A queue of buffers, written together and in order.
#[derive(Debug, Default)]
pub struct Outgoing {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// Own buffers that are written and can be used again.
    spent: Vec<Vec<u8>>,
    /// What own buffers cost while they wait. Shared ones carry their own charge.
    charge: Option<Charge>,
    blocked: bool,
    framed: Option<Frame>,
}

/// What is to be one frame of a WebSocket: the last pieces, so far.
#[derive(Debug, Default)]
struct Frame {
    pieces: usize,
    bytes: usize,
}

#[derive(Debug)]
enum Piece {
    /// Bytes that other receivers get as well.
    Shared(Bytes),
    /// Bytes of this receiver only, without the first `written`.
    Own { bytes: Vec<u8>, written: usize },
}

/// Buffers for another use; the last one put back is the warmest in the cache.
#[derive(Debug, Default)]
pub(crate) struct Pool(Vec<Vec<u8>>);

impl Pool {
    fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    /// Puts the buffers back that `out` is done with.
    fn put_back(&mut self, out: &mut Outgoing) {
        for mut buffer in out.spent.drain(..) {
            if self.0.len() < KEPT_MAX && (KEPT_BYTES_MIN..=KEPT_BYTES_MAX).contains(&buffer.capacity()) {
                buffer.clear();
                self.0.push(buffer);
            }
        }
        out.spent = Vec::new();
    }
}

impl Outgoing {
    /// Appends bytes that other receivers get as well.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            if let Some(frame) = &mut self.framed {
                frame.bytes += bytes.len();
            }
            self.push_piece(Piece::Shared(bytes));
        }
    }

    /// From here on everything is the payload of binary frames: each holds what is appended between two
    /// calls of [`Outgoing::close_frame`].
    pub(crate) fn begin_frames(&mut self) {
        self.framed = Some(Frame::default());
    }

    /// What was appended since the last call is a frame.
    pub(crate) fn close_frame(&mut self) {
        let Some(frame) = &mut self.framed else { return };
        let Frame { pieces, bytes } = std::mem::take(frame);
        if bytes > 0 {
            let mut head = Vec::with_capacity(10);
            write_frame_head(&mut head, Opcode::Binary, Part::Last, bytes);
            self.bytes += head.len();
            self.pieces.insert(self.pieces.len() - pieces, Piece::Own { bytes: head, written: 0 });
        }
    }

    /// Appends a frame of another kind, whole.
    pub(crate) fn append_frame(&mut self, frame: Vec<u8>) {
        self.close_frame();
        let framed = self.framed.take();
        self.bytes += frame.len();
        self.push_piece(Piece::Own { bytes: frame, written: 0 });
        self.framed = framed;
    }

    fn push_piece(&mut self, piece: Piece) {
        if self.pieces.is_empty() {
            self.pieces.reserve_exact(1); // most writes are one
        }
        if let Some(frame) = &mut self.framed {
            frame.pieces += 1;
        }
        self.pieces.push_back(piece);
    }

    /// Appends what `write` puts into a buffer of this receiver's own.
    pub(crate) fn append<T: Default>(&mut self, pool: &mut Pool, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let has_room =
            |piece: &Piece| matches!(piece, Piece::Own { bytes, .. } if bytes.len() < BUFFER_BYTES);
        // What is behind a frame is none of it.
        let begins = self.framed.as_ref().is_some_and(|frame| frame.pieces == 0);
        if begins || !self.pieces.back().is_some_and(has_room) {
            self.push_piece(Piece::Own { bytes: pool.take(), written: 0 });
        }
        let Some(Piece::Own { bytes, .. }) = self.pieces.back_mut() else { return T::default() };
        let before = bytes.len();
        let result = write(bytes);
        let added = bytes.len() - before;
        self.bytes += added;
        if let Some(frame) = &mut self.framed {
            frame.bytes += added;
        }
        result
    }

    /// The socket takes no more for now: buffers that are hardly filled go back to the pool, and
    /// what waits is charged.
    pub(crate) fn settle(&mut self, pool: &mut Pool, gauge: &Gauge) {
        self.blocked = !self.is_empty();
        let mut own_bytes = 0;
        for piece in &mut self.pieces {
            let Piece::Own { bytes, written } = piece else { continue };
            let rest = bytes.get(*written..).unwrap_or_default();
            if rest.len() <= bytes.capacity() / 2 {
                let exact = rest.to_vec();
                *written = 0;
                self.spent.push(std::mem::replace(bytes, exact));
            }
            own_bytes += bytes.capacity();
        }
        pool.put_back(self);
        match &mut self.charge {
            Some(charge) if own_bytes > 0 => charge.set(own_bytes),
            None if own_bytes > 0 => self.charge = Some(gauge.charge(Use::Outgoing, own_bytes)),
            _ => self.charge = None,
        }
        // Thousands of connections that once had much to write keep nothing of it.
        if self.pieces.is_empty() && self.pieces.capacity() > PIECES_KEPT {
            self.pieces = VecDeque::new();
        }
    }

    /// Whether the socket took less than it was given the last time.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked
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

    /// The first buffer, if other receivers get its bytes as well.
    #[must_use]
    pub fn shared_front(&self) -> Option<&Bytes> {
        match self.pieces.front()? {
            Piece::Shared(bytes) => Some(bytes),
            Piece::Own { .. } => None,
        }
    }

    /// Fills `slices` with the first buffers and returns how many it filled.
    #[must_use]
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slot, piece) in slices.iter_mut().zip(&self.pieces) {
            *slot = IoSlice::new(piece.rest());
            filled += 1;
        }
        filled
    }

    /// Takes `written` bytes off the front.
    ///
    /// # Panics
    /// If fewer wait: a socket cannot have taken more than it was given.
    pub fn advance(&mut self, mut count: usize) {
        assert!(count <= self.bytes, "a socket takes what it was given");
        self.bytes -= count;
        while let Some(front) = self.pieces.front_mut() {
            let rest = front.rest().len();
            if count < rest {
                match front {
                    Piece::Shared(bytes) => bytes.advance(count),
                    Piece::Own { written, .. } => *written += count,
                }
                return;
            }
            count -= rest;
            if let Some(Piece::Own { bytes, .. }) = self.pieces.pop_front() {
                self.spent.push(bytes);
            }
        }
    }

    /// Gives everything up.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Piece {
    fn rest(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Own { bytes, written } => bytes.get(*written..).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_of_writes_gives_the_same_bytes() {
        let all = b"abcdefghijkl";
        for step in 1..=all.len() {
            let (mut out, mut pool) = (Outgoing::default(), Pool::default());
            out.push(Bytes::from_static(b"abc"));
            out.push(Bytes::new());
            out.append(&mut pool, |own| {
                own.reserve(KEPT_BYTES_MIN);
                own.extend_from_slice(b"d");
            });
            out.append(&mut pool, |own| own.extend_from_slice(b"ef"));
            out.push(Bytes::from_static(b"ghij"));
            out.append(&mut pool, |own| {
                own.reserve(KEPT_BYTES_MIN);
                own.extend_from_slice(b"kl");
            });
            let mut written = Vec::new();
            while !out.is_empty() {
                let mut slices = [IoSlice::new(&[]); 3];
                let filled = out.slices(&mut slices);
                let bytes: Vec<u8> =
                    slices.iter().take(filled).flat_map(|s| s.iter().copied()).take(step).collect();
                out.advance(bytes.len());
                written.extend(bytes);
            }
            assert_eq!(written, all);
            out.settle(&mut pool, &Gauge::new());
            assert_eq!(pool.0.len(), 2, "both own buffers are used again");
        }
    }

    #[test]
    fn what_waits_is_charged_at_its_size_and_given_back() {
        let (gauge, mut out, mut pool) = (Gauge::new(), Outgoing::default(), Pool::default());
        out.append(&mut pool, |own| own.extend_from_slice(&[b'x'; 50_000]));
        out.advance(49_990);
        out.settle(&mut pool, &gauge);
        assert_eq!((out.bytes(), gauge.used()), (10, 10), "a large buffer is not kept for ten bytes");
        assert_eq!(pool.0.len(), 1);
        out.advance(10);
        out.settle(&mut pool, &gauge);
        assert_eq!(gauge.used(), 0);
    }
}
