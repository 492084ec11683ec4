//! One publisher: what it has sent, and what may come back.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use mio::net::TcpStream;

use super::outgoing::Outgoing;
use super::payload::{Layout, Stamp};
use super::progress::Progress;
use super::window::Window;

/// Lines that are numbered in place and written, what is read, and how long answers took; one per thread.
#[derive(Debug)]
pub(super) struct SendBuffer {
    layout: Layout,
    lines: Vec<u8>,
    read: Vec<u8>,
    round_trips_ns: Histogram<u64>,
}

#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) index: usize,
    pub(super) stream: TcpStream,
    /// `None` where it sends lines.
    packets: Option<Outgoing>,
    /// Messages written whole.
    sent: u64,
    /// Bytes already written of the next message.
    partial_bytes: usize,
}

/// What one write achieved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) messages: u64,
    pub(super) blocked: bool,
}

/// What a publisher without anything to send waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: it may write so many messages, and what is due besides.
    Write(u64),
    /// The subscribers.
    Window,
    /// The server's acknowledgements.
    Server,
}

impl SendBuffer {
    /// # Errors
    /// If there is no memory for the times.
    pub(super) fn new(layout: Layout) -> anyhow::Result<SendBuffer> {
        let lines = layout.batch();
        let round_trips_ns = Histogram::new_with_bounds(ROUND_TRIP_NS.0, ROUND_TRIP_NS.1, 3)?;
        Ok(SendBuffer { layout, lines, read: vec![0; READ_BYTES], round_trips_ns })
    }

    /// How long answers took, from the beginning of the write to the end of the read.
    pub(super) fn into_round_trips(self) -> Histogram<u64> {
        self.round_trips_ns
    }
}

impl Publisher {
    pub(super) fn new(index: usize, stream: TcpStream, packets: Option<Outgoing>) -> Publisher {
        Publisher { index, stream, packets, sent: 0, partial_bytes: 0 }
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether the server acknowledges what this one sends.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.packets.as_ref().is_some_and(|packets| packets.acks().is_some())
    }

    /// Messages that the server has not acknowledged yet.
    pub(super) fn unacknowledged(&self) -> u64 {
        self.packets.as_ref().and_then(Outgoing::acks).map_or(0, |acks| acks.open(self.sent))
    }

    /// How many messages the server's acknowledgements let through. One that is half written is let through in any case:
    /// what is due waits behind it, and acknowledgements may wait for what is due.
    pub(super) fn free_of_server(&self) -> u64 {
        match self.packets.as_ref().and_then(Outgoing::acks) {
            None => u64::MAX,
            Some(acks) => acks.free(self.sent).max(u64::from(self.partial_bytes > 0)),
        }
    }

    /// What this one can do as far as its subscribers have come, and the server's acknowledgements.
    pub(super) fn next(&self, window: &Window) -> Next {
        let of_window = window.free(self.sent);
        let Some(acks) = self.packets.as_ref().and_then(Outgoing::acks) else {
            return if of_window > 0 { Next::Write(of_window) } else { Next::Window };
        };
        let free = of_window.min(acks.free(self.sent));
        if self.partial_bytes > 0 {
            return Next::Write(free.max(1));
        }
        match (free, acks.due().is_empty()) {
            (0, true) if of_window == 0 => Next::Window,
            (0, true) => Next::Server,
            _ => Next::Write(free),
        }
    }

