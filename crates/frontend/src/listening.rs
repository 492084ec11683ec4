//! Subscribers that have closed their sending half together with their hello.
//!
//! They go on to hear what they asked for. Whether they still listen or have closed both ways is
//! not known until something is written to them or their kernel is asked, so they are bounded.

use std::collections::BTreeMap;

use broker::{ConnId, Now};

use crate::event::CloseReason;
use crate::station::Station;

/// So many on one shard; then the one that began first goes.
const LISTENING_MAX: usize = 1024;

/// What a connection goes on to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// It may still say something.
    Open,
    /// It has closed its sending half and hears what it asked for.
    Listening,
    /// The same, and it asked for history: that is all that it hears.
    HistoryOnly,
}

/// Those of one shard.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    /// In the order in which they began.
    all: BTreeMap<u64, ConnId>,
    numbers: BTreeMap<ConnId, u64>,
    next: u64,
}

impl Listening {
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
    pub(crate) fn bound_listening(&mut self, now: Now) {
        let listening = &mut self.env.listening;
        if listening.all.len() > LISTENING_MAX
            && let Some((_, conn)) = listening.all.pop_first()
        {
            listening.numbers.remove(&conn);
            self.end(now, conn, CloseReason::Gone);
        }
    }
}
