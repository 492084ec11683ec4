//! The bytes of one client: what may be read and written, and where what is read ends.
//!
//! Epoll is edge-triggered and a socket is registered once, so the transport remembers what the
//! kernel has told. What a read ends with ([`ReadEnd`]) is its business, whatever stands between the
//! socket and the protocol; what that means is the protocol's.

use std::io::{self, IoSlice};
use std::net::Shutdown;

use frontend::{Chunk, CloseReason, LONG_CARRY_READS, Outgoing, ReadEnd};
use mio::Registry;
use mio::event::Event;
use mio::net::TcpStream;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use crate::pages::Pages;

/// Buffers in one `writev`.
const SLICES_MAX: usize = 64;

/// A longer carry is not copied for a read.
const LONG_CARRY_BYTES: usize = 4 * 1024;

/// A plain TCP connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts; every combination occurs")]
pub(crate) struct Transport {
    stream: TcpStream,
    /// There may be something to read.
    readable: bool,
    /// The peer has closed its side: a short read does not mean that nothing follows.
    read_closed: bool,
    /// Everything that the peer sent has been read.
    read_to_end: bool,
    /// The kernel's buffer is full.
    blocked: bool,
}

/// How a read went.
#[derive(Debug)]
pub(crate) enum Read {
    /// The carry and what was read behind it, which may be nothing.
    Chunk(Chunk, ReadEnd),
    /// There is nothing, and there was no carry.
    Nothing,
    Broken(CloseReason),
}

/// How a write went.
#[derive(Debug)]
pub(crate) enum Written {
    All,
    Blocked,
    Broken(CloseReason),
}

impl Transport {
    pub(crate) fn new(stream: TcpStream) -> Self {
        // Bytes may have come before the socket was registered.
        Self { stream, readable: true, read_closed: false, read_to_end: false, blocked: false }
    }

