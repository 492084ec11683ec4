//! The hello: who speaks first, every spelling of it, and what is refused with which line.

mod support;

use std::thread;
use std::time::{Duration, Instant};

use support::{Client, PROMPT, Server, eventually};

/// A client that begins with `bytes` is a subscriber with lines like those of `like`.
#[track_caller]
fn check_subscriber(server: &Server, bytes: &str, expected: &str) {
    let mut subscriber = server.connect();
    subscriber.send(bytes);
    server.wait_for_role(&subscriber);
    let mut publisher = server.client("pub sports");
    publisher.send("x\n");
    let expected = expected.replace("PORT", &publisher.port().to_string());
    assert_eq!(subscriber.line(), expected, "after {bytes:?}");
}

#[test]
fn subscribers_in_every_spelling() {
    let server = Server::start(2);
    const FROM: &str = "[FROM 127.0.0.1:PORT] : x";
    const FROM_TOPIC: &str = "[sports | FROM 127.0.0.1:PORT] : x";
    const TUPLE: &str = "[('127.0.0.1', PORT)]: x";
    const TUPLE_TOPIC: &str = "[sports] ('127.0.0.1', PORT): x";
    for (bytes, expected) in [
        ("sub", TUPLE),
        ("sub\n", TUPLE),
        ("SUB\r\n", TUPLE),
        ("  Sub\t \n", TUPLE),
        ("\n\r\n sub\n", TUPLE),
        ("SUBSCRIBER", FROM),
        ("subscriber\n", FROM),
        ("Subscriber \r\n", FROM),
        ("SUBSCRIBER sports", FROM_TOPIC),
        ("SUBSCRIBER:sports\n", FROM_TOPIC),
        ("SUBSCRIBER,sports\n", FROM_TOPIC),
        ("SUBSCRIBER|sports\n", FROM_TOPIC),
        ("SUBSCRIBER | sports\n", FROM_TOPIC),
        ("sub sports\r\n", TUPLE_TOPIC),
        ("sub:sports", TUPLE_TOPIC),
        ("sub: sports\n", TUPLE_TOPIC),
        ("sub:sports name=bob last=0 format=plain\n", TUPLE_TOPIC),
        ("sub name=bob\n", TUPLE),
    ] {
        check_subscriber(&server, bytes, expected);
    }
}

#[test]
fn publishers_in_every_spelling() {
    let server = Server::start(2);
    let mut subscriber = server.client("sub #");
    for (hello, topic) in [
        ("pub", "broadcast"),
        ("PUB\n", "broadcast"),
        ("publisher\r\n", "broadcast"),
        (" Publisher", "broadcast"),
        ("PUBLISHER sports\n", "sports"),
        ("pub:sports", "sports"),
        ("pub,sports\n", "sports"),
        ("pub|sports ack=1\n", "sports"),
        ("pub a:b,c|d\n", "a:b,c\\x7cd"),
    ] {
        let mut publisher = server.connect();
        publisher.send(hello);
        server.wait_for_role(&publisher);
        publisher.send("x\n");
        subscriber.assert_line(format!("[{topic}] ('127.0.0.1', {}): x", publisher.port()));
    }
}

#[test]
fn hello_and_messages_may_come_together() {
    let server = Server::start(2);
    let mut subscriber = server.client("SUBSCRIBER");
    let mut publisher = server.connect();
    publisher.send("PUBLISHER name=eve\r\none\r\ntwo\nterminate\nnever\n");
    publisher.assert_end();
    for text in ["one", "two"] {
        subscriber.assert_line(format!("[FROM eve@{}] : {text}", publisher.addr()));
    }
    let mut marker = server.client("pub");
    marker.send("marker\n");
    subscriber.assert_line(format!("[FROM {}] : marker", marker.addr()));
}

#[test]
fn a_silent_client_is_asked() {
    let server = Server::start(2);
    for answer in ["SUBSCRIBER", "SUBSCRIBER\n", "sub\r\n", "subscriber news last=5"] {
        let mut subscriber = server.connect();
        subscriber.assert_bytes(PROMPT);
        subscriber.send(answer);
        subscriber.assert_line("Waiting for messages...");
    }
    let mut publisher = server.connect();
    publisher.assert_bytes(PROMPT);
    publisher.send("PUBLISHER");
    server.wait_for_role(&publisher);
    publisher.send("terminate");
    publisher.assert_end();
}

