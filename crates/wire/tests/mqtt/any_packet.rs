//! Packets by chance: values that own what a packet borrows.

use std::num::NonZeroU16;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use wire::mqtt::{
    Ack, Auth, ConnAck, Connect, Disconnect, FilterNames, Filters, Kind, Packet, Place, Properties, Property,
    PropertyWriter, Publish, QoS, Reason, RetainHandling, SubAck, Subscribe, SubscribeOptions, UnsubAck,
    Unsubscribe, Version, Will, put_filter, put_name,
};

/// What a packet of any kind is made of; each kind takes what it needs.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) version: Version,
    kind: Kind,
    flags: (bool, bool, bool),
    qos: QoS,
    packet_id: NonZeroU16,
    reason: Reason,
    reasons: Vec<u8>,
    texts: (String, Option<String>),
    topic: String,
    bytes: (Vec<u8>, Option<Vec<u8>>),
    filters: Vec<(String, SubscribeOptions)>,
    properties: Vec<u8>,
    will: Option<(Vec<u8>, QoS)>,
    number: u16,
}

/// Any packet of any version, as its parts.
pub(crate) fn any_parts() -> impl Strategy<Value = Parts> {
    let version = select(vec![Version::V31, Version::V311, Version::V5]);
    (version, 1..=15_u8).prop_flat_map(|(version, kind)| {
        let kind = match Kind::of(kind << 4).expect("all but 0 are types") {
            Kind::Auth if version != Version::V5 => Kind::Disconnect,
            kind => kind,
        };
        let reason = select(reasons(version, kind));
        let place = Place::of(kind).filter(|_| version == Version::V5);
        let will_place = place.map(|_| Place::Will);
        let first = (
            any::<(bool, bool, bool)>(),
            any_qos(),
            any::<NonZeroU16>(),
            reason.clone(),
            vec(reason, 1..4),
            (any_text(), option::of(any_text())),
        );
        let second = (
            any_topic(),
            (vec(any::<u8>(), 0..9), option::of(vec(any::<u8>(), 0..4))),
            vec((any_filter(), any_options(version)), 1..4),
            any_properties(place),
            option::of((any_properties(will_place), any_qos())),
            any::<u16>(),
        );
        (first, second).prop_map(move |(first, second)| {
            let (flags, qos, packet_id, reason, reasons, texts) = first;
            let (topic, bytes, filters, properties, will, number) = second;
            let reasons = reasons.into_iter().map(|reason| reason.0).collect();
            Parts {
                version,
                kind,
                flags,
                qos,
                packet_id,
                reason,
                reasons,
                texts,
                topic,
                bytes,
                filters,
                properties,
                will,
                number,
            }
        })
    })
}

impl Parts {
    /// Hands out the packet, which borrows from these parts and from `buffer`.
    pub(crate) fn packet<'a>(&'a self, buffer: &'a mut Vec<u8>) -> Packet<'a> {
        let packet_id = self.packet_id;
        let place = Place::of(self.kind).unwrap_or(Place::Publish);
        let properties = Properties::parse(place, &self.properties).expect("properties of this place");
        let reasons = &self.reasons[..];
        let ack = Ack { packet_id, reason: self.reason, properties };
        match self.kind {
            Kind::Connect => Packet::Connect(self.connect(properties)),
            Kind::ConnAck => Packet::ConnAck(ConnAck {
                session_present: self.flags.0
                    && self.reason == Reason::SUCCESS
                    && self.version != Version::V31,
                reason: self.reason,
                properties,
            }),
            Kind::Publish => Packet::Publish(self.publish(properties)),
            Kind::PubAck => Packet::PubAck(ack),
            Kind::PubRec => Packet::PubRec(ack),
            Kind::PubRel => Packet::PubRel(ack),
            Kind::PubComp => Packet::PubComp(ack),
            Kind::Subscribe => {
                for (filter, options) in &self.filters {
                    put_filter(buffer, filter, *options);
                }
                let filters = Filters::parse(self.version, buffer).expect("good filters");
                Packet::Subscribe(Subscribe { packet_id, properties, filters })
            }
            Kind::SubAck => Packet::SubAck(SubAck { packet_id, properties, reasons }),
            Kind::Unsubscribe => {
                for (filter, _) in &self.filters {
                    put_name(buffer, filter);
                }
                let filters = FilterNames::parse(self.version, buffer).expect("good filters");
                Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters })
            }
            Kind::UnsubAck => {
                let reasons = if self.version == Version::V5 { reasons } else { &[] };
                Packet::UnsubAck(UnsubAck { packet_id, properties, reasons })
            }
            Kind::PingReq => Packet::PingReq,
            Kind::PingResp => Packet::PingResp,
            Kind::Disconnect => Packet::Disconnect(Disconnect { reason: self.reason, properties }),
            // Without properties, and so without a method, only success can be said.
            Kind::Auth if properties.is_empty() => Packet::Auth(Auth { reason: Reason::SUCCESS, properties }),
            Kind::Auth => Packet::Auth(Auth { reason: self.reason, properties }),
        }
    }

    fn connect<'a>(&'a self, properties: Properties<'a>) -> Connect<'a> {
        let will = |(properties, qos): &'a (Vec<u8>, QoS)| Will {
            qos: *qos,
            retain: self.flags.1,
            topic: &self.topic,
            payload: &self.bytes.0,
            properties: Properties::parse(Place::Will, properties).expect("properties of a will"),
        };
        let user_name = self.texts.1.as_deref();
        // Before 5.0 there is no password without a user name.
        let with_password = self.version == Version::V5 || user_name.is_some();
        Connect {
            version: self.version,
            clean_start: self.flags.0,
            keep_alive: self.number,
            client_id: &self.texts.0,
            will: self.will.as_ref().map(will),
            user_name,
            password: self.bytes.1.as_deref().filter(|_| with_password),
            properties,
        }
    }

    fn publish<'a>(&'a self, properties: Properties<'a>) -> Publish<'a> {
        let has_alias = properties.iter().any(|property| matches!(property, Property::TopicAlias(_)));
        let topic = if has_alias && self.flags.2 { "" } else { &self.topic };
        let numbered = self.qos != QoS::AtMostOnce;
        let length = if self.version == Version::V5 { 1 + self.properties.len() } else { 0 };
        assert!(self.properties.len() < 128, "one byte tells the length of the properties");
        Publish {
            dup: self.flags.0 && numbered,
            qos: self.qos,
            retain: self.flags.1,
            topic,
            packet_id: numbered.then_some(self.packet_id),
            properties,
            payload: &self.bytes.0,
            payload_start: 2 + topic.len() + if numbered { 2 } else { 0 } + length,
        }
    }
}

