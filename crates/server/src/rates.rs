//! Messages per second over the last ten seconds, from what a shard said then and says now.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use broker::Stats;

/// The time over which a rate is taken, or what the server has been up if that is less.
const RATE_TIME: Duration = Duration::from_secs(10);

/// How often [`Rates::note`] wants to be told.
pub(crate) const SAMPLE_TIME: Duration = Duration::from_secs(1);

/// One shard's figures of the last seconds, in the order of time.
#[derive(Debug, Clone)]
pub(crate) struct Rates(VecDeque<(Instant, Stats)>);

/// Messages per second, and over how many seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rate {
    pub(crate) accepted: f64,
    pub(crate) delivered: f64,
    pub(crate) seconds: f64,
}

impl Rates {
    pub(crate) fn new(began: Instant) -> Self {
        Self(VecDeque::from([(began, Stats::default())]))
    }

    /// Remembers figures. As many as there are seconds: what comes sooner after another is not needed.
    pub(crate) fn note(&mut self, at: Instant, stats: Stats) {
        let newest = self.0.back().map(|(at, _)| *at);
        if newest.is_some_and(|newest| at < newest + SAMPLE_TIME / 2) {
            return;
        }
        self.0.push_back((at, stats));
        while self.0.get(1).is_some_and(|(second, _)| *second + RATE_TIME <= at) {
            self.0.pop_front();
        }
    }

    /// The rate up to `stats`, which are those of `now`.
    pub(crate) fn until(&self, now: Instant, stats: &Stats) -> Rate {
        let old = self.0.iter().rev().find(|(at, _)| *at + RATE_TIME <= now).or_else(|| self.0.front());
        let Some((at, before)) = old else { return Rate::default() };
        let seconds = now.saturating_duration_since(*at).as_secs_f64().max(0.001);
        let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / seconds;
        Rate {
            accepted: rate(stats.accepted, before.accepted),
            delivered: rate(stats.delivered, before.delivered),
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
            Stats { accepted, delivered: 3 * accepted, ..Stats::default() }
        };
        let mut rates = Rates::new(began);
        for (now, accepted, seconds) in
            [(4, 100.0, 4.0), (30, 100.0, 10.0), (65, 50.0, 10.0), (70, 0.0, 10.0)]
        {
            for second in 0..now {
                rates.note(at(second), stats(second));
            }
            let expected = Rate { accepted, delivered: 3.0 * accepted, seconds };
            assert_eq!(rates.until(at(now), &stats(now)), expected, "after {now} s");
            assert!(rates.0.len() <= 13, "{} samples", rates.0.len());
        }
    }

    #[test]
    fn samples_are_few_whatever_comes_and_time_may_have_gaps() {
        let began = Instant::now();
        let mut rates = Rates::new(began);
        for millis in (0..60_000).step_by(7) {
            rates.note(began + Duration::from_millis(millis), Stats::default());
        }
        assert!(rates.0.len() <= 23, "{} samples", rates.0.len());
        // Nobody asked for a minute: the rate is that of the minute.
        let stats = Stats { accepted: 650, ..Stats::default() };
        let rate = rates.until(began + Duration::from_secs(125), &stats);
        assert!((rate.accepted - 10.0).abs() < 0.1, "{rate:?}");
    }
}
