//! `last=` and `since=`: exactly what is kept, the newest of it, oldest first.
//!
//! Exact as far as nothing that matches was accepted between question and answer; where
//! something was, each such message may have taken the place of one that is expected here.
//! A message is known by the wall clock of the station that accepted it, so `since=` is exact
//! whatever that clock did.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::Violation;
use crate::check::stream::Heard;
use crate::reached::Reached;
use crate::record::{Accepted, Mark, PublisherRecord, Record, Replay, Stay, SubscriberRecord};

/// Checks the history of subscriber `id`.
pub(super) fn check(
    record: &Record,
    id: usize,
    subscriber: &SubscriberRecord,
    heard: &[Heard],
    found: &mut Vec<Violation>,
    reached: &mut BTreeSet<Reached>,
) {
    let (Some(began), Some(stood)) = (subscriber.began, subscriber.stood) else { return };
    let matches = |one: &&PublisherRecord| topic::naive::matches(&subscriber.filter, &one.topic);
    if record.publishers.values().filter(matches).any(PublisherRecord::repeats) {
        return; // a message has no one place then
    }
    let mut wrong = |what: String| {
        found.push(Violation::new("history", format!("subscriber {id}: {what}")));
    };
    let accepted = heard.iter().filter_map(|one| one.accepted(record));
    let past: Vec<Accepted> = accepted.filter(|one| one.index < began.index).collect();
    let matching = Matching::of(record, subscriber);
    let mut kept = matching.kept(record, began);
    let is_steady = record.facts.first_jump.is_none_or(|jump| stood.index < jump);
    check_heard(subscriber.replay, began, &kept, &past, &mut wrong);
    if is_steady && !past.is_sorted_by_key(|one| one.wall_ms) {
        wrong("old messages are not in the order of their time".to_owned());
    }
    kept.retain(|one| !subscriber.replay.is_too_old(began, one));
    let between: Vec<Accepted> = matching.between(began, stood).copied().collect();
    // Whoever has heard something live has heard all that stood before it.
    let came = subscriber.stay != Stay::Left || heard.iter().any(|one| one.is_live(stood));
    let bytes_max = bytes_max(kept.iter().chain(&between), subscriber.replay);
    if !came || subscriber.history_cut || bytes_max > record.facts.replay_bytes_max {
        return;
    }
    let (gaps, still_kept) = (gaps_before_live(heard, stood), matching.kept(record, stood));
    let expected = Expected { kept, still_kept, between: between.len() as u64, gaps, past, is_steady };
    expected.check(subscriber.replay, &mut wrong);
    if expected.is_known(subscriber.replay) {
        reached.insert(Reached::History);
        let jumped = !is_steady && matches!(subscriber.replay, Replay::SinceMs(_));
        reached.extend(jumped.then_some(Reached::SinceAfterJump));
    }
}

/// Checks what was heard of the past, whatever else there was.
fn check_heard(
    replay: Replay,
    began: Mark,
    kept: &[Accepted],
    past: &[Accepted],
    wrong: &mut impl FnMut(String),
) {
    if let Some(one) = past.iter().find(|one| !kept.contains(one)) {
        wrong(format!("heard {one:?}, which is not kept any more"));
    }
    if let Some(one) = past.iter().find(|one| replay.is_too_old(began, one)) {
        wrong(format!("heard {one:?}, which is older than what was asked for"));
    }
    let count_max = replay.count_max();
    if past.len() as u64 > count_max {
        wrong(format!("heard {} old messages, {count_max} were asked for", past.len()));
    }
    let mut latest = BTreeMap::new();
    let mut is_late = |one: &Accepted| latest.insert(one.station, one.index) > Some(one.index);
    if let Some(late) = past.iter().find(|one| is_late(one)) {
        wrong(format!("heard {late:?} behind what the same station accepted later"));
    }
}

/// What must have come, if all of it came.
#[derive(Debug)]
struct Expected {
    /// What was kept and asked for when the station took up the question.
    kept: Vec<Accepted>,
    /// What was kept when the last answer had come.
    still_kept: Vec<Accepted>,
    /// Matching messages that were accepted meanwhile.
    between: u64,
    /// Messages that were announced as dropped.
    gaps: u64,
    /// What was heard of it.
    past: Vec<Accepted>,
    /// Whether the wall clock always went forward.
    is_steady: bool,
}

