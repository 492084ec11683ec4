//! A publisher's pause: why it is not read, and until when.
//!
//! Other shards brake it by mail, each for as long as what it has read since its last pause
//! allows: a full read buffer costs `brake_time`, less costs less, so that a publisher of small
//! messages is slowed no more per byte than one of large ones. It goes on when all of them have
//! released it, or when the time is over, whatever they say. Memory pauses it as well
//! (`memory`), with an end of its own.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::ids::{ConnId, ShardId, ShardSet};
use crate::input::Output;
use crate::limits::Limits;
use crate::planted::{self, Bug};
use crate::source::Source;
use crate::time::Instant;

/// A shorter pause is not worth its timer, which counts in milliseconds; what is read until the
/// next brake is added to it.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// A publisher of less than this much per time is not what fills the memory.
const LIGHT_BYTES: usize = 4 * 1024;
const LATELY: Duration = Duration::from_millis(100);
/// Who has read this much since its last pause is paused for all of `brake_time`.
const FULL_PAUSE_BYTES: usize = 16 * 1024;
/// Pauses that one call ends; the rest is due at once.
const ENDS_MAX: usize = 64;

/// Why one publisher is not read.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    /// Shards with a queue that grows, and until when they may hold this publisher up.
    brakes: ShardSet,
    until: Instant,
    /// Bytes that were read since the last pause.
    read_bytes: usize,
    /// It waits for memory.
    pub(crate) memory: bool,
    /// What it has published lately: since then, so many bytes.
    lately: (Instant, usize),
}

impl Pause {
    pub(crate) fn is_on(&self) -> bool {
        self.memory || !self.brakes.is_empty()
    }

    /// Whether what it publishes is hardly worth waiting for.
    pub(crate) fn is_light(&self) -> bool {
        self.lately.1 <= LIGHT_BYTES
    }

    /// So many bytes were published.
    #[inline]
    pub(crate) fn published(&mut self, now: Instant, bytes: usize) {
        self.read_bytes = self.read_bytes.saturating_add(bytes);
        if now.since(self.lately.0) >= LATELY {
            self.lately = (now, 0);
        }
        self.lately.1 += bytes;
    }

    /// How long what was read since the last pause allows the next one to be.
    fn fair_time(&self, limits: &Limits) -> Duration {
        // By bytes, not per brake: else a publisher of ten bytes would be slowed a thousand times as
        // much per byte as one of ten thousand.
        let share = self.read_bytes as f64 / FULL_PAUSE_BYTES as f64;
        limits.brake_time.mul_f64(share.min(1.0))
    }
}

/// The braked publishers of one shard, by when they are read again in any case.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    ends: BTreeSet<(Instant, ConnId)>,
}

impl Pauses {
    /// A shard asks that this publisher be read less. Returns whether it is paused.
    pub(crate) fn brake(
        &mut self,
        now: Instant,
        source: &mut Source,
        by: ShardId,
        limits: &Limits,
        out: &mut VecDeque<Output>,
    ) -> bool {
        let (conn, pause) = (source.conn, &mut source.pause);
        if pause.brakes.is_empty() {
            let time = pause.fair_time(limits);
            if time < PAUSE_MIN.min(limits.brake_time) {
                return false;
            }
            // Memory may have stopped it already: its front end is told of the first reason only.
            if !pause.is_on() {
                out.push_back(Output::Pause(conn));
            }
            pause.read_bytes = 0;
            pause.until = now.after(time);
            if !planted::is(Bug::BrakeForever) {
                let is_new = self.ends.insert((pause.until, conn));
                assert!(is_new, "one pause at a time");
            }
        }
        pause.brakes.insert(by);
        true
    }

    /// A shard takes its brake back.
    pub(crate) fn release(&mut self, source: &mut Source, by: ShardId, out: &mut VecDeque<Output>) {
        let pause = &mut source.pause;
        // It may have gone on by its timer meanwhile, and be braked by others now.
        if !pause.brakes.contains(by) || planted::is(Bug::BrakeForever) {
            return;
        }
        pause.brakes.remove(by);
        if pause.brakes.is_empty() {
            self.ends.remove(&(pause.until, source.conn));
            if !pause.is_on() {
                out.push_back(Output::Resume(source.conn));
            }
        }
    }

