//! `tidings bench` over HTTP, Server-Sent Events and WebSocket: what it counts is what was sent, against the broker and
//! against one that loses.

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::Value;
use support::bench::{bench, check, count};
use support::{Server, tidings};
use wire::http::write_chunk;
use wire::websocket::{Opcode, accept_key, write_frame};

#[test]
fn events_are_counted() {
    check(&["--proto", "sse"], "text to SSE", 1);
    check(&["--proto", "sse", "--subs", "20", "--window", "64"], "text to SSE", 20);
    check(&["--proto", "sse", "--pubs", "5", "--subs", "3", "--window", "64"], "text to SSE", 3);
    check(&["--proto", "sse", "--pubs", "4", "--subs", "4", "--topics", "4"], "text to SSE", 1);
    check(&["--proto", "sse", "--size", "100000", "--window", "8"], "text to SSE", 1);
    check(&["--proto", "sse", "--rate", "2000"], "text to SSE", 1);
}

#[test]
fn frames_of_json_are_counted() {
    let protocol = "text to WebSocket JSON";
    check(&["--proto", "ws"], protocol, 1);
    check(&["--proto", "ws", "--subs", "20", "--window", "64"], protocol, 20);
    check(&["--proto", "ws", "--pubs", "5", "--subs", "3", "--window", "64"], protocol, 3);
    check(&["--proto", "ws", "--pubs", "4", "--subs", "4", "--topics", "4"], protocol, 1);
    check(&["--proto", "ws", "--size", "100000", "--window", "8"], protocol, 1);
    check(&["--proto", "ws", "--rate", "2000"], protocol, 1);
}

/// The same, and each answer of the measurement was timed.
#[track_caller]
fn check_answered(args: &[&str], protocol: &str) {
    let report = check(args, protocol, 1);
    let [middle, most] =
        ["p50_us", "max_us"].map(|what| report["round_trip"][what].as_f64().expect("a time"));
    assert!(middle > 0.0 && middle <= most, "{args:?}: {report}");
}

#[test]
fn answers_to_publishers_are_counted_and_timed() {
    for (published, name) in [("http", "HTTP"), ("ws", "WebSocket JSON"), ("text-ack", "text with ack=1")] {
        let protocol = format!("{name} to text");
        check_answered(&["--publish", published], &protocol);
        check_answered(&["--publish", published, "--unacked", "1"], &protocol);
        check_answered(&["--publish", published, "--unacked", "32"], &protocol);
        check_answered(&["--publish", published, "--window", "1"], &protocol);
        check_answered(
            &["--publish", published, "--pubs", "5", "--topics", "1", "--window", "64"],
            &protocol,
        );
        check_answered(&["--publish", published, "--size", "70000", "--window", "8"], &protocol);
        check_answered(&["--publish", published, "--rate", "2000"], &protocol);
    }
    check_answered(&["--proto", "http", "--unacked", "32"], "HTTP to text");
    check_answered(&["--proto", "ws", "--publish", "ws"], "WebSocket JSON to WebSocket JSON");
    check_answered(&["--proto", "sse", "--publish", "http"], "HTTP to SSE");
}

#[test]
fn nobody_answers_lines() {
    assert!(check(&["--proto", "sse"], "text to SSE", 1)["round_trip"].is_null());
}

#[test]
fn mqtt_over_websocket_is_counted_at_every_qos() {
    for qos in ["0", "1", "2"] {
        for (version, name) in [("3.1.1", "3.1.1"), ("5", "5.0")] {
            let args = ["--proto", "mqtt-ws", "--qos", qos, "--mqtt-version", version];
            check(&args, &format!("MQTT {name} QoS {qos} over WebSocket"), 1);
        }
    }
    let protocol = "MQTT 3.1.1 QoS 1 over WebSocket";
    check(&["--proto", "mqtt-ws", "--qos", "1", "--pubs", "5", "--subs", "3", "--window", "64"], protocol, 3);
    check(&["--proto", "mqtt-ws", "--qos", "1", "--unacked", "1"], protocol, 1);
    check(&["--proto", "mqtt-ws", "--qos", "1", "--size", "100000", "--window", "8"], protocol, 1);
    check(&["--proto", "mqtt-ws", "--qos", "1", "--rate", "2000"], protocol, 1);
}

#[test]
fn a_broker_that_runs_already_is_measured() {
    let server = Server::start(2);
    let address = format!("127.0.0.1:{}", server.port());
    check(&[&address, "--proto", "sse", "--subs", "3"], "text to SSE", 3);
    check(&[&address, "--proto", "ws", "--subs", "3"], "text to WebSocket JSON", 3);
    check(&[&address, "--proto", "http", "--subs", "3"], "HTTP to text", 3);
    check(&[&address, "--proto", "mqtt-ws", "--subs", "3"], "MQTT 3.1.1 QoS 0 over WebSocket", 3);
}

#[test]
fn idle_clients_of_each_kind_hear_something() {
    for proto in ["text", "mqtt", "mqtt-ws", "sse", "ws"] {
        let output = tidings().args(["bench", "idle", "--json", "--subs", "50", "--proto", proto]).output();
        let output = output.expect("it starts");
        assert!(output.status.success(), "{proto}: {}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        assert_eq!(report["subscribers"], 50, "{proto}");
    }
}

/// What a broker does with every fifth message, besides not delivering it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Announced,
    Silent,
}