    /// Writes what is due and up to `allowed` messages, at most one buffer full, in one call.
    pub(super) fn send(
        &mut self,
        allowed: u64,
        buffer: &mut SendBuffer,
        progress: &Progress,
    ) -> anyhow::Result<Sent> {
        let line_bytes = buffer.layout.line_bytes();
        let count = usize::try_from(allowed)?.min(buffer.lines.len() / line_bytes);
        let stamp = Stamp::new(u16::try_from(self.index)?, self.sent);
        match &self.packets {
            None => buffer.layout.stamp_lines(&mut buffer.lines, count, stamp),
            Some(packets) => packets.stamp(&mut buffer.lines, line_bytes, count, stamp, self.sent),
        }
        let bytes = buffer.lines.get(self.partial_bytes..count * line_bytes).unwrap_or_default();
        let mut acks = self.packets.as_mut().and_then(Outgoing::acks_mut);
        let due = match &acks {
            // Nothing can be written into the middle of a message.
            Some(acks) if self.partial_bytes == 0 => acks.due(),
            _ => &[],
        };
        let due_bytes = due.len();
        let began = acks.as_ref().map(|_| Instant::now());
        let written = match write(&mut self.stream, due, bytes) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                return Ok(Sent { messages: 0, blocked: false });
            }
            Err(error) => return Err(error).context("publishing"),
        };
        let blocked = written < due_bytes + bytes.len();
        let done = self.partial_bytes + written.saturating_sub(due_bytes);
        let messages = (done / line_bytes) as u64;
        self.partial_bytes = done % line_bytes;
        self.sent += messages;
        if let Some((acks, began)) = acks.as_mut().zip(began) {
            acks.written(written.min(due_bytes));
            if messages > 0 {
                acks.sent(self.sent, began, progress.phase());
            }
        }
        if let Some(window) = progress.windows.get(self.index) {
            window.set_sent(self.sent);
        }
        Ok(Sent { messages, blocked })
    }

    /// Reads the server's acknowledgements until there are none.
    pub(super) fn hear(&mut self, buffer: &mut SendBuffer) -> anyhow::Result<()> {
        let Some(acks) = self.packets.as_mut().and_then(Outgoing::acks_mut) else { return Ok(()) };
        loop {
            let count = match self.stream.read(&mut buffer.read) {
                Ok(0) => anyhow::bail!("the server closed a publisher's connection during the run"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("reading acknowledgements"),
            };
            let bytes = buffer.read.get(..count).unwrap_or_default();
            acks.hear(bytes, self.sent, &mut buffer.round_trips_ns)?;
            // A short read has emptied the socket: the next arrival is a new edge.
            if count < buffer.read.len() {
                return Ok(());
            }
        }
    }

    /// Ends a message that is half written, and waits until the server has acknowledged all, so that everything sent can
    /// be accounted for.
    pub(super) fn finish(&mut self, buffer: &mut SendBuffer, progress: &Progress) -> anyhow::Result<()> {
        let mut last = (Instant::now(), self.unacknowledged());
        while self.partial_bytes > 0 || self.unacknowledged() > 0 {
            let open = self.unacknowledged();
            if open < last.1 {
                last = (Instant::now(), open);
            }
            ensure!(
                last.0.elapsed() < FINISH_TIME_MAX || open > 0,
                "the server stopped reading from a publisher"
            );
            ensure!(last.0.elapsed() < FINISH_TIME_MAX, "the server did not acknowledge {open} messages");
            let rest = u64::from(self.partial_bytes > 0);
            self.send(rest, buffer, progress)?;
            self.hear(buffer)?;
            if self.partial_bytes > 0 || self.unacknowledged() > 0 {
                std::thread::sleep(FINISH_PAUSE);
            }
        }
        Ok(())
    }
}

fn write(stream: &mut TcpStream, due: &[u8], bytes: &[u8]) -> io::Result<usize> {
    match (due, bytes) {
        ([], []) => Ok(0),
        ([], bytes) => stream.write(bytes),
        (due, bytes) => stream.write_vectored(&[IoSlice::new(due), IoSlice::new(bytes)]),
    }
}

/// Sixteen thousand acknowledgements.
const READ_BYTES: usize = 64 * 1024;
/// Without any progress.
const FINISH_TIME_MAX: Duration = Duration::from_secs(3);
/// A microsecond to a minute.
const ROUND_TRIP_NS: (u64, u64) = (1_000, 60_000_000_000);
const FINISH_PAUSE: Duration = Duration::from_millis(1);
