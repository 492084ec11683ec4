//! `bench`: measurements of a broker that are no part of the binary that is shipped.
//!
//! It knows the broker only as a process with a port: nothing here looks into it. The load and its verification are
//! those of `tidings bench`.

mod hostile;
mod interrupt;
mod kernel;
mod limit;
mod machine;
mod open_files;
mod outcome;
mod packets;
mod peers;
mod programs;
mod relay;
mod relay_worker;
mod scenario;
mod suite;
mod summary;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The generator and the relay measure with the allocator of the broker.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(name = "bench", about = "Measure a broker from outside")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Attack a broker and measure what an unrelated publisher and subscriber notice, and its memory
    Hostile(hostile::HostileArgs),
    /// Measure what the kernel alone and a bare relay reach under a load
    Limit(limit::LimitArgs),
    /// Run brokers side by side, in interleaved rounds, and record the results
    Peers(peers::PeersArgs),
    /// Run the scenarios of a file in interleaved rounds and record the results
    Suite(suite::SuiteArgs),
    /// The bare relay that `limit` and `suite` measure against
    #[command(hide = true)]
    Relay(relay::RelayArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Hostile(args) => hostile::run(&args),
        Command::Limit(args) => limit::run(&args),
        Command::Peers(args) => peers::run(&args),
        Command::Suite(args) => suite::run(&args),
        Command::Relay(args) => relay::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        // Where standard error is gone there is nobody to tell.
        writeln!(io::stderr(), "bench: {error:#}").ok();
        ExitCode::FAILURE
    })
}