fn any_qos() -> impl Strategy<Value = QoS> {
    select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

fn any_text() -> impl Strategy<Value = String> {
    "[a-z/+#é€\u{feff}\u{10ffff}]{0,6}"
}

fn any_topic() -> impl Strategy<Value = String> {
    "[a-z/$ é€\u{feff}]{1,6}"
}

fn any_filter() -> impl Strategy<Value = String> {
    prop_oneof![
        any_topic(),
        "[+ab]?(/[+cd]?){1,3}(/#)?",
        Just("#".to_owned()),
        "\\$share/[a-z]{1,3}/[a-z+](/#)?"
    ]
}

fn any_options(version: Version) -> impl Strategy<Value = SubscribeOptions> {
    let handling = select(vec![RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::Never]);
    (any_qos(), any::<(bool, bool)>(), handling).prop_map(move |(qos, flags, retain_handling)| {
        if version != Version::V5 {
            return SubscribeOptions::of_qos(qos);
        }
        SubscribeOptions { qos, no_local: flags.0, retain_as_published: flags.1, retain_handling }
    })
}

/// The reasons that a packet may have; others are of no matter to it.
fn reasons(version: Version, kind: Kind) -> Vec<Reason> {
    let codes: &[u8] = match (version, kind) {
        (_, Kind::ConnAck) => &[0, 0x84, 0x85, 0x86, 0x87, 0x88],
        (Version::V31 | Version::V311, Kind::SubAck) => &[0, 1, 2, 0x80],
        (Version::V31 | Version::V311, _) => &[0],
        (_, Kind::PubAck | Kind::PubRec) => &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
        (_, Kind::PubRel | Kind::PubComp) => &[0, 0x92],
        (_, Kind::SubAck) => &[0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2],
        (_, Kind::UnsubAck) => &[0, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91],
        (_, Kind::Disconnect) => &[0, 4, 0x80, 0x81, 0x82, 0x8b, 0x8d, 0x8e, 0x93, 0x95, 0xa0],
        (_, Kind::Auth) => &[0, 0x18, 0x19],
        _ => &[0],
    };
    codes.iter().copied().map(Reason).collect()
}

/// A few of the properties that the place allows, in any order, none too often.
fn any_properties(place: Option<Place>) -> BoxedStrategy<Vec<u8>> {
    let Some(place) = place else { return Just(Vec::new()).boxed() };
    (Just(every_property()).prop_shuffle(), 0..6_usize)
        .prop_map(move |(properties, count)| {
            let mut out = Vec::new();
            let mut chosen = 0;
            for property in properties {
                let before = out.len();
                PropertyWriter::new(&mut out).put(&property);
                // Whatever may not follow is taken back.
                let helped = matches!(property, Property::AuthData(_)) || place == Place::Auth;
                if helped && !has_method(&out) && chosen < count {
                    PropertyWriter::new(&mut out).put(&Property::AuthMethod("m"));
                }
                if chosen >= count || Properties::parse(place, &out).is_err() {
                    out.truncate(before);
                } else {
                    chosen += 1;
                }
            }
            out
        })
        .boxed()
}

fn has_method(properties: &[u8]) -> bool {
    Properties::parse(Place::Connect, properties)
        .or_else(|_| Properties::parse(Place::Auth, properties))
        .or_else(|_| Properties::parse(Place::ConnAck, properties))
        .is_ok_and(|found| found.iter().any(|property| matches!(property, Property::AuthMethod(_))))
}

fn every_property() -> Vec<Property<'static>> {
    vec![
        Property::PayloadFormat(true),
        Property::MessageExpiry(7),
        Property::ContentType("text/plain"),
        Property::ResponseTopic("r/é"),
        Property::CorrelationData(b"\x00\xff"),
        Property::SubscriptionId(1),
        Property::SubscriptionId(16_384),
        Property::SessionExpiry(u32::MAX),
        Property::AssignedClientId("c"),
        Property::ServerKeepAlive(60),
        Property::AuthMethod("m"),
        Property::AuthData(b""),
        Property::RequestProblemInformation(false),
        Property::WillDelay(3),
        Property::RequestResponseInformation(true),
        Property::ResponseInformation("i"),
        Property::ServerReference("s"),
        Property::ReasonString("because"),
        Property::ReceiveMaximum(1),
        Property::TopicAliasMaximum(0),
        Property::TopicAlias(9),
        Property::MaximumQoS(QoS::AtLeastOnce),
        Property::RetainAvailable(false),
        Property::User("k", "v"),
        Property::User("k", ""),
        Property::User("", "\u{feff}"),
        Property::MaximumPacketSize(100),
        Property::WildcardSubscriptionAvailable(false),
        Property::SubscriptionIdAvailable(true),
        Property::SharedSubscriptionAvailable(false),
    ]
}
