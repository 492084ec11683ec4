//! What many sockets are sent, in memory that the kernel sends as it is (docs/adr/0008).
//!
//! A write copies its bytes into the kernel, for every socket anew. Long bytes that were written to some
//! sockets already go once into a file in memory, and sendfile(2) has the kernel send the pages of that
//! file, which all sockets share.
//!
//! Pages that a socket was sent are referred to until its peer has taken them, and must not change till
//! then: so nothing in a file is ever written twice, and after each round the next one is a new file.

use std::os::fd::OwnedFd;

use bytes::Bytes;
use mio::net::TcpStream;
use rustix::io::Errno;

/// Shorter bytes are copied as fast.
const LENGTH_MIN: usize = 16 * 1024;
/// So many sockets get copies first: a file for fewer would cost more than they do.
const COPIES: u32 = 12;
/// Bytes that are watched at a time: those that receivers are sent now, and what a few others are behind
/// with.
const WATCHED_MAX: usize = 16;
/// Where bytes in a file begin: the fewer pages, the less work.
const ALIGNMENT: usize = 4096;

/// The bytes of one round.
#[derive(Debug)]
pub(crate) struct Pages {
    /// A file has no more (`pages_bytes_max`).
    bytes_max: usize,
    watched: Vec<Watched>,
    file: Option<OwnedFd>,
    file_bytes: usize,
    /// Whether the system does not do this.
    is_refused: bool,
}

/// Bytes that may be sent to many.
#[derive(Debug)]
struct Watched {
    /// Kept, so that no others can come to lie in their place.
    bytes: Bytes,
    sent: u32,
    /// Where they are in the file.
    at: Option<u64>,
}

impl Pages {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, watched: Vec::new(), file: None, file_bytes: 0, is_refused: false }
    }

    /// Sends bytes, or the first of them, if they are in the file by now; `None` if they are to be written
    /// as any others. Costs a copy of them, and a few microseconds, once for all sockets.
    ///
    /// # Errors
    /// Those of a write to the socket.
    pub(crate) fn send(&mut self, stream: &TcpStream, bytes: &Bytes) -> Option<Result<usize, Errno>> {
        if bytes.len() < LENGTH_MIN || self.is_refused {
            return None;
        }
        let at = self.place(bytes)?;
        let sent = send_file(stream, self.file.as_ref()?, at, bytes.len());
        if matches!(sent, Ok(0) | Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)) {
            self.is_refused = true;
            return None;
        }
        Some(sent)
    }

    /// Everyone who had something to be written was written to.
    pub(crate) fn forget(&mut self) {
        self.watched.clear();
        (self.file, self.file_bytes) = (None, 0);
    }

    /// Where bytes are in the file.
    fn place(&mut self, bytes: &Bytes) -> Option<u64> {
        let Some((index, offset)) = self.find(bytes) else {
            self.watch(bytes.clone());
            return None;
        };
        let watched = self.watched.get_mut(index)?;
        watched.sent += 1;
        if watched.at.is_none() && watched.sent > COPIES {
            let whole = watched.bytes.clone();
            // Without a place they are tried again after as many copies.
            watched.sent = 0;
            let at = self.store(&whole)?;
            let watched = self.watched.get_mut(index)?;
            (watched.at, watched.sent) = (Some(at), COPIES);
        }
        Some(self.watched.get(index)?.at? + offset)
    }

    /// Which watched bytes these are the end or all of, and from where.
    fn find(&self, bytes: &Bytes) -> Option<(usize, u64)> {
        let begins = bytes.as_ptr().addr();
        self.watched.iter().enumerate().find_map(|(index, watched)| {
            let offset = begins.checked_sub(watched.bytes.as_ptr().addr())?;
            (offset + bytes.len() == watched.bytes.len()).then_some((index, offset as u64))
        })
    }

    fn watch(&mut self, bytes: Bytes) {
        let watched = Watched { bytes, sent: 1, at: None };
        if self.watched.len() < WATCHED_MAX {
            return self.watched.push(watched);
        }
        if let Some(least) = self.watched.iter_mut().min_by_key(|watched| watched.sent) {
            *least = watched;
        }
    }

    /// Puts bytes into the file; `None` if it is full, or if the system gives no memory for it.
    fn store(&mut self, bytes: &[u8]) -> Option<u64> {
        if self.file_bytes + bytes.len() > self.bytes_max {
            self.forget();
            return None;
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(memory_file().ok()?),
        };
        let at = self.file_bytes as u64;
        let written = rustix::io::pwrite(&*file, bytes, at).ok()?;
        // What is behind a short write is not written to again either.
        self.file_bytes += bytes.len().next_multiple_of(ALIGNMENT);
        (written == bytes.len()).then_some(at)
    }
}

