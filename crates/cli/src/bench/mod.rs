//! `tidings bench`: a load generator that checks every delivery, and the references to judge its figures by.
//!
//! Publishers and subscribers share this process, so that what is confirmed and how long it took need no clock of the
//! other side. It speaks the text protocol only, and measures from outside: it knows nothing of the broker's inside.

mod args;
mod cpu;
mod fed;
pub mod idle;
mod kernel;
mod machine;
pub mod measure;
mod pace;
mod payload;
mod probe;
mod progress;
mod receiver;
mod relay;
mod relay_worker;
mod report;
mod scenario;
mod sender;
mod suite;
mod summary;
mod target;
mod verify;
mod window;

use std::io::{self, Write};
use std::process::ExitCode;

pub use args::{BenchArgs, Load, LoadArgs, Pace};
use args::{BenchCommand, IdleArgs, LimitArgs, RunArgs};
pub use cpu::{CpuUse, check_open_files, core_count};
pub use fed::Fed;
pub use payload::{Layout, Stamp, delivered_prefix_bytes};
pub use report::{Account, Gaps, Latency, RunReport, count};
use target::Dialect;
pub use target::{Role, Target};

/// Runs what the arguments ask for. Fails with exit code 1 if any delivery was wrong.
///
/// # Errors
/// If it cannot be run to its end.
pub fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        None => run_load(&args.run),
        Some(BenchCommand::Limit(limit)) => run_limit(&limit),
        Some(BenchCommand::Idle(idle)) => run_idle(&idle),
        Some(BenchCommand::Suite(suite)) => suite::run(&suite),
        Some(BenchCommand::Relay(relay)) => relay::run(relay.threads),
    }
}

fn run_load(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let load = args.load.check()?;
    let target = Target::broker(args.address.as_deref(), args.shards)?;
    let report = measure::run(&load, &target)?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        report.write(&mut out)?;
    }
    Ok(report.exit_code(if args.allow_gaps { Gaps::Allowed } else { Gaps::Fail }))
}

fn run_limit(args: &LimitArgs) -> anyhow::Result<ExitCode> {
    let load = args.load.check()?;
    let relay = measure::run(&load, &Target::relay(args.threads_relay)?)?;
    let kernel = kernel::run(&load)?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::json!({ "relay": relay, "kernel": kernel }))?;
    } else {
        relay.write(&mut out)?;
        kernel.write(&mut out)?;
    }
    let clean = relay.account.is_clean(Gaps::Fail) && kernel.account.is_clean(Gaps::Fail);
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_idle(args: &IdleArgs) -> anyhow::Result<ExitCode> {
    let report = idle::run(args.subs, &Target::broker(args.address.as_deref(), args.shards)?)?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        report.write(&mut out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a topic is called; the relay knows topics by number only.
fn topic_name(dialect: Dialect, topic: usize) -> String {
    match dialect {
        Dialect::Broker => format!("b{topic}"),
        Dialect::Relay => topic.to_string(),
    }
}
