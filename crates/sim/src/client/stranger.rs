//! Clients that are no clients: silence, noise, other protocols, hellos that never end.

use frontend::TopicPrompt;

use crate::client::greeting::{Framing, Greeting, REST_NS};
use crate::client::words;
use crate::client::{Client, Reader, Role, Step, Unit, draw_addr, draw_begin, draw_station};
use crate::limits::{MS, Swarm};
use crate::net::Cut;
use crate::record::{First, StrangerRecord};
use crate::rng::Rng;

/// How the last word to who says too little ends.
const SILENT: &str = ": closing\n";

/// Draws a stranger.
pub(super) fn draw(rng: &mut Rng, swarm: &Swarm, id: usize) -> (Client, StrangerRecord) {
    let capacity = rng.size(1, swarm.network.capacity_max);
    let begins_ns = draw_begin(rng, swarm);
    let station = draw_station(rng, swarm);
    let mut client =
        Client::new(Role::Stranger, station, draw_addr(rng, id), begins_ns, Reader::Fast, capacity);
    let mut plan = Vec::new();
    if rng.percent(15) {
        hesitate(rng, swarm, &mut plan);
        client.plan = plan.into();
        return (client, StrangerRecord::new(None));
    }
    if swarm.topic_prompt == TopicPrompt::On && rng.percent(35) {
        let expected = name_no_topic(rng, swarm, &mut plan);
        client.plan = plan.into();
        return (client, StrangerRecord::new(expected.map(str::to_owned)));
    }
    if swarm.may_begin_too_much() && rng.percent(40) {
        let expected = begin_too_much(rng, swarm, &mut client);
        return (client, StrangerRecord::new(expected.map(str::to_owned)));
    }
    let (bytes, expected) = draw_words(rng, swarm);
    if !bytes.is_empty() {
        plan.push(Unit::send(bytes, Vec::new(), Cut::Closely));
    }
    let mut expected = expected.map(str::to_owned);
    if rng.percent(20) {
        plan.push(Step::Pause(rng.below(600 * MS)));
        plan.push([Step::Close, Step::Reset, Step::HalfClose][rng.index(3)].clone());
        expected = None;
    }
    client.plan = plan.into();
    (client, StrangerRecord::new(expected))
}

/// Says something, and something more about when the station's timer for the first is due.
/// What becomes of it depends on who was first, so that nobody hears messages of it.
fn hesitate(rng: &mut Rng, swarm: &Swarm, plan: &mut Vec<Step>) {
    let (first, time) = match rng.below(3) {
        0 => (&b""[..], swarm.limits.prompt_delay),
        1 => (&b"s"[..], swarm.limits.prompt_delay),
        _ => (&b"sub"[..], swarm.limits.settle_time),
    };
    if !first.is_empty() {
        plan.push(Unit::send(first.to_vec(), Vec::new(), Cut::Whole));
    }
    let time_ns = u64::try_from(time.as_nanos()).expect("short");
    plan.push(Step::Pause(time_ns - MS + rng.below(3 * MS)));
    let more = if first == b"sub" { &b" a\n"[..] } else { &b"sub a\n"[first.len()..] };
    plan.push(Unit::send(more.to_vec(), Vec::new(), Cut::Whole));
}

/// Says a role where a topic is wanted as well, and then no topic, or not all of it, or one that
/// comes about when the time for it is over.
fn name_no_topic(rng: &mut Rng, swarm: &Swarm, plan: &mut Vec<Step>) -> Option<&'static str> {
    let hello = rng.pick(&["sub", "SUBSCRIBER", "pub", "sub last=5", "Publisher ack=1"]).to_owned();
    if rng.percent(50) {
        // Without a prompt, and whole at once: then it is known when its time is over.
        let (first, framing) = (First::Client, Framing::Framed);
        Greeting { first, framing, hello, topic: None }.plan(rng, plan);
        let time_ns = u64::try_from(swarm.limits.hello_time.as_nanos()).expect("seconds");
        plan.push(Step::Pause(time_ns - MS / 2 + rng.below(MS)));
        plan.push(Unit::send(b"a/b\n".to_vec(), Vec::new(), Cut::Whole));
        return None;
    }
    let first = rng.pick(&[First::Client, First::Server]);
    let framing = rng.pick(&[Framing::Framed, Framing::Unframed]);
    Greeting { first, framing, hello, topic: None }.plan(rng, plan);
    // Blank lines are no topic; nor is one that does not end, where lines end.
    let (words, expected) = match rng.below(4) {
        0 | 1 => return Some(SILENT),
        2 if framing == Framing::Framed => (rng.pick(&["a/b", "  ", "\n"]).into(), SILENT),
        2 => (b"\n".to_vec(), SILENT),
        _ => {
            let length = swarm.limits.hello_bytes_max + swarm.limits.core.read_bytes + rng.size(1, 200);
            (vec![b'/'; length], "\n")
        }
    };
    plan.push(Step::Pause(REST_NS));
    plan.push(Unit::send(words, Vec::new(), Cut::Whole));
    Some(expected)
}

