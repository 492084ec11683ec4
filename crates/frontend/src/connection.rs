//! One connection: its socket side, the protocol that it speaks, and how it ends.
//!
//! ```text
//! Sniffing ──first bytes──▶ Text | Mqtt | Http ──▶ ending (last bytes are written, then closed)
//! ```

use std::rc::Rc;
use std::sync::Arc;

use broker::planted::{self, Bug};
use broker::{Input, Instant, Origin, Refusal, Resumed, ShardId, SubscriptionId};
use bytes::{Buf as _, Bytes};
use topic::TopicName;

use crate::census::{Counted, ProtocolName, RoleName};
use crate::delivering::{Delivered, PartSize};
use crate::env::Env;
use crate::event::{CloseReason, Event};
use crate::half_closed::HalfClosed;
use crate::handover::{Handover, Settling, Speaks, Towards};
use crate::http::{self, Http};
use crate::limits::Limits;
use crate::link::{Chunk, Leftover, Link, ReadEnd};
use crate::mqtt::Mqtt;
use crate::sniffing::{self, Decided, Sniffing};
use crate::station::Action;
use crate::text::{self, Text, TopicPrompt};
use crate::websocket::WebSocket;

/// What a listener asks of its clients.
#[derive(Debug, Clone)]
pub struct Rules {
    pub limits: Arc<Limits>,
    pub spoken: Spoken,
    /// Whether a hello of the text protocol without a topic is followed by one.
    pub topic_prompt: TopicPrompt,
}

/// Which protocols a listener's clients may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spoken {
    /// Their first bytes tell.
    #[default]
    AnyProtocol,
    /// MQTT and nothing else, and who is silent is not prompted.
    Mqtt,
    /// The same for HTTP and what goes over it: browsers open connections ahead, and whatever
    /// comes on one before it asks is an answer to them.
    Http,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) link: Link,
    pub(crate) protocol: Protocol,
    /// As what the census has it.
    pub(crate) counted: Counted,
}

/// What a connection speaks. A protocol gets bytes and time, and acts on [`Env`] and [`Link`];
/// what it wants of the connection itself it returns.
#[derive(Debug)]
pub(crate) enum Protocol {
    Sniffing(Sniffing),
    Text(Box<Text>),
    Mqtt(Box<Mqtt>),
    Http(Box<Http>),
    WebSocket(Box<WebSocket>),
}

/// What a protocol made of the bytes that it was given.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Bytes that are done with; the rest comes again.
    pub(crate) used: usize,
    pub(crate) next: Next,
}

/// What happens behind those bytes.
#[derive(Debug)]
pub(crate) enum Next {
    /// The rest comes at once if bytes were used, else with the next chunk.
    GoOn,
    /// A run was published: the rest comes with the next chunk.
    Published,
    /// It is going to publish to this topic: the rest comes where it will live.
    Settle(TopicName),
    /// It has to live on this shard: the rest comes there.
    Move(ShardId),
    /// There is more in it than one call takes: the rest comes again soon.
    Again,
    /// The connection ends.
    End(CloseReason),
}

impl Taken {
    pub(crate) fn nothing() -> Self {
        Self { used: 0, next: Next::GoOn }
    }
}

impl Connection {
    /// A connection that was handed over, without what it has said that nobody has looked at.
    pub(crate) fn new(env: &mut Env, id: Origin, handover: Handover, rules: Rc<Rules>) -> Self {
        let Handover { addr, since, speaks, .. } = handover;
        let mut link = Link::new(id, addr, since, rules);
        link.is_shown = !matches!(speaks, Speaks::Unknown);
        let protocol = match speaks {
            Speaks::Unknown => Self::says_nothing_yet(env, &mut link),
            Speaks::Text(publishing) => Protocol::Text(Box::new(Text::adopted(id, publishing))),
            Speaks::Mqtt => Self::waits_for_connect(env, &mut link),
            Speaks::WebSocket(moving) => {
                link.out.begin_frames();
                let until = env.now.mono.after(link.rules.limits.connect_time);
                link.set_deadline(env, Some(until));
                Protocol::WebSocket(Box::new(WebSocket::arrived(*moving)))
            }
        };
        let mut connection = Self { link, protocol, counted: Counted::NOTHING };
        // One that comes from another shard has said there who it is.
        connection.counted = connection.counts_as();
        env.census.change(Counted::NOTHING, connection.counted);
        connection
    }

