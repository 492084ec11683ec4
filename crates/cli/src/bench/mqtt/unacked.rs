//! What one publisher has sent at QoS 1 or 2 and the server has not acknowledged.
//!
//! ```text
//! QoS 1: open ──PUBACK──▶ done
//! QoS 2: open ──PUBREC──▶ released, PUBREL is due ──PUBCOMP──▶ done
//! ```
//! Message n has the packet id `n % max + 1`, and at most `max` messages follow the oldest that is not done: so an id is
//! free again when its turn comes, in whatever order a server acknowledges.

use std::num::NonZeroU16;

use anyhow::{Context, bail, ensure};
use wire::mqtt::{Kind, Packet, QoS, Reason, decode, frame};

use super::ack::{put_ack, take_ack};
use super::{Carried, Mqtt};
use crate::bench::head::Ids;

#[derive(Debug)]
pub(crate) struct Unacked {
    mqtt: Mqtt,
    /// By packet id, from 1.
    states: Vec<State>,
    /// Number of the oldest message that is not done.
    oldest: u64,
    /// Packets that are due, PUBREL all of them.
    due: Vec<u8>,
    /// The start of a packet whose end has not arrived.
    carry: Vec<u8>,
    carried: Carried,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not sent, or sent and not acknowledged; the number of messages sent tells which.
    Open,
    Released,
    Done,
}

impl Unacked {
    /// As many messages may be unacknowledged as both sides allow.
    pub(crate) fn new(mqtt: Mqtt, receive_max: NonZeroU16) -> Unacked {
        let max = mqtt.unacked_max.min(receive_max);
        let states = vec![State::Open; usize::from(max.get())];
        let carried = Carried::new(mqtt);
        Unacked { mqtt, states, oldest: 0, due: Vec::new(), carry: Vec::new(), carried }
    }

    /// How many messages may follow the first `sent`. Not held back until there are many: a server whose system delays
    /// small packets until it hears something (Nagle) would then wait for this side, and this side for it.
    pub(crate) fn free(&self, sent: u64) -> u64 {
        (self.oldest + self.states.len() as u64).saturating_sub(sent)
    }

    /// Of the first `sent` messages, those that are not done.
    pub(crate) fn open(&self, sent: u64) -> u64 {
        sent.saturating_sub(self.oldest)
    }

    pub(crate) fn due(&self) -> &[u8] {
        self.carried.due(&self.due)
    }

    /// The first `count` bytes of what was due are written.
    pub(crate) fn written(&mut self, count: usize) {
        self.carried.written(count, &mut self.due);
    }

    pub(crate) fn ids_from(&self, sequence: u64) -> Ids {
        let last = self.states.len() as u64;
        let narrow = |id: u64| u16::try_from(id).expect("a packet id is at most the number of them");
        Ids { next: narrow(sequence % last + 1), last: narrow(last) }
    }

    /// Takes what was read from the server, when the first `sent` messages were written.
    ///
    /// # Errors
    /// If the server says anything that does not acknowledge one of them.
    pub(crate) fn hear(&mut self, bytes: &[u8], sent: u64) -> anyhow::Result<()> {
        let mut carried = std::mem::take(&mut self.carried);
        let heard = carried.each(bytes, |packets| {
            self.hear_packets(packets, sent)?;
            Ok(packets.len())
        });
        carried.wrap(&mut self.due);
        self.carried = carried;
        heard.map(drop)
    }

    fn hear_packets(&mut self, bytes: &[u8], sent: u64) -> anyhow::Result<()> {
        if self.carry.is_empty() {
            let used = self.take(bytes, sent)?;
            self.carry.extend(bytes.iter().skip(used));
            return Ok(());
        }
        let mut carry = std::mem::take(&mut self.carry);
        carry.extend_from_slice(bytes);
        let used = self.take(&carry, sent)?;
        carry.drain(..used);
        self.carry = carry;
        Ok(())
    }

    /// Takes whole packets and tells how many bytes they were.
    fn take(&mut self, bytes: &[u8], sent: u64) -> anyhow::Result<usize> {
        let mut rest = bytes;
        loop {
            if let Some((kind, id, after)) = take_ack(rest) {
                self.acknowledged(kind, id, sent)?;
                rest = after;
                continue;
            }
            let Some(found) = frame(rest).context("from the server to a publisher")? else { break };
            let Some((packet, after)) = rest.split_at_checked(found.len()) else { break };
            let body = packet.get(found.head_len..).unwrap_or_default();
            let packet = decode(self.mqtt.version, found.first, body);
            self.take_one(&packet.context("from the server to a publisher")?, sent)?;
            rest = after;
        }
        Ok(bytes.len() - rest.len())
    }

    fn take_one(&mut self, packet: &Packet<'_>, sent: u64) -> anyhow::Result<()> {
        match packet {
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubComp(ack) => {
                ensure!(!ack.reason.is_error(), "the server refuses a message: {}", reason(ack.reason));
                self.acknowledged(packet.kind(), ack.packet_id.get(), sent)
            }
            Packet::Disconnect(end) => bail!("the server disconnects a publisher: {}", reason(end.reason)),
            other => bail!("the server sent a publisher a {:?}", other.kind()),
        }
    }

