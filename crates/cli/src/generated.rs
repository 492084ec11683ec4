//! What packagers want and the command line knows already: completions for shells, pages for man.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

/// Print the completions of a shell
///
/// For bash: tidings completions bash > /usr/share/bash-completion/completions/tidings
#[derive(Debug, Clone, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Write the manual pages: tidings.1, tidings-pub.1 and so on
#[derive(Debug, Clone, Args)]
pub(crate) struct ManArgs {
    /// Directory to write them to; it is made if it does not exist
    #[arg(value_name = "DIR")]
    directory: PathBuf,
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

/// Writes a page for `command` and for each command in it.
///
/// # Errors
/// If one cannot be written.
pub(crate) fn man(args: &ManArgs, mut command: Command) -> anyhow::Result<ExitCode> {
    fs::create_dir_all(&args.directory)
        .with_context(|| format!("make the directory {}", args.directory.display()))?;
    // Each is to know its whole name.
    command.build();
    let name = command.get_name().to_owned();
    write_pages(&args.directory, &name, &command)?;
    Ok(ExitCode::SUCCESS)
}

fn write_pages(directory: &Path, name: &str, command: &Command) -> anyhow::Result<()> {
    let path = directory.join(format!("{name}.1"));
    let mut page = Vec::new();
    Man::new(command.clone())
        .title(name.to_uppercase())
        .source(concat!("tidings ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)
        .with_context(|| format!("make the page {name}"))?;
    fs::write(&path, page).with_context(|| format!("write {}", path.display()))?;
    let inner = command.get_subcommands().filter(|inner| inner.get_name() != "help" && !inner.is_hide_set());
    for inner in inner {
        write_pages(directory, &format!("{name}-{}", inner.get_name()), inner)?;
    }
    Ok(())
}
