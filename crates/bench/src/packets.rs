//! Packets that clients of measurements and attacks send, apart from the load generator's own.

use std::num::NonZeroU16;

use wire::mqtt::{
    Connect, Filters, Packet, Place, Properties, Property, PropertyWriter, Publish, QoS, Subscribe,
    SubscribeOptions, Version, Will, encode, put_filter,
};

/// Who connects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'a> {
    pub(crate) id: &'a str,
    /// How long its session waits for it; 0 for none. Before 5.0 all sessions that wait do so without end.
    pub(crate) session_seconds: u32,
    pub(crate) keep_alive: u16,
    pub(crate) will_topic: Option<&'a str>,
}

/// What is published, at QoS 1 if it has an id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) topic: &'a str,
    pub(crate) id: Option<u16>,
    pub(crate) retain: bool,
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl Message<'_> {
    pub(crate) const PLAIN: Message<'static> =
        Message { topic: "", id: None, retain: false, properties: &[], payload: &[] };
}

pub(crate) fn connect(version: Version, client: &Client<'_>) -> Vec<u8> {
    let (mut bytes, mut properties) = (Vec::new(), Vec::new());
    let mut writer = PropertyWriter::new(&mut properties);
    if version == Version::V5 {
        writer.put(&Property::SessionExpiry(client.session_seconds));
    }
    let will = client.will_topic.map(|topic| Will {
        qos: QoS::AtMostOnce,
        retain: false,
        topic,
        payload: b"gone",
        properties: Properties::EMPTY,
    });
    let connect = Connect {
        version,
        clean_start: client.session_seconds == 0,
        keep_alive: client.keep_alive,
        client_id: client.id,
        will,
        user_name: None,
        password: None,
        properties: writer.finish(),
    };
    encode(&mut bytes, version, &Packet::Connect(connect));
    bytes
}

pub(crate) fn subscribe(bytes: &mut Vec<u8>, version: Version, filters: &[&str], qos: QoS) {
    let mut encoded = Vec::new();
    filters.iter().for_each(|filter| put_filter(&mut encoded, filter, SubscribeOptions::of_qos(qos)));
    let filters = Filters::parse(version, &encoded).expect("filters that are made here");
    let subscribe = Subscribe { packet_id: NonZeroU16::MIN, properties: Properties::EMPTY, filters };
    encode(bytes, version, &Packet::Subscribe(subscribe));
}

pub(crate) fn publish(bytes: &mut Vec<u8>, version: Version, message: &Message<'_>) {
    let packet_id = message.id.and_then(NonZeroU16::new);
    let properties = Properties::parse(Place::Publish, message.properties);
    let publish = Publish {
        dup: false,
        qos: if packet_id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce },
        retain: message.retain,
        topic: message.topic,
        packet_id,
        properties: properties.expect("properties that are made here"),
        payload: message.payload,
        payload_start: 0,
    };
    encode(bytes, version, &Packet::Publish(publish));
}
