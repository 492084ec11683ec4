//! Conversations with a server that says exactly what a test wants.

use std::num::NonZeroU16;
use std::time::Duration;

use wire::mqtt::{Ack, Place, QoS, SubAck, SubscribeOptions, frame};

use super::*;
use crate::limits::{INFLIGHT_BYTES_MAX, INFLIGHT_MAX, RECEIVE_MAX};

struct Talk {
    engine: Engine,
    now: Instant,
}

impl Talk {
    /// An engine whose CONNECT was heard.
    fn begin() -> Self {
        let mut options = ConnectOptions::new("c");
        options.session_expiry_s = 300;
        let engine = Engine::new(options).unwrap();
        let mut talk = Self { engine, now: Instant::now() };
        talk.connect("connect clean");
        talk
    }

    /// One that is connected, to a server with these terms.
    fn up(terms: &[Property<'_>]) -> Self {
        let mut talk = Self::begin();
        talk.accept(SessionState::New, terms);
        talk
    }

    #[track_caller]
    fn connect(&mut self, heard: &str) {
        self.engine.connect(self.now);
        assert_eq!(self.heard(), [heard]);
    }

    #[track_caller]
    fn accept(&mut self, session: SessionState, terms: &[Property<'_>]) -> Connected {
        let mut bytes = Vec::new();
        let mut writer = PropertyWriter::new(&mut bytes);
        for property in terms {
            writer.put(property);
        }
        let properties = writer.finish();
        let session_present = session == SessionState::Resumed;
        self.say(Packet::ConnAck(ConnAck { session_present, reason: Reason::SUCCESS, properties }));
        match self.event() {
            Some(Event::Connected(connected)) => connected,
            other => panic!("not connected: {other:?}"),
        }
    }

    /// Loses the connection and comes back.
    #[track_caller]
    fn come_back(&mut self, session: SessionState) {
        self.engine.lose();
        self.connect("connect");
        self.accept(session, &[]);
    }

    fn say(&mut self, packet: Packet<'_>) {
        let mut bytes = Vec::new();
        encode(&mut bytes, Version::V5, &packet);
        self.engine.receive(&bytes);
    }

    fn say_publish(&mut self, qos: QoS, id: u16) {
        self.say(Packet::Publish(Publish {
            dup: false,
            qos,
            retain: false,
            topic: "t",
            packet_id: NonZeroU16::new(id),
            properties: Properties::EMPTY,
            payload: b"p",
            payload_start: 0,
        }));
    }

    fn event(&mut self) -> Option<Event> {
        self.engine.poll_event(self.now).unwrap()
    }

    /// The receipt of the message that comes next.
    #[track_caller]
    fn message(&mut self) -> Receipt {
        match self.event() {
            Some(Event::Message(_, receipt)) => receipt,
            other => panic!("no message: {other:?}"),
        }
    }

    #[track_caller]
    fn publish(&mut self, qos: QoS, payload: &str) -> Ticket {
        self.engine.publish(&Message::new("t", payload).qos(qos)).unwrap()
    }

    /// What the server hears.
    fn heard(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            let bytes = self.engine.output().to_vec();
            if bytes.is_empty() {
                return heard;
            }
            let mut rest = &bytes[..];
            while let Some(frame) = frame(rest).unwrap() {
                let body = rest.get(frame.head_len..frame.len()).unwrap();
                heard.push(shown(decode(Version::V5, frame.first, body).unwrap()));
                rest = rest.get(frame.len()..).unwrap();
            }
            assert!(rest.is_empty(), "half a packet");
            self.engine.sent(bytes.len(), self.now);
        }
    }
}

fn shown(packet: Packet<'_>) -> String {
    let ack = |name, ack: Ack<'_>| format!("{name} {} {:#x}", ack.packet_id, ack.reason.0);
    match packet {
        Packet::Connect(connect) if connect.clean_start => "connect clean".into(),
        Packet::Connect(_) => "connect".into(),
        Packet::Publish(publish) => format!(
            "publish {} {}{}{}",
            publish.qos as u8,
            publish.packet_id.map_or(0, NonZeroU16::get),
            if publish.dup { " dup " } else { " " },
            String::from_utf8_lossy(publish.payload.get(..8).unwrap_or(publish.payload))
        ),
        Packet::PubAck(it) => ack("puback", it),
        Packet::PubRec(it) => ack("pubrec", it),
        Packet::PubRel(it) => ack("pubrel", it),
        Packet::PubComp(it) => ack("pubcomp", it),
        Packet::Subscribe(it) => {
            let user = it.properties.iter().count();
            format!(
                "subscribe {} {:?} {user}",
                it.packet_id,
                it.filters.iter().map(|f| f.0).collect::<Vec<_>>()
            )
        }
        Packet::Disconnect(it) => format!("disconnect {:#x} {:?}", it.reason.0, it.properties),
        packet => format!("{:?}", packet.kind()),
    }
}

fn ack(id: u16) -> Ack<'static> {
    Ack::new(NonZeroU16::new(id).unwrap(), Reason::SUCCESS)
}

