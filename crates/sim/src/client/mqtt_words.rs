//! The packets that MQTT clients send.

use std::num::NonZeroU16;

use wire::mqtt::{
    Ack, Connect, Disconnect, Filters, Packet, Place, Properties, Property, PropertyWriter, Publish, QoS,
    Reason, Subscribe, SubscribeOptions, Version, Will, encode, put_filter,
};

use crate::client::mqtt::Wishes;

/// The only packet id of a SUBSCRIBE: far above those of messages.
pub(crate) const SUBSCRIBE_ID: NonZeroU16 = NonZeroU16::MAX;

/// Which acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// PUBACK.
    Ack,
    /// PUBREC.
    Rec,
    /// PUBREL.
    Rel,
    /// PUBCOMP.
    Comp,
}

/// One message as it is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: u8,
    pub(crate) id: Option<NonZeroU16>,
    pub(crate) is_again: Again,
    pub(crate) retain: bool,
    pub(crate) expiry_s: Option<u32>,
}

/// Whether the server may have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    Yes,
    No,
}

pub(crate) fn connect(wishes: &Wishes, owner: usize, earlier: u64) -> Vec<u8> {
    let mut properties = Vec::new();
    if wishes.version == Version::V5 {
        let mut writer = PropertyWriter::new(&mut properties);
        if wishes.expiry_s > 0 {
            writer.put(&Property::SessionExpiry(wishes.expiry_s));
        }
        if let Some(count) = wishes.receive_max {
            writer.put(&Property::ReceiveMaximum(count));
        }
    }
    let (topic, payload, mut of_will) = (will_topic(owner), will_payload(earlier), Vec::new());
    if let Some(delay_s) = wishes.will_delay_s.filter(|delay_s| *delay_s > 0) {
        PropertyWriter::new(&mut of_will).put(&Property::WillDelay(delay_s));
    }
    let will = wishes.will_delay_s.map(|_| Will {
        qos: QoS::AtLeastOnce,
        retain: true,
        topic: &topic,
        payload: &payload,
        properties: parsed(Place::Will, &of_will),
    });
    bytes(
        wishes.version,
        &Packet::Connect(Connect {
            version: wishes.version,
            clean_start: wishes.expiry_s == 0,
            keep_alive: 0,
            client_id: &wishes.client_id,
            will,
            user_name: None,
            password: None,
            properties: parsed(Place::Connect, &properties),
        }),
    )
}

pub(crate) fn will_topic(owner: usize) -> String {
    format!("$w/{owner}")
}

/// What is said if a client's connection goes that is so many connections after its first.
pub(crate) fn will_payload(earlier: u64) -> Vec<u8> {
    format!("gone {earlier}").into_bytes()
}

pub(crate) fn subscribe(version: Version, filter: &str, qos: u8) -> Vec<u8> {
    let mut filters = Vec::new();
    put_filter(&mut filters, filter, SubscribeOptions::of_qos(qos_of(qos)));
    let filters = Filters::parse(version, &filters).expect("a filter of ours");
    bytes(
        version,
        &Packet::Subscribe(Subscribe { packet_id: SUBSCRIBE_ID, properties: Properties::EMPTY, filters }),
    )
}

pub(crate) fn publish(version: Version, message: &Outgoing<'_>) -> Vec<u8> {
    let mut properties = Vec::new();
    if let Some(seconds) = message.expiry_s.filter(|_| version == Version::V5) {
        PropertyWriter::new(&mut properties).put(&Property::MessageExpiry(seconds));
    }
    bytes(
        version,
        &Packet::Publish(Publish {
            dup: message.is_again == Again::Yes,
            qos: qos_of(message.qos),
            retain: message.retain,
            topic: message.topic,
            packet_id: message.id,
            properties: parsed(Place::Publish, &properties),
            payload: message.payload,
            payload_start: 0,
        }),
    )
}

pub(crate) fn ack(version: Version, kind: Kind, id: NonZeroU16) -> Vec<u8> {
    let ack = Ack::new(id, Reason::SUCCESS);
    let packet = match kind {
        Kind::Ack => Packet::PubAck(ack),
        Kind::Rec => Packet::PubRec(ack),
        Kind::Rel => Packet::PubRel(ack),
        Kind::Comp => Packet::PubComp(ack),
    };
    bytes(version, &packet)
}

pub(crate) fn disconnect(version: Version) -> Vec<u8> {
    let disconnect = Disconnect { reason: Reason::SUCCESS, properties: Properties::EMPTY };
    bytes(version, &Packet::Disconnect(disconnect))
}

fn parsed(place: Place, properties: &[u8]) -> Properties<'_> {
    Properties::parse(place, properties).expect("properties of ours")
}

fn qos_of(number: u8) -> QoS {
    QoS::of(number).expect("0 to 2")
}

fn bytes(version: Version, packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes, version, packet);
    bytes
}
