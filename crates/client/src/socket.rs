//! A socket that never makes anyone wait, and the one place where a client does wait.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream as Blocking, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::address::Address;
use crate::limits::{CONNECT_TIME, READ_BYTES};

/// Waits for the socket, for a time, or for another thread.
#[derive(Debug)]
pub(crate) struct Waiting {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
    /// Another thread called, and nobody was told yet.
    woken: bool,
}

/// An open connection. Edges are remembered: a side is ready until it says otherwise.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    readable: bool,
    writable: bool,
    buffer: Vec<u8>,
}

impl Waiting {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(Self { poll, events: Events::with_capacity(4), waker, woken: false })
    }

    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Connects to the first of the host's addresses that accepts.
    pub(crate) fn connect(&self, address: &Address) -> io::Result<Socket> {
        let mut refusal = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (address.host.as_str(), address.port).to_socket_addrs()? {
            match Blocking::connect_timeout(&address, CONNECT_TIME) {
                Ok(stream) => return self.register(stream),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    fn register(&self, stream: Blocking) -> io::Result<Socket> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        self.poll.registry().register(&mut stream, SOCKET, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Socket { stream, readable: true, writable: true, buffer: vec![0; READ_BYTES] })
    }

    /// Waits for any of it; `None` means without an end.
    pub(crate) fn wait(&mut self, until: Option<Instant>, socket: Option<&mut Socket>) -> io::Result<()> {
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()) + ROUNDING);
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            waited => waited?,
        }
        let of_socket = self.events.iter().filter(|event| event.token() == SOCKET);
        if let Some(socket) = socket {
            for event in of_socket {
                socket.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
                socket.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
            }
        }
        self.woken |= self.events.iter().any(|event| event.token() == WAKER);
        Ok(())
    }

    /// Whether another thread called since the last time.
    pub(crate) fn take_woken(&mut self) -> bool {
        std::mem::take(&mut self.woken)
    }
}

impl Socket {
    /// Bytes, none at the end of the connection; `None` if there are none now.
    pub(crate) fn read(&mut self) -> io::Result<Option<&[u8]>> {
        while self.readable {
            match self.stream.read(&mut self.buffer) {
                Ok(count) => return Ok(Some(self.buffer.get(..count).unwrap_or_default())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// How many of the bytes the kernel took.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        while self.writable {
            match self.stream.write(bytes) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(0)
    }

    /// Says that nothing more will be written.
    pub(crate) fn finish(&self) {
        // If the connection is gone already the next read says so.
        drop(self.stream.shutdown(Shutdown::Write));
    }
}

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);
/// The poll counts in milliseconds and rounds down: without it the last one would be spent turning.
const ROUNDING: Duration = Duration::from_millis(1);
