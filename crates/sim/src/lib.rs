//! The simulator: real stations under a seeded scheduler, in virtual time.
//!
//! A seed is a small world: its bounds, its clients, its network and the order of everything
//! that is due. The stations are the very code that the server runs; sockets, clocks and mail
//! are the world's. Checkers judge what came out, from the page of the protocol alone. The
//! same seed gives the same trace, bit for bit. It does not test the real driver, threads or
//! the file system.
//!
//! Reading order: `limits` (what differs between seeds), `client` (plans), `world` (events),
//! `phases`, `people` (clients act), `persons` and `web` (those of MQTT and of the web do), `driver`,
//! `socket` and `events` (a station's turns), `record`, `check`, `reached` (whether that judged
//! anything).

mod check;
mod client;
mod driver;
mod events;
mod hearing;
mod limits;
mod moves;
mod net;
mod people;
mod persons;
mod phases;
#[cfg(feature = "planted")]
pub mod planted;
mod reached;
mod record;
mod rng;
mod socket;
mod trace;
mod web;
mod world;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

pub use reached::{Reached, Shares};
use trace::Trace;
use world::World;

/// What came of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Hash over every event and byte.
    pub trace_hash: u64,
    /// Events in the trace.
    pub events: u64,
    /// Messages that were accepted.
    pub messages: u64,
    /// What it put to the test besides what every world does.
    pub reached: BTreeSet<Reached>,
    /// Broken promises: which checker, and what it saw.
    pub violations: Vec<(&'static str, String)>,
    /// The last events, or all of them where asked for.
    pub trace: Vec<String>,
}

/// How much of the trace an [`Outcome`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The last events.
    Last,
    /// Every event.
    All,
}

/// Runs one seed. A panic of the code under test is a broken promise like any other.
#[must_use]
pub fn run(seed: u64, keep: Keep) -> Outcome {
    let mut world = World::new(seed, Trace::new(keep));
    let end = catch_unwind(AssertUnwindSafe(|| {
        world.run();
        world.finish_record();
    }));
    let mut violations = std::mem::take(&mut world.violations);
    let mut reached = std::mem::take(&mut world.reached);
    match end {
        Ok(()) => violations.extend(check::all(&world.record, &mut reached)),
        Err(panic) => violations.push(check::Violation::new("panic", panic_text(panic.as_ref()))),
    }
    Outcome {
        seed,
        trace_hash: world.trace.hash(),
        events: world.trace.count(),
        messages: world.accepted_ns.len() as u64,
        reached,
        violations: violations.into_iter().map(|found| (found.checker, found.detail)).collect(),
        trace: world.trace.lines(),
    }
}

/// What came of many seeds.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Those that failed, in order.
    pub failed: Vec<Outcome>,
    /// How many of them reached what.
    pub shares: Shares,
}

/// Runs `count` seeds on all cores.
#[must_use]
pub fn run_many(from: u64, count: u64) -> Report {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicU64::new(0);
    let work = || {
        let mut report = Report::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return report;
            }
            let outcome = run(from.wrapping_add(index), Keep::Last);
            for reached in &outcome.reached {
                *report.shares.entry(*reached).or_default() += 1;
            }
            if !outcome.violations.is_empty() {
                report.failed.push(outcome);
            }
        }
    };
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a seed's panics are caught")).collect()
    });
    let mut sum = Report::default();
    for report in reports {
        sum.failed.extend(report.failed);
        for (reached, worlds) in report.shares {
            *sum.shares.entry(reached).or_default() += worlds;
        }
    }
    sum.failed.sort_by_key(|outcome| outcome.seed.wrapping_sub(from));
    sum
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without text").to_owned()
}
