//! How many connections this process and its children may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Allows this process and its children all the files that they may have, and says how many connections that makes.
pub(crate) fn raise() -> anyhow::Result<usize> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let files = limit.maximum.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    Ok(files.saturating_sub(FILES_OWN))
}

/// Logs, pipes, probes, and brokers whose memory is still looked at.
const FILES_OWN: usize = 500;
