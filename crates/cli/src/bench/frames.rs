//! WebSocket as a client of the load generator speaks it: the handshake, and frames around what something else makes.
//!
//! A client masks what it sends. The key is the same every time, so that a message can be masked before it is numbered,
//! and a server has the work of taking it off.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use wire::websocket::{Decoder, Event, Opcode, Part, Peer, accept_key, write_masked_frame};

/// What is taken out of the frames of a server.
#[derive(Debug)]
pub(super) struct Unframed {
    decoder: Decoder,
    /// The start of something whose end has not arrived.
    data: Vec<u8>,
}

impl Unframed {
    pub(super) fn new() -> Unframed {
        Unframed { decoder: Decoder::new(Peer::Server, u64::MAX), data: Vec::new() }
    }

    /// Gives what the frames in `bytes` carry to `take`, which tells how much of it is done with; the rest is shown to it
    /// again, with what follows.
    ///
    /// # Errors
    /// If these are no frames, or the server closes the connection, or `take` fails.
    pub(super) fn each(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> anyhow::Result<usize>,
    ) -> anyhow::Result<()> {
        // In pieces, so that each is still in the cache when it is looked at, and no subscriber keeps a large buffer.
        for mut piece in bytes.chunks(PIECE_BYTES) {
            while !piece.is_empty() {
                let decoded = self.decoder.decode(piece, &mut self.data).context("in a server's frame")?;
                if let Some(Event::Close(code, why)) = decoded.event {
                    bail!("the server closes a WebSocket: {code:?} {why}");
                }
                piece = piece.get(decoded.used..).unwrap_or_default();
            }
            let used = take(&self.data)?;
            self.data.drain(..used);
        }
        Ok(())
    }
}

/// Appends a client's frame with all of a message.
pub(super) fn put_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    write_masked_frame(out, opcode, Part::Last, KEY, payload);
}

/// Asks for a WebSocket and reads the answer, and nothing behind it.
///
/// # Errors
/// If the server does not agree within ten seconds.
pub(super) fn upgrade(stream: &mut TcpStream, path: &str, protocol: Option<&str>) -> anyhow::Result<()> {
    stream.write_all(upgrade_request(path, protocol).as_bytes()).context("asking for a WebSocket")?;
    let head = read_head(stream)?;
    let accept = accept_key(NONCE.as_bytes());
    let agrees = head.starts_with("HTTP/1.1 101 ") && head.contains(accept.as_str());
    ensure!(agrees, "it did not agree to a WebSocket: {head:?}");
    Ok(())
}

pub(super) fn upgrade_request(path: &str, protocol: Option<&str>) -> String {
    let protocol = protocol.map_or_else(String::new, |name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {NONCE}\r\n{protocol}\r\n"
    )
}

/// Reads the head of an answer, and nothing behind it.
fn read_head(stream: &mut TcpStream) -> anyhow::Result<String> {
    let deadline = Instant::now() + ANSWER_TIME_MAX;
    let mut buffer = [0; HEAD_BYTES_MAX];
    loop {
        let count = stream.peek(&mut buffer).context("waiting for the answer to a request")?;
        let heard = buffer.get(..count).unwrap_or_default();
        if let Some(end) = memchr::memmem::find(heard, b"\r\n\r\n") {
            let mut head = vec![0; end + 4];
            stream.read_exact(&mut head)?;
            return Ok(String::from_utf8_lossy(&head).into_owned());
        }
        let goes_on = count > 0 && count < HEAD_BYTES_MAX && Instant::now() < deadline;
        ensure!(goes_on, "it answered {:?}", String::from_utf8_lossy(heard));
        thread::sleep(Duration::from_millis(1));
    }
}

/// A stream of frames as one of bytes, which is never read beyond a frame.
#[derive(Debug)]
pub(super) struct ExactFrames<'a> {
    stream: &'a mut TcpStream,
    opcode: Opcode,
    /// Bytes of the last frame that are not read.
    left: usize,
}

impl ExactFrames<'_> {
    /// What is written goes out in frames with this opcode.
    pub(super) fn new(stream: &mut TcpStream, opcode: Opcode) -> ExactFrames<'_> {
        ExactFrames { stream, opcode, left: 0 }
    }

    /// Checks that the last frame was read to its end.
    ///
    /// # Errors
    /// If it was not.
    pub(super) fn end(self) -> anyhow::Result<()> {
        ensure!(self.left == 0, "the server said more than was asked for");
        Ok(())
    }

    /// What the next frame carries, all of it.
    ///
    /// # Errors
    /// If it is not there in time, or no frame.
    pub(super) fn message(&mut self) -> io::Result<Vec<u8>> {
        self.begin()?;
        let mut message = vec![0; self.left];
        self.stream.read_exact(&mut message)?;
        self.left = 0;
        Ok(message)
    }

    fn begin(&mut self) -> io::Result<()> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        let [first, length] = head;
        self.left = match length {
            ..126 => usize::from(length),
            126 => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length)?;
                usize::from(u16::from_be_bytes(length))
            }
            _ => return Err(io::Error::new(ErrorKind::InvalidData, "an answer that is far too long")),
        };
        // Neither a close frame nor a ping is an answer to anything that is said here.
        match first & 0x0f {
            0..=2 => Ok(()),
            _ => Err(io::Error::new(ErrorKind::InvalidData, format!("a frame of type {first:#04x}"))),
        }
    }
}

impl Read for ExactFrames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            self.begin()?;
        }
        let most = buffer.len().min(self.left);
        let count = self.stream.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left -= count;
        Ok(count)
    }
}

impl Write for ExactFrames<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut frame = Vec::with_capacity(bytes.len() + 14);
        put_frame(&mut frame, self.opcode, bytes);
        self.stream.write_all(&frame)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Any one will do: what proxies might make of it is nothing here.
pub(super) const KEY: [u8; 4] = [0x5a, 0xc3, 0x17, 0x8e];
/// Sixteen bytes in base64.
const NONCE: &str = "dGlkaW5ncyBiZW5jaCAuLg==";
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
const HEAD_BYTES_MAX: usize = 4096;
const PIECE_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use wire::websocket::write_frame;

    use super::*;

    #[test]
    fn what_frames_carry_is_the_same_however_they_are_cut() {
        let mut bytes = Vec::new();
        for payload in [&b"one two"[..], b" th", b"ree "] {
            write_frame(&mut bytes, Opcode::Binary, payload);
        }
        for step in 1..=bytes.len() {
            let (mut unframed, mut words) = (Unframed::new(), Vec::new());
            for piece in bytes.chunks(step) {
                unframed
                    .each(piece, |data| {
                        let Some(end) = data.iter().rposition(|byte| *byte == b' ') else { return Ok(0) };
                        words.extend_from_slice(&data[..=end]);
                        Ok(end + 1)
                    })
                    .unwrap();
            }
            assert_eq!(words, b"one two three ", "{step} bytes at a time");
        }
    }

    #[test]
    fn a_close_frame_is_an_error() {
        assert!(Unframed::new().each(&[0x88, 2, 0x03, 0xe9], |data| Ok(data.len())).is_err());
    }
}
