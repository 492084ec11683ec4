//! `sim`: runs seeds of the simulator and says what it found.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use sim::{Keep, Outcome, Reached, Report};

/// Runs real shards and front ends under a seeded scheduler, in virtual time
#[derive(Debug, Parser)]
struct Args {
    /// Run this seed and say what came of it
    #[arg(long)]
    seed: Option<u64>,
    /// Print every event of the seed
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Run so many seeds
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them [default: the clock]
    #[arg(long)]
    from: Option<u64>,
    /// Plant each known bug in turn and look for it
    #[cfg(feature = "planted")]
    #[arg(long)]
    planted: bool,
}

/// Failing seeds that are shown with all that is known of them.
const FAILURES_SHOWN: usize = 5;
/// Broken promises that are shown of one seed.
const VIOLATIONS_SHOWN: usize = 8;

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let mut out = io::stdout().lock();
    #[cfg(feature = "planted")]
    if args.planted {
        return hunt(&mut out, &args);
    }
    if let Some(seed) = args.seed {
        let keep = if args.trace { Keep::All } else { Keep::Last };
        let outcome = sim::run(seed, keep);
        if args.trace {
            outcome.trace.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        }
        show(&mut out, &outcome)?;
        return Ok(code(outcome.violations.len()));
    }
    // Any number will do: it is printed, and the same number gives the same worlds.
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let from = args.from.unwrap_or(clock * 1_000_000);
    let begin = Instant::now();
    let Report { failed, shares } = sim::run_many(from, args.seeds);
    for outcome in failed.iter().take(FAILURES_SHOWN) {
        show(&mut out, outcome)?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    writeln!(out, "{} seeds from {from} in {seconds:.1} s: {} failed", args.seeds, failed.len())?;
    let percent = |reached: &Reached| {
        let worlds = shares.get(reached).copied().unwrap_or(0);
        format!("{reached:?} {:.1} %", worlds as f64 * 100.0 / args.seeds as f64)
    };
    let shown: Vec<String> = Reached::ALL.iter().map(percent).collect();
    writeln!(out, "reached by so many of them: {}", shown.join(", "))?;
    if failed.len() > FAILURES_SHOWN {
        let seeds: Vec<String> = failed.iter().map(|outcome| outcome.seed.to_string()).collect();
        writeln!(out, "failed: {}", seeds.join(" "))?;
    }
    Ok(code(failed.len()))
}

fn show(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    let Outcome { seed, trace_hash, events, messages, reached: _, violations, trace } = outcome;
    writeln!(out, "seed {seed}: {messages} messages, {events} events, trace {trace_hash:016x}")?;
    if violations.is_empty() {
        return Ok(());
    }
    for (checker, what) in violations.iter().take(VIOLATIONS_SHOWN) {
        writeln!(out, "  {checker}: {what}")?;
    }
    if violations.len() > VIOLATIONS_SHOWN {
        writeln!(out, "  and {} more", violations.len() - VIOLATIONS_SHOWN)?;
    }
    writeln!(out, "  the last events (time, event, client or station, amount):")?;
    for line in trace.iter().rev().take(12).rev() {
        writeln!(out, "    {line}")?;
    }
    writeln!(out, "  again: cargo run --release -p sim -- --seed {seed} --trace")
}

#[cfg(feature = "planted")]
fn hunt(out: &mut impl Write, args: &Args) -> io::Result<ExitCode> {
    let caught = sim::planted::hunt(args.from.unwrap_or(1), args.seeds);
    writeln!(out, "{:<22} {:>6}  found by", "bug", "seed")?;
    for one in &caught {
        let bug = format!("{:?}", one.bug);
        match &one.by {
            Some((seed, checkers)) => writeln!(out, "{bug:<22} {seed:>6}  {}", checkers.join(", "))?,
            None => writeln!(out, "{bug:<22} {:>6}  nothing within {} seeds", "-", args.seeds)?,
        }
    }
    Ok(code(caught.iter().filter(|one| one.by.is_none()).count()))
}

fn code(failures: usize) -> ExitCode {
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
