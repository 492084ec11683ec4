//! Subscribers that have closed their sending half together with their hello.
//!
//! They go on to hear what they asked for. Whether they still listen or have closed both ways is
//! not known until something is written to them or their kernel is asked, so they are bounded.

use std::collections::VecDeque;

use broker::{ConnId, Now};

use crate::event::CloseReason;
use crate::station::Station;

/// So many on one shard; then the one that began first goes.
const LISTENING_MAX: usize = 1024;

/// Those of one shard, in the order in which they began.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    all: VecDeque<ConnId>,
    /// The last so many have not been named to the driver.
    new: usize,
}

impl Listening {
    pub(crate) fn add(&mut self, conn: ConnId) {
        self.all.push_back(conn);
        self.new += 1;
    }
}

impl Station {
    /// Over the bound the first one goes.
    pub(crate) fn bound_listening(&mut self, now: Now) {
        while self.listening.all.len() > LISTENING_MAX {
            let Some(conn) = self.listening.all.pop_front() else { return };
            self.end(now, conn, CloseReason::Gone);
        }
        self.listening.new = self.listening.new.min(self.listening.all.len());
    }

    /// The next connection of which nobody knows whether it still listens: its socket should ask
    /// the peer's kernel soon.
    pub fn poll_listening(&mut self) -> Option<ConnId> {
        let listening = &mut self.listening;
        let index = listening.all.len().checked_sub(listening.new).filter(|_| listening.new > 0)?;
        listening.new -= 1;
        listening.all.get(index).copied()
    }
}
