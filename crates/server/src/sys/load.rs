//! Moving averages of what comes per minute, weighted so that what is older counts less.
//!
//! As Unix counts its load: after each interval the average has come nearer to the rate of that
//! interval, by a part that depends on how long it was. Intervals need not be equal.

use std::time::Duration;

/// Over how many seconds, and what that is called.
pub(super) const SPANS: [(f64, &str); 3] = [(60.0, "1min"), (300.0, "5min"), (900.0, "15min")];

/// The averages of one counter.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    /// What the counter was at the end of the last interval.
    counter: u64,
    /// How much it grew per minute, by span.
    per_minute: [f64; SPANS.len()],
}

impl Load {
    /// An interval is over, and the counter is `counter` now.
    pub(super) fn note(&mut self, counter: u64, interval: Duration) {
        let seconds = interval.as_secs_f64();
        // Nothing passed: there is no rate, and what was counted belongs to the next one.
        if seconds <= 0.0 {
            return;
        }
        let grown = counter.saturating_sub(self.counter);
        let rate = grown as f64 * 60.0 / seconds;
        self.counter = counter;
        for (average, (span, _)) in self.per_minute.iter_mut().zip(SPANS) {
            *average = rate + (-seconds / span).exp() * (*average - rate);
        }
    }

    /// The averages, by span.
    pub(super) fn per_minute(&self) -> [f64; SPANS.len()] {
        self.per_minute
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same from the whole past: each interval's rate, times the part that the interval has of
    /// the span, times what is left of that after so much time.
    fn naive(intervals: &[(u64, f64)], span: f64) -> f64 {
        let weighted = intervals.iter().enumerate().map(|(index, (grown, seconds))| {
            let since: f64 = intervals[index + 1..].iter().map(|(_, seconds)| seconds).sum();
            let rate = *grown as f64 * 60.0 / seconds;
            rate * (1.0 - (-seconds / span).exp()) * (-since / span).exp()
        });
        weighted.sum()
    }

    proptest! {
        #[test]
        fn an_average_is_the_weighted_sum_of_all_rates(
            intervals in proptest::collection::vec((0u64..1_000_000, 0.001f64..600.0), 1..40),
        ) {
            let (mut load, mut counter) = (Load::default(), 0);
            for (grown, seconds) in &intervals {
                counter += grown;
                load.note(counter, Duration::from_secs_f64(*seconds));
            }
            // Whole nanoseconds are near enough.
            for (average, (span, _)) in load.per_minute().into_iter().zip(SPANS) {
                let expected = naive(&intervals, span);
                prop_assert!((average - expected).abs() <= 1e-5 * (1.0 + expected), "{average} {expected}");
            }
        }
    }

    /// Numbers from a pocket calculator.
    #[test]
    fn golden_averages() {
        let mut load = Load::default();
        let shown = |load: &Load| load.per_minute().map(|average| format!("{average:.2}"));
        assert_eq!(shown(&load), ["0.00", "0.00", "0.00"]);
        // 100 in ten seconds are 600 a minute: of it 1 - 1/e^(10/60), 1 - 1/e^(10/300), 1 - 1/e^(10/900).
        load.note(100, Duration::from_secs(10));
        assert_eq!(shown(&load), ["92.11", "19.67", "6.63"]);
        // Then nothing: after a minute 1/e of it is left, and so on.
        load.note(100, Duration::from_secs(60));
        assert_eq!(shown(&load), ["33.89", "16.10", "6.20"]);
        // No time and a counter that goes back are no reason to show nonsense.
        load.note(5000, Duration::ZERO);
        load.note(50, Duration::from_secs(60));
        assert_eq!(shown(&load), ["12.47", "13.19", "5.80"]);
    }

    #[test]
    fn a_steady_rate_is_what_is_shown_in_the_end() {
        let mut load = Load::default();
        for minute in 1..=240 {
            load.note(minute * 50, Duration::from_secs(60));
        }
        for average in load.per_minute() {
            assert!((average - 50.0).abs() < 0.001, "{average}");
        }
    }
}
