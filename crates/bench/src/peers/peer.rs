//! The other brokers: where their binaries are, how they are configured, and one that runs.
//!
//! Each listens on a port of 127.0.0.1, takes anybody, keeps nothing on disk and logs next to nothing. Bounds that would
//! make it lose messages of a subscriber that reads, or wait for acknowledgements every few messages, are lifted: the
//! generator's window is what bounds all of them alike.

use std::env;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// A broker other than ours, and how it is started.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// The environment variable that tells where its binary is.
    pub(crate) variable: &'static str,
    /// Where it is otherwise.
    default: Option<&'static str>,
    /// What it listens on goes in place of `PORT`.
    config: &'static str,
    /// What the file is called: some go by the extension.
    config_name: &'static str,
    /// What stands before the path of its configuration.
    config_flag: &'static str,
    version_flag: &'static str,
}

/// A broker whose binary is here.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) kind: &'static Kind,
    binary: PathBuf,
}

/// A broker that runs; killed when dropped.
#[derive(Debug)]
pub(crate) struct RunningPeer {
    process: Child,
    directory: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Peer {
    /// All whose binaries are given by their variables, or are where they usually are.
    ///
    /// # Errors
    /// If a variable names what does not exist.
    pub(crate) fn find_all() -> anyhow::Result<Vec<Peer>> {
        let mut found = Vec::with_capacity(KINDS.len());
        for kind in KINDS {
            let given = env::var_os(kind.variable).map(PathBuf::from);
            let usual = kind.default.map(PathBuf::from).filter(|path| path.exists());
            if let Some(path) = &given {
                ensure!(path.exists(), "{}: there is no {}", kind.variable, path.display());
            }
            found.extend(given.or(usual).map(|binary| Peer { kind, binary }));
        }
        Ok(found)
    }

    /// What it says of itself.
    pub(crate) fn version(&self) -> Option<String> {
        version(&self.binary, self.kind.version_flag)
    }

    /// Starts it with its configuration in a new directory within `directory`, and waits until it takes connections.
    ///
    /// # Errors
    /// If it ends, or takes none within ten seconds.
    pub(crate) fn start(&self, directory: &Path) -> anyhow::Result<RunningPeer> {
        let directory = directory.join(self.kind.name);
        fs::create_dir_all(&directory).with_context(|| format!("creating {}", directory.display()))?;
        let port = free_port()?;
        let config = directory.join(self.kind.config_name);
        fs::write(&config, self.kind.config.replace("PORT", &port.to_string()))?;
        let log = directory.join("log");
        let mut command = Command::new(&self.binary);
        command.arg(self.kind.config_flag).arg(&config).current_dir(&directory);
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
pub(crate) fn version(binary: &Path, flag: &str) -> Option<String> {
    let output = Command::new(binary).arg(flag).stdin(Stdio::null()).output().ok()?;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

/// One that nobody listens on now; somebody else may be faster, and then the broker says so.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

const START_TIME_MAX: Duration = Duration::from_secs(10);
const LAST_WORDS: usize = 3;

pub(crate) const KINDS: &[Kind] = &[
    // 0 is "no limit". With the defaults it would have 20 messages under way to a subscriber, and drop what 1,000 more
    // are waiting before.
    Kind {
        name: "mosquitto",
        variable: "MOSQUITTO",
        default: Some("/usr/sbin/mosquitto"),
        config: "\
listener PORT 127.0.0.1
allow_anonymous true
max_inflight_messages 0
max_queued_messages 0
persistence false
log_dest stderr
log_type error
",
        config_name: "mosquitto.conf",
        config_flag: "-c",
        version_flag: "-h",
    },
    // Its own example, but for more under way than 100, and a larger segment of the log that all read from.
    Kind {
        name: "rumqttd",
        variable: "RUMQTTD",
        default: None,
        config: "\
id = 0

[router]
id = 0
max_connections = 10010
max_outgoing_packet_count = 1024
max_segment_size = 104857600
max_segment_count = 10

[v4.1]
name = \"v4-1\"
listen = \"127.0.0.1:PORT\"
next_connection_delay_ms = 1

[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 1048576
max_inflight_count = 1024
dynamic_filters = true
",
        config_name: "rumqttd.toml",
        config_flag: "--config",
        version_flag: "--version",
    },
    // With its defaults it would drop what 512 messages or 64 KiB are under way before.
    Kind {
        name: "flashmq",
        variable: "FLASHMQ",
        default: None,
        config: "\
listen {
    protocol mqtt
    port PORT
    inet_protocol ip4
    inet4_bind_address 127.0.0.1
}
allow_anonymous true
max_qos_msg_pending_per_client 65535
max_qos_bytes_pending_per_client 268435456
log_level warning
",
        config_name: "flashmq.conf",
        config_flag: "--config-file",
        version_flag: "--version",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configuration_has_a_place_for_the_port() {
        for kind in KINDS {
            assert_eq!(kind.config.matches("PORT").count(), 1, "{}", kind.name);
            assert_eq!(kind.variable, kind.name.to_uppercase());
        }
    }

    #[test]
    fn one_that_ends_says_why() {
        const KIND: Kind = Kind { config_flag: "--no-such-option", ..kind() };
        let directory = env::temp_dir().join(format!("bench-peer-test-{}", std::process::id()));
        let error = Peer { kind: &KIND, binary: "/bin/cat".into() }.start(&directory).unwrap_err();
        fs::remove_dir_all(&directory).unwrap();
        assert!(format!("{error:#}").contains("no-such-option"), "{error:#}");
    }

    const fn kind() -> Kind {
        Kind {
            name: "test",
            variable: "",
            default: None,
            config: "",
            config_name: "test.conf",
            config_flag: "",
            version_flag: "",
        }
    }
}
