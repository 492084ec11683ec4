//! What one turn of a contender led to, and the figures that are taken from it.

use cli::bench::idle::IdleReport;
use cli::bench::{BothUse, Gaps, Latency, RunReport, count};
use serde::Serialize;

/// What one turn of a contender led to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Load(Box<RunReport>),
    Idle(IdleReport),
    Visits(VisitsReport),
    Resume(ResumeReport),
    /// It could not be run to its end.
    Failed(String),
}

/// Clients that connected, subscribed and left.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct VisitsReport {
    pub(crate) clients: usize,
    pub(crate) per_second: f64,
    pub(crate) used: BothUse,
}

/// Returns to a session where messages were waiting: medians over all of them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ResumeReport {
    pub(crate) resumes: usize,
    pub(crate) messages: usize,
    /// From before the connection is made.
    pub(crate) first_message_ms: f64,
    /// All of them, over the time from before the connection is made until the last has arrived.
    pub(crate) messages_per_second: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    DeliveriesPerSecond,
    P50Us,
    P99Us,
    MaxUs,
    RoundTripP50Us,
    RoundTripP99Us,
    ConnectsPerSecond,
    ServerBytesEach,
    VisitsPerSecond,
    FirstMessageMs,
    ResumedPerSecond,
}

impl Outcome {
    /// Whether every delivery was right.
    pub(crate) fn is_clean(&self) -> bool {
        match self {
            Outcome::Load(report) => report.account.is_clean(Gaps::Fail),
            Outcome::Idle(_) | Outcome::Visits(_) | Outcome::Resume(_) => true,
            Outcome::Failed(_) => false,
        }
    }

    /// Processor time, where it was measured.
    pub(crate) fn used(&self) -> Option<BothUse> {
        match self {
            Outcome::Load(report) => {
                let (server, generator) = (report.server_cpu.clone(), report.generator_cpu.clone());
                Some(BothUse { server, generator })
            }
            Outcome::Visits(report) => Some(report.used.clone()),
            Outcome::Idle(_) | Outcome::Resume(_) | Outcome::Failed(_) => None,
        }
    }

    pub(crate) fn report(&self) -> Option<&RunReport> {
        match self {
            Outcome::Load(report) => Some(report),
            _ => None,
        }
    }
}

impl Figure {
    pub(crate) const ALL: [Figure; 11] = [
        Figure::DeliveriesPerSecond,
        Figure::P50Us,
        Figure::P99Us,
        Figure::MaxUs,
        Figure::RoundTripP50Us,
        Figure::RoundTripP99Us,
        Figure::ConnectsPerSecond,
        Figure::ServerBytesEach,
        Figure::VisitsPerSecond,
        Figure::FirstMessageMs,
        Figure::ResumedPerSecond,
    ];

    pub(crate) fn of(self, outcome: &Outcome) -> Option<f64> {
        let latency = |of: fn(&Latency) -> f64| {
            let report = outcome.report().filter(|report| report.kept_pace())?;
            report.latency.as_ref().map(of)
        };
        let round_trip = |of: fn(&Latency) -> f64| outcome.report()?.round_trip.as_ref().map(of);
        match (self, outcome) {
            (Figure::DeliveriesPerSecond, Outcome::Load(report)) => Some(report.delivered_per_second),
            (Figure::P50Us, _) => latency(|latency| latency.p50_us),
            (Figure::P99Us, _) => latency(|latency| latency.p99_us),
            (Figure::MaxUs, _) => latency(|latency| latency.max_us),
            (Figure::RoundTripP50Us, _) => round_trip(|times| times.p50_us),
            (Figure::RoundTripP99Us, _) => round_trip(|times| times.p99_us),
            (Figure::ConnectsPerSecond, Outcome::Idle(report)) => Some(report.connects_per_second),
            (Figure::ServerBytesEach, Outcome::Idle(report)) => report.server_bytes_each,
            (Figure::VisitsPerSecond, Outcome::Visits(report)) => Some(report.per_second),
            (Figure::FirstMessageMs, Outcome::Resume(report)) => Some(report.first_message_ms),
            (Figure::ResumedPerSecond, Outcome::Resume(report)) => Some(report.messages_per_second),
            _ => None,
        }
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Figure::DeliveriesPerSecond => "deliveries/s",
            Figure::P50Us => "p50 µs",
            Figure::P99Us => "p99 µs",
            Figure::MaxUs => "max µs",
            Figure::RoundTripP50Us => "round trip p50 µs",
            Figure::RoundTripP99Us => "round trip p99 µs",
            Figure::ConnectsPerSecond => "connects/s",
            Figure::ServerBytesEach => "bytes each",
            Figure::VisitsPerSecond => "clients/s",
            Figure::FirstMessageMs => "first message ms",
            Figure::ResumedPerSecond => "messages/s",
        }
    }

    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Figure::FirstMessageMs => format!("{value:.2}"),
            Figure::P50Us
            | Figure::P99Us
            | Figure::MaxUs
            | Figure::RoundTripP50Us
            | Figure::RoundTripP99Us
            | Figure::ServerBytesEach => format!("{value:.0}"),
            _ => count(value),
        }
    }

    /// The greater, the better.
    pub(crate) fn rank(self, value: f64) -> f64 {
        match self {
            Figure::DeliveriesPerSecond
            | Figure::ConnectsPerSecond
            | Figure::VisitsPerSecond
            | Figure::ResumedPerSecond => value,
            Figure::P50Us
            | Figure::P99Us
            | Figure::MaxUs
            | Figure::RoundTripP50Us
            | Figure::RoundTripP99Us
            | Figure::ServerBytesEach
            | Figure::FirstMessageMs => -value,
        }
    }
}

/// Medians of the processor time of the server and of the generator.
pub(crate) fn cores(outcomes: &[Outcome]) -> [Option<f64>; 2] {
    [|used: BothUse| used.server, |used: BothUse| used.generator].map(|side| {
        let used = outcomes.iter().filter_map(|outcome| side(outcome.used()?));
        median(used.map(|used| used.cores).collect())
    })
}

/// The upper one of the two in the middle, where there are two.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
