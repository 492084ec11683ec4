//! One shard together with its connections: everything that a driver drives.
//!
//! The contract, which the server, the simulator and the stage of the tests keep alike; none of
//! them decides anything about messages:
//!
//! - **What happens** is told by a call with the time: `adopt`, `receive`, `remove`, `take_mail`,
//!   `timeout`, `step`, `drain`, `end`. A chunk begins with what `take_carry` gave.
//! - **What is to be done** is asked for after any number of those, with [`Station::poll_action`],
//!   until there is none; but at once after `receive` and `timeout`, since a publisher that is to
//!   be placed is not to be read before it is.
//! - **Reading**: a connection is read when its socket has something and `may_read` says so. If
//!   it says no, [`Action::Read`] comes when it says yes again.
//! - **Writing** is a pull, as far as the driver's budget goes: `poll_write` names a connection
//!   once, then `fill` and the socket take turns, until either has nothing or no room, then
//!   `wrote`; who `is_over` then is closed with `remove`.
//! - **Time**: `timeout` is due at `poll_timeout`, and comes after what was readable was read.
//!   While `has_work`, `step` is due at once.
//! - **A turn ends** with `end_turn`; `end_round` comes when everyone who was named was written.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use broker::planted::{self, Bug};
use broker::{ConnId, Gauge, Input, Instant, Mail, Now, Origin, Output, QueueState, Shard, ShardId, Slab};
use bytes::Bytes;

use crate::connection::{Connection, Rules};
use crate::env::Env;
use crate::event::{CloseReason, Event};
use crate::handover::{Handover, Settling, Towards};
use crate::http::WebAccess;
use crate::limits::Limits;
use crate::link::{Chunk, ReadEnd};
use crate::work;

/// How long a due deadline waits for what may have been said and not read.
const POSTPONED: Duration = Duration::from_millis(1);

/// A shard with the front ends of its connections.
#[derive(Debug)]
pub struct Station {
    own: ShardId,
    pub(crate) env: Env,
    pub(crate) connections: Slab<ConnId, Box<Connection>>,
    own_mail: VecDeque<Mail>,
    /// Whether publishers are offered to the shard that hears them.
    placement: Placement,
    /// What the next chunk begins with and was looked at before.
    carried_bytes: usize,
}

/// What a station is made with.
#[derive(Debug, Clone)]
pub struct StationConfig {
    pub own: ShardId,
    pub shards: u8,
    /// The bounds of its core and of its connections.
    pub limits: Arc<Limits>,
    /// Seed of its hashers; unpredictable to clients.
    pub seed: u64,
    /// Decides on which shard a client id lives: the same in all of them, unpredictable to clients.
    pub home_seed: u64,
    /// Tells this life of the server from all others: the same in all of them. 48 bits count.
    pub epoch: u64,
    /// Which pages may ask, and under which names.
    pub web: Arc<WebAccess>,
    /// The process-wide memory account.
    pub gauge: Gauge,
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

/// What a driver has to do.
#[derive(Debug)]
pub enum Action {
    /// Hand this to another shard, in order.
    Mail { to: ShardId, mail: Mail },
    /// A connection may be read again.
    Read(ConnId),
    /// A connection has more packets in what it has left over than one call takes: it is to be
    /// received again, before anything more is read.
    Again(ConnId),
    /// A connection would be better off on another shard, or has to live there: answer with
    /// [`Station::hand_over`], or [`Station::stay`] if it may, before anything else is received
    /// from it.
    Offer(Offer),
    /// Nobody knows whether this connection still listens: its socket is to ask the peer's
    /// kernel soon.
    Watch(ConnId),
    /// A connection asks for what the control side serves: answer with [`Station::release`], and hand
    /// what comes of it on with the socket.
    Serve(ConnId),
}

/// A connection that is served elsewhere from here on.
#[derive(Debug)]
pub struct Released {
    pub addr: SocketAddr,
    /// What it has said that nobody has answered: begins with a request.
    pub bytes: Bytes,
}

/// Whether a new publisher may live on another shard than the one that accepted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// It stays where it was accepted.
    Stay,
    /// It is offered to the only shard that hears its topic, if there is just one.
    Offer,
}

