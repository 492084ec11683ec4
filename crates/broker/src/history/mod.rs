//! The last messages of each topic, in memory, as published on this shard.
//!
//! Bounded by messages per topic and by bytes over all topics; the topic that was quiet
//! longest goes first. Runs are kept by reference while a topic is busy and copied to their
//! exact size once it is quiet, so that a kept message does not pin a read buffer for long.
//!
//! One log holds all kept runs in the order in which they came. Reading history walks it from
//! its end, a budget's worth at a time (`scan`); what several shards have read is put together
//! in `replay`.

mod listing;
mod replay;
mod scan;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::FixedState;
use hashbrown::HashMap;
use topic::{Filter, TopicName};

use crate::ids::SubscriptionKey;
use crate::memory::{Gauge, Tally, Use};
use crate::planted::{self, Bug};
use crate::run::Run;
use crate::time::{Instant, WallTime};
use crate::work;

pub use listing::{TopicRow, Wanted};
pub use replay::Replay;
pub(crate) use replay::{Found, merge};
pub(crate) use scan::{Answer, Asker, Question, Readers};

/// Bytes that a topic costs besides its name and runs: its places in four tables.
const TOPIC_OVERHEAD_BYTES: usize = 320;
/// How long a topic is quiet before its runs are copied to their exact size.
const QUIET: Duration = Duration::from_secs(1);
/// Topics that are looked at for something to copy before one is forgotten.
const COMPACTED_TOPICS: usize = 4;
/// What that may cost, where runs are many and small.
const COMPACTED_WORK: u64 = 100_000;
/// Bytes that are copied in one call.
const COMPACTED_BYTES: usize = 256 * 1024;
/// Topics that share the beginning of a filter, up to which they are looked up by name.
const NAMED_MAX: usize = 16;

/// How much of the past a subscriber wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryRequest {
    None,
    /// The last messages over everything that matches.
    Last(u32),
    /// Everything that was accepted at or after this time.
    Since(WallTime),
    /// Everything that was accepted on a shard behind so many of its messages.
    After(u64),
}

/// A kept run without its first `skip` messages.
#[derive(Debug, Clone)]
pub struct Kept {
    pub run: Arc<Run>,
    /// Messages at its front that are not meant.
    pub skip: u32,
    /// Whether it is delivered as what was retained, and not as what is published.
    pub retained: bool,
    /// Which subscription asked for it; none while it is kept.
    pub asked_by: Option<SubscriptionKey>,
}

impl Kept {
    /// How many messages are meant.
    #[must_use]
    pub fn messages(&self) -> u64 {
        u64::from(self.run.len() - self.skip)
    }
}

/// One shard's history.
#[derive(Debug)]
pub(crate) struct History {
    slots: HashMap<TopicName, Slot, FixedState>,
    /// The same by name, for filters that begin with one.
    named: BTreeMap<TopicName, Slot>,
    topics: Vec<Option<Topic>>,
    free: Vec<Slot>,
    /// Every kept run, oldest first; between them stand some that are kept no more.
    log: VecDeque<Logged>,
    runs: usize,
    age: Age,
    /// Topics that hold runs of more than their exact size, by the time they were listed.
    loose: BTreeSet<(Instant, Slot)>,
    bytes: usize,
    /// Messages accepted so far: the number of the last one, counted from 1.
    accepted: u64,
    /// The last one of those whose topic was forgotten.
    forgotten: u64,
    /// The latest time of any run so far: the wall clock may jump back, this does not.
    newest: WallTime,
    bounds: HistoryBounds,
    gauge: Gauge,
    tally: Tally,
    spent: u64,
}

/// The bounds of one shard's history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HistoryBounds {
    pub(crate) messages_max: u32,
    pub(crate) bytes_max: usize,
    pub(crate) replay_bytes_max: usize,
}

/// The place of a topic in the table.
type Slot = u32;

/// A run in the log.
#[derive(Debug, Clone, Copy)]
struct Logged {
    /// The number of its first message, counted from 1.
    sequence: u64,
    slot: Slot,
    /// The latest time of this run and all before it.
    newest: WallTime,
}

#[derive(Debug)]
struct Topic {
    name: TopicName,
    /// With the number of each run's first message.
    runs: VecDeque<(u64, Kept)>,
    messages: u64,
    messages_total: u64,
    /// The number of its last message that is not kept any more.
    gone: u64,
    bytes: usize,
    latest_at: Instant,
    /// When it was listed as holding more than its exact size.
    loose_since: Option<Instant>,
    older: Option<Slot>,
    newer: Option<Slot>,
}

