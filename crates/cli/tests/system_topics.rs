//! What the broker tells of itself under `$SYS/broker`, as text clients hear it. `mqtt_clients` has
//! the same for Mosquitto's.

mod support;

use std::collections::BTreeMap;

use serde_json::Value;
use support::{Client, Server, Start};

fn start(interval: &str) -> Server {
    Start::with(&["--shards", "2", "--sys-interval", interval]).run()
}

/// The next message of a subscriber with JSON lines: its topic, and what it says.
#[track_caller]
fn next(subscriber: &mut Client) -> (String, String) {
    let line: Value = serde_json::from_str(&subscriber.line()).expect("a JSON line");
    let text = |key: &str| line[key].as_str().expect("a text").to_owned();
    assert_eq!(text("publisher"), "tidings");
    (text("topic"), text("payload"))
}

/// Everything up to the next uptime, and that.
#[track_caller]
fn until_uptime(subscriber: &mut Client) -> Vec<(String, String)> {
    let mut heard = Vec::new();
    loop {
        heard.push(next(subscriber));
        if heard.last().is_some_and(|(topic, _)| topic == "$SYS/broker/uptime") {
            return heard;
        }
    }
}

fn seconds((_, uptime): &(String, String)) -> u64 {
    uptime.strip_suffix(" seconds").expect("seconds").parse().expect("a number")
}

#[test]
fn a_subscriber_hears_what_there_is_and_then_what_has_changed() {
    let server = start("1");
    let mut publisher = server.client("pub:news");
    publisher.send("four\nseven..\n");
    server.wait_until_read(&publisher);
    // What has been counted is told a second later at the latest.
    let mut subscriber = server.client("sub:$SYS/# format=json");
    let mut told = BTreeMap::new();
    for _ in 0..4 {
        told.extend(until_uptime(&mut subscriber));
    }
    let said = |name: &str| told[&format!("$SYS/broker/{name}")].as_str();
    assert_eq!(said("version"), concat!("tidings version ", env!("CARGO_PKG_VERSION")));
    assert_eq!((said("clients/connected"), said("clients/maximum")), ("2", "2"));
    assert_eq!((said("publish/messages/received"), said("publish/bytes/received")), ("2", "11"));
    assert_eq!((said("messages/received"), said("messages/sent")), ("2", "0"));
    let sent = "pub:news\nfour\nseven..\nsub:$SYS/# format=json\n".len().to_string();
    assert_eq!((said("bytes/received"), said("bytes/sent")), (sent.as_str(), "0"));
    assert_eq!(said("subscriptions/count"), "1");
    assert_ne!(said("load/publish/received/1min"), "0.00");
    assert_eq!(server.log_count("| PUBLISHER tidings"), 0, "no message of anybody");
}

/// Whoever hears the figures does not change them, however long.
#[test]
fn an_idle_broker_tells_its_uptime_and_what_fades() {
    let server = start("1");
    let mut subscriber = server.client("sub:$SYS/# format=json");
    // What there was, and then what the subscriber itself has changed.
    let settled = (0..4).map(|_| until_uptime(&mut subscriber)).last().expect("some");
    let mut before = seconds(settled.last().expect("its uptime"));
    for _ in 0..3 {
        let heard = until_uptime(&mut subscriber);
        // Averages fade for hours, and the longer or shorter texts of them are in the account.
        let fades = |topic: &str| topic.contains("/load/") || topic.ends_with("/heap/current");
        let rest: Vec<_> = heard.iter().filter(|(topic, _)| !fades(topic)).collect();
        let [uptime] = rest.as_slice() else { panic!("{rest:#?}") };
        assert!(seconds(uptime) > before, "{uptime:?} after {before}");
        before = seconds(uptime);
    }
}

#[test]
fn who_subscribes_to_everything_hears_nothing_of_it() {
    let server = start("1");
    let mut everything = server.client("sub last=100");
    let mut one_level = server.client("SUBSCRIBER +/broker/uptime last=100");
    let mut system = server.client("sub:$SYS/broker/uptime format=json");
    for _ in 0..3 {
        until_uptime(&mut system);
    }
    for topic in ["news", "a/broker/uptime"] {
        server.client(&format!("pub:{topic} name=me")).send("told\n");
    }
    assert!(everything.line().contains("me@"));
    assert!(one_level.line().starts_with("[a/broker/uptime | FROM me@"));
}

#[test]
fn an_interval_of_zero_tells_nothing() {
    let server = start("0");
    let mut subscriber = server.client("sub:$SYS/#");
    assert!(server.terminate().success());
    assert_eq!(subscriber.rest_lines(), ["terminate"]);
}

#[test]
fn nobody_else_publishes_there() {
    let server = start("1");
    let mut publisher = server.connect();
    publisher.send("PUBLISHER $SYS/broker/uptime\n");
    publisher.assert_line("Invalid topic \"$SYS/broker/uptime\": only the broker publishes under $SYS");
    publisher.assert_end();
}