    fn says_nothing_yet(env: &mut Env, link: &mut Link) -> Protocol {
        match link.rules.spoken {
            Spoken::AnyProtocol => {
                let silent_until = env.now.mono.after(link.rules.limits.prompt_delay);
                link.set_deadline(env, Some(silent_until));
                Protocol::Sniffing(Sniffing::new(env.now.mono))
            }
            Spoken::Mqtt => {
                link.show(env);
                Self::waits_for_connect(env, link)
            }
            Spoken::Http => {
                http::wait_for_head(link, env, 0);
                Protocol::Http(Box::new(Http::new()))
            }
        }
    }

    fn waits_for_connect(env: &mut Env, link: &mut Link) -> Protocol {
        let until = env.now.mono.after(link.rules.limits.connect_time);
        link.set_deadline(env, Some(until));
        Protocol::Mqtt(Box::new(Mqtt::new()))
    }

    /// Takes a chunk: what was left over before, then what was read. What is left over this
    /// time is in the link's carry, or behind the `Settling`.
    pub(crate) fn receive(&mut self, env: &mut Env, chunk: Chunk, read_end: ReadEnd) -> Option<Settling> {
        let mut rest = chunk;
        let mut leftover = Leftover::GoesOn;
        let mut comes_again = false;
        let closes = std::mem::take(&mut self.link.closed_behind);
        let read_end = if closes { ReadEnd::Closed } else { read_end };
        // A hello and messages may come in one chunk: each state takes its part.
        while !self.link.ending {
            let Taken { used, next } = self.protocol.receive(&mut self.link, env, &rest, read_end);
            rest.bytes.advance(used);
            self.count(env);
            match next {
                Next::GoOn if used > 0 && !rest.bytes.is_empty() => {}
                Next::GoOn => break,
                Next::Published => {
                    leftover = Leftover::Begins;
                    break;
                }
                Next::Settle(topic) => {
                    self.link.drop_carry(env);
                    self.link.starved = false;
                    return Some(Settling { towards: Towards::Hearers(topic), rest, read_end });
                }
                Next::Move(to) => {
                    self.link.drop_carry(env);
                    self.link.set_deadline(env, None);
                    self.link.starved = false;
                    return Some(Settling { towards: Towards::Home(to), rest, read_end });
                }
                Next::Again => {
                    leftover = Leftover::Begins;
                    comes_again = true;
                    env.actions.push_back(Action::Again(self.link.id.conn));
                    break;
                }
                Next::End(reason) => self.end(env, reason),
            }
        }
        if !self.link.ending {
            self.keep(env, rest, leftover);
        }
        match read_end {
            ReadEnd::Closed if comes_again => self.link.closed_behind = true,
            ReadEnd::Closed => self.read_closed(env),
            ReadEnd::More | ReadEnd::Drained => {}
        }
        None
    }

    fn keep(&mut self, env: &mut Env, rest: Chunk, leftover: Leftover) {
        let counts = self.publishes() || !matches!(self.protocol, Protocol::Text(_) | Protocol::Sniffing(_));
        let leftover = if counts { leftover } else { Leftover::Bounded };
        let held_bytes = self.held_bytes();
        self.link.keep(env, rest, leftover, held_bytes);
    }

    /// Bytes of an unfinished message that its protocol has put together.
    pub(crate) fn held_bytes(&self) -> usize {
        match &self.protocol {
            Protocol::Http(http) => http.held_bytes(),
            Protocol::WebSocket(socket) => socket.held_bytes(),
            Protocol::Text(_) | Protocol::Mqtt(_) | Protocol::Sniffing(_) => 0,
        }
    }

