//! One shard together with its connections: everything that a driver drives.
//!
//! The real driver and the simulator call the same functions in the same way; neither of them
//! decides anything about messages.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use broker::planted::{self, Bug};
use broker::{
    ConnId, Gauge, HistoryRequest, Input, Instant, Limits, Mail, Now, Origin, Output, Refusal, Shard,
    ShardConfig, ShardId,
};
use topic::{Filter, TopicName};

use crate::connection::{Chunk, Command, Connection, Env, Handover, Hearing, ReadEnd, RoleName};
use crate::encode::Encoder;
use crate::event::{CloseReason, Event};
use crate::hello::Rules;
use crate::listening::Listening;
use crate::unfinished::Unfinished;
use crate::watch::Watch;
use crate::work;

/// How long a due deadline waits for what may have been said and not read.
const POSTPONED: Duration = Duration::from_millis(1);

/// A shard with the front ends of its connections.
#[derive(Debug)]
pub struct Station {
    own: ShardId,
    pub(crate) shard: Shard,
    pub(crate) connections: Vec<Option<Box<Connection>>>,
    deadlines: BTreeSet<(Instant, ConnId)>,
    pub(crate) encoder: Encoder,
    watch: Watch,
    pub(crate) gauge: Gauge,
    pub(crate) limits: Arc<Limits>,
    pub(crate) draining: bool,
    mail: VecDeque<(ShardId, Mail)>,
    own_mail: VecDeque<Mail>,
    to_write: VecDeque<ConnId>,
    pub(crate) to_read: VecDeque<ConnId>,
    /// Whether publishers are offered to the shard that hears them.
    placement: Placement,
    to_move: VecDeque<Move>,
    pub(crate) unfinished: Unfinished,
    pub(crate) listening: Listening,
    events: Vec<Event>,
    /// What the chunk that is being received has published, at its cost.
    published_bytes: usize,
    /// What the next chunk begins with and was looked at before.
    carried_bytes: usize,
    spent: u64,
}

/// What waits to be written to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// So many bytes: encoded ones as they are, messages at their cost.
    Bytes(usize),
    /// It ends once what waits is written.
    Ending,
}

/// How soon a connection is to be read, so that nobody waits for what others make the shard do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Publishes: what it sends is messages.
    Publishing,
    /// Comes, goes, or says something that it need not.
    Other,
}

/// Whether a new publisher may live on another shard than the one that accepted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// It stays where it was accepted.
    Stay,
    /// It is offered to the only shard that hears its topic, if there is just one.
    Offer,
}

/// A publisher that has said its hello and would be better off elsewhere. It waits until the
/// driver has decided.
#[derive(Debug)]
pub struct Move {
    /// The connection.
    pub conn: ConnId,
    /// The only shard that hears its topic.
    pub to: ShardId,
    rest: Chunk,
    read_end: ReadEnd,
}

impl Station {
    /// A station without connections.
    #[must_use]
    pub fn new(config: ShardConfig) -> Self {
        let shown = config.limits.events_shown_per_second.div_ceil(u32::from(config.shards));
        Self {
            own: config.own,
            connections: Vec::new(),
            deadlines: BTreeSet::new(),
            encoder: Encoder::new(config.gauge.clone()),
            watch: Watch::new(shown),
            gauge: config.gauge.clone(),
            limits: Arc::clone(&config.limits),
            draining: false,
            mail: VecDeque::new(),
            own_mail: VecDeque::new(),
            to_write: VecDeque::new(),
            to_read: VecDeque::new(),
            placement: Placement::Stay,
            to_move: VecDeque::new(),
            unfinished: Unfinished::default(),
            listening: Listening::default(),
            events: Vec::new(),
            published_bytes: 0,
            carried_bytes: 0,
            spent: 0,
            shard: Shard::new(config),
        }
    }

    /// A connection was accepted and given the id `conn`.
    pub fn connect(&mut self, now: Now, conn: ConnId, addr: SocketAddr, rules: &Rc<Rules>) {
        let id = Origin { shard: self.own, conn };
        self.events.push(Event::Connected { addr });
        self.insert(now, Connection::new(now.mono, id, addr, Rc::clone(rules)));
    }

