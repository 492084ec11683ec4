//! A broker whose binary is here, and one that runs.

use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::kinds::{KINDS, Kind};

/// A broker whose binary is here.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) kind: &'static Kind,
    binary: PathBuf,
    /// Arguments beside those of its kind.
    further: Vec<String>,
}

/// What a broker is configured for, where it cannot be for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tuning {
    Throughput,
    Latency,
}

/// A broker that runs; killed when dropped.
#[derive(Debug)]
pub(super) struct RunningPeer {
    process: Child,
    directory: PathBuf,
    pub(super) address: SocketAddr,
}

impl Peer {
    pub(super) fn new(kind: &'static Kind, binary: PathBuf, further: Vec<String>) -> Peer {
        Peer { kind, binary, further }
    }

    /// All whose binaries are given by their variables, or are where programs usually are.
    ///
    /// # Errors
    /// If a variable names what does not exist.
    pub(super) fn find_all() -> anyhow::Result<Vec<Peer>> {
        let path = env::var_os("PATH").unwrap_or_default();
        let places: Vec<PathBuf> = env::split_paths(&path).chain(PLACES.map(PathBuf::from)).collect();
        let mut found = Vec::with_capacity(KINDS.len());
        for kind in KINDS {
            let given = env::var_os(kind.variable).map(PathBuf::from);
            if let Some(path) = &given {
                ensure!(path.exists(), "{}: there is no {}", kind.variable, path.display());
            }
            let mut usual = places.iter().map(|place| place.join(kind.program));
            if let Some(binary) = given.or_else(|| usual.find(|path| path.is_file())) {
                // It is started in another directory.
                found.push(Peer::new(kind, std::path::absolute(binary)?, Vec::new()));
            }
        }
        Ok(found)
    }

    /// What it says of itself.
    pub(super) fn version(&self) -> String {
        let said = version(&self.binary, self.kind.version_flag);
        said.unwrap_or_else(|| format!("{}, of unknown version", self.kind.name))
    }

    /// Starts it with its configuration in a new directory within `directory`, and waits until it takes connections.
    ///
    /// # Errors
    /// If it ends, or takes none within ten seconds.
    pub(super) fn start(&self, directory: &Path, tuning: Tuning) -> anyhow::Result<RunningPeer> {
        let directory = directory.join(self.kind.name);
        fs::create_dir_all(&directory).with_context(|| format!("creating {}", directory.display()))?;
        let port = free_port()?;
        let config = directory.join(self.kind.config_name);
        let further = match tuning {
            Tuning::Throughput => "",
            Tuning::Latency => self.kind.paced,
        };
        fs::write(&config, self.kind.config.replace("PORT", &port.to_string()) + further)?;
        let log = directory.join("log");
        let mut command = Command::new(&self.binary);
        for argument in self.kind.arguments {
            match *argument {
                "PORT" => command.arg(port.to_string()),
                "CONFIG" => command.arg(&config),
                other => command.arg(other),
            };
        }
        command.args(&self.further).current_dir(&directory);
        // A developer's own settings must not shape a measurement.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TIDINGS_")) {
            command.env_remove(name);
        }
        command
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        let process = command.spawn().with_context(|| format!("starting {}", self.binary.display()))?;
        let mut running = RunningPeer { process, directory, address: (Ipv4Addr::LOCALHOST, port).into() };
        running.wait_until_it_listens().with_context(|| self.kind.name)?;
        Ok(running)
    }
}

impl RunningPeer {
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn resident_bytes(&self) -> Option<u64> {
        cli::bench::resident_bytes(self.process.id())
    }

    fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIME_MAX;
        while TcpStream::connect(self.address).is_err() {
            let ended = self.process.try_wait()?;
            ensure!(
                ended.is_none() && Instant::now() < deadline,
                "it does not listen: {}",
                self.last_words()
            );
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(LAST_WORDS).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

impl Drop for RunningPeer {
    fn drop(&mut self) {
        // Nothing is left to measure; one that is gone already is what is wanted.
        self.process.kill().ok();
        self.process.wait().ok();
        fs::remove_dir_all(&self.directory).ok();
    }
}

/// The first line that a program prints for a flag.
fn version(binary: &Path, flag: &str) -> Option<String> {
    let output = Command::new(binary).arg(flag).stdin(Stdio::null()).output().ok()?;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

/// One that nobody listens on now; somebody else may be faster, and then the broker says so.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Where servers are that are not on every user's path.
const PLACES: [&str; 2] = ["/usr/local/sbin", "/usr/sbin"];
const START_TIME_MAX: Duration = Duration::from_secs(10);
const LAST_WORDS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::kinds::TIDINGS;

    #[test]
    fn one_that_ends_says_why() {
        const KIND: Kind = Kind { arguments: &["--no-such-option"], ..TIDINGS };
        let directory = env::temp_dir().join(format!("bench-peer-test-{}", std::process::id()));
        let error = Peer::new(&KIND, "/bin/cat".into(), Vec::new())
            .start(&directory, Tuning::Throughput)
            .unwrap_err();
        fs::remove_dir_all(&directory).unwrap();
        assert!(format!("{error:#}").contains("no-such-option"), "{error:#}");
    }
}
