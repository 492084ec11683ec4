//! A bare socket with deadlines.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use super::{DEADLINE, PROMPT};

/// Who has said nothing for so long is asked for a role: the default `prompt_delay`.
const PROMPT_DELAY: Duration = Duration::from_millis(250);

/// A connection to a server, seen from the client.
///
/// On a machine that is busy it may be late with its hello and be asked for it. What it is told
/// then is passed over, but only if the connection was so old when it began to speak: a prompt for
/// one that was in time is still a failure.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    addr: SocketAddr,
    /// Before the server can know of it.
    began: Instant,
    greeting: Greeting,
    /// Read and not asked for yet.
    pending: Vec<u8>,
    ended: bool,
}

/// What the server may say before anything that a test expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Greeting {
    /// The client has said nothing yet.
    Silent,
    /// It began to speak too late to be sure that it is not asked.
    MayBeAsked,
    /// It was asked: a subscriber is told next that it waits.
    Asked,
    Over,
}

impl Client {
    pub(crate) fn connect(port: u16) -> Self {
        let began = Instant::now();
        Self::new(TcpStream::connect(("127.0.0.1", port)).expect("the server accepts"), began)
    }

    /// With a small receive buffer, which must be set before the window is first told.
    pub(crate) fn connect_with_little_room(port: u16) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(16 * 1024).expect("an option");
        let began = Instant::now();
        socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into()).expect("the server accepts");
        Self::new(socket.into(), began)
    }

    /// The other end of a client that connected to the test.
    pub(crate) fn accepted(stream: TcpStream) -> Self {
        Self::new(stream, Instant::now())
    }

    fn new(stream: TcpStream, began: Instant) -> Self {
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(DEADLINE)).expect("an option");
        stream.set_write_timeout(Some(DEADLINE)).expect("an option");
        let addr = stream.local_addr().expect("a connected socket");
        Self { stream, addr, began, greeting: Greeting::Silent, pending: Vec::new(), ended: false }
    }

    /// How the server sees this client.
    pub(crate) fn addr(&self) -> String {
        self.addr.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.addr.port()
    }

    /// A second handle of the same socket, for a thread that only sends.
    pub(crate) fn sender(&self) -> TcpStream {
        self.stream.try_clone().expect("a second handle")
    }

    /// Sends everything.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.stream.write_all(bytes.as_ref());
        self.has_spoken();
        if let Err(error) = sent {
            panic!("{} cannot send: {error}", self.addr);
        }
    }

    /// Sends to a server that may have closed already.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sent = self.stream.write_all(bytes.as_ref());
        self.has_spoken();
        sent.is_ok()
    }

    /// The next line, without its newline.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let line = self.line_bytes();
        match String::from_utf8(line) {
            Ok(line) => line,
            Err(error) => panic!("{} got no text: {error}", self.addr),
        }
    }

    /// The next `count` lines.
    #[track_caller]
    pub(crate) fn lines(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.line()).collect()
    }

    #[track_caller]
    pub(crate) fn assert_line(&mut self, expected: impl AsRef<str>) {
        assert_eq!(self.line(), expected.as_ref());
    }

    /// The next bytes are these, whether or not a newline follows.
    #[track_caller]
    pub(crate) fn assert_bytes(&mut self, expected: &str) {
        self.hears_first();
        self.pass_over_greeting();
        while self.pending.len() < expected.len() && self.more() {}
        let got = String::from_utf8_lossy(&self.pending).into_owned();
        assert!(got.starts_with(expected), "{} expects {expected:?} and got {got:?}", self.addr);
        self.pending.drain(..expected.len());
    }

    /// Nothing comes any more but the end.
    #[track_caller]
    pub(crate) fn assert_end(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "{} got {:?}", self.addr, String::from_utf8_lossy(&rest));
    }

    /// Everything until the end.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        self.pass_over_greeting();
        while self.more() {}
        std::mem::take(&mut self.pending)
    }

    /// Everything until the end, as lines.
    #[track_caller]
    pub(crate) fn rest_lines(&mut self) -> Vec<String> {
        String::from_utf8(self.rest()).expect("text").lines().map(str::to_owned).collect()
    }

    /// Waits for anything; false if that is the end.
    pub(crate) fn hears_anything(&mut self) -> bool {
        self.hears_first();
        !self.pending.is_empty() || self.more()
    }

    /// Sends nothing more; may still read.
    pub(crate) fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("an open socket");
    }

    /// Closes with a reset instead of a goodbye.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("an option");
    }

    /// Notes whether the client may be asked for what it has said.
    fn has_spoken(&mut self) {
        if self.greeting == Greeting::Silent {
            let is_late = self.began.elapsed() >= PROMPT_DELAY;
            self.greeting = if is_late { Greeting::MayBeAsked } else { Greeting::Over };
        }
    }

    /// A test that listens before it speaks knows what it is told.
    fn hears_first(&mut self) {
        if self.greeting == Greeting::Silent {
            self.greeting = Greeting::Over;
        }
    }

    /// Passes over what only a late client is told.
    #[track_caller]
    fn pass_over_greeting(&mut self) {
        if self.greeting == Greeting::MayBeAsked {
            self.greeting = if self.take(PROMPT) { Greeting::Asked } else { Greeting::Over };
        }
        if self.greeting == Greeting::Asked {
            self.take("Waiting for messages...\n");
            self.greeting = Greeting::Over;
        }
    }

    /// Whether these are the next bytes; then they are gone.
    #[track_caller]
    fn take(&mut self, expected: &str) -> bool {
        while self.pending.len() < expected.len()
            && expected.as_bytes().starts_with(&self.pending)
            && self.more()
        {}
        let is_next = self.pending.starts_with(expected.as_bytes());
        if is_next {
            self.pending.drain(..expected.len());
        }
        is_next
    }

    #[track_caller]
    fn line_bytes(&mut self) -> Vec<u8> {
        self.pass_over_greeting();
        let mut searched = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.pending[searched..]) {
                let mut line: Vec<u8> = self.pending.drain(..=searched + at).collect();
                line.pop();
                return line;
            }
            searched = self.pending.len();
            if !self.more() {
                panic!("{} got the end after {:?}", self.addr, String::from_utf8_lossy(&self.pending));
            }
        }
    }

    /// Reads once; false at the end of the connection.
    #[track_caller]
    fn more(&mut self) -> bool {
        if self.ended {
            return false;
        }
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Ok(count) => self.pending.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.ended = true,
            Err(error) => {
                panic!(
                    "{} waits in vain ({error}) after {:?}",
                    self.addr,
                    String::from_utf8_lossy(&self.pending)
                );
            }
        }
        !self.ended
    }
}

impl Drop for Client {
    /// A socket that closes with something unread is reset, and what it has sent may be lost: a
    /// late client reads first what it has been told.
    fn drop(&mut self) {
        if self.greeting == Greeting::MayBeAsked && self.stream.set_nonblocking(true).is_ok() {
            // There is nothing if it was not asked.
            drop(self.stream.read(&mut [0; 16 * 1024]));
        }
    }
}