    /// Sets whether new publishers are offered to other shards.
    pub fn set_placement(&mut self, placement: Placement) {
        self.placement = placement;
    }

    /// The next publisher that is offered to another shard. Answer with [`Station::hand_over`]
    /// or [`Station::stay`] before anything else is received from it.
    pub fn poll_move(&mut self) -> Option<Move> {
        self.to_move.pop_front()
    }

    /// The publisher goes: takes it out of this shard, for [`Station::adopt`] of the other.
    /// `None` if it has ended meanwhile.
    pub fn hand_over(&mut self, now: Now, offer: Move) -> Option<Handover> {
        let place = self.connections.get_mut(offer.conn.slot as usize)?;
        let connection = place.take_if(|c| c.id.conn == offer.conn && c.role() == RoleName::Publisher)?;
        assert!(connection.is_written(), "only what is written is moved");
        assert!(connection.unfinished.is_none(), "what is left over counts where it goes");
        self.handle(now, Input::Closed(offer.conn));
        connection.into_handover(offer.rest, offer.read_end)
    }

    /// The publisher stays: goes on with what stood behind its hello.
    pub fn stay(&mut self, now: Now, offer: &Move) {
        self.settle(now, offer.conn, offer.rest.clone(), offer.read_end);
    }

    /// A publisher comes from another shard and is given the id `conn` here.
    pub fn adopt(&mut self, now: Now, conn: ConnId, handover: Handover, rules: &Rc<Rules>) {
        let id = Origin { shard: self.own, conn };
        let (rest, read_end) = (handover.rest.clone(), handover.read_end);
        self.insert(now, Connection::adopted(id, handover, Rc::clone(rules)));
        self.settle(now, conn, rest, read_end);
    }

    /// What the connection had left over: it stands in front of the next chunk.
    #[must_use]
    pub fn carry(&self, conn: ConnId) -> &[u8] {
        let connection = self.connections.get(conn.slot as usize).and_then(Option::as_ref);
        connection.filter(|c| c.id.conn == conn).map_or(&[], |c| &c.carry)
    }

    /// The same, taken out: it comes back at the front of the next chunk.
    pub fn take_carry(&mut self, conn: ConnId) -> Vec<u8> {
        let carry = self.connection(conn).map(|connection| std::mem::take(&mut connection.carry));
        let carry = carry.unwrap_or_default();
        self.carried_bytes = carry.len();
        carry
    }

    /// Takes what was read from a connection, behind its carry. Returns the bytes that count
    /// against what a turn may read: what was published counts at its cost.
    pub fn receive(&mut self, now: Now, conn: ConnId, chunk: Chunk, read_end: ReadEnd) -> usize {
        self.published_bytes = 0;
        let new_bytes = chunk.bytes.len() - std::mem::take(&mut self.carried_bytes).min(chunk.bytes.len());
        self.spent += work::CHUNK + new_bytes as u64 / work::BYTES_PER_UNIT;
        self.with(now, conn, |connection, env| connection.receive(env, chunk, read_end));
        self.published_bytes.max(new_bytes)
    }

    /// The socket is gone: so is everything that the connection held. `reason` counts if the
    /// connection has not ended for another one before.
    pub fn remove(&mut self, now: Now, conn: ConnId, reason: CloseReason) {
        let Some(connection) = self.connection(conn) else { return };
        let (id, addr, deadline) = (connection.id, connection.addr, connection.deadline);
        let unfinished = connection.unfinished.take();
        if !connection.is_ending() {
            self.events.push(Event::Closing { id, addr, reason });
        }
        if let Some(at) = deadline {
            self.deadlines.remove(&(at, conn));
        }
        self.listening.remove(conn);
        if let Some(unfinished) = unfinished {
            self.unfinished.ended(unfinished.since, conn);
        }
        if let Some(place) = self.connections.get_mut(conn.slot as usize) {
            *place = None;
        }
        self.handle(now, Input::Closed(conn));
    }

    /// Takes mail of another shard.
    pub fn take_mail(&mut self, now: Now, from: ShardId, mail: Mail) {
        self.handle(now, Input::Mail { from, mail });
    }

    /// The next mail for another shard.
    pub fn poll_mail(&mut self) -> Option<(ShardId, Mail)> {
        self.mail.pop_front()
    }