#[test]
fn announced_loss_is_counted_and_silent_loss_is_a_failure() {
    for proto in ["sse", "ws"] {
        for loss in [Loss::Announced, Loss::Silent] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let peer = thread::spawn(move || lossy_broker(&listener, proto, loss));
            // A rate: silent loss would stop a window for ever.
            let (output, report) = bench(&[&address, "--proto", proto, "--rate", "1000", "--allow-gaps"]);
            let dropped = peer.join().unwrap();
            assert!(dropped > 0);
            assert_eq!(output.status.success(), loss == Loss::Announced, "{proto}, {loss:?}: {report}");
            let [announced, lost] = if loss == Loss::Announced { [dropped, 0] } else { [0, dropped] };
            assert_eq!((count(&report, "announced"), count(&report, "lost")), (announced, lost), "{report}");
            assert_eq!(count(&report, "received"), count(&report, "published") - dropped);
        }
    }
}

/// Serves one subscriber and then one publisher, and loses every fifth message; returns how many.
fn lossy_broker(listener: &TcpListener, proto: &str, loss: Loss) -> u64 {
    let mut subscriber = subscriber(listener, proto);
    let (publisher, _) = listener.accept().expect("a publisher connects");
    let mut dropped = 0;
    let mut lines = BufReader::new(publisher).lines();
    assert_eq!(lines.next().expect("a hello").expect("text"), "PUBLISHER b00000");
    for (number, payload) in lines.map_while(Result::ok).enumerate() {
        let message = format!(
            "{{\"topic\":\"b00000\",\"payload\":\"{payload}\",\"time\":\"2026-11-22T12:00:00.000Z\",\
             \"publisher\":\"127.0.0.1:1\",\"id\":\"0-0-0-0-{number}\""
        );
        let said = match (number % 5 == 4, loss, proto) {
            (false, _, "sse") => format!("id: A\ndata: {message}}}\n\n"),
            (false, _, _) => format!("{message},\"position\":\"A\"}}"),
            (true, Loss::Announced, "sse") => "id: A\nevent: gap\ndata: {\"lost\":1}\n\n".to_owned(),
            (true, Loss::Announced, _) => "{\"event\":\"gap\",\"lost\":1,\"position\":\"A\"}".to_owned(),
            (true, Loss::Silent, _) => String::new(),
        };
        dropped += u64::from(number % 5 == 4);
        say(&mut subscriber, proto, &said);
    }
    // It is still reading.
    assert_eq!(subscriber.read(&mut [0]).unwrap_or(0), 0);
    dropped
}

fn subscriber(listener: &TcpListener, proto: &str) -> TcpStream {
    let (mut stream, _) = listener.accept().expect("a subscriber connects");
    let mut asks = BufReader::new(stream.try_clone().expect("a handle"));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        asks.read_line(&mut head).expect("a request");
    }
    if proto == "sse" {
        assert!(head.starts_with("GET /t/b00000?format=sse HTTP/1.1\r\n"), "{head}");
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").expect("it reads");
        say(&mut stream, proto, "event: open\ndata: {\"position\":\"A\"}\n\n");
        return stream;
    }
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
    let accept = accept_key(key.as_bytes());
    let answer = format!("HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: {}\r\n\r\n", accept.as_str());
    stream.write_all(answer.as_bytes()).expect("it reads");
    let mut frame = [0; 2];
    asks.read_exact(&mut frame).expect("a frame");
    assert_eq!((frame[0], frame[1] & 0x80), (0x81, 0x80), "masked text");
    let mut rest = vec![0; usize::from(frame[1] & 0x7f) + 4];
    asks.read_exact(&mut rest).expect("its payload");
    say(&mut stream, proto, "{\"event\":\"subscribed\",\"sub\":1,\"position\":\"A\"}");
    stream
}

fn say(stream: &mut TcpStream, proto: &str, text: &str) {
    let mut bytes = Vec::new();
    match proto {
        "sse" => write_chunk(&mut bytes, text.as_bytes()),
        _ if text.is_empty() => {}
        _ => write_frame(&mut bytes, Opcode::Text, text.as_bytes()),
    }
    stream.write_all(&bytes).expect("it reads what is said");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    for (args, says) in [
        (&["--proto", "sse", "--qos", "1"][..], "--proto mqtt"),
        (&["--proto", "ws", "--unacked", "9"], "--unacked"),
        (&["--proto", "mqtt-ws", "--publish", "http"], "--publish"),
    ] {
        let output = tidings().arg("bench").args(args).output().expect("it starts");
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains(says), "{args:?}");
    }
}

/// Enough for the kernel to send them from shared pages.
#[test]
fn what_many_are_sent_is_whole() {
    let many = ["--subs", "80", "--window", "1024"];
    for (proto, name) in [
        ("text", "text"),
        ("sse", "text to SSE"),
        ("ws", "text to WebSocket JSON"),
        ("mqtt", "MQTT 3.1.1 QoS 0"),
        ("mqtt-ws", "MQTT 3.1.1 QoS 0 over WebSocket"),
    ] {
        check(&[&["--proto", proto], &many[..]].concat(), name, 80);
    }
}
