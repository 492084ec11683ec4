//! MQTT 5 as a client speaks it, without socket, clock or thread.
//!
//! A driver says [`Engine::connect`], writes [`Engine::output`], gives what it reads to [`Engine::receive`]
//! and drains [`Engine::poll_event`] to `None` before it reads again; at [`Engine::deadline`] it calls
//! [`Engine::tick`]. When the connection breaks it says [`Engine::lose`] and may connect again: what
//! was not acknowledged and every subscription is still known.
//!
//! It holds no more than `limits` says: what is published waits for room with its owner.

use std::time::Instant;

use thiserror::Error;
use wire::mqtt::{
    ConnAck, DecodeError, Disconnect, Frame, Kind, Packet, Properties, Property, PropertyWriter, Publish,
    Reason, Version, decode, encode,
};

use crate::event::{Connected, Event, Goodbye, Outcome, ProtocolError, Receipt, SessionState, Ticket};
use crate::limits::{OUTPUT_BYTES_MAX, SUBSCRIPTIONS_MAX};
use crate::message::{Message, MessageError};
use crate::options::{ConnectOptions, Start};
use crate::subscription::Subscription;
use ids::PacketIds;
use input::Input;
use link::{Due, KeepAlive, Link, Terms};
use receiving::Receiving;
use sending::Sending;
use subscribing::Subscribing;

#[cfg(test)]
mod adversary;
mod ids;
mod input;
mod link;
mod receiving;
mod sending;
mod subscribing;
#[cfg(test)]
mod tests;

/// One client's side of the protocol, over any number of connections one after the other.
#[derive(Debug)]
pub struct Engine {
    options: ConnectOptions,
    /// How the next connection begins: once there was a session it is wanted back.
    start: Start,
    link: Link,
    input: Input,
    output: Output,
    ids: PacketIds,
    tickets: u64,
    sending: Sending,
    receiving: Receiving,
    subscribing: Subscribing,
    /// Told one by one before anything else is read.
    unsure: Vec<Ticket>,
}

/// What becomes of the session when a client says goodbye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    Discard,
    /// The server keeps it as long as the CONNECT asked for.
    Keep,
}

/// Why a message or subscription was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TakeError {
    /// Not connected, or too much waits for the server already.
    #[error("no room: something has to be sent or acknowledged first")]
    NoRoom,
    #[error("a client has {SUBSCRIPTIONS_MAX} subscriptions at most")]
    TooManySubscriptions,
    #[error(transparent)]
    Message(#[from] MessageError),
}

/// The server does not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no answer")]
pub struct Silent;

impl Engine {
    /// An engine that is not connected.
    ///
    /// # Errors
    /// If the options cannot be a packet.
    pub fn new(options: ConnectOptions) -> Result<Self, MessageError> {
        options.check()?;
        Ok(Self {
            start: options.start,
            options,
            link: Link::Down,
            input: Input::default(),
            output: Output::default(),
            ids: PacketIds::default(),
            tickets: 0,
            sending: Sending::default(),
            receiving: Receiving::default(),
            subscribing: Subscribing::default(),
            unsure: Vec::new(),
        })
    }

    /// Begins a new connection: its first output is a CONNECT.
    ///
    /// # Panics
    /// If there is one already that was not lost.
    pub fn connect(&mut self, now: Instant) {
        assert!(matches!(self.link, Link::Down), "one connection at a time");
        self.options.encode(&mut self.output.bytes, self.start);
        self.link = Link::Asking { until: now + self.options.answer_time };
    }

    /// The connection is gone. What was read of it and not yet polled is, too.
    pub fn lose(&mut self) {
        self.link = Link::Down;
        self.input.clear();
        self.output = Output::default();
        self.sending.lose();
        self.receiving.lose();
    }