fn accepted(ticket: Ticket) -> Option<Event> {
    Some(Event::Published(ticket, Outcome::Accepted))
}

#[test]
fn messages_of_every_qos_are_settled() {
    let mut talk = Talk::up(&[]);
    talk.publish(QoS::AtMostOnce, "zero");
    let one = talk.publish(QoS::AtLeastOnce, "one");
    assert_eq!(talk.heard(), ["publish 0 0 zero", "publish 1 1 one"]);
    let two = talk.publish(QoS::ExactlyOnce, "two");
    assert_eq!(talk.heard(), ["publish 2 2 two"]);
    talk.say(Packet::PubRec(ack(2)));
    talk.say(Packet::PubAck(ack(1)));
    assert_eq!(talk.event(), accepted(one));
    assert_eq!(talk.heard(), ["pubrel 2 0x0"]);
    assert_eq!(talk.engine.unacknowledged(), 1);
    talk.say(Packet::PubComp(ack(2)));
    assert_eq!(talk.event(), accepted(two));
    assert_eq!((talk.event(), talk.engine.unacknowledged()), (None, 0));
}

#[test]
fn a_refusal_settles_a_message_with_its_reason() {
    let mut talk = Talk::up(&[]);
    for (qos, id) in [(QoS::AtLeastOnce, 1), (QoS::ExactlyOnce, 2)] {
        let ticket = talk.publish(qos, "x");
        talk.heard();
        let refusal = Ack { reason: Reason::NOT_AUTHORIZED, ..ack(id) };
        talk.say(if qos == QoS::AtLeastOnce { Packet::PubAck(refusal) } else { Packet::PubRec(refusal) });
        let goodbye = Goodbye { reason: Reason::NOT_AUTHORIZED, words: None, elsewhere: None };
        assert_eq!(talk.event(), Some(Event::Published(ticket, Outcome::Refused(goodbye))));
        assert!(talk.heard().is_empty());
    }
}

#[test]
//= MQTT5-4.9.0-2
//= type=test
fn no_more_messages_are_open_than_the_server_takes() {
    let mut talk = Talk::up(&[Property::ReceiveMaximum(2)]);
    talk.publish(QoS::AtLeastOnce, "a");
    talk.heard();
    talk.publish(QoS::ExactlyOnce, "b");
    talk.heard();
    assert!(!talk.engine.has_room());
    assert_eq!(talk.engine.publish(&Message::new("t", "c").qos(QoS::AtLeastOnce)), Err(TakeError::NoRoom));
    talk.say(Packet::PubRec(ack(2)));
    assert_eq!(talk.event(), None);
    assert!(!talk.engine.has_room(), "PUBCOMP gives it back, not PUBREC");
    talk.say(Packet::PubComp(ack(2)));
    assert!(talk.event().is_some());
    assert!(talk.engine.has_room());
}

