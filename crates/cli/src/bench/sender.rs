//! The closed loop: a thread that drives many publishers, each as far as its window allows.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

use super::progress::Progress;
use super::publisher::{Next, Publisher, SendBuffer};

#[derive(Debug)]
pub(super) struct Sender {
    /// Its number among the sender threads.
    id: usize,
    poll: Poll,
    progress: Arc<Progress>,
    publishers: Vec<(Publisher, Socket)>,
    buffer: SendBuffer,
    /// How long it waits before it reads acknowledgements.
    linger: Duration,
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
        linger: Duration,
    ) -> anyhow::Result<Sender> {
        let mut registered = Vec::with_capacity(publishers.len());
        for (index, mut publisher) in publishers.into_iter().enumerate() {
            let interest = if publisher.is_acknowledged() {
                Interest::WRITABLE | Interest::READABLE
            } else {
                Interest::WRITABLE
            };
            poll.registry().register(&mut publisher.stream, Token(index), interest)?;
            registered.push((publisher, Socket::Open));
        }
        Ok(Sender { id, poll, progress, publishers: registered, buffer, linger })
    }

    /// Publishes until told to stop, and tells how long answers took.
    pub(super) fn run(mut self) -> anyhow::Result<Histogram<u64>> {
        let mut events = Events::with_capacity(256);
        while !self.progress.senders_stop.load(Ordering::Acquire) {
            if !self.send_free()? && self.nothing_freed() {
                self.wait(&mut events)?;
            }
        }
        let Sender { mut publishers, mut buffer, progress, .. } = self;
        publishers.iter_mut().try_for_each(|(publisher, _)| publisher.finish(&mut buffer, &progress))?;
        Ok(buffer.into_round_trips())
    }

    /// One write for every publisher that has window and room; whether there was any.
    fn send_free(&mut self) -> anyhow::Result<bool> {
        let mut any = false;
        for (publisher, socket) in &mut self.publishers {
            let Some(window) = self.progress.windows.get(publisher.index) else { continue };
            if *socket == Socket::Full {
                continue;
            }
            if let Next::Write(messages) = publisher.next(window) {
                any = true;
                if publisher.send(messages, &mut self.buffer, &self.progress)?.blocked {
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
            windows.get(publisher.index).is_none_or(|window| match publisher.next(window) {
                Next::Write(_) => false,
                Next::Window => window.ask_wake(publisher.sent()),
                Next::Server => true,
            })
        })
    }

    fn wait(&mut self, events: &mut Events) -> anyhow::Result<()> {
        match self.poll.poll(events, Some(Duration::from_millis(100))) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result.context("waiting for confirmation")?,
        }
        let heard = |token: Token| self.publishers.get(token.0).is_some_and(|(one, _)| one.is_acknowledged());
        if !self.linger.is_zero() && events.iter().any(|event| event.is_readable() && heard(event.token())) {
            thread::sleep(self.linger);
        }
        for event in &*events {
            // Tokens past the end are the waker's.
            let Some((publisher, socket)) = self.publishers.get_mut(event.token().0) else { continue };
            if !publisher.is_acknowledged() || event.is_writable() {
                *socket = Socket::Open;
            }
            publisher.hear(&mut self.buffer)?;
        }
        Ok(())
    }
}