impl Expected {
    /// Whether something had to come, and which messages.
    fn is_known(&self, replay: Replay) -> bool {
        let exact = self.gaps == 0 && (self.between == 0 || matches!(replay, Replay::SinceMs(_)));
        exact && replay != Replay::None && !self.kept.is_empty()
    }

    fn check(&self, replay: Replay, wrong: &mut impl FnMut(String)) {
        if let Replay::Last(count) = replay {
            return self.check_last(count, wrong);
        }
        // Whatever was kept from the question to the answer was kept when it was read.
        let due = self.kept.iter().filter(|one| self.still_kept.contains(one));
        let missing: Vec<&Accepted> = due.filter(|one| !self.past.contains(one)).collect();
        if replay != Replay::None && missing.len() as u64 > self.gaps {
            wrong(format!("did not hear {missing:?}, which are kept and of the time that was asked for"));
        }
    }

    fn check_last(&self, count: u64, wrong: &mut impl FnMut(String)) {
        let least = (self.kept.len() as u64).min(count);
        let heard = self.past.len() as u64;
        if heard + self.between + self.gaps < least {
            wrong(format!("heard {heard} old messages, {least} were to come"));
        }
        if self.between > 0 || self.gaps > 0 {
            return;
        }
        for missing in self.kept.iter().filter(|one| !self.past.contains(one)) {
            let older = |one: &&Accepted| {
                let same = one.station == missing.station && one.index < missing.index;
                same || (self.is_steady && one.wall_ms < missing.wall_ms)
            };
            if let Some(older) = self.past.iter().find(older) {
                return wrong(format!("did not hear {missing:?}, but {older:?}, which is older"));
            }
        }
    }
}

/// What history of these messages may cost at most.
fn bytes_max<'a>(messages: impl Iterator<Item = &'a Accepted>, replay: Replay) -> usize {
    let (sum, largest) =
        messages.fold((0, 0), |(sum, largest), one| (sum + one.run_bytes, largest.max(one.run_bytes)));
    sum.min(usize::try_from(replay.count_max()).unwrap_or(usize::MAX).saturating_mul(largest))
}

/// Messages that were announced as dropped before anything live: history or what came with it.
fn gaps_before_live(heard: &[Heard], stood: Mark) -> u64 {
    let before = heard.iter().take_while(|one| !one.is_live(stood));
    before.map(|one| if let Heard::Gap(gap) = one { *gap } else { 0 }).sum()
}

/// What a subscriber's filter matches, as each station accepted it: oldest first, by topic.
struct Matching<'a>(BTreeMap<(u8, &'a str), Vec<Accepted>>);

impl<'a> Matching<'a> {
    fn of(record: &'a Record, subscriber: &SubscriberRecord) -> Self {
        let mut topics: BTreeMap<(u8, &str), Vec<Accepted>> = BTreeMap::new();
        for publisher in record.publishers.values() {
            if topic::naive::matches(&subscriber.filter, &publisher.topic) {
                for one in publisher.messages.iter().filter_map(|message| message.accepted) {
                    topics.entry((one.station, &publisher.topic)).or_default().push(one);
                }
            }
        }
        topics.values_mut().for_each(|topic| topic.sort_by_key(|one| one.index));
        Self(topics)
    }

    /// What the stations keep at a point: the last of each topic.
    fn kept(&self, record: &Record, at: Mark) -> Vec<Accepted> {
        let messages_max = record.facts.history_messages_max as usize;
        let last = |topic: &'_ Vec<Accepted>| {
            let end = topic.partition_point(|one| one.index < at.index);
            topic.get(end.saturating_sub(messages_max)..end).unwrap_or_default().to_vec()
        };
        self.0.values().flat_map(last).collect()
    }

    fn between(&self, from: Mark, to: Mark) -> impl Iterator<Item = &Accepted> {
        self.0.values().flatten().filter(move |one| (from.index..to.index).contains(&one.index))
    }
}

impl Replay {
    /// Messages that may come at most.
    fn count_max(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Last(count) => count,
            Self::SinceMs(_) => u64::MAX,
        }
    }
}