#[test]
fn what_waits_for_the_server_is_bounded_by_count_and_bytes() {
    let mut talk = Talk::up(&[]);
    let mut count = 0;
    while talk.engine.has_room() {
        talk.publish(QoS::AtLeastOnce, "x");
        talk.heard();
        count += 1;
    }
    assert_eq!(count, INFLIGHT_MAX);
    let mut talk = Talk::up(&[]);
    let large = "x".repeat(INFLIGHT_BYTES_MAX / 2);
    for _ in 0..2 {
        talk.publish(QoS::AtLeastOnce, &large);
        talk.heard();
    }
    assert!(!talk.engine.has_room());
    talk.say(Packet::PubAck(ack(1)));
    assert!(talk.event().is_some() && talk.engine.has_room());
    let mut talk = Talk::up(&[]);
    talk.publish(QoS::AtMostOnce, &"x".repeat(OUTPUT_BYTES_MAX));
    assert!(!talk.engine.has_room(), "the socket is slower");
    talk.heard();
    assert!(talk.engine.has_room());
}

#[test]
//= MQTT5-4.4.0-1
//= MQTT5-4.6.0-1
//= type=test
fn a_resumed_session_gets_everything_again_in_order() {
    let mut talk = Talk::up(&[]);
    let tickets = [QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].map(|qos| {
        let ticket = talk.publish(qos, "x");
        talk.heard();
        ticket
    });
    talk.say(Packet::PubRec(ack(1)));
    assert_eq!(talk.event(), None);
    talk.engine.lose();
    assert!(!talk.engine.has_room());
    talk.connect("connect");
    assert!(
        talk.accept(SessionState::Resumed, &[Property::ReceiveMaximum(2)]).session == SessionState::Resumed
    );
    assert_eq!(talk.heard(), ["pubrel 1 0x0", "publish 1 2 dup x"], "two may be open");
    talk.say(Packet::PubComp(ack(1)));
    assert_eq!(talk.event(), accepted(tickets[0]));
    assert_eq!(talk.heard(), ["publish 2 3 dup x"]);
    talk.say(Packet::PubAck(ack(2)));
    assert_eq!(talk.event(), accepted(tickets[1]));
    talk.say(Packet::PubRec(ack(3)));
    assert_eq!(talk.event(), None);
    assert_eq!(talk.heard(), ["pubrel 3 0x0"]);
    talk.say(Packet::PubComp(ack(3)));
    assert_eq!(talk.event(), accepted(tickets[2]));
}

#[test]
fn a_forgotten_session_gets_anew_what_may_come_twice() {
    let mut talk = Talk::up(&[]);
    let released = talk.publish(QoS::ExactlyOnce, "a");
    talk.heard();
    talk.say(Packet::PubRec(ack(1)));
    assert_eq!(talk.event(), None);
    talk.publish(QoS::AtLeastOnce, "b");
    talk.heard();
    let sent = talk.publish(QoS::ExactlyOnce, "c");
    talk.heard();
    talk.publish(QoS::ExactlyOnce, "never sent");
    talk.come_back(SessionState::New);
    assert_eq!(talk.event(), Some(Event::Published(released, Outcome::Unsure)));
    assert_eq!(talk.event(), Some(Event::Published(sent, Outcome::Unsure)));
    assert_eq!(talk.event(), None);
    assert_eq!(talk.heard(), ["publish 1 2 b", "publish 2 4 never se"]);
}

#[test]
fn messages_are_acknowledged_together_and_in_order() {
    let mut talk = Talk::up(&[]);
    talk.say_publish(QoS::AtLeastOnce, 7);
    talk.say_publish(QoS::AtMostOnce, 0);
    talk.say_publish(QoS::ExactlyOnce, 8);
    talk.say_publish(QoS::AtLeastOnce, 9);
    let receipts = [(); 4].map(|()| talk.message());
    assert!(talk.heard().is_empty(), "nobody has seen them yet");
    talk.engine.acknowledge(receipts[2]);
    assert_eq!(talk.heard(), ["puback 7 0x0", "pubrec 8 0x0"]);
    talk.engine.acknowledge(receipts[1]);
    assert!(talk.heard().is_empty(), "once is enough");
    talk.say(Packet::PubRel(ack(8)));
    talk.say(Packet::PubRel(ack(8)));
    assert_eq!(talk.event(), None);
    assert_eq!(talk.heard(), ["pubcomp 8 0x0", "pubcomp 8 0x92"]);
}

