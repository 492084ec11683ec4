//! The scenario file: what all brokers are put through.

use std::fs;
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use cli::bench::{Load, Pace};
use serde::Deserialize;

use super::peer::Tuning;
use crate::outcome::Figure;
use crate::scenario::Shape;

/// A scenario that can be run.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    /// Who takes part; the first is what the others are compared to. Everybody in general, if nobody is named.
    pub(super) who: Option<Vec<String>>,
    pub(super) work: Work,
}

/// What a broker is put through in a turn.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Of this QoS; the relay has so many threads. Round trips are what is told where a publisher may have only so many
    /// messages unacknowledged.
    Load {
        load: Load,
        qos: u8,
        unacked: Option<NonZeroU16>,
        relay_threads: NonZeroUsize,
    },
    Idle(Idle),
    /// Clients connect, subscribe and leave for so long.
    Visits {
        time: Duration,
    },
    /// A client comes back to what was queued for it, again and again for so long.
    Resume {
        waiting: Waiting,
        time: Duration,
    },
}

/// Clients that say nothing once they have subscribed.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Idle {
    pub(super) clients: usize,
    /// Of each client.
    pub(super) filters: usize,
    pub(super) topics: Topics,
    pub(super) session: Session,
}

/// Whether clients subscribe to the same topics or each to its own.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Topics {
    Shared,
    Own,
}

/// What becomes of a session when its client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Session {
    Ends,
    Stays,
}

/// What is queued for a client at QoS 1.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Waiting {
    pub(super) messages: usize,
    /// Payload bytes.
    pub(super) size: usize,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Entry {
    Load {
        name: String,
        qos: Option<u8>,
        load: Shape,
        relay_threads: Option<NonZeroUsize>,
        unacked: Option<NonZeroU16>,
        who: Option<Vec<String>>,
    },
    Idle {
        name: String,
        idle: Idle,
        who: Option<Vec<String>>,
    },
    Visits {
        name: String,
    },
    Resume {
        name: String,
        waiting: Waiting,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scenario: Vec<Entry>,
}

/// The scenarios of a file whose name, with the QoS, contains `only`.
///
/// # Errors
/// If the file cannot be read, or one of them cannot be run, or none is meant.
pub(super) fn read(path: &Path, only: Option<&str>, measured: Duration) -> anyhow::Result<Vec<Scenario>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let file: File = toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    let scenarios = file.scenario.into_iter().map(|entry| entry.check(measured));
    let mut scenarios = scenarios.collect::<anyhow::Result<Vec<_>>>()?;
    scenarios.retain(|scenario| only.is_none_or(|only| scenario.name.contains(only)));
    ensure!(!scenarios.is_empty(), "no scenario of {} is meant", path.display());
    Ok(scenarios)
}

impl Entry {
    fn check(self, measured: Duration) -> anyhow::Result<Scenario> {
        Ok(match self {
            Entry::Load { name, qos, load, relay_threads, unacked, who } => {
                let name = qos.map_or(name.clone(), |qos| format!("{name}, QoS {qos}"));
                let qos = qos.unwrap_or(0);
                let load = load.load(measured).with_context(|| format!("in scenario {name}"))?;
                let relay_threads = relay_threads.unwrap_or(NonZeroUsize::MIN);
                Scenario { name, who, work: Work::Load { load, qos, unacked, relay_threads } }
            }
            Entry::Idle { name, idle, who } => {
                ensure!(idle.clients > 0 && idle.filters > 0, "in scenario {name}: nobody subscribes");
                Scenario { name, who, work: Work::Idle(idle) }
            }
            Entry::Visits { name } => Scenario { name, who: None, work: Work::Visits { time: measured } },
            Entry::Resume { name, waiting } => {
                let possible = (1..=MESSAGES_MAX).contains(&waiting.messages) && waiting.size >= NUMBER_BYTES;
                ensure!(possible, "in scenario {name}: at most {MESSAGES_MAX}, of {NUMBER_BYTES} B at least");
                Scenario { name, who: None, work: Work::Resume { waiting, time: measured } }
            }
        })
    }
}

impl Work {
    pub(super) fn tuning(&self) -> Tuning {
        match self {
            Work::Load { load: Load { pace: Pace::Rate(_), .. }, .. } => Tuning::Latency,
            _ => Tuning::Throughput,
        }
    }

    /// What is told of it; the best broker is the one with the best first figure.
    pub(super) fn figures(&self) -> &'static [Figure] {
        match self {
            Work::Load { unacked: Some(_), .. } => {
                &[Figure::RoundTripP50Us, Figure::RoundTripP99Us, Figure::DeliveriesPerSecond]
            }
            Work::Load { load, .. } => match load.pace {
                Pace::Window(_) => &[Figure::DeliveriesPerSecond],
                Pace::Rate(_) => &[Figure::P50Us, Figure::P99Us, Figure::MaxUs],
            },
            Work::Idle(_) => &[Figure::ServerBytesEach],
            Work::Visits { .. } => &[Figure::VisitsPerSecond],
            Work::Resume { .. } => &[Figure::FirstMessageMs, Figure::ResumedPerSecond],
        }
    }
}

/// Each has a packet id of its own.
const MESSAGES_MAX: usize = 60_000;
/// A payload begins with its number.
pub(super) const NUMBER_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::kinds::{KINDS, TIDINGS, TIDINGS_FORMS, TIDINGS_TEXT};

    /// The file in the repository can be run: every load in it passes the check.
    #[test]
    fn the_scenarios_of_the_repository_are_valid() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/peers.toml");
        let all = |only| read(&path, only, Duration::from_secs(1));
        assert!(all(None).unwrap().len() > all(Some("QoS 1")).unwrap().len());
        assert!(all(Some("no such scenario")).is_err());
        for Scenario { name, who, .. } in all(None).unwrap() {
            let known = || KINDS.iter().chain(TIDINGS_FORMS).chain([&TIDINGS, &TIDINGS_TEXT]);
            let is_known = |one: &String| known().any(|kind| kind.name == one);
            assert!(who.into_iter().flatten().all(|one| is_known(&one)), "{name}");
        }
    }
}
