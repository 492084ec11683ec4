//! Judges a record. One file per family of promises.
//!
//! Written from the page of the text protocol: lines are parsed here by hand, and nothing is
//! shared with the broker's own parser or with whoever drew the clients.

mod answers;
pub(crate) mod bounds;
mod endings;
pub(crate) mod expected;
mod groups;
mod history;
mod loss;
pub(crate) mod memory;
mod mqtt;
mod order;
pub(crate) mod patience;
mod replies;
mod retained;
mod stream;
mod web;

#[cfg(test)]
mod by_hand;

use std::collections::BTreeSet;

use crate::reached::Reached;
use crate::record::{PublisherRecord, Record, Speaks};

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The checker that saw it.
    pub(crate) checker: &'static str,
    pub(crate) detail: String,
}

impl Violation {
    pub(crate) fn new(checker: &'static str, detail: String) -> Self {
        Self { checker, detail }
    }
}

/// Everything that is wrong with a record; notes in `reached` what could be judged.
pub(crate) fn all(record: &Record, reached: &mut BTreeSet<Reached>) -> Vec<Violation> {
    let mut found = Vec::new();
    let (mut delivered, mut dropped) = (0, 0);
    for (id, subscriber) in &record.subscribers {
        let heard = stream::read(record, *id, subscriber, &mut found);
        for one in &heard {
            match one {
                stream::Heard::Message { .. } => delivered += 1,
                stream::Heard::Gap(gap) => dropped += gap,
            }
        }
        order::check(record, *id, &heard, &mut found);
        loss::check(record, *id, subscriber, &heard, &mut found, reached);
        history::check(record, *id, subscriber, &heard, &mut found, reached);
    }
    for (id, client) in &record.mqtt {
        mqtt::check(record, *id, client, &mut found, reached);
        delivered += client.heard.iter().filter(|heard| !heard.dup).count() as u64;
        dropped += client.lost;
    }
    for (id, reader) in &record.web {
        web::check(record, *id, reader, &mut found, reached);
        delivered += reader.heard.len() as u64;
        dropped += reader.lost;
    }
    let in_text = |(_, publisher): &(&usize, &PublisherRecord)| publisher.speaks == Speaks::Text;
    for (id, publisher) in record.publishers.iter().filter(in_text) {
        replies::check(*id, publisher, &mut found);
    }
    let over_web = |(_, publisher): &(&usize, &PublisherRecord)| publisher.speaks == Speaks::Web;
    for (id, publisher) in record.publishers.iter().filter(over_web) {
        answers::check(record, *id, publisher, &mut found, reached);
    }
    groups::check(record, &mut found, reached);
    retained::check(record, &mut found, reached);
    endings::check(record, &mut found);
    endings::check_figures(record, &mut found);
    // Who cannot read a line cannot count it.
    if found.iter().all(|violation| violation.checker != "lines") {
        endings::check_deliveries(record, delivered, dropped, &mut found);
    }
    found
}
