//! `tidings`: one binary for the server, the client and the measurements.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs and frees are made on one shard and given back on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(name = "tidings", version, about = "A publish/subscribe broker: one binary, one port, any client")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker
    Server(server::config::ServerArgs),
}

fn main() -> ExitCode {
    let Command::Server(args) = Cli::parse().command;
    serve(args)
}

#[expect(clippy::print_stderr, reason = "the one line that says why the server did not start")]
fn serve(args: server::config::ServerArgs) -> ExitCode {
    let settings = match server::config::load(&args) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("tidings: {error}");
            return ExitCode::from(2);
        }
    };
    let reload = Box::new(move || server::config::load(&args));
    match server::serve(settings, reload) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tidings: {error}");
            ExitCode::FAILURE
        }
    }
}
