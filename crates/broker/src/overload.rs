//! What happens when one queue fills up; decided here and nowhere else.
//!
//! A queue over the brake level asks its publishers to read less, briefly and in proportion to
//! what they read. A queue over its bound drops its oldest live messages and announces how
//! many. One that has dropped, or from which nothing was taken for a while, holds nobody up
//! until it has drained: a stuck client must not slow the others. When the whole process fills
//! up is the matter of `budget`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::ids::{ConnId, Origin, ShardId, ShardSet};
use crate::input::{Mail, Output};
use crate::limits::Limits;
use crate::memory::{Gauge, Tally, Use};
use crate::planted::{self, Bug};
use crate::queue::{Dropped, PLACE_BYTES, Popped};
use crate::session::Session;
use crate::source::Source;
use crate::stats::Stats;
use crate::time::Instant;

/// A subscriber from whose queue nothing was taken for so long does not keep up: a reader that
/// is slow takes something in every round trip, a stuck one nothing.
pub(crate) const STALLED: Duration = Duration::from_millis(100);
/// A shorter pause is not worth its timer, which counts in milliseconds; what is read until the
/// next brake is added to it.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// A publisher of less than this much per time is not what fills the memory.
const LIGHT_BYTES: usize = 4 * 1024;
const LATELY: Duration = Duration::from_millis(100);
/// Who has read this much since its last pause is paused for all of `brake_time`.
const FULL_PAUSE_BYTES: usize = 16 * 1024;
/// Brakes that one call ends; the rest is due at once.
const ENDS_MAX: usize = 64;

/// How a subscriber's queue stands.
///
/// ```text
/// Keeping ──over brake level──▶ Braking ──half empty──▶ Keeping
///    └──over bound or stalled──▶ Behind ◀──over bound or stalled──┘
///                                  └──drained──▶ Keeping
/// ```
#[derive(Debug)]
pub(crate) enum Flow {
    Keeping,
    /// These publishers were asked to read less.
    Braking(Vec<Origin>),
    /// Does not keep up and has not drained since: brakes nobody.
    Behind,
}

/// Why a publisher is not read.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    /// Shards with a queue that grows, and until when they may hold this read up.
    brakes: ShardSet,
    brakes_until: Instant,
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
}

/// One shard's bookkeeping of queues and brakes.
#[derive(Debug)]
pub(crate) struct Overload {
    /// How many queues of this shard brake each publisher.
    braking: BTreeMap<Origin, u32>,
    /// When a publisher of this shard is read again in any case.
    brake_ends: BTreeSet<(Instant, ConnId)>,
    /// Places in queues, and those of history.
    live: Tally,
    replays: Tally,
}