    /// The peer sends nothing more. Who says so together with what it wants to hear may go on to
    /// hear it; anyone else who says it has gone, as far as anyone can tell.
    fn read_closed(&mut self, env: &mut Env) {
        if self.link.ending || self.link.half_closed != HalfClosed::No {
            return; // it has said so before
        }
        let goes_on = match &self.protocol {
            Protocol::Sniffing(_) => None,
            Protocol::Text(text) => text.goes_on_to_hear(env.now.mono, &self.link.rules.limits),
            Protocol::Http(http) => http.goes_on_to_hear(env.now.mono, &self.link.rules.limits),
            Protocol::Mqtt(_) | Protocol::WebSocket(_) => None,
        };
        match goes_on {
            Some(half_closed) => self.link.set_half_closed(env, half_closed),
            None => self.end(env, CloseReason::Gone),
        }
    }

    /// The core says that a subscription stands.
    pub(crate) fn subscribed(&mut self, env: &mut Env, id: SubscriptionId, resumed: Resumed) {
        if self.link.ending {
            return;
        }
        match &mut self.protocol {
            Protocol::Text(text) => text.subscribed(&mut self.link, env),
            Protocol::Mqtt(mqtt) => mqtt.subscribed(&mut self.link, env, id),
            Protocol::Http(http) => http.subscribed(&mut self.link, env, resumed),
            Protocol::WebSocket(socket) => socket.subscribed(&mut self.link, env, id, resumed),
            Protocol::Sniffing(_) => {}
        }
    }

    /// The core has given a subscription up.
    pub(crate) fn refused(&mut self, env: &mut Env, id: SubscriptionId, why: Refusal) {
        match &mut self.protocol {
            Protocol::Text(_) => self.end(env, text::bad_filter(why)),
            Protocol::Mqtt(mqtt) => mqtt.refused(&mut self.link, env, id, why),
            Protocol::WebSocket(socket) => socket.refused(&mut self.link, env, id, why),
            Protocol::Http(http) => {
                let reason = http.refused(why);
                self.end(env, reason);
            }
            Protocol::Sniffing(_) => {}
        }
    }

    /// The core has accepted the first `upto` messages that it published.
    pub(crate) fn accepted(&mut self, env: &mut Env, upto: u64) {
        match &mut self.protocol {
            Protocol::Text(text) => text.accepted(&mut self.link, env, upto),
            Protocol::Mqtt(mqtt) => mqtt.accepted(&mut self.link, env, upto),
            Protocol::Http(http) => http.accepted(&mut self.link, env, upto),
            Protocol::WebSocket(socket) => socket.accepted(&mut self.link, env, upto),
            Protocol::Sniffing(_) => {}
        }
    }

    /// The time of the deadline has come, and it was taken out of the list.
    pub(crate) fn timeout(&mut self, env: &mut Env) -> Option<Settling> {
        self.link.deadline = None;
        if self.link.ending {
            // The peer takes nothing, not even its last line.
            self.link.out.clear();
            match &mut self.protocol {
                Protocol::Text(text) => text.give_up(),
                Protocol::Mqtt(mqtt) => mqtt.give_up(),
                Protocol::Http(http) => http.give_up(),
                Protocol::WebSocket(socket) => socket.give_up(),
                Protocol::Sniffing(_) => {}
            }
            self.link.list_to_write(env);
            return None;
        }
        let carry = std::mem::take(&mut self.link.carry);
        let Taken { used, next } = self.protocol.timeout(&mut self.link, env, &carry);
        self.count(env);
        let rest = Bytes::copy_from_slice(carry.get(used..).unwrap_or_default());
        let rest = Chunk { pinned_bytes: rest.len(), bytes: rest };
        match next {
            Next::Settle(topic) => {
                return Some(Settling { towards: Towards::Hearers(topic), rest, read_end: ReadEnd::Drained });
            }
            Next::Move(to) => {
                return Some(Settling { towards: Towards::Home(to), rest, read_end: ReadEnd::Drained });
            }
            Next::End(reason) => self.end(env, reason),
            Next::GoOn | Next::Published | Next::Again => {
                self.keep(env, rest, Leftover::GoesOn);
            }
        }
        None
    }

