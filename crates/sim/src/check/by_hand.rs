//! Stories written by hand: a checker that cannot fail proves nothing.
//!
//! A story is the messages in the order of their acceptance, `A3` being the fourth message of
//! publisher A; `?` is where the subscriber asked, `!` where its subscription stood. What it
//! heard is a list of lines: `A3`, `GAP7`, or any other word as it is. Publisher A stands at
//! station 0, B at station 1; both publish to `t`, one message per millisecond.

use std::collections::BTreeSet;

use broker::{MessageRefusal, QueueState, Queued};

use crate::check::{Violation, all, bounds};
use crate::record::{
    Accepted, First, Format, Mark, Message, PublisherRecord, Record, Remains, Replay, Speaks, Stay,
    StrangerRecord, SubscriberRecord, Talk,
};

const SUBSCRIBER: usize = 9;
const PUBLISHERS: [&str; 2] = ["A", "B"];

fn publisher() -> PublisherRecord {
    PublisherRecord {
        speaks: Speaks::Text,
        addr: ([127, 0, 0, 1], 7).into(),
        name: None,
        topic: "t".to_owned(),
        acks: false,
        messages: Vec::new(),
        too_long: false,
        stay: Stay::UntilQuiet,
        received: Vec::new(),
        heard_end: false,
        talk: Talk::default(),
    }
}

fn subscriber() -> SubscriberRecord {
    SubscriberRecord {
        filter: "#".to_owned(),
        format: Format::From,
        shows_time: false,
        replay: Replay::None,
        first: First::Client,
        asked: None,
        began: None,
        stood: None,
        history_cut: false,
        stay: Stay::UntilQuiet,
        keeps_up: false,
        received: Vec::new(),
    }
}

fn story(accepted: &str, heard: &str) -> Record {
    let mut record = Record::default();
    record.facts.history_messages_max = 100;
    for id in 0..PUBLISHERS.len() {
        record.publishers.insert(id, publisher());
    }
    let mut listener = subscriber();
    let mut index = 0;
    for word in accepted.split_whitespace() {
        let mark = Mark { index, wall_ms: 1000 + index };
        match word {
            "?" => (listener.asked, listener.began) = (Some(mark), Some(mark)),
            "!" => listener.stood = Some(mark),
            word => {
                let (id, _) = parse(word).expect("a message of A or B");
                let messages = &mut record.publishers.get_mut(&id).unwrap().messages;
                let payload = format!("#{id}.{}#", messages.len()).into_bytes();
                let station = u8::try_from(id).unwrap();
                let accepted =
                    Some(Accepted { index, at_ns: 0, wall_ms: mark.wall_ms, station, run_bytes: 0 });
                messages.push(Message { accepted, ..Message::new(payload, 0) });
                index += 1;
            }
        }
    }
    for word in heard.split_whitespace() {
        let gap = word.strip_prefix("GAP").and_then(|count| count.parse::<u64>().ok());
        record.remains.dropped += gap.unwrap_or(0);
        record.remains.delivered += u64::from(parse(word).is_some());
        let line = match (parse(word), word.strip_prefix("GAP")) {
            (Some((id, number)), _) => format!("[FROM 127.0.0.1:7] : #{id}.{number}#\n"),
            (None, Some(count)) => format!("[GAP {count} messages dropped: reading too slowly]\n"),
            (None, None) => format!("{word}\n"),
        };
        listener.received.extend_from_slice(line.as_bytes());
    }
    record.subscribers.insert(SUBSCRIBER, listener);
    (record.remains.counted, record.remains.shown) = (index, index);
    record
}

fn parse(word: &str) -> Option<(usize, usize)> {
    let id = PUBLISHERS.iter().position(|name| word.starts_with(name))?;
    Some((id, word.trim_start_matches(char::is_alphabetic).parse().ok()?))
}

/// Checks that exactly these checkers complain, in alphabetical order.
fn check_record(record: &Record, expected: &str) {
    let found = all(record, &mut BTreeSet::new());
    let mut checkers: Vec<&str> = found.iter().map(|found| found.checker).collect();
    checkers.sort_unstable();
    checkers.dedup();
    assert_eq!(checkers.join(" "), expected, "{found:#?}");
}

fn check(accepted: &str, heard: &str, expected: &str) {
    check_record(&story(accepted, heard), expected);
}

fn check_with(accepted: &str, heard: &str, change: impl FnOnce(&mut SubscriberRecord), expected: &str) {
    let mut record = story(accepted, heard);
    change(record.subscribers.get_mut(&SUBSCRIBER).unwrap());
    check_record(&record, expected);
}

