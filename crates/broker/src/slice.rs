//! A part of a run, as it waits in a queue and is delivered.

use std::rc::Rc;

use crate::group::Room;
use crate::ids::SubscriptionKey;
use crate::run::LocalRun;
use crate::stats::Queued;

/// Some messages of a run: from `skip` to before `end`.
#[derive(Debug, Clone)]
pub struct Slice {
    pub run: Rc<LocalRun>,
    /// Messages at its front that are not meant.
    pub skip: u32,
    /// Where the messages that are meant end.
    pub end: u32,
    /// Whether it was retained for this subscription, and is not published now.
    pub retained: bool,
    /// The subscription that asked for it; none where it is live, and for all of them.
    pub asked_by: Option<SubscriptionKey>,
}

impl Slice {
    pub(crate) fn of(run: Rc<LocalRun>, skip: u32) -> Self {
        let end = run.run().len();
        Self { run, skip, end, retained: false, asked_by: None }
    }

    /// How many messages are meant.
    #[must_use]
    pub fn len(&self) -> u64 {
        u64::from(self.end - self.skip)
    }

    /// Whether none is meant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the messages are to a group that gives them.
    pub(crate) fn room(&self) -> Room {
        let bytes = self.run.run().bytes_between(self.skip, self.end);
        Room { messages: self.len(), bytes: bytes as u64 }
    }

    pub(crate) fn is_given(&self) -> bool {
        self.run.group().is_some()
    }

    /// What it is to the queue that it waits in.
    #[inline]
    pub(crate) fn queued(&self) -> Queued {
        Queued { messages: self.len(), bytes: self.cost() as u64 }
    }

    /// What it costs the queue that it waits in.
    pub(crate) fn cost(&self) -> usize {
        self.run.run().cost_of(self.end - self.skip)
    }
}