/// Begins a message that alone is more than may be unfinished: says no more of it, and is refused;
/// or so much more that it gets on and is not.
fn begin_too_much(rng: &mut Rng, swarm: &Swarm, client: &mut Client) -> Option<&'static str> {
    let (least, most) = (swarm.limits.unfinished_bytes_max, swarm.limits.message_bytes_max);
    let mut bytes = b"pub attack\n".to_vec();
    let length = if rng.percent(50) { least + 100 } else { rng.size(least + 1, most) };
    bytes.resize(bytes.len() + length, b'x');
    client.plan.push_back(Unit::send(bytes, Vec::new(), Cut::Closely));
    if rng.percent(50) {
        if rng.percent(60) {
            // One behind the other, when nobody else says anything that would make them go on.
            client.begins_ns = 3_500 * MS + rng.below(20 * MS);
        }
        return Some("try again later\n");
    }
    client.plan.push_back(Step::Pause(rng.range(5, 15) * MS));
    client.plan.push_back(Unit::send(vec![b'x'; most - length], Vec::new(), Cut::Closely));
    client.plan.push_back(Step::Pause(rng.range(5, 40) * MS));
    client.plan.push_back([Step::Close, Step::Reset][rng.index(2)].clone());
    None
}

/// Draws someone who makes stations work for nothing: filters that come and go, history that
/// nobody waits for, messages that never end; none of them reads.
pub(super) fn draw_attacker(rng: &mut Rng, swarm: &Swarm, id: usize) -> (Client, StrangerRecord) {
    let begins_ns = rng.below(2_000 * MS);
    let (station, capacity) = (draw_station(rng, swarm), rng.size(1, 64));
    let reader = Reader::Never { from_ns: 0 };
    let mut client = Client::new(Role::Stranger, station, draw_addr(rng, id), begins_ns, reader, capacity);
    let (bytes, stays_ns) = match rng.below(3) {
        0 => {
            let levels: Vec<&str> = (0..rng.size(1, 8)).map(|_| rng.pick(&["+", "a", "b"])).collect();
            (format!("sub {}\n", levels.join("/")).into_bytes(), 5 * MS)
        }
        1 => (rng.pick(&[&b"sub # last=1000\n"[..], b"sub # since=1h\n"]).to_vec(), 2 * MS),
        _ => {
            let mut bytes = b"pub attack\n".to_vec();
            bytes.resize(bytes.len() + swarm.limits.message_bytes_max - 1, b'x');
            (bytes, 3_000 * MS)
        }
    };
    client.plan = [
        Unit::send(bytes, Vec::new(), Cut::Closely),
        Step::Pause(rng.below(stays_ns)),
        [Step::Close, Step::Reset][rng.index(2)].clone(),
    ]
    .into();
    (client, StrangerRecord::new(None))
}

/// What it says, and how the answer ends if it is sure to get one.
fn draw_words(rng: &mut Rng, swarm: &Swarm) -> (Vec<u8>, Option<&'static str>) {
    match rng.below(10) {
        0 | 1 => (Vec::new(), Some(SILENT)),
        2 => {
            let length = rng.size(1, 600);
            let noise = (0..length).map(|_| u8::try_from(rng.below(256)).expect("a byte")).collect();
            (noise, None)
        }
        3 => {
            // Something that is no newline, for ever.
            let length = swarm.limits.hello_bytes_max + rng.size(1, 200);
            let endless = words::filler(rng, length);
            (endless, Some("\n"))
        }
        4 => (b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00".to_vec(), None),
        5 => (b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), Some("")),
        // The longest answer of all, byte by byte, takes longer than who ends has.
        6 => (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            (swarm.network.capacity_max > 64).then_some("\"}\n"),
        ),
        7 => (b"LISTENER\n".to_vec(), Some("Invalid role \"LISTENER\": use PUBLISHER or SUBSCRIBER\n")),
        8 => (b"pub a/#\n".to_vec(), Some("\n")),
        _ => (b"sub a color=red\n".to_vec(), Some("\n")),
    }
}

/// Draws clients that come while the server drains: they are told so and closed.
pub(super) fn draw_late(rng: &mut Rng, swarm: &Swarm, id: usize, from_ns: u64) -> (Client, StrangerRecord) {
    let begins_ns = from_ns + rng.below(10 * MS);
    let capacity = rng.size(1, swarm.network.capacity_max);
    let station = draw_station(rng, swarm);
    let mut client =
        Client::new(Role::Stranger, station, draw_addr(rng, id), begins_ns, Reader::Fast, capacity);
    if rng.percent(50) {
        let hello = rng.pick(&[&b"sub\n"[..], b"pub\n", b"sub"]);
        client.plan.push_back(Unit::send(hello.to_vec(), Vec::new(), Cut::Closely));
    }
    let expected = Some("terminate\n".to_owned());
    (client, StrangerRecord::new(expected))
}
