//! The last messages of each topic, in memory, as published on this shard.
//!
//! Bounded by messages per topic and by bytes over all topics; the topic that was quiet
//! longest goes first. Runs are kept by reference while a topic is busy and copied to their
//! exact size once it is quiet, so that a kept message does not pin a read buffer for long.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::FixedState;
use hashbrown::HashMap;
use topic::{Filter, TopicName};

use crate::memory::Gauge;
use crate::planted::{self, Bug};
use crate::run::Run;
use crate::time::{Instant, WallTime};

/// Bytes that a topic costs besides its name and runs.
const TOPIC_OVERHEAD_BYTES: usize = 256;
/// How long a topic is quiet before its runs are copied to their exact size.
const QUIET: Duration = Duration::from_secs(1);

/// How much of the past a subscriber wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryRequest {
    /// Nothing.
    None,
    /// The last messages over everything that matches.
    Last(u32),
    /// Everything that was accepted at or after this time.
    Since(WallTime),
}

/// A kept run without its first `skip` messages.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The run.
    pub run: Arc<Run>,
    /// Messages at its front that are not meant.
    pub skip: u32,
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
    topics: HashMap<TopicName, TopicHistory, FixedState>,
    /// Topics by the sequence number of their latest run: the first one goes first.
    by_age: BTreeMap<u64, TopicName>,
    /// Topics that hold runs of more than their exact size, by the time they were listed.
    loose: BTreeSet<(Instant, TopicName)>,
    bytes: usize,
    sequence: u64,
    bounds: HistoryBounds,
    gauge: Gauge,
}

/// The bounds of one shard's history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HistoryBounds {
    pub(crate) messages_max: u32,
    pub(crate) bytes_max: usize,
    pub(crate) replay_bytes_max: usize,
}

#[derive(Debug, Default)]
struct TopicHistory {
    /// With the sequence number of the shard at which each run came.
    runs: VecDeque<(u64, Kept)>,
    messages: u64,
    bytes: usize,
    latest: u64,
    latest_at: Instant,
    /// When it was listed as holding more than its exact size.
    loose_since: Option<Instant>,
}

impl History {
    pub(crate) fn new(bounds: HistoryBounds, seed: u64, gauge: Gauge) -> Self {
        Self {
            topics: HashMap::with_hasher(FixedState::with_seed(seed)),
            by_age: BTreeMap::new(),
            loose: BTreeSet::new(),
            bytes: 0,
            sequence: 0,
            bounds,
            gauge,
        }
    }

    /// Keeps the last messages of a run.
    pub(crate) fn record(&mut self, now: Instant, run: &Arc<Run>) {
        if self.bounds.messages_max == 0 {
            return;
        }
        self.sequence += 1;
        let bytes_before = self.bytes_of(run.topic());
        let topic = self.topics.entry(run.topic().clone()).or_default();
        self.by_age.remove(&topic.latest);
        self.by_age.insert(self.sequence, run.topic().clone());
        topic.latest = self.sequence;
        topic.latest_at = now;
        topic.push(self.sequence, run, self.bounds.messages_max);
        if !run.is_exact() && topic.loose_since.is_none() {
            topic.loose_since = Some(now);
            self.loose.insert((now, run.topic().clone()));
        }
        let bytes_after = topic.cost(run.topic());
        self.bytes = self.bytes + bytes_after - bytes_before;
        self.shrink();
    }

    /// What is kept of the topics that match, oldest first.
    ///
    /// One lookup for a filter without wildcards, else a look at every kept topic.
    pub(crate) fn collect(&self, filter: &Filter, request: HistoryRequest) -> Vec<Kept> {
        if request == HistoryRequest::None {
            return Vec::new();
        }
        let mut runs: Vec<&(u64, Kept)> = match filter.exact() {
            Some(topic) => self.topics.get(&topic).into_iter().flat_map(|t| &t.runs).collect(),
            None => self
                .by_age
                .values()
                .filter(|topic| filter.matches(topic))
                .flat_map(|topic| &self.topics[topic].runs)
                .collect(),
        };
        runs.sort_by_key(|(sequence, _)| *sequence);
        let runs = runs.into_iter().map(|(_, kept)| kept.clone()).collect();
        cut(runs, request, self.bounds.replay_bytes_max)
    }

