//! The scenario file: what a suite runs, against what, and what the figures should reach.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use cli::bench::{Load, Pace, Protocol, Target};
use serde::{Deserialize, Serialize};

use crate::outcome::Figure;
use crate::programs::Programs;

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Scenario {
    /// Deliveries per second of the broker, the relay and the kernel.
    Throughput { name: String, load: Shape, relay_threads: NonZeroUsize, ratio_min: f64 },
    /// Percentiles of the broker and the relay at a given rate.
    Latency { name: String, load: Shape, relay_threads: NonZeroUsize, ratio_max: f64 },
    /// Deliveries per second of the broker under two loads.
    Compare { name: String, load: Shape, baseline: Shape, ratio_min: f64 },
    /// Connections per second, and memory of each.
    Idle { name: String, subs: usize, bytes_max: f64, connects_per_second_min: f64 },
}

/// A load as written in the file; what is left out is as on the command line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Shape {
    pubs: usize,
    subs: usize,
    topics: usize,
    size: usize,
    window: u64,
    /// Open loop; the window is then unused.
    rate: Option<u64>,
    stuck: usize,
    shards: Option<NonZeroUsize>,
    threads: Option<NonZeroUsize>,
    senders: Option<NonZeroUsize>,
}

/// One of those that take turns in a scenario. The first is the one with the goals, the second what it is compared to.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) work: Work,
}

#[derive(Debug)]
pub(crate) enum Work {
    Load { load: Load, target: Target },
    Kernel { load: Load },
    Idle { subs: usize, target: Target },
}

/// A bound on a figure of the first contender, by itself or divided by the second's.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Goal {
    pub(crate) figure: Figure,
    pub(crate) bound: Bound,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    RatioMin(f64),
    RatioMax(f64),
    Min(f64),
    Max(f64),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scenario: Vec<Scenario>,
}

/// The scenarios of a file whose name contains `only`.
pub(crate) fn read(path: &Path, only: Option<&str>) -> anyhow::Result<Vec<Scenario>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let file: File = toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    let mut scenarios = file.scenario;
    scenarios.retain(|scenario| only.is_none_or(|only| scenario.name().contains(only)));
    anyhow::ensure!(!scenarios.is_empty(), "no scenario of {} is meant", path.display());
    Ok(scenarios)
}

impl Scenario {
    pub(crate) fn name(&self) -> &str {
        match self {
            Scenario::Throughput { name, .. }
            | Scenario::Latency { name, .. }
            | Scenario::Compare { name, .. }
            | Scenario::Idle { name, .. } => name,
        }
    }

    pub(crate) fn contenders(
        &self,
        measured: Duration,
        programs: &Programs,
    ) -> anyhow::Result<Vec<Contender>> {
        let name = self.name();
        let load_of = |shape: &Shape| shape.load(measured).with_context(|| format!("in scenario {name}"));
        let broker = |name: &str, shape: &Shape| -> anyhow::Result<Contender> {
            let work = Work::Load { load: load_of(shape)?, target: programs.broker(shape.shards) };
            Ok(Contender { name: name.to_owned(), work })
        };
        let relay = |shape: &Shape, threads: NonZeroUsize| -> anyhow::Result<Contender> {
            let work = Work::Load { load: load_of(shape)?, target: programs.relay(threads) };
            Ok(Contender { name: "relay".to_owned(), work })
        };
        Ok(match self {
            Scenario::Throughput { load, relay_threads, .. } => {
                let kernel =
                    Contender { name: "kernel".to_owned(), work: Work::Kernel { load: load_of(load)? } };
                vec![broker("tidings", load)?, relay(load, *relay_threads)?, kernel]
            }
            Scenario::Latency { load, relay_threads, .. } => {
                vec![broker("tidings", load)?, relay(load, *relay_threads)?]
            }
            Scenario::Compare { load, baseline, .. } => {
                vec![broker("tidings", load)?, broker("baseline", baseline)?]
            }
            Scenario::Idle { subs, .. } => {
                let work = Work::Idle { subs: *subs, target: programs.broker(None) };
                vec![Contender { name: "tidings".to_owned(), work }]
            }
        })
    }

    pub(crate) fn goals(&self) -> Vec<Goal> {
        match self {
            Scenario::Throughput { ratio_min, .. } | Scenario::Compare { ratio_min, .. } => {
                vec![Goal { figure: Figure::DeliveriesPerSecond, bound: Bound::RatioMin(*ratio_min) }]
            }
            Scenario::Latency { ratio_max, .. } => {
                let bound = Bound::RatioMax(*ratio_max);
                vec![Goal { figure: Figure::P50Us, bound }, Goal { figure: Figure::P99Us, bound }]
            }
            Scenario::Idle { bytes_max, connects_per_second_min, .. } => vec![
                Goal { figure: Figure::ServerBytesEach, bound: Bound::Max(*bytes_max) },
                Goal { figure: Figure::ConnectsPerSecond, bound: Bound::Min(*connects_per_second_min) },
            ],
        }
    }
}

impl Default for Shape {
    fn default() -> Shape {
        Shape {
            pubs: 1,
            subs: 1,
            topics: 1,
            size: 256,
            window: 1024,
            rate: None,
            stuck: 0,
            shards: None,
            threads: None,
            senders: None,
        }
    }
}

impl Shape {
    pub(crate) fn load(&self, measured: Duration) -> anyhow::Result<Load> {
        let load = Load {
            pubs: self.pubs,
            subs: self.subs,
            topics: self.topics,
            size: self.size,
            pace: self.rate.map_or(Pace::Window(self.window), Pace::Rate),
            warmup: WARMUP,
            measured,
            receivers: 1,
            senders: 1,
            linger: Duration::ZERO,
            stuck: self.stuck,
            protocol: Protocol::Text,
        };
        load.check()?.with_threads(self.senders, self.threads)
    }
}

const WARMUP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// The file in the repository can be run: every load in it passes the check.
    #[test]
    fn the_scenarios_of_the_repository_are_valid() {
        let text = include_str!("../../../bench/scenarios.toml");
        let file: File = toml::from_str(text).unwrap();
        let programs = Programs { broker: "tidings".into(), relay: "bench".into() };
        for scenario in &file.scenario {
            let contenders = scenario.contenders(Duration::from_secs(1), &programs).unwrap();
            assert!(!contenders.is_empty() && !scenario.goals().is_empty());
        }
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        let text = "[[scenario]]\nkind = \"idle\"\nname = \"x\"\nsubs = 1\nbytes_maximum = 1";
        assert!(toml::from_str::<File>(text).is_err());
    }
}