#[test]
fn who_speaks_first_is_never_asked() {
    let server = Server::start(2);
    let mut framed = server.client("sub");
    let mut unframed = server.connect();
    unframed.send("sub");
    server.wait_for_role(&unframed);
    // The prompt of a client that came later is out: theirs would be as well.
    server.connect().assert_bytes(PROMPT);
    let mut publisher = server.client("pub");
    publisher.send("x\n");
    for client in [&mut framed, &mut unframed] {
        client.assert_line(format!("[('127.0.0.1', {})]: x", publisher.port()));
    }
}

/// r-blank: Enter at the prompt used to close the connection after the prompt delay.
#[test]
fn a_blank_line_at_the_prompt_is_ignored() {
    let server = Server::start(1);
    let mut subscriber = server.connect();
    subscriber.assert_bytes(PROMPT);
    subscriber.send("\n");
    // Whoever connects now is asked later than the other's patience could end.
    server.connect().assert_bytes(PROMPT);
    server.connect().assert_bytes(PROMPT);
    subscriber.send("\r\n");
    subscriber.send("SUBSCRIBER\n");
    subscriber.assert_line("Waiting for messages...");
}

#[track_caller]
fn check_refused(server: &Server, bytes: &[u8], line: &str) {
    let mut client = server.connect();
    client.send(bytes);
    client.assert_line(line);
    client.assert_end();
    let logged = server.wait_for_end(&client.addr());
    assert!(logged.contains(&format!("WARN Client disconnected: {}", client.addr())), "{logged}");
    assert!(logged.ends_with(&format!(": refused: {line}")), "{logged}");
}

#[test]
fn refusals_are_one_line_and_harm_nobody() {
    let server = Server::start(2);
    // One on each shard, wherever the refused ones go.
    let mut subscribers = [server.client("sub"), server.client("sub")];
    let mut publisher = server.client("pub");
    let check = |bytes: &[u8], line: &str| check_refused(&server, bytes, line);
    check(b"LISTENER\n", "Invalid role \"LISTENER\": use PUBLISHER or SUBSCRIBER");
    check(b"LISTENER", "Invalid role \"LISTENER\": use PUBLISHER or SUBSCRIBER");
    check(b"pu", "Invalid role \"pu\": use PUBLISHER or SUBSCRIBER");
    check(b"subs\n", "Invalid role \"subs\": use PUBLISHER or SUBSCRIBER");
    check(b"{\"role\":\"pub\"}\n", "Invalid role \"{\"role\":\"pub\"}\": use PUBLISHER or SUBSCRIBER");
    check(b"\x1b[2J\x07\n", "Invalid role \"\\x1b[2J\\x07\": use PUBLISHER or SUBSCRIBER");
    check(b"\xff\xfe\n", "Invalid role \"\\xff\\xfe\": use PUBLISHER or SUBSCRIBER");
    check(b"pub a/#\n", "Invalid topic \"a/#\": topic name has a wildcard");
    check(b"sub a/#/b\n", "Invalid topic \"a/#/b\": wildcard is misplaced");
    check(b"pub a\x1bb\n", "Invalid topic \"a\\x1bb\": topic has a control character");
    let options = "use name=, last=, since=, format=plain, format=json, time=1 or ack=1";
    check(b"sub sports last=many\n", &format!("Invalid option \"last=many\": {options}"));
    check(b"sub sports loud\n", &format!("Invalid option \"loud\": {options}"));
    check(b"sub name=\n", &format!("Invalid option \"name=\": {options}"));
    publisher.send("marker\n");
    for subscriber in &mut subscribers {
        subscriber.assert_line(format!("[('127.0.0.1', {})]: marker", publisher.port()));
    }
}

#[test]
fn a_wrong_answer_to_the_prompt_is_refused_too() {
    let server = Server::start(1);
    let mut client = server.connect();
    client.assert_bytes(PROMPT);
    client.send("LISTENER");
    client.assert_line("Invalid role \"LISTENER\": use PUBLISHER or SUBSCRIBER");
    client.assert_end();
}

