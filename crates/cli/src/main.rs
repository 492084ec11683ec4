//! `tidings`: one binary for the server, the client and the measurements.

mod client;
mod config_command;
mod ending;
mod generated;
mod mqtt;
mod operate;
mod printed;
mod visible;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use cli::bench;

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
    #[command(after_help = server_help())]
    Server(Box<server::config::ServerArgs>),
    Pub(Box<mqtt::PubArgs>),
    Sub(Box<mqtt::SubArgs>),
    Req(Box<mqtt::ReqArgs>),
    /// Publish or subscribe from this terminal
    Client(Box<client::ClientArgs>),
    Top(Box<operate::TopArgs>),
    Status(Box<operate::StatusArgs>),
    Clients(Box<operate::ClientsArgs>),
    Topics(Box<operate::TopicsArgs>),
    Kick(Box<operate::KickArgs>),
    Check(Box<operate::CheckArgs>),
    /// Check or print the server's configuration
    Config(Box<config_command::ConfigArgs>),
    /// Measure a broker
    Bench(Box<bench::BenchArgs>),
    Completions(generated::CompletionsArgs),
    Man(generated::ManArgs),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Server(args) => serve(*args),
        Command::Pub(args) => mqtt::publish(&args),
        Command::Sub(args) => mqtt::subscribe(&args),
        Command::Req(args) => mqtt::request(&args),
        Command::Client(args) => finish(client::run(&args)),
        Command::Top(args) => operate::top(&args),
        Command::Status(args) => operate::status(&args),
        Command::Clients(args) => operate::clients(&args),
        Command::Topics(args) => operate::topics(&args),
        Command::Kick(args) => operate::kick(&args),
        Command::Check(args) => operate::check(&args),
        Command::Config(args) => config_command::run(&args),
        Command::Bench(args) => finish(bench::run(*args)),
        Command::Completions(args) => finish(generated::completions(&args, Cli::command())),
        Command::Man(args) => finish(generated::man(&args, Cli::command())),
    }
}

fn server_help() -> String {
    format!(
        "\
Sizes: 64KiB or 64K is 65536 bytes, 64KB is 64000; so with M and G.

At a terminal the server takes commands, in any letter case:
  {}

Signals:
  SIGTERM, SIGINT  deliver what is queued, tell every client, exit; a second one, half a second
                   later or more, stops at once
  SIGHUP           read the configuration again; takes over: {}
                   (the log names what needs a restart; a wrong configuration changes nothing)

Exit codes:
  0         ended as it was told to
  1         could not start or go on, for example with an address in use
  2         wrong option, variable or file
  130, 143  stopped at once by a second SIGINT or SIGTERM
  134       internal error (SIGABRT), said in one line",
        server::CONSOLE_COMMANDS.replace('\n', "\n  "),
        server::config::changed_at_once(),
    )
}

#[expect(clippy::print_stderr, reason = "the one line that says why a command failed")]
fn finish(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("tidings: {error:#}");
        ExitCode::FAILURE
    })
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
