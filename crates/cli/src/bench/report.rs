//! What a run reports: figures, the account of every message, and whether that account is clean.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::args::{Load, Pace};
use super::cpu::{BothUse, CpuUse};
use super::measure::Measured;
use super::protocol::Protocol;
use super::receiver::ReceiverReport;

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    pub(super) target: String,
    pub(super) pubs: usize,
    pub(super) subs: usize,
    pub(super) topics: usize,
    pub(super) payload_bytes: usize,
    pub(super) protocol: Protocol,
    pub(super) pace: Pace,
    pub(super) stuck: usize,
    pub(super) seconds: f64,
    /// `None` for the reference that publishes nothing and writes deliveries itself.
    pub(super) published_per_second: Option<f64>,
    /// To all subscribers together.
    pub delivered_per_second: f64,
    /// Open loop only, of messages that were due in the time measured.
    pub latency: Option<Latency>,
    /// From the write of a message to the read of its answer, where messages are answered in their order.
    pub round_trip: Option<Latency>,
    /// Every message.
    pub account: Account,
    /// `None` where the server's process cannot be seen.
    pub server_cpu: Option<CpuUse>,
    /// `None` where the system does not show it.
    pub generator_cpu: Option<CpuUse>,
    pub(super) bottleneck: String,
}

/// Microseconds from when a message was due to when it was received, or from when it was written to when it was answered.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// Half of the messages took no longer.
    pub p50_us: f64,
    pub(super) p90_us: f64,
    /// All but a hundredth took no longer.
    pub p99_us: f64,
    pub(super) p999_us: f64,
    /// None took longer.
    pub max_us: f64,
}

/// All messages of a run, warm-up included: received + announced = expected, or something is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    pub(super) published: u64,
    /// Deliveries that the published messages must lead to.
    pub(super) expected: u64,
    pub(super) received: u64,
    /// Dropped and said so, by GAP lines.
    pub(super) announced: u64,
    /// Neither received nor announced.
    pub(super) lost: u64,
    /// Announced as dropped and yet received.
    pub(super) wrongly_announced: u64,
    pub(super) duplicates: u64,
    pub(super) misordered: u64,
    pub(super) malformed: u64,
    pub(super) malformed_example: Option<String>,
}

/// Whether loss that the broker announces counts as wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gaps {
    /// It does not.
    Allowed,
    /// It does.
    Fail,
}

impl Account {
    /// `expected_of` tells how many messages the subscriber of a number should have received.
    pub(super) fn new(
        published: u64,
        reports: &[ReceiverReport],
        expected_of: impl Fn(usize) -> u64,
    ) -> Account {
        let mut account = Account { published, ..Account::default() };
        for (number, tally) in reports.iter().flat_map(|report| &report.tallies) {
            let expected = expected_of(*number);
            let arrived = tally.received + tally.announced;
            account.expected += expected;
            account.received += tally.received;
            account.announced += tally.announced;
            account.lost += expected.saturating_sub(arrived);
            account.wrongly_announced += arrived.saturating_sub(expected);
            account.duplicates += tally.duplicates;
            account.misordered += tally.misordered;
            account.malformed += tally.malformed;
            if account.malformed_example.is_none() {
                account.malformed_example.clone_from(&tally.malformed_example);
            }
        }
        account
    }

    /// Whether every delivery was right.
    #[must_use]
    pub fn is_clean(&self, gaps: Gaps) -> bool {
        let wrong = self.lost + self.wrongly_announced + self.duplicates + self.misordered + self.malformed;
        wrong == 0 && (self.announced == 0 || gaps == Gaps::Allowed)
    }
}

impl Latency {
    fn new(nanos: &Histogram<u64>) -> Latency {
        let micros = |quantile| nanos.value_at_quantile(quantile) as f64 / 1000.0;
        Latency {
            p50_us: micros(0.5),
            p90_us: micros(0.9),
            p99_us: micros(0.99),
            p999_us: micros(0.999),
            max_us: nanos.max() as f64 / 1000.0,
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50_us, p90_us, p99_us, p999_us, max_us } = self;
        write!(f, "p50 {p50_us:.0}, p90 {p90_us:.0}, p99 {p99_us:.0}, p99.9 {p999_us:.0}, max {max_us:.0} µs")
    }
}