fn last(count: u64) -> impl FnOnce(&mut SubscriberRecord) {
    move |subscriber| subscriber.replay = Replay::Last(count)
}

#[test]
fn nothing_wrong() {
    check("? ! A0 B0 A1", "A0 B0 A1", "");
    check("? ! A0 B0 A1", "B0 A0 A1", "");
    check("A0 ? A1 ! A2", "A1 A2", "");
    check("A0 ? A1 ! A2", "A2", "");
}

#[test]
fn what_is_missing_is_announced_in_its_place() {
    check("? ! A0 B0 A1", "A0 A1", "gap loss");
    check("? ! A0 A1 A2", "A0 A1", "gap loss");
    check("? ! A0 B0 A1", "A0 GAP1 A1", "");
    check("? ! A0 A1 A2", "A0 A1 GAP1", "");
    check("? ! A0 A1 A2", "GAP1 A0 A2", "gap loss");
    check("? ! A0 A1 A2 A3", "A0 GAP1 A3", "gap");
    check("? ! A0 A1 A2 A3", "A0 GAP3 A3", "gap");
    check("? ! A0 A1 A2 A3 A4", "A0 GAP2 A2 GAP0 A4", "gap lines loss");
    check("? ! A0 A1 A2 A3 A4", "A0 GAP2 A2 GAP1 A4", "gap");
    check("? ! A0 B0 A1 B1", "GAP4", "");
    check("? ! A0 B0 A1 B1", "GAP3", "gap");
    check_with("? ! A0 A1 A2", "A0", |s| s.stay = Stay::Left, "");
    check_with("? ! A0 A1 A2", "A0 A2", |s| s.stay = Stay::Left, "loss");
    check_with("? ! A0 A1 A2", "A0 GAP1 A2", |s| s.keeps_up = true, "loss");
    let mut record = story("? ! A0 A1 A2", "A0 GAP1 A2");
    record.subscribers.get_mut(&SUBSCRIBER).unwrap().keeps_up = true;
    record.facts.turns_fit = false;
    check_record(&record, "");
    check_with("? A0 ! A1 A2", "GAP1 A1 A2", |s| s.keeps_up = true, "");
    check_with("? A0 ! A1 A2", "GAP2 A2", |s| s.keeps_up = true, "loss");
}

#[test]
fn a_drained_server_owes_what_was_accepted_long_before() {
    let mut record = story("? ! A0 A1 A2", "A0 A1 terminate");
    record.facts.drained = true;
    record.facts.due_before = 2;
    check_record(&record, "");
    record.facts.due_before = 3;
    check_record(&record, "gap loss");
    check_record(&story("? ! A0", "A0 terminate"), "lines");
    let mut record = story("? ! A0", "A0");
    record.facts.drained = true;
    check_record(&record, "gap lines loss");
}

#[test]
fn order_and_duplicates() {
    check("? ! A0 A1 A2", "A0 A2 A1", "order");
    check("? ! A0 A1 A2", "A0 A1 A1 A2", "duplicate");
    check("A0 ? ! A1 B0", "A0 A1 B0", "early history");
    check_with("A0 B0 ? ! A1 B1", "A0 A1 B0 B1", last(9), "order");
    check("A0 ?", "A0", "order");
    check("A0 ?", "", "liveness");
}

#[test]
fn history_is_exact() {
    check_with("A0 A1 A2 ? ! A3", "A1 A2 A3", last(2), "");
    check_with("A0 A1 A2 ? ! A3", "A2 A3", last(2), "history");
    check_with("A0 A1 A2 ? ! A3", "A0 A1 A2 A3", last(2), "history");
    check_with("A0 B0 A1 B1 ? !", "A0 B0 A1 B1", last(9), "");
    check_with("A0 B0 A1 B1 ? !", "A0 A1 B0 B1", last(9), "history");
    check_with("A0 B0 A1 B1 ? !", "B0 B1", last(2), "history");
    check_with("A0 A1 A2 ? ! A3", "A0 A2 A3", last(2), "gap history loss");
    // What is accepted meanwhile may be history or not, and may take the place of something.
    check_with("A0 A1 ? B0 ! A2", "A0 A1 A2", last(2), "");
    check_with("A0 A1 ? B0 ! A2", "A1 B0 A2", last(2), "");
    check_with("A0 A1 ? B0 ! A2", "A2", last(2), "history");
    check_with("A0 A1 ? !", "A1", |s| s.replay = Replay::SinceMs(1), "");
    check_with("A0 A1 ? !", "", |s| s.replay = Replay::SinceMs(1), "history");
    let mut record = story("A0 A1 A2 ? !", "A1 A2");
    record.subscribers.get_mut(&SUBSCRIBER).unwrap().replay = Replay::Last(9);
    record.facts.history_messages_max = 2;
    check_record(&record, "");
    record.facts.history_messages_max = 1;
    check_record(&record, "history");
}

