//! `bench peers`: brokers side by side, each over its own protocol, put through the same by the same generator.
//!
//! In every round each broker has one turn, with a process of its own that is killed afterwards; so a machine that slows
//! down slows all of them. The relay and our own text protocol take turns as well, to tell what a protocol costs.

mod arrivals;
mod contender;
mod kinds;
mod peer;
mod resume;
mod scenario;
mod table;
mod watchers;

use std::fs;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use cli::bench::{Gaps, Load, Pace, Version};
use serde::Serialize;

use crate::machine::Machine;
use crate::outcome::{Figure, Outcome};
use crate::{interrupt, open_files, programs};
use contender::{Contender, RELAY};
use kinds::{KINDS, Kind, TIDINGS, TIDINGS_FORMS, TIDINGS_TEXT};
use peer::Peer;
use scenario::{Scenario, Work};

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
    /// Run only these beside tidings [default: tidings-text, relay and all whose binaries are found]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    peers: Vec<String>,
    /// Tidings' binary [default: `tidings` beside this program]
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Shards of tidings
    #[arg(long, value_name = "N")]
    shards: Option<NonZeroUsize>,
    /// How long the generator waits before it reads in closed loops; the best of each broker's medians counts
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

/// The turns of all contenders that take part in one scenario, one a round. The first is ours, and what the others are
/// compared to.
#[derive(Debug, Serialize)]
struct Compared {
    scenario: String,
    figures: &'static [Figure],
    /// Of each contender, by how long the generator waited.
    contenders: Vec<Vec<Turns>>,
}

/// A contender's turns with the generator waiting so long before it reads.
#[derive(Debug, Serialize)]
struct Turns {
    name: &'static str,
    linger_us: u32,
    turns: Vec<Outcome>,
}

#[derive(Debug, Serialize)]
struct Results {
    machine: Machine,
    rounds: usize,
    seconds: f64,
    /// What each broker says of itself.
    versions: Vec<String>,
    /// Brokers that are known but not here.
    missing: Vec<&'static str>,
    scenarios: Vec<Compared>,
}

/// Prints a table and writes the results files. Fails if tidings delivered wrongly or anybody could not be run; what
/// others lose or mix up is a result.
pub(crate) fn run(args: &PeersArgs) -> anyhow::Result<ExitCode> {
    ensure!(args.rounds > 0 && !args.linger_us.is_empty(), "no rounds, no results");
    open_files::raise()?;
    let measured = Duration::try_from_secs_f64(args.seconds)?;
    let version = if args.v5 { Version::V5 } else { Version::V311 };
    let scenarios = scenario::read(&args.scenarios, args.only.as_deref(), measured)?;
    let binary = std::path::absolute(programs::broker(args.server.as_deref())?)?;
    let found = Peer::find_all()?;
    let is_here = |name| found.iter().any(|peer| peer.kind.name == name);
    let missing: Vec<_> = KINDS.iter().map(|kind| kind.name).filter(|name| !is_here(*name)).collect();
    let contenders = chosen(&binary, args.shards, found, &args.peers)?;
    let versions = versions(&contenders);
    if !missing.is_empty() {
        writeln!(io::stderr(), "not here: {}", missing.join(", "))?;
    }

    let machine = Machine::look();
    let out = args.out.clone().unwrap_or_else(|| default_path(&machine));
    let directory = std::env::temp_dir().join(format!("bench-peers-{}", process::id()));
    interrupt::end_children_on_signals(directory.clone())?;
    let (rounds, seconds) = (args.rounds, args.seconds);
    let mut results = Results { machine, rounds, seconds, versions, missing, scenarios: Vec::new() };
    for scenario in &scenarios {
        results.scenarios.push(compare(scenario, version, &contenders, args, &directory)?);
        // All of them take hours: what is there is kept, should something end this.
        record(&results, &out)?;
    }
    // Each broker has removed its own; this is empty, or was never made.
    fs::remove_dir(&directory).ok();
    let mut stdout = io::stdout().lock();
    table::write(&results, &mut stdout)?;
    writeln!(stdout, "\nrecorded in {} and beside it in .json", out.display())?;
    let clean = results.scenarios.iter().all(Compared::is_right);
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ours and those that are named, or all if none is.
fn chosen(
    tidings: &Path,
    shards: Option<NonZeroUsize>,
    found: Vec<Peer>,
    names: &[String],
) -> anyhow::Result<Vec<Contender>> {
    let own = |kind: &'static Kind| {
        let shards = shards.iter().flat_map(|shards| ["--shards".to_owned(), shards.to_string()]);
        Contender::Broker(Peer::new(kind, tidings.to_path_buf(), shards.collect()))
    };
    let relay = Contender::Relay { program: std::env::current_exe()? };
    let mut others = vec![own(&TIDINGS_TEXT), relay];
    others.extend(found.into_iter().map(Contender::Broker));
    for name in names {
        if others.iter().any(|other| other.name() == name) {
            continue;
        }
        let kind = KINDS.iter().find(|kind| kind.name == name).with_context(|| {
            let all: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            format!("no peer is called {name}; there are {}, {RELAY}, {}", TIDINGS_TEXT.name, all.join(", "))
        })?;
        anyhow::bail!("{name} is not here: set {} to the path of its binary", kind.variable);
    }
    others.retain(|other| names.is_empty() || names.iter().any(|name| name == other.name()));
    others.extend(TIDINGS_FORMS.iter().map(own));
    others.insert(0, own(&TIDINGS));
    Ok(others)
}

