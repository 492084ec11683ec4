//! Processor time of this process and of the server, by thread, from /proc; and which side was the bottleneck.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::Instant;

use serde::Serialize;

/// Processor time used so far, by thread.
#[derive(Debug)]
pub(super) struct CpuSample {
    at: Instant,
    /// Thread id to name and ticks.
    threads: BTreeMap<u32, (String, u64)>,
}

/// What a process used between two samples.
#[derive(Clone, Debug, Serialize)]
pub struct CpuUse {
    /// Processor seconds per second, of all its threads.
    pub cores: f64,
    pub(super) busiest_thread: String,
    /// Of one core.
    pub(super) busiest: f64,
}

/// Whose threads to sample.
#[derive(Clone, Copy, Debug)]
pub(super) enum Process {
    Own,
    Other(u32),
}

impl CpuSample {
    /// `None` where the system does not show it.
    pub(super) fn take(process: Process) -> Option<CpuSample> {
        let at = Instant::now();
        let tasks = match process {
            Process::Own => "/proc/self/task".to_owned(),
            Process::Other(pid) => format!("/proc/{pid}/task"),
        };
        let mut threads = BTreeMap::new();
        for task in fs::read_dir(tasks).ok()?.flatten() {
            let Some(id) = task.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A thread may end between the listing and the reading.
            let Ok(stat) = fs::read_to_string(task.path().join("stat")) else { continue };
            threads.extend(parse_stat(&stat).map(|thread| (id, thread)));
        }
        Some(CpuSample { at, threads })
    }

    pub(super) fn since(&self, earlier: &CpuSample) -> CpuUse {
        let seconds = self.at.duration_since(earlier.at).as_secs_f64();
        let used = self.threads.iter().map(|(id, (name, ticks))| {
            let before = earlier.threads.get(id).map_or(0, |(_, ticks)| *ticks);
            (name, ticks.saturating_sub(before) as f64 / TICKS_PER_SECOND / seconds)
        });
        let (mut cores, mut busiest, mut busiest_thread) = (0.0, 0.0, String::new());
        for (name, share) in used {
            cores += share;
            if share > busiest {
                busiest = share;
                busiest_thread.clone_from(name);
            }
        }
        CpuUse { cores, busiest_thread, busiest }
    }
}

/// Processor time of this process and of the server from now on.
#[derive(Debug)]
pub struct CpuWatch {
    server: Option<u32>,
    own_before: Option<CpuSample>,
    server_before: Option<CpuSample>,
}

/// What both sides used; `None` where the system does not show it.
#[derive(Clone, Debug, Serialize)]
pub struct BothUse {
    /// The process that was measured.
    pub server: Option<CpuUse>,
    /// This process.
    pub generator: Option<CpuUse>,
}

impl CpuWatch {
    /// Begins to count, for the server as well where its process is known.
    #[must_use]
    pub fn start(server: Option<u32>) -> CpuWatch {
        let own_before = CpuSample::take(Process::Own);
        let server_before = server.and_then(|pid| CpuSample::take(Process::Other(pid)));
        CpuWatch { server, own_before, server_before }
    }

    /// What was used so far by threads that still run.
    #[must_use]
    pub fn so_far(&self) -> BothUse {
        let between = |before: &Option<CpuSample>, process| {
            let before = before.as_ref()?;
            Some(CpuSample::take(process)?.since(before))
        };
        let server = self.server.and_then(|pid| between(&self.server_before, Process::Other(pid)));
        BothUse { server, generator: between(&self.own_before, Process::Own) }
    }
}

impl BothUse {
    /// In words, who kept the work from being done faster.
    #[must_use]
    pub fn bottleneck(&self) -> String {
        let words = self.generator.as_ref().map(|generator| bottleneck(self.server.as_ref(), generator));
        words.unwrap_or_else(|| "unknown".to_owned())
    }
}

