//! What one publisher sends besides its payloads: heads, and its part of the acknowledgements.

use std::num::NonZeroU16;

use wire::mqtt::QoS;

use super::head::{Head, Ids};
use super::mqtt::{Mqtt, Unacked};
use super::payload::Stamp;

#[derive(Debug)]
pub(super) struct Outgoing {
    head: Head,
    /// `None` where nothing is acknowledged.
    unacked: Option<Unacked>,
}

impl Outgoing {
    pub(super) fn packets(
        mqtt: Mqtt,
        topic: &str,
        payload_bytes: usize,
        receive_max: NonZeroU16,
    ) -> Outgoing {
        let is_acknowledged = mqtt.qos != QoS::AtMostOnce;
        Outgoing {
            head: Head::packet(mqtt, topic, payload_bytes),
            unacked: is_acknowledged.then(|| Unacked::new(mqtt, receive_max)),
        }
    }

    /// Messages with this head, which nobody acknowledges.
    pub(super) fn framed(head: Head) -> Outgoing {
        Outgoing { head, unacked: None }
    }

    pub(super) fn unacked(&self) -> Option<&Unacked> {
        self.unacked.as_ref()
    }

    pub(super) fn unacked_mut(&mut self) -> Option<&mut Unacked> {
        self.unacked.as_mut()
    }

    /// Makes this publisher's next messages of the first `count` in a batch.
    pub(super) fn stamp(
        &self,
        batch: &mut [u8],
        message_bytes: usize,
        count: usize,
        stamp: Stamp,
        sequence: u64,
    ) {
        let ids = self.unacked.as_ref().map_or(Ids::NONE, |unacked| unacked.ids_from(sequence));
        self.head.stamp(batch, message_bytes, count, stamp, ids);
    }
}