impl RunReport {
    pub(super) fn new(
        target: String,
        load: &Load,
        measured: &Measured,
        account: Account,
        latencies: Option<&Histogram<u64>>,
    ) -> RunReport {
        let seconds = measured.elapsed.as_secs_f64();
        let BothUse { server, generator } = measured.used.clone();
        let latencies = latencies.filter(|all| matches!(load.pace, Pace::Rate(_)) && !all.is_empty());
        RunReport {
            target,
            pubs: load.pubs,
            subs: load.subs,
            topics: load.topics,
            payload_bytes: load.size,
            protocol: load.protocol,
            pace: load.pace,
            stuck: load.stuck,
            seconds,
            published_per_second: measured.published.map(|count| count as f64 / seconds),
            delivered_per_second: measured.delivered as f64 / seconds,
            latency: latencies.map(Latency::new),
            round_trip: None,
            account,
            server_cpu: server,
            generator_cpu: generator,
            bottleneck: measured.used.bottleneck(),
        }
    }

    /// The same with how long answers took.
    pub(super) fn with_round_trips(self, nanos: &Histogram<u64>) -> RunReport {
        RunReport { round_trip: (!nanos.is_empty()).then(|| Latency::new(nanos)), ..self }
    }

    pub(super) fn exit_code(&self, gaps: Gaps) -> ExitCode {
        if self.is_clean(gaps) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Whether every delivery was right. Loss is not wrong where the protocol promises nothing against it.
    #[must_use]
    pub fn is_clean(&self, gaps: Gaps) -> bool {
        let account = &self.account;
        account.is_clean(gaps)
            || self.protocol.may_lose() && Account { lost: 0, ..account.clone() }.is_clean(gaps)
    }

    /// Whether as much was delivered as was due. Where it was not, the messages that waited longest were not even sent,
    /// and no latency tells of them. Always so in the closed loop, where nothing is due.
    #[must_use]
    pub fn kept_pace(&self) -> bool {
        let Pace::Rate(rate) = self.pace else { return true };
        let due = rate as f64 * (self.subs - self.stuck) as f64 / self.topics as f64;
        self.delivered_per_second >= due * KEPT_MIN
    }

    /// Writes the summary for people.
    ///
    /// # Errors
    /// If the output fails.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { target, pubs, subs, topics, payload_bytes, protocol, .. } = self;
        writeln!(out, "{target}: {pubs} → {subs} over {topics} topics, {payload_bytes} B, {protocol}")?;
        writeln!(out, "  delivered   {}/s", count(self.delivered_per_second))?;
        if let Some(published) = self.published_per_second {
            writeln!(out, "  published   {}/s", count(published))?;
        }
        if let Some(latency) = &self.latency {
            writeln!(out, "  latency     {latency}")?;
        }
        if let Some(round_trip) = &self.round_trip {
            writeln!(out, "  round trip  {round_trip}")?;
        }
        writeln!(
            out,
            "  cores       server {}, generator {}",
            cores(&self.server_cpu),
            cores(&self.generator_cpu)
        )?;
        writeln!(out, "  bottleneck  {}", self.bottleneck)?;
        self.account.write(out)
    }
}

impl Account {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { expected, received, announced, lost, duplicates, misordered, malformed, .. } = self;
        if self.is_clean(Gaps::Fail) {
            return writeln!(out, "  checked     {received} deliveries, each once and in order");
        }
        let wrong = format!("{duplicates} twice, {misordered} out of order, {malformed} malformed");
        let missing = format!("{announced} announced as dropped, {lost} lost");
        writeln!(out, "  CHECK       {received} of {expected} deliveries: {missing}, {wrong}")?;
        if self.wrongly_announced > 0 {
            writeln!(
                out,
                "              {} more announced as dropped than were missing",
                self.wrongly_announced
            )?;
        }
        match &self.malformed_example {
            Some(line) => writeln!(out, "              first malformed line: {}", line.escape_debug()),
            None => Ok(()),
        }
    }
}

