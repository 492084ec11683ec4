//! Whether the packets of one subscriber are what was published, and the acknowledgements that they call for.
//!
//! The common case, the next message of the same publisher, is one comparison with what is expected. Everything else
//! goes through the codec.

use std::sync::Arc;

use anyhow::{Context, bail};
use wire::mqtt::{Kind, Packet, Publish, QoS, decode, frame};

use super::ack::{put_ack, take_ack};
use super::{Carried, Mqtt};
use crate::bench::head::Head;
use crate::bench::ledger::{Ledger, Seen, Senders};
use crate::bench::payload::{STAMP_BYTES, Stamp, fixed_topic_name};

#[derive(Debug)]
pub(crate) struct PacketCheck {
    mqtt: Mqtt,
    topic: String,
    head: Head,
    /// What follows a stamp; shared by all checks of a thread.
    padding: Arc<[u8]>,
    ledger: Ledger,
    /// Acknowledgements to be written.
    due: Vec<u8>,
    carried: Carried,
}

impl PacketCheck {
    pub(crate) fn new(mqtt: Mqtt, senders: Senders, padding: Arc<[u8]>) -> PacketCheck {
        let topic = fixed_topic_name(senders.topic);
        let head = Head::packet(mqtt, &topic, STAMP_BYTES + padding.len());
        let (ledger, carried) = (Ledger::new(senders), Carried::new(mqtt));
        PacketCheck { mqtt, topic, head, padding, ledger, due: Vec::new(), carried }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn due(&self) -> &[u8] {
        self.carried.due(&self.due)
    }

    /// The first `count` bytes of what was due are written.
    pub(crate) fn written(&mut self, count: usize) {
        self.carried.written(count, &mut self.due);
    }

    /// Checks all whole packets in `bytes` and tells how many bytes they were.
    ///
    /// # Errors
    /// If these are no packets, or none that a server sends to a subscriber.
    pub(crate) fn consume(&mut self, bytes: &[u8], mut seen: impl FnMut(Seen)) -> anyhow::Result<usize> {
        let mut carried = std::mem::take(&mut self.carried);
        let used = carried.each(bytes, |packets| self.consume_packets(packets, &mut seen));
        carried.wrap(&mut self.due);
        self.carried = carried;
        used
    }

    fn consume_packets(&mut self, bytes: &[u8], seen: &mut impl FnMut(Seen)) -> anyhow::Result<usize> {
        let mut rest = bytes;
        loop {
            rest = self.expected_run(rest, seen);
            if let Some((Kind::PubRel, id, after)) = take_ack(rest) {
                put_ack(&mut self.due, Kind::PubComp, id);
                rest = after;
                continue;
            }
            let Some(found) = frame(rest).context("from the server to a subscriber")? else { break };
            let Some((whole, after)) = rest.split_at_checked(found.len()) else { break };
            let body = whole.get(found.head_len..).unwrap_or_default();
            match decode(self.mqtt.version, found.first, body).context("from the server to a subscriber")? {
                Packet::Publish(publish) => self.unexpected(&publish, whole, seen),
                Packet::PubRel(ack) => put_ack(&mut self.due, Kind::PubComp, ack.packet_id.get()),
                Packet::Disconnect(end) => {
                    bail!("the server disconnects a subscriber: reason {:#04x}", end.reason.0)
                }
                other => bail!("the server sent a subscriber a {:?}", other.kind()),
            }
            rest = after;
        }
        Ok(bytes.len() - rest.len())
    }

    /// Takes packets as long as they are the current publisher's next ones; returns what is left.
    fn expected_run<'a>(&mut self, bytes: &'a [u8], seen: &mut impl FnMut(Seen)) -> &'a [u8] {
        let PacketCheck { mqtt, head, padding, ledger, due, .. } = self;
        let answer = answer(mqtt.qos);
        head.expected_run(padding, ledger, bytes, seen, |id| {
            if let Some(kind) = answer {
                put_ack(due, kind, id);
            }
        })
    }

    fn unexpected(&mut self, publish: &Publish<'_>, whole: &[u8], seen: &mut impl FnMut(Seen)) {
        if let (Some(kind), Some(id)) = (answer(publish.qos), publish.packet_id) {
            put_ack(&mut self.due, kind, id.get());
        }
        match self.parse(publish) {
            Some((slot, sequence)) => self.ledger.enter_one(slot, sequence, seen),
            None => self.ledger.malformed(whole),
        }
    }

    /// Slot and number of a message that may have been published.
    fn parse(&self, publish: &Publish<'_>) -> Option<(usize, u64)> {
        let digits = publish.payload.strip_suffix(&*self.padding)?;
        let (publisher, sequence) = Stamp::from_bytes(digits.try_into().ok()?).parse()?;
        let is_right = publish.topic == self.topic && publish.qos == self.mqtt.qos && !publish.retain;
        self.ledger.slot_of(publisher).filter(|_| is_right).map(|slot| (slot, sequence))
    }
}

/// What a message of this QoS is first acknowledged with.
fn answer(qos: QoS) -> Option<Kind> {
    match qos {
        QoS::AtMostOnce => None,
        QoS::AtLeastOnce => Some(Kind::PubAck),
        QoS::ExactlyOnce => Some(Kind::PubRec),
    }
}

#[cfg(test)]
#[path = "incoming_tests.rs"]
mod tests;
