//! Subscribers that have closed their sending half together with their hello.
//!
//! They go on to hear what they asked for. Whether they still listen or have closed both ways is
//! not known until something is written to them or their kernel is asked, so they are bounded.

use std::collections::{BTreeMap, VecDeque};

use broker::{ConnId, Now};

use crate::connection::Hearing;
use crate::event::CloseReason;
use crate::station::Station;

/// So many on one shard; then the one that began first goes.
const LISTENING_MAX: usize = 1024;

/// Those of one shard.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    /// In the order in which they began.
    all: BTreeMap<u64, ConnId>,
    numbers: BTreeMap<ConnId, u64>,
    next: u64,
    /// Those that have not been named to the driver.
    new: VecDeque<ConnId>,
}

impl Listening {
    fn add(&mut self, conn: ConnId) {
        self.next += 1;
        self.all.insert(self.next, conn);
        self.numbers.insert(conn, self.next);
        self.new.push_back(conn);
    }

    pub(crate) fn remove(&mut self, conn: ConnId) {
        if let Some(number) = self.numbers.remove(&conn) {
            self.all.remove(&number);
        }
    }
}

impl Station {
    /// A connection begins to listen with a closed sending half, or does so no more.
    pub(crate) fn hearing_changed(&mut self, conn: ConnId, hearing: Hearing) {
        match hearing {
            Hearing::Open => self.listening.remove(conn),
            Hearing::Listening | Hearing::HistoryOnly => {
                self.listening.add(conn);
                // All that it asked for may have been written already.
                self.list_to_write(conn);
            }
        }
    }

    /// One has come: over the bound the first one goes.
    pub(crate) fn bound_listening(&mut self, now: Now) {
        if self.listening.all.len() > LISTENING_MAX
            && let Some((_, conn)) = self.listening.all.pop_first()
        {
            self.listening.numbers.remove(&conn);
            self.end(now, conn, CloseReason::Gone);
        }
    }

    /// The next connection of which nobody knows whether it still listens: its socket should ask
    /// the peer's kernel soon.
    pub fn poll_listening(&mut self) -> Option<ConnId> {
        self.listening.new.pop_front()
    }
}