    #[inline]
    fn acknowledged(&mut self, kind: Kind, id: u16, sent: u64) -> anyhow::Result<()> {
        let max = self.states.len() as u64;
        let place = u64::from(id).wrapping_sub(1);
        let age = (place.wrapping_add(max) - self.oldest % max) % max;
        let state = self.states.get_mut(usize::from(id).wrapping_sub(1));
        let state = state.filter(|_| self.oldest + age < sent);
        match (kind, self.mqtt.qos, state) {
            (Kind::PubAck, QoS::AtLeastOnce, Some(state @ State::Open)) => *state = State::Done,
            (Kind::PubComp, QoS::ExactlyOnce, Some(state @ State::Released)) => *state = State::Done,
            (Kind::PubRec, QoS::ExactlyOnce, Some(state @ State::Open)) => {
                *state = State::Released;
                put_ack(&mut self.due, Kind::PubRel, id);
                return Ok(());
            }
            (_, _, state) => bail!("the server sent {kind:?} for packet id {id}, which was {state:?}"),
        }
        while let Some(state) = self.states.get_mut(usize::try_from(self.oldest % max)?)
            && *state == State::Done
        {
            *state = State::Open;
            self.oldest += 1;
        }
        Ok(())
    }
}

fn reason(reason: Reason) -> String {
    format!("reason {:#04x}", reason.0)
}

#[cfg(test)]
mod tests {
    use wire::mqtt::Version;

    use super::super::Carrier;
    use super::*;

    fn unacked(qos: u8, max: u16) -> Unacked {
        let qos = QoS::of(qos).unwrap();
        let unacked_max = NonZeroU16::new(max).unwrap();
        Unacked::new(
            Mqtt { version: Version::V5, qos, unacked_max, carrier: Carrier::Socket },
            NonZeroU16::MAX,
        )
    }

    fn acks(kind: Kind, ids: impl IntoIterator<Item = u16>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for id in ids {
            put_ack(&mut bytes, kind, id);
        }
        bytes
    }

    #[test]
    fn what_is_acknowledged_is_free_again() {
        let mut one = unacked(1, 4);
        assert_eq!([0, 3, 4].map(|sent| one.free(sent)), [4, 1, 0]);
        one.hear(&acks(Kind::PubAck, [1]), 4).unwrap();
        assert_eq!(one.free(4), 1);
    }

    #[test]
    fn the_server_may_allow_fewer() {
        let mqtt = Mqtt {
            version: Version::V5,
            qos: QoS::AtLeastOnce,
            unacked_max: NonZeroU16::MAX,
            carrier: Carrier::Socket,
        };
        assert_eq!(Unacked::new(mqtt, NonZeroU16::new(20).unwrap()).free(0), 20);
    }

    #[test]
    fn ids_come_round_and_are_free_in_any_order_of_acknowledgement() {
        let mut one = unacked(1, 3);
        let mut sent = 0;
        for order in [[1, 2, 3], [3, 1, 2], [2, 3, 1]] {
            assert_eq!(one.ids_from(sent).next, 1);
            sent += 3;
            for id in order {
                one.hear(&acks(Kind::PubAck, [id]), sent).unwrap();
            }
            assert_eq!((one.open(sent), one.free(sent)), (0, 3));
        }
    }

    #[test]
    fn a_late_acknowledgement_of_the_oldest_holds_up_the_others() {
        let mut one = unacked(1, 4);
        one.hear(&acks(Kind::PubAck, [2, 3, 4]), 4).unwrap();
        assert_eq!((one.open(4), one.free(4)), (4, 0));
        one.hear(&acks(Kind::PubAck, [1]), 4).unwrap();
        assert_eq!((one.open(4), one.free(4)), (0, 4));
    }

    #[test]
    fn qos_2_is_released_and_done_only_when_that_is_confirmed() {
        let mut one = unacked(2, 4);
        one.hear(&acks(Kind::PubRec, [1, 2]), 2).unwrap();
        assert_eq!(one.due(), acks(Kind::PubRel, [1, 2]));
        one.written(4);
        assert_eq!(one.due(), acks(Kind::PubRel, [2]));
        assert_eq!(one.open(2), 2);
        one.hear(&acks(Kind::PubComp, [1, 2]), 2).unwrap();
        assert_eq!(one.open(2), 0);
    }

    #[test]
    fn acknowledgements_are_the_same_however_they_are_cut() {
        // With a reason, as 5.0 has it where nobody subscribes, and without.
        let bytes = [&[0x40, 3, 0, 1, 0x10][..], &acks(Kind::PubAck, [2]), &[0x40, 4, 0, 3, 0, 0]].concat();
        for step in 1..=bytes.len() {
            let mut one = unacked(1, 4);
            for piece in bytes.chunks(step) {
                one.hear(piece, 3).unwrap();
            }
            assert_eq!(one.open(3), 0, "{step} bytes at a time");
        }
    }

    #[test]
    fn what_was_not_sent_cannot_be_acknowledged() {
        for (qos, kind, id) in [
            (1, Kind::PubAck, 3),
            (1, Kind::PubAck, 0),
            (1, Kind::PubAck, 5),
            (1, Kind::PubRec, 1),
            (2, Kind::PubAck, 1),
            (2, Kind::PubComp, 1),
        ] {
            assert!(unacked(qos, 4).hear(&acks(kind, [id]), 2).is_err(), "QoS {qos}: {kind:?} {id}");
        }
        let mut one = unacked(1, 4);
        one.hear(&acks(Kind::PubAck, [2]), 2).unwrap();
        assert!(one.hear(&acks(Kind::PubAck, [2]), 2).is_err(), "a second time");
    }

    #[test]
    fn a_refusal_is_an_error() {
        assert!(unacked(1, 4).hear(&[0x40, 3, 0, 1, 0x97], 1).is_err());
        assert!(unacked(1, 4).hear(&[0xe0, 1, 0x8e], 1).is_err());
    }
}
