//! `tidings pub`, `sub` and `req` as programs: what they print where, what they promise, how they end.

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use support::{DEADLINE, Script, Server, Start, Wire, eventually, tidings};

fn place(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port())
}

/// A subscriber that the server knows: it has got what was retained for it, and printed that.
#[track_caller]
fn subscriber(server: &str, args: &[&str]) -> Script {
    publish(server, &["-r", "-q", "1", "ready", "ready"], "");
    let client = Script::tidings(&[&["sub", "-s", server], args, &["-t", "ready"]].concat());
    client.wait_for("ready");
    client
}

/// What a subscriber has printed behind that.
fn heard(client: &Script) -> Vec<String> {
    let lines = client.screen_lines();
    lines.into_iter().filter(|line| !line.contains("ready")).collect()
}

#[track_caller]
fn publish(server: &str, args: &[&str], input: &str) {
    let mut client = Script::tidings(&[&["pub", "-s", server], args].concat());
    client.type_bytes(input);
    client.end_input();
    let status = client.wait();
    assert_eq!((status.code(), client.errors()), (Some(0), String::new()), "{args:?}");
}

/// Exit code and standard error of a command that ends by itself.
#[track_caller]
fn outcome(args: &[&str]) -> (Option<i32>, String) {
    let output = tidings().args(args).stdin(Stdio::null()).output().expect("the program runs");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

/// JSON lines without what differs from one subscriber to the next.
fn messages(lines: &[String]) -> Vec<Value> {
    let parse = |line: &String| {
        let mut message: Value = serde_json::from_str(line).expect("a line of JSON");
        let message_object = message.as_object_mut().expect("an object");
        assert!(message_object.remove("time").is_some());
        message
    };
    lines.iter().map(parse).collect()
}

#[test]
fn a_copied_stream_is_the_same() {
    let (from, to) = (Server::start(1), Server::start(1));
    let original = subscriber(&place(&from), &["--json", "#"]);
    let copy = subscriber(&place(&to), &["--json", "#"]);
    let mut copying = tidings();
    copying.args(["sub", "-s", &place(&from), "--json", "--no-retained", "#", "-t", "$SYS/none"]);
    let mut copying = copying.stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut pasting = tidings();
    pasting.args(["pub", "-s", &place(&to), "--jsonl"]);
    pasting.stdin(copying.stdout.take().expect("a pipe"));
    let mut pasting = pasting.spawn().expect("the program starts");
    // Until both ends of the pipe are there.
    eventually("the first message comes through", || {
        publish(&place(&from), &["probe", "probe"], "");
        copy.screen().contains("probe").then_some(())
    });

    let sent = [
        json!({"topic": "plain", "payload": "", "qos": 0, "retain": false}),
        json!({"topic": "kept/ü", "payload": "line\nline \u{0} \u{1f389}", "qos": 1, "retain": true}),
        json!({
            "topic": "all", "payload_b64": "/wD+", "qos": 2, "retain": false, "payload_format": 0,
            "content_type": "application/octet-stream", "response_topic": "re/ply",
            "correlation_data_b64": "gIE=", "headers": [["b", "1"], ["a", ""], ["b", "2"], ["", "ü"]],
        }),
        json!({
            "topic": "text", "payload": "x", "qos": 2, "retain": true, "payload_format": 1,
            "correlation_data": "42", "headers": [["k", "v"]],
        }),
        json!({"topic": "short-lived", "payload": "x", "qos": 1, "retain": false, "expiry": 4_000_000_000_u32}),
        json!({"topic": "last", "payload": "x", "qos": 1, "retain": false}),
    ];
    let lines: String = sent.iter().map(|message| format!("{message}\n")).collect();
    publish(&place(&from), &["--jsonl"], &lines);
    copy.wait_for("\"last\"");
    original.wait_for("\"last\"");
    let relevant = |client: &Script| {
        let mut messages = messages(&heard(client));
        messages.retain(|message| message["topic"] != "probe");
        for message in &mut messages {
            if let Some(expiry) = message.get_mut("expiry") {
                let seconds = expiry.as_u64().expect("a number");
                assert!((3_999_999_970..=4_000_000_000).contains(&seconds), "{seconds}");
                *expiry = json!(4_000_000_000_u32);
            }
        }
        messages
    };
    assert_eq!(relevant(&original), sent);
    assert_eq!(relevant(&copy), sent);
    // The end of the one is the end of the other.
    support::signal(copying.id(), "INT");
    assert_eq!(copying.wait().expect("our child").code(), Some(130));
    assert_eq!(pasting.wait().expect("our child").code(), Some(0));
}

#[test]
fn standard_input_is_one_message_or_many() {
    let server = Server::start(1);
    let place = place(&server);
    let client = subscriber(&place, &["--format", "%t|%x", "t/#"]);
    publish(&place, &["t/whole", "-"], "a\nb\n");
    publish(&place, &["t/whole"], "");
    publish(&place, &["t/lines", "--lines"], "a\r\n\nb");
    publish(&place, &["t/nulls", "--null"], "a\n\0b");
    publish(&place, &["-t", "t/option", "-m", "-"], "dash");
    publish(&place, &["t/count", "x", "--count", "2"], "");
    publish(&place, &["--jsonl", "t/default", "-H", "a:b"], "{\"payload\":\"x\"}\n");
    publish(&place, &["t/end", ""], "");
    client.wait_for("t/end");
    assert_eq!(
        heard(&client),
        [
            "t/whole|610a620a",
            "t/whole|",
            "t/lines|61",
            "t/lines|",
            "t/lines|62",
            "t/nulls|610a",
            "t/nulls|62",
            "t/option|64617368",
            "t/count|78",
            "t/count|78",
            "t/default|78",
            "t/end|",
        ]
    );
}

#[test]
fn a_line_that_is_no_message_is_named_and_those_before_it_arrive() {
    let server = Server::start(1);
    let listener = subscriber(&place(&server), &["t"]);
    let mut client = Script::tidings(&["pub", "-s", &place(&server), "-q", "2", "--jsonl"]);
    client.type_bytes("{\"topic\":\"t\",\"payload\":\"one\"}\n{\"topic\":\"t\",\"pyload\":\"two\"}\n");
    client.end_input();
    assert_eq!(client.wait().code(), Some(1));
    client.wait_for_error("line 2 of the input is no message: unknown field `pyload`");
    listener.wait_for("one");
}

#[test]
fn retained_messages_are_kept_shown_and_cleared() {
    let server = Server::start(1);
    let place = place(&server);
    publish(&place, &["-r", "kept", "x"], "");
    let mut client = Script::tidings(&["sub", "-s", &place, "kept", "--format", "%r %p", "--count", "1"]);
    assert!(client.wait().success());
    client.wait_for("1 x\n");
    publish(&place, &["-r", "kept", ""], "");
    assert_eq!(outcome(&["sub", "-s", &place, "kept", "-W", "200ms"]), (Some(27), String::new()));
}

#[test]
fn a_stream_of_qos_2_survives_a_wire_that_is_cut() {
    let server = Server::start(2);
    let wire = Wire::to(server.port());
    let flaky = format!("127.0.0.1:{}", wire.port());
    let direct = subscriber(&place(&server), &["t"]);
    let through_wire = subscriber(&flaky, &["t"]);
    let mut client = Script::tidings(&["pub", "-s", &flaky, "-q", "2", "--lines", "t", "--timeout", "30s"]);
    let mut expected = Vec::new();
    for round in 0..4 {
        for number in 0..300 {
            expected.push(format!("{round}-{number}"));
            client.type_line(&format!("{round}-{number}"));
        }
        // Somewhere in the middle of them.
        direct.wait_for(&format!("{round}-0\n"));
        wire.cut();
        eventually("the loss is noticed", || (client.errors().matches("lost").count() > round).then_some(()));
        wire.mend();
    }
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    for subscriber in [&direct, &through_wire] {
        subscriber.wait_for(&format!("{}\n", expected.last().expect("one")));
        assert_eq!(heard(subscriber), expected);
    }
    through_wire.wait_for_error("again");
}

#[test]
fn a_subscriber_finds_a_server_that_was_started_again() {
    let server = Server::start(1);
    let (place, port) = (place(&server), server.port());
    let client = subscriber(&place, &["t"]);
    assert!(server.terminate().success());
    client.wait_for_error("server shutting down; trying again");
    let _server = Start::with(&["--shards", "1", "--listen", &format!("tcp://127.0.0.1:{port}")]).run();
    client.wait_for_error("again, which has forgotten us: messages may be missing");
    eventually("it hears again", || {
        publish(&place, &["t", "after"], "");
        client.screen().contains("after").then_some(())
    });
}

#[test]
fn a_reader_that_has_enough_ends_a_subscriber_quietly() {
    let server = Server::start(1);
    let mut command = tidings();
    command.args(["sub", "-s", &place(&server), "t"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = command.spawn().expect("the program starts");
    let mut reader = BufReader::new(client.stdout.take().expect("a pipe"));
    let sending = thread::spawn({
        let place = place(&server);
        // Until it is there, and once more for the write that fails.
        move || while outcome(&["pub", "-s", &place, "t", "x"]).0 == Some(0) {}
    });
    reader.read_line(&mut String::new()).expect("the first line");
    drop(reader);
    let status = eventually("its end", || client.try_wait().expect("our child"));
    let mut errors = String::new();
    client.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("text");
    assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
    drop(server);
    sending.join().expect("it ends with the server");
}

#[test]
fn ctrl_c_ends_a_subscriber_and_its_session() {
    let server = Server::start(1);
    let mut client = subscriber(&place(&server), &["t"]);
    client.interrupt();
    assert_eq!(client.wait().code(), Some(130));
    assert_eq!(client.errors(), "");
    server.wait_for_log("said terminate");
}

#[test]
fn a_kept_subscription_collects_messages_between_two_runs() {
    let server = Server::start(1);
    let place = place(&server);
    let run = |args: &[&str]| {
        let mut client = Script::tidings(
            &[&["sub", "-s", &place, "--id", "collector", "--keep", "1h", "t"], args].concat(),
        );
        let status = client.wait();
        (status.code(), client)
    };
    assert_eq!(run(&["-W", "100ms"]).0, Some(27));
    publish(&place, &["-q", "1", "--lines", "t"], "one\ntwo\nthree\n");
    let (code, first) = run(&["-C", "2"]);
    assert_eq!(code, Some(0));
    first.wait_for("one\ntwo\n");
    let (code, second) = run(&["-C", "1"]);
    assert_eq!(code, Some(0));
    second.wait_for("three\n");
}

#[test]
fn a_request_finds_its_reply() {
    let server = Server::start(1);
    let place = place(&server);
    let responder = subscriber(&place, &["--json", "math"]);
    let mut client = Script::tidings(&["req", "-s", &place, "-q", "1", "math", "1+2", "--count", "2"]);
    responder.wait_for("1+2");
    let request: Value = serde_json::from_str(&heard(&responder)[0]).expect("a line of JSON");
    let topic = request["response_topic"].as_str().expect("a response topic");
    let mut reply = json!({"topic": topic, "payload": "3"});
    for key in ["correlation_data", "correlation_data_b64"] {
        if let Some(data) = request.get(key) {
            reply[key] = data.clone();
        }
    }
    let other = json!({"topic": topic, "payload": "4", "correlation_data": "of another request"});
    let bare = json!({"topic": topic, "payload": "5"});
    publish(&place, &["--jsonl"], &format!("{other}\n{reply}\n{bare}\n"));
    assert_eq!(client.wait().code(), Some(0));
    client.wait_for("3\n5\n");
    assert_eq!(client.screen(), "3\n5\n");
    let unheard = outcome(&["req", "-s", &place, "nobody", "x", "--wait", "200ms"]);
    assert_eq!(unheard, (Some(27), String::new()));
}

/// A server that reads one packet and answers with these bytes, for every connection; with nothing to
/// say it closes. Returns its address
/// and what it read.
fn server_that_says(answers: &'static [&'static [u8]]) -> (String, std::sync::mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = listener.local_addr().expect("it is bound").to_string();
    let (send, received) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let converse = |mut stream: TcpStream| {
            if answers.is_empty() {
                return read_packet(&mut stream).map(|_| 0);
            }
            for answer in answers {
                drop(send.send(read_packet(&mut stream)?));
                stream.write_all(answer).ok()?;
            }
            // Until the client has had enough.
            stream.read_to_end(&mut Vec::new()).ok()
        };
        for stream in listener.incoming().map_while(Result::ok) {
            converse(stream);
        }
    });
    (place, received)
}

