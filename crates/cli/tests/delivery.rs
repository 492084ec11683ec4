//! The delivery table of the text protocol: what each kind of subscriber gets for a message.

mod support;

use support::Server;

/// Publishes `payload` after the hello `publisher`; the subscriber gets exactly `expected`,
/// where PORT stands for the publisher's port.
#[track_caller]
fn check(server: &Server, subscriber: &str, publisher: &str, payload: &[u8], expected: &str) {
    let mut subscriber = server.client(subscriber);
    let mut publisher = server.client(publisher);
    publisher.send([payload, b"\n"].concat());
    subscriber.assert_line(expected.replace("PORT", &publisher.port().to_string()));
}

#[test]
fn every_row_of_the_table() {
    let server = Server::start(2);
    let check = |subscriber, publisher, expected| check(&server, subscriber, publisher, b"Goal!", expected);
    check("SUBSCRIBER", "PUBLISHER", "[FROM 127.0.0.1:PORT] : Goal!");
    check("SUBSCRIBER", "PUBLISHER sports", "[FROM 127.0.0.1:PORT] : Goal!");
    check("SUBSCRIBER sports", "pub:sports", "[sports | FROM 127.0.0.1:PORT] : Goal!");
    check("SUBSCRIBER broadcast", "pub", "[broadcast | FROM 127.0.0.1:PORT] : Goal!");
    check("sub", "pub", "[('127.0.0.1', PORT)]: Goal!");
    check("sub:sports", "PUBLISHER sports", "[sports] ('127.0.0.1', PORT): Goal!");
}

#[test]
fn the_topic_shown_is_the_message_s_not_the_filter() {
    let server = Server::start(2);
    let check = |subscriber, publisher, expected| check(&server, subscriber, publisher, b"Goal!", expected);
    check("SUBSCRIBER sports/#", "pub sports/football", "[sports/football | FROM 127.0.0.1:PORT] : Goal!");
    check("sub +/football", "pub sports/football", "[sports/football] ('127.0.0.1', PORT): Goal!");
    check("SUBSCRIBER #", "pub a/b", "[a/b | FROM 127.0.0.1:PORT] : Goal!");
}

#[test]
fn a_named_publisher_is_shown_with_its_name() {
    let server = Server::start(2);
    let check = |subscriber, publisher, expected| check(&server, subscriber, publisher, b"hi", expected);
    check("SUBSCRIBER", "PUBLISHER name=alice", "[FROM alice@127.0.0.1:PORT] : hi");
    check("SUBSCRIBER sports", "pub sports name=alice", "[sports | FROM alice@127.0.0.1:PORT] : hi");
    check("sub", "pub name=alice", "[('alice@127.0.0.1', PORT)]: hi");
    check("sub:sports", "pub:sports name=alice", "[sports] ('alice@127.0.0.1', PORT): hi");
    server.wait_for_log("[PUBLISHER alice@127.0.0.1:");
    server.wait_for_log("[sports | PUBLISHER alice@127.0.0.1:");
}

/// Takes the time out of a line, which must be one of this minute.
#[track_caller]
fn without_time(line: &str, time: &str) -> String {
    let at: jiff::Timestamp = time.parse().expect("an RFC 3339 time");
    let age = jiff::Timestamp::now().duration_since(at).as_secs().abs();
    assert!(age < 60, "{time} is not now");
    assert!(time.ends_with('Z') && time.len() == "2026-11-22T12:00:00.123Z".len(), "{time}");
    line.replacen(time, "TIME", 1)
}

#[test]
fn time_stands_in_front_of_every_plain_form() {
    let server = Server::start(2);
    for (hello, expected) in [
        ("SUBSCRIBER time=1", "TIME [FROM 127.0.0.1:PORT] : x"),
        ("SUBSCRIBER a time=1", "TIME [a | FROM 127.0.0.1:PORT] : x"),
        ("sub time=1", "TIME [('127.0.0.1', PORT)]: x"),
        ("sub:a time=1", "TIME [a] ('127.0.0.1', PORT): x"),
        ("sub a time=1 format=plain", "TIME [a] ('127.0.0.1', PORT): x"),
    ] {
        let mut subscriber = server.client(hello);
        let mut publisher = server.client("pub a");
        publisher.send("x\n");
        let line = subscriber.line();
        let time = line.split(' ').next().expect("a first word").to_owned();
        assert_eq!(without_time(&line, &time), expected.replace("PORT", &publisher.port().to_string()));
    }
}

#[test]
fn json_is_exact() {
    let server = Server::start(2);
    for (publisher, payload, expected) in [
        (
            "pub sports name=alice",
            &b"Goal!"[..],
            r#"{"topic":"sports","payload":"Goal!","time":"TIME","publisher":"127.0.0.1:PORT","name":"alice","id":"ID"}"#,
        ),
        (
            "pub",
            b"Goal!",
            r#"{"topic":"broadcast","payload":"Goal!","time":"TIME","publisher":"127.0.0.1:PORT","id":"ID"}"#,
        ),
        (
            "pub",
            b"\xff\x00",
            r#"{"topic":"broadcast","payload_b64":"/wA=","time":"TIME","publisher":"127.0.0.1:PORT","id":"ID"}"#,
        ),
    ] {
        let mut subscriber = server.client("SUBSCRIBER format=json");
        let mut publisher = server.client(publisher);
        publisher.send([payload, b"\n"].concat());
        let line = subscriber.line();
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let time = value["time"].as_str().expect("a time");
        let id = value["id"].as_str().expect("an id");
        let line = without_time(&line, time).replace(id, "ID");
        assert_eq!(line, expected.replace("PORT", &publisher.port().to_string()));
    }
}