#[test]
fn since_goes_by_the_stamps_whatever_the_clock_did() {
    // The clock is set back behind A1: what was accepted first is of a later time.
    let since = |heard: &str, change: fn(&mut Record), expected: &str| {
        let mut record = story("A0 A1 A2 A3 ? !", heard);
        record.facts.first_jump = Some(2);
        for (message, wall_ms) in
            record.publishers.get_mut(&0).unwrap().messages.iter_mut().zip([1500, 1501, 900, 990])
        {
            message.accepted.as_mut().unwrap().wall_ms = wall_ms;
        }
        let listener = record.subscribers.get_mut(&SUBSCRIBER).unwrap();
        (listener.began.as_mut().unwrap().wall_ms, listener.replay) = (1000, Replay::SinceMs(50));
        change(&mut record);
        check_record(&record, expected);
    };
    let nothing = |_: &mut Record| {};
    since("A0 A1 A3", nothing, "");
    since("A1 A3", nothing, "history");
    since("A0 A1", nothing, "gap history loss");
    since("A0 A1 A2 A3", nothing, "history");
    since("A0 A3", nothing, "gap history loss");
    since("GAP1 A1 A3", |record| record.remains.dropped = 1, "");
    let cut = |record: &mut Record| record.subscribers.get_mut(&SUBSCRIBER).unwrap().history_cut = true;
    since("A1 A3", cut, "");
    since("A1 A2 A3", cut, "history");
}

#[test]
fn who_leaves_after_something_live_has_had_its_history() {
    let left = |heard: &str, expected: &str| {
        let change = |s: &mut SubscriberRecord| (s.stay, s.replay) = (Stay::Left, Replay::Last(2));
        check_with("A0 A1 ? ! A2 A3", heard, change, expected);
    };
    left("A0 A1 A2", "");
    left("A0", "");
    left("A1 A2", "history");
    left("A0 A2", "history loss");
}

#[test]
fn every_line_has_a_reason() {
    check("? ! A0", "A0 noise", "lines");
    check("? ! A0", "A0 A1", "lines");
    check_with("? ! A0", "A0", |s| s.received.extend_from_slice(b"[FROM"), "lines");
    check_with("? ! A0", "A0", |s| s.format = Format::Tuple, "gap lines loss");
    check_with("? ! A0", "A0", |s| s.shows_time = true, "gap lines loss");
    check_with("? ! A0", "A0", |s| s.filter = "other".to_owned(), "lines");
    check_with("? ! A0", "A0", |s| s.first = First::Server, "gap lines loss");
    let mut record = story("? ! A0", "A0");
    record.publishers.get_mut(&0).unwrap().messages[0].accepted = None;
    check_record(&record, "figures lines");
}

#[test]
fn publishers_get_what_they_asked_for() {
    let replies = |received: &[u8], acks: bool| {
        let mut record = story("? ! A0 A1", "A0 A1");
        let publisher = record.publishers.get_mut(&0).unwrap();
        publisher.received = received.to_vec();
        publisher.acks = acks;
        record
    };
    check_record(&replies(b"OK\nOK\n", true), "");
    check_record(&replies(b"Enter your role (PUBLISHER/SUBSCRIBER) : OK\nOK\n", true), "");
    check_record(&replies(b"OK\n", true), "replies");
    check_record(&replies(b"OK\nOK\nOK\n", true), "replies");
    check_record(&replies(b"OK\nO", true), "replies");
    check_record(&replies(b"OK\n", false), "replies");
    check_record(&replies(b"hello\n", false), "replies");
    check_record(&replies(b"terminate\n", false), "replies");
}

