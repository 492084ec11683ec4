//! One connection to the server: how messages are written so that none is merged or split,
//! and the thread that reads.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use wire::text::TERMINATE_LINE;

use super::hello::{Framing, Hello};
use super::inbox::{Event, Loss};
use super::input::Source;
use super::limits::{
    CONNECT_TIMEOUT, HELLO_PAUSE, KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_RETRIES, MESSAGE_PAUSE,
    PASTE_ALONE, PASTE_BYTES, PAUSED_MESSAGES, READ_BYTES,
};

/// Where the server is.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

/// The writing side of a connection. Dropping it closes both sides.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    /// How the hello ended.
    framing: Framing,
    next: Next,
    /// Not written to before this instant.
    ready: Instant,
    /// Lines of a paste that go together at that instant.
    held: Vec<u8>,
    /// Messages handed to the kernel or held.
    sent: u64,
}

/// How the next message is written. A newline always ends it: our server takes it as the end
/// of the message in every case, and others cannot run two messages together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// As a line.
    Line,
    /// As a line, and then nothing for a while: the server may take each read for one message. After
    /// so many that came too fast for a human it is a paste, whose lines go together.
    Alone { in_a_row: u32 },
    /// With a newline before it. Input from a pipe comes faster than a server reads, and where the end
    /// of a read ends a message it would be split anywhere. For our server a newline right after the
    /// role word makes the hello a line, and from then on only newlines count. For others it is a
    /// blank at the beginning of the first message.
    LineBreakFirst,
    /// Alone for so many messages more, then as lines: short input reaches every server as it is.
    AloneFor(u32),
}

