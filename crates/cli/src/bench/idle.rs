//! How fast a broker takes on subscribers that then stay idle, and what each costs it in memory.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Serialize;

use super::cpu;
use super::payload::{Layout, PROBE_PUBLISHER, STAMP_BYTES, Stamp};
use super::protocol::Protocol;
use super::target::{Dialect, Role, Running, Target};

/// What idle subscribers came to.
#[derive(Clone, Debug, Serialize)]
pub struct IdleReport {
    /// How many.
    pub subscribers: usize,
    /// Until the last one was live.
    pub connects_per_second: f64,
    /// Resident; `None` where the server's process cannot be seen.
    pub server_bytes_each: Option<f64>,
}

/// Connects so many, who speak this, and waits until each has heard something that was published as text.
///
/// # Errors
/// If they cannot be connected, or one of them hears nothing.
pub fn run(subscribers: usize, protocol: Protocol, target: &Target) -> anyhow::Result<IdleReport> {
    cpu::check_open_files(subscribers)?;
    ensure!(subscribers > 0, "no subscribers, nothing to measure");
    let running = target.start(protocol)?;
    let resident = || running.pid.and_then(cpu::resident_bytes);
    // The first connection may set up what all share.
    let mut first = [running.connect(Role::Subscriber, TOPIC)?.stream];
    until_live(&running, &mut first)?;
    thread::sleep(SETTLE_TIME);
    let before = resident();

    let start = Instant::now();
    let mut streams = connect_all(&running, subscribers)?;
    until_live(&running, &mut streams)?;
    let elapsed = start.elapsed();
    thread::sleep(SETTLE_TIME);
    let grown = before.zip(resident()).map(|(before, after)| after.saturating_sub(before));
    Ok(IdleReport {
        subscribers,
        connects_per_second: subscribers as f64 / elapsed.as_secs_f64(),
        server_bytes_each: grown.map(|bytes| bytes as f64 / subscribers as f64),
    })
}

impl IdleReport {
    pub(super) fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(out, "{} idle subscribers", self.subscribers)?;
        writeln!(out, "  connected   {:.0}/s, until the last was live", self.connects_per_second)?;
        match self.server_bytes_each {
            Some(bytes) => writeln!(out, "  memory      {bytes:.0} resident bytes of the server each"),
            None => writeln!(out, "  memory      unknown: the server's process cannot be seen"),
        }
    }
}

fn connect_all(running: &Running, count: usize) -> anyhow::Result<Vec<TcpStream>> {
    thread::scope(|scope| {
        let share = |thread: usize| {
            move || {
                let numbers = (thread..count).step_by(CONNECT_THREADS);
                let connect = |_| Ok(running.connect(Role::Subscriber, TOPIC)?.stream);
                numbers.map(connect).collect::<anyhow::Result<Vec<_>>>()
            }
        };
        let threads: Vec<_> = (0..CONNECT_THREADS).map(|thread| scope.spawn(share(thread))).collect();
        let mut streams = Vec::with_capacity(count);
        for thread in threads {
            streams.extend(thread.join().map_err(|_| anyhow::anyhow!("a connecting thread panicked"))??);
        }
        Ok(streams)
    })
}

/// Publishes probes until each stream has received one.
fn until_live(running: &Running, streams: &mut [TcpStream]) -> anyhow::Result<()> {
    let mut probe = running.connect_as(Dialect::Broker, Role::Publisher, TOPIC)?.stream;
    probe.set_nonblocking(false)?;
    let layout = Layout::new(0, STAMP_BYTES);
    let deadline = Instant::now() + LIVE_TIME_MAX;
    let mut waiting: Vec<&mut TcpStream> = streams.iter_mut().collect();
    for number in 0.. {
        probe.write_all(&layout.line(Stamp::new(PROBE_PUBLISHER, number)))?;
        let next_probe = Instant::now() + PROBE_PAUSE;
        while Instant::now() < next_probe {
            let mut dark = Vec::with_capacity(waiting.len());
            for stream in waiting {
                if !has_received(stream)? {
                    dark.push(stream);
                }
            }
            waiting = dark;
            if waiting.is_empty() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(1));
        }
        ensure!(Instant::now() < deadline, "{} subscribers never received anything", waiting.len());
    }
    Ok(())
}

fn has_received(stream: &mut TcpStream) -> anyhow::Result<bool> {
    match stream.read(&mut [0; 256]) {
        Ok(0) => anyhow::bail!("the server closed an idle subscriber's connection"),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error).context("reading a probe"),
    }
}

const TOPIC: &str = "idle";
const CONNECT_THREADS: usize = 2;
/// For buffers that the server frees a little later.
const SETTLE_TIME: Duration = Duration::from_secs(1);
const LIVE_TIME_MAX: Duration = Duration::from_secs(60);
/// Long enough that ten thousand deliveries of one probe are not overtaken by the next.
const PROBE_PAUSE: Duration = Duration::from_millis(50);
