//! What a shard tells of itself, for operators and for checks. Nothing here changes anything.

use topic::{Filter, TopicName};

use crate::history::{TopicRow, Wanted};
use crate::ids::SessionId;
use crate::listing::{FilterRow, Page};
use crate::session::{QueueState, Session};
use crate::shard::Shard;
use crate::stats::{Queued, Stats};

impl Shard {
    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats { queued: self.overload.places.queued(), ..self.stats }
    }

    /// What waits in all queues, for checks: looks at all that does.
    #[must_use]
    pub fn queued(&self) -> Queued {
        self.sessions.iter().map(|(_, session)| session.queue.queued()).sum()
    }

    /// Bytes of history kept.
    #[must_use]
    pub fn history_bytes(&self) -> usize {
        self.history.bytes()
    }

    /// How many topics have a retained message, those of the broker's own not counted.
    #[must_use]
    pub fn retained_messages(&self) -> usize {
        self.retained.kept()
    }

    /// Bytes of this shard's places for retained messages, and of the messages, which all shards share.
    #[must_use]
    pub fn retained_bytes(&self) -> (usize, usize) {
        self.retained.costs()
    }

    /// Bytes of cached routes, which outlive whoever asked.
    #[must_use]
    pub fn route_bytes(&self) -> usize {
        self.interest.route_bytes()
    }

    /// Kept topics behind a name, from looking at so many at most; those of a name on several shards
    /// are several rows.
    #[must_use]
    pub fn topics(
        &self,
        wanted: &Wanted,
        after: Option<&TopicName>,
        looked_max: usize,
    ) -> Page<TopicRow, TopicName> {
        self.history.page(wanted, after, looked_max)
    }

    /// Filters of this shard's subscriptions behind one, in the order of [`Filter::in_order`], from
    /// looking at so many at most.
    #[must_use]
    pub fn filters(&self, after: Option<&Filter>, looked_max: usize) -> Page<FilterRow, Filter> {
        self.interest.page(after, looked_max)
    }

    /// Bytes that wait in a session's queue.
    #[must_use]
    pub fn queue_bytes(&self, session: SessionId) -> usize {
        self.sessions.get(session).map_or(0, |session| session.queue.bytes())
    }

    /// How a session's queue stands, for checks.
    #[must_use]
    pub fn queue_state(&self, session: SessionId) -> Option<QueueState> {
        self.sessions.get(session).map(Session::queue_state)
    }

    /// Connections and sessions, filters, extra trie nodes, and what brakes or waits: all zero when
    /// everyone has gone.
    #[must_use]
    pub fn leftovers(&self) -> [usize; 4] {
        let (filters, nodes) = self.interest.size();
        let waiting = usize::from(self.is_asked()) + self.deadlines.len() + self.groups.len();
        [
            self.sources.len() + self.sessions.len(),
            filters,
            nodes - 1,
            self.overload.len() + self.pauses.len() + self.memory.len() + waiting,
        ]
    }

    /// Messages that wait for groups whose home this is, for checks: looks at each of them.
    #[must_use]
    pub fn group_messages(&self) -> u64 {
        let groups = self.sessions.iter().filter(|(_, session)| session.group.is_some());
        groups.map(|(_, session)| session.queue.live_messages()).sum()
    }
}
