//! The topics under `$SYS/broker` and what they say, in the names and forms that Mosquitto 2.0 has
//! (docs/protocol/mqtt.md says what each means here). What cannot be told exactly is left out.

use std::time::Duration;

use crate::sys::Totals;
use crate::sys::load::{Load, SPANS};

/// Averages of everything that is counted up.
#[derive(Debug, Default)]
pub(super) struct Loads([Load; 9]);

impl Loads {
    pub(super) fn note(&mut self, totals: &Totals, interval: Duration) {
        for (load, (_, counter)) in self.0.iter_mut().zip(counted(totals)) {
            load.note(counter, interval);
        }
    }
}

/// Topics, without what all begin with, and what they say now.
pub(super) fn values(
    up: Duration,
    totals: &Totals,
    clients_max: u64,
    loads: &Loads,
) -> Vec<(String, String)> {
    let mut values = vec![
        ("version".to_owned(), concat!("tidings version ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("uptime".to_owned(), format!("{} seconds", up.as_secs())),
        ("clients/maximum".to_owned(), clients_max.to_string()),
    ];
    values.extend(plain(totals).map(|(topic, value)| (topic.to_owned(), value.to_string())));
    for (load, (topic, _)) in loads.0.iter().zip(counted(totals)) {
        for (average, (_, span)) in load.per_minute().into_iter().zip(SPANS) {
            values.push((format!("load/{topic}/{span}"), format!("{average:.2}")));
        }
    }
    values
}

/// Figures that are told as they are.
fn plain(totals: &Totals) -> [(&'static str, u64); 17] {
    let Totals { stats, census, traffic, .. } = totals;
    [
        ("clients/connected", census.greeted()),
        ("clients/disconnected", census.absent),
        ("clients/total", census.greeted() + census.absent),
        ("clients/expired", traffic.expired),
        ("messages/received", traffic.received),
        ("messages/sent", traffic.sent.messages + traffic.answers),
        ("publish/messages/received", stats.accepted),
        ("publish/messages/sent", traffic.sent.messages),
        ("publish/messages/dropped", stats.dropped),
        ("publish/bytes/received", stats.accepted_bytes),
        ("publish/bytes/sent", traffic.sent.payload_bytes),
        ("bytes/received", totals.bytes.received),
        ("bytes/sent", bytes_sent(totals)),
        ("subscriptions/count", stats.subscriptions),
        ("shared_subscriptions/count", stats.shared_subscriptions),
        ("retained messages/count", totals.retained),
        ("heap/current", totals.memory_bytes),
    ]
}

/// Counters of which averages are told.
fn counted(totals: &Totals) -> [(&'static str, u64); 9] {
    let Totals { stats, traffic, .. } = totals;
    [
        ("messages/received", traffic.received),
        ("messages/sent", traffic.sent.messages + traffic.answers),
        ("publish/received", stats.accepted),
        ("publish/sent", traffic.sent.messages),
        ("publish/dropped", stats.dropped),
        ("bytes/received", totals.bytes.received),
        ("bytes/sent", bytes_sent(totals)),
        ("connections", traffic.greeted),
        ("sockets", totals.sockets),
    ]
}

/// Without what this is about: else every update would be a reason for the next one.
fn bytes_sent(totals: &Totals) -> u64 {
    // What was encoded may not have been written yet.
    totals.bytes.sent.saturating_sub(totals.traffic.sent.own_bytes)
}
