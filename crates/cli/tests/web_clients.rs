//! Clients of WebSocket that nobody here wrote, with the applications that people write for them; the scripts
//! in `testdata/clients` say what they do.

mod support;

use support::{Server, web_script};
use wire::websocket::{Opcode, Part, write_masked_frame};

#[track_caller]
fn runs(script: &str, more: &[&str], test: &str) {
    let server = Server::start(2);
    let port = server.port().to_string();
    let Some(mut script) = web_script(script, &[&[&*port], more].concat(), test) else { return };
    let status = script.wait();
    assert!(status.success(), "{more:?}: {}", script.screen());
}

#[test]
fn python_s_websockets_talks_and_is_told_why_it_ends() {
    let server = Server::start(2);
    let test = "python_s_websockets_talks_and_is_told_why_it_ends";
    let args = [&*server.port().to_string()];
    let Some(mut script) = web_script("websocket_application.py", &args, test) else { return };
    script.wait_for("waits for the end");
    assert!(server.terminate().success());
    let status = script.wait();
    assert!(status.success(), "{}", script.screen());
}

#[test]
fn paho_runs_over_websocket() {
    for version in ["3.1.1", "5"] {
        runs("paho_application.py", &[version, "websockets"], "paho_runs_over_websocket");
    }
}

#[test]
fn mqtt_js_runs_over_websocket() {
    for version in ["4", "5"] {
        runs("mqttjs_application.cjs", &[version], "mqtt_js_runs_over_websocket");
    }
}

/// A client id lives on one shard: whoever says it with the handshake is handed to that one behind the answer. The
/// server ended there.
#[test]
fn whoever_says_everything_at_once_gets_it_all() {
    let server = Server::start(4);
    // Of two, one says at once that it has said all.
    for id in b'a'..=b'p' {
        let connect = [b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01", &[id][..]].concat();
        let mut frames = Vec::new();
        let said = [(Opcode::Ping, &b"hello"[..]), (Opcode::Binary, &connect), (Opcode::Binary, b"\xe0\x00")];
        for (opcode, payload) in said {
            write_masked_frame(&mut frames, opcode, Part::Last, [1, 2, 3, 4], payload);
        }
        let handshake = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let mut client = server.connect();
        client.send([handshake.as_bytes(), &frames].concat());
        if id % 2 == 0 {
            client.half_close();
        }
        client.assert_line("HTTP/1.1 101 Switching Protocols\r");
        while client.line() != "\r" {}
        let rest = client.rest().escape_ascii().to_string();
        // The pong comes wherever there is room between frames.
        let (before, behind) = rest.split_once(r"\x8a\x05hello").unwrap_or_else(|| panic!("no pong: {rest}"));
        // CONNACK, and the end.
        assert_eq!([before, behind].concat(), r"\x82\x04 \x02\x00\x00\x88\x02\x03\xe8");
    }
}
