//! Requests that become a WebSocket, and those that do not.

use wire::http::{Head, parse_head};
use wire::websocket::{
    HandshakeError, VERSION, accept_key, check_handshake, offers_protocol, write_accepted,
};

const GOOD: &str = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn head(request: &str) -> Head<'_> {
    parse_head(request.as_bytes(), 0, 8192).expect("a good head").expect("a whole head")
}

/// RFC 6455 1.2 and 1.3, as it stands there.
#[test]
fn the_example_of_the_standard() {
    assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ==").as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let accept = check_handshake(&head(GOOD)).expect("a good handshake");
    let mut out = b"before".to_vec();
    write_accepted(&mut out, &accept, Some("chat"));
    assert_eq!(
        String::from_utf8(out).expect("ASCII"),
        "beforeHTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: chat\r\n\r\n"
    );
    let mut out = Vec::new();
    write_accepted(&mut out, &accept, None);
    assert!(out.ends_with(b"xOo=\r\n\r\n"));
}

/// A good request with one change is refused.
#[test]
fn one_change_and_it_is_refused() {
    use HandshakeError::{Body, Key, Method, NoUpgrade, Version};
    for (from, to, expected, status) in [
        ("GET", "POST", Method, 405),
        ("GET", "get", Method, 405),
        ("HTTP/1.1", "HTTP/1.0", NoUpgrade, 426),
        ("Upgrade: websocket", "X: y", NoUpgrade, 426),
        ("Upgrade: websocket", "Upgrade: websockets", NoUpgrade, 426),
        ("Connection: Upgrade", "Connection: keep-alive", NoUpgrade, 426),
        ("Version: 13", "Version: 8", Version, 426),
        ("Version: 13", "Version: 13, 8", Version, 426),
        ("Version: 13", "Version: 013", Version, 426),
        ("Version: 13", "Version: 13\r\nSec-WebSocket-Version: 8", Version, 426),
        ("Sec-WebSocket-Version: 13\r\n", "", Version, 426),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", Key, 400),
        ("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: dGhlIHNhbXBsZSBub25jZQ", Key, 400),
        ("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: dGhlIHNhbXBsZSBub25jZWU=", Key, 400),
        ("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: dGhlIHNhbXBsZSBub25j", Key, 400),
        ("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: dGhlIHNhbXBsZ!Bub25jZQ==", Key, 400),
        ("Key: dGhl", "Key: \r\nSec-WebSocket-Key: dGhl", Key, 400),
        ("Key: dGhlIHNhbXBsZSBub25jZQ==", &format!("Key: {}", "dGhl".repeat(500)), Key, 400),
        ("Origin:", "Content-Length: 2\r\nOrigin:", Body, 400),
        ("Origin:", "Transfer-Encoding: chunked\r\nOrigin:", Body, 400),
    ] {
        let request = GOOD.replacen(from, to, 1);
        assert_ne!(request, GOOD);
        let error = check_handshake(&head(&request)).expect_err(&request);
        assert_eq!((error, error.status().0), (expected, status), "{from} -> {to}");
        let version = ("sec-websocket-version", VERSION);
        assert_eq!(error.headers().contains(&version), status == 426, "{error:?}");
        assert_eq!(error.headers().contains(&("allow", "GET")), status == 405, "{error:?}");
    }
}

#[test]
fn what_changes_nothing() {
    for (from, to) in [
        ("Connection: Upgrade", "connection: keep-alive, uPGRADE"),
        ("Upgrade: websocket", "UPGRADE: WebSocket"),
        ("Origin:", "Content-Length: 0\r\nOrigin:"),
        ("Sec-WebSocket-Key", "SEC-WEBSOCKET-KEY"),
    ] {
        let request = GOOD.replacen(from, to, 1);
        assert_ne!(request, GOOD);
        check_handshake(&head(&request)).expect(&request);
    }
}

#[test]
fn protocols_are_found_in_their_list() {
    let request = GOOD.replace("Origin:", "Sec-WebSocket-Protocol: mqtt ,MQTTv3\r\nOrigin:");
    let headers = head(&request).headers;
    for (protocol, expected) in [
        ("chat", true),
        ("superchat", true),
        ("mqtt", true),
        ("MQTT", false),
        ("mqttv3", false),
        ("cha", false),
    ] {
        assert_eq!(offers_protocol(headers, protocol), expected, "{protocol}");
    }
}
