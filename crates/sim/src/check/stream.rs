//! A subscriber's bytes as what was heard: every byte must have a reason.

use std::collections::BTreeMap;

use crate::check::{Violation, expected};
use crate::record::{Accepted, First, Mark, Record, Stay, SubscriberRecord};

const ROLE_PROMPT: &[u8] = b"Enter your role (PUBLISHER/SUBSCRIBER) : ";
const TOPIC_PROMPT: &[u8] = b"Enter topic : ";
const WAITING: &[u8] = b"Waiting for messages...";
const TERMINATE: &[u8] = b"terminate";

/// One line that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    Message {
        publisher: usize,
        number: usize,
        /// Its place among all accepted messages.
        index: u64,
    },
    Gap(u64),
}

impl Heard {
    /// The message as it was accepted.
    pub(super) fn accepted(&self, record: &Record) -> Option<Accepted> {
        let Self::Message { publisher, number, .. } = self else { return None };
        record.publishers.get(publisher)?.messages.get(*number)?.accepted
    }

    /// Whether it was accepted when the subscription stood already.
    pub(super) fn is_live(&self, stood: Mark) -> bool {
        matches!(self, Self::Message { index, .. } if *index >= stood.index)
    }
}

/// Reads everything that subscriber `id` received.
pub(super) fn read(
    record: &Record,
    id: usize,
    subscriber: &SubscriberRecord,
    found: &mut Vec<Violation>,
) -> Vec<Heard> {
    let mut heard = Vec::new();
    let mut wrong = |what: String| found.push(Violation::new("lines", format!("subscriber {id}: {what}")));
    if subscriber.asked.is_none() {
        // It was closed before it could say hello; what it is told then is not a delivery.
        return heard;
    }
    let mut rest = subscriber.received.as_slice();
    if subscriber.first == First::Server {
        match rest.strip_prefix(ROLE_PROMPT) {
            Some(after) => rest = after,
            None if ROLE_PROMPT.starts_with(rest) => return heard,
            None => wrong("something stands before the prompt".to_owned()),
        }
    }
    if let Some(after) = rest.strip_prefix(TOPIC_PROMPT)
        && subscriber.first == First::Server
    {
        rest = after;
    }
    let complete = rest.last().is_none_or(|last| *last == b'\n');
    let mut lines: Vec<&[u8]> = rest.split(|byte| *byte == b'\n').collect();
    let unfinished = lines.pop().unwrap_or_default();
    if !complete && subscriber.stay != Stay::Left {
        wrong(format!("an unfinished line: {:?}", unfinished.escape_ascii().to_string()));
    }
    if record.facts.drained && subscriber.stay != Stay::Left {
        match lines.pop() {
            Some(TERMINATE) => {}
            last => wrong(format!("drained, but the last line is {:?}", last.map(show))),
        }
    } else if subscriber.stay == Stay::Left && lines.last() == Some(&TERMINATE) {
        lines.pop(); // kicked, or drained
    }
    let mut lines = lines.into_iter();
    if subscriber.first == First::Server
        && let Some(line) = lines.next()
        && line != WAITING
    {
        wrong(format!("not told that it waits, but {:?}", show(line)));
    }
    // Which publisher each beginning of an id means.
    let mut sources = BTreeMap::new();
    for line in lines {
        match read_line(record, subscriber, line) {
            Ok(one) => {
                if let (Heard::Message { publisher, .. }, Some(source)) = (one, expected::source(line))
                    && *sources.entry(source).or_insert(publisher) != publisher
                {
                    wrong(format!("an id of another publisher: {:?}", show(line)));
                }
                heard.push(one);
            }
            Err(why) => wrong(format!("{why}: {:?}", show(line))),
        }
    }
    heard
}

fn read_line(record: &Record, subscriber: &SubscriberRecord, line: &[u8]) -> Result<Heard, &'static str> {
    if let Some(dropped) = expected::gap(line, subscriber.format) {
        return if dropped > 0 { Ok(Heard::Gap(dropped)) } else { Err("a gap of nothing") };
    }
    let (publisher, number) = expected::mark(line, subscriber.format).ok_or("nobody sent this")?;
    let sender = record.publishers.get(&publisher).ok_or("no such publisher")?;
    let accepted =
        sender.messages.get(number).ok_or("no such message")?.accepted.ok_or("never sent as a whole")?;
    if !topic::naive::matches(&subscriber.filter, &sender.topic) {
        return Err("not asked for");
    }
    // Sent again, it has the time of one of the times that it was accepted.
    let is_known = sender.messages[number].again == 0;
    if is_known && !expected::is_line(line, subscriber, sender, number, accepted.wall_ms) {
        return Err("does not look as it should");
    }
    Ok(Heard::Message { publisher, number, index: accepted.index })
}

fn show(line: &[u8]) -> String {
    line.get(..120).unwrap_or(line).escape_ascii().to_string()
}
