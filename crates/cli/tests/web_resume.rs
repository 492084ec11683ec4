//! A stream of events that breaks is taken up where it was: everything once, or a gap that says why not.

mod support;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};

use support::{Client, Script, Server, Start, Wire, scaled, web_script};

const PUBLISHERS: usize = 6;

/// Chance, from a seed that is printed.
struct Chance(u64);

impl Chance {
    #[expect(clippy::print_stdout, reason = "a test that fails shows its seed")]
    fn new() -> Self {
        let seed = RandomState::new().hash_one(0);
        println!("seed {seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        // The constants of Knuth's MMIX; the high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Several publishers, and how many messages each has sent.
struct Publishers {
    clients: Vec<Client>,
    sent: u64,
}

impl Publishers {
    fn new(server: &Server) -> Self {
        let clients = (0..PUBLISHERS).map(|number| server.client(&format!("pub on/{number}"))).collect();
        Self { clients, sent: 0 }
    }

    fn publish(&mut self, count: u64) {
        for (number, client) in self.clients.iter_mut().enumerate() {
            let padding = "x".repeat(200);
            let lines: String =
                (self.sent..self.sent + count).map(|at| format!("{number}-{at} {padding}\n")).collect();
            client.send(lines);
        }
        self.sent += count;
    }

    fn all(&self) -> usize {
        self.sent as usize * self.clients.len()
    }
}

fn follower(wire: &Wire, test: &str) -> Option<Script> {
    let follower = web_script("hears.py", &["sse", &wire.port().to_string(), "on/#"], test)?;
    follower.wait_for("open");
    Some(follower)
}

fn heard(follower: &Script) -> Vec<String> {
    follower.screen_lines().split_off(1)
}

#[test]
fn everything_comes_once_however_often_the_connection_breaks() {
    let test = "everything_comes_once_however_often_the_connection_breaks";
    let server = Start::with(&["--shards", "4", "--history-last", "100000"]).run();
    let wire = Wire::to(server.port());
    let Some(follower) = follower(&wire, test) else { return };
    let mut publishers = Publishers::new(&server);
    let mut chance = Chance::new();
    let rounds = scaled(40, 100);
    for _ in 0..rounds {
        publishers.publish(1 + chance.below(60));
        // While messages flow, and once it has come back: at a place that nobody chose, within whatever is written.
        let so_far = heard(&follower).len();
        let seen = so_far + 1 + chance.below((publishers.all() - so_far) as u64) as usize;
        support::eventually("some of the messages", || (heard(&follower).len() >= seen).then_some(()));
        publishers.publish(chance.below(30));
        wire.cut();
        publishers.publish(chance.below(3));
        wire.mend();
    }
    support::eventually("all messages", || (heard(&follower).len() >= publishers.all()).then_some(()));
    // A connection that broke before it was heard counts as well.
    let came_back = server.log_count("Role: SUBSCRIBER");
    assert!(came_back > rounds / 2, "{came_back} streams in {rounds} rounds");
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    for line in heard(&follower) {
        let (topic, word) = line.split_once(' ').expect("two words");
        let (publisher, number) = word.split_once('-').unwrap_or_else(|| panic!("{line}"));
        assert_eq!(topic, format!("on/{publisher}"));
        let expected = next.entry(publisher.to_owned()).or_default();
        assert_eq!(number.parse(), Ok(*expected), "of publisher {publisher}");
        *expected += 1;
    }
    assert_eq!(next.len(), PUBLISHERS);
    assert!(next.values().all(|count| *count == publishers.sent), "{next:?} of {}", publishers.sent);
}

#[test]
fn what_is_not_kept_any_more_is_told() {
    let server = Start::with(&["--shards", "2", "--history-last", "10"]).run();
    let wire = Wire::to(server.port());
    let Some(follower) = follower(&wire, "what_is_not_kept_any_more_is_told") else { return };
    let mut publisher = server.client("pub on/0 ack=1");
    let mut publish = |from: usize, to: usize| {
        publisher.send((from..to).map(|number| format!("0-{number}\n")).collect::<String>());
        publisher.lines(to - from);
    };
    publish(0, 5);
    follower.wait_for("0-4");
    wire.cut();
    publish(5, 50);
    wire.mend();
    follower.wait_for("0-49");
    let expected: Vec<String> = (0..5)
        .map(|number| format!("on/0 0-{number}"))
        .chain(["gap evicted".to_owned()])
        .chain((40..50).map(|number| format!("on/0 0-{number}")))
        .collect();
    assert_eq!(heard(&follower), expected);
}

#[test]
fn a_restart_is_told_and_what_is_kept_follows() {
    let server = Server::start(2);
    let wire = Wire::to(server.port());
    let Some(follower) = follower(&wire, "a_restart_is_told_and_what_is_kept_follows") else { return };
    server.client("pub on/0").send("before\n");
    follower.wait_for("before");
    wire.cut();
    assert!(server.terminate().success());
    let server = Server::start(2);
    let mut publisher = server.client("pub on/0 ack=1");
    publisher.send("between\n");
    publisher.assert_line("OK");
    wire.lead_to(server.port());
    wire.mend();
    follower.wait_for("between");
    publisher.send("after\n");
    follower.wait_for("after");
    let expected = ["on/0 before", "gap restarted", "on/0 between", "on/0 after"];
    assert_eq!(heard(&follower), expected);
}
