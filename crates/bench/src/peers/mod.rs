//! `bench peers`: MQTT brokers side by side, under the same loads from the same generator.
//!
//! In every round each broker has one turn, with a process of its own that is killed afterwards; so a machine that slows
//! down slows all of them.

mod peer;
mod table;

use std::fs;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use cli::bench::{Gaps, Load, Protocol, RunReport, Target, Version, measure};
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::scenario::Shape;
use crate::{interrupt, open_files, programs};
use peer::{KINDS, Peer};

#[derive(Debug, Args)]
pub(crate) struct PeersArgs {
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds measured per run
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Run only the scenarios whose name contains this, for example "QoS 1" or "pairs"
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Run only these beside tidings [default: all whose binaries are found]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    peers: Vec<String>,
    /// Tidings' binary [default: `tidings` beside this program]
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Shards of tidings
    #[arg(long, value_name = "N")]
    shards: Option<NonZeroUsize>,
    /// How long the generator waits before it reads; the best of each broker's medians counts
    #[arg(long, default_value = "0,50,1000", value_name = "MICROSECONDS", value_delimiter = ',')]
    linger_us: Vec<u32>,
    /// Speak MQTT 5.0 instead of 3.1.1
    #[arg(long)]
    v5: bool,
    /// Where the results go, a table in .md and all of it in .json [default: bench/results/DATE-COMMIT-peers.md]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[arg(long, default_value = "bench/peers.toml", value_name = "FILE")]
    scenarios: PathBuf,
}

/// A load for all of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    qos: u8,
    load: Shape,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scenario: Vec<Scenario>,
}

/// Who takes turns. The first is ours, and what the others are compared to.
#[derive(Debug)]
enum Contender {
    Tidings(Target),
    Peer(Peer),
}

/// What one turn led to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Turn {
    Run(Box<RunReport>),
    /// It could not be run to its end.
    Failed(String),
}

/// The turns of all contenders in one scenario, one a round.
#[derive(Debug, Serialize)]
struct Compared {
    scenario: String,
    /// Of each contender, by how long the generator waited.
    contenders: Vec<Vec<Turns>>,
}

/// A contender's turns with the generator waiting so long before it reads.
#[derive(Debug, Serialize)]
struct Turns {
    name: String,
    linger_us: u32,
    turns: Vec<Turn>,
}

#[derive(Debug, Serialize)]
struct Results {
    machine: Machine,
    rounds: usize,
    seconds: f64,
    /// What each contender says of itself.
    versions: Vec<String>,
    scenarios: Vec<Compared>,
}

/// Prints a table and writes the results files. Fails if tidings delivered wrongly or anybody could not be run; what
/// others lose or mix up is a result.
pub(crate) fn run(args: &PeersArgs) -> anyhow::Result<ExitCode> {
    ensure!(args.rounds > 0 && !args.linger_us.is_empty(), "no rounds, no results");
    open_files::raise()?;
    let measured = Duration::try_from_secs_f64(args.seconds)?;
    let version = if args.v5 { Version::V5 } else { Version::V311 };
    let loads = loads(&args.scenarios, args.only.as_deref(), version, measured)?;
    let binary = programs::broker(args.server.as_deref())?;
    let peers = chosen(Peer::find_all()?, &args.peers)?;
    let versions = versions(&binary, &peers);
    let mut contenders = vec![Contender::Tidings(Target::OwnServer { program: binary, shards: args.shards })];
    contenders.extend(peers.into_iter().map(Contender::Peer));

    let machine = Machine::look();
    let out = args.out.clone().unwrap_or_else(|| default_path(&machine));
    let directory = std::env::temp_dir().join(format!("bench-peers-{}", process::id()));
    interrupt::end_children_on_signals(directory.clone())?;
    let mut scenarios = Vec::with_capacity(loads.len());
    for (name, load) in &loads {
        scenarios.push(compare(name, load, &contenders, args, &directory)?);
    }
    // Each broker has removed its own; this is empty, or was never made.
    fs::remove_dir(&directory).ok();
    let results = Results { machine, rounds: args.rounds, seconds: args.seconds, versions, scenarios };
    record(&results, &out)?;
    let clean = results.scenarios.iter().all(Compared::is_right);
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The scenarios of a file whose name, with the QoS, contains `only`.
fn loads(
    path: &Path,
    only: Option<&str>,
    version: Version,
    measured: Duration,
) -> anyhow::Result<Vec<(String, Load)>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let file: File = toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    let mut loads = Vec::with_capacity(file.scenario.len());
    for Scenario { name, qos, load } in file.scenario {
        let name = format!("{name}, QoS {qos}");
        let load = load.load(measured).with_context(|| format!("in scenario {name}"))?;
        let protocol = Protocol::mqtt(version, qos, None, load.pace)?;
        loads.push((name, Load { protocol, ..load }));
    }
    loads.retain(|(name, _)| only.is_none_or(|only| name.contains(only)));
    ensure!(!loads.is_empty(), "no scenario of {} is meant", path.display());
    Ok(loads)
}

