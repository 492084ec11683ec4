//! What must be refused, each with its cause.

use Version::{V5, V31, V311};
use wire::mqtt::{DecodeError, Reason, Version, decode, frame};

use crate::hex;

const ALL: [Version; 3] = [V31, V311, V5];
const OLD: [Version; 2] = [V31, V311];

/// The packet is refused for this cause.
fn check(versions: &[Version], text: &str, expected: DecodeError) {
    let bytes = hex::bytes(text);
    let (first, body) = hex::split(&bytes);
    for version in versions {
        let refused = decode(*version, first, body).expect_err(text);
        assert_eq!(refused, expected, "{text} in {version:?}");
    }
}

/// A packet with this body, which is shorter than 128 bytes.
fn check_body(versions: &[Version], first: u8, body: &str, expected: DecodeError) {
    let length = hex::bytes(body).len();
    assert!(length < 128, "one byte tells the length");
    check(versions, &format!("{first:02x} {length:02x} {body}"), expected);
}

#[test]
//= MQTT5-2.1.3-1
//= MQTT5-3.6.1-1
//= MQTT5-3.8.1-1
//= MQTT5-3.10.1-1
//= MQTT5-3.14.1-1
//= MQTT5-3.15.1-1
//= MQTT311-2.2.2-1
//= MQTT311-2.2.2-2
//= MQTT311-3.6.1-1
//= MQTT311-3.8.1-1
//= MQTT311-3.10.1-1
//= MQTT311-3.14.1-1
//= type=test
fn reserved_flags() {
    for (kind, flags, body) in [
        (2, 0, "0000"),
        (4, 0, "0001"),
        (5, 0, "0001"),
        (6, 2, "0001"),
        (7, 0, "0001"),
        (8, 2, "0001 0001 'a' 00"),
        (9, 0, "0001 00"),
        (10, 2, "0001 0001 'a'"),
        (11, 0, "0001"),
        (12, 0, ""),
        (13, 0, ""),
        (14, 0, ""),
    ] {
        for wrong in (0..16).filter(|wrong| *wrong != flags) {
            check_body(&[V311, V5], kind << 4 | wrong, body, DecodeError::Flags);
            // 3.1 repeats packets with DUP set.
            if wrong != flags | 8 {
                check_body(&[V31], kind << 4 | wrong, body, DecodeError::Flags);
            }
        }
    }
    for wrong in 1..16 {
        check_body(&ALL, 0x10 | wrong, "0004 'MQTT' 05 02 003c 00 0000", DecodeError::Flags);
        check_body(&[V5], 0xf0 | wrong, "", DecodeError::Flags);
    }
}

#[test]
fn reserved_types() {
    assert_eq!(frame(&[0x00, 0x00]), Err(DecodeError::ReservedType));
    assert_eq!(decode(V5, 0x00, &[]), Err(DecodeError::ReservedType));
    check(&OLD, "f0 00", DecodeError::ReservedType);
}

#[test]
//= MQTT5-1.5.4-1
//= MQTT5-1.5.4-2
//= MQTT5-3.3.2-1
//= MQTT311-1.5.3-1
//= MQTT311-1.5.3-2
//= MQTT311-3.3.2-1
//= type=test
fn strings() {
    let topic = |text: &str, expected| check_body(&ALL, 0x30, text, expected);
    topic("0001 ff", DecodeError::Utf8);
    topic("0003 eda080", DecodeError::Utf8); // U+D800
    topic("0003 edbfbf", DecodeError::Utf8); // U+DFFF
    topic("0002 c080", DecodeError::Utf8); // U+0000 in two bytes
    topic("0004 f4908080", DecodeError::Utf8); // beyond U+10FFFF
    topic("0002 e282", DecodeError::Utf8);
    topic("0003 'a' 00 'b'", DecodeError::Nul);
    topic("0004 'abc'", DecodeError::Truncated);
    topic("00", DecodeError::Truncated);
    topic("", DecodeError::Truncated);
    check_body(&[V5], 0x30, "0001 'a' 05 26 0001 'k' 00 00", DecodeError::Truncated);
    check_body(&[V5], 0x30, "0001 'a' 06 26 0001 00 0000", DecodeError::Nul);
    //= MQTT5-1.5.7-1
    //= type=test
    check_body(&[V5], 0x30, "0001 'a' 06 26 0000 0001 ff", DecodeError::Utf8);
}

