//! MQTT clients: every version, quality of service, pace, and way to lose a connection.

use std::collections::BTreeMap;

use wire::mqtt::Version;

use crate::client::mqtt::{Break, Goes, Person, Wishes};
use crate::client::{Client, Reader, Role, Unit, draw_addr, draw_begin, draw_station, mqtt_words, words};
use crate::limits::{MS, Swarm};
use crate::net::{BOTTOMLESS, Cut, Down};
use crate::record::{
    Audit, GroupRecord, Message, MqttRecord, PublisherRecord, Record, Speaks, Stay, Talk, WillRecord,
};
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
    let mut wishes = draw_wishes(rng, id);
    wishes.subscribes = subscribes.then(|| (words::filter(rng), rng.pick(&[0, 1, 1, 2, 2])));
    if wishes.will_delay_s.is_some() {
        let topic = mqtt_words::will_topic(id);
        record.wills.insert(id, WillRecord { topic, left: 1, ..WillRecord::default() });
    }
    client.plan.push_back(Unit::send(mqtt_words::connect(&wishes, id, 0), Vec::new(), Cut::Closely));
    let has_most = wishes.subscribes.as_ref().is_some_and(|(_, qos)| *qos == 0);
    let mut heard = MqttRecord {
        subscribes: wishes.subscribes.clone(),
        keeps_up: bottomless && has_most,
        ..silent_record()
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

/// Draws a client that publishes what is to be retained, and takes it back, and lets it expire.
pub(super) fn draw_keeper(
    rng: &mut Rng,
    swarm: &Swarm,
    record: &mut Record,
    persons: &mut BTreeMap<usize, Person>,
    id: usize,
) -> Client {
    let begins_ns = draw_begin(rng, swarm) / 2;
    let mut wishes = draw_wishes(rng, id);
    (wishes.version, wishes.expiry_s, wishes.will_delay_s) = (Version::V5, 0, None);
    wishes.pause_max_ns = Some(rng.pick(&[2, 50, 300]) * MS);
    let (client, person) = plain(rng, swarm, id, begins_ns, wishes);
    let mut publisher = draw_messages(rng, swarm, &client, &person, id);
    publisher.topic = format!("$r/{}", rng.below(4));
    publisher.messages.truncate(rng.size(0, 12));
    for message in &mut publisher.messages {
        message.retain = true;
        match rng.below(10) {
            0..3 => message.payload.clear(),
            3..5 => message.expiry_s = Some(rng.pick(&[1, 2])),
            _ => {}
        }
    }
    record.publishers.insert(id, publisher);
    record.mqtt.insert(id, silent_record());
    persons.insert(id, person);
    client
}

/// Draws a client that comes when everything is quiet, to see what is retained.
pub(super) fn draw_auditor(
    rng: &mut Rng,
    swarm: &Swarm,
    record: &mut Record,
    persons: &mut BTreeMap<usize, Person>,
    id: usize,
) -> Client {
    let filter = rng.pick(&["$r/#", "$w/#"]);
    let mut wishes = draw_wishes(rng, id);
    (wishes.expiry_s, wishes.will_delay_s, wishes.ack_max_ns) = (0, None, 0);
    wishes.subscribes = Some((filter.to_owned(), rng.pick(&[0, 1, 2])));
    let begins_ns = AUDIT_NS + rng.below(500 * MS);
    let (client, person) = plain(rng, swarm, id, begins_ns, wishes);
    record.audits.insert(id, Audit { filter: filter.to_owned(), ..Audit::default() });
    record.mqtt.insert(id, silent_record());
    persons.insert(id, person);
    client
}

/// Draws what several clients share.
pub(super) fn draw_group(rng: &mut Rng) -> GroupRecord {
    let filter = if rng.percent(60) { "#".to_owned() } else { words::filter(rng) };
    let is_calm = rng.percent(30);
    GroupRecord { filter, qos: rng.pick(&[0, 1, 1, 1, 2, 2]), is_calm, ..GroupRecord::default() }
}

/// Draws a member of the group. The first one stays; the others come and go, are stuck, and do not
/// acknowledge for a while.
pub(super) fn draw_member(
    rng: &mut Rng,
    swarm: &Swarm,
    record: &mut Record,
    persons: &mut BTreeMap<usize, Person>,
    id: usize,
) -> Client {
    let group = record.group.as_mut().expect("a group is drawn before its members");
    let is_first = group.members.is_empty();
    let is_calm = group.is_calm;
    group.members.push(id);
    let mut wishes = draw_wishes(rng, id);
    wishes.will_delay_s = None;
    wishes.subscribes = Some((group.shared_filter(), group.qos));
    let begins_ns = draw_begin(rng, swarm) / if is_first { 1 } else { 2 };
    if !is_first && rng.percent(50) {
        // What it is sent is under way for a while, and it comes again.
        (wishes.expiry_s, wishes.ack_max_ns) = (6, 30 * MS);
    }
    let (mut client, mut person) = plain(rng, swarm, id, begins_ns, wishes);
    let mut heard = MqttRecord { subscribes: person.wishes.subscribes.clone(), ..silent_record() };
    if !is_first && !is_calm {
        draw_breaks(rng, begins_ns, &mut person);
        if rng.percent(60) {
            let leaves_ns = begins_ns + 50 * MS + rng.below(600 * MS);
            person.leaves_ns = Some(leaves_ns);
            heard.stay = Stay::Left;
            // What is on its way to it then goes to another one.
            if rng.percent(60) {
                let from_ns = leaves_ns.saturating_sub(rng.below(200 * MS));
                client.reader = Reader::Stuck { from_ns, until_ns: leaves_ns + 10 * MS };
            }
        } else if rng.percent(60) {
            let from_ns = rng.below(800 * MS);
            client.reader = Reader::Stuck { from_ns, until_ns: from_ns + rng.below(900 * MS) };
            client.down = Down::new(rng.size(64, 2048));
        }
    }
    record.mqtt.insert(id, heard);
    persons.insert(id, person);
    client
}

/// When everything has been quiet for longer than wills wait and retained messages last.
const AUDIT_NS: u64 = 9_000 * MS;

/// A client that reads at once and keeps its connection.
fn plain(rng: &mut Rng, swarm: &Swarm, id: usize, begins_ns: u64, wishes: Wishes) -> (Client, Person) {
    let (station, addr) = (draw_station(rng, swarm), draw_addr(rng, id));
    let mut client = Client::new(Role::Mqtt, station, addr, begins_ns, Reader::Fast, BOTTOMLESS);
    client.owner = Some(id);
    client.plan.push_back(Unit::send(mqtt_words::connect(&wishes, id, 0), Vec::new(), Cut::Closely));
    (client, Person::new(wishes, id))
}

fn silent_record() -> MqttRecord {
    MqttRecord {
        subscribes: None,
        asked: None,
        stood: None,
        stay: Stay::UntilQuiet,
        keeps_up: false,
        breaks: 0,
        lost: 0,
        heard: Vec::new(),
        wrong: Vec::new(),
    }
}

fn draw_wishes(rng: &mut Rng, id: usize) -> Wishes {
    let version = rng.pick(&[Version::V311, Version::V5, Version::V5]);
    let delay_s = if version == Version::V5 { rng.pick(&[0, 0, 1, 2]) } else { 0 };
    Wishes {
        pause_max_ns: None,
        will_delay_s: rng.percent(50).then_some(delay_s),
        goes: rng.pick(&[Goes::Politely, Goes::Rudely]),
        version,
        client_id: format!("c{id}-{}", rng.below(1000)),
        expiry_s: if rng.percent(60) { rng.pick(&[4, 6]) } else { 0 },
        receive_max: (version == Version::V5 && rng.percent(40)).then(|| rng.pick(&[1, 2, 3, 5])),
        subscribes: None,
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
        talk: Talk::default(),
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
