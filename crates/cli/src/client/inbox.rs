//! What happens to a session: one queue for the server, the keyboard and signals, so that
//! one thread decides everything in order.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use super::limits::INBOX_EVENTS;
use super::signals::Signalled;

/// Something that happened.
#[derive(Debug)]
pub(super) enum Event {
    /// Bytes from the server, as they were read.
    Received(Vec<u8>),
    /// The server will send nothing more. The last event of a connection.
    Lost(Loss),
    /// A line of input without its end; pasted text may hold several lines.
    Typed(Vec<u8>),
    /// There will be no more input. The last event of the input.
    InputEnded(InputEnd),
    /// This signal came.
    Signal(i32),
}

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum Loss {
    /// The server closed it.
    Closed,
    /// It broke.
    Broken(io::Error),
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by the server"),
            Self::Broken(error) => write!(f, "{error}"),
        }
    }
}

/// Why the input ended.
#[derive(Debug)]
pub(super) enum InputEnd {
    Eof,
    /// Ctrl+C, taken by the line editor.
    Interrupted,
    /// A line, counted from 1, is longer than the client keeps.
    TooLong {
        line: u64,
    },
    Failed(io::Error),
}

/// The receiving end.
#[derive(Debug)]
pub(super) struct Inbox {
    events: Receiver<Event>,
    signalled: Arc<Signalled>,
}

impl Inbox {
    pub(super) fn new(signalled: Arc<Signalled>) -> (SyncSender<Event>, Self) {
        let (sender, events) = sync_channel(INBOX_EVENTS);
        (sender, Self { events, signalled })
    }

    /// The next event, or nothing if none comes until then. A signal overtakes what waits.
    pub(super) fn next(&self, until: Option<Instant>) -> Option<Event> {
        if let Some(signal) = self.signalled.take() {
            return Some(Event::Signal(signal));
        }
        let event = match until {
            // The session itself holds a sender, so the queue cannot be abandoned.
            None => self.events.recv().ok(),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                self.events.recv_timeout(left).ok()
            }
        };
        match event {
            // Overtaken already: the flag was the message, this only woke us.
            Some(Event::Signal(_)) => match self.signalled.take() {
                Some(signal) => Some(Event::Signal(signal)),
                None => self.next(until),
            },
            event => event,
        }
    }
}
