//! MQTT 3.1, 3.1.1 and 5.0 on one connection (docs/protocol/mqtt.md): from packets to the core and
//! back.
//!
//! ```text
//! Connecting ──CONNECT, where its client id lives──▶ Connected ──▶ Over
//! ```
//! Reading order: `connecting` (whose session it is), `sessions` (what outlives a connection),
//! `publishing` (packets to runs), `subscribing` and `filters`, `delivering` (what is sent and when), `encode` (runs to packets),
//! `window` (what is not acknowledged), `aliases`, `answers`, `refusing`, `farewell`.

mod aliases;
mod answers;
mod connecting;
mod delivering;
mod encode;
mod farewell;
mod filters;
mod publishing;
mod refusing;
mod sessions;
mod subscribing;
mod window;

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use broker::planted::{self, Bug};
use broker::{Instant, MessageRefusal, Publisher, Refusal, SubscriptionId, Use};
use topic::TopicName;
use wire::mqtt::{DecodeError, Kind, Packet, Property, Reason, Version, decode, frame};

use crate::batch::Batch;
use crate::connection::{Next, Taken};
use crate::delivering::{Delivered, PartSize};
use crate::env::Env;
use crate::event::CloseReason;
use crate::limits::Limits;
use crate::link::{Chunk, Link, ReadEnd};
use aliases::{Given, Sent};
use answers::{Answer, Answers};
use refusing::Problems;
use sessions::{ClientKey, Due};
use subscribing::Asking;

pub(crate) use encode::Encoder;
pub use farewell::Violation;
pub(crate) use sessions::{Sessions, home};
use window::Known;

/// What one call may cost, about, in units of an acknowledgement: some hundred microseconds.
const WORK_MAX: usize = 4096;
/// An acknowledgement, or a message of a run that was begun.
const PACKET_WORK: usize = 1;
/// A run: one look at the interest of all.
const RUN_WORK: usize = 16;
/// SUBSCRIBE packets that wait for the core; over this nothing more is read.
const ASKED_BYTES: usize = 4 * 1024;

/// One connection that speaks MQTT.
#[derive(Debug)]
pub(crate) struct Mqtt {
    state: State,
    /// What its client did not get, once it is over.
    lost: u64,
}

#[derive(Debug)]
enum State {
    Connecting,
    Connected(Box<Client>),
    /// What is left of a client: answers that wait for their socket.
    Over,
}

/// A connected client, as long as its connection lives.
#[derive(Debug)]
struct Client {
    version: Version,
    key: ClientKey,
    publisher: Arc<Publisher>,
    keep_alive: Duration,
    heard_at: Instant,
    /// Topics by the alias that the client gave them.
    aliases: Option<Box<Given>>,
    /// Aliases that it is sent.
    sent_aliases: Option<Box<Sent>>,
    /// Most messages have the topic of the one before.
    last_topic: Option<TopicName>,
    /// Messages that it has published.
    published: u64,
    receive_max: u16,
    packet_bytes_max: usize,
    problems: Problems,
    /// Messages that it was sent on this connection and has not acknowledged.
    outstanding: usize,
    /// What an earlier connection was sent and did not acknowledge.
    resend: VecDeque<NonZeroU16>,
    answers: Answers,
    asking: Option<Box<Asking>>,
    /// Messages that it did not get: dropped, or too large for it.
    lost: u64,
    /// How many of them it has not been told of.
    untold: u64,
}

/// What became of a packet.
enum Took {
    /// It is done with, and cost so much.
    Whole(usize),
    /// A part of it is: the rest is for another call.
    Part,
    /// It ends the connection.
    End(Next),
}

impl Took {
    fn broken(broken: Violation) -> Self {
        Self::End(violation(broken))
    }
}

impl Mqtt {
    pub(crate) fn new() -> Self {
        Self { state: State::Connecting, lost: 0 }
    }

    /// Takes its part of a chunk.
    pub(crate) fn receive(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        chunk: &Chunk,
        read_end: ReadEnd,
    ) -> Taken {
        match &mut self.state {
            State::Connecting => self.connect(link, env, chunk, read_end),
            State::Connected(client) => client.receive(link, env, chunk),
            State::Over => Taken { used: chunk.bytes.len(), next: Next::GoOn },
        }
    }

