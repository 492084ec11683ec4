//! What the server answers, as far as it is shown. `docs/openapi.json` says what each field is.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::visible::visible;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Status {
    pub(super) version: String,
    pub(super) state: String,
    pub(super) uptime_seconds: f64,
    pub(super) started_at: String,
    pub(super) listeners: Vec<String>,
    pub(super) shards: ShardsInShort,
    pub(super) connections: Connections,
    pub(super) connections_max: u64,
    pub(super) sockets: Sockets,
    pub(super) sessions_absent: u64,
    pub(super) subscriptions: u64,
    pub(super) shared_subscriptions: u64,
    #[serde(default)]
    pub(super) subscriptions_refused_total: u64,
    #[serde(default)]
    pub(super) subscriptions_refused_by_reason: Map<String, Value>,
    pub(super) retained_topics: u64,
    pub(super) messages: Messages,
    #[serde(default)]
    pub(super) queued: Queued,
    pub(super) bytes: Bytes,
    pub(super) rates: Rates,
    pub(super) memory: Memory,
    pub(super) pauses_total: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ShardsInShort {
    pub(super) count: usize,
    pub(super) silent: Vec<u64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Connections {
    pub(super) total: u64,
    /// By what they speak.
    #[serde(default)]
    pub(super) by_protocol: Map<String, Value>,
    /// By what they are for; a newer server may know more.
    #[serde(flatten)]
    pub(super) by_kind: Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Sockets {
    pub(super) refused_total: u64,
    pub(super) accept_pauses_total: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Messages {
    pub(super) accepted_total: u64,
    pub(super) delivered_total: u64,
    pub(super) lost_total: u64,
    pub(super) refused_total: u64,
    #[serde(default)]
    pub(super) refused_by_reason: Map<String, Value>,
    pub(super) not_retained_total: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Queued {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Bytes {
    pub(super) received_total: u64,
    pub(super) sent_total: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Rates {
    pub(super) accepted: f64,
    pub(super) delivered: f64,
    pub(super) received_bytes: f64,
    pub(super) sent_bytes: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Memory {
    pub(super) used_bytes: u64,
    pub(super) max_bytes: u64,
    pub(super) history_bytes: u64,
    pub(super) by_use: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) protocol: String,
    pub(super) role: String,
    pub(super) name: Option<String>,
    pub(super) address: String,
    pub(super) topic: String,
    pub(super) queued_bytes: u64,
    pub(super) age_seconds: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) messages_kept: u64,
    pub(super) messages_total: u64,
    pub(super) bytes: u64,
    pub(super) last: Last,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Last {
    pub(super) time: String,
    pub(super) payload: Payload,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Payload {
    pub(super) bytes: u64,
    pub(super) truncated: bool,
    /// If it is text.
    pub(super) text: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Shards {
    pub(super) shards: Vec<Shard>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Shard {
    pub(super) shard: u64,
    pub(super) answers: bool,
    pub(super) connections: Connections,
    pub(super) subscriptions: u64,
    pub(super) messages: Messages,
    pub(super) history_bytes: u64,
    pub(super) mail_waiting_bytes: u64,
    pub(super) turns: Turns,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Turns {
    pub(super) seconds_total: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Readiness {
    pub(super) ready: bool,
    pub(super) reasons: Vec<Reason>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Reason {
    pub(super) detail: String,
}

/// A page of a list, whatever its rows are read as.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "Row: DeserializeOwned")]
pub(super) struct Page<Row> {
    #[serde(alias = "clients", alias = "topics")]
    pub(super) rows: Vec<Row>,
    /// Open connections, whether or not they match.
    pub(super) total: Option<u64>,
    #[serde(default = "yes")]
    pub(super) complete: bool,
    pub(super) next: Option<String>,
    pub(super) missing_shards: Vec<u64>,
}

fn yes() -> bool {
    true
}

/// Names and numbers, whatever else there may be.
pub(super) fn numbers(map: &Map<String, Value>) -> impl Iterator<Item = (String, u64)> {
    map.iter().filter_map(|(name, value)| Some((visible(name.replace('_', " ").as_bytes()), value.as_u64()?)))
}

/// The same without zeroes, the largest first.
pub(super) fn largest(map: &Map<String, Value>) -> Vec<(String, u64)> {
    let mut numbers: Vec<_> = numbers(map).filter(|(_, number)| *number > 0).collect();
    numbers.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    numbers
}
