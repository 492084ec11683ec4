//! What is retained in the end, as everyone finds it who asks then: a naive model of it, and wills.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::Violation;
use crate::limits::MS;
use crate::reached::Reached;
use crate::record::{Accepted, Message, Record};

/// Two stations that accept messages of a topic within so short a time may not have heard of each
/// other: then either message may be the later one, for everyone the same.
const AT_ONCE_NS: u64 = 1_000 * MS;

/// Checks what those found who came in the end.
pub(super) fn check(record: &Record, found: &mut Vec<Violation>, reached: &mut BTreeSet<Reached>) {
    let mut wrong = |what: String| found.push(Violation::new("retained", what));
    let model = model(record);
    let mut agreed: BTreeMap<&str, &[u8]> = BTreeMap::new();
    let audits = || record.audits.iter().filter(|(_, audit)| audit.stood);
    for (id, audit) in audits().filter(|(_, audit)| audit.filter == "$r/#") {
        for topic in audit.found.keys().filter(|topic| !model.contains_key(topic.as_str())) {
            wrong(format!("MQTT client {id} finds something in {topic}, where nothing was"));
        }
        for (topic, possible) in &model {
            let is = audit.found.get(*topic).map_or(&[][..], Vec::as_slice);
            if !possible.contains(&is) {
                let shown = is.escape_ascii();
                wrong(format!("MQTT client {id} finds {shown} in {topic}, not one of {}", show(possible)));
            }
            if *agreed.entry(topic).or_insert(is) != is {
                wrong(format!("not everyone finds the same in {topic}"));
            }
            reached.insert(Reached::Retained);
        }
    }
    for (id, audit) in audits().filter(|(_, audit)| audit.filter == "$w/#") {
        for (owner, will) in record.wills.iter().filter(|(_, will)| !will.unsure) {
            let is = audit.found.get(&will.topic);
            if is != will.expected.as_ref() {
                let (is, expected) = (is.map(|is| is.escape_ascii()), &will.expected);
                let expected = expected.as_ref().map(|will| will.escape_ascii());
                wrong(format!("MQTT client {id} finds {is:?} as the will of {owner}, expected {expected:?}"));
            }
            reached.extend(will.expected.is_some().then_some(Reached::Will));
        }
    }
}

/// What may be retained of each topic: empty is nothing.
fn model(record: &Record) -> BTreeMap<&str, BTreeSet<&[u8]>> {
    let mut topics: BTreeMap<&str, Vec<(Accepted, &Message)>> = BTreeMap::new();
    for publisher in record.publishers.values() {
        for message in publisher.messages.iter().filter(|message| message.retain) {
            let all = topics.entry(&publisher.topic).or_default();
            all.extend(message.accepted.map(|accepted| (accepted, message)));
        }
    }
    topics.retain(|_, all| !all.is_empty());
    topics.into_iter().map(|(topic, all)| (topic, latest(&all))).collect()
}

/// The message that was accepted last, and those that may count as such.
fn latest<'a>(all: &[(Accepted, &'a Message)]) -> BTreeSet<&'a [u8]> {
    let Some((last, _)) = all.iter().max_by_key(|(accepted, _)| accepted.index) else {
        return BTreeSet::new();
    };
    // Of each station its own last one.
    let is_last_of_its = |one: &Accepted| {
        all.iter().all(|(other, _)| other.station != one.station || other.index <= one.index)
    };
    let is_possible = |one: &Accepted| one.at_ns + AT_ONCE_NS >= last.at_ns && is_last_of_its(one);
    let possible = all.iter().filter(|(accepted, _)| is_possible(accepted));
    // Whatever expires has done so by the time that anyone looks.
    let value = |message: &'a Message| if message.expiry_s.is_some() { &[][..] } else { &message.payload };
    possible.map(|(_, message)| value(message)).collect()
}

fn show(possible: &BTreeSet<&[u8]>) -> String {
    let shown: Vec<String> = possible.iter().map(|one| one.escape_ascii().to_string()).collect();
    format!("{shown:?}")
}
