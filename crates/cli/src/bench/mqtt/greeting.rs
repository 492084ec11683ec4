//! Connecting and subscribing: each waits for its answer, so that whoever is connected is live.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU16;
use std::process;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use wire::mqtt::{
    ConnAck, Connect, Filters, Packet, Properties, Property, Subscribe, SubscribeOptions, decode, encode,
    frame, put_filter,
};

use wire::websocket::Opcode;

use super::{Carrier, Mqtt};
use crate::bench::frames::{ExactFrames, upgrade};
use crate::bench::target::Role;

/// Connects with a clean session, as a subscriber with its subscription, and tells how many messages the server takes
/// unacknowledged.
///
/// # Errors
/// If the server refuses, grants another QoS, or does not answer within ten seconds.
pub(crate) fn greet(
    stream: &mut TcpStream,
    mqtt: Mqtt,
    role: Role,
    topic: &str,
) -> anyhow::Result<NonZeroU16> {
    stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    // At most 23 letters and digits, which every server must take (MQTT5-3.1.3-5).
    let client_id = format!("b{}x{}", process::id(), stream.local_addr()?.port());
    match mqtt.carrier {
        Carrier::Socket => connect(stream, mqtt, role, topic, &client_id),
        Carrier::Frames => {
            upgrade(stream, "/mqtt", Some("mqtt"))?;
            let mut frames = ExactFrames::new(stream, Opcode::Binary);
            let receive_max = connect(&mut frames, mqtt, role, topic, &client_id)?;
            frames.end()?;
            Ok(receive_max)
        }
    }
}

fn connect(
    stream: &mut (impl Read + Write),
    mqtt: Mqtt,
    role: Role,
    topic: &str,
    client_id: &str,
) -> anyhow::Result<NonZeroU16> {
    let connect = Connect {
        version: mqtt.version,
        clean_start: true,
        keep_alive: KEEP_ALIVE_SECONDS,
        client_id,
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    };
    send(stream, mqtt, &Packet::Connect(connect))?;
    let receive_max = ask(stream, mqtt, |packet| match packet {
        Packet::ConnAck(ack) if !ack.reason.is_error() => receive_max(&ack),
        Packet::ConnAck(ack) => bail!("it refuses a client: reason {:#04x}", ack.reason.0),
        other => bail!("it answered CONNECT with a {:?}", other.kind()),
    })?;
    if role == Role::Subscriber {
        subscribe(stream, mqtt, topic)?;
    }
    Ok(receive_max)
}

fn subscribe(stream: &mut (impl Read + Write), mqtt: Mqtt, topic: &str) -> anyhow::Result<()> {
    let mut filters = Vec::new();
    put_filter(&mut filters, topic, SubscribeOptions::of_qos(mqtt.qos));
    let subscribe = Subscribe {
        packet_id: NonZeroU16::MIN,
        properties: Properties::EMPTY,
        filters: Filters::parse(mqtt.version, &filters)?,
    };
    send(stream, mqtt, &Packet::Subscribe(subscribe))?;
    ask(stream, mqtt, |packet| match packet {
        Packet::SubAck(ack) => {
            ensure!(
                ack.reasons == [mqtt.qos as u8],
                "it granted {:?}, not QoS {}",
                ack.reasons,
                mqtt.qos as u8
            );
            Ok(())
        }
        other => bail!("it answered SUBSCRIBE with a {:?}", other.kind()),
    })
}

fn send(stream: &mut impl Write, mqtt: Mqtt, packet: &Packet<'_>) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    encode(&mut bytes, mqtt.version, packet);
    stream.write_all(&bytes).context("greeting the server")
}

/// Reads one packet and nothing beyond it.
fn ask<T>(
    stream: &mut impl Read,
    mqtt: Mqtt,
    answer: impl FnOnce(Packet<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut head = vec![0; 2];
    stream.read_exact(&mut head).context("waiting for the server's answer")?;
    let found = loop {
        if let Some(found) = frame(&head)? {
            break found;
        }
        let mut more = [0];
        stream.read_exact(&mut more)?;
        head.extend(more);
    };
    ensure!(found.body_len <= ANSWER_BYTES_MAX, "an answer of {} bytes", found.body_len);
    let mut body = vec![0; found.body_len];
    stream.read_exact(&mut body)?;
    answer(decode(mqtt.version, found.first, &body)?)
}

fn receive_max(ack: &ConnAck<'_>) -> anyhow::Result<NonZeroU16> {
    let told = ack.properties.iter().find_map(|property| match property {
        Property::ReceiveMaximum(count) => Some(count),
        _ => None,
    });
    NonZeroU16::new(told.unwrap_or(u16::MAX)).context("it takes no messages at all")
}

/// Longer than any run: nobody has to ping. Not 0, which some servers take for "at once".
const KEEP_ALIVE_SECONDS: u16 = 7200;
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 64 * 1024;
