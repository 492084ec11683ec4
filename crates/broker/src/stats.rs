//! Plain counters of one shard, read as a snapshot.

use crate::refused::{MessageRefusal, Refused, SubscriptionRefusal};

/// What a shard has done since it began, and what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages accepted from connections of this shard.
    pub accepted: u64,
    /// Bytes of their payloads.
    pub accepted_bytes: u64,
    /// Messages handed to front ends for delivery.
    pub delivered: u64,
    /// Messages dropped from queues of slow subscribers, each of them announced.
    pub dropped: u64,
    /// Messages that were to be retained, and were not for want of room.
    pub not_retained: u64,
    /// Messages that were not let in, whether their publishers went on or not.
    pub refused: Refused<MessageRefusal>,
    /// Subscriptions that were asked for and not to be had.
    pub refused_subscriptions: Refused<SubscriptionRefusal>,
    /// Times that a publisher was paused for a queue or for memory.
    pub pauses: u64,
    /// Subscriptions that there are, with those that wait for an answer.
    pub subscriptions: u64,
    /// Those of them that share what they hear: none yet.
    pub shared_subscriptions: u64,
    /// What waits in the queues of all sessions, those of groups as well.
    pub queued: Queued,
}

/// How much waits in queues. A message that waits in several counts in each of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queued {
    /// Messages of all kinds, history and what groups have given as well.
    pub messages: u64,
    /// What they cost, as the bounds of queues count it.
    pub bytes: u64,
}

impl Queued {
    #[inline]
    pub(crate) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }

    /// # Panics
    /// If there is less: something was taken that never waited.
    #[inline]
    pub(crate) fn subtract(&mut self, other: Self) {
        let less = |from: u64, count| from.checked_sub(count).expect("what is taken has waited");
        self.messages = less(self.messages, other.messages);
        self.bytes = less(self.bytes, other.bytes);
    }
}

impl std::iter::Sum for Queued {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        let mut sum = Self::default();
        all.for_each(|one| sum.add(one));
        sum
    }
}

impl Stats {
    /// Adds another shard's figures.
    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.accepted_bytes += other.accepted_bytes;
        self.delivered += other.delivered;
        self.dropped += other.dropped;
        self.not_retained += other.not_retained;
        self.refused.add(&other.refused);
        self.refused_subscriptions.add(&other.refused_subscriptions);
        self.pauses += other.pauses;
        self.subscriptions += other.subscriptions;
        self.shared_subscriptions += other.shared_subscriptions;
        self.queued.add(other.queued);
    }
}
