//! What packagers want and the command line knows already: completions for shells.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;

/// Print the completions of a shell
///
/// For bash: tidings completions bash > /usr/share/bash-completion/completions/tidings
#[derive(Debug, Clone, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Prints completions for `command`.
///
/// # Errors
/// If standard output takes nothing; a reader that has gone is none.
pub(crate) fn completions(args: &CompletionsArgs, mut command: Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    match io::stdout().lock().write_all(&script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("print the completions")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