    /// When [`History::compact`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.loose.first().map(|(listed, _)| listed.after(QUIET))
    }

    /// Copies the runs of topics that have been quiet to their exact size.
    pub(crate) fn compact(&mut self, now: Instant) {
        while self.poll_timeout().is_some_and(|due| due <= now) {
            let (_, name) = self.loose.pop_first().expect("poll_timeout saw it");
            let topic = self.topics.get_mut(&name).expect("a forgotten topic is not listed");
            if now.since(topic.latest_at) < QUIET {
                topic.loose_since = Some(now);
                self.loose.insert((now, name));
                continue;
            }
            self.bytes -= topic.bytes;
            topic.compact(&self.gauge);
            self.bytes += topic.bytes;
        }
    }

    /// Bytes kept, as the bound counts them.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn bytes_of(&self, name: &TopicName) -> usize {
        self.topics.get(name).map_or(0, |topic| topic.cost(name))
    }

    /// Forgets the quietest topics until the bound holds; of the last one the oldest runs.
    fn shrink(&mut self) {
        while self.bytes > self.bounds.bytes_max {
            let Some((_, name)) = self.by_age.first_key_value() else { return };
            let name = name.clone();
            let before = self.bytes_of(&name);
            let topic = self.topics.get_mut(&name).expect("by_age lists kept topics");
            if self.by_age.len() == 1 && topic.runs.len() > 1 {
                topic.drop_oldest();
                self.bytes = self.bytes - before + topic.cost(&name);
            } else {
                self.by_age.pop_first();
                if let Some(since) = topic.loose_since {
                    self.loose.remove(&(since, name.clone()));
                }
                self.topics.remove(&name);
                self.bytes -= before;
            }
        }
    }
}

impl TopicHistory {
    fn cost(&self, name: &TopicName) -> usize {
        self.bytes + TOPIC_OVERHEAD_BYTES + name.as_str().len()
    }

    fn push(&mut self, sequence: u64, run: &Arc<Run>, messages_max: u32) {
        self.runs.push_back((sequence, Kept { run: Arc::clone(run), skip: 0 }));
        self.messages += u64::from(run.len());
        self.bytes += run.cost();
        let messages_max = u64::from(messages_max);
        while self.messages > messages_max {
            let (_, oldest) = self.runs.front_mut().expect("messages are counted per run");
            let extra = self.messages - messages_max;
            if oldest.messages() <= extra {
                self.drop_oldest();
            } else {
                oldest.skip += u32::try_from(extra).expect("less than the run holds");
                self.messages -= extra;
            }
        }
    }

    fn drop_oldest(&mut self) {
        let (_, oldest) = self.runs.pop_front().expect("the caller saw a run");
        self.messages -= oldest.messages();
        self.bytes -= oldest.run.cost();
    }

    fn compact(&mut self, gauge: &Gauge) {
        for (_, kept) in &mut self.runs {
            if !kept.run.is_exact() || kept.skip > 0 {
                let copy = kept.run.compacted(kept.skip, gauge);
                *kept = Kept { run: Arc::new(copy), skip: 0 };
            }
        }
        self.bytes = self.runs.iter().map(|(_, kept)| kept.run.cost()).sum();
        self.loose_since = None;
    }
}

/// Merges what several shards have kept, by time; within a shard the order stays.
pub(crate) fn merge(mut lists: Vec<VecDeque<Kept>>) -> Vec<Kept> {
    if planted::is(Bug::HistoryUnmerged) {
        return lists.into_iter().flatten().collect();
    }
    let mut merged = Vec::with_capacity(lists.iter().map(VecDeque::len).sum());
    loop {
        let oldest = lists
            .iter_mut()
            .filter(|list| !list.is_empty())
            .min_by_key(|list| list.front().map(|kept| kept.run.time()));
        let Some(list) = oldest else { return merged };
        merged.extend(list.pop_front());
    }
}

