//! Servers that do anything in any order: the engine neither panics nor holds more than it may.

use std::num::NonZeroU16;

use proptest::prelude::*;
use wire::mqtt::{Ack, QoS, SubAck};

use super::*;
use crate::limits::{INFLIGHT_MAX, PACKET_BYTES_MAX, READ_BYTES};

#[derive(Debug, Clone)]
enum Move {
    Publish(QoS),
    Subscribe,
    /// The driver writes.
    Write,
    /// The user is done with a message.
    Acknowledge(u64),
    Say(Kind, u16, u8),
    SayPublish(QoS, u16),
    Bytes(Vec<u8>),
    Lose,
    /// With the session or without.
    Return(SessionState),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let qos = || (0..3_u8).prop_map(|qos| QoS::of(qos).unwrap());
    let ack = prop_oneof![
        Just(Kind::PubAck),
        Just(Kind::PubRec),
        Just(Kind::PubRel),
        Just(Kind::PubComp),
        Just(Kind::SubAck)
    ];
    let session = prop_oneof![Just(SessionState::Resumed), Just(SessionState::New)];
    let reason = prop_oneof![4 => Just(0_u8), 1 => Just(0x87)];
    let one = prop_oneof![
        6 => qos().prop_map(Move::Publish),
        1 => Just(Move::Subscribe),
        6 => Just(Move::Write),
        3 => (0..20_u64).prop_map(Move::Acknowledge),
        12 => (ack, 1..8_u16, reason).prop_map(|(kind, id, reason)| Move::Say(kind, id, reason)),
        6 => (qos(), 1..8_u16).prop_map(|(qos, id)| Move::SayPublish(qos, id)),
        1 => proptest::collection::vec(any::<u8>(), 0..20).prop_map(Move::Bytes),
        1 => Just(Move::Lose),
        3 => session.prop_map(Move::Return),
    ];
    proptest::collection::vec(one, 0..120)
}

struct Game {
    engine: Engine,
    now: Instant,
    /// Messages of QoS 1 and 2 that were taken and not settled, and their payloads.
    open: Vec<(Ticket, String)>,
    count: u32,
    /// Payloads that this connection has written.
    written: Vec<String>,
}

impl Game {
    fn new() -> Self {
        let engine = Engine::new(ConnectOptions::new("c")).unwrap();
        Self { engine, now: Instant::now(), open: Vec::new(), count: 0, written: Vec::new() }
    }

    fn say(&mut self, packet: Packet<'_>) {
        let mut bytes = Vec::new();
        encode(&mut bytes, Version::V5, &packet);
        self.engine.receive(&bytes);
    }

    fn play(&mut self, one: Move) {
        match one {
            Move::Publish(qos) => {
                self.count += 1;
                let payload = self.count.to_string();
                match self.engine.publish(&Message::new("t", payload.as_str()).qos(qos)) {
                    Ok(ticket) if qos != QoS::AtMostOnce => self.open.push((ticket, payload)),
                    Ok(_) | Err(TakeError::NoRoom) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            Move::Subscribe => {
                self.engine.subscribe(&Subscription::to("t", QoS::ExactlyOnce)).unwrap();
            }
            Move::Write => self.write(),
            Move::Acknowledge(receipt) => self.engine.acknowledge(Receipt(receipt)),
            Move::Say(kind, id, reason) => self.say_ack(kind, id, Reason(reason)),
            Move::SayPublish(qos, id) => self.say(Packet::Publish(Publish {
                dup: false,
                qos,
                retain: false,
                topic: "t",
                packet_id: NonZeroU16::new(id).filter(|_| qos != QoS::AtMostOnce),
                properties: Properties::EMPTY,
                payload: b"p",
                payload_start: 0,
            })),
            Move::Bytes(bytes) => self.engine.receive(&bytes),
            Move::Lose => self.lose(),
            Move::Return(session) => {
                self.lose();
                self.engine.connect(self.now);
                let (session_present, reason) = (session == SessionState::Resumed, Reason::SUCCESS);
                let properties = Properties::EMPTY;
                self.say(Packet::ConnAck(ConnAck { session_present, reason, properties }));
            }
        }
        // A driver that hears of a breach leaves.
        loop {
            match self.engine.poll_event(self.now) {
                Ok(Some(Event::Published(ticket, _))) => {
                    let at = self.open.iter().position(|(open, _)| *open == ticket);
                    self.open.remove(at.expect("a message is settled once"));
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => self.lose(),
            }
        }
    }

    fn lose(&mut self) {
        self.engine.lose();
        self.written.clear();
    }

    /// Writes everything. Of a message that waits for an answer one copy is written per connection.
    fn write(&mut self) {
        let bytes = self.engine.output().to_vec();
        let mut rest = bytes.as_slice();
        while let Some(frame) = wire::mqtt::frame(rest).unwrap() {
            let (packet, behind) = rest.split_at(frame.len());
            rest = behind;
            match decode(Version::V5, frame.first, packet.get(frame.head_len..).unwrap()).unwrap() {
                Packet::Publish(publish) if publish.packet_id.is_some() => {
                    let payload = String::from_utf8(publish.payload.to_vec()).unwrap();
                    assert!(!self.written.contains(&payload), "{payload} is written twice");
                    self.written.push(payload);
                }
                _ => {}
            }
        }
        self.engine.sent(bytes.len(), self.now);
    }

    fn say_ack(&mut self, kind: Kind, id: u16, reason: Reason) {
        let packet_id = NonZeroU16::new(id).unwrap();
        // PUBREL and PUBCOMP know one refusal only.
        let last = if reason.is_error() { Reason::PACKET_ID_NOT_FOUND } else { reason };
        let reasons = &[reason.0];
        self.say(match kind {
            Kind::PubAck => Packet::PubAck(Ack::new(packet_id, reason)),
            Kind::PubRec => Packet::PubRec(Ack::new(packet_id, reason)),
            Kind::PubRel => Packet::PubRel(Ack::new(packet_id, last)),
            Kind::PubComp => Packet::PubComp(Ack::new(packet_id, last)),
            _ => Packet::SubAck(SubAck { packet_id, properties: Properties::EMPTY, reasons }),
        });
    }
}

proptest! {
    #[test]
    fn every_message_is_settled_once_or_still_open(moves in moves()) {
        let mut game = Game::new();
        game.play(Move::Return(SessionState::New));
        for one in moves {
            game.play(one);
            prop_assert_eq!(game.engine.unacknowledged(), game.open.len());
            prop_assert!(game.open.len() <= INFLIGHT_MAX);
        }
    }

    #[test]
    fn any_bytes_are_events_or_a_breach(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..20)) {
        let mut game = Game::new();
        game.play(Move::Return(SessionState::New));
        for piece in pieces {
            game.engine.receive(&piece);
            while let Ok(Some(_)) = game.engine.poll_event(game.now) {}
        }
    }
}

#[test]
fn a_packet_that_never_ends_is_held_up_to_its_bound() {
    let mut game = Game::new();
    game.play(Move::Return(SessionState::New));
    // PUBLISH of 16 MiB with its fixed header: one byte more than may be.
    game.engine.receive(&[0x30, 0x80, 0x80, 0x80, 0x08]);
    let max = usize::try_from(PACKET_BYTES_MAX).unwrap();
    let error = ProtocolError::TooLarge { bytes: max + 5, max };
    assert_eq!(game.engine.poll_event(game.now), Err(error), "before its bytes come");
    assert!(READ_BYTES < max);
}