    /// The time of the deadline has come.
    pub(crate) fn timeout(&mut self, link: &mut Link, env: &mut Env) -> Taken {
        let next = match &mut self.state {
            State::Connecting => Next::End(CloseReason::Silent),
            State::Over => Next::GoOn,
            State::Connected(client) => match client.keep_alive_ends() {
                //= MQTT5-3.1.2-22
                Some(at) if at <= env.now.mono => Next::End(CloseReason::Silent),
                at => {
                    link.set_deadline(env, at);
                    Next::GoOn
                }
            },
        };
        Taken { used: 0, next }
    }

    pub(crate) fn accepted(&mut self, link: &mut Link, env: &mut Env, upto: u64) {
        if let State::Connected(client) = &mut self.state {
            client.answers.accepted(upto);
            client.list_answers(link, env);
        }
    }

    pub(crate) fn subscribed(&mut self, link: &mut Link, env: &mut Env, id: SubscriptionId) {
        if let State::Connected(client) = &mut self.state {
            client.subscribed(env, id);
            client.list_answers(link, env);
        }
    }

    pub(crate) fn refused(&mut self, link: &mut Link, env: &mut Env, id: SubscriptionId, why: Refusal) {
        if let State::Connected(client) = &mut self.state {
            client.refused(env, id, why);
            client.list_answers(link, env);
        }
    }

    pub(crate) fn deliver(&mut self, link: &mut Link, env: &mut Env, size: PartSize) -> Delivered {
        match &mut self.state {
            State::Connected(client) => client.deliver(link, env, size),
            State::Connecting | State::Over => Delivered::Nothing,
        }
    }

    /// The connection ends, or has: its session goes with it or waits for the next one.
    pub(crate) fn over(&mut self, link: &mut Link, env: &mut Env, reason: &CloseReason) {
        let State::Connected(mut client) = std::mem::replace(&mut self.state, State::Over) else { return };
        let version = client.version;
        self.lost = client.lost;
        if !client.answers.is_idle() {
            let answers = &mut client.answers;
            let written = link.out.append(&mut env.pool, |own| answers.write(own, version, usize::MAX));
            env.traffic.answers += written;
        }
        let said = farewell::disconnect(version, client.packet_bytes_max, reason);
        if let Some(bytes) = said {
            env.traffic.answers += 1;
            link.out.append(&mut env.pool, |own| own.extend_from_slice(&bytes));
        }
        client.give_up_replaced(env);
        link.session = None;
        // Not its own any more if another connection has taken it over.
        let key = client.key;
        let is_own = |session: &&mut sessions::Session| session.conn == Some(link.id.conn);
        let Some(session) = env.mqtt.get_mut(key).filter(is_own) else { return };
        let core = session.core;
        let shared = session.window.take_shared();
        env.shard.detach(core);
        // Behind what was not sent: it goes in front of that.
        env.shard.give_back(shared);
        let session = env.mqtt.get_mut(key).expect("it was just looked at");
        if session.expiry.is_zero() {
            let session = env.mqtt.remove(key).expect("it was just looked at");
            if let Some(will) = session.will {
                env.publish_will(*will, &client.publisher);
            }
            env.shard.close(core);
            return;
        }
        env.mqtt.detached(env.now.mono, key);
    }

    /// The client takes nothing: what it was promised is given up.
    pub(crate) fn give_up(&mut self) {
        self.state = State::Over;
    }

    /// Whether nothing is promised that has not been said.
    pub(crate) fn is_said(&self) -> bool {
        match &self.state {
            State::Connected(client) => client.answers.is_empty(),
            State::Connecting | State::Over => true,
        }
    }

    /// Bytes that are promised for what the client has sent.
    pub(crate) fn owed_bytes(&self) -> usize {
        match &self.state {
            State::Connected(client) => client.answers.bytes() + ASKED_BYTES * client.asked(),
            State::Connecting | State::Over => 0,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected(_))
    }

    /// Messages that the client did not get on this connection: dropped, or too large for it.
    pub(crate) fn lost(&self) -> u64 {
        match &self.state {
            State::Connected(client) => client.lost,
            State::Connecting | State::Over => self.lost,
        }
    }

