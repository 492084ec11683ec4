//! `tidings config`: looks at a configuration without starting a server.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use server::config::{self, ServerArgs, Settings};

use crate::printed::printed;

/// Check or print the configuration of a server.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say whether `tidings server` with the same options would start.
    ///
    /// Exit code 2: the configuration is wrong. 1: it is good, but an address cannot be listened on now,
    /// for example since the server runs already.
    Check(ServerArgs),
    /// Print the effective configuration as a file.
    Print(PrintArgs),
}

#[derive(Debug, Args)]
struct PrintArgs {
    /// Print every key with its default instead, commented out.
    #[arg(long, exclusive = true)]
    defaults: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Does what was asked for; 2 is the exit code of a configuration that a server would refuse.
pub(crate) fn run(args: &ConfigArgs) -> ExitCode {
    let outcome = match &args.command {
        ConfigCommand::Check(server) => config::load(server).map(|settings| check(&settings)),
        ConfigCommand::Print(print) if print.defaults => Ok(printed(&config::defaults_toml())),
        ConfigCommand::Print(print) => {
            config::load(&print.server).map(|settings| printed(&config::print(&settings)))
        }
    };
    outcome.unwrap_or_else(|error| {
        complain(&error);
        ExitCode::from(2)
    })
}

fn check(settings: &Settings) -> ExitCode {
    let exit_code = printed(&summary(settings));
    let unavailable = server::unavailable(settings);
    for error in &unavailable {
        complain(error);
    }
    if unavailable.is_empty() { exit_code } else { ExitCode::FAILURE }
}

fn summary(settings: &Settings) -> String {
    let listeners: Vec<_> = settings.listeners.iter().map(|listener| listener.addr.to_string()).collect();
    let shards = match settings.shards {
        1 => "1 shard".to_owned(),
        shards => format!("{shards} shards"),
    };
    let file = match &settings.config_file {
        Some(path) => path.display().to_string(),
        None => "no file".to_owned(),
    };
    format!("configuration is good: {} with {shards}, from {file}\n", listeners.join(" and "))
}

fn complain(error: &dyn Error) {
    // Without a stderr there is nobody to tell; the exit code still does.
    drop(writeln!(io::stderr(), "tidings: {error}"));
}