#[test]
//= MQTT5-3.3.1-2
//= MQTT5-3.3.1-4
//= MQTT311-3.3.1-2
//= MQTT311-3.3.1-4
//= type=test
fn publish_flags() {
    check_body(&ALL, 0x36, "0001 'a' 0001 00", DecodeError::QoS);
    check_body(&ALL, 0x3e, "0001 'a' 0001 00", DecodeError::QoS);
    check_body(&ALL, 0x38, "0001 'a' 00", DecodeError::DupAtQoS0);
}

#[test]
//= MQTT5-3.3.2-2
//= MQTT5-4.7.0-1
//= MQTT5-4.7.3-1
//= MQTT311-3.3.2-2
//= MQTT311-4.7.1-1
//= MQTT311-4.7.3-1
//= type=test
fn topic_names() {
    for name in ["0001 '+'", "0001 '#'", "0003 'a/+'", "0002 'a#'"] {
        check_body(&ALL, 0x30, &format!("{name} 00"), DecodeError::TopicName);
    }
    check_body(&OLD, 0x30, "0000 'x'", DecodeError::TopicName);
    check_body(&[V5], 0x30, "0000 00 'x'", DecodeError::NoTopic);
    check_body(&[V5], 0x30, "0000 02 01 00 'x'", DecodeError::NoTopic);
}

#[test]
//= MQTT5-2.2.1-3
//= MQTT311-2.3.1-1
//= type=test
fn packet_ids_of_0() {
    for (first, rest) in [
        (0x40, ""),
        (0x50, ""),
        (0x62, ""),
        (0x70, ""),
        (0x82, "0001 'a' 00"),
        (0x90, "00"),
        (0xa2, "0001 'a'"),
        (0xb0, ""),
    ] {
        check_body(&ALL, first, &format!("0000 {rest}"), DecodeError::PacketIdZero);
        check_body(&ALL, first, "00", DecodeError::Truncated);
    }
    check_body(&ALL, 0x32, "0001 'a' 0000 00", DecodeError::PacketIdZero);
    check_body(&ALL, 0x34, "0001 'a' 0000 00", DecodeError::PacketIdZero);
    check_body(&ALL, 0x34, "0001 'a' 00", DecodeError::Truncated);
}

#[test]
//= MQTT5-3.1.2-1
//= MQTT311-3.1.2-1
//= type=test
fn protocol_names_and_levels() {
    for name in ["0004 'MQTt'", "0000", "0005 'MQTT5'", "0006 'MQISDP'", "0001 ff"] {
        check_body(&ALL, 0x10, &format!("{name} 05 02 003c 00 0000"), DecodeError::ProtocolName);
    }
    for level in ["'MQTT' 03", "'MQTT' 06", "'MQTT' 00", "'MQTT' 84"] {
        check_body(&ALL, 0x10, &format!("0004 {level} 02 003c 00 0000"), DecodeError::ProtocolLevel);
    }
    check_body(&ALL, 0x10, "0006 'MQIsdp' 04 02 003c 0000", DecodeError::ProtocolLevel);
    // Told apart before anything else is looked at: a later version may look different.
    check_body(&ALL, 0x10, "0004 'MQTT' 06", DecodeError::ProtocolLevel);
    check_body(&ALL, 0x10, "0004 'MQTT'", DecodeError::Truncated);
}

#[test]
//= MQTT5-3.1.2-3
//= MQTT5-3.1.2-11
//= MQTT5-3.1.2-12
//= MQTT5-3.1.2-13
//= MQTT311-3.1.2-3
//= MQTT311-3.1.2-11
//= MQTT311-3.1.2-13
//= MQTT311-3.1.2-14
//= MQTT311-3.1.2-15
//= MQTT311-3.1.2-22
//= type=test
fn connect_flags() {
    let check = |flags: &str, expected| {
        for begin in ["0006 'MQIsdp' 03", "0004 'MQTT' 04"] {
            check_body(&ALL, 0x10, &format!("{begin} {flags} 003c 0000 0001 'w' 0000"), expected);
        }
        let text = format!("0004 'MQTT' 05 {flags} 003c 00 0000 00 0001 'w' 0000");
        check_body(&ALL, 0x10, &text, expected);
    };
    check("03", DecodeError::ReservedFlag);
    check("0a", DecodeError::WillFlags);
    check("12", DecodeError::WillFlags);
    check("22", DecodeError::WillFlags);
    check("1e", DecodeError::QoS);
    check_body(&ALL, 0x10, "0004 'MQTT' 04 42 003c 0000 0000", DecodeError::PasswordAlone);
    check_body(&ALL, 0x10, "0006 'MQIsdp' 03 42 003c 0000 0000", DecodeError::PasswordAlone);
}

