//! Messages of QoS 1 and 2 on their way to the server, in the order in which they were published.
//!
//! ```text
//! QoS 1   published ── PUBACK ──▶ gone
//! QoS 2   published ── PUBREC ──▶ released ── PUBCOMP ──▶ gone
//! ```
//!
//! Those that this connection has sent stand before those that it has not: a lost connection
//! makes all of them unsent, and they are sent again in their order [MQTT5-4.4.0-1, 4.6.0-1].

use std::collections::VecDeque;
use std::num::NonZeroU16;

use wire::mqtt::{Ack, Packet, QoS, Reason, Version, encode};

use crate::event::{Goodbye, Outcome, ProtocolError, Ticket};
use crate::limits::{INFLIGHT_BYTES_MAX, INFLIGHT_MAX};

#[derive(Debug, Default)]
pub(super) struct Sending {
    flights: VecDeque<Flight>,
    /// How many of them, from the front, this connection has sent.
    sent: usize,
    /// Of all packets that may have to be sent again.
    bytes: usize,
}

#[derive(Debug)]
struct Flight {
    id: NonZeroU16,
    ticket: Ticket,
    qos: QoS,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The whole packet, its DUP flag set once it may have been sent.
    Published(Vec<u8>),
    /// The server has the message; it is to forget the id.
    Released,
}

/// What became of a message.
pub(super) type Settled = Option<(Ticket, Outcome)>;

impl Sending {
    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }

    pub(super) fn uses(&self, id: NonZeroU16) -> bool {
        self.flights.iter().any(|flight| flight.id == id)
    }

    /// Whether nothing waits to be sent, so that whatever is written next overtakes nothing.
    pub(super) fn is_all_sent(&self) -> bool {
        self.sent == self.flights.len()
    }

    /// Whether one message more may be sent at once to a server with this receive maximum.
    pub(super) fn has_room(&self, receive_max: u16) -> bool {
        self.is_all_sent()
            && self.flights.len() < INFLIGHT_MAX.min(receive_max.into())
            && self.bytes < INFLIGHT_BYTES_MAX
    }

    /// Takes a message that is sent with the next [`Self::pump`].
    pub(super) fn push(&mut self, id: NonZeroU16, ticket: Ticket, qos: QoS, packet: Vec<u8>) {
        assert!(qos != QoS::AtMostOnce, "nobody answers a message of QoS 0");
        self.bytes += packet.len();
        self.flights.push_back(Flight { id, ticket, qos, stage: Stage::Published(packet) });
    }

    /// Writes what may be sent: the server never has more than `receive_max` unanswered ones. Stops
    /// once `out` has `out_bytes_max`.
    pub(super) fn pump(&mut self, out: &mut Vec<u8>, receive_max: u16, out_bytes_max: usize) {
        let allowed = usize::from(receive_max).saturating_sub(self.sent);
        for flight in self.flights.iter_mut().skip(self.sent).take(allowed) {
            if out.len() >= out_bytes_max {
                return;
            }
            match &mut flight.stage {
                Stage::Published(packet) => {
                    out.extend_from_slice(packet);
                    //= MQTT5-3.3.1-1
                    if let Some(first) = packet.first_mut() {
                        *first |= DUP;
                    }
                }
                Stage::Released => release(out, flight.id, Reason::SUCCESS),
            }
            self.sent += 1;
        }
    }

    pub(super) fn on_pub_ack(&mut self, ack: &Ack<'_>) -> Result<Settled, ProtocolError> {
        let Some((at, flight)) = self.find(ack.packet_id) else { return Ok(None) };
        if flight.qos != QoS::AtLeastOnce {
            return Err(ProtocolError::WrongAck { got: QoS::AtLeastOnce, sent: flight.qos });
        }
        Ok(self.settle(at, outcome(ack)))
    }

    pub(super) fn on_pub_rec(&mut self, ack: &Ack<'_>, out: &mut Vec<u8>) -> Result<Settled, ProtocolError> {
        let Some((at, flight)) = self.find(ack.packet_id) else {
            if !ack.reason.is_error() {
                release(out, ack.packet_id, Reason::PACKET_ID_NOT_FOUND);
            }
            return Ok(None);
        };
        if flight.qos != QoS::ExactlyOnce {
            return Err(ProtocolError::WrongAck { got: QoS::ExactlyOnce, sent: flight.qos });
        }
        //= MQTT5-4.3.3-4
        if ack.reason.is_error() {
            return Ok(self.settle(at, outcome(ack)));
        }
        if let Stage::Published(packet) = std::mem::replace(&mut flight.stage, Stage::Released) {
            self.bytes -= packet.len();
        }
        release(out, ack.packet_id, Reason::SUCCESS);
        Ok(None)
    }

    pub(super) fn on_pub_comp(&mut self, ack: &Ack<'_>) -> Result<Settled, ProtocolError> {
        let Some((at, flight)) = self.find(ack.packet_id) else { return Ok(None) };
        match flight.stage {
            // A server that does not know the id any more has had the message, or it had not
            // answered with PUBREC.
            Stage::Released => Ok(self.settle(at, Outcome::Accepted)),
            Stage::Published(_) => Err(ProtocolError::WrongAck { got: QoS::ExactlyOnce, sent: flight.qos }),
        }
    }

    /// The connection is gone: everything will have to be sent again.
    pub(super) fn lose(&mut self) {
        self.sent = 0;
    }

    /// The server has forgotten the session. What it may have had is sent as if for the first time
    /// at QoS 1, where it may come twice; at QoS 2 nobody can tell, and these are the tickets.
    pub(super) fn forget(&mut self) -> Vec<Ticket> {
        assert_eq!(self.sent, 0, "the connection has only begun");
        let mut unsure = Vec::new();
        self.flights.retain_mut(|flight| match &mut flight.stage {
            Stage::Published(packet) => {
                let Some(first) = packet.first_mut() else { return false };
                let is_in_doubt = *first & DUP != 0 && flight.qos == QoS::ExactlyOnce;
                *first &= !DUP;
                if is_in_doubt {
                    self.bytes -= packet.len();
                    unsure.push(flight.ticket);
                }
                !is_in_doubt
            }
            Stage::Released => {
                unsure.push(flight.ticket);
                false
            }
        });
        unsure
    }

    /// The one with this id, if this connection has sent it: a server cannot answer another one.
    fn find(&mut self, id: NonZeroU16) -> Option<(usize, &mut Flight)> {
        self.flights.iter_mut().take(self.sent).enumerate().find(|(_, flight)| flight.id == id)
    }

    fn settle(&mut self, at: usize, outcome: Outcome) -> Settled {
        let flight = self.flights.remove(at)?;
        self.sent -= 1;
        if let Stage::Published(packet) = flight.stage {
            self.bytes -= packet.len();
        }
        Some((flight.ticket, outcome))
    }
}

fn outcome(ack: &Ack<'_>) -> Outcome {
    match ack.reason.is_error() {
        true => Outcome::Refused(Goodbye::of(ack.reason, ack.properties)),
        false => Outcome::Accepted,
    }
}

fn release(out: &mut Vec<u8>, id: NonZeroU16, reason: Reason) {
    encode(out, Version::V5, &Packet::PubRel(Ack::new(id, reason)));
}

const DUP: u8 = 0b1000;