/// Cuts `runs`, oldest first, to what was asked for and to `bytes_max`.
pub(crate) fn cut(runs: Vec<Kept>, request: HistoryRequest, bytes_max: usize) -> Vec<Kept> {
    let mut left = match request {
        HistoryRequest::None => 0,
        HistoryRequest::Last(count) => {
            u64::from(count) - u64::from(planted::is(Bug::HistoryOneShort) && count > 0)
        }
        HistoryRequest::Since(_) => u64::MAX,
    };
    let mut bytes = 0;
    let mut taken = VecDeque::new();
    for mut kept in runs.into_iter().rev() {
        bytes += kept.run.cost();
        if left == 0 || bytes > bytes_max {
            break;
        }
        if matches!(request, HistoryRequest::Since(from) if kept.run.time() < from) {
            continue;
        }
        let extra = kept.messages().saturating_sub(left);
        kept.skip += u32::try_from(extra).expect("less than the run holds");
        left -= kept.messages();
        taken.push_front(kept);
    }
    taken.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ConnId, Origin, ShardId};
    use crate::run::{Body, Publisher, RunBuilder};
    use proptest::prelude::*;

    const TOPICS: [&str; 3] = ["a", "a/b", "c"];
    const FILTERS: [&str; 4] = ["a", "a/#", "+", "#"];

    fn run(topic: &str, first: u32, messages: u32, time: u64, gauge: &Gauge) -> Arc<Run> {
        let origin = Origin { shard: ShardId(0), conn: ConnId { slot: 0, generation: 0 } };
        let addr = "127.0.0.1:1".parse().unwrap();
        let publisher = Arc::new(Publisher { origin, addr, name: None });
        let mut body = Vec::new();
        let mut spans = RunBuilder::default();
        for number in first..first + messages {
            let start = body.len();
            body.extend_from_slice(number.to_string().as_bytes());
            spans.push(start..body.len());
        }
        let pinned_bytes = body.len() + 4096;
        let body = Body { bytes: body.into(), pinned_bytes };
        Arc::new(spans.finish(&TopicName::parse(topic).unwrap(), &publisher, WallTime(time), body, gauge))
    }

    fn numbers(kept: &[Kept]) -> Vec<u32> {
        kept.iter()
            .flat_map(|kept| kept.run.payloads(kept.skip))
            .map(|payload| std::str::from_utf8(payload).unwrap().parse().unwrap())
            .collect()
    }

    fn history(messages_max: u32, bytes_max: usize, gauge: &Gauge) -> History {
        let bounds = HistoryBounds { messages_max, bytes_max, replay_bytes_max: usize::MAX };
        History::new(bounds, 1, gauge.clone())
    }

    /// Everything that was published, and the last of it per topic.
    fn naive(log: &[(usize, u32, u64)], filter: &str, keep: usize) -> Vec<(u32, u64)> {
        let kept = |index: &usize| {
            let (topic, ..) = log[*index];
            log[index + 1..].iter().filter(|(other, ..)| *other == topic).count() < keep
        };
        (0..log.len())
            .filter(|index| topic::naive::matches(filter, TOPICS[log[*index].0]))
            .filter(kept)
            .map(|index| (log[index].1, log[index].2))
            .collect()
    }

    proptest! {
        #[test]
        fn history_is_the_last_of_each_topic(
            runs in proptest::collection::vec((0..TOPICS.len(), 1u32..6, 0u64..3), 1..40),
            keep in 1u32..8,
            last in 0u32..12,
            quiet_after in 0usize..40,
        ) {
            let gauge = Gauge::new();
            let mut history = history(keep, usize::MAX, &gauge);
            let (mut log, mut next, mut time, mut now) = (Vec::new(), 0, 0, Instant::default());
            for (index, (topic, messages, pause)) in runs.into_iter().enumerate() {
                time += pause;
                history.record(now, &run(TOPICS[topic], next, messages, time, &gauge));
                log.extend((next..next + messages).map(|number| (topic, number, time)));
                next += messages;
                if index == quiet_after {
                    now = now.after(QUIET * 2);
                    history.compact(now);
                }
            }
            for filter in FILTERS {
                let all = naive(&log, filter, keep as usize);
                let filter = Filter::parse(filter).unwrap();
                let newest: Vec<u32> =
                    all.iter().skip(all.len().saturating_sub(last as usize)).map(|m| m.0).collect();
                prop_assert_eq!(numbers(&history.collect(&filter, HistoryRequest::Last(last))), newest);
                let since: Vec<u32> = all.iter().filter(|m| m.1 >= time / 2).map(|m| m.0).collect();
                let request = HistoryRequest::Since(WallTime(time / 2));
                prop_assert_eq!(numbers(&history.collect(&filter, request)), since);
            }
            // Once everything is quiet, nothing pins more than it shows.
            now = now.after(QUIET * 4);
            history.compact(now);
            prop_assert!(history.poll_timeout().is_none());
            prop_assert!(gauge.used() < 64 * 512, "{} bytes", gauge.used());
            drop(history);
            prop_assert_eq!(gauge.used(), 0);
        }

        #[test]
        fn bytes_are_bounded_and_the_quietest_topic_goes_first(
            runs in proptest::collection::vec((0..TOPICS.len(), 1u32..6), 1..60),
        ) {
            let gauge = Gauge::new();
            let bytes_max = 20_000;
            let mut history = history(100, bytes_max, &gauge);
            for (topic, messages) in runs {
                history.record(Instant::default(), &run(TOPICS[topic], 0, messages, 0, &gauge));
                prop_assert!(history.bytes() <= bytes_max);
                prop_assert!(gauge.used() <= bytes_max);
                let filter = Filter::parse(TOPICS[topic]).unwrap();
                let kept = history.collect(&filter, HistoryRequest::Last(1));
                prop_assert_eq!(numbers(&kept), [messages - 1], "the newest is kept");
            }
        }
    }

    #[test]
    fn merging_keeps_each_shards_order_even_if_its_clock_jumped() {
        let gauge = Gauge::new();
        let list = |runs: [(u32, u64); 3]| -> VecDeque<Kept> {
            runs.map(|(number, time)| Kept { run: run("a", number, 1, time, &gauge), skip: 0 }).into()
        };
        let merged = merge(vec![list([(1, 10), (2, 5), (3, 30)]), list([(4, 7), (5, 20), (6, 40)])]);
        assert_eq!(numbers(&merged), [4, 1, 2, 5, 3, 6]);
    }
}
