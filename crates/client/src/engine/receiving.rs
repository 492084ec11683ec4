//! Messages of QoS 1 and 2 that came, until they are acknowledged.
//!
//! ```text
//! QoS 1   handed ── acknowledged: PUBACK ──▶ gone
//! QoS 2   handed ── acknowledged: PUBREC ──▶ recorded ── PUBREL: PUBCOMP ──▶ gone
//! ```
//!
//! With the connection those of QoS 1 are gone: the server sends them again. Those of QoS 2 are known
//! by their id, so that they are not handed over twice; there are 65,535 ids at most.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU16;

use wire::mqtt::{Ack, Packet, QoS, Reason, Version, encode};

use crate::event::{ProtocolError, Receipt};
use crate::limits::RECEIVE_MAX;

#[derive(Debug, Default)]
pub(super) struct Receiving {
    handed: VecDeque<Handed>,
    exactly_once: BTreeMap<NonZeroU16, Stage>,
    /// Messages of QoS 1 and 2 that this connection brought, less those that it answered for the last
    /// time. A server counts like that [MQTT5 4.9]: the end of a message that an earlier connection
    /// brought gives it room for one more, so that this may be less than 0.
    open: i32,
    /// Messages so far, of every QoS.
    count: u64,
}

#[derive(Debug)]
struct Handed {
    receipt: Receipt,
    id: NonZeroU16,
    qos: QoS,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Handed,
    Recorded,
}

impl Receiving {
    /// Takes note of a message. `None` if it was handed over before.
    pub(super) fn arrive(
        &mut self,
        qos: QoS,
        id: Option<NonZeroU16>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Receipt>, ProtocolError> {
        let Some(id) = id else { return Ok(Some(self.number())) };
        if self.open >= i32::from(RECEIVE_MAX) {
            return Err(ProtocolError::TooManyMessages { max: RECEIVE_MAX });
        }
        self.open += 1;
        if qos == QoS::ExactlyOnce {
            //= MQTT5-4.3.3-10
            match self.exactly_once.get(&id) {
                Some(Stage::Recorded) => {
                    received(out, id);
                    return Ok(None);
                }
                Some(Stage::Handed) => return Ok(None),
                None => {}
            }
        }
        if qos == QoS::ExactlyOnce {
            self.exactly_once.insert(id, Stage::Handed);
        }
        let receipt = self.number();
        self.handed.push_back(Handed { receipt, id, qos });
        Ok(Some(receipt))
    }

    /// Acknowledges a message and all that came before it, in their order [MQTT5-4.6.0-2]. `None` for
    /// `out`: the connection is gone, and the server will ask again.
    pub(super) fn acknowledge(&mut self, receipt: Receipt, mut out: Option<&mut Vec<u8>>) {
        while let Some(handed) = self.handed.pop_front_if(|handed| handed.receipt <= receipt) {
            if handed.qos == QoS::ExactlyOnce {
                self.exactly_once.insert(handed.id, Stage::Recorded);
            }
            match (handed.qos, out.as_deref_mut()) {
                (_, None) => {}
                (QoS::ExactlyOnce, Some(out)) => received(out, handed.id),
                (_, Some(out)) => {
                    self.open -= 1;
                    encode(out, Version::V5, &Packet::PubAck(Ack::new(handed.id, Reason::SUCCESS)));
                }
            }
        }
    }

    pub(super) fn on_pub_rel(&mut self, id: NonZeroU16, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let reason = match self.exactly_once.get(&id) {
            // Only a PUBREC is answered with PUBREL.
            Some(Stage::Handed) => return Err(ProtocolError::Unexpected(wire::mqtt::Kind::PubRel)),
            Some(Stage::Recorded) => Reason::SUCCESS,
            None => Reason::PACKET_ID_NOT_FOUND,
        };
        self.exactly_once.remove(&id);
        self.open = (self.open - 1).max(OPEN_MIN);
        encode(out, Version::V5, &Packet::PubComp(Ack::new(id, reason)));
        Ok(())
    }

    /// The connection is gone.
    pub(super) fn lose(&mut self) {
        self.open = 0;
        self.handed.retain(|handed| handed.qos == QoS::ExactlyOnce);
    }

    /// The server has forgotten the session, and will use the ids anew.
    pub(super) fn forget(&mut self) {
        self.handed.clear();
        self.exactly_once.clear();
    }

    fn number(&mut self) -> Receipt {
        self.count += 1;
        Receipt(self.count)
    }
}

fn received(out: &mut Vec<u8>, id: NonZeroU16) {
    encode(out, Version::V5, &Packet::PubRec(Ack::new(id, Reason::SUCCESS)));
}

/// An earlier connection can have left no more messages than there are ids.
const OPEN_MIN: i32 = -65_535;