/// A figure as people read it.
#[must_use]
pub fn count(value: f64) -> String {
    match value {
        _ if value >= 1e7 => format!("{:.1} M", value / 1e6),
        _ if value >= 1e6 => format!("{:.2} M", value / 1e6),
        _ if value >= 1e4 => format!("{:.0} k", value / 1e3),
        _ => format!("{value:.0}"),
    }
}

fn cores(used: &Option<CpuUse>) -> String {
    used.as_ref().map_or_else(|| "unknown".to_owned(), |used| format!("{:.2}", used.cores))
}

/// Of what was due: a few pauses of the machine at the end of the measurement are no fault of the server.
const KEPT_MIN: f64 = 0.95;

#[cfg(test)]
mod tests {
    use super::super::ledger::Tally;
    use super::super::mqtt::Carrier;
    use super::*;

    fn account(expected: u64, tally: Tally) -> Account {
        let latencies = Histogram::new(1).unwrap();
        Account::new(expected, &[ReceiverReport { tallies: vec![(0, tally)], latencies }], |_| expected)
    }

    fn report(protocol: Protocol, account: Account) -> RunReport {
        RunReport {
            target: "test".to_owned(),
            pubs: 1,
            subs: 1,
            topics: 1,
            payload_bytes: 16,
            protocol,
            pace: Pace::Window(1),
            stuck: 0,
            seconds: 1.0,
            published_per_second: None,
            delivered_per_second: 9.0,
            latency: None,
            round_trip: None,
            account,
            server_cpu: None,
            generator_cpu: None,
            bottleneck: String::new(),
        }
    }

    #[test]
    fn everything_received_is_clean() {
        assert!(account(9, Tally { received: 9, ..Tally::default() }).is_clean(Gaps::Fail));
    }

    #[test]
    fn what_is_neither_received_nor_announced_is_lost() {
        let account = account(9, Tally { received: 6, announced: 2, ..Tally::default() });
        assert_eq!(account.lost, 1);
        assert!(!account.is_clean(Gaps::Allowed));
    }

    #[test]
    fn loss_is_clean_where_the_protocol_may_lose() {
        let lost = account(9, Tally { received: 6, ..Tally::default() });
        let twice = account(9, Tally { received: 6, duplicates: 1, ..Tally::default() });
        let (version, carrier) = (wire::mqtt::Version::V311, Carrier::Socket);
        let qos = |qos| Protocol::mqtt(version, qos, carrier, None, Pace::Window(1)).unwrap();
        for (protocol, is_clean) in
            [(Protocol::Text, false), (qos(0), true), (qos(1), false), (qos(2), false)]
        {
            let report = |account: &Account| report(protocol, account.clone());
            assert_eq!(report(&lost).is_clean(Gaps::Fail), is_clean, "{protocol}");
            assert!(!report(&twice).is_clean(Gaps::Allowed), "{protocol}");
        }
    }

    #[test]
    fn a_rate_that_was_not_delivered_is_told() {
        let of = |pace| RunReport { pace, ..report(Protocol::Text, Account::default()) };
        assert!(of(Pace::Rate(9)).kept_pace() && of(Pace::Window(1000)).kept_pace());
        assert!(!of(Pace::Rate(10)).kept_pace());
        assert!(!RunReport { subs: 2, ..of(Pace::Rate(9)) }.kept_pace(), "each of two hears all");
    }

    #[test]
    fn announced_loss_is_clean_only_where_allowed() {
        let account = account(9, Tally { received: 6, announced: 3, ..Tally::default() });
        assert!(account.is_clean(Gaps::Allowed));
        assert!(!account.is_clean(Gaps::Fail));
    }

    #[test]
    fn announcing_more_than_was_dropped_is_wrong() {
        let account = account(9, Tally { received: 9, announced: 3, ..Tally::default() });
        assert_eq!(account.wrongly_announced, 3);
        assert!(!account.is_clean(Gaps::Allowed));
    }

    #[test]
    fn one_wrong_delivery_is_not_clean() {
        for tally in [
            Tally { received: 9, duplicates: 1, ..Tally::default() },
            Tally { received: 9, misordered: 1, ..Tally::default() },
            Tally { received: 9, malformed: 1, ..Tally::default() },
        ] {
            assert!(!account(9, tally).is_clean(Gaps::Allowed));
        }
    }
}