#[test]
//= MQTT5-3.1.2-9
//= MQTT5-3.1.2-16
//= MQTT5-3.1.2-17
//= MQTT5-3.1.2-18
//= MQTT5-3.1.2-19
//= MQTT5-3.1.3-4
//= MQTT5-3.1.3-11
//= MQTT5-3.1.3-12
//= MQTT311-3.1.2-9
//= MQTT311-3.1.2-18
//= MQTT311-3.1.2-19
//= MQTT311-3.1.2-20
//= MQTT311-3.1.2-21
//= MQTT311-3.1.3-4
//= MQTT311-3.1.3-10
//= MQTT311-3.1.3-11
//= type=test
fn connect_payload() {
    let v311 = |rest: &str, expected| check_body(&ALL, 0x10, &format!("0004 'MQTT' 04 {rest}"), expected);
    v311("02 003c 0000 00", DecodeError::TrailingBytes);
    v311("02 003c 0000 0002 'me'", DecodeError::TrailingBytes);
    v311("82 003c 0000", DecodeError::Truncated);
    v311("c2 003c 0000 0002 'me'", DecodeError::Truncated);
    v311("06 003c 0000", DecodeError::Truncated);
    v311("06 003c 0000 0001 'w'", DecodeError::Truncated);
    v311("06 003c 0000 0000 0000", DecodeError::TopicName);
    v311("06 003c 0000 0001 '#' 0000", DecodeError::TopicName);
    v311("06 003c 0000 0001 ff 0000", DecodeError::Utf8);
    v311("02 003c 0001 ff", DecodeError::Utf8);
    v311("82 003c 0000 0001 00", DecodeError::Nul);
    v311("82 003c 0000 0001 ff", DecodeError::Utf8);
    let v5 = |rest: &str, expected| check_body(&ALL, 0x10, &format!("0004 'MQTT' 05 {rest}"), expected);
    v5("02 003c 0000", DecodeError::Truncated);
    v5("06 003c 00 0000 05 1100000001 0001 'w' 0000", DecodeError::MisplacedProperty);
    v5("02 003c 05 1800000001 0000", DecodeError::MisplacedProperty);
    // In 3.1 fields may be missing, but not half a field.
    check_body(&ALL, 0x10, "0006 'MQIsdp' 03 82 003c 0000 00", DecodeError::Truncated);
    check_body(&ALL, 0x10, "0006 'MQIsdp' 03 02 003c 0000 0000", DecodeError::TrailingBytes);
}

#[test]
fn conn_ack() {
    check(&ALL, "20 03 02 00 00", DecodeError::ReservedFlag);
    check(&[V311], "20 02 01 05", DecodeError::SessionPresent);
    check(&[V5], "20 03 01 87 00", DecodeError::SessionPresent);
    check(&OLD, "20 02 00 06", DecodeError::ReasonCode);
    check(&[V5], "20 03 00 05 00", DecodeError::ReasonCode);
    check(&[V5], "20 03 00 8e 00", DecodeError::ReasonCode);
    check(&OLD, "20 03 00 00 00", DecodeError::TrailingBytes);
    check(&[V5], "20 02 00 00", DecodeError::Truncated);
}

#[test]
fn acknowledgements() {
    for first in [0x40, 0x50, 0x62, 0x70] {
        check_body(&OLD, first, "0001 00", DecodeError::TrailingBytes);
        check_body(&[V5], first, "0001 01", DecodeError::ReasonCode);
        check_body(&[V5], first, "0001 8e 00", DecodeError::ReasonCode);
        check_body(&[V5], first, "0001 00 01", DecodeError::Truncated);
        check_body(&[V5], first, "0001 00 00 00", DecodeError::TrailingBytes);
        check_body(&[V5], first, "0001 00 03 210001", DecodeError::MisplacedProperty);
    }
    check_body(&[V5], 0x40, "0001 92", DecodeError::ReasonCode);
    check_body(&[V5], 0x62, "0001 10", DecodeError::ReasonCode);
}

