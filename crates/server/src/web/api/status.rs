//! `/api/v1/status`: the whole server at a glance. The parts that shards have as well stand here.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use broker::{Gauge, Stats, Use};
use frontend::Census;
use serde::Serialize;

use super::super::figures::{Figures, Sums};
use super::super::view::View;
use crate::parcel::SocketBytes;
use crate::rates::Rate;

#[derive(Debug, Serialize)]
pub(in super::super) struct Status {
    version: &'static str,
    state: &'static str,
    uptime_seconds: f64,
    started_at: String,
    listeners: Vec<String>,
    shards: Shards,
    connections: Connections,
    connections_max: usize,
    sockets: Sockets,
    closed_total: BTreeMap<&'static str, u64>,
    sessions_absent: u64,
    subscriptions: u64,
    shared_subscriptions: u64,
    subscriptions_refused_total: u64,
    subscriptions_refused_by_reason: BTreeMap<&'static str, u64>,
    retained_topics: usize,
    messages: Messages,
    queued: Queued,
    bytes: Bytes,
    rates: Rates,
    memory: Memory,
    pauses_total: u64,
    web: Web,
}

#[derive(Debug, Serialize)]
struct Shards {
    count: usize,
    silent: Vec<u8>,
}

#[derive(Debug, Serialize)]
pub(super) struct Connections {
    total: u64,
    publishers: u64,
    subscribers: u64,
    mqtt: u64,
    others: u64,
    by_protocol: ByProtocol,
}

#[derive(Debug, Serialize)]
struct ByProtocol {
    text: u64,
    mqtt: u64,
    http: u64,
    websocket: u64,
    unknown: u64,
}

#[derive(Debug, Serialize)]
struct Sockets {
    accepted_total: u64,
    refused_total: u64,
    accept_pauses_total: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Messages {
    accepted_total: u64,
    delivered_total: u64,
    lost_total: u64,
    refused_total: u64,
    refused_by_reason: BTreeMap<&'static str, u64>,
    not_retained_total: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Queued {
    messages: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Bytes {
    received_total: u64,
    sent_total: u64,
    accepted_payload_total: u64,
}

#[derive(Debug, Serialize)]
struct Rates {
    over_seconds: f64,
    accepted: f64,
    delivered: f64,
    received_bytes: f64,
    sent_bytes: f64,
}

#[derive(Debug, Serialize)]
struct Memory {
    used_bytes: usize,
    max_bytes: usize,
    history_bytes: usize,
    by_use: BTreeMap<&'static str, usize>,
}

#[derive(Debug, Serialize)]
struct Web {
    in_progress: usize,
    served_total: u64,
    refused_total: u64,
    cut_off_total: u64,
}

/// The uses of memory as the interface names them.
pub(in super::super) const USES: [(&str, Use); 9] = [
    ("messages", Use::Runs),
    ("unfinished", Use::Unfinished),
    ("filters", Use::Filters),
    ("queues", Use::Queues),
    ("replays", Use::Replays),
    ("encoded", Use::Outgoing),
    ("topics", Use::Topics),
    ("retained", Use::Retained),
    ("sessions", Use::Sessions),
];

pub(in super::super) async fn status(State(view): State<Arc<View>>) -> Json<Status> {
    let figures = view.figures().await;
    Json(describe(&view, &figures))
}

fn describe(view: &View, figures: &Figures) -> Status {
    let Sums { stats, census, bytes, closed, retained, history_bytes, rate } = figures.sums();
    let newcomers = &view.newcomers;
    Status {
        version: env!("CARGO_PKG_VERSION"),
        state: if view.is_draining() { "draining" } else { "serving" },
        uptime_seconds: view.began.elapsed().as_secs_f64(),
        started_at: format!("{:.3}", view.started_at),
        listeners: view.listeners.clone(),
        shards: Shards { count: figures.0.len(), silent: figures.silent() },
        connections: (&census).into(),
        connections_max: view.limits.connections_max,
        sockets: Sockets {
            accepted_total: newcomers.accepted(),
            refused_total: newcomers.refused(),
            accept_pauses_total: newcomers.pauses(),
        },
        closed_total: closed.by_reason().collect(),
        sessions_absent: census.absent,
        subscriptions: stats.subscriptions,
        shared_subscriptions: stats.shared_subscriptions,
        subscriptions_refused_total: stats.refused_subscriptions.sum(),
        subscriptions_refused_by_reason: stats.refused_subscriptions.by_reason().collect(),
        retained_topics: retained,
        messages: (&stats).into(),
        queued: stats.queued.into(),
        bytes: Bytes::new(bytes, &stats),
        rates: rate.into(),
        memory: memory(&view.gauge, view.memory_bytes_max(), history_bytes),
        pauses_total: stats.pauses,
        web: Web {
            in_progress: view.in_progress(),
            served_total: view.counts.served(),
            refused_total: view.counts.refused(),
            cut_off_total: view.counts.was_cut_off(),
        },
    }
}

fn memory(gauge: &Gauge, max_bytes: usize, history_bytes: usize) -> Memory {
    let by_use: BTreeMap<_, _> = USES.into_iter().map(|(name, what)| (name, gauge.used_for(what))).collect();
    // Summed here, so that what is told adds up while it moves.
    Memory { used_bytes: by_use.values().sum(), max_bytes, history_bytes, by_use }
}

impl From<&Census> for Connections {
    fn from(census: &Census) -> Self {
        let Census { publishers, subscribers, clients, others, absent: _, by_protocol } = *census;
        let total = census.greeted() + others;
        let frontend::ByProtocol { text, mqtt, http, websocket } = by_protocol;
        let unknown = total.saturating_sub(by_protocol.sum());
        let by_protocol = ByProtocol { text, mqtt, http, websocket, unknown };
        Self { total, publishers, subscribers, mqtt: clients, others, by_protocol }
    }
}

impl From<&Stats> for Messages {
    fn from(stats: &Stats) -> Self {
        Self {
            accepted_total: stats.accepted,
            delivered_total: stats.delivered,
            lost_total: stats.dropped,
            refused_total: stats.refused.sum(),
            refused_by_reason: stats.refused.by_reason().collect(),
            not_retained_total: stats.not_retained,
        }
    }
}

impl From<broker::Queued> for Queued {
    fn from(queued: broker::Queued) -> Self {
        let broker::Queued { messages, bytes } = queued;
        Self { messages, bytes }
    }
}

impl Bytes {
    pub(super) fn new(bytes: SocketBytes, stats: &Stats) -> Self {
        Self {
            received_total: bytes.received,
            sent_total: bytes.sent,
            accepted_payload_total: stats.accepted_bytes,
        }
    }
}

impl From<Rate> for Rates {
    fn from(rate: Rate) -> Self {
        let Rate { accepted, delivered, received_bytes, sent_bytes, seconds } = rate;
        Self { over_seconds: seconds, accepted, delivered, received_bytes, sent_bytes }
    }
}