impl Address {
    /// Connects to the first of the host's addresses that accepts.
    ///
    /// # Errors
    /// Why the last of them did not.
    pub(super) fn connect(&self, events: &SyncSender<Event>) -> io::Result<Connection> {
        let mut refusal = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(stream) => return Connection::begin(stream, events.clone()),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Connection {
    fn begin(stream: TcpStream, events: SyncSender<Event>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(KEEPALIVE_RETRIES);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        let reader = stream.try_clone()?;
        thread::Builder::new().name("receive".to_owned()).spawn(move || receive(reader, &events))?;
        Ok(Self {
            stream,
            framing: Framing::Lines,
            next: Next::Line,
            ready: Instant::now(),
            held: Vec::new(),
            sent: 0,
        })
    }

    /// Says the hello. `source` tells how messages will come afterwards.
    pub(super) fn say_hello(&mut self, hello: &Hello, source: Source) -> io::Result<()> {
        self.framing = hello.framing;
        self.next = match (hello.framing, source) {
            (Framing::Lines, _) => Next::Line,
            (Framing::Reads, Source::Typed) => Next::Alone { in_a_row: 0 },
            (Framing::Reads, Source::Piped) => Next::LineBreakFirst,
        };
        self.write(&hello.bytes)?;
        if hello.framing == Framing::Reads {
            self.rest(HELLO_PAUSE);
        }
        Ok(())
    }

    /// Answers a prompt the way the founding documents' clients do: the words alone.
    pub(super) fn answer(&mut self, words: &[u8]) -> io::Result<()> {
        match self.framing {
            Framing::Lines => self.write(&[words, b"\n"].concat()),
            Framing::Reads => {
                self.write(words)?;
                self.rest(HELLO_PAUSE);
                Ok(())
            }
        }
    }

    /// Sends one message with one write, or holds it until [`Self::due`].
    pub(super) fn publish(&mut self, message: &[u8]) -> io::Result<()> {
        if self.is_paste() {
            return self.hold(message);
        }
        let before: &[u8] = if self.next == Next::LineBreakFirst { b"\n" } else { b"" };
        self.write(&[before, message, b"\n"].concat())?;
        self.sent += 1;
        if self.next != Next::Line {
            self.rest(MESSAGE_PAUSE);
        }
        self.next = match self.next {
            Next::Line | Next::AloneFor(0) => Next::Line,
            Next::Alone { in_a_row } => Next::Alone { in_a_row: in_a_row + 1 },
            Next::LineBreakFirst => Next::AloneFor(PAUSED_MESSAGES),
            Next::AloneFor(left) => Next::AloneFor(left - 1),
        };
        Ok(())
    }

    /// Whether the next message is one more line of a paste. Counts anew if the user has paused.
    fn is_paste(&mut self) -> bool {
        let Next::Alone { in_a_row } = &mut self.next else { return false };
        if self.held.is_empty() && Instant::now() >= self.ready + MESSAGE_PAUSE {
            *in_a_row = 0;
        }
        *in_a_row >= PASTE_ALONE
    }

    fn hold(&mut self, message: &[u8]) -> io::Result<()> {
        if self.held.len() + message.len() >= PASTE_BYTES {
            self.flush()?;
        }
        self.held.extend_from_slice(message);
        self.held.push(b'\n');
        self.sent += 1;
        Ok(())
    }

    /// When [`Self::flush`] is due.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.held.is_empty()).then_some(self.ready)
    }

    /// Sends what is held.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.write(&held)?;
            self.rest(MESSAGE_PAUSE);
        }
        Ok(())
    }

    /// Says that the session ends. Alone and without a line end where one of the documents' own servers
    /// may listen: they compare the whole read with the word. (For ours it may be half a line, which
    /// the end of the connection then makes good.)
    pub(super) fn terminate(&mut self) -> io::Result<()> {
        self.flush()?;
        match self.framing {
            Framing::Lines => self.write(TERMINATE_LINE.as_bytes()),
            Framing::Reads => {
                self.ready = self.ready.max(Instant::now() + MESSAGE_PAUSE);
                self.write(TERMINATE_LINE.trim_end().as_bytes())
            }
        }
    }

    /// Sends nothing more than what is held; the server may still.
    pub(super) fn finish(&mut self) {
        // Both fail only where the connection is gone already, which the reader reports.
        drop(self.flush());
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// Reads nothing more than what is here already, so that the reader comes to an end.
    fn give_up(&self) {
        drop(self.stream.shutdown(Shutdown::Both));
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        thread::sleep(self.ready.saturating_duration_since(Instant::now()));
        // After a failure the reader has to come to its end, too: it reports the loss.
        self.stream.write_all(bytes).inspect_err(|_| self.give_up())
    }

    fn rest(&mut self, pause: Duration) {
        self.ready = Instant::now() + pause;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Passes on what the server sends until it ends, or until nobody listens.
fn receive(mut stream: TcpStream, events: &SyncSender<Event>) {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let event = match stream.read(&mut buffer) {
            Ok(0) => Event::Lost(Loss::Closed),
            Ok(count) => Event::Received(buffer.iter().take(count).copied().collect()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Event::Lost(Loss::Broken(error)),
        };
        let is_last = matches!(event, Event::Lost(_));
        if events.send(event).is_err() || is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::sync::mpsc::sync_channel;

    /// What a server reads, in one piece, from a client that does this.
    fn read_from(script: impl FnOnce(&mut Connection)) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = Address { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
        let (events, _inbox) = sync_channel(4);
        let mut connection = address.connect(&events).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        script(&mut connection);
        connection.finish();
        let mut text = String::new();
        server.read_to_string(&mut text).unwrap();
        text
    }
    fn hello(bytes: &[u8], framing: Framing) -> Hello {
        Hello { bytes: bytes.to_vec(), framing }
    }

    #[test]
    fn a_framed_session_is_lines() {
        let text = read_from(|connection| {
            connection.say_hello(&hello(b"pub:a\n", Framing::Lines), Source::Piped).unwrap();
            connection.publish(b"one").unwrap();
            connection.publish(b"two").unwrap();
            connection.terminate().unwrap();
        });
        assert_eq!(text, "pub:a\none\ntwo\nterminate\n");
    }

    #[test]
    fn piped_input_turns_a_bare_hello_into_a_line() {
        let text = read_from(|connection| {
            connection.say_hello(&hello(b"pub", Framing::Reads), Source::Piped).unwrap();
            connection.publish(b"one").unwrap();
            connection.publish(b"two").unwrap();
        });
        assert_eq!(text, "pub\none\ntwo\n");
    }

    #[test]
    fn typed_messages_stand_alone() {
        let begin = Instant::now();
        let text = read_from(|connection| {
            connection.say_hello(&hello(b"pub", Framing::Reads), Source::Typed).unwrap();
            connection.publish(b"one").unwrap();
            connection.publish(b"two").unwrap();
            connection.terminate().unwrap();
        });
        assert_eq!(text, "pubone\ntwo\nterminate");
        assert!(begin.elapsed() >= HELLO_PAUSE + MESSAGE_PAUSE * 2);
    }

    #[test]
    fn lines_of_a_long_paste_go_together() {
        let long = "x".repeat(PASTE_BYTES * 2);
        let lines: Vec<String> =
            (0..400).map(|number| number.to_string()).chain([long, "last".into()]).collect();
        let begin = Instant::now();
        let text = read_from(|connection| {
            connection.say_hello(&hello(b"pub", Framing::Reads), Source::Typed).unwrap();
            for line in &lines {
                connection.publish(line.as_bytes()).unwrap();
            }
            assert_eq!(connection.sent(), 402);
            assert_eq!(connection.held, b"last\n");
            connection.terminate().unwrap();
        });
        assert_eq!(text, format!("pub{}\nterminate", lines.join("\n")));
        assert!(begin.elapsed() < MESSAGE_PAUSE * 200, "{:?} for 402 lines", begin.elapsed());
    }
}