    /// Gives the socket up for another thread.
    pub(crate) fn into_stream(mut self, registry: &Registry) -> TcpStream {
        // It is registered; the only error would be that it is not.
        registry.deregister(&mut self.stream).ok();
        self.stream
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Whether there may be something to read.
    pub(crate) fn is_readable(&self) -> bool {
        self.readable
    }

    /// Whether the peer has closed its side, as far as the kernel has told.
    pub(crate) fn is_read_closed(&self) -> bool {
        self.read_closed
    }

    /// Whether everything that the peer sent has been read.
    pub(crate) fn is_read_to_end(&self) -> bool {
        self.read_to_end
    }

    /// Whether a write would find no room.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Takes what the kernel tells. Returns whether it is about reading, and about writing.
    pub(crate) fn note(&mut self, event: &Event) -> (bool, bool) {
        let writes = event.is_writable() && std::mem::take(&mut self.blocked);
        let ends = event.is_read_closed() || event.is_error();
        let reads = event.is_readable() || ends;
        // Each edge names the end again; it has been read. A reset is an error.
        self.readable |= reads && (!self.read_to_end || event.is_error());
        self.read_closed |= ends;
        (reads, writes)
    }

    /// Reads once, behind `carry`, into `buffer` or, behind a long carry, into its own allocation.
    pub(crate) fn read(&mut self, buffer: &mut ReadBuffer, mut carry: Vec<u8>) -> Read {
        let is_long = carry.len() > LONG_CARRY_BYTES;
        if is_long {
            buffer.reserve(&mut carry);
            std::mem::swap(&mut buffer.bytes, &mut carry);
        } else {
            buffer.begin(&carry);
        }
        let room = buffer.bytes.capacity() - buffer.bytes.len();
        let read = loop {
            match rustix::io::read(&self.stream, spare_capacity(&mut buffer.bytes)) {
                Err(Errno::INTR) => {}
                other => break other,
            }
        };
        let end = match read {
            Ok(0) => ReadEnd::Closed,
            Ok(n) if n == room => ReadEnd::More,
            Ok(_) => ReadEnd::Drained,
            Err(Errno::AGAIN) => {
                self.readable = false;
                if is_long {
                    std::mem::swap(&mut buffer.bytes, &mut carry);
                }
                // The read before may have filled its buffer to the byte: now it was the last one.
                return match carry.is_empty() {
                    true => Read::Nothing,
                    false => Read::Chunk(chunk(carry), ReadEnd::Drained),
                };
            }
            Err(errno) => return Read::Broken(reason(errno)),
        };
        // A short read empties the socket: the next edge tells of more (epoll(7)). The peer's
        // close has no edge of its own if it came with these bytes.
        self.read_to_end = end == ReadEnd::Closed;
        self.readable = end == ReadEnd::More || (end == ReadEnd::Drained && self.read_closed);
        let chunk = match is_long {
            true => filled_chunk(std::mem::replace(&mut buffer.bytes, carry)),
            false => buffer.take(),
        };
        Read::Chunk(chunk, end)
    }

    /// Reads once and throws away, for a peer that is only expected to close. Returns how much;
    /// `None` once it has closed.
    pub(crate) fn discard(&mut self, buffer: &mut ReadBuffer) -> Option<usize> {
        self.readable = false;
        buffer.begin(&[]);
        let read = rustix::io::read(&self.stream, spare_capacity(&mut buffer.bytes));
        buffer.bytes.clear();
        match read {
            Ok(count @ 1..) => {
                self.readable = true;
                Some(count)
            }
            Err(Errno::AGAIN) => Some(0),
            _ => None,
        }
    }

    /// Writes until everything is written or the kernel takes no more.
    pub(crate) fn write(&mut self, out: &mut Outgoing, pages: &mut Pages) -> Written {
        while !out.is_empty() {
            let (offered, written) = self.write_once(out, pages);
            match written {
                Ok(0) => return Written::Broken(CloseReason::Gone),
                Ok(written) => {
                    out.advance(written);
                    if written < offered {
                        // A short write means a full buffer: the edge will tell.
                        self.blocked = true;
                        return Written::Blocked;
                    }
                }
                Err(Errno::AGAIN) => {
                    self.blocked = true;
                    return Written::Blocked;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Written::Broken(reason(error)),
            }
        }
        Written::All
    }

    /// Offers the kernel what it may take at once. Returns how much that was, and how much it took.
    fn write_once(&self, out: &Outgoing, pages: &mut Pages) -> (usize, Result<usize, Errno>) {
        if let Some(bytes) = out.shared_front()
            && let Some(sent) = pages.send(&self.stream, bytes)
        {
            return (bytes.len(), sent);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let filled = out.slices(&mut slices);
        let offered = slices[..filled].iter().map(|slice| slice.len()).sum();
        (offered, rustix::io::writev(&self.stream, &slices[..filled]))
    }

    /// Says that nothing more will be written. What the peer has sent and nobody has read must
    /// be read before closing, or the kernel throws away what the peer has not read yet.
    pub(crate) fn finish_writing(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        self.readable = true;
        Ok(())
    }
}

/// Why a socket broke.
fn reason(errno: Errno) -> CloseReason {
    match errno {
        // TCP_USER_TIMEOUT or keep-alive: `listener::tune` sets them.
        Errno::TIMEDOUT => CloseReason::Untaken,
        _ => CloseReason::Gone,
    }
}

/// The buffer that a shard reads into.
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
    size: usize,
}

impl ReadBuffer {
    pub(crate) fn new(size: usize) -> Self {
        Self { bytes: Vec::with_capacity(size), size }
    }

    /// Starts with `carry`. A long carry gets as much room again, so that a message that comes
    /// in pieces is copied a constant number of times.
    fn begin(&mut self, carry: &[u8]) {
        self.bytes.clear();
        let wanted = carry.len() + self.size.max(carry.len());
        if self.bytes.capacity() < wanted || self.bytes.capacity() > 4 * wanted {
            self.bytes = Vec::with_capacity(wanted);
        }
        self.bytes.extend_from_slice(carry);
    }

    /// Makes room behind a long carry: as much again, so that a message that comes in pieces is
    /// copied a few times; but what follows it may be very many short ones, which count with it.
    fn reserve(&self, carry: &mut Vec<u8>) {
        if carry.capacity() - carry.len() < self.size {
            carry.reserve_exact(carry.len().clamp(self.size, LONG_CARRY_READS * self.size));
        }
    }

    /// What was read: the buffer itself if it is well filled, else a copy of the exact size.
    fn take(&mut self) -> Chunk {
        if self.bytes.len() * 2 >= self.bytes.capacity() {
            return chunk(std::mem::replace(&mut self.bytes, Vec::with_capacity(self.size)));
        }
        chunk(self.bytes.as_slice().to_vec())
    }
}

/// The bytes as they are if they fill most of their allocation, else a copy of the exact size.
fn filled_chunk(bytes: Vec<u8>) -> Chunk {
    if bytes.len() * 2 >= bytes.capacity() { chunk(bytes) } else { chunk(bytes.as_slice().to_vec()) }
}

fn chunk(bytes: Vec<u8>) -> Chunk {
    let pinned_bytes = bytes.capacity();
    Chunk { bytes: bytes.into(), pinned_bytes }
}
