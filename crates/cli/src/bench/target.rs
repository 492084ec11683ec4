//! What a run is measured against: a broker of our own, one that runs already, or the bare relay; and how to greet it.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::args::{Load, resolve};
use super::cpu;
use super::forms::{self, Forms};
use super::framed::{self, Framing};
use super::mqtt::{self, Mqtt};
use super::payload::{Layout, delivered_prefix_bytes, fixed_topic_name};
use super::protocol::Protocol;

/// What takes the load of a run.
#[derive(Clone, Debug)]
pub enum Target {
    /// A broker process, for the time of the run.
    OwnServer {
        /// `tidings`.
        program: PathBuf,
        /// Its own choice where none are given.
        shards: Option<NonZeroUsize>,
    },
    /// A broker that runs already.
    Remote(SocketAddr),
    /// A relay process, for the time of the run.
    Relay {
        /// What has a command `relay`.
        program: PathBuf,
        /// How many it serves with.
        threads: NonZeroUsize,
    },
}

/// A target that accepts connections. Dropping it ends what was started for it.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) dialect: Dialect,
    /// Its process, where that is on this machine and can be seen.
    pub(super) pid: Option<u32>,
    _child: Option<OwnChild>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Broker,
    Relay,
    Mqtt(Mqtt),
    Framed(&'static Framing),
    Forms(Forms),
}

/// A connection that has said hello.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    /// Messages that the target takes unacknowledged; more than any sends where it told nothing.
    pub(super) receive_max: NonZeroU16,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It sends.
    Publisher,
    /// It reads.
    Subscriber,
}

#[derive(Debug)]
struct OwnChild {
    process: Child,
    /// The relay ends when this closes, should this process die without cleaning up.
    _stdin: Option<ChildStdin>,
}

impl Target {
    /// A broker at the address, or one of this program started for the run.
    pub(super) fn broker(address: Option<&str>, shards: Option<NonZeroUsize>) -> anyhow::Result<Target> {
        match address {
            Some(address) => Ok(Target::Remote(resolve(address)?)),
            None => Ok(Target::OwnServer { program: std::env::current_exe()?, shards }),
        }
    }

    /// Whether it is started for the run or runs already: it must speak the protocol.
    pub(super) fn start(&self, protocol: Protocol) -> anyhow::Result<Running> {
        let dialect = match protocol {
            Protocol::Text => Dialect::Broker,
            Protocol::Mqtt(mqtt) => Dialect::Mqtt(mqtt),
            Protocol::Framed(framing) => Dialect::Framed(framing),
            Protocol::Forms(forms) => Dialect::Forms(forms),
        };
        match self {
            Target::Remote(address) => {
                let pid = cpu::listener_pid(*address);
                Ok(Running { address: *address, dialect, pid, _child: None })
            }
            Target::OwnServer { program, shards } => {
                let mut arguments = vec!["server".to_owned(), "0".to_owned()];
                arguments
                    .extend(shards.iter().flat_map(|shards| ["--shards".to_owned(), shards.to_string()]));
                start_child(program, &arguments, dialect).context("starting a server")
            }
            Target::Relay { program, threads } => {
                ensure!(protocol == Protocol::Text, "the relay knows lines only");
                let arguments = ["relay", "--threads", &threads.to_string()].map(str::to_owned);
                start_child(program, &arguments, Dialect::Relay).context("starting the relay")
            }
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Target::OwnServer { shards: None, .. } => "tidings".to_owned(),
            Target::OwnServer { shards: Some(shards), .. } => format!("tidings, {shards} shards"),
            Target::Remote(address) => address.to_string(),
            Target::Relay { threads, .. } => format!("relay, {threads} threads"),
        }
    }
}

impl Running {
    /// Connects and says hello. The broker answers nothing to lines; its answer in other protocols is waited for.
    pub(super) fn connect(&self, role: Role, topic: &str) -> anyhow::Result<Connection> {
        self.connect_as(self.dialect, role, topic)
    }

    /// The same for one that speaks something else than those that are measured.
    pub(super) fn connect_as(&self, dialect: Dialect, role: Role, topic: &str) -> anyhow::Result<Connection> {
        let mut stream =
            TcpStream::connect(self.address).with_context(|| format!("connecting to {}", self.address))?;
        stream.set_nodelay(true)?;
        let receive_max = dialect.greet(&mut stream, role, topic)?;
        stream.set_nonblocking(true)?;
        Ok(Connection { stream, receive_max })
    }
}

