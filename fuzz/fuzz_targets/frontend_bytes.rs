//! Any bytes, cut anywhere, from clients of a station with subscribers in every format.
//!
//! The first byte of the input is a set of flags, then come steps, one byte each:
//! `00-7f` a read of so many bytes, which follow; `80-bf` the same, and the read filled its
//! buffer; `c0-cf` time passes; `d0-df` a long read of 128 bytes times the low digit;
//! `e0-ef` somebody stops or begins to read; `f0-f7` the client closes its side; `f8-ff` its
//! socket breaks. A client that is gone is followed by the next one.

#![no_main]

use std::time::Duration;

use broker::{ConnId, Gauge};
use frontend::stage::{Peer, Stage};
use frontend::{Event, Limits, ReadEnd, Rules, Spoken, TopicPrompt};
use libfuzzer_sys::fuzz_target;
use tidings_fuzz::line::{Told, is_dangerous, lines, read_json, read_plain};
use tidings_fuzz::web;
use wire::sniff::{Sniffed, sniff};

/// The first one tells what the messages were.
const SUBSCRIBERS: [&str; 7] = [
    "sub format=json",
    "SUBSCRIBER",
    "SUBSCRIBER #",
    "sub",
    "sub #",
    "SUBSCRIBER # time=1",
    "sub # last=5 name=late",
];
const CLIENT: u32 = 7;
const PASSES_MS: [u64; 8] = [1, 5, 10, 20, 50, 250, 1000, 61_000];
/// When nobody is left of those who have gone, sessions included.
const LEFT_AFTER: Duration = Duration::from_secs(120);
/// A read may wait for a brake, and no longer; an input has no more reads than this.
const TURNS_MAX: usize = 10_000;

fuzz_target!(|bytes: &[u8]| {
    let Some((flags, steps)) = bytes.split_first() else { return };
    let gauge = Gauge::new();
    let mut scene = Scene::new(*flags, &gauge);
    scene.run(steps);
    scene.end();
    scene.check_received();
    scene.check_nothing_is_left();
    drop(scene);
    assert_eq!(gauge.used(), 0, "memory is still charged");
});

struct Scene {
    stage: Stage,
    /// How many clients there were before this one.
    generation: u32,
    drains: bool,
}

impl Scene {
    fn new(flags: u8, gauge: &Gauge) -> Self {
        let topic_prompt = if flags & 1 == 0 { TopicPrompt::Off } else { TopicPrompt::On };
        let limits = limits(flags & 4 != 0).into();
        let spoken = Spoken::AnyProtocol;
        let stage = Stage::new(Rules { limits, spoken, topic_prompt }, gauge);
        let mut scene = Self { stage, generation: 0, drains: flags & 2 != 0 };
        for (conn, hello) in subscribers() {
            scene.stage.connect(conn);
            scene.stage.send(conn, format!("{hello}\n").as_bytes(), ReadEnd::Drained);
            if topic_prompt == TopicPrompt::On && !hello.contains('#') {
                scene.stage.send(conn, b"#\n", ReadEnd::Drained);
            }
        }
        scene.stage.connect(scene.client());
        scene
    }

    fn client(&self) -> ConnId {
        ConnId { slot: CLIENT, generation: self.generation }
    }

    fn run(&mut self, mut steps: &[u8]) {
        while let Some((step, rest)) = steps.split_first() {
            steps = rest;
            if *step < 0xc0 {
                let length = usize::from(step & if *step < 0x80 { 0x7f } else { 0x3f });
                let (read, rest) = steps.split_at(length.min(steps.len()));
                let read_end = if *step < 0x80 { ReadEnd::Drained } else { ReadEnd::More };
                self.stage.send(self.client(), read, read_end);
                steps = rest;
            } else {
                self.step(*step);
            }
            if !self.stage.is_open(self.client()) {
                self.generation += 1;
                self.stage.connect(self.client());
            }
        }
    }

    fn step(&mut self, step: u8) {
        let low = usize::from(step & 0x0f);
        match step {
            0xf8.. => self.stage.close(self.client()),
            0xf0.. => self.stage.send(self.client(), b"", ReadEnd::Closed),
            0xe0.. => {
                let conn = subscriber(low % 8).unwrap_or(self.client());
                self.stage.set_peer(conn, if low < 8 { Peer::Stuck } else { Peer::Reads });
            }
            0xd0.. => self.stage.send(self.client(), "é".repeat(64 * low).as_bytes(), ReadEnd::More),
            _ => self.stage.pass(Duration::from_millis(PASSES_MS[low % PASSES_MS.len()])),
        }
    }

    /// Everyone reads again: what the client has sent is taken, and then it closes.
    fn end(&mut self) {
        for (conn, _) in subscribers() {
            self.stage.set_peer(conn, Peer::Reads);
        }
        self.stage.set_peer(self.client(), Peer::Reads);
        self.stage.send(self.client(), b"", ReadEnd::Closed);
        for _ in 0..TURNS_MAX {
            if !self.stage.is_open(self.client()) {
                break;
            }
            self.stage.pass(Duration::from_millis(10));
        }
        if self.stage.is_subscriber(self.client()) {
            // It closed its sending half with its hello and goes on to hear, until its socket breaks.
            self.stage.close(self.client());
        }
        assert!(!self.stage.is_open(self.client()), "a client that has closed is still there");
        for (conn, hello) in subscribers() {
            assert!(self.stage.is_open(conn), "{hello:?} was closed");
        }
        if self.drains {
            self.stage.drain();
        }
    }

