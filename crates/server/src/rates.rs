//! Messages and bytes per second over the last ten seconds, from what a shard said then and says now.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::parcel::ShardReport;

/// The time over which a rate is taken, or what the server has been up if that is less.
const RATE_TIME: Duration = Duration::from_secs(10);

/// How often [`Rates::note`] wants to be told.
pub(crate) const SAMPLE_TIME: Duration = Duration::from_secs(1);

/// One shard's figures of the last seconds, in the order of time.
#[derive(Debug, Clone)]
pub(crate) struct Rates(VecDeque<(Instant, Counted)>);

/// What rates are taken of: figures that only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    accepted: u64,
    delivered: u64,
    received_bytes: u64,
    sent_bytes: u64,
}

impl From<&ShardReport> for Counted {
    fn from(report: &ShardReport) -> Self {
        Self {
            accepted: report.stats.accepted,
            delivered: report.stats.delivered,
            received_bytes: report.bytes.received,
            sent_bytes: report.bytes.sent,
        }
    }
}

/// Messages and bytes per second, and over how many seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rate {
    pub(crate) accepted: f64,
    pub(crate) delivered: f64,
    pub(crate) received_bytes: f64,
    pub(crate) sent_bytes: f64,
    pub(crate) seconds: f64,
}

impl Rate {
    /// Adds another shard's; the time is that of the longer one.
    pub(crate) fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
        self.seconds = self.seconds.max(other.seconds);
    }
}

impl Rates {
    pub(crate) fn new(began: Instant) -> Self {
        Self(VecDeque::from([(began, Counted::default())]))
    }

    /// Remembers figures. As many as there are seconds: what comes sooner after another is not needed.
    pub(crate) fn note(&mut self, at: Instant, counted: Counted) {
        let newest = self.0.back().map(|(at, _)| *at);
        if newest.is_some_and(|newest| at < newest + SAMPLE_TIME / 2) {
            return;
        }
        self.0.push_back((at, counted));
        while self.0.get(1).is_some_and(|(second, _)| *second + RATE_TIME <= at) {
            self.0.pop_front();
        }
    }

    /// The rate up to `counted`, which is of `now`.
    pub(crate) fn until(&self, now: Instant, counted: &Counted) -> Rate {
        let old = self.0.iter().rev().find(|(at, _)| *at + RATE_TIME <= now).or_else(|| self.0.front());
        let Some((at, before)) = old else { return Rate::default() };
        let seconds = now.saturating_duration_since(*at).as_secs_f64().max(0.001);
        let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / seconds;
        Rate {
            accepted: rate(counted.accepted, before.accepted),
            delivered: rate(counted.delivered, before.delivered),
            received_bytes: rate(counted.received_bytes, before.received_bytes),
            sent_bytes: rate(counted.sent_bytes, before.sent_bytes),
            seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_ten_seconds() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        // A hundred messages a second for a minute, then none.
        let stats = |seconds: u64| {
            let accepted = 100 * seconds.min(60);
            Counted {
                accepted,
                delivered: 3 * accepted,
                received_bytes: 7 * accepted,
                sent_bytes: 8 * accepted,
            }
        };
        let mut rates = Rates::new(began);
        for (now, accepted, seconds) in
            [(4, 100.0, 4.0), (30, 100.0, 10.0), (65, 50.0, 10.0), (70, 0.0, 10.0)]
        {
            for second in 0..now {
                rates.note(at(second), stats(second));
            }
            let (received_bytes, sent_bytes) = (7.0 * accepted, 8.0 * accepted);
            let expected = Rate { accepted, delivered: 3.0 * accepted, received_bytes, sent_bytes, seconds };
            assert_eq!(rates.until(at(now), &stats(now)), expected, "after {now} s");
            assert!(rates.0.len() <= 13, "{} samples", rates.0.len());
        }
    }

    #[test]
    fn samples_are_few_whatever_comes_and_time_may_have_gaps() {
        let began = Instant::now();
        let mut rates = Rates::new(began);
        for millis in (0..60_000).step_by(7) {
            rates.note(began + Duration::from_millis(millis), Counted::default());
        }
        assert!(rates.0.len() <= 23, "{} samples", rates.0.len());
        // Nobody asked for a minute: the rate is that of the minute.
        let stats = Counted { accepted: 650, ..Counted::default() };
        let rate = rates.until(began + Duration::from_secs(125), &stats);
        assert!((rate.accepted - 10.0).abs() < 0.1, "{rate:?}");
    }
}