impl Dialect {
    /// Tells how many messages may be unacknowledged.
    fn greet(self, stream: &mut TcpStream, role: Role, topic: &str) -> anyhow::Result<NonZeroU16> {
        let word = match (self, role) {
            (Dialect::Broker, Role::Publisher) => "PUBLISHER",
            (Dialect::Broker, Role::Subscriber) => "SUBSCRIBER",
            (Dialect::Relay, Role::Publisher) => "PUB",
            (Dialect::Relay, Role::Subscriber) => "SUB",
            (Dialect::Mqtt(mqtt), role) => return mqtt::greet(stream, mqtt, role, topic),
            (Dialect::Framed(framing), role) => {
                framed::greet(stream, framing, role, topic)?;
                return Ok(NonZeroU16::MAX);
            }
            (Dialect::Forms(forms), role) => {
                forms::greet(stream, forms, role, topic)?;
                return Ok(NonZeroU16::MAX);
            }
        };
        stream.write_all(format!("{word} {topic}\n").as_bytes())?;
        Ok(NonZeroU16::MAX)
    }

    /// What publishers send so that subscribers of either dialect read lines of the same length.
    pub(super) fn layout(self, load: &Load) -> Layout {
        match self {
            Dialect::Broker => Layout::new(0, load.size),
            Dialect::Relay => Layout::new(delivered_prefix_bytes(load.topics - 1), load.size),
            Dialect::Mqtt(mqtt) => mqtt.published_head(&fixed_topic_name(0), load.size).layout(load.size, ""),
            Dialect::Framed(framing) => {
                framing.head(&fixed_topic_name(0), load.size).layout(load.size, framing.tail)
            }
            Dialect::Forms(forms) => forms.layout(load.size),
        }
    }
}

impl Drop for OwnChild {
    fn drop(&mut self) {
        // Nothing is left to measure, and a child that is gone already is what is wanted.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn start_child(program: &Path, arguments: &[String], dialect: Dialect) -> anyhow::Result<Running> {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::piped());
    // A developer's settings must not shape a measurement.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TIDINGS_")) {
        command.env_remove(name);
    }
    command.stderr(Stdio::piped());
    command.stdin(match dialect {
        Dialect::Relay => Stdio::piped(),
        _ => Stdio::null(),
    });
    let mut process = command.spawn().with_context(|| format!("running {}", program.display()))?;
    let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
    let child = OwnChild { process, _stdin: stdin };
    let (found, address) = channel();
    let (stdout, stderr) = stdout.zip(stderr).context("a child without output")?;
    thread::Builder::new().name("bench-child-err".to_owned()).spawn(move || pass_on_trouble(stderr))?;
    thread::Builder::new().name("bench-child-log".to_owned()).spawn(move || watch_output(stdout, &found))?;
    let address = address.recv_timeout(START_TIME_MAX).context("it did not say what it is listening on")?;
    let pid = Some(child.process.id());
    Ok(Running { address, dialect, pid, _child: Some(child) })
}

/// Sends on the first address in the output; then keeps reading, as a full pipe would stop the child.
fn watch_output(stdout: ChildStdout, found: &Sender<SocketAddr>) {
    for line in BufReader::new(stdout).split(b'\n') {
        let Ok(line) = line else { return };
        if let Some(address) = listening_on(&String::from_utf8_lossy(&line))
            && found.send(address).is_err()
        {
            // Nobody waits any more: the first address has arrived, and later lines only need reading.
            continue;
        }
    }
}

/// Shows what the child complains about, without its log of who came and went.
fn pass_on_trouble(stderr: ChildStderr) {
    for line in BufReader::new(stderr).split(b'\n') {
        let Ok(line) = line else { return };
        let is_routine = memchr::memmem::find(&line, b" INFO ").is_some();
        if !is_routine && writeln!(io::stderr(), "{}", String::from_utf8_lossy(&line)).is_err() {
            // Nowhere to show it; the child must still be read.
            continue;
        }
    }
}

fn listening_on(line: &str) -> Option<SocketAddr> {
    let (_, after) = line.split_once("listening on ")?;
    let word = after.split_whitespace().next()?;
    word.trim_end_matches(['.', ',', ';', ')']).parse().ok()
}

const START_TIME_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_a_line_of_words() {
        let expected = "127.0.0.1:4711".parse().ok();
        assert_eq!(listening_on("Tidings is listening on 127.0.0.1:4711 (text, MQTT)"), expected);
        assert_eq!(listening_on("listening on 127.0.0.1:4711, 4 shards"), expected);
        assert_eq!(listening_on("not yet listening"), None);
    }
}
