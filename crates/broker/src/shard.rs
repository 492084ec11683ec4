//! One shard: a match over inputs, each arm a call into the module that owns the matter.

use std::collections::VecDeque;
use std::sync::Arc;

use topic::TopicName;

use crate::fanout::{self, Receivers};
use crate::grant::{self, Neighbours, Tables};
use crate::history::{History, HistoryBounds};
use crate::ids::{ConnId, Origin, ShardId, ShardSet};
use crate::input::{Delivery, Input, Mail, Output};
use crate::interest::Interest;
use crate::limits::Limits;
use crate::memory::Gauge;
use crate::overload::{Overload, World};
use crate::planted::{self, Bug};
use crate::routes::Routes;
use crate::run::{LocalRun, Run};
use crate::session::{Ready, Sessions};
use crate::stats::Stats;
use crate::time::{Instant, Now};

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
/// After [`Shard::handle`], drain [`Shard::poll_output`] before the next input.
#[derive(Debug)]
pub struct Shard {
    neighbours: Neighbours,
    limits: Arc<Limits>,
    sessions: Sessions,
    interest: Interest,
    history: History,
    overload: Overload,
    ready: Ready,
    out: VecDeque<Output>,
    stats: Stats,
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
        Self {
            neighbours: Neighbours { own: config.own, others },
            sessions: Sessions::default(),
            interest: Interest::new(Routes::new(limits.routes_max, config.seed)),
            history: History::new(bounds, config.seed.rotate_left(32), config.gauge.clone()),
            overload: Overload::new(config.gauge),
            ready: Ready::default(),
            out: VecDeque::new(),
            stats: Stats::default(),
            limits,
        }
    }

    /// Takes one input.
    ///
    /// # Panics
    /// If the driver breaks its side: a slot given out twice, a subscribe by nobody.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Connected(conn) => self.sessions.insert(conn),
            Input::Subscribe { conn, filter, history } => {
                let neighbours = self.neighbours;
                self.stats.subscriptions += 1;
                grant::subscribe(&mut self.tables(), neighbours, conn, &filter, history);
            }
            Input::Publish(run) => self.publish(now, run),
            Input::Closed(conn) => self.closed(conn),
            Input::Mail { from, mail } => self.mail(now.mono, from, mail),
            Input::Timeout => self.timeout(now.mono),
        }
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

    /// The next thing for a subscriber. Call it while its socket has room; after `None` the
    /// connection is named by [`Shard::poll_ready`] again when something arrives.
    pub fn poll_delivery(&mut self, conn: ConnId) -> Option<Delivery> {
        let session = self.sessions.get_mut(conn)?;
        if !session.stands() {
            return None; // what is queued waits for the last shard's answer
        }
        let Some(delivery) = session.queue.pop() else {
            session.listed = false;
            return None;
        };
        self.overload.queue_shrank(session, &self.limits, &mut self.out);
        if let Delivery::Messages(slice) = &delivery {
            self.stats.delivered += slice.len();
        }
        Some(delivery)
    }

    /// When [`Input::Timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.overload.poll_timeout(), self.history.poll_timeout()].into_iter().flatten().min()
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

    /// Bytes that wait in a connection's queue.
    pub fn queue_bytes(&mut self, conn: ConnId) -> usize {
        self.sessions.get_mut(conn).map_or(0, |session| session.queue.bytes())
    }

    /// Sessions, filters, extra trie nodes and brakes held: all zero when everyone has gone.
    #[must_use]
    pub fn leftovers(&self) -> [usize; 4] {
        let (filters, nodes) = self.interest.size();
        [self.sessions.len(), filters, nodes - 1, self.overload.len()]
    }

    fn publish(&mut self, now: Now, run: Arc<Run>) {
        let conn = run.publisher().origin.conn;
        self.stats.accepted += u64::from(run.len());
        self.history.record(now.mono, &run);
        let filters = self.interest.route(run.topic());
        for to in self.interest.remote(&filters).iter() {
            self.out.push_back(Output::Mail { to, mail: Mail::Publish(Arc::clone(&run)) });
            if planted::is(Bug::MailFirstShardOnly) {
                break;
            }
        }
        let own = self.neighbours.own;
        fanout::deliver(&mut self.receivers(), &LocalRun::new(run), own, &filters);
        if let Some(session) = self.sessions.get_mut(conn) {
            self.overload.check_memory(now.mono, session, &self.limits, &mut self.out);
        }
    }

    fn mail(&mut self, now: Instant, from: ShardId, mail: Mail) {
        match mail {
            Mail::Publish(run) => {
                let filters = self.interest.route(run.topic());
                fanout::deliver(&mut self.receivers(), &LocalRun::new(run), from, &filters);
            }
            Mail::Want { filter, conn, history } => {
                grant::want(&mut self.tables(), from, &filter, conn, history);
            }
            Mail::Granted { conn, history } => grant::granted(&mut self.tables(), from, conn, history),
            Mail::Unwant(filter) => self.interest.remove_remote(&filter, from),
            Mail::Brake(origin) => self.brake(now, from, origin),
            Mail::Release(origin) => self.release(from, origin),
            Mail::MemoryShort => self.overload.look_soon(now),
        }
    }

    fn closed(&mut self, conn: ConnId) {
        let Some(mut session) = self.sessions.remove(conn) else { return };
        if session.place().is_some() {
            self.stats.subscriptions -= 1;
        }
        self.overload.forget(&mut session, &mut self.out);
        let neighbours = self.neighbours;
        grant::leave(&mut self.tables(), neighbours, &session);
    }

    fn timeout(&mut self, now: Instant) {
        let mut world = World {
            sessions: &mut self.sessions,
            ready: &mut self.ready,
            out: &mut self.out,
            limits: &self.limits,
            stats: &mut self.stats,
            neighbours: self.neighbours,
        };
        self.overload.timeout(now, &mut world);
        self.history.compact(now);
    }

    fn brake(&mut self, now: Instant, by: ShardId, origin: Origin) {
        // The publisher may have gone while the mail was under way.
        let Some(session) = self.sessions.get_mut(origin.conn) else { return };
        self.stats.pauses += 1;
        self.overload.brake(now, session, by, &self.limits, &mut self.out);
    }

    fn release(&mut self, by: ShardId, origin: Origin) {
        let Some(session) = self.sessions.get_mut(origin.conn) else { return };
        self.overload.release(session, by, &mut self.out);
    }

    fn tables(&mut self) -> Tables<'_> {
        Tables {
            sessions: &mut self.sessions,
            interest: &mut self.interest,
            history: &self.history,
            ready: &mut self.ready,
            out: &mut self.out,
            replay_bytes_max: self.limits.replay_bytes_max,
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
        }
    }
}