#[test]
//= MQTT5-4.3.3-10
//= type=test
fn a_message_of_qos_2_is_handed_over_once() {
    let mut talk = Talk::up(&[]);
    talk.say_publish(QoS::ExactlyOnce, 1);
    let receipt = talk.message();
    talk.come_back(SessionState::Resumed);
    talk.say_publish(QoS::ExactlyOnce, 1);
    assert_eq!(talk.event(), None);
    talk.engine.acknowledge(receipt);
    assert_eq!(talk.heard(), ["pubrec 1 0x0"]);
    talk.come_back(SessionState::Resumed);
    talk.say_publish(QoS::ExactlyOnce, 1);
    assert_eq!(talk.event(), None);
    assert_eq!(talk.heard(), ["pubrec 1 0x0"]);
    // A server that has forgotten the session means another message.
    talk.come_back(SessionState::New);
    talk.say_publish(QoS::ExactlyOnce, 1);
    talk.message();
}

/// A server counts anew with each connection, and takes the end of an earlier message for room.
#[test]
fn messages_of_an_earlier_connection_do_not_count() {
    let mut talk = Talk::up(&[]);
    let all = |from: u16| from..from + RECEIVE_MAX;
    for id in all(1) {
        talk.say_publish(QoS::ExactlyOnce, id);
        let receipt = talk.message();
        talk.engine.acknowledge(receipt);
    }
    talk.come_back(SessionState::Resumed);
    for id in all(1) {
        talk.say(Packet::PubRel(ack(id)));
    }
    for id in all(1000).chain(all(2000)) {
        talk.say_publish(QoS::ExactlyOnce, id);
        talk.message();
    }
    talk.say_publish(QoS::ExactlyOnce, 1);
    assert_eq!(talk.engine.poll_event(talk.now), Err(ProtocolError::TooManyMessages { max: RECEIVE_MAX }));
}

#[test]
fn a_receipt_of_a_lost_connection_is_not_said_to_the_next() {
    let mut talk = Talk::up(&[]);
    talk.say_publish(QoS::AtLeastOnce, 1);
    let receipt = talk.message();
    talk.come_back(SessionState::Resumed);
    talk.engine.acknowledge(receipt);
    assert!(talk.heard().is_empty());
    talk.say_publish(QoS::AtLeastOnce, 1);
    let again = talk.message();
    talk.engine.acknowledge(again);
    assert_eq!(talk.heard(), ["puback 1 0x0"]);
}

#[test]
fn subscriptions_are_made_again_where_they_are_forgotten() {
    let mut talk = Talk::up(&[]);
    let mut subscription =
        Subscription::to("a/#", QoS::ExactlyOnce).and("b", SubscribeOptions::of_qos(QoS::AtMostOnce));
    subscription.user.push(("history".into(), "10".into()));
    let ticket = talk.engine.subscribe(&subscription).unwrap();
    assert_eq!(talk.heard(), ["subscribe 1 [\"a/#\", \"b\"] 1"]);
    talk.come_back(SessionState::Resumed);
    assert_eq!(talk.heard(), ["subscribe 2 [\"a/#\", \"b\"] 1"], "it was not answered");
    let id = NonZeroU16::new(2).unwrap();
    let mut properties = Vec::new();
    PropertyWriter::new(&mut properties).put(&Property::ReasonString("not b"));
    let properties = Properties::parse(Place::SubAck, &properties).unwrap();
    talk.say(Packet::SubAck(SubAck { packet_id: id, properties, reasons: &[2, 0x87] }));
    let refused = Goodbye { words: Some("not b".to_owned()), ..Goodbye::plain(Reason::NOT_AUTHORIZED) };
    let answers = vec![Goodbye::plain(Reason::GRANTED_QOS_2), refused];
    assert_eq!(talk.event(), Some(Event::Subscribed(ticket, answers)));
    talk.come_back(SessionState::Resumed);
    assert!(talk.heard().is_empty());
    talk.come_back(SessionState::New);
    assert_eq!(talk.heard(), ["subscribe 3 [\"a/#\", \"b\"] 0"], "history is wanted once");
}

