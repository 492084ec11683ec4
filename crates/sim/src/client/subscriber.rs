//! Subscribers: every hello, every pace, and every way to go.

use frontend::TopicPrompt;

use crate::client::greeting::{Framing, Greeting};
use crate::client::words::{self, Spelling};
use crate::client::{Client, Meaning, Reader, Role, Step, Unit, draw_addr, draw_begin, draw_station};
use crate::limits::{MS, Swarm};
use crate::net::{BOTTOMLESS, Cut};
use crate::record::{First, Format, Replay, Stay, SubscriberRecord};
use crate::rng::Rng;

/// Draws a subscriber.
pub(super) fn draw(rng: &mut Rng, swarm: &Swarm, id: usize) -> (Client, SubscriberRecord) {
    let reader = draw_reader(rng);
    let begins_ns = if rng.percent(swarm.load.in_lull_percent) {
        swarm.load.lull.1 - 140 * MS + rng.below(20 * MS)
    } else {
        draw_begin(rng, swarm)
    };
    let bottomless = reader == Reader::Fast && rng.percent(50);
    let capacity = if bottomless { BOTTOMLESS } else { rng.size(1, swarm.network.capacity_max) };
    let station = draw_station(rng, swarm);
    let mut client = Client::new(Role::Subscriber, station, draw_addr(rng, id), begins_ns, reader, capacity);
    let mut record = SubscriberRecord {
        filter: "#".to_owned(),
        format: Format::From,
        shows_time: false,
        replay: Replay::None,
        first: First::Client,
        asked: None,
        began: None,
        stood: None,
        history_cut: false,
        stay: if matches!(reader, Reader::Never { .. }) { Stay::Left } else { Stay::UntilQuiet },
        keeps_up: bottomless,
        received: Vec::new(),
    };
    let mut plan = Vec::new();
    draw_hello(rng, swarm, &mut record, &mut plan);
    draw_stay(rng, swarm, &mut record, &mut plan);
    client.plan = plan.into();
    (client, record)
}

fn draw_reader(rng: &mut Rng) -> Reader {
    let from_ns = rng.below(800 * MS);
    match rng.below(10) {
        0 | 1 => Reader::Slow { bytes: rng.size(1, 4096), every_ns: rng.range(1, 20) * MS },
        2 | 3 => Reader::Stuck { from_ns, until_ns: from_ns + rng.below(600 * MS) },
        4 => Reader::Never { from_ns },
        _ => Reader::Fast,
    }
}

fn draw_hello(rng: &mut Rng, swarm: &Swarm, record: &mut SubscriberRecord, plan: &mut Vec<Step>) {
    let (mut hello, spelling) = words::role(rng, "subscriber", "sub");
    let names_topic = rng.percent(75);
    if names_topic {
        // Of an archive some want what is in it here and there: all of it has to be looked at.
        let seeks = swarm.load.passers > 0 && rng.percent(50);
        record.filter = if seeks { rng.pick(&["+", "+/b", "+/c"]).to_owned() } else { words::filter(rng) };
        hello += words::separator(rng);
        hello += &record.filter;
    }
    let asked = swarm.topic_prompt == TopicPrompt::On && !names_topic;
    let topic = asked.then(|| words::filter(rng));
    if let Some(filter) = &topic {
        record.filter = filter.clone();
    }
    record.format = match (spelling, names_topic || asked) {
        (Spelling::Long, false) => Format::From,
        (Spelling::Long, true) => Format::FromTopic,
        (Spelling::Short, false) => Format::Tuple,
        (Spelling::Short, true) => Format::TupleTopic,
    };
    if rng.percent(20) {
        record.format = Format::Json;
        hello += " format=json";
    }
    if rng.percent(20) {
        record.shows_time = true;
        hello += " time=1";
    }
    if rng.percent(swarm.load.asks_percent) {
        if rng.percent(65) {
            let count = rng.pick(&[0, 1, 2, 5, 10, 30, 1000]);
            hello += &format!(" last={count}");
            record.replay = Replay::Last(count);
        } else {
            let seconds = rng.range(0, 2);
            hello += &format!(" since={seconds}s");
            record.replay = Replay::SinceMs(seconds * 1000);
        }
    }
    if rng.percent(25) {
        record.first = First::Server;
    }
    let framing = if rng.percent(60) { Framing::Framed } else { Framing::Unframed };
    Greeting { first: record.first, framing, hello, topic }.plan(rng, plan);
}

/// Whether it stays, and what it does if it does not.
fn draw_stay(rng: &mut Rng, swarm: &Swarm, record: &mut SubscriberRecord, plan: &mut Vec<Step>) {
    if rng.percent(55) {
        return;
    }
    record.stay = Stay::Left;
    // A few milliseconds after the hello is the worst moment: the other stations answer then.
    // Of an archive, when they are in line for it.
    let soon_ns = if swarm.load.passers > 0 { 2 * MS } else { 30 * MS };
    let pause_ns = if rng.percent(50) { rng.below(soon_ns) } else { rng.below(800 * MS) };
    plan.push(Step::Pause(pause_ns));
    match rng.below(5) {
        0 => plan.push(Step::Close),
        1 => plan.push(Step::Reset),
        2 => plan.push(Step::HalfClose),
        _ => {
            plan.push(Step::Pause(60 * MS));
            if rng.percent(30) {
                let noise = rng.pick(&[&b"hello?\n"[..], b"\n", b"some words that mean nothing\n", b"hi"]);
                plan.push(Unit::send(noise.to_vec(), Vec::new(), Cut::Whole));
            }
            let mut bytes = words::terminate(rng).to_vec();
            if rng.percent(50) {
                bytes.extend_from_slice(words::line_end(rng));
            }
            plan.push(Unit::send(bytes, vec![Meaning::LastWord], Cut::Whole));
        }
    }
}