/// A list through the topics, from the one that was quiet longest to the latest.
#[derive(Debug, Default)]
struct Age {
    oldest: Option<Slot>,
    latest: Option<Slot>,
}

impl History {
    pub(crate) fn new(bounds: HistoryBounds, seed: u64, gauge: Gauge) -> Self {
        Self {
            slots: HashMap::with_hasher(FixedState::with_seed(seed)),
            named: BTreeMap::new(),
            topics: Vec::new(),
            free: Vec::new(),
            log: VecDeque::new(),
            runs: 0,
            age: Age::default(),
            loose: BTreeSet::new(),
            bytes: 0,
            accepted: 0,
            forgotten: 0,
            newest: WallTime::default(),
            bounds,
            tally: Tally::new(&gauge, Use::Topics),
            gauge,
            spent: 0,
        }
    }

    /// Messages accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Keeps the last messages of a run, which has its place. Returns the topic's slot if the topic is
    /// new there.
    pub(crate) fn record(&mut self, now: Instant, run: &Arc<Run>) -> Option<u32> {
        assert!(run.place_of(0) == self.accepted, "what is accepted is numbered in its order");
        let sequence = self.accepted + 1;
        self.accepted += u64::from(run.len());
        if self.bounds.messages_max == 0 {
            self.forgotten = self.accepted;
            return None;
        }
        self.spent += work::RECORD;
        // Never falls, so that a walk for `since` may end at the first entry that is too old.
        let falls_back = planted::is(Bug::StopAtJump);
        self.newest = if falls_back { run.time() } else { self.newest.max(run.time()) };
        let (slot, is_new) = match self.slots.get(run.topic()) {
            Some(slot) => (*slot, false),
            None => (self.add(run.topic()), true),
        };
        self.log.push_back(Logged { sequence, slot, newest: self.newest });
        self.age.touch(&mut self.topics, slot);
        let topic = self.topics[slot as usize].as_mut().expect("a named slot holds a topic");
        let (bytes_before, runs_before) = (topic.bytes, topic.runs.len());
        topic.latest_at = now;
        topic.push(sequence, run, self.bounds.messages_max);
        if topic.is_loose() && topic.loose_since.is_none() {
            topic.loose_since = Some(now);
            self.loose.insert((now, slot));
        }
        self.bytes = self.bytes + topic.bytes - bytes_before;
        self.runs = self.runs + topic.runs.len() - runs_before;
        self.shrink();
        self.trim_log();
        is_new.then_some(slot)
    }

