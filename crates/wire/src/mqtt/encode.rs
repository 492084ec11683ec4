//! Packets into bytes. What is made by hand is trusted to be right: [`super::decode()`] is
//! what checks.

use super::decode::{CLEAN_START, PASSWORD, USER_NAME, WILL, WILL_RETAIN};
use super::publish_head::{self, PublishHead};
use super::sink::{Count, Sink};
use super::{Ack, BODY_BYTES_MAX, ConnAck, Connect, Packet, Properties, Reason, Version, Will};

/// Appends a whole packet. A CONNECT is of the version that it says itself. The packet is gone
/// through twice: for its length, and for its bytes.
///
/// # Panics
/// If a string has more than 65,535 bytes, or the packet more than 268,435,455.
pub fn encode(out: &mut Vec<u8>, version: Version, packet: &Packet<'_>) {
    if let Packet::Publish(publish) = packet {
        let head = PublishHead::of(publish);
        publish_head::encode_publish_head(out, version, &head, publish.payload.len());
        out.extend_from_slice(publish.payload);
        return;
    }
    let body = body_len(version, packet);
    out.reserve(head_len(body) + body);
    write_head(out, packet.kind().first(), body);
    let start = out.len();
    write_body(out, version, packet);
    assert_eq!(out.len() - start, body, "the length that was told is the length that was written");
}

/// How many bytes [`encode`] would append.
#[must_use]
pub fn encoded_len(version: Version, packet: &Packet<'_>) -> usize {
    if let Packet::Publish(publish) = packet {
        return publish_head::publish_len(version, &PublishHead::of(publish), publish.payload.len());
    }
    let body = body_len(version, packet);
    head_len(body) + body
}

/// Bytes of the fixed header in front of a body.
#[inline]
pub(super) fn head_len(body: usize) -> usize {
    1 + super::frame::var_int_len(body)
}

#[inline]
pub(super) fn write_head(out: &mut Vec<u8>, first: u8, body: usize) {
    assert!(body <= BODY_BYTES_MAX, "whoever makes a packet keeps it within the protocol's bound");
    out.u8(first);
    out.var_int(body);
}

fn body_len(version: Version, packet: &Packet<'_>) -> usize {
    let mut count = Count::default();
    write_body(&mut count, version, packet);
    count.len()
}

fn write_body(sink: &mut impl Sink, version: Version, packet: &Packet<'_>) {
    match packet {
        Packet::Connect(connect) => write_connect(sink, connect),
        Packet::ConnAck(ack) => write_conn_ack(sink, version, ack),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            write_ack(sink, version, ack);
        }
        Packet::Subscribe(subscribe) => {
            sink.u16(subscribe.packet_id.get());
            write_properties(sink, version, subscribe.properties);
            sink.bytes(subscribe.filters.bytes());
        }
        Packet::SubAck(ack) => {
            sink.u16(ack.packet_id.get());
            write_properties(sink, version, ack.properties);
            for code in ack.reasons {
                sink.u8(sub_ack_code(version, Reason(*code)));
            }
        }
        Packet::Unsubscribe(unsubscribe) => {
            sink.u16(unsubscribe.packet_id.get());
            write_properties(sink, version, unsubscribe.properties);
            sink.bytes(unsubscribe.filters.bytes());
        }
        Packet::UnsubAck(ack) => {
            sink.u16(ack.packet_id.get());
            write_properties(sink, version, ack.properties);
            if version == Version::V5 {
                sink.bytes(ack.reasons);
            }
        }
        Packet::Disconnect(disconnect) => {
            write_end(sink, version, disconnect.reason, disconnect.properties);
        }
        // Of an AUTH both are left out, or none.
        Packet::Auth(auth) if auth.reason == Reason::SUCCESS && auth.properties.is_empty() => {}
        Packet::Auth(auth) => {
            sink.u8(auth.reason.0);
            auth.properties.write(sink);
        }
        Packet::PingReq | Packet::PingResp => {}
        Packet::Publish(_) => unreachable!("it has a payload and is written by its head"),
    }
}

fn write_connect(sink: &mut impl Sink, connect: &Connect<'_>) {
    let version = connect.version;
    let (name, level): (&[u8], u8) = match version {
        Version::V31 => (b"MQIsdp", 3),
        Version::V311 => (b"MQTT", 4),
        Version::V5 => (b"MQTT", 5),
    };
    sink.binary(name);
    sink.u8(level);
    sink.u8(connect_flags(connect));
    sink.u16(connect.keep_alive);
    write_properties(sink, version, connect.properties);
    //= MQTT5-3.1.3-1
    sink.binary(connect.client_id.as_bytes());
    if let Some(will) = &connect.will {
        write_properties(sink, version, will.properties);
        sink.binary(will.topic.as_bytes());
        sink.binary(will.payload);
    }
    if let Some(user_name) = connect.user_name {
        sink.binary(user_name.as_bytes());
    }
    if let Some(password) = connect.password {
        sink.binary(password);
    }
}

fn connect_flags(connect: &Connect<'_>) -> u8 {
    let will = |will: &Will<'_>| WILL | (will.qos as u8) << 3 | (u8::from(will.retain) * WILL_RETAIN);
    (u8::from(connect.clean_start) * CLEAN_START)
        | connect.will.as_ref().map_or(0, will)
        | (u8::from(connect.user_name.is_some()) * USER_NAME)
        | (u8::from(connect.password.is_some()) * PASSWORD)
}

fn write_conn_ack(sink: &mut impl Sink, version: Version, ack: &ConnAck<'_>) {
    match version {
        Version::V5 => {
            sink.u8(ack.session_present.into());
            sink.u8(ack.reason.0);
            ack.properties.write(sink);
        }
        Version::V31 | Version::V311 => {
            let told = ack.session_present && version == Version::V311;
            sink.u8(told.into());
            sink.u8(ack.reason.return_code());
        }
    }
}

fn write_ack(sink: &mut impl Sink, version: Version, ack: &Ack<'_>) {
    sink.u16(ack.packet_id.get());
    write_end(sink, version, ack.reason, ack.properties);
}

/// Reason and properties, of which as much is left out as may be: many clients never look at them.
fn write_end(sink: &mut impl Sink, version: Version, reason: Reason, properties: Properties<'_>) {
    if version != Version::V5 || reason == Reason::SUCCESS && properties.is_empty() {
        return;
    }
    sink.u8(reason.0);
    if !properties.is_empty() {
        properties.write(sink);
    }
}

#[inline]
pub(super) fn write_properties(sink: &mut impl Sink, version: Version, properties: Properties<'_>) {
    if version == Version::V5 {
        properties.write(sink);
    }
}

fn sub_ack_code(version: Version, reason: Reason) -> u8 {
    //= MQTT311-3.9.3-2
    if version != Version::V5 && reason.is_error() { Reason::UNSPECIFIED_ERROR.0 } else { reason.0 }
}
