//! What happens when the whole process fills up.
//!
//! Over the budget publishers wait, and every queue is cut to a fair share. All other uses of
//! memory have parts of their own that together stay below the level at which publishers go on
//! (`Limits::check`), so cutting queues always gets there. History under way to subscribers has
//! a part as well: over it, whoever takes nothing of its history loses it, announced like any
//! loss. Sessions are looked at a few at a time.

use std::collections::VecDeque;
use std::time::Duration;

use crate::grant::Neighbours;
use crate::ids::{ConnId, SessionId};
use crate::input::{Mail, Output};
use crate::limits::Limits;
use crate::memory::{Gauge, Use};
use crate::overload::{Overload, STALLED};
use crate::session::{Ready, Session, Sessions};
use crate::shard::take_back;
use crate::source::{Source, Sources};
use crate::stats::Stats;
use crate::time::Instant;
use crate::work;

/// How often a process over its budget looks whether it still is.
const MEMORY_CHECK: Duration = Duration::from_millis(5);
/// How soon more publishers may go on after some have: each reads once more before it is known
/// what that adds.
const GO_ON: Duration = Duration::from_millis(1);
/// A queue is not cut below this at first: it is not what fills the memory, and its subscriber
/// may well keep up.
const SPARED_BYTES: usize = 4 * 1024;
/// Sessions that are looked at in one call.
const SESSIONS_MAX: u32 = 64;
/// What cutting may cost in one call, and one more queue.
const CUT_WORK: u64 = 50_000;

/// One shard's part in keeping the process within its budget.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Publishers of this shard that wait, some of which may have gone; how many have not; and
    /// when to look again.
    waits: VecDeque<ConnId>,
    waiting: usize,
    check_at: Option<Instant>,
    cutting: Option<Cutting>,
    /// Whether the last cut was not enough: then nobody is spared.
    was_short: bool,
    /// Subscribers with history to deliver, and when to look at them again.
    replaying: VecDeque<SessionId>,
    replays_check_at: Option<Instant>,
    gauge: Gauge,
}

/// Queues are being cut to a size, from a slot on.
#[derive(Debug, Clone, Copy)]
struct Cutting {
    from: u32,
    share: usize,
}

/// What the budget may touch.
#[derive(Debug)]
pub(crate) struct Crowd<'a> {
    pub(crate) sources: &'a mut Sources,
    pub(crate) sessions: &'a mut Sessions,
    pub(crate) overload: &'a mut Overload,
    pub(crate) ready: &'a mut Ready,
    pub(crate) out: &'a mut VecDeque<Output>,
    pub(crate) limits: &'a Limits,
    pub(crate) stats: &'a mut Stats,
    pub(crate) neighbours: Neighbours,
    pub(crate) spent: &'a mut u64,
}

impl Memory {
    pub(crate) fn new(gauge: Gauge) -> Self {
        Self {
            waits: VecDeque::new(),
            waiting: 0,
            check_at: None,
            cutting: None,
            was_short: false,
            replaying: VecDeque::new(),
            replays_check_at: None,
            gauge,
        }
    }

    /// The account.
    pub(crate) fn gauge(&self) -> &Gauge {
        &self.gauge
    }

    /// A connection published: pauses it while the process is over its budget, unless it has
    /// published next to nothing lately; a little further over the budget everyone is paused.
    pub(crate) fn published(
        &mut self,
        now: Instant,
        source: &mut Source,
        limits: &Limits,
        out: &mut VecDeque<Output>,
    ) {
        let over = self.gauge.used().saturating_sub(limits.memory_bytes_max);
        if over == 0 || source.pause.memory {
            return;
        }
        // At once the first time: the queues are what makes room.
        if self.check_at.is_none() {
            self.check_at = Some(now);
            self.was_short = false;
        }
        // A person who types or a sensor is not what fills the memory, and would feel a pause most.
        if source.pause.is_light() && over <= limits.memory_bytes_max / 32 {
            return;
        }
        if !source.pause.is_on() {
            out.push_back(Output::Pause(source.conn));
        }
        source.pause.memory = true;
        self.waiting += 1;
        // The light ones go on first: they are not what has to wait.
        match source.pause.is_light() {
            true => self.waits.push_front(source.conn),
            false => self.waits.push_back(source.conn),
        }
    }

    /// A subscriber has history to deliver.
    pub(crate) fn replays(&mut self, now: Instant, session: &mut Session) {
        if !std::mem::replace(&mut session.replays, true) {
            self.replaying.push_back(session.id);
        }
        self.replays_check_at.get_or_insert(now.after(STALLED));
    }

    /// Another shard is short of memory: looks at this one's queues at the next timeout.
    pub(crate) fn look_soon(&mut self, now: Instant) {
        self.check_at.get_or_insert(now);
    }

