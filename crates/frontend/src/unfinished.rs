//! Messages that have begun and not ended, and what they may take of the memory.
//!
//! Over their bound only the one that began first is read on, so that it can end and make room;
//! everyone else is read a little at a time, and whoever has begun a long message waits. If the
//! first one does not end for a while, it is refused: it must not hold the others up.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use broker::planted::{self, Bug};
use broker::{ConnId, Instant, Now, Use};

use crate::event::CloseReason;
use crate::station::Station;

/// How long the first one may keep the others waiting: long enough to read on what it has sent.
const PATIENCE: Duration = Duration::from_millis(250);

/// One shard's unfinished messages that are long enough to count.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    /// By when they began.
    all: BTreeSet<(Instant, ConnId)>,
    /// Connections that wait for memory.
    waiting: VecDeque<ConnId>,
    /// The one that is read on while memory is short, and when its time is over.
    turn: Option<(ConnId, Instant)>,
}

impl Unfinished {
    pub(crate) fn began(&mut self, since: Instant, conn: ConnId) {
        self.all.insert((since, conn));
    }

    pub(crate) fn ended(&mut self, since: Instant, conn: ConnId) {
        self.all.remove(&(since, conn));
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.turn.map(|(_, until)| until)
    }

    /// Gives the first one its turn, if another one had it.
    fn begin_turn(&mut self, now: Instant) -> Option<ConnId> {
        let (_, first) = self.first()?;
        if self.turn.is_none_or(|(conn, _)| conn != first) {
            self.turn = Some((first, now.after(PATIENCE)));
        }
        Some(first)
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
        let Some(first) = self.unfinished.begin_turn(now.mono) else { return };
        self.feed(first);
        if first != conn
            && let Some(connection) = self.connection(conn)
            && connection.unfinished.is_some()
            && !std::mem::replace(&mut connection.starved, true)
        {
            self.unfinished.waiting.push_back(conn);
        }
    }

    /// The time of the first one may be over: then it is refused, and the next one is read on.
    pub(crate) fn look_at_unfinished(&mut self, now: Now) {
        let Some((conn, _)) = self.unfinished.turn.take_if(|(_, until)| *until <= now.mono) else { return };
        if !self.is_short() {
            self.resume_waiting(); // another shard has made room
            return;
        }
        if self.unfinished.first().is_some_and(|(_, first)| first == conn) {
            self.end(now, conn, CloseReason::OutOfMemory);
        }
        if self.is_short()
            && let Some(next) = self.unfinished.begin_turn(now.mono)
        {
            self.feed(next);
        }
    }

    /// Lets a connection be read on that waited for memory.
    fn feed(&mut self, conn: ConnId) {
        if let Some(connection) = self.connection(conn)
            && std::mem::take(&mut connection.starved)
        {
            self.to_read.push_back(conn);
        }
    }

    fn resume_waiting(&mut self) {
        while let Some(conn) = self.unfinished.waiting.pop_front() {
            if !planted::is(Bug::NeverResume) {
                self.feed(conn);
            }
        }
        self.unfinished.turn = None;
    }

    fn is_short(&self) -> bool {
        self.gauge.used_for(Use::Unfinished) > self.limits.unfinished_bytes_max
    }
}
