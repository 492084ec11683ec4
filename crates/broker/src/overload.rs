//! What happens when a queue or the process fills up; decided here and nowhere else.
//!
//! A queue over the brake level asks its publishers to read less, briefly. A queue over its
//! bound drops its oldest live messages, announces how many, and loses the right to brake
//! until it has drained. A process over its memory budget pauses publishers and cuts every
//! queue to a fair share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::grant::Neighbours;
use crate::ids::{ConnId, Origin, ShardId, ShardSet};
use crate::input::{Mail, Output};
use crate::limits::Limits;
use crate::memory::Gauge;
use crate::planted::{self, Bug};
use crate::session::{Ready, Session, Sessions};
use crate::stats::Stats;
use crate::time::Instant;

/// How often a process over its budget looks whether it still is.
const MEMORY_CHECK: Duration = Duration::from_millis(10);

/// What is left of the queues when memory is short. History (at most half of the budget) and
/// unfinished messages (an eighth) stay below the level at which publishers go on, so that
/// cutting queues always gets there.
const QUEUES_PART: usize = 8;

/// How a subscriber's queue stands.
///
/// ```text
/// Keeping ──over brake level──▶ Braking ──half empty──▶ Keeping
///    └────over bound───▶ Overflowed ◀──over bound──┘
///                            └──drained──▶ Keeping
/// ```
#[derive(Debug)]
pub(crate) enum Flow {
    Keeping,
    /// These publishers were asked to read less.
    Braking(Vec<Origin>),
    /// Dropped messages and has not drained since: brakes nobody.
    Overflowed,
}

/// Why a publisher is not read.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    /// Shards with a queue that grows, and until when they may hold this read up.
    brakes: ShardSet,
    brakes_until: Instant,
    memory: bool,
}

impl Pause {
    fn is_on(&self) -> bool {
        self.memory || !self.brakes.is_empty()
    }
}

/// One shard's bookkeeping of brakes and of memory.
#[derive(Debug)]
pub(crate) struct Overload {
    /// How many queues of this shard brake each publisher.
    braking: BTreeMap<Origin, u32>,
    /// When a publisher of this shard is read again in any case.
    brake_ends: BTreeSet<(Instant, ConnId)>,
    /// Publishers of this shard that wait for memory, and when to look again.
    memory_waits: Vec<ConnId>,
    memory_check: Option<Instant>,
    gauge: Gauge,
}

impl Overload {
    pub(crate) fn new(gauge: Gauge) -> Self {
        Self {
            braking: BTreeMap::new(),
            brake_ends: BTreeSet::new(),
            memory_waits: Vec::new(),
            memory_check: None,
            gauge,
        }
    }

    /// A run of `origin` was pushed to a queue that is now over the brake level. Drops if it is
    /// over its bound. Returns whether the publisher is to be braked.
    pub(crate) fn queue_grew(
        &mut self,
        session: &mut Session,
        origin: Origin,
        limits: &Limits,
        stats: &mut Stats,
        out: &mut VecDeque<Output>,
    ) -> bool {
        if session.queue.live_bytes() > limits.queue_bytes_max && !planted::is(Bug::NoQueueBound) {
            let dropped = session.queue.drop_live(limits.queue_bytes_max);
            if dropped > 0 {
                stats.dropped += dropped;
                self.release_all(session, out);
                session.flow = Flow::Overflowed;
                return false;
            }
        }
        match &mut session.flow {
            Flow::Overflowed => return false,
            Flow::Keeping => {
                session.flow = Flow::Braking(vec![origin]);
                *self.braking.entry(origin).or_default() += 1;
            }
            Flow::Braking(origins) => {
                // One that finds no place is braked all the same, and read again in 10 ms.
                if origins.len() < limits.brake_origins_max && !origins.contains(&origin) {
                    origins.push(origin);
                    *self.braking.entry(origin).or_default() += 1;
                }
            }
        }
        true
    }

    /// Something was taken from a queue: releases its publishers when it is half empty.
    pub(crate) fn queue_shrank(
        &mut self,
        session: &mut Session,
        limits: &Limits,
        out: &mut VecDeque<Output>,
    ) {
        match &session.flow {
            Flow::Keeping => {}
            Flow::Braking(_) => {
                if session.queue.live_bytes() <= limits.brake_bytes / 2 {
                    self.release_all(session, out);
                }
            }
            Flow::Overflowed => {
                if session.queue.is_empty() {
                    session.flow = Flow::Keeping;
                }
            }
        }
    }

