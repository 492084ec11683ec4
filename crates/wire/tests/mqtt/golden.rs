//! Every packet in every version, as bytes and as a value.

use std::num::NonZeroU16;

use Version::{V5, V31, V311};
use wire::mqtt::{
    Ack, Auth, ConnAck, Connect, Disconnect, FilterNames, Filters, Packet, Place, Properties, Publish, QoS,
    Reason, RetainHandling, SubAck, Subscribe, SubscribeOptions, UnsubAck, Unsubscribe, Version, Will,
    decode, encode, encoded_len, frame,
};

use crate::hex;

const ALL: [Version; 3] = [V31, V311, V5];
const OLD: [Version; 2] = [V31, V311];

/// The bytes are the packet and the packet is the bytes; a body that is cut is refused, but at the
/// lengths in `also`, where a packet of the same kind ends as well.
fn check(versions: &[Version], text: &str, packet: &Packet<'_>, also: &[usize]) {
    let expected = hex::bytes(text);
    let (first, body) = hex::split(&expected);
    for version in versions.iter().copied() {
        assert_eq!(decode(version, first, body).as_ref(), Ok(packet), "{text}");
        let mut out = b"before".to_vec();
        encode(&mut out, version, packet);
        assert_eq!(out.strip_prefix(b"before"), Some(&expected[..]), "{text}");
        assert_eq!(encoded_len(version, packet), expected.len());
        let head_len = expected.len() - body.len();
        for end in 0..head_len {
            assert_eq!(frame(expected.get(..end).unwrap_or_default()), Ok(None));
        }
        let whole = (0..body.len()).filter(|end| {
            let cut = body.get(..*end).unwrap_or_default();
            decode(version, first, cut).is_ok()
        });
        assert_eq!(whole.collect::<Vec<_>>(), also, "cut bodies of {text} in {version:?}");
    }
}

fn id(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("not 0")
}

fn properties(place: Place, text: &str) -> Properties<'static> {
    Properties::parse(place, hex::bytes(text).leak()).expect("good properties")
}

fn connect(version: Version) -> Connect<'static> {
    Connect {
        version,
        clean_start: true,
        keep_alive: 60,
        client_id: "cid",
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    }
}

#[test]
fn connect_without_anything() {
    let plain = |version, text| check(&ALL, text, &Packet::Connect(connect(version)), &[]);
    plain(V31, "10 11 0006 'MQIsdp' 03 02 003c 0003 'cid'");
    plain(V311, "10 0f 0004 'MQTT' 04 02 003c 0003 'cid'");
    plain(V5, "10 10 0004 'MQTT' 05 02 003c 00 0003 'cid'");
    let empty = Connect { clean_start: false, keep_alive: 0, client_id: "", ..connect(V311) };
    check(&ALL, "10 0c 0004 'MQTT' 04 00 0000 0000", &Packet::Connect(empty), &[]);
}

#[test]
//= MQTT5-3.1.3-1
//= MQTT5-3.1.3-3
//= MQTT311-3.1.3-1
//= MQTT311-3.1.3-3
//= type=test
fn connect_with_everything() {
    let will = Will {
        qos: QoS::ExactlyOnce,
        retain: true,
        topic: "w/t",
        payload: b"bye",
        properties: Properties::EMPTY,
    };
    let full = |version| Connect {
        will: Some(will),
        user_name: Some("me"),
        password: Some(b"\x00\xff"),
        ..connect(version)
    };
    check(
        &ALL,
        "10 21 0004 'MQTT' 04 f6 003c 0003 'cid' 0003 'w/t' 0003 'bye' 0002 'me' 0002 00ff",
        &Packet::Connect(full(V311)),
        &[],
    );
    // In 3.1 a flag may lack its field: see `a_missing_credential_of_3_1`.
    check(
        &ALL,
        "10 23 0006 'MQIsdp' 03 f6 003c 0003 'cid' 0003 'w/t' 0003 'bye' 0002 'me' 0002 00ff",
        &Packet::Connect(full(V31)),
        &[27, 31],
    );
    let with_properties = Connect {
        will: Some(Will { properties: properties(Place::Will, "18 0000000a"), ..will }),
        properties: properties(Place::Connect, "21 0014"),
        ..full(V5)
    };
    check(
        &ALL,
        "10 2b 0004 'MQTT' 05 f6 003c 03 210014 0003 'cid' 05 180000000a 0003 'w/t' 0003 'bye' \
         0002 'me' 0002 00ff",
        &Packet::Connect(with_properties),
        &[],
    );
    let password_alone = Connect { password: Some(b"pw"), ..connect(V5) };
    check(
        &ALL,
        "10 14 0004 'MQTT' 05 42 003c 00 0003 'cid' 0002 'pw'",
        &Packet::Connect(password_alone),
        &[],
    );
}