#[test]
fn silence_is_broken_and_noticed() {
    let mut talk = Talk::begin();
    talk.now = talk.engine.deadline().unwrap();
    assert_eq!(talk.engine.tick(talk.now), Err(Silent), "no CONNACK");
    let mut talk = Talk::up(&[Property::ServerKeepAlive(10)]);
    talk.now += Duration::from_secs(5);
    talk.publish(QoS::AtMostOnce, "x");
    talk.heard();
    assert_eq!(talk.engine.deadline(), Some(talk.now + Duration::from_secs(10)));
    talk.now += Duration::from_secs(10);
    assert_eq!(talk.engine.tick(talk.now), Ok(()));
    assert_eq!(talk.heard(), ["PingReq"]);
    talk.say(Packet::PingResp);
    assert_eq!(talk.event(), None);
    talk.now += Duration::from_secs(10);
    assert_eq!(talk.engine.tick(talk.now), Ok(()));
    assert_eq!(talk.heard(), ["PingReq"]);
    talk.now += Duration::from_secs(10);
    assert_eq!(talk.engine.tick(talk.now), Err(Silent));
}

#[test]
fn a_goodbye_throws_the_session_away_or_keeps_it() {
    for (end, heard) in
        [(SessionEnd::Discard, "disconnect 0x0 [SessionExpiry(0)]"), (SessionEnd::Keep, "disconnect 0x0 []")]
    {
        let mut talk = Talk::up(&[]);
        talk.publish(QoS::AtLeastOnce, "x");
        talk.engine.disconnect(end);
        assert_eq!(talk.heard(), ["publish 1 1 x", heard]);
    }
}

#[test]
fn what_the_server_does_not_offer_is_not_sent() {
    let mut talk = Talk::up(&[
        Property::MaximumQoS(QoS::AtLeastOnce),
        Property::RetainAvailable(false),
        Property::MaximumPacketSize(20),
    ]);
    let mut message = Message::new("t", "x").qos(QoS::ExactlyOnce);
    let mut check = |message: &Message, error: MessageError| {
        assert_eq!(talk.engine.publish(message), Err(error.into()));
    };
    check(&message, MessageError::QoSNotOffered { max: QoS::AtLeastOnce });
    message.qos = QoS::AtLeastOnce;
    message.retain = true;
    check(&message, MessageError::RetainNotOffered);
    message.retain = false;
    message.payload = vec![0; 13];
    check(&message, MessageError::TooLarge { bytes: 21, max: 20 });
    message.payload.pop();
    assert!(talk.engine.publish(&message).is_ok());
}