#[test]
fn ids_are_unique_and_count_up() {
    let server = Server::start(2);
    let mut subscriber = server.client("sub format=json");
    let (mut one, mut other) = (server.client("pub"), server.client("pub"));
    let mut ids = Vec::new();
    for publisher in [&mut one, &mut other] {
        for _ in 0..12 {
            publisher.send("x\n");
            let value: serde_json::Value = serde_json::from_str(&subscriber.line()).expect("JSON");
            ids.push(value["id"].as_str().expect("an id").to_owned());
        }
    }
    let (sources, numbers): (Vec<&str>, Vec<&str>) = ids.iter().filter_map(|id| id.rsplit_once('-')).unzip();
    let twelve: Vec<String> = (0..12).map(|number| number.to_string()).collect();
    assert_eq!(numbers, [twelve.clone(), twelve].concat());
    assert!(sources[..12].iter().all(|source| *source == sources[0] && *source != sources[12]), "{ids:?}");
}

#[test]
fn json_gives_back_every_text_as_it_was() {
    let server = Server::start(2);
    let mut subscriber = server.client("sub format=json");
    let mut publisher = server.client("pub");
    for text in [
        "quote \" backslash \\ slash /",
        "tab\tescape \x1b[2J nul \0 del \x7f",
        " Grüße \u{202e} 🎉 ",
        "\u{85}\u{2028}",
    ] {
        publisher.send(format!("{text}\n"));
        let value: serde_json::Value = serde_json::from_str(&subscriber.line()).expect("JSON");
        assert_eq!(value["payload"], text);
    }
}

#[test]
fn topics_reach_those_who_asked_and_nobody_else() {
    let server = Server::start(4);
    let mut sports = server.client("SUBSCRIBER sports");
    let mut news = server.client("SUBSCRIBER news");
    let mut every = server.client("SUBSCRIBER");
    let mut hidden = server.client("SUBSCRIBER $private");
    let publisher = |hello: &str, text: &str| server.client(hello).send(format!("{text}\nterminate\n"));
    publisher("pub $private", "secret");
    assert!(hidden.line().ends_with(": secret"), "topics with $ are heard by name");
    publisher("pub sports", "goal");
    assert!(sports.line().ends_with(": goal"));
    // No order is promised among publishers: the next one waits until everyone has this.
    assert!(every.line().ends_with(": goal"), "and not by a wildcard");
    publisher("pub news", "breaking");
    assert!(news.line().ends_with(": breaking"));
    assert!(every.line().ends_with(": breaking"));
    assert!(server.terminate().success());
    for mut client in [sports, news, every, hidden] {
        client.assert_line("terminate");
        client.assert_end();
    }
}

#[test]
fn publishers_hear_nothing_but_ok() {
    let server = Server::start(2);
    let mut subscriber = server.client("sub");
    let mut publisher = server.client("pub");
    let mut acked = server.client("PUBLISHER news ack=1");
    publisher.send("one\n");
    acked.send("two\n\n \r\nthree\n");
    assert_eq!(acked.lines(2), ["OK", "OK"], "blank messages are not accepted");
    subscriber.lines(3);
    acked.send("four\nterminate\n");
    assert_eq!(acked.rest(), b"OK\n");
    publisher.send("terminate\n");
    publisher.assert_end();
}

#[test]
fn a_message_that_is_acknowledged_is_delivered() {
    let server = Server::start(4);
    let mut subscriber = server.client("sub");
    let mut publisher = server.client("pub ack=1");
    for number in 0..100 {
        publisher.send(format!("{number}\n"));
        publisher.assert_line("OK");
    }
    publisher.reset();
    for number in 0..100 {
        assert!(subscriber.line().ends_with(&format!(": {number}")));
    }
}

#[test]
fn subscribers_may_talk_and_nobody_hears_it() {
    let server = Server::start(1);
    let mut subscriber = server.client("SUBSCRIBER");
    let mut chatty = server.client("SUBSCRIBER");
    chatty.send("hello?\n\nis anybody there\n");
    chatty.send("x".repeat(100_000));
    let mut publisher = server.client("pub");
    publisher.send("marker\n");
    for client in [&mut subscriber, &mut chatty] {
        client.assert_line(format!("[FROM {}] : marker", publisher.addr()));
    }
    server.wait_for_log("]: marker");
    assert_eq!(server.log_lines("hello?"), [""; 0]);
}

/// What came in one segment stands in the log in the order in which it happened.
#[test]
fn the_log_tells_things_in_their_order() {
    let server = Server::start(1);
    let mut publisher = server.connect();
    publisher.send("pub\none\ntwo\nterminate\n");
    publisher.assert_end();
    server.wait_for_end(&publisher.addr());
    server.wait_for_log("]: two");
    let lines = server.log_lines(&publisher.addr());
    let order = ["Client connected: ", "Role: PUBLISHER", "]: one", "]: two", "Client disconnected: "];
    assert_eq!(lines.len(), order.len(), "{lines:#?}");
    for (line, part) in lines.iter().zip(order) {
        assert!(line.contains(part), "{part} expected: {lines:#?}");
    }
}
