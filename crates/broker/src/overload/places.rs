//! A queue's bound, and what the places in queues cost.

use crate::limits::Limits;
use crate::memory::{Gauge, Tally, Use};
use crate::planted::{self, Bug};
use crate::queue::{Dropped, PLACE_BYTES, Popped};
use crate::session::Session;
use crate::stats::{Queued, Stats};

/// Places in the queues of one shard: those of live runs and those of history.
#[derive(Debug)]
pub(crate) struct Places {
    queued: Queued,
    live: Tally,
    replays: Tally,
}

impl Places {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        Self {
            queued: Queued::default(),
            live: Tally::new(gauge, Use::Queues),
            replays: Tally::new(gauge, Use::Replays),
        }
    }

    /// A run was pushed to a queue.
    #[inline]
    pub(crate) fn pushed(&mut self, queued: Queued) {
        self.queued.add(queued);
        self.live.add(PLACE_BYTES);
    }

    /// So many runs of history were put into a queue.
    pub(crate) fn replayed(&mut self, queued: Queued, runs: usize) {
        self.queued.add(queued);
        self.replays.add(runs * PLACE_BYTES);
    }

    /// Something was taken from a queue.
    pub(crate) fn popped(&mut self, popped: &Popped) {
        self.queued.subtract(popped.queued);
        self.live.subtract(popped.live * PLACE_BYTES);
        self.replays.subtract(popped.history * PLACE_BYTES);
    }

    /// The rest of what was taken is back: it had no place.
    pub(crate) fn put_back(&mut self, queued: Queued) {
        self.queued.add(queued);
    }

    /// Messages of so many places went back to a group.
    pub(crate) fn given_back(&mut self, queued: Queued, places: usize) {
        self.queued.subtract(queued);
        self.live.subtract(places * PLACE_BYTES);
    }

    /// A queue lost messages: they are counted, and their places are given back.
    pub(crate) fn dropped(&mut self, dropped: Dropped, stats: &mut Stats) {
        if !planted::is(Bug::DropUncounted) {
            stats.dropped += dropped.queued.messages;
        }
        self.queued.subtract(dropped.queued);
        self.live.subtract(dropped.live * PLACE_BYTES);
        self.replays.subtract(dropped.history * PLACE_BYTES);
    }

    /// Drops the oldest live messages of a queue that is over its bound. Returns whether any went.
    pub(crate) fn bound(&mut self, session: &mut Session, limits: &Limits, stats: &mut Stats) -> bool {
        let early = if planted::is(Bug::DropEarly) { limits.queue_bytes_max / 4 } else { 0 };
        let bytes_max = limits.queue_bytes_max - early;
        if session.queue.live_bytes() <= bytes_max || planted::is(Bug::NoQueueBound) {
            return false;
        }
        let dropped = session.queue.drop_live(bytes_max);
        self.dropped(dropped, stats);
        dropped.queued.messages > 0
    }

    /// A session goes, and its queue with it.
    pub(crate) fn forget(&mut self, session: &Session) {
        if planted::is(Bug::KeepPlaces) {
            return;
        }
        self.queued.subtract(session.queue.queued());
        let (live, history) = session.queue.places();
        self.live.subtract(live * PLACE_BYTES);
        self.replays.subtract(history * PLACE_BYTES);
    }

    /// Makes the account say what queues hold.
    pub(crate) fn settle(&mut self) {
        self.live.settle();
        self.replays.settle();
    }

    /// What waits in all queues.
    pub(crate) fn queued(&self) -> Queued {
        self.queued
    }

    /// Bytes of all places, for the check that nothing is left.
    pub(crate) fn bytes(&self) -> usize {
        self.live.bytes() + self.replays.bytes()
    }
}
