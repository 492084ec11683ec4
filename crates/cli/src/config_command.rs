//! `tidings config`: looks at a configuration without starting a server.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use server::config::{self, ConfigError, ServerArgs, Settings};

/// Check or print the configuration of a server.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say whether `tidings server` with the same options would start.
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
    let text = match &args.command {
        ConfigCommand::Check(server) => config::load(server).map(|settings| summary(&settings)),
        ConfigCommand::Print(print) if print.defaults => Ok(config::defaults_toml()),
        ConfigCommand::Print(print) => config::load(&print.server).map(|settings| config::print(&settings)),
    };
    match text {
        Ok(text) => written(&text),
        Err(error) => refused(&error),
    }
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

fn written(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // Who reads only the first lines (`| head`) has what they wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn refused(error: &ConfigError) -> ExitCode {
    // Without a stderr there is nobody to tell; the exit code still does.
    drop(writeln!(io::stderr(), "{error}"));
    ExitCode::from(2)
}
