//! Our decoder against that of `mqtt-protocol-core`, for packets by chance, whole and broken.
//!
//! It knows no 3.1, and gets the flags of the fixed header for a PUBLISH only. Where the two differ
//! on purpose is listed in [`is_lenient`] and [`is_strict`].

use mqtt_protocol_core::mqtt::common::Arc;
use mqtt_protocol_core::mqtt::packet::{Property, SubEntry, v3_1_1, v5_0};
use proptest::prelude::*;
use wire::mqtt::{
    Connect, DecodeError, Kind, Packet, Properties, PropertyWriter, Publish, SubscribeOptions, Version,
    decode, encode,
};

use crate::any_packet::any_parts;
use crate::broken::any_change;
use crate::hex;

/// What a packet says, field by field in an order that both sides keep.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said(Vec<Vec<u8>>);

impl Said {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.push(bytes.to_vec());
        self
    }

    fn number(&mut self, number: impl Into<u32>) -> &mut Self {
        self.bytes(&number.into().to_be_bytes())
    }

    fn option(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        self.number(bytes.is_some()).bytes(bytes.unwrap_or_default())
    }

    /// Written again from their values.
    fn properties(&mut self, properties: Properties<'_>) -> &mut Self {
        let mut out = Vec::new();
        let mut writer = PropertyWriter::new(&mut out);
        for property in properties {
            writer.put(&property);
        }
        self.bytes(&out)
    }

    fn connect(&mut self, connect: &Connect<'_>) {
        self.number(connect.clean_start).number(connect.keep_alive).bytes(connect.client_id.as_bytes());
        self.option(connect.will.map(|will| will.topic.as_bytes()));
        self.option(connect.will.map(|will| will.payload));
        self.number(connect.will.map_or(0, |will| will.qos as u8));
        self.number(connect.will.is_some_and(|will| will.retain));
        self.option(connect.user_name.map(str::as_bytes)).option(connect.password);
        self.properties(connect.properties);
        self.properties(connect.will.map(|will| will.properties).unwrap_or_default());
    }

    fn publish(&mut self, publish: &Publish<'_>) {
        self.number(publish.dup).number(publish.qos as u8).number(publish.retain);
        self.bytes(publish.topic.as_bytes()).number(publish.packet_id.map_or(0, |id| id.get()));
        self.properties(publish.properties).bytes(publish.payload);
    }

    fn filter(&mut self, filter: &str, options: SubscribeOptions) {
        self.bytes(filter.as_bytes()).number(options.qos as u8).number(options.no_local);
        self.number(options.retain_as_published).number(options.retain_handling as u8);
    }

    fn entry(&mut self, entry: &SubEntry) {
        let options = entry.sub_opts();
        self.bytes(entry.topic_filter().as_bytes()).number(options.qos() as u8).number(options.nl());
        self.number(options.rap()).number(options.rh() as u8);
    }
}

fn ours(packet: &Packet<'_>) -> Said {
    let mut said = Said::default();
    match packet {
        Packet::Connect(connect) => said.connect(connect),
        Packet::Publish(publish) => said.publish(publish),
        Packet::ConnAck(ack) => {
            said.number(ack.session_present).number(ack.reason.0).properties(ack.properties);
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            said.number(ack.packet_id.get()).number(ack.reason.0).properties(ack.properties);
        }
        Packet::Subscribe(subscribe) => {
            said.number(subscribe.packet_id.get()).properties(subscribe.properties);
            subscribe.filters.iter().for_each(|(filter, options)| said.filter(filter, options));
        }
        Packet::SubAck(ack) => {
            said.number(ack.packet_id.get()).properties(ack.properties).bytes(ack.reasons);
        }
        Packet::Unsubscribe(unsubscribe) => {
            said.number(unsubscribe.packet_id.get()).properties(unsubscribe.properties);
            unsubscribe.filters.iter().for_each(|filter| {
                said.bytes(filter.as_bytes());
            });
        }
        Packet::UnsubAck(ack) => {
            said.number(ack.packet_id.get()).properties(ack.properties).bytes(ack.reasons);
        }
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(disconnect) => {
            said.number(disconnect.reason.0).properties(disconnect.properties);
        }
        Packet::Auth(auth) => {
            said.number(auth.reason.0).properties(auth.properties);
        }
    }
    said
}