    /// Received and announced is sent; plain lines are the JSON lines' payloads, escaped.
    fn check_received(&self) {
        let mut payloads = Vec::new();
        for (conn, hello) in subscribers() {
            let told = self.told(conn, hello);
            let accounted: u64 = told.iter().map(Told::messages).sum();
            let accepted = self.stage.station.shard().stats().accepted;
            // Nobody who asks for `#` hears a topic that begins with `$`.
            assert!(accounted == accepted || (self.has_hidden_topic() && accounted < accepted), "{hello:?}");
            if hello.contains("json") {
                self.check_characters(&told);
                payloads = told;
            } else {
                check_payloads(&payloads, &told);
            }
        }
        for generation in 0..=self.generation {
            let client = ConnId { slot: CLIENT, generation };
            let received = &self.stage.received[&client];
            match self.spoken_by(client) {
                Sniffed::Mqtt => {}
                Sniffed::Http => web::check(received),
                _ => check_answers(received),
            }
        }
    }

    fn told(&self, conn: ConnId, hello: &str) -> Vec<Told> {
        let mut lines = lines(&self.stage.received[&conn]);
        if self.drains {
            assert_eq!(lines.pop(), Some("terminate"), "{hello:?}");
        }
        let read = if hello.contains("json") { read_json } else { read_plain };
        lines.into_iter().map(read).collect()
    }

    /// A character that came in two reads is put together.
    fn check_characters(&self, payloads: &[Told]) {
        let is_text = |bytes: &Vec<u8>| std::str::from_utf8(bytes).is_ok();
        let by_lengths = |conn: &ConnId| matches!(self.spoken_by(*conn), Sniffed::Mqtt | Sniffed::Http);
        let cuts_by_lengths = self.stage.sent.keys().any(by_lengths);
        if !cuts_by_lengths && self.stage.sent.values().all(is_text) {
            let broken = payloads.iter().find(|told| matches!(told, Told::Message(bytes) if !is_text(bytes)));
            assert_eq!(broken, None, "only whole characters were sent");
        }
    }

    fn spoken_by(&self, conn: ConnId) -> Sniffed {
        self.stage.sent.get(&conn).map_or(Sniffed::Undecided, |sent| sniff(sent))
    }

    /// Whether a client may have published to a topic that begins with `$`.
    fn may_hide(&self, conn: ConnId, sent: &[u8]) -> bool {
        let received = self.stage.received.get(&conn);
        let upgraded =
            || received.is_some_and(|received| received.windows(13).any(|w| w == b"HTTP/1.1 101 "));
        match self.spoken_by(conn) {
            Sniffed::Mqtt => sent.contains(&b'$'),
            // Escapes and masks hide it from us as well.
            Sniffed::Http => sent.iter().any(|byte| b"$%\\".contains(byte)) || upgraded(),
            _ => false,
        }
    }

    fn has_hidden_topic(&self) -> bool {
        self.stage
            .events
            .iter()
            .any(|event| matches!(event, Event::Publisher { topic, .. } if topic.as_str().starts_with('$')))
            || self.stage.sent.iter().any(|(conn, sent)| self.may_hide(*conn, sent))
    }

    fn check_nothing_is_left(&mut self) {
        for (conn, _) in subscribers() {
            self.stage.close(conn);
        }
        self.stage.pass(LEFT_AFTER);
        assert_eq!(self.stage.station.shard().leftovers(), [0; 4]);
        assert_eq!(self.stage.station.poll_timeout(), None, "somebody is still waited for");
    }
}

fn subscribers() -> impl Iterator<Item = (ConnId, &'static str)> {
    SUBSCRIBERS.iter().enumerate().filter_map(|(index, hello)| Some((subscriber(index)?, *hello)))
}

fn subscriber(index: usize) -> Option<ConnId> {
    let slot = u32::try_from(index).ok().filter(|slot| *slot < CLIENT)?;
    Some(ConnId { slot, generation: 0 })
}

/// Small bounds, so that a short input reaches them.
fn limits(little_memory: bool) -> Limits {
    let core = broker::Limits {
        queue_bytes_max: 4096,
        brake_bytes: 2048,
        brake_origins_max: 2,
        memory_bytes_max: if little_memory { 24 * 1024 } else { 1024 * 1024 },
        history_messages_max: 5,
        history_bytes_max: 8 * 1024,
        replay_bytes_max: 4 * 1024,
        routes_max: 2,
        ..broker::Limits::default()
    };
    Limits {
        core,
        hello_bytes_max: 128,
        connect_bytes_max: 128,
        head_bytes_max: 512,
        message_bytes_max: 512,
        unfinished_bytes_free: 64,
        write_bytes: 512,
        replies_bytes_max: 64,
        session_time_max: LEFT_AFTER / 2,
        ..Limits::default()
    }
}

/// Without a gap on either side, message by message; with one the counts have to do.
fn check_payloads(payloads: &[Told], plain: &[Told]) {
    let whole = |told: &[Told]| told.iter().all(|one| matches!(one, Told::Message(_)));
    if !whole(payloads) || !whole(plain) {
        return;
    }
    for (payload, line) in payloads.iter().zip(plain) {
        let (Told::Message(payload), Told::Message(line)) = (payload, line) else { unreachable!("no gaps") };
        let mut escaped = b": ".to_vec();
        wire::printable::escape_into(&mut escaped, payload);
        assert!(line.ends_with(&escaped), "{} is not {}", line.escape_ascii(), payload.escape_ascii());
    }
}

/// What a client got that speaks neither MQTT nor HTTP, unless it asked for JSON, which is exact.
fn check_answers(received: &[u8]) {
    let text = std::str::from_utf8(received).expect("everything that is sent is UTF-8");
    if !text.contains("{\"") {
        assert!(!text.chars().any(|c| c != '\n' && is_dangerous(c)), "not escaped: {text:?}");
    }
}