/// What the programs say of themselves, each once.
fn versions(contenders: &[Contender]) -> Vec<String> {
    let mut versions = Vec::new();
    for contender in contenders {
        let Contender::Broker(peer) = contender else { continue };
        let version = peer.version();
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    versions
}

fn compare(
    scenario: &Scenario,
    version: Version,
    contenders: &[Contender],
    args: &PeersArgs,
    directory: &Path,
) -> anyhow::Result<Compared> {
    let Scenario { name, work, .. } = scenario;
    let lingers = lingers(work, &args.linger_us);
    let turns = |name, linger_us| Turns { name, linger_us, turns: Vec::new() };
    let of_one = |one: &Contender| {
        let name = one.name();
        lingers.iter().map(|linger_us| turns(name, *linger_us)).collect()
    };
    let placed = contenders.iter().filter_map(|one| Some((one.place_in(scenario)?, one)));
    let mut placed: Vec<_> = placed.collect();
    placed.sort_by_key(|(place, _)| *place);
    let contenders: Vec<_> = placed.into_iter().map(|(_, one)| one).collect();
    let mut all: Vec<Vec<Turns>> = contenders.iter().map(|one| of_one(one)).collect();
    for round in 1..=args.rounds {
        for (contender, of_one) in contenders.iter().zip(&mut all) {
            for turns in of_one {
                let Turns { name: who, linger_us, turns } = turns;
                writeln!(io::stderr(), "{name}: {who}, {linger_us} µs, round {round} of {}", args.rounds)?;
                turns.push(contender.take_turn(&lingering(work, *linger_us), version, directory));
            }
        }
    }
    Ok(Compared { scenario: name.clone(), figures: work.figures(), contenders: all })
}

/// How long the generator waits before it reads: what it is to find the best of, or not at all where that would be part
/// of the figure.
fn lingers<'a>(work: &Work, closed_loop: &'a [u32]) -> &'a [u32] {
    match work {
        Work::Load { load: Load { pace: Pace::Window(_), .. }, unacked: None, .. } => closed_loop,
        _ => &[0],
    }
}

fn lingering(work: &Work, linger_us: u32) -> Work {
    let mut work = work.clone();
    if let Work::Load { load, .. } = &mut work {
        load.linger = Duration::from_micros(u64::from(linger_us));
    }
    work
}

impl Compared {
    /// Whether ours was right, and nobody failed.
    fn is_right(&self) -> bool {
        let own = self.contenders.iter().take(1).flatten().flat_map(|one| &one.turns);
        let own_is_right = |turn: &Outcome| turn.report().is_none_or(|report| report.is_clean(Gaps::Fail));
        let mut all = self.contenders.iter().flatten().flat_map(|one| &one.turns);
        own.into_iter().all(own_is_right) && all.all(|turn| !matches!(turn, Outcome::Failed(_)))
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
        .with_context(|| format!("writing {}", all.display()))
}

fn default_path(machine: &Machine) -> PathBuf {
    PathBuf::from("bench/results").join(format!("{}-{}-peers.md", machine.date, machine.commit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_is_not_here_is_said_to_be_missing() {
        let error = |name: &str| {
            let names = [name.to_owned()];
            chosen(Path::new("tidings"), None, Vec::new(), &names).unwrap_err().to_string()
        };
        assert!(error("rumqttd").contains("RUMQTTD"));
        assert!(error("hivemq").contains("mosquitto"));
    }
}