    /// Ends the connection once what waits is written; only the first reason counts. Nothing
    /// more is delivered to it from now on, so that it holds nobody up.
    pub(crate) fn end(&mut self, env: &mut Env, reason: CloseReason) {
        if self.link.ending {
            return;
        }
        self.link.show(env);
        match (&mut self.protocol, &reason) {
            (_, CloseReason::Foreign(begun)) => {
                sniffing::farewell(*begun).into_iter().for_each(|answer| self.link.say_fixed(env, answer));
            }
            (Protocol::Text(text), _) => text.farewell(&mut self.link, env, &reason),
            (Protocol::Mqtt(mqtt), _) => mqtt.over(&mut self.link, env, &reason),
            (Protocol::Http(http), _) => http.farewell(&mut self.link, env, &reason),
            (Protocol::WebSocket(socket), _) => socket.over(&mut self.link, env, &reason),
            // Whoever has not said what it speaks is spoken to in text.
            (Protocol::Sniffing(_), _) => {
                let line = text::farewell_line(&reason, &self.link.rules.limits);
                line.into_iter().for_each(|line| self.link.say(env, &line));
            }
        }
        let (link, now) = (&mut self.link, env.now.mono);
        link.drop_carry(env);
        link.set_half_closed(env, HalfClosed::No);
        link.set_deadline(env, Some(now.after(link.rules.limits.drain_time)));
        link.ending = true;
        link.list_to_write(env);
        env.events.push(Event::Closing { id: link.id, addr: link.addr, reason });
        self.count(env);
        // Now and not when it is closed: a client that does not take its last line would go on
        // filling a queue, and braking publishers, for `drain_time`.
        env.shard.handle(env.now, Input::Closed(self.link.id.conn));
    }

    /// Encodes the next thing for the socket.
    pub(crate) fn deliver(&mut self, env: &mut Env, size: PartSize) -> Delivered {
        match &mut self.protocol {
            Protocol::Text(text) => text.deliver(&mut self.link, env, size),
            Protocol::Mqtt(mqtt) => mqtt.deliver(&mut self.link, env, size),
            Protocol::Http(http) => {
                let delivered = http.deliver(&mut self.link, env, size);
                self.count(env); // what was kept may be heard, and the next request publish
                delivered
            }
            Protocol::WebSocket(socket) => socket.deliver(&mut self.link, env, size),
            Protocol::Sniffing(_) => Delivered::Nothing,
        }
    }

    /// Waits a moment longer: what it waits for may have come already and not been read.
    pub(crate) fn postpone(&mut self, env: &mut Env, until: Instant) {
        self.link.deadline = None; // it was taken out of the list
        self.link.set_deadline(env, Some(until));
    }

    /// Whether the deadline is there to see what the client says.
    pub(crate) fn is_greeting(&self) -> bool {
        !self.link.ending
            && match &self.protocol {
                Protocol::Sniffing(_) => true,
                Protocol::Text(text) => text.is_greeting(),
                // Its keep alive: what it has said and nobody has read counts as well.
                Protocol::Mqtt(_) => true,
                Protocol::Http(http) => http.is_greeting(),
                Protocol::WebSocket(socket) => socket.is_greeting(),
            }
    }

    /// A publisher has found its place.
    pub(crate) fn announce(&self, env: &mut Env) {
        if self.link.ending {
            return; // it has been said that it is over
        }
        match &self.protocol {
            Protocol::Text(text) => env.events.extend(text.announcement(&self.link)),
            Protocol::Mqtt(_) | Protocol::Http(_) | Protocol::WebSocket(_) | Protocol::Sniffing(_) => {}
        }
    }

    /// Its end, for a session that may outlive it. Called once.
    pub(crate) fn over(&mut self, env: &mut Env, reason: &CloseReason) {
        match &mut self.protocol {
            Protocol::Mqtt(mqtt) => mqtt.over(&mut self.link, env, reason),
            Protocol::WebSocket(socket) => socket.over(&mut self.link, env, reason),
            Protocol::Text(_) | Protocol::Http(_) | Protocol::Sniffing(_) => {}
        }
    }