#[test]
//= MQTT5-3.8.3-1
//= MQTT5-3.8.3-2
//= MQTT5-3.8.3-5
//= MQTT311-3.8.3-1
//= MQTT311-3.8.3-3
//= MQTT311-3.8.3-4
//= type=test
fn subscribe() {
    check_body(&OLD, 0x82, "0001", DecodeError::EmptyPayload);
    check_body(&[V5], 0x82, "0001 00", DecodeError::EmptyPayload);
    let check = |versions: &[Version], filters: &str, expected| {
        for version in versions.iter().copied() {
            let properties = if version == V5 { "00" } else { "" };
            check_body(&[version], 0x82, &format!("0001 {properties} {filters}"), expected);
        }
    };
    check(&ALL, "0001 'a'", DecodeError::Truncated);
    check(&ALL, "0001 'a' 00 0001 'b'", DecodeError::Truncated);
    check(&ALL, "0002 'a'", DecodeError::Truncated);
    check(&ALL, "0001 'a' 40", DecodeError::SubscribeBits);
    check(&ALL, "0001 'a' 80", DecodeError::SubscribeBits);
    for bits in ["04", "08", "10", "20"] {
        check(&OLD, &format!("0001 'a' {bits}"), DecodeError::SubscribeBits);
    }
    check(&ALL, "0001 'a' 03", DecodeError::SubscribeQoS);
    check(&[V5], "0001 'a' 30", DecodeError::RetainHandling);
    check(&ALL, "0000 00", DecodeError::Filter);
    check(&ALL, "0001 'a' 00 0002 'a#' 00", DecodeError::Filter);
    check(&ALL, "0001 ff 00", DecodeError::Utf8);
    //= MQTT5-4.8.2-1
    //= MQTT5-4.8.2-2
    //= type=test
    check(&[V5], "000a '$share/+/a' 00", DecodeError::Filter);
    check(&[V5], "0008 '$share/g' 00", DecodeError::Filter);
}

#[test]
fn sub_ack_and_unsub_ack() {
    check(&OLD, "90 02 0001", DecodeError::EmptyPayload);
    check(&[V5], "90 03 0001 00", DecodeError::EmptyPayload);
    check(&OLD, "90 03 0001 03", DecodeError::ReasonCode);
    check(&OLD, "90 03 0001 87", DecodeError::ReasonCode);
    check(&[V5], "90 05 0001 00 0011", DecodeError::ReasonCode);
    check(&OLD, "b0 03 0001 00", DecodeError::TrailingBytes);
    check(&[V5], "b0 03 0001 00", DecodeError::EmptyPayload);
    check(&[V5], "b0 05 0001 00 0001", DecodeError::ReasonCode);
}

#[test]
//= MQTT5-3.10.3-1
//= MQTT5-3.10.3-2
//= MQTT311-3.10.3-1
//= MQTT311-3.10.3-2
//= type=test
fn unsubscribe() {
    check(&OLD, "a2 02 0001", DecodeError::EmptyPayload);
    check(&[V5], "a2 03 0001 00", DecodeError::EmptyPayload);
    check(&OLD, "a2 04 0001 0000", DecodeError::Filter);
    check(&OLD, "a2 06 0001 0002 'a#'", DecodeError::Filter);
    check(&OLD, "a2 05 0001 0002 'a'", DecodeError::Truncated);
    check(&OLD, "a2 05 0001 0001 ff", DecodeError::Utf8);
    check(&[V5], "a2 06 0001 00 0001 ff", DecodeError::Utf8);
}

#[test]
fn pings_have_no_body() {
    check(&ALL, "c0 01 00", DecodeError::TrailingBytes);
    check(&ALL, "d0 01 00", DecodeError::TrailingBytes);
}

#[test]
fn disconnect_and_auth() {
    check(&OLD, "e0 01 00", DecodeError::TrailingBytes);
    check(&[V5], "e0 01 01", DecodeError::ReasonCode);
    check(&[V5], "e0 01 84", DecodeError::ReasonCode);
    check(&[V5], "e0 03 00 00 00", DecodeError::TrailingBytes);
    check(&[V5], "e0 02 00 05", DecodeError::Truncated);
    check(&[V5], "f0 01 00", DecodeError::Truncated);
    check(&[V5], "f0 02 01 00", DecodeError::ReasonCode);
    check(&[V5], "f0 02 18 00", DecodeError::NoAuthMethod);
    check(&[V5], "f0 07 00 05 26 0000 0000", DecodeError::NoAuthMethod);
    check(&[V5], "f0 07 18 04 15 0001 'm' 00", DecodeError::TrailingBytes);
}

