//! One attack on one broker: a quiet time, the attack, the time after it, and the memory in the end.

use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::Attack;
use super::child::{Calm, Child, MemoryWatch, RESIDENT_BYTES_MAX};
use super::field::{Field, Length};
use super::probe::Probe;
use super::table::{Memory, Row};

/// What all attacks of a run have in common.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) binary: PathBuf,
    pub(crate) shards: usize,
    pub(crate) length: Length,
    pub(crate) connections_max: usize,
}

/// An attack that is over but for the last look at the memory, in a thread of its own.
#[derive(Debug)]
pub(crate) struct Begun {
    row: Row,
    /// Bytes that are resident then, if it still lives.
    last_look: JoinHandle<Option<u64>>,
}

impl Trial {
    /// Runs the attack and returns when others may use the machine.
    pub(crate) fn run(&self, attack: &Attack) -> anyhow::Result<Begun> {
        let mut child = Child::start(&self.binary, attack.name, &self.flags(attack))?;
        let probe = Probe::start(child.address, self.shards, attack.probe)?;
        let quiet_begins = Instant::now();
        thread::sleep(self.time(QUIET_TIME));
        let quiet_ends = Instant::now();
        let quiet_bytes = child.resident_bytes().unwrap_or_default();

        let field = Field::new(&child, self.shards, self.length, self.connections_max);
        let watch = MemoryWatch::default();
        let (failure, over) = watch.during(&child, || {
            let failure = assail(attack, &field);
            thread::sleep(AFTERMATH);
            let over = Instant::now();
            probe.catch_up(over, self.time(PATIENCE));
            thread::sleep(AFTERMATH.saturating_sub(over.elapsed()));
            (failure, over)
        });
        let began = field.began().unwrap_or(quiet_ends);
        let connections = field.door.most_open() + 2 * self.shards;
        let mut notes = field.into_notes();
        notes.extend(failure.map(|error| format!("the attack ended early: {error:#}")));
        let is_alive = child.is_alive();
        if watch.has_killed() {
            notes.push(format!("killed here when {} MiB were resident", RESIDENT_BYTES_MAX >> 20));
        } else if !is_alive {
            notes.push(format!("the broker has ended: {}", child.last_words()));
        }
        let row = Row {
            attack: attack.name,
            shards: self.shards,
            quiet: probe.between(quiet_begins, quiet_ends),
            attacked: probe.between(began, over),
            after: probe.between(over, Instant::now()),
            attack_seconds: (over - began).as_secs_f64(),
            memory: Memory::new(attack.memory_max_mib, connections, quiet_bytes, watch.peak_bytes()),
            is_alive,
            notes,
        };
        Ok(Begun { row, last_look: self.look_later(child, probe, over) })
    }

    fn flags(&self, attack: &Attack) -> [String; 4] {
        let memory_max = format!("{}MiB", attack.memory_max_mib);
        ["--shards".to_owned(), self.shards.to_string(), "--memory-max".to_owned(), memory_max]
    }

    /// Waits in the background, if the broker leaves the machine alone.
    fn look_later(&self, child: Child, probe: Probe, over: Instant) -> JoinHandle<Option<u64>> {
        let due = over + self.time(RETURN_TIME);
        probe.slow_down();
        let left = |due: Instant| due.saturating_duration_since(Instant::now());
        let calm = child.until_idle(left(due));
        if calm == Calm::StillBusy || child.resident_bytes().is_some_and(|bytes| bytes > CROWDED_BYTES) {
            thread::sleep(left(due));
        }
        thread::spawn(move || {
            thread::sleep(left(due));
            let resident_bytes = child.resident_bytes();
            drop(probe);
            resident_bytes
        })
    }

    fn time(&self, (full, short): (Duration, Duration)) -> Duration {
        match self.length {
            Length::Full => full,
            Length::Short => short,
        }
    }
}

impl Begun {
    pub(crate) fn summary(&self) -> String {
        self.row.summary()
    }

    /// Waits for the last look at the memory.
    pub(crate) fn finish(self) -> anyhow::Result<Row> {
        let mut row = self.row;
        let bytes = self.last_look.join().map_err(|_| anyhow!("looking at {} failed", row.attack))?;
        row.memory.note_later(bytes);
        Ok(row)
    }
}

/// Runs the attack in a thread that gives way to the broker: attackers have machines of their own.
fn assail(attack: &Attack, field: &Field<'_>) -> Option<anyhow::Error> {
    let outcome = thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            // Threads that it starts are as nice; without permission it attacks all the same.
            rustix::process::nice(ATTACKER_NICE).ok();
            (attack.run)(field)
        });
        attacker.join().unwrap_or_else(|_| Err(anyhow!("its thread panicked")))
    });
    outcome.err()
}

/// Full and short.
const QUIET_TIME: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(1));
/// The attackers have left; what that costs belongs to the attack.
const AFTERMATH: Duration = Duration::from_secs(1);
/// How long messages of the probe may be late until they count as lost.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// After this long the memory is to be back.
const RETURN_TIME: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(10));
/// With so much in memory nothing else is started.
const CROWDED_BYTES: u64 = 1 << 30;
/// The most: they get what broker and probe leave.
const ATTACKER_NICE: i32 = 19;
