//! `last=` and `since=`: exactly what is kept, the newest of it, oldest first.
//!
//! Exact where nothing was accepted between question and answer; where something was, each
//! such message may have taken the place of one that is expected here.

use std::collections::BTreeMap;

use crate::check::Violation;
use crate::check::stream::Heard;
use crate::reached::Reached;
use crate::record::{Accepted, Mark, Record, Replay, Stay, SubscriberRecord};

/// Checks the history of subscriber `id`.
pub(super) fn check(
    record: &Record,
    id: usize,
    subscriber: &SubscriberRecord,
    heard: &[Heard],
    found: &mut Vec<Violation>,
) -> Option<Reached> {
    let (Some(asked), Some(stood)) = (subscriber.asked, subscriber.stood) else { return None };
    let wrong = |what: String| Violation::new("history", format!("subscriber {id}: {what}"));
    let kept = kept(record, subscriber, asked.index);
    let past: Vec<Accepted> = heard
        .iter()
        .filter_map(|one| match one {
            Heard::Message { publisher, number, index } if *index < asked.index => {
                record.publishers.get(publisher)?.messages.get(*number)?.accepted
            }
            _ => None,
        })
        .collect();
    if let Some(one) = past.iter().find(|one| !kept.contains(one)) {
        found.push(wrong(format!("heard {one:?}, which is not kept any more")));
    }
    let (least, most) = expected_count(subscriber.replay, &kept, asked, stood);
    if past.len() as u64 > most {
        found.push(wrong(format!("heard {} old messages, at most {most} were asked for", past.len())));
    }
    if record.facts.clock_steady && !past.is_sorted_by_key(|one| one.wall_ms) {
        found.push(wrong("old messages are not in the order of their time".to_owned()));
    }
    let has_gap = heard.iter().any(|one| matches!(one, Heard::Gap(_)));
    if subscriber.stay == Stay::Left || has_gap || record.facts.history_cut_by_bytes {
        return None;
    }
    // Whatever was accepted meanwhile may stand in the place of an old message.
    let displaced = stood.index - asked.index;
    if record.facts.clock_steady && past.len() as u64 + displaced < least {
        found.push(wrong(format!("heard {} old messages, {least} were to come", past.len())));
    }
    if record.facts.clock_steady && displaced == 0 {
        let oldest = past.iter().map(|one| one.wall_ms).min();
        let newer = kept.iter().find(|one| !past.contains(one) && oldest.is_some_and(|at| one.wall_ms > at));
        if let Some(newer) = newer {
            found.push(wrong(format!("did not hear {newer:?}, but something older")));
        }
    }
    (record.facts.clock_steady && displaced == 0 && subscriber.replay != Replay::None && !kept.is_empty())
        .then_some(Reached::History)
}

fn expected_count(replay: Replay, kept: &[Accepted], asked: Mark, stood: Mark) -> (u64, u64) {
    let all = kept.len() as u64;
    match replay {
        Replay::None => (0, 0),
        Replay::Last(count) => (all.min(count), all.min(count)),
        Replay::SinceMs(span_ms) => {
            // The broker's clock for it is read somewhere between hello and standing.
            let since = |mark: Mark| {
                let from_ms = mark.wall_ms.saturating_sub(span_ms);
                kept.iter().filter(|one| one.wall_ms >= from_ms).count() as u64
            };
            (since(asked).min(since(stood)), all)
        }
    }
}

/// What the stations keep of what was accepted before `index`: the last of each topic.
fn kept(record: &Record, subscriber: &SubscriberRecord, index: u64) -> Vec<Accepted> {
    let mut topics: BTreeMap<(u8, &str), Vec<Accepted>> = BTreeMap::new();
    for publisher in record.publishers.values() {
        if topic::naive::matches(&subscriber.filter, &publisher.topic) {
            let accepted = publisher.messages.iter().filter_map(|message| message.accepted);
            for one in accepted.filter(|one| one.index < index) {
                topics.entry((one.station, &publisher.topic)).or_default().push(one);
            }
        }
    }
    let messages_max = record.facts.history_messages_max as usize;
    let last = |mut topic: Vec<Accepted>| {
        topic.sort_by_key(|one| one.index);
        topic.split_off(topic.len().saturating_sub(messages_max))
    };
    topics.into_values().flat_map(last).collect()
}
