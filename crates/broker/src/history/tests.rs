//! What history keeps and gives, beside a naive model of it.

use super::*;
use crate::filters::Filters;
use crate::ids::{ConnId, Origin, ShardId, SubscriptionId};
use crate::run::{About, Body, Publisher, RunBuilder};
use proptest::prelude::*;

const TOPICS: [&str; 3] = ["a", "a/b", "c"];
const FILTERS: [&str; 4] = ["a", "a/#", "+", "#"];

fn run(topic: &str, first: u32, messages: u32, time: u64, gauge: &Gauge) -> Arc<Run> {
    let origin = Origin { shard: ShardId(0), conn: ConnId { slot: 0, generation: 0 } };
    let publisher = Publisher::for_tests(origin);
    let mut body = Vec::new();
    let mut spans = RunBuilder::default();
    for number in first..first + messages {
        let start = body.len();
        body.extend_from_slice(number.to_string().as_bytes());
        spans.push(start..body.len());
    }
    let pinned_bytes = body.len() + 4096;
    let body = Body { bytes: body.into(), pinned_bytes };
    let topic = TopicName::parse(topic).unwrap();
    let about = About { topic: &topic, publisher: &publisher, time: WallTime(time), number: 0 };
    let mut run = spans.finish(about, body, gauge);
    run.set_place(first.into());
    Arc::new(run)
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

fn compact_all(history: &mut History, now: Instant) {
    while history.poll_timeout().is_some_and(|due| due <= now) {
        history.compact(now);
    }
}

/// What a subscriber gets, read in steps of one entry.
fn read(history: &mut History, filter: &Filter, request: HistoryRequest) -> Vec<Kept> {
    let asker = Asker { shard: ShardId(0), subscription: SubscriptionId::for_tests(0) };
    let mut readers = Readers::new(&history.gauge);
    readers.ask(history, Question { asker, filters: Filters::One(filter.clone()), request }, usize::MAX);
    loop {
        if let Some(answer) = readers.poll_answer() {
            return answer.replay.kept;
        }
        readers.step(history, 1, usize::MAX);
    }
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
                compact_all(&mut history, now);
            }
        }
        for filter in FILTERS {
            let all = naive(&log, filter, keep as usize);
            let filter = Filter::parse(filter).unwrap();
            let newest: Vec<u32> =
                all.iter().skip(all.len().saturating_sub(last as usize)).map(|m| m.0).collect();
            prop_assert_eq!(numbers(&read(&mut history, &filter, HistoryRequest::Last(last))), newest);
            let since: Vec<u32> = all.iter().filter(|m| m.1 >= time / 2).map(|m| m.0).collect();
            let request = HistoryRequest::Since(WallTime(time / 2));
            prop_assert_eq!(numbers(&read(&mut history, &filter, request)), since);
        }
        // Once everything is quiet, nothing pins more than it shows.
        now = now.after(QUIET * 4);
        compact_all(&mut history, now);
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
        let mut next = 0;
        for (topic, messages) in runs {
            history.record(Instant::default(), &run(TOPICS[topic], next, messages, 0, &gauge));
            next += messages;
            prop_assert!(history.bytes() <= bytes_max);
            prop_assert!(gauge.used() <= bytes_max);
            let filter = Filter::parse(TOPICS[topic]).unwrap();
            let kept = read(&mut history, &filter, HistoryRequest::Last(1));
            prop_assert_eq!(numbers(&kept), [next - 1], "the newest is kept");
        }
    }
}
