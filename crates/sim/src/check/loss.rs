//! Received plus announced is sent, and a gap stands where something is missing.
//!
//! Whatever was accepted once the subscription stood must be heard or announced. Between two
//! messages of one publisher nothing may be missing unless a gap stands between them.

use std::collections::BTreeSet;

use crate::check::Violation;
use crate::check::stream::Heard;
use crate::reached::Reached;
use crate::record::{Accepted, Mark, Record, Replay, Stay, SubscriberRecord};

/// Messages of one publisher that were not heard, between two places of a stream.
#[derive(Debug)]
struct Hole {
    publisher: usize,
    /// The first and the last line that may be a gap for it.
    from: usize,
    to: usize,
    /// Messages that must have been announced.
    missing: u64,
    /// Messages that may have been announced as well.
    optional: u64,
    /// Those of the missing that were accepted when the subscription stood.
    live: u64,
}

/// Checks what subscriber `id` heard.
pub(super) fn check(
    record: &Record,
    id: usize,
    subscriber: &SubscriberRecord,
    heard: &[Heard],
    found: &mut Vec<Violation>,
    reached: &mut BTreeSet<Reached>,
) {
    let mut wrong = |checker, what: String| {
        found.push(Violation::new(checker, format!("subscriber {id}: {what}")));
    };
    if subscriber.asked.is_none() {
        return;
    }
    let (Some(began), Some(stood)) = (subscriber.began, subscriber.stood) else {
        if !heard.is_empty() {
            wrong("order", "heard something before it stood".to_owned());
        } else if subscriber.stay == Stay::UntilQuiet {
            wrong("liveness", "its subscription never stood".to_owned());
        }
        return;
    };
    if subscriber.replay == Replay::None {
        let is_early = |one: &&Heard| match one {
            Heard::Message { publisher, number, index } => {
                *index < began.index && !record.is_repeated(*publisher, *number)
            }
            Heard::Gap(_) => false,
        };
        let early = heard.iter().find(is_early);
        if let Some(early) = early {
            wrong("early", format!("heard {early:?}, accepted before it asked"));
        }
    }
    let begin = heard.iter().position(|one| one.is_live(stood)).unwrap_or(heard.len());
    if subscriber.keeps_up && record.facts.turns_fit {
        reached.extend((begin < heard.len()).then_some(Reached::KeepsUp));
        if heard.iter().skip(begin).any(|one| matches!(one, Heard::Gap(_))) {
            wrong("loss", "keeps up, and yet something was dropped for it".to_owned());
        }
    }
    let holes = holes(record, subscriber, heard);
    // What came while it did not stand yet may have been too much for its queue.
    if subscriber.keeps_up && record.facts.turns_fit {
        for Hole { publisher, live, .. } in holes.iter().filter(|hole| hole.live > 0) {
            wrong("loss", format!("keeps up, and {live} messages of {publisher} are missing since it stood"));
        }
    }
    for (checker, what) in judge(&holes, heard, subscriber.stay) {
        wrong(checker, what);
    }
}

fn holes(record: &Record, subscriber: &SubscriberRecord, heard: &[Heard]) -> Vec<Hole> {
    let (Some(began), Some(stood)) = (subscriber.began, subscriber.stood) else { return Vec::new() };
    let mut holes = Vec::new();
    for (publisher, sender) in &record.publishers {
        if !topic::naive::matches(&subscriber.filter, &sender.topic) {
            continue;
        }
        if sender.repeats() {
            let times = sender.messages.iter().map(|message| 1 + message.again);
            let (from, to, optional) = (0, heard.len(), times.sum());
            holes.push(Hole { publisher: *publisher, from, to, missing: 0, optional, live: 0 });
            continue;
        }
        let mut heard_at = vec![None; sender.messages.len()];
        for (line, one) in heard.iter().enumerate() {
            if let Heard::Message { publisher: by, number, .. } = one
                && by == publisher
            {
                heard_at[*number] = Some(line);
            }
        }
        let first = heard_at.iter().position(Option::is_some).unwrap_or(usize::MAX);
        let last = heard_at.iter().rposition(Option::is_some);
        let mut hole =
            Hole { publisher: *publisher, from: 0, to: heard.len(), missing: 0, optional: 0, live: 0 };
        for (number, message) in sender.messages.iter().enumerate() {
            let Some(accepted) = message.accepted else { continue };
            if let Some(line) = heard_at[number] {
                hole.to = line;
                let next = Hole { from: line, to: heard.len(), missing: 0, optional: 0, live: 0, ..hole };
                holes.push(std::mem::replace(&mut hole, next));
                continue;
            }
            let place = Place {
                front: number < first,
                tail: last.is_none_or(|last| number > last),
                before_it_stood: accepted.index < stood.index,
            };
            match duty(record, subscriber, accepted, began, &place) {
                Duty::Must => {
                    hole.missing += 1;
                    hole.live += u64::from(!place.before_it_stood);
                }
                Duty::May => hole.optional += 1,
                Duty::MustNot => {}
            }
        }
        holes.push(hole);
    }
    holes.retain(|hole| hole.missing + hole.optional > 0);
    holes
}

