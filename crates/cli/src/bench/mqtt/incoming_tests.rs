//! What the check of a subscriber's packets must notice and answer.

use std::num::NonZeroU16;

use wire::mqtt::{Properties, Version, encode};

use super::*;
use crate::bench::ledger::Tally;
use crate::bench::mqtt::Carrier;

fn mqtt(version: Version, qos: u8) -> Mqtt {
    Mqtt { version, qos: QoS::of(qos).unwrap(), unacked_max: NonZeroU16::MAX, carrier: Carrier::Socket }
}

/// A subscriber of topic 0 of 1 with two publishers and 20-byte payloads.
fn check(mqtt: Mqtt) -> PacketCheck {
    let senders = Senders { topic: 0, topics: 1, slots: 2, period: u64::MAX };
    PacketCheck::new(mqtt, senders, b"xxxx".as_slice().into())
}

fn publish<'a>(mqtt: Mqtt, payload: &'a [u8], id: u16) -> Publish<'a> {
    Publish {
        dup: false,
        qos: mqtt.qos,
        retain: false,
        topic: "b00000",
        packet_id: NonZeroU16::new(id).filter(|_| mqtt.qos != QoS::AtMostOnce),
        properties: Properties::EMPTY,
        payload,
        payload_start: 0,
    }
}

/// Messages of publisher and number, with ids from 1.
fn packets(mqtt: Mqtt, numbers: &[(u16, u64)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (id, (publisher, sequence)) in (1..).zip(numbers) {
        let payload = format!("{publisher:04x}{sequence:012x}xxxx");
        let packet = Packet::Publish(publish(mqtt, payload.as_bytes(), id));
        encode(&mut bytes, mqtt.version, &packet);
    }
    bytes
}

fn acks(kind: Kind, ids: impl IntoIterator<Item = u16>) -> Vec<u8> {
    let mut bytes = Vec::new();
    ids.into_iter().for_each(|id| put_ack(&mut bytes, kind, id));
    bytes
}

/// Tally and answers, the same however the bytes are cut.
fn consume(mqtt: Mqtt, bytes: &[u8]) -> (Tally, Vec<u8>) {
    let in_steps = |step: usize| {
        let (mut check, mut carry, mut runs) = (check(mqtt), Vec::new(), 0);
        for piece in bytes.chunks(step) {
            carry.extend(piece);
            let used = check.consume(&carry, |seen| match seen {
                Seen::Run { first, next, .. } => runs += next - first,
                Seen::Probe | Seen::ProbesEnded => panic!("MQTT has no probes"),
            });
            carry.drain(..used.unwrap());
        }
        assert!(carry.is_empty(), "every test ends with a whole packet");
        let tally = check.ledger().tally().clone();
        assert_eq!(runs + tally.misordered, tally.received, "runs cover what was received");
        (tally, check.due().to_vec())
    };
    let whole = in_steps(bytes.len());
    for step in [1, 7, 46] {
        assert_eq!(in_steps(step), whole, "{step} bytes at a time");
    }
    whole
}

#[test]
fn messages_in_order_are_received_and_acknowledged() {
    for version in [Version::V311, Version::V5] {
        for (qos, answer) in [(0, None), (1, Some(Kind::PubAck)), (2, Some(Kind::PubRec))] {
            let mqtt = mqtt(version, qos);
            let (tally, due) = consume(mqtt, &packets(mqtt, &[(0, 0), (0, 1), (1, 0), (1, 1), (0, 2)]));
            assert_eq!(tally, Tally { received: 5, ..Tally::default() });
            assert_eq!(due, answer.map_or_else(Vec::new, |kind| acks(kind, 1..=5)));
        }
    }
}

#[test]
fn a_released_message_is_confirmed() {
    let mqtt = mqtt(Version::V311, 2);
    let bytes = [packets(mqtt, &[(0, 0)]), acks(Kind::PubRel, [1]), packets(mqtt, &[(0, 1)])].concat();
    let (tally, due) = consume(mqtt, &bytes);
    assert_eq!(tally.received, 2);
    assert_eq!(due, [acks(Kind::PubRec, [1]), acks(Kind::PubComp, [1]), acks(Kind::PubRec, [1])].concat());
}

#[test]
fn missing_late_and_repeated_messages_are_told_apart() {
    let mqtt = mqtt(Version::V311, 1);
    let (tally, due) = consume(mqtt, &packets(mqtt, &[(0, 0), (0, 2), (0, 1), (0, 1), (0, 5)]));
    assert_eq!(tally, Tally { received: 4, misordered: 1, duplicates: 1, ..Tally::default() });
    assert_eq!(due, acks(Kind::PubAck, 1..=5), "whatever comes is acknowledged");
}

#[test]
fn properties_and_dup_make_no_difference() {
    let mqtt = mqtt(Version::V5, 1);
    let subscription_id = Properties::parse(wire::mqtt::Place::Publish, &[0x0b, 7]).unwrap();
    let payload = b"0000000000000000xxxx";
    let packet = Publish { dup: true, properties: subscription_id, ..publish(mqtt, payload, 9) };
    let mut bytes = Vec::new();
    encode(&mut bytes, mqtt.version, &Packet::Publish(packet));
    let (tally, due) = consume(mqtt, &bytes);
    assert_eq!(tally, Tally { received: 1, ..Tally::default() });
    assert_eq!(due, acks(Kind::PubAck, [9]));
}

#[test]
fn what_was_not_published_is_malformed() {
    let mqtt = mqtt(Version::V311, 1);
    let good = publish(mqtt, b"0000000000000000xxxx", 1);
    let (at_most_once, none) = (QoS::AtMostOnce, None);
    for wrong in [
        Publish { topic: "b00001", ..good },
        Publish { retain: true, ..good },
        Publish { qos: at_most_once, packet_id: none, ..good },
        Publish { payload: b"0000000000000000xxxy", ..good },
        Publish { payload: b"0000000000000000xxx", ..good },
        Publish { payload: b"000000000000000gxxxx", ..good },
        Publish { payload: b"0002000000000000xxxx", ..good },
        Publish { payload: b"", ..good },
    ] {
        let mut bytes = Vec::new();
        encode(&mut bytes, mqtt.version, &Packet::Publish(wrong));
        let (tally, _) = consume(mqtt, &bytes);
        assert_eq!((tally.received, tally.malformed), (0, 1), "{wrong:?}");
    }
}

#[test]
fn what_a_server_does_not_send_ends_it() {
    let mqtt = mqtt(Version::V5, 1);
    for wrong in [&[0x00, 0][..], &[0x40, 2, 0, 1], &[0xd0, 1, 0], &[0xe0, 1, 0x8d]] {
        assert!(check(mqtt).consume(wrong, |_| {}).is_err(), "{wrong:x?}");
    }
}