    /// Takes back the brakes of one queue.
    pub(crate) fn release_all(&mut self, session: &mut Session, out: &mut VecDeque<Output>) {
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

    /// A shard asks that this publisher be read less.
    pub(crate) fn brake(
        &mut self,
        now: Instant,
        session: &mut Session,
        by: ShardId,
        limits: &Limits,
        out: &mut VecDeque<Output>,
    ) {
        let pause = &mut session.pause;
        if !pause.is_on() {
            out.push_back(Output::Pause(session.conn));
        }
        if pause.brakes.is_empty() {
            pause.brakes_until = now.after(limits.brake_time);
            if !planted::is(Bug::BrakeForever) {
                self.brake_ends.insert((pause.brakes_until, session.conn));
            }
        }
        pause.brakes.insert(by);
    }

    /// A shard takes its brake back.
    pub(crate) fn release(&mut self, session: &mut Session, by: ShardId, out: &mut VecDeque<Output>) {
        let pause = &mut session.pause;
        if !pause.brakes.contains(by) || planted::is(Bug::BrakeForever) {
            return;
        }
        pause.brakes.remove(by);
        if pause.brakes.is_empty() {
            self.brake_ends.remove(&(pause.brakes_until, session.conn));
            if !pause.is_on() {
                out.push_back(Output::Resume(session.conn));
            }
        }
    }

    /// A connection published: pauses it while the process is over its budget.
    pub(crate) fn check_memory(
        &mut self,
        now: Instant,
        session: &mut Session,
        limits: &Limits,
        out: &mut VecDeque<Output>,
    ) {
        if self.gauge.used() <= limits.memory_bytes_max || session.pause.memory {
            return;
        }
        if !session.pause.is_on() {
            out.push_back(Output::Pause(session.conn));
        }
        session.pause.memory = true;
        self.memory_waits.push(session.conn);
        // At once the first time: the queues are what makes room.
        self.memory_check.get_or_insert(now);
    }

    /// Another shard is short of memory: looks at this one's queues at the next timeout.
    pub(crate) fn look_soon(&mut self, now: Instant) {
        self.memory_check.get_or_insert(now);
    }

    /// When [`Overload::timeout`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let brake = self.brake_ends.first().map(|(at, _)| *at);
        [brake, self.memory_check].into_iter().flatten().min()
    }

    /// Ends brakes that have lasted long enough, and looks at memory again.
    pub(crate) fn timeout(&mut self, now: Instant, w: &mut World<'_>) {
        while let Some((at, conn)) = self.brake_ends.first().copied() {
            if at > now {
                break;
            }
            self.brake_ends.pop_first();
            let Some(session) = w.sessions.get_mut(conn) else { continue };
            session.pause.brakes = ShardSet::EMPTY;
            if !session.pause.is_on() {
                w.out.push_back(Output::Resume(conn));
            }
        }
        if self.memory_check.is_some_and(|at| at <= now) {
            self.look_at_memory(now, w);
        }
    }

    fn look_at_memory(&mut self, now: Instant, w: &mut World<'_>) {
        // Down to where publishers go on, not just below the budget: else every shard may find
        // that the rest is for another one to cut.
        let goes_on_at = w.limits.memory_bytes_max / 8 * 7;
        if self.gauge.used() > goes_on_at {
            self.cut_to_fair_share(w);
            // The long queues may be another shard's; publishers that wait are this one's.
            if !self.memory_waits.is_empty() {
                let mail = |to| Output::Mail { to, mail: Mail::MemoryShort };
                w.out.extend(w.neighbours.others.iter().map(mail));
            }
        }
        if self.memory_waits.is_empty() {
            self.memory_check = None;
            return;
        }
        if self.gauge.used() > goes_on_at {
            self.memory_check = Some(now.after(MEMORY_CHECK));
            return;
        }
        self.memory_check = None;
        for conn in std::mem::take(&mut self.memory_waits) {
            let Some(session) = w.sessions.get_mut(conn) else { continue };
            session.pause.memory = false;
            if !session.pause.is_on() {
                w.out.push_back(Output::Resume(conn));
            }
        }
    }

    /// Cuts every queue so that all of them together need at most their part of the budget.
    fn cut_to_fair_share(&mut self, w: &mut World<'_>) {
        let shards = 1 + w.neighbours.others.iter().count();
        let connections = shards * w.sessions.len().max(1);
        let share = w.limits.memory_bytes_max / QUEUES_PART / connections;
        for session in w.sessions.iter_mut() {
            if session.queue.bytes() > share {
                let dropped = session.queue.drop_any(share);
                w.stats.dropped += dropped;
                self.release_all(session, w.out);
                session.flow = Flow::Overflowed;
                w.ready.list(session);
            }
        }
    }

    /// A connection goes: nothing of it stays here.
    pub(crate) fn forget(&mut self, session: &mut Session, out: &mut VecDeque<Output>) {
        self.release_all(session, out);
        if !session.pause.brakes.is_empty() {
            self.brake_ends.remove(&(session.pause.brakes_until, session.conn));
        }
        if session.pause.memory {
            self.memory_waits.retain(|conn| *conn != session.conn);
        }
    }

    /// Brakes that stand on either side, for the check that nothing is left.
    pub(crate) fn len(&self) -> usize {
        self.braking.len() + self.brake_ends.len() + self.memory_waits.len()
    }

    /// Asks `origin`'s shard to read it less.
    pub(crate) fn ask_to_brake(origin: Origin, out: &mut VecDeque<Output>) {
        out.push_back(Output::Mail { to: origin.shard, mail: Mail::Brake(origin) });
    }
}

/// What [`Overload::timeout`] may touch.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) sessions: &'a mut Sessions,
    pub(crate) ready: &'a mut Ready,
    pub(crate) out: &'a mut VecDeque<Output>,
    pub(crate) limits: &'a Limits,
    pub(crate) stats: &'a mut Stats,
    pub(crate) neighbours: Neighbours,
}
