//! One client's socket as its shard's thread sees it: the transport, and where it stands in line.

use broker::Instant;
use frontend::{Chunk, ReadEnd};

use crate::transport::{Read, ReadBuffer, Transport};

/// Who sends less than this at once sends little, and is read about this much.
pub(crate) const LIGHT_READ_BYTES: usize = 4 * 1024;
/// Who has sent more stays among those who send much for so many reads.
const HEAVY_READS: u8 = 16;
/// A newcomer counts as one who sends much until it has been read so often and sent little:
/// thousands who come and flood do not stand before those who are known to send little.
const NEW_READS: u8 = 4;

#[derive(Debug)]
pub(crate) struct Socket {
    /// The listener that accepted it.
    pub(crate) listener: usize,
    pub(crate) transport: Transport,
    /// Stands in one of the lines of sockets to be read.
    pub(crate) listed: bool,
    /// Stands in the line of sockets to be written in bulk.
    pub(crate) write_listed: bool,
    /// What was left over of it is to be received before more is read.
    again: bool,
    /// How many more small reads it takes until it counts as one that sends little.
    heavy: u8,
    /// Everything is said; waits until then for the peer to have read it.
    pub(crate) lingers_until: Option<Instant>,
    /// Bytes that were thrown away since then.
    pub(crate) discarded: usize,
}

impl Socket {
    pub(crate) fn new(transport: Transport, listener: usize) -> Self {
        Self {
            listener,
            transport,
            listed: false,
            write_listed: false,
            again: false,
            heavy: NEW_READS,
            lingers_until: None,
            discarded: 0,
        }
    }

    /// What was left over is to be received again, whether or not more has come.
    pub(crate) fn read_again(&mut self) {
        self.again = true;
    }

    /// Whether a read would find something.
    pub(crate) fn is_readable(&self) -> bool {
        self.again || self.transport.is_readable()
    }

    /// Whether it has sent much lately.
    pub(crate) fn is_heavy(&self) -> bool {
        self.heavy > 0
    }

    /// Reads once, behind `carry`.
    pub(crate) fn read(&mut self, buffer: &mut ReadBuffer, carry: Vec<u8>) -> Read {
        if std::mem::take(&mut self.again) {
            let pinned_bytes = carry.capacity();
            return Read::Chunk(Chunk { bytes: carry.into(), pinned_bytes }, ReadEnd::Drained);
        }
        let before = carry.len();
        let read = self.transport.read(buffer, carry);
        if let Read::Chunk(chunk, end) = &read {
            match chunk.bytes.len() - before {
                count if count >= LIGHT_READ_BYTES || *end == ReadEnd::More => self.heavy = HEAVY_READS,
                _ => self.heavy = self.heavy.saturating_sub(1),
            }
        }
        read
    }

    /// Reads once and throws away. Returns how much; `None` once the peer has closed.
    pub(crate) fn discard(&mut self, buffer: &mut ReadBuffer) -> Option<usize> {
        let count = self.transport.discard(buffer)?;
        self.discarded += count;
        Some(count)
    }
}
