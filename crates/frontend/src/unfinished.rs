//! Messages that have begun and not ended, and what they may take of the memory.
//!
//! Over their bound only the one that began first is read on, so that it can end and make room;
//! everyone else is read a little at a time, and whoever has begun a long message waits. If the
//! first one does not end for a while, it is refused: it must not hold the others up.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use broker::{ConnId, Instant, Now, Use};

use crate::event::CloseReason;
use crate::station::Station;

/// How long the first one may keep the others waiting.
const PATIENCE: Duration = Duration::from_secs(1);

/// One shard's unfinished messages that are long enough to count.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    /// By when they began.
    all: BTreeSet<(Instant, ConnId)>,
    /// Connections that wait for memory.
    waiting: VecDeque<ConnId>,
    /// When somebody has to be looked at.
    look_at: Option<Instant>,
}

impl Unfinished {
    pub(crate) fn began(&mut self, since: Instant, conn: ConnId) {
        self.all.insert((since, conn));
    }

    pub(crate) fn ended(&mut self, since: Instant, conn: ConnId) {
        self.all.remove(&(since, conn));
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.look_at
    }

    fn first(&self) -> Option<(Instant, ConnId)> {
        self.all.first().copied()
    }
}

impl Station {
    /// The most that a read of this connection may bring; `None` for as much as there is room.
    #[must_use]
    pub fn read_bytes_max(&self, conn: ConnId) -> Option<usize> {
        let is_first = || self.unfinished.first().is_some_and(|(_, first)| first == conn);
        (self.is_short() && !is_first()).then_some(self.limits.unfinished_bytes_free)
    }

    /// A connection may have begun or ended a long message: lets it wait if there is no memory
    /// for it, or the others go on if there is.
    pub(crate) fn bound_unfinished(&mut self, now: Now, conn: ConnId) {
        if !self.is_short() {
            self.resume_waiting();
            return;
        }
        let Some((since, first)) = self.unfinished.first() else { return };
        self.unfinished.look_at.get_or_insert(since.after(PATIENCE).max(now.mono));
        if let Some(connection) = self.connection(first)
            && std::mem::take(&mut connection.starved)
        {
            self.to_read.push_back(first);
        }
        if first != conn
            && let Some(connection) = self.connection(conn)
            && connection.unfinished.is_some()
            && !std::mem::replace(&mut connection.starved, true)
        {
            self.unfinished.waiting.push_back(conn);
        }
    }

    /// The time has come to see whether the first one keeps the others waiting.
    pub(crate) fn look_at_unfinished(&mut self, now: Now) {
        if self.unfinished.look_at.take_if(|at| *at <= now.mono).is_none() {
            return;
        }
        if !self.is_short() {
            // Another shard has made room.
            self.resume_waiting();
            return;
        }
        if let Some((since, first)) = self.unfinished.first()
            && now.mono.since(since) >= PATIENCE
        {
            self.end(now, first, CloseReason::OutOfMemory);
        }
        let next = self.unfinished.first().map(|(since, _)| since.after(PATIENCE));
        self.unfinished.look_at = next.map(|at| at.max(now.mono));
    }

    fn resume_waiting(&mut self) {
        while let Some(conn) = self.unfinished.waiting.pop_front() {
            if let Some(connection) = self.connection(conn)
                && std::mem::take(&mut connection.starved)
            {
                self.to_read.push_back(conn);
            }
        }
    }

    fn is_short(&self) -> bool {
        self.gauge.used_for(Use::Unfinished) > self.limits.unfinished_bytes_max
    }
}