    /// When [`Memory::timeout`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let cutting = self.cutting.map(|_| Instant::default());
        [cutting, self.check_at, self.replays_check_at].into_iter().flatten().min()
    }

    /// Does a part of what is due; what is left is due at once.
    pub(crate) fn timeout(&mut self, now: Instant, c: &mut Crowd<'_>) {
        if self.cutting.is_some() {
            self.cut_some(c);
        } else if self.check_at.is_some_and(|at| at <= now) {
            self.look_at_memory(now, c);
        }
        if self.replays_check_at.is_some_and(|at| at <= now) {
            self.look_at_replays(now, c);
        }
    }

    /// A connection goes: nothing of it stays here.
    pub(crate) fn forget_source(&mut self, source: &Source) {
        if source.pause.memory {
            // Its place in the line stays until it is its turn: finding it would cost the line.
            self.waiting = self.waiting.checked_sub(1).expect("counted when it was paused");
            if self.waiting == 0 {
                self.waits = VecDeque::new();
            }
        }
    }

    /// Publishers that wait, for the check that nothing is left.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    fn look_at_memory(&mut self, now: Instant, c: &mut Crowd<'_>) {
        // Down to where publishers go on, not just below the budget: else every shard may find
        // that the rest is for another one to cut.
        let used = self.gauge.used();
        if used > c.limits.memory_goes_on_at() {
            let shards = 1 + c.neighbours.others.iter().count();
            let fair = c.limits.queues_bytes_left() / (shards * c.sessions.len().max(1));
            let share = if self.was_short { fair } else { fair.max(SPARED_BYTES) };
            self.was_short = true;
            self.cutting = Some(Cutting { from: 0, share });
            // The long queues may be another shard's; publishers that wait are this one's.
            if self.waiting > 0 {
                let mail = |to| Output::Mail { to, mail: Mail::MemoryShort };
                c.out.extend(c.neighbours.others.iter().map(mail));
            }
            self.check_at = (self.waiting > 0).then(|| now.after(MEMORY_CHECK));
            return;
        }
        self.was_short = false;
        // As many as there is room for, if each reads a buffer full.
        let room = (c.limits.memory_bytes_max - used) / c.limits.read_run_bytes_max();
        let mut left = room.clamp(1, SESSIONS_MAX as usize);
        while left > 0
            && let Some(conn) = self.waits.pop_front()
        {
            let Some(source) = c.sources.get_mut(conn) else { continue };
            source.pause.memory = false;
            self.waiting -= 1;
            left -= 1;
            if !source.pause.is_on() {
                c.out.push_back(Output::Resume(conn));
            }
        }
        self.check_at = (self.waiting > 0).then(|| now.after(GO_ON));
    }

    /// Cuts the queues of the next few sessions.
    fn cut_some(&mut self, c: &mut Crowd<'_>) {
        let Some(Cutting { from, share }) = self.cutting else { return };
        let mut to = from.saturating_add(SESSIONS_MAX).min(c.sessions.slots());
        let before = *c.spent;
        for slot in from..to {
            if *c.spent - before > CUT_WORK {
                to = slot;
                break;
            }
            let Some((_, session)) = c.sessions.in_slot(slot) else { continue };
            // What groups have given is cut where it waits for all of their members.
            if session.queue.given_bytes() > share {
                take_back(session, None, &mut c.overload.places, c.out, c.spent);
            }
            // Whoever has little keeps it: only the long queues make room.
            if session.queue.bytes() <= share {
                continue;
            }
            let dropped = session.queue.drop_any(share);
            *c.spent += work::QUEUE_ENTRY * (dropped.live + dropped.history) as u64;
            c.overload.places.dropped(dropped, c.stats);
            c.overload.brakes.fall_behind(session, c.out);
            c.ready.list(session);
        }
        c.overload.places.settle();
        // By slot, not by list: whoever comes or goes meanwhile does not disturb the walk.
        self.cutting = (to < c.sessions.slots()).then_some(Cutting { from: to, share });
    }

    /// Looks at everyone who has history to deliver, a few at a time: who takes nothing of it
    /// while others wait for room loses it.
    fn look_at_replays(&mut self, now: Instant, c: &mut Crowd<'_>) {
        let short = self.gauge.used_for(Use::Replays) > c.limits.replays_bytes_max;
        for _ in 0..self.replaying.len().min(SESSIONS_MAX as usize) {
            let Some(id) = self.replaying.pop_front() else { break };
            let Some(session) = c.sessions.get_mut(id) else { continue };
            if session.queue.places().1 == 0 {
                session.replays = false;
                continue;
            }
            if short && session.queue.untaken_for(now) >= STALLED {
                let dropped = session.queue.drop_history();
                *c.spent += work::QUEUE_ENTRY * dropped.history as u64;
                c.overload.places.dropped(dropped, c.stats);
                c.ready.list(session);
                session.replays = false;
                continue;
            }
            self.replaying.push_back(id);
        }
        c.overload.places.settle();
        // Round all of them in about the time that it takes to be stalled.
        let rounds = u32::try_from(self.replaying.len() / SESSIONS_MAX as usize + 1).unwrap_or(u32::MAX);
        self.replays_check_at = (!self.replaying.is_empty()).then(|| now.after(STALLED / rounds));
    }
}
