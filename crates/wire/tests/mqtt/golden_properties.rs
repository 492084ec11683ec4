//! Every property, as bytes and as a value, and the packets that may have it.

use wire::mqtt::{
    DecodeError, Place, Properties, Property, PropertyWriter, PublishHead, QoS, Version, encode_publish_head,
    forwarded, publish_len,
};

use crate::hex;

const PLACES: [Place; 14] = [
    Place::Connect,
    Place::Will,
    Place::ConnAck,
    Place::Publish,
    Place::PubAck,
    Place::PubRec,
    Place::PubRel,
    Place::PubComp,
    Place::Subscribe,
    Place::SubAck,
    Place::Unsubscribe,
    Place::UnsubAck,
    Place::Disconnect,
    Place::Auth,
];

/// The property is these bytes, and may stand in these places and nowhere else.
fn check(text: &str, property: &Property<'_>, places: &[Place]) {
    let bytes = hex::bytes(text);
    let mut out = b"before".to_vec();
    let mut writer = PropertyWriter::new(&mut out);
    writer.put(property);
    assert_eq!(writer.finish().bytes(), bytes, "{property:?}");
    assert_eq!(bytes.first(), Some(&property.id()));
    for place in PLACES {
        // Authentication data goes with a method only, and so does an AUTH.
        let helped = property.id() == 0x16 || place == Place::Auth && property.id() != 0x15;
        let method = hex::bytes("15 0001 'm'");
        let whole =
            if helped && places.contains(&place) { [&bytes[..], &method].concat() } else { bytes.clone() };
        match Properties::parse(place, &whole) {
            Ok(found) => {
                assert!(places.contains(&place), "{property:?} in {place:?}");
                assert_eq!(found.iter().next().as_ref(), Some(property));
                assert_eq!(found.iter().count(), 1 + usize::from(helped));
            }
            Err(error) => {
                assert!(!places.contains(&place), "{property:?} in {place:?}: {error}");
                assert_eq!(error, DecodeError::MisplacedProperty);
            }
        }
        for end in 1..bytes.len() {
            let cut = bytes.get(..end).unwrap_or_default();
            assert_eq!(Properties::parse(place, cut), Err(DecodeError::Truncated), "{property:?} {end}");
        }
    }
}

#[test]
fn every_property_and_its_places() {
    use Place::{Auth, ConnAck, Connect, Disconnect, Publish, Subscribe, Will};
    let message = &[Publish, Will][..];
    let both = &[Connect, ConnAck][..];
    let server = &[ConnAck][..];
    check("01 01", &Property::PayloadFormat(true), message);
    check("02 00000102", &Property::MessageExpiry(258), message);
    check("03 0003 'a/b'", &Property::ContentType("a/b"), message);
    check("08 0001 'r'", &Property::ResponseTopic("r"), message);
    check("09 0002 00ff", &Property::CorrelationData(b"\x00\xff"), message);
    check("0b 01", &Property::SubscriptionId(1), &[Publish, Subscribe]);
    check("0b ffffff7f", &Property::SubscriptionId(268_435_455), &[Publish, Subscribe]);
    check("11 ffffffff", &Property::SessionExpiry(u32::MAX), &[Connect, ConnAck, Disconnect]);
    check("12 0001 'c'", &Property::AssignedClientId("c"), server);
    check("13 003c", &Property::ServerKeepAlive(60), server);
    check("15 0001 'm'", &Property::AuthMethod("m"), &[Connect, ConnAck, Auth]);
    check("16 0001 00", &Property::AuthData(b"\x00"), &[Connect, ConnAck, Auth]);
    check("17 00", &Property::RequestProblemInformation(false), &[Connect]);
    check("18 0000000a", &Property::WillDelay(10), &[Will]);
    check("19 01", &Property::RequestResponseInformation(true), &[Connect]);
    check("1a 0001 'i'", &Property::ResponseInformation("i"), server);
    check("1c 0001 's'", &Property::ServerReference("s"), &[ConnAck, Disconnect]);
    let answers = PLACES
        .into_iter()
        .filter(|place| !matches!(place, Connect | Will | Publish | Subscribe | Place::Unsubscribe));
    check("1f 0003 'why'", &Property::ReasonString("why"), &answers.collect::<Vec<_>>());
    check("21 0001", &Property::ReceiveMaximum(1), both);
    check("22 0000", &Property::TopicAliasMaximum(0), both);
    check("23 ffff", &Property::TopicAlias(u16::MAX), &[Publish]);
    check("24 00", &Property::MaximumQoS(QoS::AtMostOnce), server);
    check("24 01", &Property::MaximumQoS(QoS::AtLeastOnce), server);
    check("25 00", &Property::RetainAvailable(false), server);
    check("26 0001 'k' 0000", &Property::User("k", ""), &PLACES);
    check("27 00000001", &Property::MaximumPacketSize(1), both);
    check("28 00", &Property::WildcardSubscriptionAvailable(false), server);
    check("29 01", &Property::SubscriptionIdAvailable(true), server);
    check("2a 00", &Property::SharedSubscriptionAvailable(false), server);
}

#[test]
//= MQTT5-3.3.2-4
//= MQTT5-3.3.2-15
//= MQTT5-3.3.2-16
//= MQTT5-3.3.2-17
//= MQTT5-3.3.2-18
//= MQTT5-3.3.2-20
//= type=test
fn what_a_server_hands_on() {
    let check = |place, text: &str, expected: &[&str]| {
        let bytes = hex::bytes(text);
        let properties = Properties::parse(place, &bytes).unwrap();
        let expected = expected.iter().map(|part| hex::bytes(part)).collect::<Vec<_>>();
        assert_eq!(forwarded(properties).collect::<Vec<_>>(), expected, "{text}");
    };
    let kept = "26 0001 'a' 0000 01 01 03 0001 't' 26 0001 'b' 0000 08 0001 'r' 09 0000 26 0001 'a' 0000";
    check(Place::Publish, "", &[]);
    check(Place::Publish, kept, &[kept]);
    check(Place::Publish, "23 0001", &[]);
    check(Place::Publish, &format!("23 0001 {kept} 02 00000001"), &[kept]);
    check(Place::Publish, "01 00 02 00000001 0b 05 03 0000 23 0001", &["01 00", "03 0000"]);
    check(Place::Will, "18 00000001 01 00 02 00000001 03 0000", &["01 00", "03 0000"]);
}

#[test]
fn a_publish_head_and_its_length() {
    let head = PublishHead {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: true,
        topic: "a",
        packet_id: None,
        alias: Some(7),
        expiry: Some(60),
        subscription_ids: &[1, 200],
        properties: &hex::bytes("01 01"),
    };
    let check = |version, text: &str| {
        let mut out = Vec::new();
        encode_publish_head(&mut out, version, &head, 2);
        assert_eq!(out, hex::bytes(text));
        assert_eq!(publish_len(version, &head, 2), out.len() + 2);
    };
    check(Version::V311, "31 05 0001 'a'");
    check(Version::V5, "31 15 0001 'a' 0f 230007 020000003c 0b01 0bc801 0101");
    let topic = "t".repeat(130);
    let long = PublishHead { topic: &topic, properties: &[], ..head };
    assert_eq!(publish_len(Version::V31, &long, 0), 1 + 2 + 132, "a length of two bytes");
}
