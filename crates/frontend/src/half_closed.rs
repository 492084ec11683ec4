//! Subscribers that have closed their sending half together with their hello.
//!
//! They go on to hear what they asked for. Whether they still listen or have closed both ways is
//! not known until something is written to them or their kernel is asked, so they are bounded.

use std::collections::BTreeMap;

use broker::{ConnId, Now};

use crate::event::CloseReason;
use crate::station::Station;

/// Whether a connection has closed its sending half, and what it goes on to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HalfClosed {
    /// It may still say something.
    No,
    /// It has, and hears what it asked for.
    Hears,
    /// The same, and it asked for history: that is all that it hears.
    HearsHistory,
}

/// Those of one shard.
#[derive(Debug, Default)]
pub(crate) struct HalfClosedOnes {
    /// In the order in which they began.
    all: BTreeMap<u64, ConnId>,
    numbers: BTreeMap<ConnId, u64>,
    next: u64,
}

impl HalfClosedOnes {
    pub(crate) fn add(&mut self, conn: ConnId) {
        self.next += 1;
        self.all.insert(self.next, conn);
        self.numbers.insert(conn, self.next);
    }

    pub(crate) fn remove(&mut self, conn: ConnId) {
        if let Some(number) = self.numbers.remove(&conn) {
            self.all.remove(&number);
        }
    }
}

impl Station {
    /// One may have come: over the bound the first one goes.
    pub(crate) fn bound_half_closed(&mut self, now: Now) {
        // One at a time is enough: each call of a connection adds one at most.
        let half_closed = &mut self.env.half_closed;
        if half_closed.all.len() > self.env.limits.half_closed_max
            && let Some((_, conn)) = half_closed.all.pop_first()
        {
            half_closed.numbers.remove(&conn);
            self.end(now, conn, CloseReason::Gone);
        }
    }
}
