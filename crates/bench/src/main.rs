//! `bench`: measurements of a broker that are no part of the binary that is shipped.
//!
//! It knows the broker only as a process with a port: nothing here looks into it.

mod hostile;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Hostile(args) => hostile::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        // Where standard error is gone there is nobody to tell.
        writeln!(io::stderr(), "bench: {error:#}").ok();
        ExitCode::FAILURE
    })
}