    /// Whether there is something to do without more bytes.
    pub(crate) fn has_data(&self) -> bool {
        matches!(&self.protocol, Protocol::WebSocket(socket) if socket.has_data())
    }

    /// Whether the control side is to have it.
    pub(crate) fn is_leaving(&self) -> bool {
        !self.link.ending && matches!(&self.protocol, Protocol::Http(http) if http.is_leaving())
    }

    /// Whether another shard may have it: it has nothing here yet.
    pub(crate) fn may_move(&self) -> bool {
        let is_new = match &self.protocol {
            Protocol::Text(_) => self.publishes(),
            Protocol::Mqtt(mqtt) => !mqtt.is_connected(),
            Protocol::WebSocket(socket) => socket.may_move(),
            Protocol::Http(_) | Protocol::Sniffing(_) => false,
        };
        is_new && !self.link.ending
    }

    /// Whether what it sends is messages. A protocol may do both at once, this and hear.
    pub(crate) fn publishes(&self) -> bool {
        match &self.protocol {
            Protocol::Text(text) => !self.link.ending && text.role() == RoleName::Publisher,
            Protocol::Mqtt(mqtt) => !self.link.ending && mqtt.is_connected(),
            Protocol::Http(http) => !self.link.ending && http.publishes(),
            Protocol::WebSocket(socket) => !self.link.ending && socket.publishes(),
            Protocol::Sniffing(_) => false,
        }
    }

    /// Whether it hears what is published.
    pub(crate) fn hears(&self) -> bool {
        !self.link.ending && self.link.session.is_some()
    }

    /// Whether everything is said that is to be said before the connection closes.
    pub(crate) fn is_over(&self) -> bool {
        self.link.ending && self.is_written()
    }

    /// Whether nothing that was begun or promised waits for its socket.
    pub(crate) fn is_written(&self) -> bool {
        let is_said = match &self.protocol {
            Protocol::Text(text) => text.is_said(),
            Protocol::Mqtt(mqtt) => mqtt.is_said(),
            Protocol::Http(http) => http.is_said(),
            Protocol::WebSocket(socket) => socket.is_said(),
            Protocol::Sniffing(_) => true,
        };
        self.link.out.is_empty() && is_said
    }

    /// Bytes that wait for its socket, besides deliveries.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        let owed = match &self.protocol {
            Protocol::Text(text) => text.owed_bytes(),
            Protocol::Mqtt(mqtt) => mqtt.owed_bytes(),
            Protocol::Http(http) => http.owed_bytes(),
            Protocol::WebSocket(socket) => socket.owed_bytes(),
            Protocol::Sniffing(_) => 0,
        };
        self.link.out.bytes() + owed
    }

    /// Messages that an MQTT client did not get on this connection.
    pub(crate) fn lost(&self) -> u64 {
        match &self.protocol {
            Protocol::Mqtt(mqtt) => mqtt.lost(),
            Protocol::WebSocket(socket) => socket.lost(),
            Protocol::Text(_) | Protocol::Http(_) | Protocol::Sniffing(_) => 0,
        }
    }

    /// Whether it goes on once what was promised is written.
    pub(crate) fn is_held(&self) -> bool {
        !self.link.ending && matches!(&self.protocol, Protocol::WebSocket(socket) if socket.is_held())
    }

    /// Whether it may be read now.
    pub(crate) fn may_read(&self) -> bool {
        // What waits because of what it has sent; deliveries wait for what others did.
        let answers = match &self.protocol {
            Protocol::Text(_) if self.publishes() => self.unwritten_bytes(),
            Protocol::Mqtt(mqtt) => mqtt.owed_bytes(),
            Protocol::WebSocket(socket) if socket.is_held() && !self.is_written() => return false,
            Protocol::WebSocket(socket) => socket.owed_bytes(),
            Protocol::Http(http) if http.is_leaving() => return false, // nobody here reads it any more
            Protocol::Http(_) if self.publishes() => self.unwritten_bytes(),
            Protocol::Text(_) | Protocol::Http(_) | Protocol::Sniffing(_) => 0,
        };
        let link = &self.link;
        let is_read = planted::is(Bug::IgnoreReplies) || answers <= link.rules.limits.replies_bytes_max;
        !link.ending && !link.starved && !link.paused && is_read
    }

    pub(crate) fn role(&self) -> RoleName {
        match &self.protocol {
            _ if self.link.ending => RoleName::Unknown,
            Protocol::Text(text) => text.role(),
            Protocol::Mqtt(mqtt) if mqtt.is_connected() => RoleName::Client,
            Protocol::Http(http) => http.role(),
            Protocol::WebSocket(socket) => socket.role(),
            Protocol::Mqtt(_) | Protocol::Sniffing(_) => RoleName::Unknown,
        }
    }

    pub(crate) fn speaks(&self) -> ProtocolName {
        match &self.protocol {
            _ if self.link.ending => ProtocolName::Unknown,
            Protocol::Sniffing(_) => ProtocolName::Unknown,
            Protocol::Text(_) => ProtocolName::Text,
            Protocol::Mqtt(_) => ProtocolName::Mqtt,
            Protocol::Http(_) => ProtocolName::Http,
            Protocol::WebSocket(_) => ProtocolName::WebSocket,
        }
    }
}