/// Where an unheard message lies in its publisher's row.
struct Place {
    front: bool,
    tail: bool,
    before_it_stood: bool,
}

/// Whether an unheard message must have been announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    Must,
    May,
    MustNot,
}

fn duty(
    record: &Record,
    subscriber: &SubscriberRecord,
    accepted: Accepted,
    began: Mark,
    place: &Place,
) -> Duty {
    if place.before_it_stood && (place.front || subscriber.replay == Replay::None) {
        // Neither history nor live, or history that was not asked for; a memory that is cut
        // announces history that it drops.
        let was_history = accepted.index < began.index;
        let announced = !was_history || subscriber.replay != Replay::None;
        return if announced { Duty::May } else { Duty::MustNot };
    }
    if place.before_it_stood && subscriber.replay.is_too_old(began, &accepted) {
        return Duty::May; // by a clock that had jumped, though its neighbours were not
    }
    if place.tail && (subscriber.stay == Stay::Left || accepted.index >= record.facts.due_before) {
        return Duty::May;
    }
    Duty::Must
}

/// Compares holes and gaps, one by one and in sum.
fn judge(holes: &[Hole], heard: &[Heard], stay: Stay) -> Vec<(&'static str, String)> {
    let mut wrong = Vec::new();
    let gaps: Vec<(usize, u64)> = heard
        .iter()
        .enumerate()
        .filter_map(|(line, one)| match one {
            Heard::Gap(dropped) => Some((line, *dropped)),
            Heard::Message { .. } => None,
        })
        .collect();
    for hole in holes.iter().filter(|hole| hole.missing > 0) {
        if !gaps.iter().any(|(line, _)| hole.holds(*line)) {
            let Hole { publisher, from, to, missing, .. } = hole;
            wrong.push((
                "loss",
                format!(
                    "{missing} messages of {publisher} are missing between lines {from} and {to}, no gap there"
                ),
            ));
        }
    }
    for (line, dropped) in &gaps {
        let around = || holes.iter().filter(|hole| hole.holds(*line));
        let most: u64 = around().map(|hole| hole.missing + hole.optional).sum();
        let only_here = |hole: &&Hole| gaps.iter().filter(|(line, _)| hole.holds(*line)).count() == 1;
        let least: u64 = around().filter(only_here).map(|hole| hole.missing).sum();
        if *dropped > most || *dropped < least {
            wrong.push((
                "gap",
                format!("line {line} announces {dropped}, but {least} to {most} are missing there"),
            ));
        }
    }
    let announced: u64 = gaps.iter().map(|(_, dropped)| dropped).sum();
    let least: u64 = holes.iter().map(|hole| hole.missing).sum();
    let most: u64 = least + holes.iter().map(|hole| hole.optional).sum::<u64>();
    if announced > most || (announced < least && stay != Stay::Left) {
        wrong.push(("gap", format!("{announced} were announced in all, but {least} to {most} are missing")));
    }
    wrong
}

impl Hole {
    fn holds(&self, line: usize) -> bool {
        (self.from..=self.to).contains(&line)
    }
}