/// Written again from their values.
fn written(properties: &[Property]) -> Vec<u8> {
    properties.iter().flat_map(Property::to_continuous_buffer).collect()
}

/// Fields of an acknowledgement, whose reason and properties may be left out.
macro_rules! ack {
    (v3 $kind:ty, $body:expr, $said:expr) => {{
        let (ack, end) = <$kind>::parse($body).ok()?;
        $said.number(ack.packet_id()).number(ack.reason_code().map_or(0, |code| code as u8)).bytes(b"");
        end
    }};
    (v5 $kind:ty, $body:expr, $said:expr) => {{
        let (ack, end) = <$kind>::parse($body).ok()?;
        $said.number(ack.packet_id()).number(ack.reason_code().map_or(0, |code| code as u8));
        $said.bytes(&ack.props.map(|props| written(&props)).unwrap_or_default());
        end
    }};
}

/// Fields of a CONNECT but its properties.
macro_rules! connect {
    ($kind:ty, $body:expr, $said:expr) => {{
        let (connect, end) = <$kind>::parse($body).ok()?;
        $said.number(connect.clean_start()).number(connect.keep_alive());
        $said.bytes(connect.client_id().as_bytes()).option(connect.will_topic().map(str::as_bytes));
        $said.option(connect.will_payload()).number(connect.will_qos() as u8);
        $said.number(connect.will_retain()).option(connect.user_name().map(str::as_bytes));
        $said.option(connect.password());
        (connect, end)
    }};
}

/// Fields of a PUBLISH; the properties come as bytes.
macro_rules! publish {
    ($kind:ty, $first:expr, $body:expr, $said:expr, $properties:expr) => {{
        let (publish, end) = <$kind>::parse($first & 0x0f, Arc::from($body)).ok()?;
        $said.number(publish.dup()).number(publish.qos() as u8).number(publish.retain());
        $said.bytes(publish.topic_name().as_bytes()).number(publish.packet_id().unwrap_or(0));
        $said.bytes(&$properties(&publish)).bytes(publish.payload().as_slice());
        end
    }};
}

/// What the other decoder makes of a packet of 3.1.1; `None` if it is refused.
fn theirs_of_v311(kind: Kind, first: u8, body: &[u8]) -> Option<Said> {
    let mut said = Said::default();
    let end = match kind {
        Kind::Connect => {
            let (_, end) = connect!(v3_1_1::Connect, body, said);
            said.bytes(b"").bytes(b"");
            end
        }
        Kind::ConnAck => {
            let (ack, end) = v3_1_1::Connack::parse(body).ok()?;
            let reason = [0, 0x84, 0x85, 0x88, 0x86, 0x87][ack.return_code() as usize];
            said.number(ack.session_present()).number(reason as u8).bytes(b"");
            end
        }
        Kind::Publish => publish!(v3_1_1::Publish, first, body, said, |_| Vec::new()),
        Kind::PubAck => ack!(v3 v3_1_1::Puback, body, said),
        Kind::PubRec => ack!(v3 v3_1_1::Pubrec, body, said),
        Kind::PubRel => ack!(v3 v3_1_1::Pubrel, body, said),
        Kind::PubComp => ack!(v3 v3_1_1::Pubcomp, body, said),
        Kind::Subscribe => {
            let (subscribe, end) = v3_1_1::Subscribe::parse(body).ok()?;
            said.number(subscribe.packet_id()).bytes(b"");
            subscribe.entries().iter().for_each(|entry| said.entry(entry));
            end
        }
        Kind::SubAck => {
            let (ack, end) = v3_1_1::Suback::parse(body).ok()?;
            let codes: Vec<u8> = ack.return_codes().into_iter().map(|code| code as u8).collect();
            said.number(ack.packet_id()).bytes(b"").bytes(&codes);
            end
        }
        Kind::Unsubscribe => {
            let (unsubscribe, end) = v3_1_1::Unsubscribe::parse(body).ok()?;
            said.number(unsubscribe.packet_id()).bytes(b"");
            unsubscribe.entries().iter().for_each(|filter| {
                said.bytes(filter.as_str().as_bytes());
            });
            end
        }
        Kind::UnsubAck => {
            let (ack, end) = v3_1_1::Unsuback::parse(body).ok()?;
            said.number(ack.packet_id()).bytes(b"").bytes(b"");
            end
        }
        Kind::PingReq | Kind::PingResp => 0,
        Kind::Disconnect => {
            said.number(0_u8).bytes(b"");
            0
        }
        Kind::Auth => return None,
    };
    // Its connection hands over whole packets and does not look for more behind them.
    (end == body.len()).then_some(said)
}