fn read_packet(stream: &mut TcpStream) -> Option<Vec<u8>> {
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    let mut packet = Vec::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        packet.extend(byte);
        if wire::mqtt::frame(&packet).ok()?.is_some_and(|frame| packet.len() == frame.len()) {
            return Some(packet);
        }
    }
}

fn decoded(packet: &[u8]) -> wire::mqtt::Packet<'_> {
    let frame = wire::mqtt::frame(packet).expect("a packet").expect("a whole one");
    wire::mqtt::decode(wire::mqtt::Version::V5, frame.first, &packet[frame.head_len..]).expect("a good one")
}

const CONNACK: &[u8] = &[0x20, 3, 0, 0, 0];

#[test]
fn every_way_to_fail_has_its_exit_code() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it is bound");
    let check = |command: &str, place: &str, code: i32, part: &str| {
        let command: Vec<&str> = command.split(' ').collect();
        let (found, errors) = outcome(&[&command[..], &["-s", place]].concat());
        assert_eq!(found, Some(code), "{command:?}: {errors}");
        assert!(errors.contains(part), "{command:?}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    };
    let unreachable = free.to_string();
    for command in ["pub t x", "sub t", "req t x"] {
        check(command, &unreachable, 3, "cannot connect to 127.0.0.1:");
    }
    // It closes at once.
    let (hasty, _) = server_that_says(&[]);
    check("sub t", &hasty, 3, "closed by the server");
    let (refusing, _) = server_that_says(&[&[0x20, 3, 0, 0x87, 0]]);
    check("sub t", &refusing, 4, "refuses the connection: not authorized");
    let (old, _) = server_that_says(&[&[0x20, 2, 0, 1]]);
    check("sub t", &old, 4, "the server does not speak MQTT 5");
    let (web, _) = server_that_says(&[b"HTTP/1.1 400 Bad Request\r\n\r\n"]);
    check("pub t x", &web, 1, "breaks the protocol: no MQTT");
    let (broken, _) = server_that_says(&[CONNACK, &[0x90, 4, 0, 1, 0, 2, 0x00, 0x00]]);
    check("sub t", &broken, 1, "breaks the protocol: a malformed packet");
    let (strict, _) = server_that_says(&[CONNACK, &[0x90, 4, 0, 1, 0, 0x87]]);
    check("sub t", &strict, 4, "t refused: not authorized");
    let (strict, _) = server_that_says(&[CONNACK, b"\x90\x0a\0\x01\x06\x1f\0\x03no!\x87"]);
    check("sub t", &strict, 4, "t refused: not authorized (no!)");
    let (strict, _) = server_that_says(&[CONNACK, &[0x40, 4, 0, 1, 0x87, 0]]);
    check("pub -q 1 t x", &strict, 4, "1 message refused: not authorized");
    let ours = Server::start(1);
    let why = "1 message refused: not authorized (topics of the server are not published to)";
    check("pub -q 1 $SYS/t x", &place(&ours), 4, why);
    check("pub -q 2 $share/t x", &place(&ours), 4, why);
    let (silent, _) = server_that_says(&[CONNACK, &[]]);
    check("pub -q 1 t x --timeout 200ms", &silent, 1, "1 messages are not acknowledged");
    let (plain, _) = server_that_says(&[&[0x20, 5, 0, 0, 2, 0x25, 0]]);
    check("pub -r t x", &plain, 1, "the server keeps no retained messages");
    check("pub t/# x", &plain, 1, "topic name is invalid");
}

#[test]
fn the_password_is_in_the_environment_or_a_file() {
    let check = |set: &dyn Fn(&mut Command), expected: Option<&[u8]>| {
        let (place, received) = server_that_says(&[CONNACK]);
        let mut command = tidings();
        command.args(["pub", "-s", &place, "--user", "me", "t", "x"]);
        set(&mut command);
        drop(command.status());
        let packet = received.recv_timeout(DEADLINE).expect("a packet");
        let wire::mqtt::Packet::Connect(connect) = decoded(&packet) else { panic!("no CONNECT") };
        assert_eq!((connect.user_name, connect.password), (Some("me"), expected));
    };
    let file = std::env::temp_dir().join(format!("tidings-password-{}", std::process::id()));
    std::fs::write(&file, "in a file\n").expect("a place for files");
    check(&|_| (), None);
    check(
        &|command| {
            command.env("TIDINGS_PASSWORD", "in a variable");
        },
        Some(b"in a variable"),
    );
    check(
        &|command| {
            command.env("TIDINGS_PASSWORD_FILE", &file);
        },
        Some(b"in a file"),
    );
    check(
        &|command| {
            command.env("TIDINGS_PASSWORD", "x").arg("--password-file").arg(&file);
        },
        Some(b"in a file"),
    );
    std::fs::remove_file(&file).expect("our file");
}

#[test]
fn history_and_groups_are_asked_for_in_the_subscribe() {
    for (args, history, filter) in [
        (&["--last", "10"][..], Some("10"), "t"),
        (&["--since", "5m"], Some("5m"), "t"),
        (&["--group", "g"], None, "$share/g/t"),
    ] {
        let (place, received) = server_that_says(&[CONNACK, &[]]);
        let _client = Script::tidings(&[&["sub", "-s", &place, "t"], args].concat());
        received.recv_timeout(DEADLINE).expect("a CONNECT");
        let packet = received.recv_timeout(DEADLINE).expect("a SUBSCRIBE");
        let wire::mqtt::Packet::Subscribe(subscribe) = decoded(&packet) else { panic!("no SUBSCRIBE") };
        let user = subscribe.properties.iter().find_map(|property| match property {
            wire::mqtt::Property::User("history", value) => Some(value),
            _ => None,
        });
        let filters: Vec<&str> = subscribe.filters.iter().map(|(filter, _)| filter).collect();
        assert_eq!((user, filters), (history, vec![filter]));
    }
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = tidings().args(["completions", shell]).output().expect("the program runs");
        assert!(output.status.success());
        let script = String::from_utf8(output.stdout).expect("text");
        for word in ["pub", "sub", "req", "jsonl", "--last", "completions"] {
            assert!(script.contains(word.trim_start_matches('-')), "{shell}: {word}");
        }
    }
    let directory = std::env::temp_dir().join(format!("tidings-man-{}", std::process::id()));
    let written = tidings().arg("man").arg(&directory).status().expect("the program runs");
    assert!(written.success());
    for (page, part) in [
        ("tidings.1", "tidings\\-pub(1)"),
        ("tidings-pub.1", "\\-\\-jsonl"),
        ("tidings-sub.1", "\\-\\-since"),
        ("tidings-config-print.1", "tidings config print"),
    ] {
        let text = std::fs::read_to_string(directory.join(page)).expect("a page");
        assert!(text.contains(part), "{page}: {text}");
    }
    std::fs::remove_dir_all(&directory).expect("our directory");
}