    /// Takes bytes from the server. At most one read's worth at a time, and only after
    /// [`Self::poll_event`] has said `None`; otherwise they pile up.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.input.push(bytes);
    }

    /// What the server has said next. `None`: more has to be read, or written first.
    ///
    /// # Errors
    /// If the server broke the protocol. The output then ends with a DISCONNECT that says so.
    pub fn poll_event(&mut self, now: Instant) -> Result<Option<Event>, ProtocolError> {
        if let Some(ticket) = self.unsure.pop() {
            return Ok(Some(Event::Published(ticket, Outcome::Unsure)));
        }
        while self.output.has_room() && !matches!(self.link, Link::Down | Link::Over) {
            match self.take_packet(now) {
                Ok(Taken::Event(event)) => return Ok(Some(event)),
                Ok(Taken::Silently) => {}
                Ok(Taken::NoPacket) => break,
                Err(error) => {
                    self.say_goodbye(error.reason(), SessionEnd::Keep);
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    /// What is to be written; empty if nothing is.
    #[must_use]
    pub fn output(&mut self) -> &[u8] {
        self.output.compact();
        self.pump();
        self.output.rest()
    }

    /// So many bytes of the output were written.
    pub fn sent(&mut self, count: usize, now: Instant) {
        self.output.taken += count;
        if let Link::Up(_, keep_alive) = &mut self.link {
            keep_alive.sent(now);
        }
    }

    /// When [`Self::tick`] is to be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match &self.link {
            Link::Asking { until } => Some(*until),
            Link::Up(_, keep_alive) => keep_alive.deadline(),
            Link::Down | Link::Over => None,
        }
    }

    /// Does what is due.
    ///
    /// # Errors
    /// If the server has not answered in time. The connection is of no use any more.
    pub fn tick(&mut self, now: Instant) -> Result<(), Silent> {
        let due = match &mut self.link {
            Link::Asking { until } if *until <= now => Due::Loss,
            Link::Up(_, keep_alive) => keep_alive.tick(now),
            Link::Asking { .. } | Link::Down | Link::Over => Due::Nothing,
        };
        match due {
            Due::Nothing => {}
            Due::Ping => encode(&mut self.output.bytes, Version::V5, &Packet::PingReq),
            Due::Loss => return Err(Silent),
        }
        Ok(())
    }

    /// Whether [`Self::publish`] would not say [`TakeError::NoRoom`].
    #[must_use]
    pub fn has_room(&self) -> bool {
        let Link::Up(terms, _) = &self.link else { return false };
        self.output.has_room() && self.sending.has_room(terms.receive_max)
    }

    /// Publishes a message. One of QoS 1 or 2 is answered with [`Event::Published`].
    ///
    /// # Errors
    /// [`TakeError::NoRoom`] until [`Self::has_room`]; otherwise what is wrong with the message.
    pub fn publish(&mut self, message: &Message) -> Result<Ticket, TakeError> {
        let Link::Up(terms, _) = &self.link else { return Err(TakeError::NoRoom) };
        let terms = *terms;
        if !self.has_room() {
            return Err(TakeError::NoRoom);
        }
        //= MQTT5-3.2.2-11
        if message.qos > terms.qos_max {
            return Err(MessageError::QoSNotOffered { max: terms.qos_max }.into());
        }
        //= MQTT5-3.2.2-14
        if message.retain && !terms.keeps_retained {
            return Err(MessageError::RetainNotOffered.into());
        }
        let ticket = self.next_ticket();
        if message.qos == wire::mqtt::QoS::AtMostOnce {
            self.output.bytes.extend(message.encode(None, terms.packet_bytes_max)?);
            return Ok(ticket);
        }
        let id = self.ids.next(|id| self.sending.uses(id) || self.subscribing.uses(id));
        let packet = message.encode(Some(id), terms.packet_bytes_max)?;
        self.sending.push(id, ticket, message.qos, packet);
        Ok(ticket)
    }

    /// Asks for messages. The answer is [`Event::Subscribed`]; after a reconnect it may come once more.
    ///
    /// # Errors
    /// What is wrong with the subscription.
    pub fn subscribe(&mut self, subscription: &Subscription) -> Result<Ticket, TakeError> {
        if self.subscribing.len() >= SUBSCRIPTIONS_MAX {
            return Err(TakeError::TooManySubscriptions);
        }
        let request = subscription.encode()?;
        let bytes = subscribing::len(&request)?;
        let max = match &self.link {
            Link::Up(terms, _) => terms.packet_bytes_max.min(OUTPUT_BYTES_MAX),
            Link::Down | Link::Asking { .. } | Link::Over => OUTPUT_BYTES_MAX,
        };
        if bytes > max {
            return Err(MessageError::TooLarge { bytes, max }.into());
        }
        let ticket = self.next_ticket();
        self.subscribing.push(ticket, request);
        Ok(ticket)
    }

    /// Tells the server that a message and all that came before it need not be sent again.
    pub fn acknowledge(&mut self, receipt: Receipt) {
        let is_up = matches!(self.link, Link::Up(..));
        self.receiving.acknowledge(receipt, is_up.then_some(&mut self.output.bytes));
    }

    /// Messages of QoS 1 and 2 that the server has not taken over completely.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.sending.len()
    }

    /// Says goodbye; what the server says afterwards is not looked at.
    pub fn disconnect(&mut self, end: SessionEnd) {
        if let Link::Up(..) = self.link {
            self.pump();
            self.say_goodbye(Reason::NORMAL_DISCONNECTION, end);
        }
    }

    fn say_goodbye(&mut self, reason: Reason, end: SessionEnd) {
        let mut bytes = Vec::new();
        let mut writer = PropertyWriter::new(&mut bytes);
        if end == SessionEnd::Discard && self.options.session_expiry_s > 0 {
            writer.put(&Property::SessionExpiry(0));
        }
        let goodbye = Disconnect { reason, properties: writer.finish() };
        encode(&mut self.output.bytes, Version::V5, &Packet::Disconnect(goodbye));
        self.link = Link::Over;
    }

    /// Moves what may be sent to the output.
    fn pump(&mut self) {
        let Link::Up(terms, _) = &self.link else { return };
        let (sending, ids) = (&mut self.sending, &mut self.ids);
        let next_id = |asking: &Subscribing| ids.next(|id| sending.uses(id) || asking.uses(id));
        self.subscribing.pump(&mut self.output.bytes, next_id);
        sending.pump(&mut self.output.bytes, terms.receive_max, OUTPUT_BYTES_MAX);
    }

    fn take_packet(&mut self, now: Instant) -> Result<Taken, ProtocolError> {
        // Whatever answers there may never have heard of MQTT, and end no packet.
        let is_first = matches!(self.link, Link::Asking { .. });
        if is_first && self.input.kind().is_some_and(|kind| kind != Some(Kind::ConnAck)) {
            return Err(ProtocolError::NotMqtt);
        }
        let bytes_max = usize::try_from(self.options.packet_bytes_max).unwrap_or(usize::MAX);
        let mut input = std::mem::take(&mut self.input);
        let taken = match input.next(bytes_max) {
            Ok(None) => Ok(Taken::NoPacket),
            Ok(Some((frame, body))) => self.take(frame, body, now),
            Err(error) => Err(error),
        };
        self.input = input;
        taken.map_err(|error| if is_first { ProtocolError::NotMqtt } else { error })
    }

    fn take(&mut self, frame: Frame, body: &[u8], now: Instant) -> Result<Taken, ProtocolError> {
        if let Link::Asking { .. } = self.link {
            return self.on_first_packet(frame, body, now);
        }
        let out = &mut self.output.bytes;
        let settled = match decode(Version::V5, frame.first, body)? {
            Packet::Publish(publish) => return self.on_publish(&publish),
            Packet::PubAck(ack) => self.sending.on_pub_ack(&ack)?,
            Packet::PubRec(ack) => self.sending.on_pub_rec(&ack, out)?,
            Packet::PubComp(ack) => self.sending.on_pub_comp(&ack)?,
            Packet::PubRel(ack) => {
                self.receiving.on_pub_rel(ack.packet_id, out)?;
                None
            }
            Packet::SubAck(ack) => {
                let answer = self.subscribing.on_sub_ack(&ack)?;
                let event = answer.map(|(ticket, answers)| Event::Subscribed(ticket, answers));
                return Ok(event.map_or(Taken::Silently, Taken::Event));
            }
            Packet::PingResp => {
                if let Link::Up(_, keep_alive) = &mut self.link {
                    keep_alive.answered();
                }
                None
            }
            Packet::Disconnect(disconnect) => {
                self.link = Link::Over;
                let goodbye = Goodbye::of(disconnect.reason, disconnect.properties);
                return Ok(Taken::Event(Event::Ended(goodbye)));
            }
            packet => return Err(ProtocolError::Unexpected(packet.kind())),
        };
        let event = settled.map(|(ticket, outcome)| Event::Published(ticket, outcome));
        Ok(event.map_or(Taken::Silently, Taken::Event))
    }

    fn on_first_packet(&mut self, frame: Frame, body: &[u8], now: Instant) -> Result<Taken, ProtocolError> {
        // A server of 3.1.1 says in its own words that it does not know our version.
        let version = if body.len() == 2 { Version::V311 } else { Version::V5 };
        let Packet::ConnAck(ack) = decode(version, frame.first, body)? else {
            return Err(ProtocolError::Unexpected(frame.kind()));
        };
        if ack.reason.is_error() {
            self.link = Link::Over;
            return Ok(Taken::Event(Event::Refused(Goodbye::of(ack.reason, ack.properties))));
        }
        if version != Version::V5 {
            return Err(DecodeError::Truncated.into());
        }
        Ok(Taken::Event(Event::Connected(self.begin(&ack, now))))
    }

    fn begin(&mut self, ack: &ConnAck<'_>, now: Instant) -> Connected {
        let session = if ack.session_present { SessionState::Resumed } else { SessionState::New };
        let mut keep_alive_s = self.options.keep_alive_s;
        let mut response_information = None;
        for property in ack.properties {
            match property {
                //= MQTT5-3.2.2-21
                Property::ServerKeepAlive(seconds) => keep_alive_s = seconds,
                Property::AssignedClientId(id) => id.clone_into(&mut self.options.client_id),
                Property::ResponseInformation(place) => response_information = Some(place.to_owned()),
                _ => {}
            }
        }
        self.link = Link::Up(Terms::of(ack), KeepAlive::new(keep_alive_s, now));
        self.start = Start::Resume;
        if session == SessionState::New {
            self.unsure = self.sending.forget();
            // They are told from behind.
            self.unsure.reverse();
            self.receiving.forget();
        }
        self.subscribing.begin(session);
        Connected { session, client_id: self.options.client_id.clone(), response_information }
    }

    fn on_publish(&mut self, publish: &Publish<'_>) -> Result<Taken, ProtocolError> {
        let has_alias = |properties: Properties<'_>| {
            properties.iter().any(|property| matches!(property, Property::TopicAlias(_)))
        };
        //= MQTT5-3.1.2-27
        if has_alias(publish.properties) {
            return Err(ProtocolError::TopicAlias);
        }
        let arrived = self.receiving.arrive(publish.qos, publish.packet_id, &mut self.output.bytes)?;
        Ok(match arrived {
            Some(receipt) => Taken::Event(Event::Message(Message::of(publish), receipt)),
            None => Taken::Silently,
        })
    }

    fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }
}

/// What became of a look into the input.
enum Taken {
    Event(Event),
    /// A packet that its driver need not know.
    Silently,
    NoPacket,
}

/// Bytes for the server.
#[derive(Debug, Default)]
struct Output {
    bytes: Vec<u8>,
    taken: usize,
}

impl Output {
    fn has_room(&self) -> bool {
        self.bytes.len().saturating_sub(self.taken) < OUTPUT_BYTES_MAX
    }

    /// Forgets what was written.
    fn compact(&mut self) {
        if self.taken >= self.bytes.len() {
            self.bytes.clear();
            self.taken = 0;
        } else if self.taken >= OUTPUT_BYTES_MAX {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }
}