/// What the other decoder makes of a packet of 5.0; `None` if it is refused.
fn theirs_of_v5(kind: Kind, first: u8, body: &[u8]) -> Option<Said> {
    let mut said = Said::default();
    let end = match kind {
        Kind::Connect => {
            let (connect, end) = connect!(v5_0::Connect, body, said);
            said.bytes(&written(&connect.props));
            said.bytes(&written(&connect.will_props));
            end
        }
        Kind::ConnAck => {
            let (ack, end) = v5_0::Connack::parse(body).ok()?;
            said.number(ack.session_present()).number(ack.reason_code() as u8);
            said.bytes(&written(&ack.props));
            end
        }
        Kind::Publish => {
            let properties = |publish: &v5_0::Publish| written(&publish.props);
            publish!(v5_0::Publish, first, body, said, properties)
        }
        Kind::PubAck => ack!(v5 v5_0::Puback, body, said),
        Kind::PubRec => ack!(v5 v5_0::Pubrec, body, said),
        Kind::PubRel => ack!(v5 v5_0::Pubrel, body, said),
        Kind::PubComp => ack!(v5 v5_0::Pubcomp, body, said),
        Kind::Subscribe => {
            let (subscribe, end) = v5_0::Subscribe::parse(body).ok()?;
            said.number(subscribe.packet_id()).bytes(&written(&subscribe.props));
            subscribe.entries().iter().for_each(|entry| said.entry(entry));
            end
        }
        Kind::SubAck => {
            let (ack, end) = v5_0::Suback::parse(body).ok()?;
            let codes: Vec<u8> = ack.reason_codes().into_iter().map(|code| code as u8).collect();
            said.number(ack.packet_id()).bytes(&written(&ack.props)).bytes(&codes);
            end
        }
        Kind::Unsubscribe => {
            let (unsubscribe, end) = v5_0::Unsubscribe::parse(body).ok()?;
            said.number(unsubscribe.packet_id()).bytes(&written(&unsubscribe.props));
            unsubscribe.entries().iter().for_each(|filter| {
                said.bytes(filter.as_str().as_bytes());
            });
            end
        }
        Kind::UnsubAck => {
            let (ack, end) = v5_0::Unsuback::parse(body).ok()?;
            let codes: Vec<u8> = ack.reason_codes().into_iter().map(|code| code as u8).collect();
            said.number(ack.packet_id()).bytes(&written(&ack.props)).bytes(&codes);
            end
        }
        Kind::PingReq | Kind::PingResp => 0,
        Kind::Disconnect => {
            let (disconnect, end) = v5_0::Disconnect::parse(body).ok()?;
            said.number(disconnect.reason_code().map_or(0, |code| code as u8));
            said.bytes(&disconnect.props.map(|props| written(&props)).unwrap_or_default());
            end
        }
        Kind::Auth => {
            let (auth, end) = v5_0::Auth::parse(body).ok()?;
            said.number(auth.reason_code().map_or(0, |code| code as u8));
            said.bytes(&auth.props.map(|props| written(&props)).unwrap_or_default());
            end
        }
    };
    (end == body.len()).then_some(said)
}