    /// When [`Pauses::take_ended`] has something to give.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// The next publishers whose time is over.
    pub(crate) fn take_ended(&mut self, now: Instant) -> Vec<ConnId> {
        let mut ended = Vec::new();
        while let Some((at, conn)) = self.ends.first().copied() {
            if at > now || ended.len() == ENDS_MAX {
                break;
            }
            self.ends.pop_first();
            ended.push(conn);
        }
        ended
    }

    /// The time of a publisher that was taken is over.
    pub(crate) fn end(source: &mut Source, out: &mut VecDeque<Output>) {
        source.pause.brakes = ShardSet::EMPTY;
        if !source.pause.is_on() {
            out.push_back(Output::Resume(source.conn));
        }
    }

    /// A connection goes: nothing of it stays here.
    pub(crate) fn forget(&mut self, source: &Source) {
        if !source.pause.brakes.is_empty() {
            self.ends.remove(&(source.pause.until, source.conn));
        }
    }

    /// How many there are, for the check that nothing is left.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Publish(usize),
        Brake(u8),
        Release(u8),
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0usize..20_000).prop_map(Step::Publish),
            2 => (0u8..3).prop_map(Step::Brake),
            2 => (0u8..3).prop_map(Step::Release),
            2 => (0u64..8_000_000).prop_map(Step::Pass),
        ]
    }

    /// A publisher that is told of at most once in a while: who holds it, until when.
    #[derive(Default)]
    struct Naive {
        by: Vec<u8>,
        until_ns: u64,
        read: usize,
    }

    impl Naive {
        fn is_paused(&mut self, now_ns: u64) -> bool {
            if now_ns >= self.until_ns {
                self.by.clear();
            }
            !self.by.is_empty()
        }
    }

    proptest! {
        /// It is paused exactly while somebody holds it and its time is not over, for no longer
        /// than it has read, and is told of each change once.
        #[test]
        fn a_pause_is_as_long_as_it_is_fair(steps in proptest::collection::vec(step(), 1..80)) {
            let limits = Limits::default();
            let conn = ConnId { slot: 3, generation: 1 };
            let (mut pauses, mut source) = (Pauses::default(), Source::new(conn));
            let (mut naive, mut out, mut told) = (Naive::default(), VecDeque::new(), false);
            let mut now = Instant(0);
            for step in steps {
                match step {
                    Step::Publish(bytes) => {
                        source.pause.published(now, bytes);
                        naive.read += bytes;
                    }
                    Step::Brake(by) => {
                        let is_paused = naive.is_paused(now.0);
                        let full = limits.brake_time.as_nanos() as f64;
                        let fair_ns = full * (naive.read as f64 / 16_384.0).min(1.0);
                        let expected = is_paused || fair_ns >= 1e6;
                        if expected && !is_paused {
                            (naive.until_ns, naive.read) = (now.after(Duration::from_nanos(fair_ns as u64)).0, 0);
                        }
                        if expected && !naive.by.contains(&by) {
                            naive.by.push(by);
                        }
                        let paused = pauses.brake(now, &mut source, ShardId(by), &limits, &mut out);
                        prop_assert_eq!(paused, expected);
                    }
                    Step::Release(by) => {
                        naive.by.retain(|other| *other != by);
                        pauses.release(&mut source, ShardId(by), &mut out);
                    }
                    Step::Pass(ns) => now = Instant(now.0 + ns),
                }
                // Rounding of the fair time is not the point.
                let near = now.0.abs_diff(naive.until_ns) <= 1;
                for ended in pauses.take_ended(now) {
                    prop_assert_eq!(ended, conn);
                    Pauses::end(&mut source, &mut out);
                }
                for output in out.drain(..) {
                    match output {
                        Output::Pause(of) if of == conn && !told => told = true,
                        Output::Resume(of) if of == conn && told => told = false,
                        other => prop_assert!(false, "{other:?} while told {told}"),
                    }
                }
                prop_assert_eq!(told, source.pause.is_on());
                prop_assert!(near || told == naive.is_paused(now.0));
                prop_assert_eq!(pauses.len(), usize::from(told));
            }
            pauses.forget(&source);
            prop_assert_eq!(pauses.len(), 0);
        }
    }
}
