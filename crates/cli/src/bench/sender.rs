//! The closed loop: a thread that drives many publishers, each as far as its window allows.

use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::payload::{Layout, Stamp};
use super::progress::Progress;

/// Lines that are numbered in place and written; one per thread.
#[derive(Debug)]
pub(super) struct SendBuffer {
    layout: Layout,
    lines: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) index: usize,
    pub(super) stream: TcpStream,
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

impl SendBuffer {
    pub(super) fn new(layout: Layout) -> SendBuffer {
        let lines = layout.batch();
        SendBuffer { layout, lines }
    }
}

impl Publisher {
    pub(super) fn new(index: usize, stream: TcpStream) -> Publisher {
        Publisher { index, stream, sent: 0, partial_bytes: 0 }
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Writes up to `allowed` messages, at most one buffer full, in one call.
    pub(super) fn send(
        &mut self,
        allowed: u64,
        buffer: &mut SendBuffer,
        progress: &Progress,
    ) -> anyhow::Result<Sent> {
        let line_bytes = buffer.layout.line_bytes();
        let count = usize::try_from(allowed)?.min(buffer.lines.len() / line_bytes);
        let stamp = Stamp::new(u16::try_from(self.index)?, self.sent);
        buffer.layout.stamp_lines(&mut buffer.lines, count, stamp);
        let bytes = buffer.lines.get(self.partial_bytes..count * line_bytes).unwrap_or_default();
        let written = match self.stream.write(bytes) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                return Ok(Sent { messages: 0, blocked: false });
            }
            Err(error) => return Err(error).context("publishing"),
        };
        let blocked = written < bytes.len();
        let done = self.partial_bytes + written;
        let messages = (done / line_bytes) as u64;
        self.partial_bytes = done % line_bytes;
        self.sent += messages;
        if let Some(window) = progress.windows.get(self.index) {
            window.set_sent(self.sent);
        }
        Ok(Sent { messages, blocked })
    }

    /// Ends a message that is half written, so that everything sent can be accounted for.
    pub(super) fn finish_line(&mut self, buffer: &mut SendBuffer, progress: &Progress) -> anyhow::Result<()> {
        let deadline = Instant::now() + FINISH_TIME_MAX;
        while self.partial_bytes > 0 {
            anyhow::ensure!(Instant::now() < deadline, "the server stopped reading from a publisher");
            if self.send(1, buffer, progress)?.blocked {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct Sender {
    /// Its number among the sender threads.
    id: usize,
    poll: Poll,
    progress: Arc<Progress>,
    publishers: Vec<(Publisher, Socket)>,
    buffer: SendBuffer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Socket {
    Open,
    /// Waits for the event that says there is room.
    Full,
}

impl Sender {
    pub(super) fn new(
        id: usize,
        poll: Poll,
        progress: Arc<Progress>,
        publishers: Vec<Publisher>,
        buffer: SendBuffer,
    ) -> anyhow::Result<Sender> {
        let mut registered = Vec::with_capacity(publishers.len());
        for (index, mut publisher) in publishers.into_iter().enumerate() {
            poll.registry().register(&mut publisher.stream, Token(index), Interest::WRITABLE)?;
            registered.push((publisher, Socket::Open));
        }
        Ok(Sender { id, poll, progress, publishers: registered, buffer })
    }

    /// Publishes until told to stop.
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(256);
        while !self.progress.senders_stop.load(Ordering::Acquire) {
            if !self.send_free()? && self.nothing_freed() {
                self.wait(&mut events)?;
            }
        }
        let Sender { publishers, buffer, progress, .. } = &mut self;
        publishers.iter_mut().try_for_each(|(publisher, _)| publisher.finish_line(buffer, progress))
    }

    /// One write for every publisher that has window and room; whether there was any.
    fn send_free(&mut self) -> anyhow::Result<bool> {
        let mut any = false;
        for (publisher, socket) in &mut self.publishers {
            let Some(window) = self.progress.windows.get(publisher.index) else { continue };
            let free = match *socket {
                Socket::Open => window.free(publisher.sent),
                Socket::Full => 0,
            };
            if free > 0 {
                any = true;
                if publisher.send(free, &mut self.buffer, &self.progress)?.blocked {
                    *socket = Socket::Full;
                }
            }
        }
        Ok(any)
    }

    /// Asks for wake-ups; true if no window became free meanwhile, so that waiting is right.
    fn nothing_freed(&self) -> bool {
        let Some(gate) = self.progress.gates.get(self.id) else { return false };
        gate.waiting.store(true, Ordering::SeqCst);
        let mut open = self.publishers.iter().filter(|(_, socket)| *socket == Socket::Open);
        let windows = &self.progress.windows;
        open.all(|(publisher, _)| {
            windows.get(publisher.index).is_none_or(|window| window.ask_wake(publisher.sent))
        })
    }

    fn wait(&mut self, events: &mut Events) -> anyhow::Result<()> {
        match self.poll.poll(events, Some(Duration::from_millis(100))) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result.context("waiting for confirmation")?,
        }
        for event in &*events {
            // Tokens past the end are the waker's.
            if let Some((_, socket)) = self.publishers.get_mut(event.token().0) {
                *socket = Socket::Open;
            }
        }
        Ok(())
    }
}

const FINISH_TIME_MAX: Duration = Duration::from_secs(3);