/// What only we refuse, each with the clause that we keep to.
fn is_lenient(error: DecodeError, version: Version, kind: Kind) -> bool {
    match error {
        // It never sees these flags: its connection looks at them.
        DecodeError::Flags => kind != Kind::Publish,
        // MQTT5-1.5.4-2, MQTT311-1.5.3-2.
        DecodeError::Nul => true,
        // MQTT5-1.5.5-1, not always looked at.
        DecodeError::OverlongVarInt => version == Version::V5,
        // MQTT5-2.2.1-3, MQTT311-2.3.1-1; it knows for acknowledgements.
        DecodeError::PacketIdZero => {
            matches!(
                kind,
                Kind::Publish | Kind::Subscribe | Kind::SubAck | Kind::Unsubscribe | Kind::UnsubAck
            )
        }
        // MQTT5-3.1.2-3, -11 to -13; MQTT311-3.1.2-3, -13 to -15.
        DecodeError::WillFlags => kind == Kind::Connect,
        // MQTT5-3.2.2-1, -6; MQTT311-3.2.2-4.
        DecodeError::ReservedFlag => matches!(kind, Kind::Connect | Kind::ConnAck),
        DecodeError::SessionPresent => kind == Kind::ConnAck,
        // MQTT5-3.3.1-2, MQTT311-3.3.1-2.
        DecodeError::DupAtQoS0 => kind == Kind::Publish,
        // MQTT5-3.1.2-12; it knows for a PUBLISH.
        DecodeError::QoS => kind == Kind::Connect,
        // MQTT5-3.3.2-2, -14; MQTT5-4.7.3-1; MQTT5 3.3.2.1.
        DecodeError::TopicName => matches!(kind, Kind::Connect | Kind::Publish),
        DecodeError::ResponseTopic => matches!(kind, Kind::Connect | Kind::Publish),
        DecodeError::NoTopic => kind == Kind::Publish,
        // MQTT5-4.7.1-1, -2, MQTT5-4.7.3-1: it looks for share names only.
        DecodeError::Filter => matches!(kind, Kind::Subscribe | Kind::Unsubscribe),
        // MQTT311-3.8.3-4: it allows the options of 5.0.
        DecodeError::SubscribeBits => version == Version::V311 && kind == Kind::Subscribe,
        // MQTT5 3.1.2.11.10 and 3.15.2.2.2.
        DecodeError::NoAuthMethod => matches!(kind, Kind::Connect | Kind::ConnAck | Kind::Auth),
        // The length of properties may not be left out: MQTT5 3.3.2.3.1 in a PUBLISH, 3.15.2.1 in an
        // AUTH with a reason.
        DecodeError::Truncated => version == Version::V5 && matches!(kind, Kind::Publish | Kind::Auth),
        // MQTT311 3.4.1, 3.5.1, 3.6.1, 3.7.1: the remaining length is 2. It takes a reason code.
        DecodeError::TrailingBytes => {
            version == Version::V311
                && matches!(kind, Kind::PubAck | Kind::PubRec | Kind::PubRel | Kind::PubComp)
        }
        _ => false,
    }
}

/// What only the other refuses: a password without a user name, which 5.0 allows (MQTT5 3.1.2.9).
fn is_strict(packet: &Packet<'_>) -> bool {
    match packet {
        Packet::Connect(connect) => {
            connect.version == Version::V5 && connect.user_name.is_none() && connect.password.is_some()
        }
        _ => false,
    }
}

fn compare(version: Version, first: u8, body: &[u8]) -> Result<(), TestCaseError> {
    let Some(kind) = Kind::of(first) else { return Ok(()) };
    let decoded = decode(version, first, body);
    let version = match decoded {
        // The other is told which version it is to expect.
        Ok(Packet::Connect(Connect { version, .. })) => version,
        Err(DecodeError::ProtocolName | DecodeError::ProtocolLevel) if kind == Kind::Connect => return Ok(()),
        _ => version,
    };
    let theirs = match version {
        Version::V31 => return Ok(()),
        Version::V311 => theirs_of_v311(kind, first, body),
        Version::V5 => theirs_of_v5(kind, first, body),
    };
    match (decoded, theirs) {
        (Ok(packet), Some(theirs)) => prop_assert_eq!(ours(&packet), theirs, "{:?}", packet),
        (Ok(packet), None) => prop_assert!(is_strict(&packet), "only the other refuses {packet:?}"),
        (Err(error), Some(theirs)) => prop_assert!(
            is_lenient(error, version, kind),
            "only we refuse {kind:?} of {version:?} for {error:?}: {first:02x} {body:02x?} {theirs:?}"
        ),
        (Err(_), None) => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whole_packets_say_the_same(parts in any_parts()) {
        let (mut buffer, mut out) = (Vec::new(), Vec::new());
        encode(&mut out, parts.version, &parts.packet(&mut buffer));
        let (first, body) = hex::split(&out);
        compare(parts.version, first, body)?;
    }

    #[test]
    fn broken_packets_say_the_same(parts in any_parts(), change in any_change()) {
        let (mut buffer, mut out) = (Vec::new(), Vec::new());
        encode(&mut out, parts.version, &parts.packet(&mut buffer));
        let (first, body) = hex::split(&out);

        let (first, body) = change.apply(first, body);
        compare(parts.version, first, &body)?;
    }
}
