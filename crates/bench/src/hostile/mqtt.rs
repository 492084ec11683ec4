//! Attacks over MQTT: sessions, windows, retained messages, and packets that cost more than they look.

use std::thread;
use std::time::{Duration, Instant};

use wire::mqtt::{Packet, Properties, Property, PropertyWriter, QoS, Version, encode};

use super::field::Field;
use super::filters::LEVELS_MAX;
use super::sockets::{Goodbye, Readers, Room, Stay, Storm, flood, send_once};
use crate::packets::{self, Client, Message};

/// Clients that never acknowledge hear a flood at QoS 1, and come back to be sent it again.
pub(crate) fn unacknowledged(field: &Field<'_>) -> anyhow::Result<()> {
    let size = field.connections(field.pick(500, 200));
    let hello = |number: usize| {
        let mut bytes = connect(&format!("mute-{number}"), LASTING_SECONDS, None);
        subscribe(&mut bytes, &["flood"], QoS::AtLeastOnce);
        bytes
    };
    let crowd = field.door.crowd(size, Room::Usual, hello)?;
    field.until_idle();
    let until = field.begin();
    let readers = Readers::start(crowd)?;
    let publishers =
        field.door.crowd(4, Room::Usual, |number| connect(&format!("loud-{number}"), 0, None))?;
    // Its own answers are not read either.
    let mut chunk = Vec::new();
    for id in 1..=1000 {
        publish(
            &mut chunk,
            &Message { topic: "flood", id: Some(id), payload: &[b'x'; 200], ..Message::PLAIN },
        );
    }
    let half = Instant::now() + until.saturating_duration_since(Instant::now()) / 2;
    let flooded = flood(publishers, &chunk, half);
    field.note(format!("{} MiB sent, {} MiB read", flooded.bytes >> 20, readers.bytes() >> 20));
    drop(readers);
    let storm = Storm { size, stay: Stay::UntilQuiet(Duration::from_millis(200)), goodbye: Goodbye::Reset };
    let hello = |number: u64| connect(&format!("mute-{}", number % size as u64), LASTING_SECONDS, None);
    let stormed = storm.run(&field.door, until, hello)?;
    field.note(format!("{} came back and were sent {} MiB", stormed.hellos, stormed.bytes >> 20));
    Ok(())
}

/// A retained message on each of ever new topics, and subscribers who want them all.
pub(crate) fn retained(field: &Field<'_>) -> anyhow::Result<()> {
    let until = field.begin();
    let flood = thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            let mut sent = 0;
            let mut peers =
                field.door.crowd(2, Room::Usual, |number| connect(&format!("keeper-{number}"), 0, None))?;
            while Instant::now() < until {
                let mut chunk = Vec::new();
                for number in sent..sent + 1000 {
                    let topic = format!("kept/{number}");
                    publish(
                        &mut chunk,
                        &Message { topic: &topic, retain: true, payload: &[b'x'; 100], ..Message::PLAIN },
                    );
                }
                sent += 1000;
                send_once(&mut peers, &chunk, until);
            }
            Ok::<usize, std::io::Error>(sent)
        });
        let storm =
            Storm { size: 20, stay: Stay::UntilQuiet(Duration::from_millis(50)), goodbye: Goodbye::Reset };
        let hello = |number: u64| {
            let mut bytes = connect(&format!("curious-{number}"), 0, None);
            subscribe(&mut bytes, &["kept/#", "+/+", "#"], QoS::AtMostOnce);
            bytes
        };
        let stormed = storm.run(&field.door, until, hello);
        (publisher.join(), stormed)
    });
    let stormed = flood.1?;
    let sent = flood.0.map_err(|_| anyhow::anyhow!("the publisher panicked"))??;
    field.note(format!("{sent} topics, {} subscribers got {} MiB", stormed.hellos, stormed.bytes >> 20));
    Ok(())
}