#[test]
fn a_server_that_breaks_the_protocol_is_told_and_left() {
    let check = |say: &dyn Fn(&mut Talk), error: ProtocolError| {
        let mut talk = Talk::up(&[]);
        say(&mut talk);
        let found = loop {
            match talk.engine.poll_event(talk.now) {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{error} was not noticed"),
                Err(found) => break found,
            }
        };
        assert_eq!(found, error);
        let last = talk.heard().pop().unwrap();
        assert_eq!(last, format!("disconnect {:#x} []", error.reason().0));
        talk.say(Packet::PingResp);
        assert_eq!(talk.event(), None, "nothing more is heard");
    };
    check(&|talk| talk.engine.receive(&[0, 0]), DecodeError::ReservedType.into());
    check(&|talk| talk.engine.receive(&[0x32, 0xff, 0xff, 0xff, 0x7f]), {
        ProtocolError::TooLarge { bytes: 268_435_460, max: 16 << 20 }
    });
    check(&|talk| talk.say(Packet::PingReq), ProtocolError::Unexpected(Kind::PingReq));
    check(
        &|talk| {
            for id in 1..=RECEIVE_MAX + 1 {
                talk.say_publish(if id % 2 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce }, id);
            }
        },
        ProtocolError::TooManyMessages { max: RECEIVE_MAX },
    );
    check(
        &|talk| {
            let mut bytes = Vec::new();
            let mut writer = PropertyWriter::new(&mut bytes);
            writer.put(&Property::TopicAlias(1));
            let properties = writer.finish();
            let (topic, payload) = ("t", &b""[..]);
            let (dup, qos, retain, packet_id) = (false, QoS::AtMostOnce, false, None);
            talk.say(Packet::Publish(Publish {
                dup,
                qos,
                retain,
                topic,
                packet_id,
                properties,
                payload,
                payload_start: 0,
            }));
        },
        ProtocolError::TopicAlias,
    );
    check(
        &|talk| {
            talk.publish(QoS::ExactlyOnce, "x");
            talk.heard();
            talk.say(Packet::PubAck(ack(1)));
        },
        ProtocolError::WrongAck { got: QoS::AtLeastOnce, sent: QoS::ExactlyOnce },
    );
    check(
        &|talk| {
            talk.engine.subscribe(&Subscription::to("a", QoS::AtMostOnce)).unwrap();
            talk.heard();
            let packet_id = NonZeroU16::MIN;
            talk.say(Packet::SubAck(SubAck { packet_id, properties: Properties::EMPTY, reasons: &[0, 0] }));
        },
        ProtocolError::Answers { answers: 2, filters: 1 },
    );
}

#[test]
fn answers_to_nothing_are_passed_over() {
    let mut talk = Talk::up(&[]);
    talk.say(Packet::PubAck(ack(9)));
    talk.say(Packet::PubComp(ack(9)));
    talk.say(Packet::PubRec(ack(9)));
    let packet_id = NonZeroU16::MIN;
    talk.say(Packet::SubAck(SubAck { packet_id, properties: Properties::EMPTY, reasons: &[0] }));
    assert_eq!(talk.event(), None);
    assert_eq!(talk.heard(), ["pubrel 9 0x92"]);
}

#[test]
fn who_does_not_know_our_version_or_mqtt_says_so() {
    let mut talk = Talk::begin();
    talk.engine.receive(&[0x20, 2, 0, 1]);
    let goodbye = Goodbye { reason: Reason::UNSUPPORTED_PROTOCOL_VERSION, words: None, elsewhere: None };
    assert_eq!(talk.event(), Some(Event::Refused(goodbye)));
    for bytes in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"Enter your role"] {
        let mut talk = Talk::begin();
        talk.engine.receive(bytes);
        assert_eq!(talk.engine.poll_event(talk.now), Err(ProtocolError::NotMqtt));
    }
}

#[test]
fn packets_come_in_any_pieces() {
    let mut talk = Talk::up(&[]);
    let mut bytes = Vec::new();
    let mut other = Talk::up(&[]);
    for id in 1..4 {
        other.publish(QoS::AtLeastOnce, &format!("message {id}"));
        bytes.extend_from_slice(other.engine.output());
        other.heard();
    }
    let mut messages = Vec::new();
    for byte in bytes {
        talk.engine.receive(&[byte]);
        messages.extend(talk.event());
    }
    assert_eq!(messages.len(), 3);
}

#[test]
fn options_that_are_no_packet_are_refused() {
    let engine = |options: ConnectOptions| Engine::new(options).map(|_| ());
    assert_eq!(engine(ConnectOptions::new("\0")), Err(DecodeError::Nul.into()));
    let (field, bytes) = ("the client id", 65_536);
    assert_eq!(
        engine(ConnectOptions::new("x".repeat(65_536))),
        Err(MessageError::TextTooLong { field, bytes })
    );
}
