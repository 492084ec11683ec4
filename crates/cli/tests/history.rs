//! Late subscribers: history first, then live, without gap or duplicate.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use support::{Client, Server, scaled};

/// What stands behind the last colon of a line: a number.
#[track_caller]
fn number(line: &str) -> u64 {
    line.rsplit(": ").next().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no number: {line}"))
}

fn publish(server: &Server, hello: &str, texts: std::ops::Range<u64>) {
    let mut publisher = server.client(&format!("{hello} ack=1"));
    for text in texts {
        publisher.send(format!("{text}\n"));
        publisher.assert_line("OK");
    }
    // Messages of two shards are put in order by their milliseconds: the next one's is another.
    let last = jiff::Timestamp::now().as_millisecond() + 2;
    while jiff::Timestamp::now().as_millisecond() <= last {
        thread::yield_now();
    }
}

#[track_caller]
fn check(server: &Server, hello: &str, expected: &[u64]) {
    let mut late = server.client(hello);
    // What is live comes behind the history and shows where that ends.
    publish(server, "pub live", 999..1000);
    for text in expected.iter().chain(&[999]) {
        let line = late.line();
        assert_eq!(number(&line), *text, "{hello}: {line}");
    }
}

#[test]
fn the_last_messages_come_first_and_oldest_first() {
    for shards in [1, 2, 4] {
        let server = Server::start(shards);
        publish(&server, "pub a", 0..10);
        publish(&server, "pub b", 10..20);
        publish(&server, "pub a", 20..25);
        check(&server, "sub last=3", &[22, 23, 24]);
        let live = Server::start(shards);
        publish(&live, "pub a", 0..10);
        publish(&live, "pub b", 10..20);
        check(&live, "SUBSCRIBER last=12", &(8..20).collect::<Vec<_>>());
    }
}

#[test]
fn history_is_of_the_topics_that_were_asked_for() {
    let server = Server::start(2);
    publish(&server, "pub a/x", 0..5);
    publish(&server, "pub b", 5..10);
    publish(&server, "pub a/y", 10..12);
    let mut late = server.client("SUBSCRIBER a/# last=4");
    for (topic, text) in [("a/x", 3), ("a/x", 4), ("a/y", 10), ("a/y", 11)] {
        let line = late.line();
        assert!(line.starts_with(&format!("[{topic} | FROM ")), "{line}");
        assert_eq!(number(&line), text);
    }
    let mut none = server.client("SUBSCRIBER a/#");
    publish(&server, "pub a/z", 50..51);
    assert_eq!(number(&none.line()), 50, "without asking there is no history");
}

#[test]
fn since_and_more_than_there_is() {
    let server = Server::start(2);
    publish(&server, "pub a", 0..30);
    let all: Vec<u64> = (0..30).collect();
    let mut late = server.client("sub a since=1h30m");
    assert_eq!(late.lines(30).iter().map(|line| number(line)).collect::<Vec<_>>(), all);
    let mut late = server.client("sub a last=4000000000 time=1");
    assert_eq!(late.lines(30).iter().map(|line| number(line)).collect::<Vec<_>>(), all);
}

#[test]
fn a_prompted_subscriber_is_greeted_before_its_history() {
    let server = Server::start(2);
    publish(&server, "pub", 0..3);
    let mut late = server.connect();
    late.assert_bytes(support::PROMPT);
    late.send("SUBSCRIBER last=2");
    late.assert_line("Waiting for messages...");
    assert_eq!(late.lines(2).iter().map(|line| number(line)).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_hundred_messages_of_each_topic_are_kept() {
    let server = Server::start(2);
    let mut publisher = server.client("pub a ack=1");
    publisher.send((0..250).map(|text| format!("{text}\n")).collect::<String>());
    publisher.lines(250);
    let mut late = server.client("sub last=1000");
    publisher.send("250\n");
    let got: Vec<u64> = late.lines(101).iter().map(|line| number(line)).collect();
    assert_eq!(got, (150..=250).collect::<Vec<_>>());
}

/// The numbers of each publisher have neither gap nor duplicate from the first one on.
fn assert_unbroken(late: &mut Client, lines: usize, publishers: &[Client]) {
    let mut next: Vec<Option<u64>> = vec![None; publishers.len()];
    for _ in 0..lines {
        let line = late.line();
        let place = publishers.iter().position(|p| line.contains(&format!("FROM {}]", p.addr())));
        let place = place.unwrap_or_else(|| panic!("from nobody: {line}"));
        let got = number(&line);
        assert!(next[place].is_none_or(|expected| expected == got), "{:?} expected: {line}", next[place]);
        next[place] = Some(got + 1);
    }
}

/// Ends the others' loops, also if this thread panics.
struct Enough<'a>(&'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// While three publishers go on and on, subscribers come late. The one that stands on each shard
/// all the time sees to it that messages reach a shard while a subscription is still being made.
fn the_seam_is_not_seen(shards: u8) {
    let server = Server::start(shards);
    let standing: Vec<Client> = (0..shards).map(|_| server.client("SUBSCRIBER +")).collect();
    let publishers: Vec<Client> = (0..3).map(|_| server.client("pub a")).collect();
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        for mut subscriber in standing {
            let enough = &enough;
            scope.spawn(move || {
                while !enough.load(Ordering::Relaxed) {
                    subscriber.line();
                }
            });
        }
        for publisher in &publishers {
            let enough = &enough;
            scope.spawn(move || {
                let mut sender = publisher.sender();
                let mut text = 0_u64;
                while !enough.load(Ordering::Relaxed) {
                    std::io::Write::write_all(&mut sender, format!("{text}\n").as_bytes()).expect("a reader");
                    text += 1;
                    // Slow enough for history to hold what came just before.
                    thread::sleep(std::time::Duration::from_micros(50));
                }
                // Whoever waits for one more line gets it.
                std::io::Write::write_all(&mut sender, b"0\n").expect("a reader");
            });
        }
        let _enough = Enough(&enough);
        for round in 0..scaled(100, 300) {
            let hello =
                ["SUBSCRIBER a last=50", "SUBSCRIBER a since=10s", "SUBSCRIBER last=7", "SUBSCRIBER +"];
            let mut late = server.connect();
            late.send(format!("{}\n", hello[round % hello.len()]));
            assert_unbroken(&mut late, 400, &publishers);
        }
    });
}

#[test]
fn the_seam_is_not_seen_on_one_shard() {
    the_seam_is_not_seen(1);
}

#[test]
fn the_seam_is_not_seen_on_two_shards() {
    the_seam_is_not_seen(2);
}

#[test]
fn the_seam_is_not_seen_on_four_shards() {
    the_seam_is_not_seen(4);
}