/// One cause for each property of a CONNECT, and of what else can be wrong with properties.
#[test]
//= MQTT5-1.5.5-1
//= MQTT5-3.3.2-8
//= MQTT5-3.3.2-13
//= MQTT5-3.3.2-14
//= MQTT5-3.3.2-19
//= type=test
fn properties() {
    let in_packet = |begin: &str, properties: &str, expected| {
        let length = hex::bytes(properties).len();
        let first = if begin.starts_with("0004") { 0x10 } else { 0x30 };
        check_body(&[V5], first, &format!("{begin} {length:02x} {properties} 0000"), expected);
    };
    let connect = |properties: &str, expected| in_packet("0004 'MQTT' 05 02 003c", properties, expected);
    let publish = |properties: &str, expected| in_packet("0001 'a'", properties, expected);
    connect("21 0000", DecodeError::ReceiveMaximumZero);
    connect("27 00000000", DecodeError::MaximumPacketSizeZero);
    connect("17 02", DecodeError::Boolean);
    connect("19 ff", DecodeError::Boolean);
    connect("11 00000001 11 00000001", DecodeError::PropertyTwice);
    connect("21 0001 22 0001 21 0001", DecodeError::PropertyTwice);
    connect("16 0000", DecodeError::NoAuthMethod);
    connect("23 0001", DecodeError::MisplacedProperty);
    connect("00", DecodeError::UnknownProperty);
    connect("04 00", DecodeError::UnknownProperty);
    connect("2b 00", DecodeError::UnknownProperty);
    connect("7f", DecodeError::UnknownProperty);
    connect("a6 00", DecodeError::OverlongVarInt);
    connect("91 02 00000001", DecodeError::UnknownProperty);
    connect("ffffffff 00", DecodeError::VarInt);
    connect("ff", DecodeError::Truncated);
    publish("23 0000", DecodeError::TopicAliasZero);
    publish("23 0001 23 0001", DecodeError::PropertyTwice);
    publish("01 02", DecodeError::Boolean);
    publish("0b 00", DecodeError::SubscriptionIdZero);
    publish("0b 8100", DecodeError::OverlongVarInt);
    publish("0b ffffffff", DecodeError::VarInt);
    publish("08 0001 '#'", DecodeError::ResponseTopic);
    publish("08 0000", DecodeError::ResponseTopic);
    publish("08 0001 ff", DecodeError::Utf8);
    publish("03 0001 ff", DecodeError::Utf8);
    publish("1f 0000", DecodeError::MisplacedProperty);
    publish("18 00000000", DecodeError::MisplacedProperty);
    check_body(&[V5], 0x82, "0001 04 0b01 0b02 0001 'a' 00", DecodeError::PropertyTwice);
    check(&[V5], "20 05 00 00 02 24 02", DecodeError::Boolean);
    // The length in front of all of them.
    check(&[V5], "30 05 0001 'a' 8000", DecodeError::OverlongVarInt);
    check(&[V5], "30 07 0001 'a' ffffffff", DecodeError::VarInt);
    check(&[V5], "30 04 0001 'a' 80", DecodeError::Truncated);
    check(&[V5], "30 05 0001 'a' 02 01", DecodeError::Truncated);
}

/// Those that a client of 5.0 is told with another code than "malformed".
#[test]
fn causes_have_reasons() {
    for (error, reason) in [
        (DecodeError::Truncated, Reason::MALFORMED_PACKET),
        (DecodeError::Utf8, Reason::MALFORMED_PACKET),
        (DecodeError::MisplacedProperty, Reason::MALFORMED_PACKET),
        (DecodeError::SubscribeBits, Reason::MALFORMED_PACKET),
        (DecodeError::PropertyTwice, Reason::PROTOCOL_ERROR),
        (DecodeError::EmptyPayload, Reason::PROTOCOL_ERROR),
        (DecodeError::NoTopic, Reason::PROTOCOL_ERROR),
        (DecodeError::ReceiveMaximumZero, Reason::PROTOCOL_ERROR),
        (DecodeError::ProtocolLevel, Reason::UNSUPPORTED_PROTOCOL_VERSION),
        (DecodeError::TopicName, Reason::TOPIC_NAME_INVALID),
        (DecodeError::Filter, Reason::TOPIC_FILTER_INVALID),
        (DecodeError::TopicAliasZero, Reason::TOPIC_ALIAS_INVALID),
    ] {
        assert_eq!(error.reason(), reason, "{error}");
        assert!(reason.is_error());
    }
}
