//! Good requests: what is read of them, in whatever pieces they come.

use Framing::{Chunked, Sized};
use wire::http::{Framing, Head, Version, parse_head};

const BYTES_MAX: usize = 8192;

/// What the head is read as, which every beginning of it is not yet.
fn check(request: &str, expected: &str) {
    let bytes = request.as_bytes();
    let head = parse_head(bytes, 0, BYTES_MAX).expect(request).expect(request);
    assert_eq!(shown(&head), expected, "{request}");
    assert_eq!(head.len, bytes.len(), "{request}");
    for end in 0..bytes.len() {
        for scanned in [0, end / 2, end.saturating_sub(1), end] {
            let prefix = bytes.get(..end).unwrap_or_default();
            assert_eq!(parse_head(prefix, scanned, BYTES_MAX), Ok(None), "{end} bytes of {request}");
        }
        assert_eq!(parse_head(bytes, end, BYTES_MAX), Ok(Some(head)), "{end} bytes of {request} before");
    }
    let mut more = bytes.to_vec();
    more.extend_from_slice(b"GET /next HTTP/9.9\n\n");
    assert_eq!(parse_head(&more, 0, BYTES_MAX), Ok(Some(head)), "{request}");
}

/// `GET path?query host fields` and what is not as usual.
fn shown(head: &Head<'_>) -> String {
    let mut words = vec![head.method.to_string(), head.path.to_string()];
    words.extend(head.query.map(|query| format!("?{query}")));
    words.push(head.host.map_or("-".to_string(), |host| format!("@{host}")));
    for (is, word) in [
        (head.version == Version::Http10, "1.0"),
        (head.keep_alive, "keep"),
        (head.expects_continue, "continue"),
        (head.wants_websocket, "websocket"),
        (head.framing == Chunked, "chunked"),
    ] {
        words.extend(is.then(|| word.to_string()));
    }
    if let Sized(length) = head.framing {
        words.push(format!("{length}"));
    }
    words.join(" ")
}

#[test]
fn request_lines() {
    check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / @a keep");
    check("GET / HTTP/1.0\r\n\r\n", "GET / - 1.0");
    check("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / @a keep");
    check("DELETE /topics/a%2Fb HTTP/1.1\r\nHost: a\r\n\r\n", "DELETE /topics/a%2Fb @a keep");
    check("GET /?a=1?2 HTTP/1.1\r\nHost: a\r\n\r\n", "GET / ?a=1?2 @a keep");
    check("GET /x? HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x ? @a keep");
    check("GET /grün?€ HTTP/1.1\r\nHost: a\r\n\r\n", "GET /grün ?€ @a keep");
    check("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * @a keep");
    check("brew //pot HTTP/1.1\r\nHost: a\r\n\r\n", "brew //pot @a keep");
}

#[test]
fn an_absolute_target_replaces_the_host() {
    check("GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x ?y @b:81 keep");
    check("GET HTTPS://b HTTP/1.1\r\nHost: a\r\n\r\n", "GET / @b keep");
    check("GET http://[::1]?q HTTP/1.0\r\n\r\n", "GET / ?q @[::1] 1.0");
    check("OPTIONS http://b HTTP/1.1\r\nHost:\r\n\r\n", "OPTIONS / @b keep");
}

#[test]
fn hosts() {
    check("GET / HTTP/1.1\r\nhOST:\t a.b-c_d~e:8080 \t\r\n\r\n", "GET / @a.b-c_d~e:8080 keep");
    check("GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / @ keep");
    check("GET / HTTP/1.1\r\nHost: [2001:db8::1]:\r\n\r\n", "GET / @[2001:db8::1]: keep");
    check("GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET / @a 1.0");
}

#[test]
fn who_keeps_the_connection() {
    let check = |version: &str, field: &str, expected: &str| {
        check(&format!("GET / HTTP/{version}\r\nHost: a\r\n{field}\r\n\r\n"), expected);
    };
    check("1.1", "Connection: close", "GET / @a");
    check("1.1", "Connection: x, CLOSE ,y", "GET / @a");
    check("1.1", "Connection: keep-alive\r\nConnection: close", "GET / @a");
    check("1.1", "Connection: close, keep-alive", "GET / @a");
    check("1.1", "Connection: closed", "GET / @a keep");
    check("1.0", "Connection: Keep-Alive", "GET / @a 1.0 keep");
    check("1.0", "Connection: keep-alive, close", "GET / @a 1.0");
    check("1.0", "Proxy-Connection: keep-alive", "GET / @a 1.0");
}

#[test]
fn where_bodies_end() {
    let check = |field: &str, expected: &str| {
        check(&format!("POST / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n"), expected);
    };
    check("X-Content-Length: 7", "POST / @a keep");
    check("Content-Length: 0", "POST / @a keep 0");
    check("content-length:  12 ", "POST / @a keep 12");
    check("Content-Length: 007", "POST / @a keep 7");
    check("Content-Length: 18446744073709551615", "POST / @a keep 18446744073709551615");
    check("Transfer-Encoding: chunked", "POST / @a keep chunked");
    check("transfer-encoding:\tCHUNKED\t", "POST / @a keep chunked");
}

#[test]
fn expectations() {
    let check = |version: &str, field: &str, expected: &str| {
        check(&format!("PUT / HTTP/{version}\r\nHost: a\r\n{field}\r\n\r\n"), expected);
    };
    check("1.1", "Expect: 100-Continue", "PUT / @a keep continue");
    check("1.0", "Expect: 100-continue", "PUT / @a 1.0");
    check("1.1", "Expect:", "PUT / @a keep");
}

#[test]
fn who_asks_for_websocket() {
    let check = |version: &str, fields: &str, expected: &str| {
        check(&format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n\r\n"), expected);
    };
    check("1.1", "Connection: Upgrade\r\nUpgrade: websocket", "GET / @a keep websocket");
    check("1.1", "Connection: keep-alive, upgrade\r\nUpgrade: h2c, WebSocket", "GET / @a keep websocket");
    check("1.1", "Upgrade: websocket", "GET / @a keep");
    check("1.1", "Connection: Upgrade\r\nUpgrade: h2c", "GET / @a keep");
    check("1.0", "Connection: Upgrade\r\nUpgrade: websocket", "GET / @a 1.0");
}

#[test]
fn fields_are_found_by_name() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nX: one\r\nAccept: a, b,,\r\nx:two \xff\r\nEmpty:\r\nx:  \r\naccept:\tc\r\n\r\n";
    let headers = parse_head(request, 0, BYTES_MAX).unwrap().unwrap().headers;
    assert_eq!(
        headers.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        ["Host", "X", "Accept", "x", "Empty", "x", "accept"]
    );
    assert_eq!(headers.all("X").collect::<Vec<_>>(), [&b"one"[..], b"two \xff", b""]);
    assert_eq!(headers.first("EMPTY"), Some(&b""[..]));
    assert_eq!(headers.first("none"), None);
    assert_eq!(headers.elements("accept").collect::<Vec<_>>(), [b"a", b"b", b"c"]);
    assert!(headers.has_token("accept", "C") && !headers.has_token("accept", "a, b"));
}
