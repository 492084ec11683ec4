//! `bench limit`: what the kernel alone and a bare relay reach under a load, to judge a broker's figures by.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::Args;
use cli::bench::{Gaps, LoadArgs, Target, measure};

use crate::kernel;

#[derive(Debug, Args)]
pub(crate) struct LimitArgs {
    #[command(flatten)]
    load: LoadArgs,
    /// Threads of the bare relay
    #[arg(long, default_value = "1", value_name = "N")]
    threads_relay: NonZeroUsize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Prints both references. Fails with exit code 1 if any delivery was wrong.
pub(crate) fn run(args: &LimitArgs) -> anyhow::Result<ExitCode> {
    let load = args.load.check()?;
    let relay = Target::Relay { program: std::env::current_exe()?, threads: args.threads_relay };
    let relay = measure::run(&load, &relay)?;
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
