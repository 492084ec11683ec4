//! What stands in front of a payload that is sent as it lies: the fixed header, topic, packet
//! identifier and properties of a PUBLISH.

use std::num::NonZeroU16;

use super::encode::{head_len, write_head};
use super::sink::{Count, Sink};
use super::{Kind, Property, Publish, QoS, Version};

/// A PUBLISH without its payload. In 5.0 the properties come in this order: alias, expiry,
/// subscription identifiers, and those that are handed on; before, there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishHead<'a> {
    pub dup: bool,
    pub qos: QoS,
    pub retain: bool,
    /// May be empty if there is an alias that the receiver knows.
    pub topic: &'a str,
    /// Present if the QoS is not 0.
    pub packet_id: Option<NonZeroU16>,
    pub alias: Option<u16>,
    /// Seconds that are left.
    pub expiry: Option<u32>,
    /// One for each subscription that matched and has one.
    pub subscription_ids: &'a [u32],
    /// Already encoded, without a length in front; see [`forwarded`](super::forwarded).
    pub properties: &'a [u8],
}

impl<'a> PublishHead<'a> {
    /// The head of a PUBLISH, whose properties stay as they are.
    pub(super) fn of(publish: &Publish<'a>) -> Self {
        Self {
            dup: publish.dup,
            qos: publish.qos,
            retain: publish.retain,
            topic: publish.topic,
            packet_id: publish.packet_id,
            alias: None,
            expiry: None,
            subscription_ids: &[],
            properties: publish.properties.bytes(),
        }
    }

    fn first(&self) -> u8 {
        let dup = u8::from(self.dup) << 3;
        let qos = (self.qos as u8) << 1;
        (Kind::Publish as u8) << 4 | dup | qos | u8::from(self.retain)
    }
}

/// The head of messages that differ in payload and packet id only, encoded once.
#[derive(Debug, Default)]
pub struct PublishFrame {
    first: u8,
    /// All but the first byte, the remaining length and the packet id, which stands at `id_at`.
    bytes: Vec<u8>,
    id_at: usize,
    id_len: usize,
}

impl PublishFrame {
    /// Sets what the messages have in common: all of the head but its packet id.
    ///
    /// # Panics
    /// As [`encode_publish_head`] does.
    pub fn set(&mut self, version: Version, head: &PublishHead<'_>) {
        self.first = head.first();
        self.id_at = 2 + head.topic.len();
        self.id_len = if head.qos == QoS::AtMostOnce { 0 } else { 2 };
        self.bytes.clear();
        let head = PublishHead { packet_id: None, ..*head };
        write_variable(&mut self.bytes, version, &head, properties_len(version, &head));
    }

    /// Bytes of a whole packet with a payload of `payload_len` bytes.
    #[inline]
    #[must_use]
    pub fn packet_len(&self, payload_len: usize) -> usize {
        let body = self.body_len(payload_len);
        head_len(body).saturating_add(body)
    }

    /// Appends everything up to the payload, which has `payload_len` bytes and follows. The packet
    /// id is there if the QoS that was set is not 0.
    ///
    /// # Panics
    /// If the packet has more than 268,435,455 bytes.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>, packet_id: Option<NonZeroU16>, payload_len: usize) {
        write_head(out, self.first, self.body_len(payload_len));
        let (topic, properties) = self.bytes.split_at_checked(self.id_at).unwrap_or((&self.bytes, &[]));
        out.extend_from_slice(topic);
        if let Some(id) = packet_id {
            out.extend_from_slice(&id.get().to_be_bytes());
        }
        out.extend_from_slice(properties);
    }

    fn body_len(&self, payload_len: usize) -> usize {
        (self.bytes.len() + self.id_len).saturating_add(payload_len)
    }
}

/// Appends everything up to the payload, which has `payload_len` bytes and follows.
///
/// # Panics
/// If the topic has more than 65,535 bytes, a subscription identifier more than 28 bits, or the
/// packet more than 268,435,455 bytes.
#[inline]
pub fn encode_publish_head(out: &mut Vec<u8>, version: Version, head: &PublishHead<'_>, payload_len: usize) {
    let properties = properties_len(version, head);
    let body = variable_len(version, head, properties).saturating_add(payload_len);
    write_head(out, head.first(), body);
    write_variable(out, version, head, properties);
}

/// Bytes of the whole packet, with a payload of `payload_len` bytes.
#[inline]
#[must_use]
pub fn publish_len(version: Version, head: &PublishHead<'_>, payload_len: usize) -> usize {
    let properties = properties_len(version, head);
    let body = variable_len(version, head, properties).saturating_add(payload_len);
    head_len(body).saturating_add(body)
}

#[inline]
fn properties_len(version: Version, head: &PublishHead<'_>) -> usize {
    let mut count = Count::default();
    if version == Version::V5 {
        write_properties(&mut count, head);
    }
    count.len()
}

#[inline]
fn variable_len(version: Version, head: &PublishHead<'_>, properties: usize) -> usize {
    let mut count = Count::default();
    write_variable(&mut count, version, head, properties);
    count.len()
}

#[inline]
fn write_variable(sink: &mut impl Sink, version: Version, head: &PublishHead<'_>, properties: usize) {
    sink.binary(head.topic.as_bytes());
    if let Some(packet_id) = head.packet_id {
        sink.u16(packet_id.get());
    }
    if version == Version::V5 {
        sink.var_int(properties);
        write_properties(sink, head);
    }
}

#[inline]
fn write_properties(sink: &mut impl Sink, head: &PublishHead<'_>) {
    if let Some(alias) = head.alias {
        Property::TopicAlias(alias).write(sink);
    }
    if let Some(seconds) = head.expiry {
        Property::MessageExpiry(seconds).write(sink);
    }
    for id in head.subscription_ids {
        Property::SubscriptionId(*id).write(sink);
    }
    sink.bytes(head.properties);
}
