//! What one publisher sends besides its payloads: heads, and its part of the acknowledgements.

use std::num::NonZeroU16;

use wire::mqtt::QoS;

use super::head::Ids;
use super::{Head, Mqtt, Unacked};
use crate::bench::payload::Stamp;

#[derive(Debug)]
pub(crate) struct Outgoing {
    head: Head,
    /// `None` at QoS 0.
    unacked: Option<Unacked>,
}

impl Outgoing {
    pub(crate) fn new(mqtt: Mqtt, topic: &str, payload_bytes: usize, receive_max: NonZeroU16) -> Outgoing {
        let is_acknowledged = mqtt.qos != QoS::AtMostOnce;
        Outgoing {
            head: Head::new(mqtt, topic, payload_bytes),
            unacked: is_acknowledged.then(|| Unacked::new(mqtt, receive_max)),
        }
    }

    pub(crate) fn unacked(&self) -> Option<&Unacked> {
        self.unacked.as_ref()
    }

    pub(crate) fn unacked_mut(&mut self) -> Option<&mut Unacked> {
        self.unacked.as_mut()
    }

    /// Makes this publisher's next packets of the first `count` in a batch.
    pub(crate) fn stamp(
        &self,
        batch: &mut [u8],
        packet_bytes: usize,
        count: usize,
        stamp: Stamp,
        sequence: u64,
    ) {
        let ids = self.unacked.as_ref().map_or(Ids::NONE, |unacked| unacked.ids_from(sequence));
        self.head.stamp_packets(batch, packet_bytes, count, stamp, ids);
    }
}