fn chosen(mut found: Vec<Peer>, names: &[String]) -> anyhow::Result<Vec<Peer>> {
    for name in names {
        let kind = KINDS.iter().find(|kind| kind.name == name);
        let kind = kind.with_context(|| {
            let all: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            format!("no peer is called {name}; there are {}", all.join(", "))
        })?;
        let is_here = found.iter().any(|peer| peer.kind.name == kind.name);
        ensure!(is_here, "{name} is not here: set {} to the path of its binary", kind.variable);
    }
    found.retain(|peer| names.is_empty() || names.iter().any(|name| name == peer.kind.name));
    Ok(found)
}

fn versions(binary: &Path, peers: &[Peer]) -> Vec<String> {
    let said = |name: &str, version: Option<String>| {
        version.unwrap_or_else(|| format!("{name}, of unknown version"))
    };
    let own = said("tidings", peer::version(binary, "--version"));
    std::iter::once(own).chain(peers.iter().map(|peer| said(peer.kind.name, peer.version()))).collect()
}

fn compare(
    name: &str,
    load: &Load,
    contenders: &[Contender],
    args: &PeersArgs,
    directory: &Path,
) -> anyhow::Result<Compared> {
    let turns =
        |one: &Contender, linger_us| Turns { name: one.name().to_owned(), linger_us, turns: Vec::new() };
    let of_one = |one| args.linger_us.iter().map(move |linger_us| turns(one, *linger_us)).collect();
    let mut all: Vec<Vec<Turns>> = contenders.iter().map(of_one).collect();
    for round in 1..=args.rounds {
        for (contender, of_one) in contenders.iter().zip(&mut all) {
            for turns in of_one {
                let Turns { name: who, linger_us, turns } = turns;
                writeln!(io::stderr(), "{name}: {who}, {linger_us} µs, round {round} of {}", args.rounds)?;
                let linger = Duration::from_micros(u64::from(*linger_us));
                turns.push(contender.take_turn(&Load { linger, ..load.clone() }, directory));
            }
        }
    }
    Ok(Compared { scenario: name.to_owned(), contenders: all })
}

impl Contender {
    fn name(&self) -> &str {
        match self {
            Contender::Tidings(_) => "tidings",
            Contender::Peer(peer) => peer.kind.name,
        }
    }

    /// A failure is recorded and the others go on.
    fn take_turn(&self, load: &Load, directory: &Path) -> Turn {
        let report = match self {
            Contender::Tidings(target) => measure::run(load, target),
            Contender::Peer(peer) => {
                peer.start(directory).and_then(|running| measure::run(load, &Target::Remote(running.address)))
            }
        };
        report.map_or_else(|error| Turn::Failed(format!("{error:#}")), |report| Turn::Run(Box::new(report)))
    }
}

impl Compared {
    /// Whether ours was right, and nobody failed.
    fn is_right(&self) -> bool {
        let own = self.contenders.iter().take(1).flatten().flat_map(|one| &one.turns);
        let mut all = self.contenders.iter().flatten().flat_map(|one| &one.turns);
        own.into_iter().all(Turn::is_clean) && all.all(|turn| matches!(turn, Turn::Run(_)))
    }
}

impl Turn {
    fn is_clean(&self) -> bool {
        matches!(self, Turn::Run(report) if report.is_clean(Gaps::Fail))
    }

    fn deliveries(&self) -> Option<f64> {
        match self {
            Turn::Run(report) => Some(report.delivered_per_second),
            Turn::Failed(_) => None,
        }
    }
}

fn record(results: &Results, out: &Path) -> anyhow::Result<()> {
    if let Some(directory) = out.parent() {
        fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
    }
    let mut table = Vec::new();
    table::write(results, &mut table)?;
    fs::write(out, &table).with_context(|| format!("writing {}", out.display()))?;
    let all = out.with_extension("json");
    fs::write(&all, serde_json::to_string_pretty(results)? + "\n")
        .with_context(|| format!("writing {}", all.display()))?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(&table)?;
    writeln!(stdout, "\nrecorded in {} and {}", out.display(), all.display())?;
    Ok(())
}

fn default_path(machine: &Machine) -> PathBuf {
    PathBuf::from("bench/results").join(format!("{}-{}-peers.md", machine.date, machine.commit))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file in the repository can be run: every load in it passes the check.
    #[test]
    fn the_scenarios_of_the_repository_are_valid() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/peers.toml");
        let all = |only| loads(&path, only, Version::V311, Duration::from_secs(1));
        assert!(all(None).unwrap().len() > all(Some("QoS 1")).unwrap().len());
        assert!(all(Some("no such scenario")).is_err());
    }

    #[test]
    fn a_peer_that_is_not_here_is_said_to_be_missing() {
        let error = |name: &str| chosen(Vec::new(), &[name.to_owned()]).unwrap_err().to_string();
        assert!(error("rumqttd").contains("RUMQTTD"));
        assert!(error("hivemq").contains("mosquitto"));
    }
}
