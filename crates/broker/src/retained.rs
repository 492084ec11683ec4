//! Retained messages: of each topic the latest that its publisher wants kept for whoever
//! subscribes later (MQTT5-3.3.1.3).
//!
//! Every shard keeps all of them: a retained message is mailed to each shard, interested or not.
//! So a subscription finds them on its own shard once the last shard has granted, and mail being
//! in order, whatever is not among them then comes live (ADR 5). Shards agree on which of two is
//! the latest by a stamp that grows with everything that a shard has seen (Lamport, "Time,
//! Clocks, and the Ordering of Events in a Distributed System"), then by shard.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use topic::{Filter, TopicName};

use crate::history::Kept;
use crate::ids::{ShardId, SubscriptionId};
use crate::limits::Limits;
use crate::memory::{Gauge, Tally, Use};
use crate::planted::{self, Bug};
use crate::run::Run;
use crate::time::Instant;
use crate::work;

/// What a topic costs besides its name and its message.
const ENTRY_BYTES: usize = 160;
/// How long it is remembered that a topic's message was taken back: an older one may be in the
/// mail, which takes milliseconds.
const REMEMBERED: Duration = Duration::from_secs(10);
/// So many of those; then the first one goes.
const TAKEN_BACK_MAX: usize = 10_000;
/// A table of so few is walked at once.
const FEW: usize = 64;

/// Which of two messages of a topic is the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    count: u64,
    shard: ShardId,
}

/// Whether a subscription wants the retained messages that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetainedRequest {
    None,
    All,
}

/// One shard's table of all retained messages.
#[derive(Debug)]
pub(crate) struct Retained {
    own: ShardId,
    shards: usize,
    topics: BTreeMap<TopicName, Entry>,
    /// Topics whose message was taken back: when, and with which arrival.
    taken_back: VecDeque<(Instant, u64, TopicName)>,
    kept: usize,
    /// What topics and messages cost in all shards: the same sum in each.
    bytes: usize,
    /// The largest stamp seen.
    count: u64,
    /// Messages that have come to this table.
    arrivals: u64,
    walks: VecDeque<Walk>,
    tally: Tally,
}

#[derive(Debug)]
struct Entry {
    /// None: it was taken back.
    run: Option<Arc<Run>>,
    stamp: Stamp,
    arrival: u64,
}

/// What one subscription gets of them.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) subscription: SubscriptionId,
    pub(crate) filter: Filter,
    /// By shard: whatever it published and came from here on is live.
    pub(crate) live_from: Vec<(ShardId, u64)>,
    pub(crate) found: Vec<Kept>,
    /// The last topic that was looked at.
    at: Option<TopicName>,
}

/// What a step has brought.
#[derive(Debug)]
pub(crate) struct Stepped {
    pub(crate) subscription: SubscriptionId,
    pub(crate) found: Vec<Kept>,
    pub(crate) is_all: bool,
}

impl Walk {
    pub(crate) fn new(subscription: SubscriptionId, filter: Filter, live_from: Vec<(ShardId, u64)>) -> Self {
        Self { subscription, filter, live_from, found: Vec::new(), at: None }
    }

    fn take(&mut self, entry: &Entry, now: Instant) {
        let Some(run) = &entry.run else { return };
        let shard = run.publisher().origin.shard;
        let live_from = self.live_from.iter().find(|(from, _)| *from == shard);
        let is_live = live_from.is_some_and(|(_, arrival)| entry.arrival >= *arrival);
        if !is_live && !run.is_expired(now) {
            self.found.push(Kept {
                run: Arc::clone(run),
                skip: 0,
                retained: true,
                asked_by: Some(self.subscription.key),
            });
        }
    }
}

impl Retained {
    pub(crate) fn new(own: ShardId, shards: u8, gauge: &Gauge) -> Self {
        Self {
            own,
            shards: usize::from(shards),
            topics: BTreeMap::new(),
            taken_back: VecDeque::new(),
            kept: 0,
            bytes: 0,
            count: 0,
            arrivals: 0,
            walks: VecDeque::new(),
            tally: Tally::new(gauge, Use::Retained),
        }
    }

    /// The stamp of a message that this shard has accepted. `None` if it is not to be retained:
    /// there are as many as there may be. The broker's own are a few dozen and have no part in that,
    /// so that neither they nor those of clients take each other's room.
    pub(crate) fn stamp(&self, run: &Run, limits: &Limits) -> Option<Stamp> {
        let is_free = run.ends_empty() || run.publisher().is_broker();
        let is_taken = is_free || self.has_room(run.topic(), limits);
        is_taken.then(|| Stamp { count: self.count + 1, shard: self.own })
    }

    /// Whether a message of this topic may be retained: the topic has one already, or there is room
    /// for one more.
    pub(crate) fn has_room(&self, topic: &TopicName, limits: &Limits) -> bool {
        let is_full = self.kept >= limits.retained_max || self.bytes > limits.retained_bytes_max;
        !is_full || self.topics.get(topic).is_some_and(|entry| entry.run.is_some())
    }

    /// What another shard, or this one, has accepted to be retained: a message of its own, or
    /// nothing from now on. The others agree, in whatever order they hear of it.
    pub(crate) fn store(&mut self, now: Instant, topic: &TopicName, message: Option<Arc<Run>>, stamp: Stamp) {
        self.count = self.count.max(stamp.count);
        self.arrivals += 1;
        self.forget_taken_back(now);
        let is_kept = self.topics.get(topic).is_some_and(|entry| entry.run.is_some());
        let is_planted = planted::is(Bug::KeepRetained) && message.is_none()
            || planted::is(Bug::RetainNothing) && is_kept && message.is_some();
        if is_planted || self.topics.get(topic).is_some_and(|entry| entry.stamp > stamp) {
            return;
        }
        self.remove(topic);
        if message.is_none() {
            self.taken_back.push_back((now, self.arrivals, topic.clone()));
        }
        let entry = Entry { run: message, stamp, arrival: self.arrivals };
        self.kept += entry.kept();
        self.bytes += entry.bytes(topic, self.shards);
        self.tally.add(Entry::own_bytes(topic));
        self.topics.insert(topic.clone(), entry);
    }