/// Hundreds take ten client ids from each other, each with a session, filters and a will.
pub(crate) fn take_overs(field: &Field<'_>) -> anyhow::Result<()> {
    let until = field.begin();
    let size = field.connections(200);
    let storm = Storm { size, stay: Stay::UntilQuiet(Duration::from_millis(20)), goodbye: Goodbye::Reset };
    let hello = |number: u64| {
        let mut bytes = connect(&format!("same-{}", number % 10), LASTING_SECONDS, Some("wills/same"));
        subscribe(&mut bytes, &["wills/#", "a/+/b", "a/#"], QoS::ExactlyOnce);
        bytes
    };
    let stormed = storm.run(&field.door, until, hello)?;
    field.note(format!("{} connections, {} MiB read", stormed.hellos, stormed.bytes >> 20));
    Ok(())
}

/// Ever new client ids leave sessions behind that would last for days.
pub(crate) fn sessions(field: &Field<'_>) -> anyhow::Result<()> {
    let until = field.begin();
    let storm = Storm { size: 100, stay: Stay::UntilHeard(Duration::from_secs(1)), goodbye: Goodbye::Reset };
    let hello = |number: u64| {
        let mut bytes = connect(&format!("left-behind-{number}"), LASTING_SECONDS, None);
        subscribe(&mut bytes, &[&format!("left/{number}"), "left/+"], QoS::AtLeastOnce);
        bytes
    };
    let stormed = storm.run(&field.door, until, hello)?;
    field.note(format!("{} sessions left behind", stormed.hellos));
    Ok(())
}

/// One session subscribes to as many deep filters as it may, and gives them up, over and over.
pub(crate) fn subscriptions(field: &Field<'_>) -> anyhow::Result<()> {
    let until = field.begin();
    let mut chunk = Vec::new();
    let stem = "+/".repeat(LEVELS_MAX - 10);
    for batch in 0..10 {
        let filters: Vec<String> = (0..100).map(|number| format!("{stem}{batch}/{number}")).collect();
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        subscribe(&mut chunk, &filters, QoS::ExactlyOnce);
        unsubscribe(&mut chunk, &filters);
    }
    let peers = field.door.crowd(4, Room::Usual, |number| connect(&format!("fickle-{number}"), 0, None))?;
    let flooded = flood(peers, &chunk, until);
    field.note(format!("{} MiB of SUBSCRIBE and UNSUBSCRIBE sent", flooded.bytes >> 20));
    Ok(())
}

/// One session with a thousand filters, each of which is compared with each of very many topics.
pub(crate) fn comparisons(field: &Field<'_>) -> anyhow::Result<()> {
    let filters: Vec<String> = (0..999).map(|number| format!("{}{number}", "+/".repeat(20))).collect();
    let mut filters: Vec<&str> = filters.iter().map(String::as_str).collect();
    filters.push("topics/#");
    let hello = |number: usize| {
        let mut bytes = connect(&format!("wants-all-{number}"), 0, None);
        subscribe(&mut bytes, &filters, QoS::AtMostOnce);
        bytes
    };
    let readers = Readers::start(field.door.crowd(20, Room::Usual, hello)?)?;
    field.until_idle();
    let until = field.begin();
    let publishers =
        field.door.crowd(2, Room::Usual, |number| connect(&format!("varied-{number}"), 0, None))?;
    let mut chunk = Vec::new();
    for number in 0..20_000 {
        publish(&mut chunk, &Message { topic: &format!("topics/{number}"), ..Message::PLAIN });
    }
    let flooded = flood(publishers, &chunk, until);
    field.note(format!("{} MiB sent, {} MiB read", flooded.bytes >> 20, readers.bytes() >> 20));
    Ok(())
}