#[test]
//= MQTT5-3.2.2-1
//= type=test
fn conn_ack() {
    let ack = |session_present, reason| {
        Packet::ConnAck(ConnAck { session_present, reason, properties: Properties::EMPTY })
    };
    check(&OLD, "20 02 00 00", &ack(false, Reason::SUCCESS), &[]);
    check(&[V311], "20 02 01 00", &ack(true, Reason::SUCCESS), &[]);
    check(&OLD, "20 02 00 01", &ack(false, Reason::UNSUPPORTED_PROTOCOL_VERSION), &[]);
    check(&OLD, "20 02 00 02", &ack(false, Reason::CLIENT_IDENTIFIER_NOT_VALID), &[]);
    check(&OLD, "20 02 00 03", &ack(false, Reason::SERVER_UNAVAILABLE), &[]);
    check(&OLD, "20 02 00 04", &ack(false, Reason::BAD_USER_NAME_OR_PASSWORD), &[]);
    check(&OLD, "20 02 00 05", &ack(false, Reason::NOT_AUTHORIZED), &[]);
    check(&[V5], "20 03 01 00 00", &ack(true, Reason::SUCCESS), &[]);
    check(&[V5], "20 03 00 84 00", &ack(false, Reason::UNSUPPORTED_PROTOCOL_VERSION), &[]);
    let with_properties = ConnAck {
        session_present: true,
        reason: Reason::SUCCESS,
        properties: properties(Place::ConnAck, "22 000a"),
    };
    check(&[V5], "20 06 01 00 03 22000a", &Packet::ConnAck(with_properties), &[]);
}

#[test]
//= MQTT5-2.2.1-2
//= MQTT5-2.2.2-1
//= MQTT311-2.3.1-5
//= type=test
fn publish() {
    let publish = |payload_start| Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: "a/b",
        packet_id: None,
        properties: Properties::EMPTY,
        payload: b"hi",
        payload_start,
    };
    check(&OLD, "30 07 0003 'a/b' 'hi'", &Packet::Publish(publish(5)), &[5, 6]);
    check(&[V5], "30 08 0003 'a/b' 00 'hi'", &Packet::Publish(publish(6)), &[6, 7]);
    let empty = Publish { retain: true, payload: b"", ..publish(5) };
    check(&OLD, "31 05 0003 'a/b'", &Packet::Publish(empty), &[]);
    let numbered = |payload_start| Publish {
        dup: true,
        qos: QoS::AtLeastOnce,
        packet_id: Some(id(10)),
        ..publish(payload_start)
    };
    check(&OLD, "3a 09 0003 'a/b' 000a 'hi'", &Packet::Publish(numbered(7)), &[7, 8]);
    check(&[V5], "3a 0a 0003 'a/b' 000a 00 'hi'", &Packet::Publish(numbered(8)), &[8, 9]);
    let twice = Publish { qos: QoS::ExactlyOnce, dup: false, ..numbered(7) };
    check(&OLD, "34 09 0003 'a/b' 000a 'hi'", &Packet::Publish(twice), &[7, 8]);
    let alias =
        Publish { topic: "", properties: properties(Place::Publish, "23 0001 0b 07 0b 8001"), ..publish(11) };
    check(&[V5], "30 0d 0000 08 230001 0b07 0b8001 'hi'", &Packet::Publish(alias), &[11, 12]);
}

