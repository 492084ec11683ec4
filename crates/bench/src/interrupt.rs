//! What was started for a measurement ends with it, also where a signal ends this program.

use std::fs;
use std::path::PathBuf;
use std::process;
use std::thread;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// From now on a signal that ends this program kills its children first, and removes a directory.
///
/// # Errors
/// If the system refuses the handlers or a thread.
pub(crate) fn end_children_on_signals(directory: PathBuf) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("listening to signals")?;
    let wait = move || {
        let Some(signal) = signals.forever().next() else { return };
        for child in children_of(process::id()) {
            // It may have ended by itself meanwhile.
            kill_process(child, Signal::KILL).ok();
        }
        fs::remove_dir_all(&directory).ok();
        process::exit(128 + signal);
    };
    thread::Builder::new().name("bench-signals".to_owned()).spawn(wait)?;
    Ok(())
}

fn children_of(parent: u32) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = processes.filter_map(|process| fs::read_to_string(process.path().join("stat")).ok());
    stats.filter_map(|stat| child_of(parent, &stat)).collect()
}

/// The process that a stat line is of, if this is its parent; the name may hold spaces and parentheses.
fn child_of(parent: u32, stat: &str) -> Option<Pid> {
    let (start, fields) = stat.rsplit_once(") ")?;
    let (id, _) = start.split_once(' ')?;
    let is_child = fields.split(' ').nth(1)?.parse() == Ok(parent);
    id.parse().ok().filter(|_| is_child).and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_known_by_its_parent() {
        let stat = "12 (a) b) S 7 12 12 0";
        assert_eq!(child_of(7, stat), Pid::from_raw(12));
        assert_eq!(child_of(12, stat), None);
        assert_eq!(child_of(7, "12 (a"), None);
    }

    #[test]
    fn a_process_that_was_started_is_a_child() {
        let mut child = process::Command::new("sleep").arg("60").spawn().unwrap();
        let found = children_of(process::id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&Pid::from_child(&child)));
    }
}