impl Overload {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        Self {
            braking: BTreeMap::new(),
            brake_ends: BTreeSet::new(),
            live: Tally::new(gauge, Use::Queues),
            replays: Tally::new(gauge, Use::Replays),
        }
    }

    /// A run was pushed to a queue.
    #[inline]
    pub(crate) fn pushed(&mut self) {
        self.live.add(PLACE_BYTES);
    }

    /// So many runs of history were put into a queue.
    pub(crate) fn replayed(&mut self, runs: usize) {
        self.replays.add(runs * PLACE_BYTES);
    }

    /// A run of `origin` was pushed to a queue that is now over the brake level. Drops if it is
    /// over its bound. Returns whether the publisher is to be braked.
    pub(crate) fn queue_grew(
        &mut self,
        now: Instant,
        session: &mut Session,
        origin: Origin,
        limits: &Limits,
        stats: &mut Stats,
        out: &mut VecDeque<Output>,
    ) -> bool {
        if session.queue.live_bytes() > limits.queue_bytes_max && !planted::is(Bug::NoQueueBound) {
            let dropped = session.queue.drop_live(limits.queue_bytes_max);
            if dropped.messages > 0 {
                self.dropped(dropped, stats);
                self.fall_behind(session, out);
                return false;
            }
        }
        if matches!(session.flow, Flow::Behind) {
            return false;
        }
        if session.queue.untaken_for(now) >= STALLED {
            self.fall_behind(session, out);
            return false;
        }
        match &mut session.flow {
            Flow::Behind => return false,
            Flow::Keeping => {
                session.flow = Flow::Braking(vec![origin]);
                *self.braking.entry(origin).or_default() += 1;
            }
            Flow::Braking(origins) => {
                // One that finds no place is braked all the same, and read again by its timer.
                if origins.len() < limits.brake_origins_max && !origins.contains(&origin) {
                    origins.push(origin);
                    *self.braking.entry(origin).or_default() += 1;
                }
            }
        }
        true
    }

    /// A queue lost messages: they are counted, and their places are given back.
    pub(crate) fn dropped(&mut self, dropped: Dropped, stats: &mut Stats) {
        stats.dropped += dropped.messages;
        self.live.subtract(dropped.live * PLACE_BYTES);
        self.replays.subtract(dropped.history * PLACE_BYTES);
    }

    /// From now on a subscriber holds nobody up, until its queue has drained.
    pub(crate) fn fall_behind(&mut self, session: &mut Session, out: &mut VecDeque<Output>) {
        self.release_all(session, out);
        session.flow = Flow::Behind;
    }

    /// Something was taken from a queue: releases its publishers when it is half empty.
    pub(crate) fn queue_shrank(
        &mut self,
        session: &mut Session,
        popped: &Popped,
        limits: &Limits,
        out: &mut VecDeque<Output>,
    ) {
        self.live.subtract(popped.live * PLACE_BYTES);
        self.replays.subtract(popped.history * PLACE_BYTES);
        match &session.flow {
            Flow::Keeping => {}
            Flow::Braking(_) => {
                if session.queue.live_bytes() <= limits.brake_bytes / 2 {
                    self.release_all(session, out);
                }
            }
            Flow::Behind => {
                if session.queue.is_empty() {
                    session.flow = Flow::Keeping;
                }
            }
        }
    }

    /// Takes back the brakes of one queue.
    fn release_all(&mut self, session: &mut Session, out: &mut VecDeque<Output>) {
        let Flow::Braking(origins) = std::mem::replace(&mut session.flow, Flow::Keeping) else { return };
        for origin in origins {
            let count = self.braking.get_mut(&origin).expect("counted when it was braked");
            *count -= 1;
            if *count == 0 {
                self.braking.remove(&origin);
                out.push_back(Output::Mail { to: origin.shard, mail: Mail::Release(origin) });
            }
        }
    }

    /// A shard asks that this publisher be read less. Pauses it for as long as what it has read
    /// since the last pause allows: a full read buffer costs `brake_time`, less costs less, so
    /// that a publisher of small messages is slowed no more per byte than one of large ones.
    /// Returns whether it is paused.
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
            let share = pause.read_bytes as f64 / FULL_PAUSE_BYTES as f64;
            let time = limits.brake_time.mul_f64(share.min(1.0));
            if time < PAUSE_MIN.min(limits.brake_time) {
                return false;
            }
            if !pause.is_on() {
                out.push_back(Output::Pause(conn));
            }
            pause.read_bytes = 0;
            pause.brakes_until = now.after(time);
            if !planted::is(Bug::BrakeForever) {
                self.brake_ends.insert((pause.brakes_until, conn));
            }
        }
        pause.brakes.insert(by);
        true
    }

    /// A connection of this shard published so many bytes.
    #[inline]
    pub(crate) fn published(now: Instant, source: &mut Source, bytes: usize) {
        let pause = &mut source.pause;
        pause.read_bytes = pause.read_bytes.saturating_add(bytes);
        if now.since(pause.lately.0) >= LATELY {
            pause.lately = (now, 0);
        }
        pause.lately.1 += bytes;
    }

    /// A shard takes its brake back.
    pub(crate) fn release(&mut self, source: &mut Source, by: ShardId, out: &mut VecDeque<Output>) {
        let pause = &mut source.pause;
        if !pause.brakes.contains(by) || planted::is(Bug::BrakeForever) {
            return;
        }
        pause.brakes.remove(by);
        if pause.brakes.is_empty() {
            self.brake_ends.remove(&(pause.brakes_until, source.conn));
            if !pause.is_on() {
                out.push_back(Output::Resume(source.conn));
            }
        }
    }

    /// When [`Overload::end_brakes`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.brake_ends.first().map(|(at, _)| *at)
    }

    /// The next brakes that have lasted long enough.
    pub(crate) fn take_ended(&mut self, now: Instant) -> Vec<ConnId> {
        let mut ended = Vec::new();
        while let Some((at, conn)) = self.brake_ends.first().copied() {
            if at > now || ended.len() == ENDS_MAX {
                break;
            }
            self.brake_ends.pop_first();
            ended.push(conn);
        }
        ended
    }

    /// Ends the brakes of a publisher whose time is over.
    pub(crate) fn end_brakes(source: &mut Source, out: &mut VecDeque<Output>) {
        source.pause.brakes = ShardSet::EMPTY;
        if !source.pause.is_on() {
            out.push_back(Output::Resume(source.conn));
        }
    }

    /// A connection goes: nothing of it stays here.
    pub(crate) fn forget_source(&mut self, source: &Source) {
        if !source.pause.brakes.is_empty() {
            self.brake_ends.remove(&(source.pause.brakes_until, source.conn));
        }
    }

    /// A session goes: nothing of it stays here.
    pub(crate) fn forget(&mut self, session: &mut Session, out: &mut VecDeque<Output>) {
        self.release_all(session, out);
        if planted::is(Bug::KeepPlaces) {
            return;
        }
        let (live, history) = session.queue.places();
        self.live.subtract(live * PLACE_BYTES);
        self.replays.subtract(history * PLACE_BYTES);
    }

    /// Brakes that stand on either side, for the check that nothing is left.
    pub(crate) fn len(&self) -> usize {
        self.braking.len() + self.brake_ends.len() + self.live.bytes() + self.replays.bytes()
    }

    /// Makes the account say what queues hold.
    pub(crate) fn settle(&mut self) {
        self.live.settle();
        self.replays.settle();
    }

    /// Asks `origin`'s shard to read it less.
    pub(crate) fn ask_to_brake(origin: Origin, out: &mut VecDeque<Output>) {
        out.push_back(Output::Mail { to: origin.shard, mail: Mail::Brake(origin) });
    }
}
