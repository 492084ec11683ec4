//! Who takes turns, and one turn of it.

use std::path::{Path, PathBuf};

use cli::bench::{Load, Target, Version, measure};

use super::kinds::{LookedAt, Speaks};
use super::peer::Peer;
use super::scenario::{Idle, Scenario, Session, Work};
use super::watchers::Watchers;
use super::{arrivals, resume};
use crate::outcome::Outcome;

#[derive(Debug)]
pub(super) enum Contender {
    Broker(Peer),
    /// What no broker can be much faster than, over lines.
    Relay {
        /// What has a command `relay`.
        program: PathBuf,
    },
}

impl Contender {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Contender::Broker(peer) => peer.kind.name,
            Contender::Relay { .. } => RELAY,
        }
    }

    fn speaks(&self) -> Speaks {
        match self {
            Contender::Broker(peer) => peer.kind.speaks,
            Contender::Relay { .. } => Speaks::Text,
        }
    }

    /// Its place among those who take part, if it does: those that the scenario names, in its order, or all that are not
    /// there for such scenarios only.
    pub(super) fn place_in(&self, scenario: &Scenario) -> Option<usize> {
        let place = match &scenario.who {
            Some(names) => names.iter().position(|name| name == self.name()),
            None => self.is_in_all().then_some(0),
        };
        place.filter(|_| self.can_do(&scenario.work))
    }

    fn is_in_all(&self) -> bool {
        let is_watched =
            matches!(self, Contender::Broker(peer) if peer.kind.looked_at == LookedAt::EachSecond);
        !is_watched && !matches!(self.speaks(), Speaks::MqttWs | Speaks::Forms(..))
    }

    /// Whether there is such a thing in what it speaks.
    fn can_do(&self, work: &Work) -> bool {
        match (work, self.speaks()) {
            (_, Speaks::Mqtt) | (Work::Load { .. }, Speaks::MqttWs) => true,
            (Work::Load { qos, .. }, _) => *qos == 0,
            (Work::Idle(Idle { filters, session, .. }), Speaks::Framed(_) | Speaks::Forms(..)) => {
                *filters == 1 && *session == Session::Ends
            }
            (Work::Visits { .. }, Speaks::Framed(_)) => true,
            // Whoever subscribes in lines is not answered, and nobody comes back over the web as over MQTT.
            (Work::Idle(_) | Work::Visits { .. } | Work::Resume { .. }, _) => false,
        }
    }

    /// A failure is recorded and the others go on.
    pub(super) fn take_turn(&self, work: &Work, version: Version, directory: &Path) -> Outcome {
        let outcome = match self {
            Contender::Broker(peer) => take_turn(peer, work, version, directory),
            Contender::Relay { program } => relay(program, work),
        };
        outcome.unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")))
    }
}

fn take_turn(peer: &Peer, work: &Work, version: Version, directory: &Path) -> anyhow::Result<Outcome> {
    let running = peer.start(directory, work.tuning())?;
    let speaks = peer.kind.speaks;
    let watchers = match peer.kind.looked_at {
        LookedAt::Never => None,
        LookedAt::EachSecond => Some(Watchers::start(running.address)?),
    };
    let outcome = match work {
        Work::Load { load, qos, unacked, .. } => {
            let protocol = speaks.protocol(version, *qos, *unacked, load.pace)?;
            let load = Load { protocol, ..load.clone() };
            let report = measure::run(&load, &Target::Remote(running.address))?;
            Outcome::Load(Box::new(report))
        }
        Work::Idle(idle) => Outcome::Idle(arrivals::idle(*idle, speaks, version, &running)?),
        Work::Visits { time } => Outcome::Visits(arrivals::visits(*time, speaks, version, &running)?),
        Work::Resume { waiting, time } => {
            Outcome::Resume(resume::run(*waiting, *time, version, running.address)?)
        }
    };
    watchers.map_or(Ok(()), Watchers::finish)?;
    Ok(outcome)
}

fn relay(program: &Path, work: &Work) -> anyhow::Result<Outcome> {
    let Work::Load { load, relay_threads, .. } = work else {
        anyhow::bail!("the relay only relays");
    };
    let target = Target::Relay { program: program.to_path_buf(), threads: *relay_threads };
    Ok(Outcome::Load(Box::new(measure::run(load, &target)?)))
}

pub(super) const RELAY: &str = "relay";
