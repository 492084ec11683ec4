//! Nobody forges another one's line or drives a terminal: subscribers' and the operator's lines.

mod support;

use support::{Client, Server};

/// Publishes `payload`; plain lines and the log show `shown`.
#[track_caller]
fn check(server: &Server, subscribers: &mut [Client], payload: &str, shown: &str) {
    let mut publisher = server.client("pub");
    publisher.send(format!("{payload}\n"));
    let port = publisher.port();
    for (subscriber, head) in subscribers.iter_mut().zip([
        format!("[('127.0.0.1', {port})]: "),
        format!("[FROM 127.0.0.1:{port}] : "),
        format!("[broadcast] ('127.0.0.1', {port}): "),
        format!("[broadcast | FROM 127.0.0.1:{port}] : "),
    ]) {
        assert_eq!(subscriber.line(), format!("{head}{shown}"));
    }
    let logged = server.wait_for_log(&format!("[PUBLISHER 127.0.0.1:{port}]: "));
    assert!(logged.ends_with(&format!("]: {shown}")), "{logged}");
}

#[test]
fn control_characters_are_shown_and_not_obeyed() {
    let server = Server::start(2);
    let mut subscribers =
        ["sub", "SUBSCRIBER", "sub broadcast", "SUBSCRIBER #"].map(|hello| server.client(hello));
    let mut check = |payload, shown| check(&server, &mut subscribers, payload, shown);
    check("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07");
    check("user\u{202e}txt.exe\u{2066}", "user\\u{202e}txt.exe\\u{2066}");
    check("\u{9b}31m\u{85}\u{2028}", "\\u{9b}31m\\u{85}\\u{2028}");
    check("nul\0 del\x7f", "nul\\x00 del\\x7f");
    check("tab\tstays, so do Grüße, 👩‍👩‍👧 and C:\\new", "tab\tstays, so do Grüße, 👩‍👩‍👧 and C:\\new");
}

#[test]
fn a_carriage_return_forges_no_line() {
    let server = Server::start(2);
    let mut subscribers = ["sub", "SUBSCRIBER"].map(|hello| server.client(hello));
    let mut check = |payload, shown| check(&server, &mut subscribers, payload, shown);
    check("x\r[FROM 10.0.0.1:1] : fired!", "x\\r[FROM 10.0.0.1:1] : fired!");
    check("\r\rx", "\\r\\rx");
    check("[GAP 3 messages dropped: reading too slowly]", "[GAP 3 messages dropped: reading too slowly]");
}

#[test]
fn bytes_that_are_no_text_are_shown_as_bytes() {
    let server = Server::start(2);
    let mut subscriber = server.client("SUBSCRIBER");
    let mut publisher = server.client("pub");
    publisher.send(b"\xff\xfe\xc3(\xe2\x82\n\xf0\x9f\n");
    subscriber.assert_line(format!("[FROM {}] : \\xff\\xfe\\xc3(\\xe2\\x82", publisher.addr()));
    subscriber.assert_line(format!("[FROM {}] : \\xf0\\x9f", publisher.addr()));
    server.wait_for_log("]: \\xff\\xfe\\xc3(\\xe2\\x82");
}

#[test]
fn names_are_escaped_and_json_is_not() {
    let server = Server::start(2);
    let mut long = server.client("SUBSCRIBER");
    let mut short = server.client("sub");
    let mut json = server.client("sub format=json");
    let name = "e\x1b[31mve\u{202e}";
    let mut publisher = server.connect();
    publisher.send(format!("pub name={name}\nhi\n"));
    long.assert_line(format!("[FROM e\\x1b\\x5b31mve\\u{{202e}}@{}] : hi", publisher.addr()));
    short.assert_line(format!("[('e\\x1b\\x5b31mve\\u{{202e}}@127.0.0.1', {})]: hi", publisher.port()));
    let value: serde_json::Value = serde_json::from_str(&json.line()).expect("JSON");
    assert_eq!(value["name"], name);
    server.wait_for_log(&format!("[e\\x1b\\x5b31mve\\u{{202e}}@{}] Role: PUBLISHER", publisher.addr()));
}

#[test]
fn a_topic_is_escaped_too() {
    let server = Server::start(2);
    let mut long = server.client("SUBSCRIBER #");
    let mut publisher = server.connect();
    publisher.send("pub news\u{202e}\nhi\n");
    long.assert_line(format!("[news\\u{{202e}} | FROM {}] : hi", publisher.addr()));
    server.wait_for_log(&format!("[news\\u{{202e}} | PUBLISHER {}]: hi", publisher.addr()));
}

#[test]
fn a_name_or_topic_forges_no_sender() {
    let server = Server::start(2);
    let mut subscriber = server.client("SUBSCRIBER #");
    let mut publisher = server.connect();
    publisher.send("pub a|FROM:root name=root@10.0.0.1:1]'\u{a0}:\nhi\n");
    let name = "root\\x4010.0.0.1:1\\x5d\\x27\\u{a0}:";
    subscriber.assert_line(format!("[a\\x7cFROM:root | FROM {name}@{}] : hi", publisher.addr()));
    server.wait_for_log(&format!("[a\\x7cFROM:root | PUBLISHER {name}@{}]: hi", publisher.addr()));
}

/// Every line of the log begins with a time and a level, whatever clients have sent.
#[test]
fn no_log_line_is_forged() {
    let server = Server::start(2);
    for bytes in [
        "\x1b[2J\n",
        "sub a\x0bb\n",
        "pub\nx\rINFO forged\n",
        "pub name=\x0cINFO\nhi\n",
        "sub x\u{2028}y\nterminate\n",
    ] {
        let mut client = server.connect();
        client.send(bytes);
        client.half_close();
        client.rest();
        server.wait_for_end(&client.addr());
    }
    for line in server.log_lines("") {
        let (time, rest) = line.split_once(' ').expect("a time");
        time.parse::<jiff::Timestamp>().expect("an RFC 3339 time");
        assert!(["INFO ", "WARN ", "ERROR "].iter().any(|level| rest.starts_with(level)), "{line}");
        assert!(!line.chars().any(|c| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c)), "{line:?}");
    }
}
