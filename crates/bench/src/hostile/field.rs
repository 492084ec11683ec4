//! What an attack is given: the broker's door, the time it has, and where to note what it saw.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::child::Child;
use super::sockets::{self, Door, Peer};

/// How much time and size there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Full,
    Short,
}

#[derive(Debug)]
pub(crate) struct Field<'a> {
    pub(crate) door: Door,
    pub(crate) shards: usize,
    length: Length,
    child: &'a Child,
    /// Connections that the limit on open files allows.
    connections_max: usize,
    began: OnceLock<Instant>,
    notes: Mutex<Vec<String>>,
}

impl<'a> Field<'a> {
    pub(crate) fn new(child: &'a Child, shards: usize, length: Length, connections_max: usize) -> Field<'a> {
        Field {
            door: Door::new(child.address),
            shards,
            length,
            child,
            connections_max,
            began: OnceLock::new(),
            notes: Mutex::default(),
        }
    }

    /// What was prepared is done: the attack begins now. Returns when it has to end.
    pub(crate) fn begin(&self) -> Instant {
        let began = *self.began.get_or_init(Instant::now);
        began + self.pick(ATTACK_TIME, ATTACK_TIME_SHORT)
    }

    pub(crate) fn began(&self) -> Option<Instant> {
        self.began.get().copied()
    }

    /// The value for a full or a short run.
    pub(crate) fn pick<T>(&self, full: T, short: T) -> T {
        match self.length {
            Length::Full => full,
            Length::Short => short,
        }
    }

    /// So many connections, or as many as may be opened; says so if it is less.
    pub(crate) fn connections(&self, wanted: usize) -> usize {
        if wanted > self.connections_max {
            self.note(format!("only {} of {wanted} connections: open files", self.connections_max));
        }
        wanted.min(self.connections_max)
    }

    /// Lets the broker take in what was sent.
    pub(crate) fn until_idle(&self) {
        self.child.until_idle(self.pick(SETTLE_TIME, SETTLE_TIME_SHORT));
    }

    /// Shown below the attack's row.
    pub(crate) fn note(&self, text: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// Notes how many of a crowd were sent away.
    pub(crate) fn note_refusals(&self, crowd: &mut [Peer]) {
        let all = crowd.len();
        let (refused, line) = sockets::refusals(crowd);
        if let Some(line) = line {
            self.note(format!("{refused} of {all} refused: {line}"));
        }
    }

    pub(crate) fn into_notes(self) -> Vec<String> {
        self.notes.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

const ATTACK_TIME: Duration = Duration::from_secs(8);
const ATTACK_TIME_SHORT: Duration = Duration::from_secs(3);
const SETTLE_TIME: Duration = Duration::from_secs(10);
const SETTLE_TIME_SHORT: Duration = Duration::from_secs(3);
