//! One shard: a match over inputs, each arm a call into the module that owns the matter.

mod figures;
mod groups;
mod positions;
mod publishing;

pub(crate) use groups::take_back;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use topic::TopicName;

use crate::fanout::Receivers;
use crate::filters::Filters;
use crate::grant::{self, Deadlines, Granted, Neighbours, Tables};
use crate::group::{Groups, Hears};
use crate::history::{History, HistoryBounds, HistoryRequest, Readers, Replay};
use crate::ids::{ConnId, Origin, SessionId, ShardId, ShardSet, SubscriptionId, SubscriptionKey};
use crate::input::{Delivery, Input, Mail, Output, Refusal};
use crate::interest::Interest;
use crate::limits::Limits;
use crate::memory::Gauge;
use crate::overload::{Crowd, Flow, Memory, Overload, Pauses};
use crate::planted::{self, Bug};
use crate::position::Arrivals;
use crate::refused::{MessageRefusal, SubscriptionRefusal};
use crate::retained::{Retained, RetainedRequest};
use crate::routes::{RouteBounds, Routes};
use crate::run::Run;
use crate::session::{Ready, Session, Sessions};
use crate::slice::Slice;
use crate::source::{Source, Sources};
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
    pub own: ShardId,
    pub shards: u8,
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
    sources: Sources,
    sessions: Sessions,
    interest: Interest,
    history: History,
    readers: Readers,
    /// By when its subscriptions are to be answered.
    deadlines: Deadlines,
    retained: Retained,
    overload: Overload,
    pauses: Pauses,
    memory: Memory,
    groups: Groups,
    /// Sessions with something that a group has given, and when to look whether they take it.
    watched: BTreeSet<(Instant, SessionId)>,
    ready: Ready,
    out: VecDeque<Output>,
    stats: Stats,
    /// When those who wait for history while memory for it is short look again.
    line_check: Option<Instant>,
    arrivals: Arrivals,
    fan_outs: u64,
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
            sources: Sources::default(),
            sessions: Sessions::default(),
            interest: Interest::new(Routes::new(route_bounds, config.seed), &config.gauge),
            // Two seeds of one: topics that collide in one table do not in the other.
            history: History::new(bounds, config.seed.rotate_left(32), config.gauge.clone()),
            readers: Readers::new(&config.gauge),
            deadlines: Deadlines::default(),
            retained: Retained::new(config.own, config.shards, &config.gauge),
            overload: Overload::new(&config.gauge),
            groups: Groups::new(&config.gauge),
            watched: BTreeSet::new(),
            pauses: Pauses::default(),
            memory: Memory::new(config.gauge),
            ready: Ready::default(),
            out: VecDeque::new(),
            stats: Stats::default(),
            line_check: None,
            arrivals: Arrivals::new(config.shards),
            fan_outs: 0,
            spent: 0,
            limits,
        }
    }

    /// Takes one input.
    ///
    /// # Panics
    /// If the driver gives a slot out twice.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.spent += work::INPUT;
        match input {
            Input::Connected(conn) => self.sources.put(conn, Source::new(conn)),
            Input::Unsubscribe(subscription) => self.unsubscribe(subscription),
            Input::Publish(run) => self.publish(now, run),
            Input::Tell(run) => self.spread(now.mono, run),
            Input::Closed(conn) => self.closed(conn),
            Input::Mail { from, mail } => self.mail(now.mono, from, mail),
            Input::Timeout => self.timeout(now.mono),
        }
    }

    /// Opens a session whose deliveries go to a connection.
    ///
    /// # Panics
    /// If the connection is unknown or has a session: its front end sees to that.
    pub fn open(&mut self, conn: ConnId) -> SessionId {
        let id = self.sessions.next_key();
        let source = self.sources.get_mut(conn).expect("a connection opens a session while it lives");
        assert!(source.session.replace(id).is_none(), "one session each");
        self.sessions.insert(Session::new(id, conn))
    }

    /// A session lives on without its connection: what it is promised waits in its queue, and holds
    /// nobody up.
    pub fn detach(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let Some(conn) = session.conn.take() else { return };
        if let Some(source) = self.sources.get_mut(conn) {
            source.session = None;
        }
        self.overload.brakes.fall_behind(session, &mut self.out);
        self.tell_groups(id, Hears::Away);
    }

    /// A connection takes a session over that has none: what waits is delivered to it.
    ///
    /// # Panics
    /// If either is unknown, or has another one already: their front end sees to that.
    pub fn attach(&mut self, id: SessionId, conn: ConnId) {
        let source = self.sources.get_mut(conn).expect("a connection takes a session while it lives");
        assert!(source.session.replace(id).is_none(), "one session each");
        let session = self.sessions.get_mut(id).expect("a session is taken over while it lives");
        assert!(session.conn.replace(conn).is_none(), "one connection at a time");
        match session.queue.is_empty() {
            // There is nothing that it would have to catch up with.
            true => session.flow = Flow::Keeping,
            false => self.ready.list(session),
        }
        self.tell_groups(id, Hears::Now);
    }

    /// A session that no connection hears is over.
    pub fn close(&mut self, session: SessionId) {
        assert!(self.sessions.get(session).is_none_or(|session| session.conn.is_none()), "detached before");
        self.spent += work::SESSION;
        self.close_session(session);
    }

    /// A session wants to hear what matches any of `filters`, and before that what is retained, if it is
    /// one filter, and what `history` says of the past, or what it has missed since it stood where it
    /// wants to go on.
    /// [`Output::Subscribed`] tells when the subscription stands.
    ///
    /// # Errors
    /// If memory or shapes of filters are short.
    ///
    /// # Panics
    /// If the session is unknown: its front end sees to that.
    pub fn subscribe(
        &mut self,
        now: Now,
        session: SessionId,
        filters: &Filters,
        history: HistoryRequest,
        retained: RetainedRequest,
    ) -> Result<SubscriptionId, Refusal> {
        self.spent += work::INPUT + work::SESSION;
        let gauge = self.memory.gauge().clone();
        let subscribed =
            grant::subscribe(&mut self.tables(), now.mono, &gauge, session, filters, (history, retained));
        self.answer(now.mono);
        subscribed.inspect_err(|why| self.refuse_subscription((*why).into()))
    }

    /// Whether [`Shard::step`] has something to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let reads = self.readers.has_work(self.limits.replays_bytes_max) || self.retained.has_work();
        reads || self.ready.has_groups()
    }

    /// Whether anyone waits for history of this shard.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        !self.readers.is_empty()
    }

    /// Goes on with work that waits: reading history, and giving out what waits for groups.
    pub fn step(&mut self, now: Now) {
        self.spent += work::INPUT;
        let work_max = if planted::is(Bug::StepWithoutBound) { u64::MAX } else { STEP_WORK };
        self.give_out(now.mono, work_max);
        self.readers.step(&mut self.history, work_max, self.limits.replays_bytes_max);
        self.answer(now.mono);
        if let Some((subscription, granted)) = grant::step(&mut self.tables(), now.mono, work_max) {
            self.put_history(now.mono, subscription, granted);
        }
    }

    /// What all calls since the last one have cost, in nanoseconds of a slow core, estimated.
    pub fn take_work(&mut self) -> u64 {
        std::mem::take(&mut self.spent) + self.interest.take_spent() + self.history.take_spent()
    }

    /// Ends a turn: the account is told what has changed.
    pub fn end_turn(&mut self) {
        self.interest.settle();
        self.history.settle();
        self.retained.settle();
        self.groups.settle();
        self.overload.places.settle();
    }

    /// The next thing that the driver has to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// The next connection whose session has something to deliver; each is named once until
    /// [`Shard::poll_delivery`] has returned `None` for its session.
    pub fn poll_ready(&mut self) -> Option<ConnId> {
        loop {
            let id = self.ready.pop()?;
            let Some(session) = self.sessions.get_mut(id) else { continue };
            session.listed &= session.conn.is_some();
            if session.conn.is_some() {
                return session.conn;
            }
        }
    }

    /// Whether [`Shard::poll_ready`] has something to say.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next thing for a session: of a run no more messages and payload bytes than so many,
    /// or one message. Call it while its receiver has room; after `None` its connection is named
    /// by [`Shard::poll_ready`] again when something arrives.
    pub fn poll_delivery(
        &mut self,
        now: Now,
        session: SessionId,
        messages_max: u32,
        bytes_max: usize,
    ) -> Option<Delivery> {
        let session = self.sessions.get_mut(session)?;
        if !session.stands() {
            // What is queued waits for the last shard's answer, which names the session again.
            session.listed = false;
            return None;
        }
        let Some(popped) = session.queue.pop(now.mono, messages_max, bytes_max) else {
            session.listed = false;
            return None;
        };
        self.overload.queue_shrank(session, &popped, &self.limits, &mut self.out);
        if let Some(standing) = &mut session.standing {
            standing.delivers(&popped.delivery, session.queue.next(), &self.arrivals);
        }
        match &popped.delivery {
            Delivery::Messages(slice) => {
                self.stats.delivered += slice.len();
                if slice.run.group().is_some() {
                    groups::delivered(session, slice, &self.limits);
                }
            }
            Delivery::Gap(_) if session.queue.given_gap() == 0 => session.gap_is_told(),
            Delivery::Gap(_) => {}
        }
        Some(popped.delivery)
    }

    /// The run that [`Shard::poll_delivery`] would begin with, and who asked for it if it is not live.
    #[must_use]
    pub fn peek_delivery(&self, session: SessionId) -> Option<(&Run, Option<SubscriptionKey>)> {
        self.sessions.get(session).filter(|session| session.stands())?.queue.front()
    }

    /// A receiver had no room for the rest of a delivery: it is delivered next, unless it is
    /// dropped before.
    pub fn put_back(&mut self, session: SessionId, rest: Slice) {
        let Some(session) = self.sessions.get_mut(session) else { return };
        // It was counted when it was taken; the rest is counted when it is taken again.
        self.stats.delivered -= rest.len();
        self.overload.places.put_back(session.queue.put_back(rest));
    }

    /// Whether a subscription of the session has not been answered yet.
    #[must_use]
    pub fn is_asking(&self, session: SessionId) -> bool {
        self.sessions.get(session).is_some_and(|session| !session.stands())
    }

    /// When [`Input::Timeout`] is due. One timeout does a bounded part of what is due; as long as
    /// more is due, this says so.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waiting = !self.has_work() && self.is_asked();
        // Who waits for room in memory looks again; nobody tells when there is some.
        let line = waiting.then_some(self.line_check).flatten();
        let grant = self.deadlines.first().map(|(until, _)| *until);
        let (pauses, memory) = (self.pauses.poll_timeout(), self.memory.poll_timeout());
        let watched = self.watched.first().map(|(at, _)| *at);
        [pauses, memory, self.history.poll_timeout(), line, grant, watched].into_iter().flatten().min()
    }

    /// Whether a message that is published here next would be retained, unless it is empty: those
    /// are never kept, and need no room.
    #[must_use]
    pub fn may_retain(&self, topic: &TopicName) -> bool {
        self.retained.has_room(topic, &self.limits)
    }

    /// A front end does not let a message in: the operator sees how many, and why.
    pub fn refuse(&mut self, why: MessageRefusal) {
        self.stats.refused.count(why);
    }

    /// A front end does not ask for a subscription that its client wants. What [`Shard::subscribe`]
    /// and [`Output::Refused`] say is counted already.
    pub fn refuse_subscription(&mut self, why: SubscriptionRefusal) {
        self.stats.refused_subscriptions.count(why);
    }

    /// The one other shard that hears `topic`, if it is the only one that does.
    pub fn sole_interest(&mut self, topic: &TopicName) -> Option<ShardId> {
        let filters = self.interest.route(topic);
        let mut remote = self.interest.remote(&filters).iter();
        let own = filters.iter().any(|filter| !self.interest.local(*filter).is_empty());
        let (sole, another) = (remote.next(), remote.next());
        sole.filter(|_| !own && another.is_none())
    }

    fn mail(&mut self, now: Instant, from: ShardId, mail: Mail) {
        match mail {
            Mail::Publish(run) => self.publish_from(now, from, run),
            Mail::AskCount => {
                let mail = Mail::Count(self.history.accepted());
                self.out.push_back(Output::Mail { to: from, mail });
            }
            Mail::Count(accepted) => self.arrivals.came(from, accepted),
            Mail::PublishRetained { run, message, stamp } => {
                self.spent += work::RECORD;
                self.retained.store(now, run.topic(), message, stamp);
                self.mail(now, from, Mail::Publish(run));
            }
            Mail::Want { filters, subscription, history } => {
                grant::want(&mut self.tables(), from, &filters, subscription, history);
                self.answer(now);
            }
            Mail::Granted { subscription, history } => self.granted(now, from, subscription, history),
            Mail::Cancel(subscription) => grant::cancel(&mut self.tables(), from, subscription),
            Mail::Unwant(filter) => self.interest.remove_remote(&filter, from),
            Mail::Brake(origin) => self.brake(now, from, origin),
            Mail::Release(origin) => self.release(from, origin),
            Mail::MemoryShort => self.memory.look_soon(now),
            Mail::Group { group, word } => self.group_hears(now, from, &group, word),
            Mail::Member { group, member, word } => self.member_hears(now, from, group, member, word),
        }
    }

    fn closed(&mut self, conn: ConnId) {
        let Some(source) = self.sources.take(conn) else { return };
        self.spent += work::SESSION;
        self.pauses.forget(&source);
        self.memory.forget_source(&source);
        if let Some(session) = source.session {
            self.close_session(session);
        }
    }

    fn close_session(&mut self, id: SessionId) {
        self.take_back(id, None);
        let subscriptions = self.sessions.get(id).map(Session::subscriptions);
        for subscription in subscriptions.into_iter().flatten() {
            self.give_gap_back(subscription);
            grant::leave(&mut self.tables(), subscription);
        }
        // Subscriptions first: while one of them stands, a holder names this session's slot.
        let Some(mut session) = self.sessions.remove(id) else { return };
        if session.standing.is_some() {
            self.arrivals.session_went();
        }
        // Dropping a queue drops its references one by one, and some of them are the last.
        self.spent += work::QUEUE_ENTRY * session.queue.places().0 as u64;
        self.overload.forget(&mut session, &mut self.out);
    }

    fn timeout(&mut self, now: Instant) {
        for conn in self.pauses.take_ended(now) {
            self.spent += work::INPUT;
            let Some(source) = self.sources.get_mut(conn) else { continue };
            Pauses::end(source, &mut self.out);
        }
        if self.memory.poll_timeout().is_some_and(|at| at <= now) {
            let mut crowd = Crowd {
                sources: &mut self.sources,
                sessions: &mut self.sessions,
                overload: &mut self.overload,
                ready: &mut self.ready,
                out: &mut self.out,
                limits: &self.limits,
                stats: &mut self.stats,
                neighbours: self.neighbours,
                spent: &mut self.spent,
            };
            self.memory.timeout(now, &mut crowd);
        }
        if let Some(overdue) = grant::overdue(&self.deadlines, now) {
            self.give_up(overdue, Refusal::Unanswered);
        }
        self.look_at_given(now);
        self.history.compact(now);
        self.line_check = Some(now.after(LINE_CHECK));
    }

    /// Gives out what history has been read.
    fn answer(&mut self, now: Instant) {
        while let Some(granted) = grant::answer(&mut self.tables()) {
            self.granted(now, self.neighbours.own, granted.asker.subscription, granted.replay);
        }
        self.line_check = Some(now.after(LINE_CHECK));
    }

    fn granted(&mut self, now: Instant, from: ShardId, subscription: SubscriptionId, replay: Replay) {
        let granted = grant::granted(&mut self.tables(), now, from, subscription, replay);
        self.put_history(now, subscription, granted);
    }

    /// A subscription's history, or a part of it, was put into its queue.
    fn put_history(&mut self, now: Instant, subscription: SubscriptionId, granted: Granted) {
        let Granted { read, queued, runs } = granted;
        self.spent += work::REPLAY_ENTRY * read as u64;
        let Some(session) = self.sessions.get_mut(subscription.session).filter(|_| runs > 0) else {
            return;
        };
        self.overload.places.replayed(queued, runs);
        self.memory.replays(now, session);
    }

    fn brake(&mut self, now: Instant, by: ShardId, origin: Origin) {
        // The publisher may have gone while the mail was under way.
        let Some(source) = self.sources.get_mut(origin.conn) else { return };
        let paused = self.pauses.brake(now, source, by, &self.limits, &mut self.out);
        self.stats.pauses += u64::from(paused);
    }

    fn release(&mut self, by: ShardId, origin: Origin) {
        let Some(source) = self.sources.get_mut(origin.conn) else { return };
        self.pauses.release(source, by, &mut self.out);
    }

    fn tables(&mut self) -> Tables<'_> {
        Tables {
            sessions: &mut self.sessions,
            interest: &mut self.interest,
            history: &mut self.history,
            readers: &mut self.readers,
            deadlines: &mut self.deadlines,
            retained: &mut self.retained,
            spent: &mut self.spent,
            ready: &mut self.ready,
            out: &mut self.out,
            stats: &mut self.stats,
            arrivals: &mut self.arrivals,
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
            fan_outs: &mut self.fan_outs,
        }
    }
}
