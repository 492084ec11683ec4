//! One shard: a match over inputs, each arm a call into the module that owns the matter.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use topic::TopicName;

use crate::budget::{Budget, Crowd};
use crate::fanout::{self, Receivers};
use crate::grant::{self, Neighbours, Tables};
use crate::history::{History, HistoryBounds, Readers, Replay};
use crate::ids::{ConnId, Origin, ShardId, ShardSet};
use crate::input::{Delivery, Input, Mail, Output};
use crate::interest::Interest;
use crate::limits::Limits;
use crate::memory::Gauge;
use crate::overload::Overload;
use crate::planted::{self, Bug};
use crate::queue::Slice;
use crate::routes::{RouteBounds, Routes};
use crate::run::{LocalRun, Run};
use crate::session::{Ready, Sessions};
use crate::stats::Stats;
use crate::time::{Instant, Now};
use crate::work;

/// What one step of waiting work may cost.
const STEP_WORK: u64 = 100_000;
/// How often those who wait for history look whether there is room for it.
const LINE_CHECK: Duration = Duration::from_millis(10);

/// What a shard is made with.
#[derive(Debug, Clone)]
pub struct ShardConfig {
    /// Which one it is.
    pub own: ShardId,
    /// How many there are.
    pub shards: u8,
    /// Its bounds.
    pub limits: Arc<Limits>,
    /// Seed of its hashers; unpredictable to clients.
    pub seed: u64,
    /// The process-wide memory account.
    pub gauge: Gauge,
}

/// One thread's whole broker. Deterministic: same inputs in the same order, same outputs.
///
/// After [`Shard::handle`], drain [`Shard::poll_output`] before the next input. Every call costs a
/// bounded amount of work, which [`Shard::take_work`] tells; what would cost more is done in
/// [`Shard::step`]s.
#[derive(Debug)]
pub struct Shard {
    neighbours: Neighbours,
    limits: Arc<Limits>,
    sessions: Sessions,
    interest: Interest,
    history: History,
    readers: Readers,
    overload: Overload,
    budget: Budget,
    ready: Ready,
    out: VecDeque<Output>,
    stats: Stats,
    /// When those who wait for history while memory for it is short look again.
    line_check: Option<Instant>,
    spent: u64,
}

impl Shard {
    /// A shard without connections.
    ///
    /// # Panics
    /// If `own` is not one of the `shards`.
    #[must_use]
    pub fn new(config: ShardConfig) -> Self {
        assert!(config.own.0 < config.shards, "a shard is one of the shards");
        let limits = config.limits;
        let mut others = ShardSet::first(config.shards);
        others.remove(config.own);
        let bounds = HistoryBounds {
            messages_max: limits.history_messages_max,
            bytes_max: limits.history_bytes_max / usize::from(config.shards),
            replay_bytes_max: limits.replay_bytes_max,
        };
        let route_bounds = RouteBounds {
            topics_max: limits.routes_max,
            bytes_max: limits.routes_bytes_max / usize::from(config.shards),
        };
        Self {
            neighbours: Neighbours { own: config.own, others },
            sessions: Sessions::default(),
            interest: Interest::new(Routes::new(route_bounds, config.seed), &config.gauge),
            history: History::new(bounds, config.seed.rotate_left(32), config.gauge.clone()),
            readers: Readers::new(&config.gauge),
            overload: Overload::new(&config.gauge),
            budget: Budget::new(config.gauge),
            ready: Ready::default(),
            out: VecDeque::new(),
            stats: Stats::default(),
            line_check: None,
            spent: 0,
            limits,
        }
    }

