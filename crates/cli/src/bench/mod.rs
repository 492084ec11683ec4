//! `tidings bench`: a load generator that checks every delivery.
//!
//! Publishers and subscribers share this process, so that what is confirmed and how long it took need no clock of the
//! other side. It speaks what the broker speaks, and measures from outside: it knows nothing of the broker's inside.
//! References to judge its figures by are in the crate `bench`, which measures with this one.

mod args;
mod check;
mod cpu;
mod fed;
mod forms;
mod framed;
mod frames;
mod head;
pub mod idle;
mod ledger;
pub mod measure;
mod mqtt;
mod outgoing;
mod pace;
mod payload;
mod probe;
mod progress;
mod protocol;
mod publisher;
mod receiver;
mod report;
mod sender;
mod target;
mod verify;
mod window;

use std::io::{self, Write};
use std::process::ExitCode;

pub use args::{BenchArgs, Load, LoadArgs, Pace};
use args::{BenchCommand, IdleArgs, RunArgs};
pub use cpu::{BothUse, CpuUse, CpuWatch, check_open_files, core_count, resident_bytes};
pub use fed::Fed;
pub use forms::{Forms, Heard, Published, subscriber_hello};
pub use framed::{Framing, Hello};
pub use mqtt::{Carrier, Mqtt};
pub use payload::{Layout, Stamp, delivered_prefix_bytes};
pub use protocol::Protocol;
pub use report::{Account, Gaps, Latency, RunReport, count};
use target::Dialect;
pub use target::{Role, Target};
pub use wire::mqtt::Version;

/// Runs what the arguments ask for. Fails with exit code 1 if any delivery was wrong.
///
/// # Errors
/// If it cannot be run to its end.
pub fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        None => run_load(&args.run),
        Some(BenchCommand::Idle(idle)) => run_idle(&idle),
    }
}

fn run_load(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let load = args.load.check()?;
    let load = Load { protocol: args.protocol.check(load.pace)?, ..load };
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

fn run_idle(args: &IdleArgs) -> anyhow::Result<ExitCode> {
    let report =
        idle::run(args.subs, args.proto.idle()?, &Target::broker(args.address.as_deref(), args.shards)?)?;
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
        Dialect::Mqtt(_) | Dialect::Framed(_) | Dialect::Forms(_) => payload::fixed_topic_name(topic),
    }
}
