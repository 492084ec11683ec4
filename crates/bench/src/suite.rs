//! Runs scenarios in interleaved rounds, so that a machine that slows down slows all contenders, and records the results.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use cli::bench::{Protocol, idle, measure};
use serde::Serialize;

use crate::kernel;
use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::programs::Programs;
use crate::scenario::{self, Contender, Scenario, Work};
use crate::summary::{Summary, write_table};

#[derive(Debug, Args)]
pub(crate) struct SuiteArgs {
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds measured per run
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Run only the scenarios whose name contains this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Where the results go [default: bench/results/DATE-COMMIT.json]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[arg(long, default_value = "bench/scenarios.toml", value_name = "FILE")]
    scenarios: PathBuf,
}

#[derive(Debug, Serialize)]
struct Results {
    machine: Machine,
    rounds: usize,
    seconds: f64,
    scenarios: Vec<Summary>,
}

/// Prints a table and writes the results file. Fails if a run failed or delivered wrongly; a missed goal is a result.
pub(crate) fn run(args: &SuiteArgs) -> anyhow::Result<ExitCode> {
    ensure!(args.rounds > 0, "no rounds, no results");
    let scenarios = scenario::read(&args.scenarios, args.only.as_deref())?;
    let machine = Machine::look();
    let out = args.out.clone().unwrap_or_else(|| default_path(&machine));
    let programs = Programs::find()?;
    let measured = Duration::try_from_secs_f64(args.seconds)?;
    let mut summaries = Vec::with_capacity(scenarios.len());
    for scenario in &scenarios {
        summaries.push(run_scenario(scenario, &programs, args.rounds, measured)?);
    }
    let results = Results { machine, rounds: args.rounds, seconds: args.seconds, scenarios: summaries };

    if let Some(directory) = out.parent() {
        fs::create_dir_all(directory).with_context(|| format!("creating {}", directory.display()))?;
    }
    let text = serde_json::to_string_pretty(&results)?;
    fs::write(&out, text + "\n").with_context(|| format!("writing {}", out.display()))?;
    let mut stdout = io::stdout().lock();
    write_table(&results.scenarios, &mut stdout)?;
    writeln!(stdout, "\nrecorded in {}", out.display())?;
    let clean = results.scenarios.iter().all(Summary::is_clean);
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_scenario(
    scenario: &Scenario,
    programs: &Programs,
    rounds: usize,
    measured: Duration,
) -> anyhow::Result<Summary> {
    let contenders = scenario.contenders(measured, programs)?;
    let mut outcomes: Vec<Vec<Outcome>> = contenders.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for round in 1..=rounds {
        for (contender, outcomes) in contenders.iter().zip(&mut outcomes) {
            writeln!(io::stderr(), "{}: {}, round {round} of {rounds}", scenario.name(), contender.name)?;
            outcomes.push(run_contender(contender));
        }
    }
    let named = contenders.into_iter().map(|contender| contender.name).zip(outcomes);
    Ok(Summary::new(scenario.name(), &scenario.goals(), named))
}

/// A failure is recorded and the suite goes on: the other figures are still worth having.
fn run_contender(contender: &Contender) -> Outcome {
    let result = match &contender.work {
        Work::Load { load, target } => {
            measure::run(load, target).map(|report| Outcome::Load(Box::new(report)))
        }
        Work::Kernel { load } => kernel::run(load).map(|report| Outcome::Load(Box::new(report))),
        Work::Idle { subs, target } => idle::run(*subs, Protocol::Text, target).map(Outcome::Idle),
    };
    result.unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")))
}

fn default_path(machine: &Machine) -> PathBuf {
    PathBuf::from("bench/results").join(format!("{}-{}.json", machine.date, machine.commit))
}