    /// When [`Station::timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let connection = self.deadlines.first().map(|(at, _)| *at);
        let due = [
            connection,
            self.unfinished.poll_timeout(),
            self.shard.poll_timeout(),
            self.watch.poll_timeout(),
        ];
        due.into_iter().flatten().min()
    }

    /// Whether a deadline of a connection has come: it may be one that waits for what is said.
    #[must_use]
    pub fn is_greeting_due(&self, now: Instant) -> bool {
        self.deadlines.first().is_some_and(|(at, _)| *at <= now)
    }

    /// Does what is due, for about `budget` units of work; what is left is due at once. A
    /// connection that is being greeted and has said something that is `unread` is waited for:
    /// what it has said counts as said before the deadline.
    pub fn timeout(&mut self, now: Now, budget: u64, unread: impl Fn(ConnId) -> bool) {
        let spent_max = self.spent.saturating_add(budget);
        while let Some((at, conn)) = self.deadlines.first().copied() {
            if at > now.mono || self.spent >= spent_max {
                break;
            }
            self.deadlines.pop_first();
            self.spent += work::DEADLINE;
            if unread(conn)
                && !planted::is(Bug::TimerBeforeRead)
                && let Some(connection) = self.connection(conn).filter(|c| c.is_greeting())
            {
                let later = now.mono.after(POSTPONED);
                connection.postpone(later);
                self.deadlines.insert((later, conn));
                continue;
            }
            self.with(now, conn, Connection::timeout);
        }
        self.look_at_unfinished(now);
        while self.spent < spent_max && self.shard.poll_timeout().is_some_and(|at| at <= now.mono) {
            self.handle(now, Input::Timeout);
            self.spent += self.shard.take_work();
        }
        self.watch.timeout(now.mono, &mut self.events);
    }

    /// Whether [`Station::step`] has something to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.shard.has_work()
    }

    /// Goes on with work that waits.
    pub fn step(&mut self, now: Now) {
        self.shard.step(now);
        self.drain_core(now);
    }

    /// What everything since the last call has cost, in nanoseconds of a slow core, estimated.
    pub fn take_work(&mut self) -> u64 {
        std::mem::take(&mut self.spent) + std::mem::take(&mut self.encoder.spent) + self.shard.take_work()
    }

    /// How soon a connection is to be read.
    pub fn lane(&mut self, conn: ConnId) -> Lane {
        match self.connection(conn).map(|connection| connection.role()) {
            Some(RoleName::Publisher) => Lane::Publishing,
            _ => Lane::Other,
        }
    }

    /// The next connection that may have something to write, or that is to be closed.
    pub fn poll_write(&mut self) -> Option<ConnId> {
        if let Some(conn) = self.to_write.pop_front() {
            if let Some(connection) = self.connection(conn) {
                connection.listed = false;
            }
            return Some(conn);
        }
        self.shard.poll_ready()
    }

    /// What waits to be written to a connection.
    pub fn waits(&mut self, conn: ConnId) -> Waits {
        let queued = self.queue_bytes(conn);
        match self.connection(conn) {
            Some(connection) if !connection.is_ending() => {
                Waits::Bytes(queued + connection.unwritten_bytes())
            }
            _ => Waits::Ending,
        }
    }

    /// Whether [`Station::poll_write`] has something to say.
    #[must_use]
    pub fn has_writes(&self) -> bool {
        !self.to_write.is_empty() || self.shard.has_ready()
    }

    /// Whether a connection is to be closed: it ends, and nothing of it waits to be written.
    pub fn is_over(&mut self, conn: ConnId) -> bool {
        self.connection(conn).is_none_or(|connection| connection.is_over())
    }

    /// Whether a connection may be read now. If not, [`Station::poll_read`] names it later.
    pub fn may_read(&mut self, conn: ConnId) -> bool {
        self.connection(conn).is_some_and(|connection| connection.may_read())
    }

    /// The next connection that may be read again.
    pub fn poll_read(&mut self) -> Option<ConnId> {
        self.to_read.pop_front()
    }

    /// Ends a turn: the account is told what has changed.
    pub fn end_turn(&mut self) {
        self.shard.end_turn();
    }

    /// Everyone who had something to be written has been written to: bytes that were made for
    /// several receivers are forgotten.
    pub fn end_round(&mut self) {
        self.encoder.forget();
    }

    /// The events since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// From now on every connection gets what is queued for it, then the last line, and ends.
    pub fn drain(&mut self, now: Now) {
        self.draining = true;
        for conn in self.ids() {
            let delivers = self.connection(conn).is_some_and(|c| c.style().is_some());
            if !delivers {
                self.end(now, conn, CloseReason::Shutdown);
            }
            self.list_to_write(conn);
        }
    }

    /// Ends one connection.
    pub fn end(&mut self, now: Now, conn: ConnId, reason: CloseReason) {
        self.with(now, conn, |connection, env| {
            connection.end(env, reason);
            None
        });
    }

    /// The core, for its counters and for checks.
    #[must_use]
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Whether a connection has asked for history and has not got all of it.
    pub fn is_asking(&mut self, conn: ConnId) -> bool {
        let session = self.connection(conn).and_then(|connection| connection.session);
        session.is_some_and(|session| self.shard.is_asking(session))
    }

    /// Bytes that wait in the core for a connection.
    pub fn queue_bytes(&mut self, conn: ConnId) -> usize {
        let session = self.connection(conn).and_then(|connection| connection.session);
        session.map_or(0, |session| self.shard.queue_bytes(session))
    }

    fn insert(&mut self, now: Now, connection: Connection) {
        let conn = connection.id.conn;
        let slot = conn.slot as usize;
        if self.connections.len() <= slot {
            self.connections.resize_with(slot + 1, || None);
        }
        self.deadlines.extend(connection.deadline.map(|at| (at, conn)));
        if let Some(place) = self.connections.get_mut(slot) {
            *place = Some(Box::new(connection));
        }
        self.handle(now, Input::Connected(conn));
        if self.draining {
            self.end(now, conn, CloseReason::Shutdown);
        }
    }

    /// A publisher has said its hello: offers it to the shard that hears it, or lets it begin.
    fn announce(&mut self, now: Now, conn: ConnId, topic: &TopicName, rest: Chunk, read_end: ReadEnd) {
        let offered = match self.placement {
            Placement::Offer if !self.draining && self.is_written(conn) => self.shard.sole_interest(topic),
            _ => None,
        };
        match offered {
            Some(to) => self.to_move.push_back(Move { conn, to, rest, read_end }),
            None => self.settle(now, conn, rest, read_end),
        }
    }

    fn is_written(&self, conn: ConnId) -> bool {
        matches!(self.connections.get(conn.slot as usize), Some(Some(c)) if c.is_written())
    }

    /// A publisher is where it will live: takes what stood behind its hello.
    fn settle(&mut self, now: Now, conn: ConnId, rest: Chunk, read_end: ReadEnd) {
        let Some(Some(connection)) = self.connections.get(conn.slot as usize) else { return };
        connection.announce(&mut self.events);
        if !rest.bytes.is_empty() || read_end == ReadEnd::Closed {
            self.receive(now, conn, rest, read_end);
        }
    }

    pub(crate) fn connection(&mut self, conn: ConnId) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(conn.slot as usize)?.as_mut()?;
        (connection.id.conn == conn).then_some(connection)
    }

    pub(crate) fn ids(&self) -> Vec<ConnId> {
        self.connections.iter().flatten().map(|connection| connection.id.conn).collect()
    }

    /// Lets a connection do something and carries out what it asks for.
    fn with(
        &mut self,
        now: Now,
        conn: ConnId,
        act: impl FnOnce(&mut Connection, &mut Env<'_>) -> Option<Command>,
    ) {
        let Some(place) = self.connections.get_mut(conn.slot as usize) else { return };
        let Some(connection) = place.as_mut().filter(|c| c.id.conn == conn) else { return };
        let (before, was_ending) = (connection.deadline, connection.is_ending());
        let unfinished_before = connection.unfinished.as_ref().map(|unfinished| unfinished.since);
        let was_hearing = connection.hearing();
        let events_before = self.events.len();
        let pool = &mut self.encoder.pool;
        let mut env = Env { now, gauge: &self.gauge, events: &mut self.events, pool };
        let command = act(connection, &mut env);
        let after = connection.deadline;
        let ends = connection.is_ending() && !was_ending;
        let write = connection.has_writes() || connection.is_ending();
        let unfinished = connection.unfinished.as_ref().map(|unfinished| unfinished.since);
        let hearing = connection.hearing();
        if before != after {
            self.deadlines.extend(after.map(|at| (at, conn)));
            if let Some(at) = before {
                self.deadlines.remove(&(at, conn));
            }
        }
        if unfinished_before != unfinished {
            if let Some(since) = unfinished_before {
                self.unfinished.ended(since, conn);
            }
            if let Some(since) = unfinished {
                self.unfinished.began(since, conn);
            }
        }
        if hearing != was_hearing {
            self.hearing_changed(conn, hearing);
        }
        if write {
            self.list_to_write(conn);
        }
        match command {
            None => {}
            Some(Command::Subscribe { filter, history }) => {
                self.subscribe(now, conn, &filter, history);
            }
            Some(Command::Publish(run)) => {
                // A `terminate` behind the messages ends the connection after them.
                let ending = self.events.split_off(events_before);
                self.spent += work::MESSAGE * u64::from(run.len());
                self.published_bytes = run.cost();
                self.watch.published(now.mono, &run, &mut self.events);
                self.events.extend(ending);
                self.handle(now, Input::Publish(run.into()));
            }
            Some(Command::Announce { topic, rest, read_end }) => {
                self.announce(now, conn, &topic, rest, read_end);
            }
        }
        if ends {
            // Nothing more is delivered to it, so it must not hold anybody up.
            self.handle(now, Input::Closed(conn));
        }
        self.bound_unfinished(now, conn);
        if hearing != Hearing::Open && was_hearing == Hearing::Open {
            self.bound_listening(now);
        }
    }

    /// A connection wants to hear: opens a session for it.
    fn subscribe(&mut self, now: Now, conn: ConnId, filter: &Filter, history: HistoryRequest) {
        let session = self.shard.open(conn);
        if let Some(connection) = self.connection(conn) {
            connection.session = Some(session);
        }
        let subscribed = self.shard.subscribe(now, session, filter, history);
        self.drain_core(now);
        if let Err(why) = subscribed {
            self.end(now, conn, CloseReason::Refused(refusal_line(why).to_owned()));
        }
    }

    fn handle(&mut self, now: Now, input: Input) {
        self.shard.handle(now, input);
        self.drain_core(now);
    }

    /// Does what the core has to say, mail to itself included.
    pub(crate) fn drain_core(&mut self, now: Now) {
        loop {
            while let Some(output) = self.shard.poll_output() {
                self.output(output);
            }
            let Some(mail) = self.own_mail.pop_front() else { return };
            self.shard.handle(now, Input::Mail { from: self.own, mail });
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Mail { to, mail } if to == self.own => self.own_mail.push_back(mail),
            Output::Mail { to, mail } => self.mail.push_back((to, mail)),
            Output::Subscribed { conn, .. } => {
                let Some(place) = self.connections.get_mut(conn.slot as usize) else { return };
                if let Some(connection) = place {
                    connection.subscribed(&mut self.events);
                }
                self.list_to_write(conn);
            }
            Output::Accepted { conn, upto } => {
                let Some(connection) = self.connection(conn) else { return };
                connection.accepted(upto);
                if connection.answers.due() > 0 {
                    self.list_to_write(conn);
                }
            }
            Output::Pause(conn) => {
                if let Some(connection) = self.connection(conn) {
                    connection.paused = true;
                }
            }
            Output::Resume(conn) => {
                if let Some(connection) = self.connection(conn) {
                    connection.paused = false;
                    self.to_read.push_back(conn);
                }
            }
        }
    }

    pub(crate) fn list_to_write(&mut self, conn: ConnId) {
        let Some(connection) = self.connection(conn) else { return };
        if !connection.listed {
            connection.listed = true;
            self.to_write.push_back(conn);
        }
    }
}

fn refusal_line(why: Refusal) -> &'static str {
    match why {
        Refusal::FilterMemory => "Out of memory for subscriptions: try again later",
        Refusal::FilterShapes => "Too many ways to mix names and + in filters: use fewer levels",
    }
}
