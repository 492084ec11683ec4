//! MQTT clients: every version, quality of service, pace, and way to lose a connection.

use std::collections::BTreeMap;

use wire::mqtt::Version;

use crate::client::mqtt::{Break, Person, Wishes};
use crate::client::{Client, Reader, Role, Unit, draw_addr, draw_begin, draw_station, mqtt_words, words};
use crate::limits::{MS, Swarm};
use crate::net::{BOTTOMLESS, Cut};
use crate::record::{Message, MqttRecord, PublisherRecord, Record, Speaks, Stay};
use crate::rng::Rng;

/// Bytes of a PUBLISH besides its payload, at most.
const HEAD_BYTES: usize = 64;

/// Draws a client with its first connection, which is its number.
pub(super) fn draw(
    rng: &mut Rng,
    swarm: &Swarm,
    record: &mut Record,
    persons: &mut BTreeMap<usize, Person>,
    id: usize,
) -> Client {
    let publishes = rng.percent(60);
    let subscribes = !publishes || rng.percent(50);
    let reader = match rng.below(10) {
        0 => Reader::Slow { bytes: rng.size(20, 4096), every_ns: rng.range(1, 20) * MS },
        1 => {
            let from_ns = rng.below(800 * MS);
            Reader::Stuck { from_ns, until_ns: from_ns + rng.below(600 * MS) }
        }
        _ => Reader::Fast,
    };
    let bottomless = reader == Reader::Fast && rng.percent(50);
    let capacity = if bottomless { BOTTOMLESS } else { rng.size(1, swarm.network.capacity_max).max(64) };
    let begins_ns = if publishes { draw_begin(rng, swarm) / 2 } else { draw_begin(rng, swarm) };
    let mut client =
        Client::new(Role::Mqtt, draw_station(rng, swarm), draw_addr(rng, id), begins_ns, reader, capacity);
    client.owner = Some(id);
    let wishes = draw_wishes(rng, id, subscribes);
    client.plan.push_back(Unit::send(mqtt_words::connect(&wishes), Vec::new(), Cut::Closely));
    let has_most = wishes.subscribes.as_ref().is_some_and(|(_, qos)| *qos == 0);
    let mut heard = MqttRecord {
        subscribes: wishes.subscribes.clone(),
        asked: None,
        stood: None,
        stay: Stay::UntilQuiet,
        keeps_up: bottomless && has_most,
        breaks: 0,
        lost: 0,
        heard: Vec::new(),
        wrong: Vec::new(),
    };
    let mut person = Person::new(wishes, id);
    if publishes {
        record.publishers.insert(id, draw_messages(rng, swarm, &client, &person, id));
    }
    draw_breaks(rng, begins_ns, &mut person);
    if rng.percent(20) {
        person.leaves_ns = Some(begins_ns + rng.below(1500 * MS));
        heard.stay = Stay::Left;
    }
    record.mqtt.insert(id, heard);
    persons.insert(id, person);
    client
}

fn draw_wishes(rng: &mut Rng, id: usize, subscribes: bool) -> Wishes {
    let version = rng.pick(&[Version::V311, Version::V5, Version::V5]);
    Wishes {
        version,
        client_id: format!("c{id}-{}", rng.below(1000)),
        expiry_s: if rng.percent(60) { rng.pick(&[4, 6]) } else { 0 },
        receive_max: (version == Version::V5 && rng.percent(40)).then(|| rng.pick(&[1, 2, 3, 5])),
        subscribes: subscribes.then(|| (words::filter(rng), rng.pick(&[0, 1, 1, 2, 2]))),
        window: rng.pick(&[1, 3, 20]),
        ack_max_ns: rng.pick(&[0, 0, 2 * MS, 30 * MS]),
    }
}

fn draw_messages(
    rng: &mut Rng,
    swarm: &Swarm,
    client: &Client,
    person: &Person,
    id: usize,
) -> PublisherRecord {
    let mut messages = Vec::new();
    let qos_of = rng.pick(&[&[0u8, 1, 2][..], &[1], &[2], &[1, 2], &[0]]);
    for number in 0..rng.range(0, swarm.load.messages_max / 3) {
        let mut payload = format!("#{id}.{number}#").into_bytes();
        let room = swarm.limits.message_bytes_max - HEAD_BYTES - payload.len();
        let length = match rng.below(20) {
            0 => rng.size(0, room),
            _ => rng.skewed(0, room.min(200)),
        };
        payload.extend(words::filler(rng, length));
        messages.push(Message::new(payload, rng.pick(qos_of)));
    }
    PublisherRecord {
        speaks: Speaks::Mqtt,
        addr: client.addr,
        name: Some(person.wishes.client_id.clone()),
        topic: words::topic(rng),
        acks: false,
        messages,
        too_long: false,
        stay: Stay::UntilQuiet,
        received: Vec::new(),
        heard_end: false,
    }
}

/// When it loses its connections: only who is waited for.
fn draw_breaks(rng: &mut Rng, begins_ns: u64, person: &mut Person) {
    if !person.resumes() || rng.percent(40) {
        return;
    }
    let mut at_ns = begins_ns;
    for _ in 0..rng.size(1, 6) {
        at_ns += rng.below(400 * MS);
        let how = rng.pick(&[Break::Close, Break::Reset, Break::Reset, Break::Forget, Break::Stuck]);
        person.breaks.push_back((at_ns, how));
    }
}
