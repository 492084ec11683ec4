//! Subscriptions: asked for, granted, and asked for again where a server has forgotten them.

use std::num::NonZeroU16;

use wire::mqtt::{
    Filters, Packet, Place, Properties, Reason, SubAck, Subscribe, Version, encode, encoded_len,
};

use super::ids::PacketIds;
use crate::event::{Goodbye, ProtocolError, SessionState, Ticket};
use crate::message::MessageError;
use crate::subscription::Request;

#[derive(Debug, Default)]
pub(super) struct Subscribing {
    wishes: Vec<Wish>,
}

#[derive(Debug)]
struct Wish {
    ticket: Ticket,
    request: Request,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unsent,
    Asked(NonZeroU16),
    Answered,
}

impl Subscribing {
    pub(super) fn len(&self) -> usize {
        self.wishes.len()
    }

    pub(super) fn uses(&self, id: NonZeroU16) -> bool {
        self.wishes.iter().any(|wish| wish.state == State::Asked(id))
    }

    pub(super) fn push(&mut self, ticket: Ticket, request: Request) {
        self.wishes.push(Wish { ticket, request, state: State::Unsent });
    }

    /// Asks for what was not asked for yet.
    pub(super) fn pump(&mut self, out: &mut Vec<u8>, mut next_id: impl FnMut(&Self) -> NonZeroU16) {
        while let Some(at) = self.wishes.iter().position(|wish| wish.state == State::Unsent) {
            let id = next_id(self);
            let Some(wish) = self.wishes.get_mut(at) else { return };
            wish.state = State::Asked(id);
            if let Some(packet) = packet(id, &wish.request) {
                encode(out, Version::V5, &packet);
            }
        }
    }

    pub(super) fn on_sub_ack(
        &mut self,
        ack: &SubAck<'_>,
    ) -> Result<Option<(Ticket, Vec<Goodbye>)>, ProtocolError> {
        let asked = State::Asked(ack.packet_id);
        let Some(wish) = self.wishes.iter_mut().find(|wish| wish.state == asked) else { return Ok(None) };
        //= MQTT5-3.8.4-6
        if ack.reasons.len() != wish.request.count {
            return Err(ProtocolError::Answers { answers: ack.reasons.len(), filters: wish.request.count });
        }
        wish.state = State::Answered;
        wish.request.properties.clear();
        let mut answers: Vec<Goodbye> =
            ack.reasons.iter().map(|code| Goodbye::plain(Reason(*code))).collect();
        if let Some(refused) = answers.iter_mut().find(|answer| answer.reason.is_error()) {
            *refused = Goodbye::of(refused.reason, ack.properties);
        }
        Ok(Some((wish.ticket, answers)))
    }

    /// A new connection: what was not answered is asked for again, and if the session is new,
    /// everything is.
    pub(super) fn begin(&mut self, session: SessionState) {
        for wish in &mut self.wishes {
            if session == SessionState::New || wish.state != State::Answered {
                wish.state = State::Unsent;
            }
        }
    }
}

/// Bytes of the SUBSCRIBE.
pub(super) fn len(request: &Request) -> Result<usize, MessageError> {
    let packet = packet(PacketIds::FIRST, request);
    packet.map(|packet| encoded_len(Version::V5, &packet)).ok_or(wire::mqtt::DecodeError::EmptyPayload.into())
}

/// The SUBSCRIBE; `None` never, as a request was checked when it was made.
fn packet(packet_id: NonZeroU16, request: &Request) -> Option<Packet<'_>> {
    let properties = Properties::parse(Place::Subscribe, &request.properties).ok()?;
    let filters = Filters::parse(Version::V5, &request.filters).ok()?;
    Some(Packet::Subscribe(Subscribe { packet_id, properties, filters }))
}