fn bottleneck(server: Option<&CpuUse>, generator: &CpuUse) -> String {
    let cores = core_count() as f64;
    let mut reasons = Vec::new();
    if let Some(server) = server.filter(|server| server.busiest >= BUSY) {
        reasons.push(format!("server (its thread {} was {:.2} busy)", server.busiest_thread, server.busiest));
    }
    if generator.busiest >= BUSY {
        reasons.push(format!(
            "generator (its thread {} was {:.2} busy)",
            generator.busiest_thread, generator.busiest
        ));
    }
    match server {
        _ if server.map_or(0.0, |server| server.cores) + generator.cores >= BUSY * cores => {
            reasons.push(format!("machine (all {cores} cores were busy)"));
        }
        Some(server) if reasons.is_empty() && server.cores >= BUSY * (cores - generator.cores) => {
            reasons.push("server (it used what the generator left)".to_owned());
        }
        _ => {}
    }
    if reasons.is_empty() {
        return "none was busy: window, rate or wake-ups".to_owned();
    }
    reasons.join(" and ")
}

/// Cores that this process may use.
#[must_use]
pub fn core_count() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The process that listens on a local address, found by the socket's inode.
pub(super) fn listener_pid(address: SocketAddr) -> Option<u32> {
    if !address.ip().is_loopback() {
        return None;
    }
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let table = fs::read_to_string(table).ok()?;
        table.lines().skip(1).find_map(|line| listener_inode(line, address.port()))
    })?;
    let socket = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        let mut open = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        open.any(|fd| fs::read_link(fd.path()).is_ok_and(|link| link == Path::new(&socket))).then_some(pid)
    })
}

/// Resident bytes of a process; `None` where it is gone or cannot be seen.
#[must_use]
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    kilobytes.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Makes sure that this process may open `files` more files.
///
/// # Errors
/// If it may not, with advice.
pub fn check_open_files(files: usize) -> anyhow::Result<()> {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = soft.and_then(|rest| rest.split_whitespace().next()?.parse::<usize>().ok());
    let needed = files + FILES_OWN;
    match soft {
        Some(limit) if limit < needed => {
            anyhow::bail!(
                "{needed} open files are needed and {limit} allowed: run `ulimit -n {needed}` first"
            )
        }
        _ => Ok(()),
    }
}

/// The name and the user and system ticks in a stat line; the name may hold spaces and parentheses.
fn parse_stat(stat: &str) -> Option<(String, u64)> {
    let (start, fields) = stat.rsplit_once(") ")?;
    let (_, name) = start.split_once('(')?;
    let mut times = fields.split(' ').skip(11).map(str::parse::<u64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some((name.to_owned(), user + system))
}

fn listener_inode(line: &str, port: u16) -> Option<u64> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let is_listener = *state == "0A" && local.ends_with(&format!(":{port:04X}"));
    is_listener.then(|| inode.parse().ok())?
}

/// Of one core; above it a thread counts as the bottleneck.
const BUSY: f64 = 0.9;
/// USER_HZ, the unit of /proc; fixed at 100 on Linux's common architectures.
const TICKS_PER_SECOND: f64 = 100.0;
/// Standard streams, polls, wakers and pipes.
const FILES_OWN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_gives_name_and_ticks() {
        let stat = "12 (a) b) R 1 2 3 4 5 6 7 8 9 10 700 50 0 0 20 0 1";
        assert_eq!(parse_stat(stat), Some(("a) b".to_owned(), 750)));
    }

    #[test]
    fn only_a_listener_on_the_port_is_found() {
        let line = |state| format!("0: 0100007F:1F90 00000000:0000 {state} 0:0 0:0 0 0 0 4242 1");
        assert_eq!(listener_inode(&line("0A"), 8080), Some(4242));
        assert_eq!(listener_inode(&line("01"), 8080), None);
        assert_eq!(listener_inode(&line("0A"), 8081), None);
    }
}
