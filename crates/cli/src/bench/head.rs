//! What stands before the payload of every message of a topic, the same each time but for the packet id of MQTT.
//!
//! In a client's frame all is masked, with a key that is the same each time; so only what changes is masked anew.

use std::num::NonZeroU16;

use wire::mqtt::{PublishHead, QoS, encode_publish_head};
use wire::websocket::Opcode;

use super::frames;
use super::ledger::{Ledger, Seen};
use super::mqtt::Mqtt;
use super::payload::{Layout, STAMP_BYTES, Stamp};

/// The bytes before a payload.
#[derive(Clone, Debug)]
pub(super) struct Head {
    bytes: Vec<u8>,
    /// Where the packet id is, if there is one.
    id_at: Option<usize>,
    /// The mask over all of a message, by where a byte stands; zeros where there is no frame.
    mask: [u8; 4],
}

/// The packet ids of consecutive messages: message n has the id `n % count + 1`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids {
    pub(super) next: u16,
    pub(super) last: u16,
}

impl Head {
    /// The same bytes every time.
    pub(super) fn constant(bytes: Vec<u8>) -> Head {
        Head { bytes, id_at: None, mask: [0; 4] }
    }

    /// That of a PUBLISH packet, without DUP and RETAIN.
    pub(super) fn packet(mqtt: Mqtt, topic: &str, payload_bytes: usize) -> Head {
        let packet_id = (mqtt.qos != QoS::AtMostOnce).then_some(NonZeroU16::MIN);
        let head = PublishHead {
            dup: false,
            qos: mqtt.qos,
            retain: false,
            topic,
            packet_id,
            alias: None,
            expiry: None,
            subscription_ids: &[],
            properties: &[],
        };
        let mut bytes = Vec::new();
        encode_publish_head(&mut bytes, mqtt.version, &head, payload_bytes);
        // The same with another id tells where it is, whatever the version puts behind it.
        let mut other = Vec::new();
        let packet_id = packet_id.map(|_| NonZeroU16::MAX);
        encode_publish_head(&mut other, mqtt.version, &PublishHead { packet_id, ..head }, payload_bytes);
        let id_at = bytes.iter().zip(&other).position(|(one, another)| one != another);
        Head { bytes, id_at, mask: [0; 4] }
    }

    /// The same in a client's frame, which ends behind a payload of this length and the tail.
    pub(super) fn in_frame(self, opcode: Opcode, payload_bytes: usize, tail: &str) -> Head {
        let mut message = self.bytes.clone();
        message.resize(self.bytes.len() + payload_bytes + tail.len(), 0);
        let mut bytes = Vec::with_capacity(message.len() + 14);
        frames::put_frame(&mut bytes, opcode, &message);
        let frame_bytes = bytes.len() - message.len();
        bytes.truncate(frame_bytes + self.bytes.len());
        let mut mask = frames::KEY;
        mask.rotate_right(frame_bytes % 4);
        Head { bytes, id_at: self.id_at.map(|at| at + frame_bytes), mask }
    }

    /// How messages with this head are laid out.
    pub(super) fn layout(&self, payload_bytes: usize, tail: &'static str) -> Layout {
        Layout::framed(self.len(), payload_bytes, tail).masked(self.mask)
    }

    /// Bytes before the payload.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes messages as long as they are the current publisher's next ones, with this head and padding, and tells their
    /// packet ids; returns what is left.
    pub(super) fn expected_run<'a>(
        &self,
        padding: &[u8],
        ledger: &mut Ledger,
        bytes: &'a [u8],
        seen: &mut impl FnMut(Seen),
        mut matched: impl FnMut(u16),
    ) -> &'a [u8] {
        let Some(mut run) = ledger.begin() else { return bytes };
        let message_bytes = self.bytes.len() + STAMP_BYTES + padding.len();
        let mut rest = bytes;
        while let Some((message, after)) = rest.split_at_checked(message_bytes) {
            let Some(id) = self.matches(message, run.stamp, padding) else { break };
            matched(id);
            rest = after;
            ledger.follow(&mut run, seen);
        }
        ledger.enter(run, seen);
        rest
    }

    /// Makes messages of this topic of the first `count` in a batch, each `message_bytes` long, and numbers them.
    pub(super) fn stamp(
        &self,
        batch: &mut [u8],
        message_bytes: usize,
        count: usize,
        mut stamp: Stamp,
        mut ids: Ids,
    ) {
        let stamp_mask = u128::from_be_bytes(self.mask_at(self.bytes.len()));
        let id_mask = u16::from_be_bytes(self.mask_at(self.id_at.unwrap_or_default()));
        for message in batch.chunks_exact_mut(message_bytes).take(count) {
            let Some((start, payload)) = message.split_at_mut_checked(self.bytes.len()) else { return };
            start.copy_from_slice(&self.bytes);
            if let Some(id) = self.id_at.and_then(|at| start.get_mut(at..)?.first_chunk_mut()) {
                *id = (ids.take() ^ id_mask).to_be_bytes();
            }
            if let Some(digits) = payload.first_chunk_mut() {
                *digits = (u128::from_be_bytes(stamp.to_bytes()) ^ stamp_mask).to_be_bytes();
            }
            stamp.advance();
        }
    }

    /// The mask over bytes from here on.
    fn mask_at<const COUNT: usize>(&self, at: usize) -> [u8; COUNT] {
        let mut turned = self.mask;
        turned.rotate_left(at % 4);
        let mut mask = [0; COUNT];
        mask.iter_mut().zip(turned.iter().cycle()).for_each(|(byte, key)| *byte = *key);
        mask
    }

    /// The packet id, 0 where there is none, if this is a message with this head, stamp and padding.
    #[inline]
    fn matches(&self, message: &[u8], stamp: Stamp, padding: &[u8]) -> Option<u16> {
        let (start, payload) = message.split_at_checked(self.bytes.len())?;
        let (digits, end) = payload.split_first_chunk::<STAMP_BYTES>()?;
        if Stamp::from_bytes(digits) != stamp || end != padding {
            return None;
        }
        let Some(at) = self.id_at else { return (start == self.bytes).then_some(0) };
        let (before, rest) = start.split_at_checked(at)?;
        let (id, after) = rest.split_first_chunk()?;
        let (own_before, own_rest) = self.bytes.split_at_checked(at)?;
        let (_, own_after) = own_rest.split_first_chunk::<2>()?;
        (before == own_before && after == own_after).then_some(u16::from_be_bytes(*id))
    }
}