    /// When [`History::compact`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.loose.first().map(|(listed, _)| listed.after(QUIET))
    }

    /// Copies runs of one topic that has been quiet to their exact size, some at a time.
    pub(crate) fn compact(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        let (_, slot) = self.loose.first().copied().expect("poll_timeout saw it");
        let topic = at(&mut self.topics, slot);
        if now.since(topic.latest_at) < QUIET {
            // Listed once and not at each run: a busy topic is looked at once a second.
            self.loose.pop_first();
            topic.loose_since = Some(now);
            self.loose.insert((now, slot));
            self.spent += work::RECORD;
            return;
        }
        self.compact_first();
    }

    /// Copies runs of the topic that was listed first, some at a time.
    fn compact_first(&mut self) {
        let Some((since, slot)) = self.loose.pop_first() else { return };
        let topic = at(&mut self.topics, slot);
        let before = topic.bytes;
        let (spent, all) = topic.compact(&self.gauge);
        self.bytes = self.bytes + topic.bytes - before;
        self.spent += spent;
        if !all {
            self.loose.insert((since, slot));
        }
    }

    /// Bytes kept, as the bound counts them.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What was done since the last call has cost so much.
    pub(crate) fn take_spent(&mut self) -> u64 {
        std::mem::take(&mut self.spent)
    }

    /// Makes the account say what is kept besides the runs.
    pub(crate) fn settle(&mut self) {
        self.tally.settle();
    }

    fn add(&mut self, name: &TopicName) -> Slot {
        let topic = Topic::new(name.clone());
        let slot = self.free.pop().unwrap_or_else(|| {
            self.topics.push(None);
            Slot::try_from(self.topics.len() - 1).expect("topics are bounded by their bytes")
        });
        self.bytes += topic.overhead();
        self.tally.add(topic.overhead());
        self.topics[slot as usize] = Some(topic);
        self.slots.insert(name.clone(), slot);
        self.named.insert(name.clone(), slot);
        slot
    }

    /// Makes room until the bound holds: copies a few runs that pin more than they show, for
    /// instance a read buffer of thousands of messages of which the last are kept; then forgets
    /// the quietest topics, and of the last one the oldest runs.
    fn shrink(&mut self) {
        for _ in 0..COMPACTED_TOPICS {
            if self.bytes <= self.bounds.bytes_max {
                return;
            }
            self.compact_first();
        }
        while self.bytes > self.bounds.bytes_max {
            let Some(slot) = self.age.oldest else { return };
            let topic = self.topics[slot as usize].as_mut().expect("the list names kept topics");
            // The only topic left: its newest run stays, and more of it if it fits.
            if self.age.latest == Some(slot) && topic.runs.len() > 1 {
                let before = topic.bytes;
                topic.drop_oldest();
                self.bytes -= before - topic.bytes;
                self.runs -= 1;
            } else {
                self.remove(slot);
            }
        }
    }

    fn remove(&mut self, slot: Slot) {
        self.age.unlink(&mut self.topics, slot);
        let topic = self.topics[slot as usize].take().expect("the caller saw it");
        if let Some(since) = topic.loose_since {
            self.loose.remove(&(since, slot));
        }
        self.slots.remove(&topic.name);
        self.named.remove(&topic.name);
        self.free.push(slot);
        self.bytes -= topic.bytes + topic.overhead();
        self.forgotten = self.forgotten.max(topic.last());
        self.tally.subtract(topic.overhead());
        self.runs = self.runs.checked_sub(topic.runs.len()).expect("counted when they came");
        self.spent += work::RECORD + work::QUEUE_ENTRY * topic.runs.len() as u64;
    }

    /// Takes what is kept no more out of the log, once it is more than half of it.
    fn trim_log(&mut self) {
        // At half, so that a pass over all of it has been paid for by as many runs as it drops.
        if self.log.len() > 2 * self.runs + 64 {
            self.spent += work::SCAN * self.log.len() as u64;
            let topics = &self.topics;
            self.log.retain(|logged| is_kept(topics, *logged));
            // Not at twice: it would shrink and grow again around one size.
            if self.log.capacity() > 4 * self.log.len() + 64 {
                self.log.shrink_to_fit();
            }
        }
    }

    /// The topics whose names begin as `filter` does, if they are few.
    fn named_like(&self, filter: &Filter) -> Option<Vec<Slot>> {
        if let Some(topic) = filter.exact() {
            return Some(self.slots.get(&topic).into_iter().copied().collect());
        }
        // Names are sorted, so all that begin alike stand together.
        let stem = filter.as_str().split(['+', '#']).next().unwrap_or_default();
        if stem.is_empty() {
            return None;
        }
        let from = std::ops::Bound::Included(stem);
        let begins = self.named.range::<str, _>((from, std::ops::Bound::Unbounded));
        let like: Vec<(&TopicName, &Slot)> =
            begins.take_while(|(name, _)| name.as_str().starts_with(stem)).take(NAMED_MAX + 1).collect();
        if like.len() > NAMED_MAX {
            return None;
        }
        // `a/#` matches `a` as well, whose name does not begin with `a/`.
        let parent = stem.strip_suffix('/').and_then(|parent| self.slots.get_key_value(parent));
        let all = parent.into_iter().chain(like);
        Some(all.filter(|(name, _)| filter.matches(name)).map(|(_, slot)| *slot).collect())
    }
}

/// Whether the run still is where the log says.
fn is_kept(topics: &[Option<Topic>], logged: Logged) -> bool {
    let topic = topics.get(logged.slot as usize).and_then(Option::as_ref);
    // Of a topic the oldest runs go first, and another topic in this slot came later.
    topic.and_then(|topic| topic.runs.front()).is_some_and(|(first, _)| *first <= logged.sequence)
}

impl Topic {
    fn new(name: TopicName) -> Self {
        Self {
            name,
            runs: VecDeque::new(),
            messages: 0,
            messages_total: 0,
            gone: 0,
            bytes: 0,
            latest_at: Instant::default(),
            loose_since: None,
            older: None,
            newer: None,
        }
    }

    fn overhead(&self) -> usize {
        TOPIC_OVERHEAD_BYTES + self.name.as_str().len()
    }