    /// From here on whatever comes is live for a subscription to which its shard has granted.
    pub(crate) fn arrivals(&self) -> u64 {
        self.arrivals + 1
    }

    /// A subscription wants what there is. Returns the walk if it is done at once; else
    /// [`Retained::step`] will.
    pub(crate) fn ask(&mut self, now: Instant, mut walk: Walk, spent: &mut u64) -> Option<Walk> {
        if let Some(topic) = walk.filter.exact() {
            *spent += work::RECORD;
            if let Some(entry) = self.topics.get(&topic) {
                walk.take(entry, now);
            }
            return Some(walk);
        }
        if self.walks.is_empty() && self.topics.len() <= FEW {
            self.go_on(now, &mut walk, u64::MAX, spent);
            return Some(walk);
        }
        self.walks.push_back(walk);
        None
    }

    /// Whether [`Retained::step`] has something to do.
    pub(crate) fn has_work(&self) -> bool {
        !self.walks.is_empty()
    }

    /// Walks on for about `budget` units of work for the first one that waits. Returns for whom,
    /// what was found in this step, and whether that is all.
    pub(crate) fn step(&mut self, now: Instant, budget: u64, spent: &mut u64) -> Option<Stepped> {
        let mut walk = self.walks.pop_front()?;
        let is_all = self.go_on(now, &mut walk, budget, spent);
        let (subscription, found) = (walk.subscription, std::mem::take(&mut walk.found));
        if !is_all {
            self.walks.push_front(walk);
        }
        Some(Stepped { subscription, found, is_all })
    }

    /// Nobody waits any more for the walk that was stepped last.
    pub(crate) fn give_up(&mut self, subscription: SubscriptionId) {
        self.walks.pop_front_if(|walk| walk.subscription == subscription);
    }

    /// How many clients' messages are kept.
    pub(crate) fn kept(&self) -> usize {
        self.kept
    }

    /// What its places cost, and the messages in them.
    pub(crate) fn costs(&self) -> (usize, usize) {
        let places = self.topics.keys().map(Entry::own_bytes).sum();
        (places, self.topics.values().filter_map(|entry| entry.run.as_ref()).map(|run| run.cost()).sum())
    }

    /// Makes the account say what topics cost besides their messages.
    pub(crate) fn settle(&mut self) {
        self.tally.settle();
    }

    /// Walks on; true if it is done.
    fn go_on(&self, now: Instant, walk: &mut Walk, budget: u64, spent: &mut u64) -> bool {
        let mut left = budget;
        // Names are sorted, so all that begin as the filter does stand together.
        let stem = walk.filter.as_str().split(['+', '#']).next().unwrap_or_default().to_owned();
        // `a/#` matches `a` as well, whose name does not begin with `a/`.
        let parent = stem.strip_suffix('/').filter(|_| walk.at.is_none());
        if let Some(entry) = parent.and_then(|parent| self.topics.get_key_value(parent))
            && walk.filter.matches(entry.0)
        {
            walk.take(entry.1, now);
        }
        let from = walk.at.take();
        let from = from.as_ref().map_or(Bound::Included(stem.as_str()), |at| Bound::Excluded(at.as_str()));
        for (topic, entry) in self.topics.range::<str, _>((from, Bound::Unbounded)) {
            if !topic.as_str().starts_with(&stem) {
                break;
            }
            if walk.filter.matches(topic) {
                walk.take(entry, now);
            }
            // What is found is put into a queue as well.
            left = left.saturating_sub(work::MATCH + work::REPLAY_ENTRY);
            if left == 0 {
                *spent += budget;
                walk.at = Some(topic.clone());
                return false;
            }
        }
        *spent += budget - left;
        true
    }

    fn remove(&mut self, topic: &TopicName) {
        if let Some(entry) = self.topics.remove(topic) {
            self.kept -= entry.kept();
            self.bytes -= entry.bytes(topic, self.shards);
            self.tally.subtract(Entry::own_bytes(topic));
        }
    }

    fn forget_taken_back(&mut self, now: Instant) {
        while let Some((at, ..)) = self.taken_back.front()
            && (now.since(*at) >= REMEMBERED || self.taken_back.len() > TAKEN_BACK_MAX)
            && let Some((_, arrival, topic)) = self.taken_back.pop_front()
        {
            // Another message may have come since, or it may have been taken back once more.
            if self.topics.get(&topic).is_some_and(|entry| entry.arrival == arrival) {
                self.remove(&topic);
            }
        }
    }
}

impl Entry {
    fn is_broker_s(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.publisher().is_broker())
    }

    /// How many messages it is of those that are bounded.
    fn kept(&self) -> usize {
        usize::from(self.run.is_some() && !self.is_broker_s())
    }

    /// What it costs in all shards, where that is bounded: its place in each, and its message, which
    /// they share.
    fn bytes(&self, topic: &TopicName, shards: usize) -> usize {
        if self.is_broker_s() {
            return 0;
        }
        shards * Self::own_bytes(topic) + self.run.as_ref().map_or(0, |run| run.cost())
    }

    /// What this shard's table holds for it.
    fn own_bytes(topic: &TopicName) -> usize {
        ENTRY_BYTES + topic.as_str().len()
    }
}
