//! The programs that are measured: the broker's binary beside this one, and this one itself as the relay.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use cli::bench::Target;

#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) broker: PathBuf,
    pub(crate) relay: PathBuf,
}

impl Programs {
    pub(crate) fn find() -> anyhow::Result<Programs> {
        Ok(Programs { broker: broker(None)?, relay: std::env::current_exe()? })
    }

    /// A broker of its own for a run.
    pub(crate) fn broker(&self, shards: Option<NonZeroUsize>) -> Target {
        Target::OwnServer { program: self.broker.clone(), shards }
    }

    /// A relay of its own for a run.
    pub(crate) fn relay(&self, threads: NonZeroUsize) -> Target {
        Target::Relay { program: self.relay.clone(), threads }
    }
}

/// The broker's binary: the one that is given, or the one that was built beside this program.
pub(crate) fn broker(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let binary = match given {
        Some(path) => path.to_path_buf(),
        None => std::env::current_exe()?.with_file_name("tidings"),
    };
    ensure!(
        binary.exists(),
        "there is no {}: build the broker first, with `cargo build --release`",
        binary.display()
    );
    Ok(binary)
}
