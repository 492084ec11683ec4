//! The broker under attack: a process of its own, and what the system shows of its memory and time.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

/// A broker that runs; killed when dropped.
#[derive(Debug)]
pub(crate) struct Child {
    process: process::Child,
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

/// The most that was resident, as a thread of its own saw it, and whether it had to step in.
#[derive(Debug, Default)]
pub(crate) struct MemoryWatch {
    peak_bytes: AtomicU64,
    killed: AtomicBool,
    stop: AtomicBool,
}

impl Child {
    /// Starts a broker on a free port of 127.0.0.1 and waits until it says which.
    pub(crate) fn start(binary: &Path, name: &str, flags: &[String]) -> anyhow::Result<Child> {
        let log = std::env::temp_dir().join(format!("hostile-{}-{name}.log", process::id()));
        let mut command = Command::new(binary);
        command.args(["server", "0"]).args(flags);
        // A developer's own settings must not shape a measurement.
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("TIDINGS_")) {
            command.env_remove(key);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?);
        let mut process = command.spawn().with_context(|| format!("starting {}", binary.display()))?;
        let stdout = process.stdout.take();
        let unspecified = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut child = Child { process, address: unspecified, log };
        let mut output = BufReader::new(stdout.context("a child without output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        child.address =
            listening_on(&line).with_context(|| format!("not a broker's first line: {line:?}"))?;
        // A full pipe would stop the child.
        thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Ok(child)
    }

    /// Bytes that are resident now; `None` once it has ended.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        status_bytes(self.process.id(), "VmRSS:")
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Processor time so far, of all threads.
    pub(crate) fn processor_time(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).ok()?;
        // Behind the name in parentheses, utime and stime are the 12th and 13th field (proc(5)).
        let (_, fields) = stat.rsplit_once(") ")?;
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().ok());
        Some(Duration::from_millis(TICK_MS * ticks.sum::<Option<u64>>()?))
    }

    /// Waits until it does no more than serve the probe, but no longer than `patience`.
    pub(crate) fn until_idle(&self, patience: Duration) -> Calm {
        let deadline = Instant::now() + patience;
        let mut before = self.processor_time();
        while Instant::now() < deadline {
            thread::sleep(IDLE_SAMPLE);
            let now = self.processor_time();
            let used = now.zip(before).map(|(now, before)| now.saturating_sub(before));
            if used.is_none_or(|used| used < IDLE_SAMPLE.mul_f64(IDLE_SHARE)) {
                return Calm::Idle;
            }
            before = now;
        }
        Calm::StillBusy
    }

    /// The last lines of its log, for someone who wants to know why it ended.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().filter(|line| !line.contains(" INFO ")).collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].join(" | ")
    }
}

/// What [`Child::until_idle`] saw last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calm {
    Idle,
    StillBusy,
}

impl MemoryWatch {
    /// Follows a broker's memory while `work` goes on, and kills it before it takes the machine with it.
    pub(crate) fn during<T>(&self, child: &Child, work: impl FnOnce() -> T) -> T {
        let pid = child.process.id();
        thread::scope(|scope| {
            scope.spawn(|| {
                while !self.stop.load(Ordering::Relaxed) {
                    self.look(pid);
                    thread::sleep(SAMPLE_PAUSE);
                }
            });
            let outcome = work();
            self.look(pid);
            self.stop.store(true, Ordering::Relaxed);
            outcome
        })
    }

    pub(crate) fn peak_bytes(&self) -> u64 {
        self.peak_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn has_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    fn look(&self, pid: u32) {
        // The kernel's high-water mark; nothing between two looks is missed.
        let Some(peak) = status_bytes(pid, "VmHWM:") else { return };
        self.peak_bytes.fetch_max(peak, Ordering::Relaxed);
        let resident = status_bytes(pid, "VmRSS:").unwrap_or_default();
        if resident > RESIDENT_BYTES_MAX && !self.has_killed() {
            self.killed.store(true, Ordering::Relaxed);
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            // It may have ended by itself meanwhile.
            pid.map(|pid| kill_process(pid, Signal::KILL).ok());
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Nothing is left to measure; a child that is gone already is what is wanted.
        self.process.kill().ok();
        self.process.wait().ok();
        fs::remove_file(&self.log).ok();
    }
}

fn status_bytes(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes = line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?;
    Some(kilobytes * 1024)
}

fn listening_on(line: &str) -> Option<SocketAddr> {
    let (_, after) = line.split_once("listening on ")?;
    after.split_whitespace().next()?.parse().ok()
}

/// The machine is shared: what grows beyond this has broken every bound that is measured here.
pub(crate) const RESIDENT_BYTES_MAX: u64 = 6 << 30;
const SAMPLE_PAUSE: Duration = Duration::from_millis(20);
const IDLE_SAMPLE: Duration = Duration::from_millis(250);
/// Of one core; the probe alone takes some hundredths.
const IDLE_SHARE: f64 = 0.2;
/// USER_HZ is 100 on Linux's common architectures.
const TICK_MS: u64 = 10;
const LAST_WORDS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_the_first_line() {
        let expected = "127.0.0.1:4711".parse().ok();
        assert_eq!(listening_on("tidings 0.1.0 listening on 127.0.0.1:4711\n"), expected);
        assert_eq!(listening_on("not yet listening"), None);
    }

    #[test]
    fn the_memory_of_a_process_is_read() {
        let own = status_bytes(process::id(), "VmRSS:").unwrap();
        assert!(own > 100 << 10);
        assert!(status_bytes(process::id(), "VmHWM:").unwrap() >= own);
    }
}