    pub(crate) fn client_id(&self) -> Option<Box<str>> {
        match &self.state {
            State::Connected(client) => client.publisher.name.clone(),
            State::Connecting | State::Over => None,
        }
    }
}

impl Client {
    fn receive(&mut self, link: &mut Link, env: &mut Env, chunk: &Chunk) -> Taken {
        let (mut batch, mut used) = (Batch::default(), 0);
        let before = self.published;
        let next = self.receive_packets(link, env, chunk, &mut batch, &mut used);
        batch.flush(env, &self.publisher, &mut self.published, chunk);
        self.list_answers(link, env);
        if used > 0 {
            // Packets count, and not bytes of one that never ends (MQTT5-3.1.2-22).
            self.heard_at = env.now.mono;
        }
        match next {
            Next::GoOn if self.published > before => Taken { used, next: Next::Published },
            next => Taken { used, next },
        }
    }

    /// Takes whole packets, as many as one call may cost.
    fn receive_packets(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        chunk: &Chunk,
        batch: &mut Batch,
        used: &mut usize,
    ) -> Next {
        let mut spent = 0;
        loop {
            let bytes = chunk.bytes.get(*used..).unwrap_or_default();
            let frame = match frame(bytes) {
                Ok(Some(frame)) => frame,
                Ok(None) => return Next::GoOn,
                Err(error) => return violation(error.into()),
            };
            if frame.len() > link.rules.limits.message_bytes_max {
                if frame.kind() == Kind::Publish {
                    env.shard.refuse(MessageRefusal::TooLarge);
                }
                return Next::End(CloseReason::TooLong);
            }
            let Some(body) = bytes.get(frame.head_len..frame.len()) else { return Next::GoOn };
            if frame.kind() == Kind::Connect {
                //= MQTT5-3.1.0-2
                return violation(Violation::new(Reason::PROTOCOL_ERROR, "a second CONNECT"));
            }
            if spent >= WORK_MAX {
                return Next::Again;
            }
            let packet = match decode(self.version, frame.first, body) {
                Ok(packet) => packet,
                Err(error) => {
                    if error == DecodeError::TopicName {
                        env.shard.refuse(MessageRefusal::InvalidTopic);
                    }
                    return violation(error.into());
                }
            };
            if let Packet::Publish(publish) = &packet {
                let receive_max = usize::from(link.rules.limits.receive_max);
                let from = (chunk, *used + frame.head_len);
                match self.publish(env, batch, publish, from, receive_max) {
                    Ok(work) => spent += work,
                    Err(broken) => return violation(broken),
                }
                *used += frame.len();
                env.traffic.received += 1;
                continue;
            }
            if !batch.is_empty() {
                // What it subscribes to comes after what it has published before.
                batch.flush(env, &self.publisher, &mut self.published, chunk);
            }
            match self.take(link, env, &packet) {
                Took::Whole(work) => spent += work,
                // What is left of it comes again.
                Took::Part => return Next::Again,
                Took::End(next) => {
                    env.traffic.received += 1;
                    return next;
                }
            }
            *used += frame.len();
            env.traffic.received += 1;
        }
    }