#[test]
fn nobody_and_nothing_stays() {
    let mut record = story("? ! A0", "A0");
    record.remains.stations = vec![[0; 4], [0, 1, 0, 0]];
    check_record(&record, "leftovers");
    let mut record = story("? ! A0", "A0");
    (record.remains.gauge_bytes, record.remains.history_bytes) = (11, 10);
    check_record(&record, "leftovers");
    let mut record = story("? ! A0", "A0");
    record.remains.gauge_bytes_after = 1;
    check_record(&record, "leftovers");
    let mut record = story("? ! A0", "A0");
    record.remains.history_bytes = 9000;
    check_record(&record, "leftovers");
    for (received, heard_end, expected) in
        [(&b"go\n"[..], true, ""), (b"go\n", false, "strangers"), (b"", true, "strangers")]
    {
        let mut record = story("? ! A0", "A0");
        let expected_end = Some("go\n".to_owned());
        let stranger =
            StrangerRecord { received: received.to_vec(), heard_end, ..StrangerRecord::new(expected_end) };
        record.strangers.insert(1, stranger);
        check_record(&record, expected);
    }
}

#[test]
fn figures_agree() {
    let change = |change: fn(&mut Remains)| {
        let mut record = story("? ! A0", "A0");
        change(&mut record.remains);
        check_record(&record, "figures");
    };
    change(|remains| remains.counted = 2);
    change(|remains| remains.shown = 0);
    change(|remains| remains.subscriptions = 1);
    change(|remains| remains.connections = 1);
    change(|remains| remains.rows = 1);
    change(|remains| remains.delivered = 2);
    change(|remains| remains.dropped = 1);
    change(|remains| remains.refused.count(MessageRefusal::TooLarge));
    change(|remains| remains.refused.count(MessageRefusal::InvalidTopic));
    change(|remains| remains.too_long = 1);
    change(|remains| remains.out_of_memory = 1);
}

#[test]
fn queues_have_bounds() {
    let limits = frontend::Limits::default();
    let mut largest = bounds::Largest::default();
    largest.saw(1000, 10);
    let mut found: Vec<Violation> = Vec::new();
    bounds::check_queue(limits.core.queue_bytes_max, Replay::None, &largest, &limits, &mut found);
    bounds::check_outgoing(limits.write_bytes, 0, &largest, &limits, &mut found);
    bounds::check_memory(limits.core.memory_bytes_max, (2, 3), &largest, &limits, &mut found);
    let replies = bounds::replies_bytes(bounds::REPLY_BYTES, &largest, &limits);
    bounds::check_replies(limits.replies_bytes_max, replies, &mut found);
    bounds::check_greeting(limits.hello_bytes_max, &limits, &mut found);
    assert_eq!(found, []);
    bounds::check_greeting(limits.hello_bytes_max + limits.core.read_bytes + 1, &limits, &mut found);
    bounds::check_replies(limits.replies_bytes_max + 1000, replies, &mut found);
    bounds::check_queue(limits.core.queue_bytes_max + 6000, Replay::None, &largest, &limits, &mut found);
    bounds::check_outgoing(limits.write_bytes * 5, 0, &largest, &limits, &mut found);
    bounds::check_memory(
        limits.core.memory_bytes_max / 32 * 33 + 30_000,
        (2, 3),
        &largest,
        &limits,
        &mut found,
    );
    assert_eq!(found.len(), 5);
}

#[test]
fn what_waits_is_counted() {
    let waiting = Queued { messages: 3, bytes: 900 };
    for (said, complaints) in [(waiting, 0), (Queued { messages: 2, ..waiting }, 1), (Queued::default(), 1)] {
        let mut found = Vec::new();
        bounds::check_queued(said, waiting, &mut found);
        assert_eq!(found.len(), complaints);
    }
}

#[test]
fn a_queue_that_lost_something_brakes_nobody() {
    let fine = QueueState { is_empty: false, gap: 0, brakes: 3, is_behind: false };
    let complaints = |state| {
        let mut found = Vec::new();
        bounds::check_brakes(state, &mut found);
        found.len()
    };
    assert_eq!(complaints(fine), 0);
    assert_eq!(complaints(QueueState { gap: 1, ..fine }), 1);
    assert_eq!(complaints(QueueState { gap: 1, brakes: 0, is_behind: true, ..fine }), 0);
    assert_eq!(complaints(QueueState { is_empty: true, brakes: 0, is_behind: true, ..fine }), 1);
}

#[test]
fn a_refusal_has_a_reason() {
    for (too_long, expected) in [(true, ""), (false, "replies")] {
        let mut record = story("? ! A0", "A0");
        let publisher = record.publishers.get_mut(&0).unwrap();
        publisher.received = b"Message too long: limit is 10 bytes\n".to_vec();
        (publisher.too_long, publisher.heard_end) = (too_long, true);
        check_record(&record, expected);
    }
}