impl Ids {
    /// Where there are none.
    pub(super) const NONE: Ids = Ids { next: 1, last: 1 };

    fn take(&mut self) -> u16 {
        let id = self.next;
        self.next = if id >= self.last { 1 } else { id + 1 };
        id
    }
}

#[cfg(test)]
mod tests {
    use wire::mqtt::{Packet, Version, decode, frame};
    use wire::websocket::{Decoder, Peer};

    use super::*;
    use crate::bench::mqtt::Carrier;

    const PADDING: &[u8] = b"xxxx";

    fn batch(mqtt: Mqtt, count: usize) -> (Head, Vec<u8>) {
        let head = Head::packet(mqtt, "b00007", 20);
        let packet_bytes = head.len() + 20;
        let mut batch = vec![b'x'; packet_bytes * 3];
        head.stamp(&mut batch, packet_bytes, count, Stamp::new(7, 15), Ids { next: 1024, last: 1024 });
        (head, batch)
    }

    fn all() -> impl Iterator<Item = Mqtt> {
        let unacked_max = NonZeroU16::MAX;
        [Version::V311, Version::V5].into_iter().flat_map(move |version| {
            [0, 1, 2].map(|qos| Mqtt {
                version,
                qos: QoS::of(qos).unwrap(),
                unacked_max,
                carrier: Carrier::Socket,
            })
        })
    }

    #[test]
    fn the_codec_reads_what_is_stamped() {
        for mqtt in all() {
            let (_, batch) = batch(mqtt, 3);
            let mut rest = &batch[..];
            let ids = if mqtt.qos == QoS::AtMostOnce { [None; 3] } else { [Some(1024), Some(1), Some(2)] };
            for (id, digits) in ids.into_iter().zip(["000f", "0010", "0011"]) {
                let found = frame(rest).unwrap().unwrap();
                let (packet, after) = rest.split_at(found.len());
                let Packet::Publish(publish) =
                    decode(mqtt.version, found.first, &packet[found.head_len..]).unwrap()
                else {
                    panic!("a PUBLISH was stamped")
                };
                assert_eq!(
                    (publish.topic, publish.qos, publish.dup, publish.retain),
                    ("b00007", mqtt.qos, false, false)
                );
                assert_eq!(publish.packet_id.map(NonZeroU16::get), id);
                assert_eq!(publish.payload, format!("000700000000{digits}xxxx").as_bytes());
                rest = after;
            }
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn frames_carry_what_is_stamped_whatever_their_length() {
        for payload_bytes in [20, 150, 70_000] {
            for mqtt in all() {
                let plain = Head::packet(mqtt, "b00007", payload_bytes);
                let masked = plain.clone().in_frame(Opcode::Binary, payload_bytes, "end");
                let [expected, found] = [&plain, &masked].map(|head| {
                    let layout = head.layout(payload_bytes, "end");
                    let mut batch = layout.line(Stamp::new(0, 0)).repeat(3);
                    let ids = Ids { next: 1024, last: 1024 };
                    head.stamp(&mut batch, layout.line_bytes(), 3, Stamp::new(7, 15), ids);
                    batch
                });
                let (mut decoder, mut data, mut rest) =
                    (Decoder::new(Peer::Client, u64::MAX), Vec::new(), &found[..]);
                while !rest.is_empty() {
                    let decoded = decoder.decode(rest, &mut data).unwrap();
                    rest = &rest[decoded.used..];
                }
                assert!(data == expected, "{payload_bytes} B, {mqtt}");
                assert_ne!(found[found.len() - 3..], *b"end", "it is masked");
            }
        }
    }

    #[test]
    fn only_the_same_packet_matches_whatever_its_id() {
        for mqtt in all() {
            let (head, batch) = batch(mqtt, 1);
            let packet = &batch[..head.len() + 20];
            let id = if mqtt.qos == QoS::AtMostOnce { 0 } else { 1024 };
            assert_eq!(head.matches(packet, Stamp::new(7, 15), PADDING), Some(id));
            assert_eq!(head.matches(packet, Stamp::new(7, 16), PADDING), None);
            for at in 0..packet.len() {
                let mut wrong = packet.to_vec();
                wrong[at] ^= 0x40;
                let is_id = head.id_at.is_some_and(|id_at| (id_at..id_at + 2).contains(&at));
                assert_eq!(head.matches(&wrong, Stamp::new(7, 15), PADDING).is_some(), is_id, "byte {at}");
            }
        }
    }
}