    /// Takes any packet but a PUBLISH.
    fn take(&mut self, link: &mut Link, env: &mut Env, packet: &Packet<'_>) -> Took {
        let session = env.mqtt.get_mut(self.key).expect("a client has its session");
        match packet {
            Packet::PubAck(ack) => {
                let known = session.window.acknowledged(ack.packet_id);
                self.acknowledged(link, env, known);
            }
            Packet::PubRec(ack) if ack.reason.is_error() => {
                let known = session.window.declined(ack.packet_id);
                self.acknowledged(link, env, known);
            }
            Packet::PubRec(ack) => {
                let reason = match session.window.received(ack.packet_id) {
                    Known::Yes => Reason::SUCCESS,
                    Known::No => Reason::PACKET_ID_NOT_FOUND,
                };
                self.answers.give(Answer::PubRel(ack.packet_id, reason));
            }
            Packet::PubRel(ack) => {
                let reason = match session.received.remove(&ack.packet_id) {
                    true => Reason::SUCCESS,
                    false => Reason::PACKET_ID_NOT_FOUND,
                };
                self.answers.give(Answer::PubComp(ack.packet_id, reason));
            }
            Packet::PubComp(ack) => {
                let known = session.window.completed(ack.packet_id);
                self.acknowledged(link, env, known);
            }
            Packet::Subscribe(subscribe) => {
                return self.subscribe(link, env, subscribe).unwrap_or_else(Took::broken);
            }
            Packet::Unsubscribe(unsubscribe) => {
                return self.unsubscribe(env, unsubscribe).unwrap_or_else(Took::broken);
            }
            Packet::PingReq => self.answers.give(Answer::Pong),
            Packet::Disconnect(disconnect) => {
                let expiry = disconnect.properties.iter().find_map(|property| match property {
                    Property::SessionExpiry(seconds) => Some(number_of_seconds(seconds)),
                    _ => None,
                });
                if let Some(time) = expiry {
                    // MQTT5 3.14.2.2.2.
                    if session.expiry.is_zero() && !time.is_zero() {
                        let what = "a session that was to end with its connection";
                        return Took::broken(Violation::new(Reason::PROTOCOL_ERROR, what));
                    }
                    session.expiry = time.min(link.rules.limits.session_time_max);
                }
                let takes_will = disconnect.reason == Reason::NORMAL_DISCONNECTION;
                if takes_will && !planted::is(Bug::WillAfterDisconnect) {
                    session.will = None; //= MQTT5-3.14.4-3
                }
                return Took::End(Next::End(CloseReason::Terminated));
            }
            Packet::Publish(_) => {}
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp
            | Packet::Auth(_) => {
                let what = "a packet that clients do not send";
                return Took::broken(Violation::new(Reason::PROTOCOL_ERROR, what));
            }
        }
        Took::Whole(PACKET_WORK)
    }

    /// The client has acknowledged something: there is room for the next message.
    fn acknowledged(&mut self, link: &mut Link, env: &mut Env, known: Known) {
        if known == Known::Yes {
            self.outstanding = self.outstanding.saturating_sub(1);
            link.list_to_write(env);
        }
    }

    fn list_answers(&self, link: &mut Link, env: &mut Env) {
        if !self.answers.is_idle() {
            link.list_to_write(env);
        }
    }

    /// When it must have been heard of again: one and a half times its keep alive.
    fn keep_alive_ends(&self) -> Option<Instant> {
        (!self.keep_alive.is_zero()).then(|| self.heard_at.after(self.keep_alive * 3 / 2))
    }
}

impl Env {
    /// When [`Env::time_out_sessions`] has something to do.
    pub(crate) fn poll_sessions(&self) -> Option<Instant> {
        self.mqtt.poll_timeout()
    }

    /// Does the next thing that is due for a session whose client is absent.
    pub(crate) fn time_out_sessions(&mut self) {
        match self.mqtt.take_due(self.now.mono) {
            Some(Due::Will(will, publisher)) => self.publish_will(*will, &publisher),
            Some(Due::End(core)) => {
                self.traffic.expired += 1;
                self.shard.close(core);
            }
            None => {}
        }
    }

    /// Whether sessions take all the memory that they may.
    fn is_short_of_sessions(&self, limits: &Limits) -> bool {
        self.gauge.used_for(Use::Sessions) > limits.sessions_bytes_max
    }

    /// Whether windows have to be small: nobody but their clients can make room in them.
    fn is_sparing(&self, limits: &Limits) -> bool {
        self.is_short_of_sessions(limits) || self.gauge.used() > limits.core.memory_bytes_max / 2
    }

    /// The shard on which a client id lives.
    pub(crate) fn home(&self, client_id: &str) -> broker::ShardId {
        home(client_id, self.shards, self.home_seed)
    }

    /// A client id for a client that has none: one that lives here.
    pub(crate) fn assign_client_id(&mut self) -> String {
        loop {
            self.assigned += 1;
            let id = format!("tidings-{}-{}-{}", self.own.0, self.now.wall.0, self.assigned);
            if self.home(&id) == self.own && self.mqtt.find(&id).is_none() {
                return id;
            }
        }
    }
}

fn violation(violation: Violation) -> Next {
    Next::End(CloseReason::Violation(violation))
}

/// Seconds of a property.
fn number_of_seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}