/// Members of twenty groups, and each of some of its own, come, are given a flood, acknowledge none of
/// it, and go without a word: all of it is for others, who do the same.
pub(crate) fn groups(field: &Field<'_>) -> anyhow::Result<()> {
    let until = field.begin();
    let size = field.connections(200);
    let flooded = thread::scope(|scope| {
        let publishers = scope.spawn(|| {
            let peers =
                field.door.crowd(2, Room::Usual, |number| connect(&format!("loud-{number}"), 0, None));
            let mut chunk = Vec::new();
            for _ in 0..1000 {
                publish(&mut chunk, &Message { topic: "flood", payload: &[b'x'; 100], ..Message::PLAIN });
            }
            peers.map(|peers| flood(peers, &chunk, until))
        });
        let storm = Storm { size, stay: Stay::For(Duration::from_millis(50)), goodbye: Goodbye::Reset };
        let hello = |number: u64| {
            let id = format!("flaps-{}", number % (2 * size as u64));
            let mut bytes = connect(&id, if number.is_multiple_of(2) { LASTING_SECONDS } else { 0 }, None);
            let shared = (0..20).map(|group| format!("$share/g{group}/flood"));
            let own = (0..5).map(|group| format!("$share/own-{number}-{group}/flood"));
            let filters: Vec<String> = shared.chain(own).collect();
            let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
            subscribe(&mut bytes, &filters, QoS::AtLeastOnce);
            bytes
        };
        let stormed = storm.run(&field.door, until, hello);
        (publishers.join(), stormed)
    });
    let stormed = flooded.1?;
    let sent = flooded.0.map_err(|_| anyhow::anyhow!("a publisher panicked"))??;
    field.note(format!(
        "{} MiB sent, {} members got {} MiB",
        sent.bytes >> 20,
        stormed.hellos,
        stormed.bytes >> 20
    ));
    Ok(())
}

/// Messages of which each is a run of its own: as many properties as fit, an alias each, no payload.
pub(crate) fn properties(field: &Field<'_>) -> anyhow::Result<()> {
    let hello = |number: usize| {
        let mut bytes = connect(&format!("listens-{number}"), 0, None);
        subscribe(&mut bytes, &["p/#"], QoS::AtMostOnce);
        bytes
    };
    let readers = Readers::start(field.door.crowd(10, Room::Usual, hello)?)?;
    let until = field.begin();
    let publishers =
        field.door.crowd(2, Room::Usual, |number| connect(&format!("verbose-{number}"), 0, None))?;
    let mut chunk = Vec::new();
    for number in 0..1000u16 {
        let value = number.to_string();
        let mut properties = Vec::new();
        PropertyWriter::new(&mut properties).put(&Property::TopicAlias(1 + number % 32));
        for _ in 0..if number % 100 == 0 { 5000 } else { 1 } {
            PropertyWriter::new(&mut properties).put(&Property::User("", &value));
        }
        publish(&mut chunk, &Message { topic: "p/q", properties: &properties, ..Message::PLAIN });
    }
    let flooded = flood(publishers, &chunk, until);
    field.note(format!("{} MiB sent, {} MiB read", flooded.bytes >> 20, readers.bytes() >> 20));
    Ok(())
}

fn connect(client_id: &str, session_seconds: u32, will_topic: Option<&str>) -> Vec<u8> {
    packets::connect(VERSION, &Client { id: client_id, session_seconds, keep_alive: 0, will_topic })
}

fn subscribe(bytes: &mut Vec<u8>, filters: &[&str], qos: QoS) {
    packets::subscribe(bytes, VERSION, filters, qos);
}

fn publish(bytes: &mut Vec<u8>, message: &Message<'_>) {
    packets::publish(bytes, VERSION, message);
}

fn unsubscribe(bytes: &mut Vec<u8>, filters: &[&str]) {
    let mut encoded = Vec::new();
    filters.iter().for_each(|filter| wire::mqtt::put_name(&mut encoded, filter));
    let filters = wire::mqtt::FilterNames::parse(VERSION, &encoded).expect("filters that are made here");
    let packet_id = std::num::NonZeroU16::MIN;
    let unsubscribe = wire::mqtt::Unsubscribe { packet_id, properties: Properties::EMPTY, filters };
    encode(bytes, VERSION, &Packet::Unsubscribe(unsubscribe));
}

/// A session that is left behind waits for so long.
const LASTING_SECONDS: u32 = 3 * 24 * 3600;
const VERSION: Version = Version::V5;