impl Protocol {
    fn receive(&mut self, link: &mut Link, env: &mut Env, chunk: &Chunk, read_end: ReadEnd) -> Taken {
        if let Self::Sniffing(sniffing) = self {
            let decided = sniffing.received(env.now.mono, &chunk.bytes, read_end, &link.rules.limits);
            if let Some(taken) = self.decided(link, env, decided) {
                return taken;
            }
        }
        match self {
            Self::Mqtt(mqtt) => mqtt.receive(link, env, chunk, read_end),
            Self::Text(text) => text.receive(link, env, chunk, read_end),
            Self::Http(http) => {
                let taken = http.receive(link, env, chunk, read_end);
                if let Some(inside) = http.upgraded() {
                    let socket = WebSocket::new(inside, link.rules.limits.message_bytes_max);
                    *self = Self::WebSocket(Box::new(socket));
                }
                taken
            }
            Self::WebSocket(socket) => socket.receive(link, env, chunk, read_end),
            Self::Sniffing(_) => Taken::nothing(),
        }
    }

    fn timeout(&mut self, link: &mut Link, env: &mut Env, carry: &[u8]) -> Taken {
        if let Self::Sniffing(sniffing) = self {
            let decided = sniffing.timeout(env.now.mono, carry, &link.rules.limits);
            if let Some(taken) = self.decided(link, env, decided) {
                return taken;
            }
        }
        match self {
            Self::Text(text) => text.timeout(link, env, carry),
            Self::Mqtt(mqtt) => mqtt.timeout(link, env),
            Self::Http(http) => http.timeout(link, env, carry),
            Self::WebSocket(socket) => socket.timeout(link, env),
            Self::Sniffing(_) => Taken::nothing(),
        }
    }

    /// Acts on what the first bytes amount to; `None` if they have become a protocol, which
    /// takes them.
    fn decided(&mut self, link: &mut Link, env: &mut Env, decided: Decided) -> Option<Taken> {
        match decided {
            Decided::Wait(until) => link.set_deadline(env, Some(until)),
            Decided::Prompt(until) => {
                link.show(env);
                link.set_deadline(env, Some(until));
                link.say_fixed(env, text::PROMPT);
            }
            Decided::Text { first, opened } => {
                link.show(env);
                *self = Self::Text(Box::new(Text::new(first, opened)));
                return None;
            }
            Decided::Mqtt => {
                link.show(env);
                link.set_deadline(env, Some(env.now.mono.after(link.rules.limits.connect_time)));
                *self = Self::Mqtt(Box::new(Mqtt::new()));
                return None;
            }
            Decided::Http => {
                link.set_deadline(env, None);
                *self = Self::Http(Box::new(Http::new()));
                return None;
            }
            Decided::End(reason) => return Some(Taken { used: 0, next: Next::End(reason) }),
        }
        Some(Taken::nothing())
    }
}