/// Whether a connection may live where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayStay {
    Yes,
    No,
}

/// A connection that would be better off elsewhere, or has to be there. It waits until the
/// driver has decided.
#[derive(Debug)]
pub struct Offer {
    pub conn: ConnId,
    /// The only shard that hears its topic, or the one where its client id lives.
    pub to: ShardId,
    pub may_stay: MayStay,
    rest: Chunk,
    read_end: ReadEnd,
}

impl Station {
    #[must_use]
    pub fn new(config: StationConfig) -> Self {
        Self {
            own: config.own,
            env: Env::new(config),
            connections: Slab::default(),
            own_mail: VecDeque::new(),
            placement: Placement::Stay,
            carried_bytes: 0,
        }
    }

    /// Sets whether new publishers are offered to other shards.
    pub fn set_placement(&mut self, placement: Placement) {
        self.placement = placement;
    }

    /// The next thing that the driver has to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.env.actions.pop_front()
    }

    /// A connection goes to the control side: takes it out of this shard. `None` if it has ended
    /// meanwhile.
    pub fn release(&mut self, now: Now, conn: ConnId) -> Option<Released> {
        self.connections.get(conn).filter(|connection| connection.is_leaving())?;
        let mut connection = self.connections.take(conn)?;
        self.env.now = now;
        connection.uncount(&mut self.env);
        let link = &mut connection.link;
        let bytes = Bytes::from(std::mem::take(&mut link.carry));
        link.drop_carry(&mut self.env);
        link.set_deadline(&mut self.env, None);
        let addr = link.addr;
        self.handle(now, Input::Closed(conn));
        Some(Released { addr, bytes })
    }

    /// The publisher goes: takes it out of this shard, for [`Station::adopt`] of the other.
    /// `None` if it has ended meanwhile.
    pub fn hand_over(&mut self, now: Now, offer: Offer) -> Option<Handover> {
        self.connections.get(offer.conn).filter(|connection| connection.may_move())?;
        let mut connection = self.connections.take(offer.conn)?;
        connection.uncount(&mut self.env);
        self.handle(now, Input::Closed(offer.conn));
        connection.into_handover(offer.rest, offer.read_end)
    }

    /// The publisher stays: goes on with what stood behind its hello.
    pub fn stay(&mut self, now: Now, offer: &Offer) {
        self.settle(now, offer.conn, offer.rest.clone(), offer.read_end);
    }

    /// A connection comes, from a listener or from another shard, and is given the id `conn` here.
    pub fn adopt(&mut self, now: Now, conn: ConnId, handover: Handover, rules: &Rc<Rules>) {
        self.env.now = now;
        let id = Origin { shard: self.own, conn };
        let (rest, read_end) = (handover.rest.clone(), handover.read_end);
        let connection = Connection::new(&mut self.env, id, handover, Rc::clone(rules));
        self.connections.put(conn, Box::new(connection));
        self.handle(now, Input::Connected(conn));
        if self.env.draining {
            self.end(now, conn, CloseReason::Shutdown);
        }
        self.settle(now, conn, rest, read_end);
    }

    /// What the connection had left over: it stands in front of the next chunk.
    #[must_use]
    pub fn carry(&self, conn: ConnId) -> &[u8] {
        self.connections.get(conn).map_or(&[], |connection| &connection.link.carry)
    }

    /// Bytes of an unfinished message that a connection holds, for checks.
    #[must_use]
    pub fn held_bytes(&self, conn: ConnId) -> usize {
        self.connections
            .get(conn)
            .map_or(0, |connection| connection.link.carry.len() + connection.held_bytes())
    }

    /// The same, taken out: it comes back at the front of the next chunk.
    pub fn take_carry(&mut self, conn: ConnId) -> Vec<u8> {
        let carry = self.connection(conn).map(|connection| std::mem::take(&mut connection.link.carry));
        let carry = carry.unwrap_or_default();
        self.carried_bytes = carry.len();
        carry
    }

    /// Takes what was read from a connection, behind its carry. Returns the bytes that count
    /// against what a turn may read: what was published counts at its cost.
    pub fn receive(&mut self, now: Now, conn: ConnId, chunk: Chunk, read_end: ReadEnd) -> usize {
        let new_bytes = chunk.bytes.len() - std::mem::take(&mut self.carried_bytes).min(chunk.bytes.len());
        self.env.spent += work::CHUNK + new_bytes as u64 / work::BYTES_PER_UNIT;
        self.env.published_bytes = 0;
        self.with(now, conn, |connection, env| connection.receive(env, chunk, read_end));
        self.env.published_bytes.max(new_bytes)
    }

    /// The socket is gone: so is everything that the connection held. `reason` counts if the
    /// connection has not ended for another one before.
    pub fn remove(&mut self, now: Now, conn: ConnId, reason: CloseReason) {
        let Some(mut connection) = self.connections.take(conn) else { return };
        self.env.now = now;
        connection.uncount(&mut self.env);
        let link = &connection.link;
        if !link.ending {
            connection.over(&mut self.env, &reason);
            let link = &connection.link;
            self.env.events.push(Event::Closing { id: link.id, addr: link.addr, reason });
        }
        let link = &mut connection.link;
        link.drop_carry(&mut self.env);
        link.set_deadline(&mut self.env, None);
        self.env.half_closed.remove(conn);
        self.handle(now, Input::Closed(conn));
    }

    /// Takes mail of another shard.
    pub fn take_mail(&mut self, now: Now, from: ShardId, mail: Mail) {
        self.handle(now, Input::Mail { from, mail });
    }

    /// When [`Station::timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let env = &self.env;
        let connection = env.deadlines.first().map(|(at, _)| *at);
        let due = [
            connection,
            env.unfinished.poll_timeout(),
            env.shard.poll_timeout(),
            env.watch.poll_timeout(),
            env.poll_sessions(),
        ];
        due.into_iter().flatten().min()
    }

    /// Whether a deadline of a connection has come: it may be one that waits for what is said.
    #[must_use]
    pub fn is_greeting_due(&self, now: Instant) -> bool {
        self.env.deadlines.first().is_some_and(|(at, _)| *at <= now)
    }

    /// Does what is due, for about `budget` units of work; what is left is due at once. A
    /// connection that is being greeted and has said something that is `unread` is waited for:
    /// what it has said counts as said before the deadline.
    pub fn timeout(&mut self, now: Now, budget: u64, unread: impl Fn(ConnId) -> bool) {
        let spent_max = self.env.spent.saturating_add(budget);
        while let Some((at, conn)) = self.env.deadlines.first().copied() {
            if at > now.mono || self.env.spent >= spent_max {
                break;
            }
            // Taken out first: whatever the connection does may set a new one.
            self.env.deadlines.pop_first();
            self.env.spent += work::DEADLINE;
            let connection = self.connections.get_mut(conn).filter(|connection| connection.is_greeting());
            if let Some(connection) = connection
                && unread(conn)
                && !planted::is(Bug::TimerBeforeRead)
            {
                connection.postpone(&mut self.env, now.mono.after(POSTPONED));
                continue;
            }
            self.with(now, conn, Connection::timeout);
        }
        self.look_at_unfinished(now);
        while self.env.spent < spent_max && self.env.shard.poll_timeout().is_some_and(|at| at <= now.mono) {
            self.handle(now, Input::Timeout);
            self.env.spent += self.env.shard.take_work();
        }
        while self.env.spent < spent_max && self.env.poll_sessions().is_some_and(|at| at <= now.mono) {
            self.env.now = now;
            self.env.spent += work::DEADLINE;
            self.env.time_out_sessions();
            self.drain_core(now);
        }
        self.env.watch.timeout(now.mono, &mut self.env.events);
    }

    /// Whether [`Station::step`] has something to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.env.shard.has_work()
    }

    /// Goes on with work that waits.
    pub fn step(&mut self, now: Now) {
        self.env.shard.step(now);
        self.drain_core(now);
    }

    /// What everything since the last call has cost, in nanoseconds of a slow core, estimated.
    pub fn take_work(&mut self) -> u64 {
        let env = &mut self.env;
        let encoding = std::mem::take(&mut env.encoder.spent)
            + std::mem::take(&mut env.publishes.spent)
            + std::mem::take(&mut env.streams.spent);
        std::mem::take(&mut env.spent) + encoding + env.shard.take_work()
    }

    /// Something that only reads has cost so much.
    pub fn spend(&mut self, work: u64) {
        self.env.spent += work;
    }

    /// How soon a connection is to be read.
    #[must_use]
    pub fn lane(&self, conn: ConnId) -> Lane {
        match self.connections.get(conn).is_some_and(|connection| connection.publishes()) {
            true => Lane::Publishing,
            false => Lane::Other,
        }
    }

    /// The next connection that may have something to write, or that is to be closed.
    pub fn poll_write(&mut self) -> Option<ConnId> {
        if let Some(conn) = self.env.to_write.pop_front() {
            if let Some(connection) = self.connection(conn) {
                connection.link.listed = false;
            }
            return Some(conn);
        }
        self.env.shard.poll_ready()
    }

    /// What waits to be written to a connection.
    #[must_use]
    pub fn waits(&self, conn: ConnId) -> Waits {
        match self.connections.get(conn) {
            Some(connection) if !connection.link.ending => {
                Waits::Bytes(self.queue_bytes(conn) + connection.unwritten_bytes())
            }
            _ => Waits::Ending,
        }
    }

    /// Whether [`Station::poll_write`] has something to say.
    #[must_use]
    pub fn has_writes(&self) -> bool {
        !self.env.to_write.is_empty() || self.env.shard.has_ready()
    }

    /// Whether a connection is to be closed: it ends, and nothing of it waits to be written.
    #[must_use]
    pub fn is_over(&self, conn: ConnId) -> bool {
        self.connections.get(conn).is_none_or(|connection| connection.is_over())
    }

    /// Whether a connection may be read now. If not, [`Action::Read`] names it later.
    #[must_use]
    pub fn may_read(&self, conn: ConnId) -> bool {
        self.connections.get(conn).is_some_and(|connection| connection.may_read())
    }

    /// Ends a turn: the account is told what has changed.
    pub fn end_turn(&mut self) {
        self.env.shard.end_turn();
    }

    /// Everyone who had something to be written has been written to: bytes that were made for
    /// several receivers are forgotten.
    pub fn end_round(&mut self) {
        self.env.encoder.forget();
        self.env.publishes.forget();
        self.env.streams.forget();
    }

    /// The events since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.env.events)
    }

    /// From now on every connection gets what is queued for it, then the last line, and ends.
    pub fn drain(&mut self, now: Now) {
        self.env.draining = true;
        for conn in self.ids() {
            self.with(now, conn, |connection, env| {
                match connection.hears() {
                    // Once everything is delivered.
                    true => connection.link.list_to_write(env),
                    false => connection.end(env, CloseReason::Shutdown),
                }
                None
            });
        }
    }

    /// Ends one connection.
    pub fn end(&mut self, now: Now, conn: ConnId, reason: CloseReason) {
        if planted::is(Bug::KickNobody) && reason == CloseReason::Kicked {
            return;
        }
        self.with(now, conn, |connection, env| {
            connection.end(env, reason);
            None
        });
    }

    /// The core, for its counters and for checks.
    #[must_use]
    pub fn shard(&self) -> &Shard {
        &self.env.shard
    }

    /// Whether a connection has asked for history and has not got all of it.
    #[must_use]
    pub fn is_asking(&self, conn: ConnId) -> bool {
        let session = self.connections.get(conn).and_then(|connection| connection.link.session);
        session.is_some_and(|session| self.env.shard.is_asking(session))
    }

    /// Bytes that wait in the core for a connection.
    #[must_use]
    pub fn queue_bytes(&self, conn: ConnId) -> usize {
        let session = self.connections.get(conn).and_then(|connection| connection.link.session);
        session.map_or(0, |session| self.env.shard.queue_bytes(session))
    }

    /// How the queue of a connection stands, for checks; `None` for who hears nothing.
    #[must_use]
    pub fn queue_state(&self, conn: ConnId) -> Option<QueueState> {
        self.env.shard.queue_state(self.connections.get(conn)?.link.session?)
    }

    /// Messages that an MQTT client did not get on this connection, for checks: text subscribers are
    /// told themselves.
    #[must_use]
    pub fn lost(&self, conn: ConnId) -> u64 {
        self.connections.get(conn).map_or(0, |connection| connection.lost())
    }

    /// A publisher has said its hello: offers it to the shard that hears it, or lets it begin.
    fn offer_or_settle(&mut self, now: Now, conn: ConnId, settling: Settling) {
        let Settling { towards, rest, read_end } = settling;
        let topic = match towards {
            Towards::Home(to) => {
                let offer = Offer { conn, to, may_stay: MayStay::No, rest, read_end };
                return self.env.actions.push_back(Action::Offer(offer));
            }
            Towards::Hearers(topic) => topic,
        };
        // Nobody gets here while the shard drains: who has not said its hello by then is ended.
        let is_written = self.connections.get(conn).is_some_and(|connection| connection.is_written());
        // Half a prompt cannot be written from two shards.
        let may_move = self.placement == Placement::Offer && is_written;
        match may_move.then(|| self.env.shard.sole_interest(&topic)).flatten() {
            Some(to) => {
                let offer = Offer { conn, to, may_stay: MayStay::Yes, rest, read_end };
                self.env.actions.push_back(Action::Offer(offer));
            }
            None => self.settle(now, conn, rest, read_end),
        }
    }

    /// A publisher is where it will live: takes what stood behind its hello.
    fn settle(&mut self, now: Now, conn: ConnId, rest: Chunk, read_end: ReadEnd) {
        let Some(connection) = self.connections.get(conn) else { return };
        connection.announce(&mut self.env);
        if !rest.bytes.is_empty() || connection.has_data() || read_end == ReadEnd::Closed {
            self.receive(now, conn, rest, read_end);
        }
    }

    pub(crate) fn connection(&mut self, conn: ConnId) -> Option<&mut Connection> {
        self.connections.get_mut(conn).map(Box::as_mut)
    }

    pub(crate) fn ids(&self) -> Vec<ConnId> {
        self.connections.iter().map(|(conn, _)| conn).collect()
    }

    /// Lets a connection do something, then does what the core has to say to that.
    fn with(
        &mut self,
        now: Now,
        conn: ConnId,
        act: impl FnOnce(&mut Connection, &mut Env) -> Option<Settling>,
    ) {
        self.env.now = now;
        let Some(connection) = self.connections.get_mut(conn) else { return };
        let settling = act(connection, &mut self.env);
        self.drain_core(now);
        if let Some(settling) = settling {
            self.offer_or_settle(now, conn, settling);
        }
        self.bound_unfinished(now, conn);
        self.bound_half_closed(now);
        while let Some(evicted) = self.env.evicted.pop() {
            self.end(now, evicted, CloseReason::TakenOver);
        }
    }

    fn handle(&mut self, now: Now, input: Input) {
        self.env.now = now;
        self.env.shard.handle(now, input);
        self.drain_core(now);
    }

    /// Does what the core has to say, mail to itself included.
    pub(crate) fn drain_core(&mut self, now: Now) {
        self.env.now = now;
        loop {
            while let Some(output) = self.env.shard.poll_output() {
                self.output(output);
            }
            let Some(mail) = self.own_mail.pop_front() else { return };
            self.env.shard.handle(now, Input::Mail { from: self.own, mail });
        }
    }

    fn output(&mut self, output: Output) {
        let conn = match output {
            Output::Mail { to, mail } if to == self.own => return self.own_mail.push_back(mail),
            Output::Mail { to, mail } => return self.env.actions.push_back(Action::Mail { to, mail }),
            Output::Subscribed { conn, .. }
            | Output::Refused { conn, .. }
            | Output::Accepted { conn, .. }
            | Output::Pause(conn)
            | Output::Resume(conn) => conn,
        };
        let Some(connection) = self.connections.get_mut(conn) else { return };
        match output {
            Output::Subscribed { subscription, resumed, .. } => {
                connection.subscribed(&mut self.env, subscription, resumed);
            }
            Output::Refused { subscription, why, .. } => connection.refused(&mut self.env, subscription, why),
            Output::Accepted { upto, .. } => connection.accepted(&mut self.env, upto),
            Output::Pause(_) => connection.link.paused = true,
            Output::Resume(_) => {
                connection.link.paused = false;
                self.env.actions.push_back(Action::Read(conn));
            }
            Output::Mail { .. } => {}
        }
    }
}