#[test]
fn acknowledgements() {
    type Make = fn(Ack<'static>) -> Packet<'static>;
    let kinds: [(u8, Make); 4] =
        [(0x40, Packet::PubAck), (0x50, Packet::PubRec), (0x62, Packet::PubRel), (0x70, Packet::PubComp)];
    for (first, make) in kinds {
        let failed = if first < 0x60 { 0x97 } else { 0x92 };
        let check = |versions: &[Version], rest: &str, ack, also: &[usize]| {
            check(versions, &format!("{first:02x} {rest}"), &make(ack), also);
        };
        check(&ALL, "02 0102", Ack::new(id(0x102), Reason::SUCCESS), &[]);
        check(&[V5], &format!("03 0102 {failed:02x}"), Ack::new(id(0x102), Reason(failed)), &[2]);
        let properties = properties(Place::PubAck, "1f 0002 'no'");
        let ack = Ack { properties, ..Ack::new(id(7), Reason(failed)) };
        check(&[V5], &format!("09 0007 {failed:02x} 05 1f 0002 'no'"), ack, &[2, 3]);
        let ack = Ack { properties, ..Ack::new(id(7), Reason::SUCCESS) };
        check(&[V5], "09 0007 00 05 1f 0002 'no'", ack, &[2, 3]);
    }
}

#[test]
fn subscribe() {
    let two = hex::bytes("0003 'a/#' 01 0001 '+' 02");
    for version in OLD {
        let filters = Filters::parse(version, &two).unwrap();
        let expected = [
            ("a/#", SubscribeOptions::of_qos(QoS::AtLeastOnce)),
            ("+", SubscribeOptions::of_qos(QoS::ExactlyOnce)),
        ];
        assert_eq!(filters.iter().collect::<Vec<_>>(), expected);
        let packet = Subscribe { packet_id: id(10), properties: Properties::EMPTY, filters };
        check(&[version], "82 0c 000a 0003 'a/#' 01 0001 '+' 02", &Packet::Subscribe(packet), &[8]);
    }
    let options = hex::bytes("0001 'a' 2e 0001 'b' 11");
    let filters = Filters::parse(V5, &options).unwrap();
    let all = SubscribeOptions {
        qos: QoS::ExactlyOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::Never,
    };
    let some = SubscribeOptions {
        retain_handling: RetainHandling::SendIfNew,
        ..SubscribeOptions::of_qos(QoS::AtLeastOnce)
    };
    assert_eq!(filters.iter().collect::<Vec<_>>(), [("a", all), ("b", some)]);
    let mut out = Vec::new();
    wire::mqtt::put_filter(&mut out, "a", all);
    wire::mqtt::put_filter(&mut out, "b", some);
    assert_eq!(out, options);
    let packet = Subscribe { packet_id: id(10), properties: Properties::EMPTY, filters };
    check(&[V5], "82 0b 000a 00 0001 'a' 2e 0001 'b' 11", &Packet::Subscribe(packet), &[7]);
    let packet = Subscribe { properties: properties(Place::Subscribe, "0b 05"), ..packet };
    check(&[V5], "82 0d 000a 02 0b05 0001 'a' 2e 0001 'b' 11", &Packet::Subscribe(packet), &[9]);
}

#[test]
//= MQTT311-3.9.3-2
//= type=test
fn sub_ack() {
    let ack = |reasons| Packet::SubAck(SubAck { packet_id: id(10), properties: Properties::EMPTY, reasons });
    check(&OLD, "90 06 000a 00010280", &ack(&[0, 1, 2, 0x80]), &[3, 4, 5]);
    check(&[V5], "90 06 000a 00 02878f", &ack(&[2, 0x87, 0x8f]), &[4, 5]);
    let mut out = Vec::new();
    encode(&mut out, V311, &ack(&[0x8f]));
    assert_eq!(out, hex::bytes("90 03 000a 80"), "3.1.1 knows one failure");
}

#[test]
fn unsubscribe() {
    let names = hex::bytes("0001 'a' 0003 'b/#'");
    let filters = FilterNames::parse(V5, &names).unwrap();
    assert_eq!(filters.iter().collect::<Vec<_>>(), ["a", "b/#"]);
    let mut out = Vec::new();
    wire::mqtt::put_name(&mut out, "a");
    wire::mqtt::put_name(&mut out, "b/#");
    assert_eq!(out, names);
    let packet = Unsubscribe { packet_id: id(3), properties: Properties::EMPTY, filters };
    check(&OLD, "a2 0a 0003 0001 'a' 0003 'b/#'", &Packet::Unsubscribe(packet), &[5]);
    check(&[V5], "a2 0b 0003 00 0001 'a' 0003 'b/#'", &Packet::Unsubscribe(packet), &[6]);
}

#[test]
fn unsub_ack() {
    let ack =
        |reasons| Packet::UnsubAck(UnsubAck { packet_id: id(3), properties: Properties::EMPTY, reasons });
    check(&OLD, "b0 02 0003", &ack(&[]), &[]);
    check(&[V5], "b0 05 0003 00 0011", &ack(&[0, 0x11]), &[4]);
}

#[test]
fn pings() {
    check(&ALL, "c0 00", &Packet::PingReq, &[]);
    check(&ALL, "d0 00", &Packet::PingResp, &[]);
}

#[test]
fn disconnect() {
    let plain =
        |reason| Packet::Disconnect(Disconnect { reason: Reason(reason), properties: Properties::EMPTY });
    check(&ALL, "e0 00", &plain(0), &[]);
    check(&[V5], "e0 01 8e", &plain(0x8e), &[0]);
    let properties = properties(Place::Disconnect, "11 00000005");
    let packet = Disconnect { reason: Reason::DISCONNECT_WITH_WILL, properties };
    check(&[V5], "e0 07 04 05 1100000005", &Packet::Disconnect(packet), &[0, 1]);
}

#[test]
fn auth() {
    let empty = Auth { reason: Reason::SUCCESS, properties: Properties::EMPTY };
    check(&[V5], "f0 00", &Packet::Auth(empty), &[]);
    let properties = properties(Place::Auth, "15 0001 'm' 16 0001 ff");
    let packet = Auth { reason: Reason::CONTINUE_AUTHENTICATION, properties };
    check(&[V5], "f0 0a 18 08 15 0001 'm' 16 0001 ff", &Packet::Auth(packet), &[0]);
}

/// What may be left out may be there as well.
#[test]
fn longer_forms_are_the_same_packets() {
    let short = |text: &str, shorter: &str| {
        let (long, short) = (hex::bytes(text), hex::bytes(shorter));
        let ((first, body), (_, shorter_body)) = (hex::split(&long), hex::split(&short));
        let packet = decode(V5, first, body);
        assert!(packet.is_ok(), "{text}");
        assert_eq!(packet, decode(V5, first, shorter_body));
    };
    short("40 03 0001 00", "40 02 0001");
    short("40 04 0001 00 00", "40 02 0001");
    short("40 04 0001 80 00", "40 03 0001 80");
    short("e0 01 00", "e0 00");
    short("e0 02 00 00", "e0 00");
    short("e0 02 8d 00", "e0 01 8d");
    short("f0 02 00 00", "f0 00");
}

#[test]
fn a_missing_credential_of_3_1() {
    let bytes = hex::bytes("10 11 0006 'MQIsdp' 03 c2 003c 0003 'cid'");
    let (first, body) = hex::split(&bytes);
    assert_eq!(decode(V31, first, body), Ok(Packet::Connect(connect(V31))));
    let bytes = hex::bytes("10 15 0006 'MQIsdp' 03 c2 003c 0003 'cid' 0002 'me'");
    let (first, body) = hex::split(&bytes);
    let named = Connect { user_name: Some("me"), ..connect(V31) };
    assert_eq!(decode(V31, first, body), Ok(Packet::Connect(named)));
}

/// The first byte of a CONNACK is reserved in 3.1.
#[test]
fn no_session_is_told_in_3_1() {
    let present = ConnAck { session_present: true, reason: Reason::SUCCESS, properties: Properties::EMPTY };
    let mut out = Vec::new();
    encode(&mut out, V31, &Packet::ConnAck(present));
    assert_eq!(out, hex::bytes("20 02 00 00"));
    let bytes = hex::bytes("20 02 01 00");
    let (first, body) = hex::split(&bytes);
    let absent = ConnAck { session_present: false, ..present };
    assert_eq!(decode(V31, first, body), Ok(Packet::ConnAck(absent)));
}

/// 3.1 sends these again with DUP set.
#[test]
fn repeated_packets_of_3_1() {
    for text in ["6a 02 0001", "8a 06 0001 0001 'a' 00", "aa 05 0001 0001 'a'"] {
        let bytes = hex::bytes(text);
        let (first, body) = hex::split(&bytes);
        assert!(decode(V31, first, body).is_ok(), "{text}");
        assert!(decode(V311, first, body).is_err(), "{text}");
    }
}
