//! What readers over the web are promised: everything once and in order over all connections, or
//! they are told that it is not.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::Violation;
use crate::reached::Reached;
use crate::record::{Keeps, Mark, Record, Speaks, WebRecord};

/// Checks what reader `id` heard.
pub(super) fn check(
    record: &Record,
    id: usize,
    reader: &WebRecord,
    found: &mut Vec<Violation>,
    reached: &mut BTreeSet<Reached>,
) {
    let mut wrong = |checker, what: String| {
        found.push(Violation::new(checker, format!("web reader {id}: {what}")));
    };
    for what in &reader.wrong {
        wrong("lines", what.clone());
    }
    let (mut known, mut latest) = (BTreeSet::new(), BTreeMap::new());
    // Which publisher each beginning of an id means.
    let mut sources = BTreeMap::new();
    for heard in &reader.heard {
        let (publisher, number) = (heard.publisher, heard.number);
        let sender = record.publishers.get(&publisher);
        let message = sender.and_then(|sender| Some((sender, sender.messages.get(number)?)));
        let Some((sender, message)) = message else {
            wrong("lines", format!("nobody sent #{publisher}.{number}#"));
            continue;
        };
        let source = heard.id.rsplit_once('-').map(|(source, _)| source);
        let is_its_own = *sources.entry(source).or_insert(publisher) == publisher;
        if !is_its_own || (sender.speaks != Speaks::Mqtt && !sender.is_id(&heard.id, number)) {
            wrong("ids", format!("#{publisher}.{number}# came as {}", heard.id));
        }
        if !matches(reader, &sender.topic) {
            wrong("lines", format!("heard #{publisher}.{number}#, not asked for"));
        }
        let too_early = |index: u64| reader.asked.is_none_or(|asked| index < asked.index);
        match message.accepted {
            None => wrong("lines", format!("#{publisher}.{number}# was never sent as a whole")),
            Some(accepted) if message.again == 0 && too_early(accepted.index) => {
                wrong("early", format!("heard #{publisher}.{number}#, accepted before it asked"));
            }
            Some(_) => {}
        }
        if message.again > 0 {
            continue; // its publisher has sent it several times
        }
        if !known.insert((publisher, number)) {
            wrong("duplicate", format!("heard #{publisher}.{number}# twice"));
        }
        if let Some(before) = latest.insert(publisher, number)
            && number < before
        {
            wrong("order", format!("heard #{publisher}.{number}# after #{publisher}.{before}#"));
        }
    }
    let Some(stood) = reader.stood.filter(|_| !reader.is_absent) else { return };
    let missing = missing(record, reader, stood, &known);
    let count = missing.len() as u64;
    if reader.missed == 0 && count > reader.lost {
        let (publisher, number) = missing[0];
        let what = format!(
            "{count} messages are missing, first #{publisher}.{number}#; {} are counted, after {} breaks",
            reader.lost, reader.breaks
        );
        wrong("loss", what);
    }
    if reader.missed > 0 && record.facts.keeps == Keeps::All {
        wrong("resume", format!("told {} times that something is gone, and all is kept", reader.missed));
    }
    if reader.breaks > 0 && !reader.heard.is_empty() {
        reached.insert(Reached::WebResumed);
    }
    if reader.missed > 0 && count > 0 {
        reached.insert(Reached::WebMissed);
    }
}

/// What was due and not heard.
fn missing(
    record: &Record,
    reader: &WebRecord,
    stood: Mark,
    known: &BTreeSet<(usize, usize)>,
) -> Vec<(usize, usize)> {
    let mut missing = Vec::new();
    for (publisher, sender) in record.publishers.iter().filter(|(_, sender)| matches(reader, &sender.topic)) {
        for (number, message) in sender.messages.iter().enumerate() {
            // What its publisher sent several times, or what is worth nothing after a while, is no measure.
            let is_sure = message.again == 0 && message.expiry_s.is_none();
            let Some(accepted) = message.accepted.filter(|_| is_sure) else { continue };
            let is_due = accepted.index >= stood.index && accepted.index < record.facts.due_before;
            if is_due && !known.contains(&(*publisher, number)) {
                missing.push((*publisher, number));
            }
        }
    }
    missing
}

fn matches(reader: &WebRecord, topic: &str) -> bool {
    reader.filters.iter().any(|filter| topic::naive::matches(filter, topic))
}