#[test]
fn other_protocols_are_told_from_the_first_bytes() {
    let server = Server::start(2);
    let refused = |bytes: &[u8], protocol: &str| -> Client {
        let mut client = server.connect();
        client.send(bytes);
        let logged = server.wait_for_end(&client.addr());
        let reason = format!("refused: its first bytes begin {protocol}, which is not supported yet");
        assert!(logged.contains(" WARN ") && logged.ends_with(&reason), "{logged}");
        client
    };
    let mut spoken = server.connect();
    spoken.send(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00");
    server.wait_for_log(&format!("@{}] MQTT, new session", spoken.addr()));
    refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS").assert_end();
}

/// Longer than the server waits for the rest of a hello, or for a hello at all.
const LATE: Duration = Duration::from_millis(400);

/// The server sleeps, and meanwhile `during` happens: its timers are due when it goes on.
fn while_it_sleeps(server: &Server, during: impl FnOnce()) {
    server.signal("STOP");
    during();
    // The subject: a server that is this late.
    thread::sleep(LATE);
    server.signal("CONT");
}

/// The server was held up between the hello and what follows: what a client had said when its
/// hello was whole is its hello, and no timer runs before what was said has been read.
#[test]
fn a_late_server_takes_no_message_for_a_part_of_the_hello() {
    let server = Server::start(1);
    for hello in ["pub", "pub news", "PUBLISHER", "PUBLISHER,news"] {
        let mut subscriber = server.client("SUBSCRIBER");
        let mut publisher = server.connect();
        publisher.send(hello);
        // Read, and waiting for the rest.
        server.wait_until_read(&publisher);
        server.signal("STOP");
        // Only what comes when the hello has settled is a message.
        thread::sleep(LATE);
        publisher.send("w14");
        server.signal("CONT");
        subscriber.assert_line(format!("[FROM {}] : w14", publisher.addr()));
        let topic = if hello.contains("news") { "[news | PUBLISHER " } else { "[PUBLISHER " };
        let logged = server.wait_for_log(&format!("PUBLISHER {}]: w14", publisher.addr()));
        assert!(logged.contains(topic), "after {hello:?}: {logged}");
    }
}

#[test]
fn a_late_server_asks_nobody_who_has_spoken() {
    let server = Server::start(1);
    let mut publisher = server.connect();
    while_it_sleeps(&server, || publisher.send("pub ack=1\nhi\n"));
    publisher.assert_line("OK");
}

/// One dialect sends the role, then the topic behind its separator. An attempt in which the role
/// was taken for whole before the server was stopped does not count.
#[test]
fn a_role_word_goes_on_with_a_separator() {
    let server = Server::start(1);
    let mut subscriber = server.client("SUBSCRIBER news");
    let publisher = eventually("an undisturbed attempt", || {
        let mut publisher = server.connect();
        publisher.send("PUBLISHER");
        server.wait_until_read(&publisher);
        while_it_sleeps(&server, || publisher.send(",news\nhi\n"));
        let role = server.wait_for_log(&format!("{}] Role: PUBLISHER", publisher.addr()));
        role.contains(" topic news").then_some(publisher)
    });
    subscriber.assert_line(format!("[news | FROM {}] : hi", publisher.addr()));
}

/// A word that comes in pieces is waited for, whatever else its first letter may begin. Its pieces
/// come just before the server would ask for a role, and before it would give the word up; an
/// attempt in which the test was held up does not count.
#[test]
fn the_first_letter_alone_is_waited_for() {
    let server = Server::start(1);
    let prompt_delay = Duration::from_millis(250);
    for (first, rest) in [("P", "UB ack=1\nhi\n"), ("p", "ub ack=1\nhi\n"), ("PU", "BLISHER ack=1\nhi\n")] {
        let answer = eventually("an undisturbed attempt", || {
            let began = Instant::now();
            let mut publisher = server.connect();
            // The subject: a client that speaks slowly.
            thread::sleep(Duration::from_millis(180));
            let spoke = Instant::now();
            publisher.send(first);
            let in_time = began.elapsed() < prompt_delay;
            thread::sleep(Duration::from_millis(120));
            publisher.try_send(rest);
            (in_time && spoke.elapsed() < prompt_delay).then(|| publisher.line())
        });
        assert_eq!(answer, "OK", "after {first:?}");
    }
}
