//! The counters and gauges by name: the one place where what is counted gets its name and its words.

use broker::{Reason, Refused, Use};
use prometheus_client::registry::Unit;

use super::super::api::status::USES;
use super::super::figures::{Figures, ShardFigures};
use super::super::view::View;
use crate::parcel::ShardReport;

/// Samples under one name.
#[derive(Debug)]
pub(super) struct Family {
    /// Without its unit and `_total`.
    pub(super) name: &'static str,
    pub(super) unit: Option<Unit>,
    pub(super) kind: Kind,
    /// Without a full stop, which the encoder adds.
    pub(super) help: &'static str,
    pub(super) samples: Vec<(Labels, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
}

pub(super) type Labels = Vec<(&'static str, String)>;

pub(super) fn families(view: &View, figures: &Figures) -> Vec<Family> {
    let mut families = messages(figures);
    families.extend(connections(view, figures));
    families.extend(resources(view, figures));
    families.extend(process(view, figures));
    families
}

fn messages(figures: &Figures) -> Vec<Family> {
    vec![
        counter("tidings_messages_accepted", "Messages accepted from publishers")
            .by_shard(figures, |of| of.stats.accepted),
        counter("tidings_messages_delivered", "Messages handed to connections for delivery")
            .by_shard(figures, |of| of.stats.delivered),
        counter("tidings_messages_lost", "Messages dropped from queues of slow subscribers, each announced")
            .by_shard(figures, |of| of.stats.dropped),
        counter("tidings_messages_refused", "Messages that were not let in, by reason")
            .by_reason(figures, |of| of.stats.refused),
        counter("tidings_messages_not_retained", "Messages that were not retained for want of room")
            .by_shard(figures, |of| of.stats.not_retained),
        counter("tidings_payload_accepted", "Payloads of accepted messages")
            .in_bytes()
            .by_shard(figures, |of| of.stats.accepted_bytes),
        counter("tidings_socket_received", "What sockets gave")
            .in_bytes()
            .by_shard(figures, |of| of.bytes.received),
        counter("tidings_socket_sent", "What sockets took").in_bytes().by_shard(figures, |of| of.bytes.sent),
        counter("tidings_publisher_pauses", "Times that a publisher was paused for a queue or for memory")
            .by_shard(figures, |of| of.stats.pauses),
    ]
}

fn connections(view: &View, figures: &Figures) -> Vec<Family> {
    let closed = figures.0.iter().flat_map(|ShardFigures { report, .. }| {
        let closed = report.closed.by_reason();
        closed.map(|(reason, count)| (vec![shard(report), ("reason", reason.to_owned())], count))
    });
    let open = figures.0.iter().flat_map(|ShardFigures { report, .. }| {
        let census = report.census;
        let by_role = [
            ("publisher", census.publishers),
            ("subscriber", census.subscribers),
            ("client", census.clients),
            ("unknown", census.others),
        ];
        by_role.map(|(role, count)| (vec![shard(report), ("role", role.to_owned())], count))
    });
    let speaking = figures.0.iter().flat_map(|ShardFigures { report, .. }| {
        let census = report.census;
        let spoken = census.by_protocol;
        let by_protocol = [
            ("text", spoken.text),
            ("mqtt", spoken.mqtt),
            ("http", spoken.http),
            ("websocket", spoken.websocket),
            ("unknown", (census.greeted() + census.others).saturating_sub(spoken.sum())),
        ];
        by_protocol.map(|(protocol, count)| (vec![shard(report), ("protocol", protocol.to_owned())], count))
    });
    vec![
        gauge("tidings_connections", "Open connections by what for; client is MQTT, which may do both")
            .with(open),
        gauge(
            "tidings_connections_speaking",
            "Open connections by what they speak, as far as they have said it",
        )
        .with(speaking),
        gauge("tidings_connections_max", "Connections at a time (connections_max)")
            .plain(view.limits.connections_max as u64),
        counter("tidings_connections_closed", "Connections that ended, by reason").with(closed),
        counter("tidings_clients_greeted", "Clients that said who they are and were let in")
            .by_shard(figures, |of| of.traffic.greeted),
        counter("tidings_sockets_accepted", "Sockets that were accepted").plain(view.newcomers.accepted()),
        counter("tidings_sockets_refused", "Sockets that were closed at once: over connections_max")
            .plain(view.newcomers.refused()),
        counter("tidings_accept_pauses", "Times that accepting paused: no file descriptor or no memory")
            .plain(view.newcomers.pauses()),
        gauge("tidings_sessions_absent", "Sessions whose MQTT client is away")
            .by_shard(figures, |of| of.census.absent),
        counter("tidings_sessions_expired", "Sessions whose time was over before their client came back")
            .by_shard(figures, |of| of.traffic.expired),
        gauge("tidings_subscriptions", "Subscriptions that stand or wait for an answer")
            .by_shard(figures, |of| of.stats.subscriptions),
        gauge("tidings_shared_subscriptions", "Subscriptions that share what they hear")
            .by_shard(figures, |of| of.stats.shared_subscriptions),
        counter("tidings_subscriptions_refused", "Subscriptions that were not to be had, by reason")
            .by_reason(figures, |of| of.stats.refused_subscriptions),
    ]
}

fn resources(view: &View, figures: &Figures) -> Vec<Family> {
    let used = USES
        .into_iter()
        .map(|(name, what): (_, Use)| (vec![("use", name.to_owned())], view.gauge.used_for(what) as u64));
    let mail = figures.0.iter().map(|ShardFigures { report, .. }| {
        let waiting = view.asking.mail_waiting_bytes(usize::from(report.shard.0));
        (vec![shard(report)], waiting as u64)
    });
    vec![
        gauge("tidings_memory_used", "The account of what clients made grow, by use").in_bytes().with(used),
        gauge("tidings_memory_max", "The budget of the account (memory_max); publishers wait above it")
            .in_bytes()
            .plain(view.memory_bytes_max() as u64),
        gauge("tidings_history", "History that is kept for late subscribers")
            .in_bytes()
            .by_shard(figures, |of| of.history_bytes as u64),
        gauge("tidings_retained_topics", "Topics with a retained message of a client")
            .plain(figures.sums().retained as u64),
        gauge("tidings_queued_messages", "Messages that wait in queues of subscribers, once in each")
            .by_shard(figures, |of| of.stats.queued.messages),
        gauge(
            "tidings_queued",
            "What they count against queue_bytes_max, once in each; queues share the memory",
        )
        .in_bytes()
        .by_shard(figures, |of| of.stats.queued.bytes),
        gauge("tidings_mail_waiting", "Mail of other shards that a shard has not taken")
            .in_bytes()
            .with(mail),
    ]
}

fn process(view: &View, figures: &Figures) -> Vec<Family> {
    let answers = figures
        .0
        .iter()
        .map(|ShardFigures { report, rate, .. }| (vec![shard(report)], u64::from(rate.is_some())));
    let requests = [
        ("served", view.counts.served()),
        ("refused", view.counts.refused()),
        ("cut_off", view.counts.was_cut_off()),
    ];
    let requests = requests.map(|(outcome, count)| (vec![("outcome", outcome.to_owned())], count));
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    vec![
        gauge("tidings_build_info", "Always 1; the version is a label").with([(version, 1)]),
        gauge("tidings_start_time", "When the server began, since 1970")
            .in_seconds()
            .plain(u64::try_from(view.started_at.as_second()).unwrap_or_default()),
        gauge("tidings_draining", "Whether it was told to end").plain(u64::from(view.is_draining())),
        gauge("tidings_shard_answers", "Whether a shard answered this scrape; if not, its figures are old")
            .with(answers),
        counter("tidings_web_requests", "Requests to this interface, by what became of them").with(requests),
        gauge("tidings_web_in_progress", "Requests that are served or wait to be")
            .plain(view.in_progress() as u64),
    ]
}

fn shard(report: &ShardReport) -> (&'static str, String) {
    ("shard", report.shard.0.to_string())
}

fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, unit: None, kind: Kind::Counter, help, samples: Vec::new() }
}

fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, unit: None, kind: Kind::Gauge, help, samples: Vec::new() }
}

impl Family {
    fn in_bytes(mut self) -> Self {
        self.unit = Some(Unit::Bytes);
        self
    }

    fn in_seconds(mut self) -> Self {
        self.unit = Some(Unit::Seconds);
        self
    }

    fn plain(self, value: u64) -> Self {
        self.with([(Labels::new(), value)])
    }

    fn by_shard(self, figures: &Figures, of: impl Fn(&ShardReport) -> u64) -> Self {
        let samples = figures.0.iter().map(|figures| (vec![shard(&figures.report)], of(&figures.report)));
        self.with(samples)
    }

    fn by_reason<R: Reason>(self, figures: &Figures, of: impl Fn(&ShardReport) -> Refused<R>) -> Self {
        let samples = figures.0.iter().flat_map(|ShardFigures { report, .. }| {
            let counts: Vec<_> = of(report).by_reason().collect();
            let labels = |reason: &str| vec![shard(report), ("reason", reason.to_owned())];
            counts.into_iter().map(move |(reason, count)| (labels(reason), count))
        });
        self.with(samples)
    }

    fn with(mut self, samples: impl IntoIterator<Item = (Labels, u64)>) -> Self {
        self.samples.extend(samples);
        self
    }
}