    /// Takes one input.
    ///
    /// # Panics
    /// If the driver breaks its side: a slot given out twice, a subscribe by nobody.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.spent += work::INPUT;
        match input {
            Input::Connected(conn) => self.sessions.insert(conn),
            Input::Subscribe { conn, filter, history } => {
                self.spent += work::SESSION;
                let gauge = self.budget.gauge().clone();
                grant::subscribe(&mut self.tables(), &gauge, conn, &filter, history);
                self.answer(now.mono);
            }
            Input::Publish(run) => self.publish(now, run),
            Input::Closed(conn) => self.closed(conn),
            Input::Mail { from, mail } => self.mail(now.mono, from, mail),
            Input::Timeout => self.timeout(now.mono),
        }
    }

    /// Whether [`Shard::step`] has something to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.readers.has_work(self.limits.replays_bytes_max)
    }

    /// Whether anyone waits for history of this shard.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        !self.readers.is_empty()
    }

    /// Goes on with work that waits: reading history.
    pub fn step(&mut self, now: Now) {
        self.spent += work::INPUT;
        let work_max = if planted::is(Bug::StepWithoutBound) { u64::MAX } else { STEP_WORK };
        self.readers.step(&mut self.history, work_max, self.limits.replays_bytes_max);
        self.answer(now.mono);
    }

    /// What all calls since the last one have cost, in nanoseconds of a slow core, estimated.
    pub fn take_work(&mut self) -> u64 {
        std::mem::take(&mut self.spent) + self.interest.take_spent() + self.history.take_spent()
    }

    /// Ends a turn: the account is told what has changed.
    pub fn end_turn(&mut self) {
        self.interest.settle();
        self.history.settle();
        self.overload.settle();
    }

    /// The next thing that the driver has to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// The next connection with something to deliver; each is named once until
    /// [`Shard::poll_delivery`] has returned `None` for it.
    pub fn poll_ready(&mut self) -> Option<ConnId> {
        self.ready.pop()
    }

    /// Whether [`Shard::poll_ready`] has something to say.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next thing for a subscriber. Call it while its socket has room; after `None` the
    /// connection is named by [`Shard::poll_ready`] again when something arrives.
    pub fn poll_delivery(&mut self, now: Now, conn: ConnId) -> Option<Delivery> {
        let session = self.sessions.get_mut(conn)?;
        if !session.stands() {
            return None; // what is queued waits for the last shard's answer
        }
        let Some(popped) = session.queue.pop(now.mono) else {
            session.listed = false;
            return None;
        };
        self.overload.queue_shrank(session, &popped, &self.limits, &mut self.out);
        if let Delivery::Messages(slice) = &popped.delivery {
            self.stats.delivered += slice.len();
        }
        Some(popped.delivery)
    }

    /// A receiver had no room for the rest of a delivery: it is delivered next, unless it is
    /// dropped before.
    pub fn put_back(&mut self, conn: ConnId, rest: Slice) {
        let Some(session) = self.sessions.get_mut(conn) else { return };
        self.stats.delivered -= rest.len();
        session.queue.put_back(rest);
    }

    /// Whether a connection has asked to subscribe and is not answered yet.
    pub fn is_asking(&mut self, conn: ConnId) -> bool {
        self.sessions.get_mut(conn).is_some_and(|session| session.place().is_some() && !session.stands())
    }

    /// When [`Input::Timeout`] is due. One timeout does a bounded part of what is due; as long as
    /// more is due, this says so.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waiting = !self.has_work() && self.is_asked();
        // Who waits for room in memory looks again; nobody tells when there is some.
        let line = waiting.then_some(self.line_check).flatten();
        let due =
            [self.overload.poll_timeout(), self.budget.poll_timeout(), self.history.poll_timeout(), line];
        due.into_iter().flatten().min()
    }

    /// The one other shard that hears `topic`, if it is the only one that does.
    pub fn sole_interest(&mut self, topic: &TopicName) -> Option<ShardId> {
        let filters = self.interest.route(topic);
        let mut remote = self.interest.remote(&filters).iter();
        let own = filters.iter().any(|filter| !self.interest.local(*filter).is_empty());
        let (sole, another) = (remote.next(), remote.next());
        sole.filter(|_| !own && another.is_none())
    }

    /// Counters so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Bytes of history kept.
    #[must_use]
    pub fn history_bytes(&self) -> usize {
        self.history.bytes()
    }

    /// Bytes of cached routes: they outlive whoever asked for them.
    #[must_use]
    pub fn route_bytes(&self) -> usize {
        self.interest.route_bytes()
    }

    /// Bytes that wait in a connection's queue.
    pub fn queue_bytes(&mut self, conn: ConnId) -> usize {
        self.sessions.get_mut(conn).map_or(0, |session| session.queue.bytes())
    }

    /// Sessions, filters, extra trie nodes and brakes held: all zero when everyone has gone.
    #[must_use]
    pub fn leftovers(&self) -> [usize; 4] {
        let (filters, nodes) = self.interest.size();
        let waiting = usize::from(self.is_asked());
        [self.sessions.len(), filters, nodes - 1, self.overload.len() + self.budget.len() + waiting]
    }

    fn publish(&mut self, now: Now, run: Arc<Run>) {
        let conn = run.publisher().origin.conn;
        let body_bytes = run.body_bytes();
        self.stats.accepted += u64::from(run.len());
        if let Some(slot) = self.history.record(now.mono, &run) {
            self.readers.slot_changed(slot);
        }
        let filters = self.interest.route(run.topic());
        for to in self.interest.remote(&filters).iter() {
            self.spent += work::INPUT;
            self.out.push_back(Output::Mail { to, mail: Mail::Publish(Arc::clone(&run)) });
            if planted::is(Bug::MailFirstShardOnly) {
                break;
            }
        }
        let own = self.neighbours.own;
        fanout::deliver(&mut self.receivers(), now.mono, &LocalRun::new(run), own, &filters);
        if let Some(session) = self.sessions.get_mut(conn) {
            Overload::published(now.mono, session, body_bytes);
            self.budget.published(now.mono, session, &self.limits, &mut self.out);
        }
    }

    fn mail(&mut self, now: Instant, from: ShardId, mail: Mail) {
        match mail {
            Mail::Publish(run) => {
                let filters = self.interest.route(run.topic());
                fanout::deliver(&mut self.receivers(), now, &LocalRun::new(run), from, &filters);
            }
            Mail::Want { filter, conn, history } => {
                grant::want(&mut self.tables(), from, &filter, conn, history);
                self.answer(now);
            }
            Mail::Granted { conn, history } => self.granted(now, from, conn, history),
            Mail::Cancel(conn) => grant::cancel(&mut self.tables(), from, conn),
            Mail::Unwant(filter) => self.interest.remove_remote(&filter, from),
            Mail::Brake(origin) => self.brake(now, from, origin),
            Mail::Release(origin) => self.release(from, origin),
            Mail::MemoryShort => self.budget.look_soon(now),
        }
    }

    fn closed(&mut self, conn: ConnId) {
        let Some(mut session) = self.sessions.remove(conn) else { return };
        self.spent += work::SESSION + work::QUEUE_ENTRY * session.queue.places().0 as u64;
        if session.place().is_some() {
            self.stats.subscriptions -= 1;
        }
        self.overload.forget(&mut session, &mut self.out);
        self.budget.forget(&session);
        grant::leave(&mut self.tables(), &session);
    }

    fn timeout(&mut self, now: Instant) {
        for conn in self.overload.take_ended(now) {
            self.spent += work::INPUT;
            let Some(session) = self.sessions.get_mut(conn) else { continue };
            Overload::end_brakes(session, &mut self.out);
        }
        if self.budget.poll_timeout().is_some_and(|at| at <= now) {
            let mut crowd = Crowd {
                sessions: &mut self.sessions,
                overload: &mut self.overload,
                ready: &mut self.ready,
                out: &mut self.out,
                limits: &self.limits,
                stats: &mut self.stats,
                neighbours: self.neighbours,
                spent: &mut self.spent,
            };
            self.budget.timeout(now, &mut crowd);
        }
        self.history.compact(now);
        self.line_check = Some(now.after(LINE_CHECK));
    }

    /// Gives out what history has been read.
    fn answer(&mut self, now: Instant) {
        while let Some(granted) = grant::answer(&mut self.tables()) {
            self.granted(now, self.neighbours.own, granted.asker.conn, granted.replay);
        }
        self.line_check = Some(now.after(LINE_CHECK));
    }

    fn granted(&mut self, now: Instant, from: ShardId, conn: ConnId, replay: Replay) {
        let entries = grant::granted(&mut self.tables(), now, from, conn, replay);
        self.spent += work::REPLAY_ENTRY * entries as u64;
        let Some(session) = self.sessions.get_mut(conn).filter(|_| entries > 0) else { return };
        self.overload.replayed(session);
        self.budget.replays(now, session);
    }

    fn brake(&mut self, now: Instant, by: ShardId, origin: Origin) {
        // The publisher may have gone while the mail was under way.
        let Some(session) = self.sessions.get_mut(origin.conn) else { return };
        let paused = self.overload.brake(now, session, by, &self.limits, &mut self.out);
        self.stats.pauses += u64::from(paused);
    }

    fn release(&mut self, by: ShardId, origin: Origin) {
        let Some(session) = self.sessions.get_mut(origin.conn) else { return };
        self.overload.release(session, by, &mut self.out);
    }

    fn tables(&mut self) -> Tables<'_> {
        Tables {
            sessions: &mut self.sessions,
            interest: &mut self.interest,
            history: &mut self.history,
            readers: &mut self.readers,
            ready: &mut self.ready,
            out: &mut self.out,
            stats: &mut self.stats,
            neighbours: self.neighbours,
            limits: &self.limits,
        }
    }

    fn receivers(&mut self) -> Receivers<'_> {
        Receivers {
            sessions: &mut self.sessions,
            interest: &self.interest,
            overload: &mut self.overload,
            ready: &mut self.ready,
            stats: &mut self.stats,
            limits: &self.limits,
            out: &mut self.out,
            spent: &mut self.spent,
        }
    }
}