#[cfg(target_os = "linux")]
fn memory_file() -> Result<OwnedFd, Errno> {
    rustix::fs::memfd_create("tidings", rustix::fs::MemfdFlags::CLOEXEC)
}

#[cfg(target_os = "linux")]
fn send_file(stream: &TcpStream, file: &OwnedFd, at: u64, bytes: usize) -> Result<usize, Errno> {
    let mut at = at;
    rustix::fs::sendfile(stream, file, Some(&mut at), bytes)
}

#[cfg(not(target_os = "linux"))]
fn memory_file() -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}

#[cfg(not(target_os = "linux"))]
fn send_file(_: &TcpStream, _: &OwnedFd, _: u64, _: usize) -> Result<usize, Errno> {
    Err(Errno::NOSYS)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    const BYTES_MAX: usize = 1024 * 1024;

    /// Both ends of a connection.
    fn connection() -> (TcpStream, std::net::TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        (TcpStream::from_std(stream), peer)
    }

    fn bytes(of: u8, count: usize) -> Bytes {
        (0..count).map(|index| of ^ (index % 251) as u8).collect()
    }

    /// Until they are in the file.
    fn make_known(pages: &mut Pages, stream: &TcpStream, bytes: &Bytes) {
        for _ in 0..COPIES {
            assert!(pages.send(stream, bytes).is_none(), "the first ones get copies");
        }
    }

    fn heard(mut peer: &std::net::TcpStream, count: usize) -> Vec<u8> {
        let mut heard = vec![0; count];
        peer.read_exact(&mut heard).unwrap();
        heard
    }

    #[test]
    fn what_is_under_way_stays_as_it_was() {
        let mut pages = Pages::new(BYTES_MAX);
        let connections: Vec<_> = (0..8).map(|_| connection()).collect();
        let rounds = || (0..16_u8).map(|round| bytes(round, LENGTH_MIN + 1000 * usize::from(round)));
        for (index, bytes) in rounds().enumerate() {
            let (stream, _) = &connections[index % 8];
            make_known(&mut pages, stream, &bytes);
            assert_eq!(pages.send(stream, &bytes), Some(Ok(bytes.len())));
            pages.forget();
        }
        // Nothing was read before, and new bytes have come fifteen times.
        for (index, bytes) in rounds().enumerate() {
            assert!(heard(&connections[index % 8].1, bytes.len()) == bytes, "round {index}");
        }
    }

    #[test]
    fn what_a_socket_did_not_take_is_sent_from_there() {
        let mut pages = Pages::new(BYTES_MAX);
        let (stream, peer) = connection();
        let [one, other] = [1, 2].map(|of| bytes(of, 100_000));
        make_known(&mut pages, &stream, &one);
        make_known(&mut pages, &stream, &other);
        let mut rest = other.clone();
        let mut sent = |bytes: &Bytes| pages.send(&stream, bytes).unwrap().unwrap();
        assert_eq!(sent(&one), one.len());
        assert_eq!(sent(&rest.split_off(40_000)), 60_000, "the end of other bytes, as after a short write");
        assert_eq!(heard(&peer, 100_000), one);
        assert_eq!(heard(&peer, 60_000), other[40_000..]);
    }

    #[test]
    fn files_are_bounded_and_short_bytes_are_in_none() {
        let mut pages = Pages::new(BYTES_MAX);
        let (stream, peer) = connection();
        let short = bytes(0, LENGTH_MIN - 1);
        assert!((0..100).all(|_| pages.send(&stream, &short).is_none()));
        for round in 0..100 {
            let bytes = bytes(round, 100_000);
            make_known(&mut pages, &stream, &bytes);
            // A full file is followed by another; these bytes are written.
            if let Some(sent) = pages.send(&stream, &bytes) {
                assert!(heard(&peer, sent.unwrap()) == bytes);
            }
            assert!(pages.file_bytes <= BYTES_MAX + ALIGNMENT && pages.watched.len() <= WATCHED_MAX);
        }
    }

    #[test]
    fn a_system_that_does_not_do_it_is_asked_once() {
        let mut pages = Pages::new(BYTES_MAX);
        let (stream, _peer) = connection();
        let bytes = bytes(0, 100_000);
        make_known(&mut pages, &stream, &bytes);
        // It cannot send from a directory.
        pages.place(&bytes).unwrap();
        pages.file = Some(std::fs::File::open("/").unwrap().into());
        assert_eq!(pages.send(&stream, &bytes), None);
        assert!(pages.is_refused);
    }
}
