//! What a server makes of files, variables and options, as an operator would write them.

mod cuts;
mod errors;
mod pages;
mod precedence;
mod round_trip;
mod sources;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use clap::{CommandFactory, Parser};

use super::{ConfigError, Key, ServerArgs, Settings, load_from};

#[derive(Parser)]
#[command(no_binary_name = true)]
struct Line {
    #[command(flatten)]
    server: ServerArgs,
}

/// What a server that was started with these words makes of these variables, one `NAME=value` each.
fn start<W: Into<OsString> + Clone>(
    words: impl IntoIterator<Item = W>,
    variables: &[&str],
) -> Result<Settings, ConfigError> {
    let line = Line::try_parse_from(words).unwrap();
    let variables = variables.iter().map(|variable| variable.split_once('=').unwrap());
    load_from(&line.server, variables.map(|(name, value)| (name.into(), value.into())))
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace()
}

fn addresses(settings: &Settings) -> Vec<String> {
    settings.listeners.iter().map(|listener| listener.addr.to_string()).collect()
}

/// A real file that goes away with the test.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(contents: impl AsRef<[u8]>) -> Self {
        static FILES: AtomicU32 = AtomicU32::new(0);
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tidings-{}-{number}.toml", std::process::id()));
        std::fs::write(&path, contents).unwrap();
        Self(path)
    }

    fn load(&self) -> Result<Settings, ConfigError> {
        start([OsString::from("--config"), self.0.clone().into()], &[])
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

#[test]
fn the_help_names_every_option_with_its_variable() {
    Line::command().debug_assert();
    let help = Line::command().term_width(400).render_help().to_string();
    for key in Key::ALL {
        assert!(help.contains(&format!("[env: {}]", key.variable())), "{key:?}");
        assert!(help.contains(&key.option()), "{key:?}");
    }
}