    fn push(&mut self, sequence: u64, run: &Arc<Run>, messages_max: u32) {
        self.runs
            .push_back((sequence, Kept { run: Arc::clone(run), skip: 0, retained: false, asked_by: None }));
        self.messages += u64::from(run.len());
        self.messages_total += u64::from(run.len());
        self.bytes += run.cost();
        let messages_max = u64::from(messages_max);
        while self.messages > messages_max {
            let (_, oldest) = self.runs.front_mut().expect("messages are counted per run");
            let extra = self.messages - messages_max;
            if oldest.messages() <= extra {
                self.drop_oldest();
            } else {
                oldest.skip += u32::try_from(extra).expect("less than the run holds");
                self.gone = oldest.run.place_of(oldest.skip);
                self.messages -= extra;
            }
        }
    }

    /// Whether copying would make it smaller.
    fn is_loose(&self) -> bool {
        let loose = |kept: &Kept| kept.skip > 0 || !kept.run.is_exact();
        // Of all the runs the latest may be larger than it shows and the oldest be kept in part.
        let mut ends = [self.runs.front(), self.runs.back()].into_iter().flatten();
        ends.any(|(_, kept)| loose(kept))
    }

    fn drop_oldest(&mut self) {
        // Checked, not wrapped: a sum that is wrong here would let history grow without a bound.
        let (_, oldest) = self.runs.pop_front().expect("the caller saw a run");
        self.gone = oldest.run.place_of(oldest.run.len());
        self.messages = self.messages.checked_sub(oldest.messages()).expect("counted when it came");
        self.bytes = self.bytes.checked_sub(oldest.run.cost()).expect("counted when it came");
    }

    /// The number of its last message.
    fn last(&self) -> u64 {
        self.runs.back().map_or(self.gone, |(_, kept)| kept.run.place_of(kept.run.len()))
    }

    fn run(&self, sequence: u64) -> Option<&Kept> {
        let index = self.runs.binary_search_by_key(&sequence, |(sequence, _)| *sequence).ok()?;
        self.runs.get(index).map(|(_, kept)| kept)
    }

    /// Copies runs to their exact size, oldest first, up to a bound; returns what it cost and
    /// whether all are exact now.
    fn compact(&mut self, gauge: &Gauge) -> (u64, bool) {
        let (mut spent, mut copied) = (work::RECORD, 0);
        for (_, kept) in &mut self.runs {
            if kept.run.is_exact() && kept.skip == 0 {
                continue;
            }
            if copied > COMPACTED_BYTES || spent > COMPACTED_WORK {
                return (spent, false);
            }
            self.bytes -= kept.run.cost();
            spent += kept.cut(gauge);
            copied += kept.run.cost();
            self.bytes += kept.run.cost();
        }
        // It was quiet for a while: a burst's places are given back with its bytes.
        self.runs.shrink_to_fit();
        self.loose_since = None;
        (spent, true)
    }
}

impl Kept {
    /// Copies what is meant to an allocation of its exact size; returns what it cost.
    fn cut(&mut self, gauge: &Gauge) -> u64 {
        let copy = self.run.compacted(self.skip, gauge);
        let spent = work::RECORD + 10 * u64::from(copy.len()) + copy.cost() as u64 / 4;
        *self = Self { run: Arc::new(copy), skip: 0, retained: false, asked_by: None };
        spent
    }
}

impl Age {
    /// Puts a topic to the latest end, whether it stands in the list or not.
    fn touch(&mut self, topics: &mut [Option<Topic>], slot: Slot) {
        if self.latest == Some(slot) {
            return;
        }
        self.unlink(topics, slot);
        at(topics, slot).older = self.latest;
        match self.latest {
            Some(latest) => at(topics, latest).newer = Some(slot),
            None => self.oldest = Some(slot),
        }
        self.latest = Some(slot);
    }

    fn unlink(&mut self, topics: &mut [Option<Topic>], slot: Slot) {
        let topic = at(topics, slot);
        let (older, newer) = (topic.older.take(), topic.newer.take());
        match older {
            Some(older) => at(topics, older).newer = newer,
            None if self.oldest == Some(slot) => self.oldest = newer,
            None => {}
        }
        match newer {
            Some(newer) => at(topics, newer).older = older,
            None if self.latest == Some(slot) => self.latest = older,
            None => {}
        }
    }
}

fn at(topics: &mut [Option<Topic>], slot: Slot) -> &mut Topic {
    topics[slot as usize].as_mut().expect("the list names kept topics")
}

#[cfg(test)]
mod tests;
