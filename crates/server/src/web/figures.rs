//! What shards said of themselves: asked for now, remembered for rates and for when one is silent.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use broker::Stats;
use frontend::Census;

use super::view::View;
use crate::closings::Closings;
use crate::inquiry::Inquiry;
use crate::parcel::{ShardReport, SocketBytes};
use crate::rates::{Rate, Rates};

/// The last answer of each shard, by shard.
#[derive(Debug)]
pub(super) struct Remembered(Vec<Told>);

#[derive(Debug)]
struct Told {
    at: Instant,
    report: ShardReport,
    rates: Rates,
}

/// One shard as it is, or as it was when it last answered.
#[derive(Debug, Clone)]
pub(super) struct ShardFigures {
    pub(super) report: ShardReport,
    pub(super) age: Duration,
    /// `None` if it did not answer.
    pub(super) rate: Option<Rate>,
}

/// All shards, by number.
#[derive(Debug, Clone)]
pub(super) struct Figures(pub(super) Vec<ShardFigures>);

/// Figures of all shards together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) stats: Stats,
    pub(super) census: Census,
    pub(super) bytes: SocketBytes,
    pub(super) closed: Closings,
    /// Every shard knows all topics with a retained message.
    pub(super) retained: usize,
    pub(super) history_bytes: usize,
    pub(super) rate: Rate,
}

impl Remembered {
    pub(super) fn new(shards: usize, began: Instant) -> Self {
        let numbers = (0..shards).map(|shard| u8::try_from(shard).unwrap_or(u8::MAX));
        let told = |shard| Told { at: began, report: ShardReport::empty(shard), rates: Rates::new(began) };
        Self(numbers.map(told).collect())
    }

    /// Remembers what shards answered when they were asked, and tells how all of them are.
    fn note(&mut self, asked: Instant, answers: Vec<Option<ShardReport>>) -> Figures {
        assert_eq!(self.0.len(), answers.len(), "every shard was asked");
        let figures = self.0.iter_mut().zip(answers).map(|(told, answer)| {
            let rate = answer.map(|report| told.note(asked, report));
            let age = asked.saturating_duration_since(told.at);
            ShardFigures { report: told.report.clone(), age, rate }
        });
        Figures(figures.collect())
    }
}

impl Told {
    fn note(&mut self, asked: Instant, report: ShardReport) -> Rate {
        let rate = self.rates.until(asked, &(&report).into());
        // Two who ask at once may be answered in another order.
        if asked >= self.at {
            self.rates.note(asked, (&report).into());
            (self.at, self.report) = (asked, report);
        }
        rate
    }
}

impl Figures {
    /// Shards that did not answer.
    pub(super) fn silent(&self) -> Vec<u8> {
        let silent = self.0.iter().filter(|figures| figures.rate.is_none());
        silent.map(|figures| figures.report.shard.0).collect()
    }

    pub(super) fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for ShardFigures { report, rate, .. } in &self.0 {
            sums.stats.add(&report.stats);
            sums.census.add(&report.census);
            sums.bytes.add(report.bytes);
            sums.closed.add(&report.closed);
            sums.retained = sums.retained.max(report.retained);
            sums.history_bytes += report.history_bytes;
            sums.rate.add(rate.unwrap_or_default());
        }
        sums
    }
}

impl View {
    /// Asks every shard how it is.
    pub(super) async fn figures(&self) -> Figures {
        let asked = Instant::now();
        let answers = self.asking.all(Inquiry::Figures).await;
        // Nobody panics in it and goes on: a panic ends the process.
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).note(asked, answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(shard: u8, accepted: u64) -> ShardReport {
        ShardReport { stats: Stats { accepted, ..Stats::default() }, ..ShardReport::empty(shard) }
    }

    #[test]
    fn a_silent_shard_is_named_and_its_figures_stay() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut remembered = Remembered::new(2, began);
        let first = remembered.note(at(10), vec![Some(report(0, 100)), Some(report(1, 1000))]);
        let sums = first.sums();
        assert_eq!((sums.stats.accepted, sums.rate.accepted, first.silent()), (1100, 110.0, vec![]));
        let second = remembered.note(at(20), vec![Some(report(0, 200)), None]);
        let sums = second.sums();
        assert_eq!((sums.stats.accepted, sums.rate.accepted, second.silent()), (1200, 10.0, vec![1]));
        assert_eq!(second.0[1].age, Duration::from_secs(10));
        // An answer that was asked for earlier does not set figures back.
        let late = remembered.note(at(15), vec![Some(report(0, 150)), Some(report(1, 1500))]);
        assert_eq!(late.sums().stats.accepted, 200 + 1500);
    }
}
