//! Requests that must be refused, each with its cause and the status of the answer. Most of them are what
//! smuggling is made of: two readers would find two ends of the request, or two hosts.

use HeadError::{
    CodingInHttp10, Connect, ContentLength, EmptyLines, Expectation, HeadTooLong, HeaderName, HeaderValue,
    Host, HostTwice, LengthAndCoding, LineEnd, NoHost, RequestLine, Target, TargetTooLong, TooManyHeaders,
    TransferCoding, Version,
};
use wire::http::{HEADERS_MAX, HeadError, parse_head};

const BYTES_MAX: usize = 8192;

/// The request is refused for this cause, at once and in any pieces.
fn check(request: &[u8], expected: HeadError, status: u16) {
    let label = request.escape_ascii();
    assert_eq!(parse_head(request, 0, BYTES_MAX), Err(expected), "{label}");
    assert_eq!(expected.status().0, status, "{label}");
    assert!(expected.to_string().ends_with('.'), "a sentence: {expected}");
    for end in 0..request.len() {
        let prefix = request.get(..end).unwrap_or_default();
        match parse_head(prefix, 0, BYTES_MAX) {
            // Wherever it was refused already, it was for the same cause.
            Err(error) => assert_eq!(error, expected, "{end} bytes of {label}"),
            Ok(Some(head)) => panic!("{end} bytes of {label}: {head:?}"),
            Ok(None) => assert_eq!(
                parse_head(request, end, BYTES_MAX),
                Err(expected),
                "{end} bytes of {label} before"
            ),
        }
    }
}

/// A POST with this field beside its host.
fn check_field(field: &[u8], expected: HeadError, status: u16) {
    check(&[b"POST / HTTP/1.1\r\nHost: a\r\n", field, b"\r\n\r\n"].concat(), expected, status);
}

/// A GET with this request line.
fn check_line(line: &[u8], expected: HeadError, status: u16) {
    check(&[line, b"\r\nHost: a\r\n\r\n"].concat(), expected, status);
}

#[test]
fn lengths() {
    for value in [
        "",
        "+5",
        "-5",
        "-0",
        "5 5",
        "5,5",
        "5, 5",
        "5,",
        ",5",
        "5x",
        "0x5",
        "5.0",
        "1e3",
        "\"5\"",
        "٣",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        check_field(format!("Content-Length: {value}").as_bytes(), ContentLength, 400);
    }
    check_field(b"Content-Length: 5\r\nContent-Length: 6", ContentLength, 400);
    check_field(b"Content-Length: 5\r\nX: y\r\ncontent-LENGTH: 5", ContentLength, 400);
    check_field(b"Content-Length: 5\r\nContent-Length:", ContentLength, 400);
}

#[test]
fn codings() {
    for value in [
        "",
        "gzip",
        "identity",
        "chunked, gzip",
        "gzip, chunked",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "xchunked",
        "chunked;q=1",
        "\"chunked\"",
        "chun ked",
        "chunked\u{b}",
    ] {
        // A vertical tab is refused earlier, as a control character.
        let (expected, status) =
            if value.contains('\u{b}') { (HeaderValue, 400) } else { (TransferCoding, 501) };
        check_field(format!("Transfer-Encoding: {value}").as_bytes(), expected, status);
    }
    check_field(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", TransferCoding, 501);
    check_field(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", TransferCoding, 501);
    check_field(b"Transfer-Encoding:\r\nTransfer-Encoding: chunked", TransferCoding, 501);
    check(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", CodingInHttp10, 400);
}

#[test]
fn a_length_beside_a_coding() {
    check_field(b"Content-Length: 5\r\nTransfer-Encoding: chunked", LengthAndCoding, 400);
    check_field(b"Transfer-Encoding: chunked\r\nContent-Length: 5", LengthAndCoding, 400);
    check_field(b"Transfer-Encoding: identity\r\nContent-Length: 0", LengthAndCoding, 400);
    check(
        b"POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        LengthAndCoding,
        400,
    );
}

#[test]
fn line_ends() {
    check(b"GET / HTTP/1.1\nHost: a\r\n\r\n", LineEnd, 400);
    check(b"GET / HTTP/1.1\r\nHost: a\n\r\n", LineEnd, 400);
    check(b"GET / HTTP/1.1\r\nHost: a\r\n\n", LineEnd, 400);
    check(b"GET / HTTP/1.1\nHost: a\n\n", LineEnd, 400);
    check(b"GET / HTTP/1.1\r\nHost: a\r\nX: y\nContent-Length: 5\r\n\r\n", LineEnd, 400);
    check(b"GET / HTTP/1.1\rHost: a\r\n\r\n", RequestLine, 400);
    check(b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", RequestLine, 400);
    check(b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n", LineEnd, 400);
    check(b"GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n", LineEnd, 400);
    check_field(b"X: y\rContent-Length: 5", HeaderValue, 400);
    check_field(b"X: y\r\r", HeaderValue, 400);
    check_field(b"X\r: y", HeaderName, 400);
}

#[test]
fn lines_in_front() {
    check(b"\n", LineEnd, 400);
    check(b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", LineEnd, 400);
    check(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", EmptyLines, 400);
    check(b"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", LineEnd, 400);
    check(b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", LineEnd, 400);
    check(b"\r\n\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", LineEnd, 400);
}

#[test]
fn names_and_values() {
    for field in [
        &b"Content-Length : 5"[..],
        b"Content-Length\t: 5",
        b" X: y",
        b"\tX: y",
        b"X: y\r\n folded",
        b"X: y\r\n\tfolded",
        b": y",
        b"X",
        b"X y",
        b"X\0: y",
        b"(X): y",
        b"X\xff: y",
        b"X\x7f: y",
        b"\"X\": y",
    ] {
        check_field(field, HeaderName, 400);
    }
    for field in [&b"X: \0"[..], b"X: a\0b", b"X: \x01", b"X:\x0b", b"X: \x1b[2J", b"X: a\x7f", b"Host: a\0"]
    {
        check_field(field, HeaderValue, 400);
    }
}

#[test]
fn hosts() {
    check(b"GET / HTTP/1.1\r\n\r\n", NoHost, 400);
    check(b"GET http://a/ HTTP/1.1\r\n\r\n", NoHost, 400);
    check_field(b"Host: a", HostTwice, 400);
    check_field(b"HOST: b", HostTwice, 400);
    check(b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", HostTwice, 400);
    for host in [
        "a b",
        "a, b",
        "a@b",
        "a/b",
        "a?b",
        "a#b",
        "a:b",
        "a:65536",
        "a:+80",
        "a:80:80",
        ":80",
        "[::1",
        "::1",
        "[::1]80",
        "[]",
        "[a]",
        "[::1%25eth0]",
        "a\\b",
        "a%2f",
        "grün",
        "http://a",
    ] {
        check(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(), Host, 400);
        check(format!("GET http://good/ HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes(), Host, 400);
    }
}

#[test]
fn targets() {
    for target in [
        "x",
        "x/y",
        "*",
        "/#",
        "/x#y",
        "/?#",
        "http:///x",
        "http://",
        "http://?x",
        "http://a@b/",
        "http://a b/",
        "http://a:x/",
        "http:/a",
        "http:a",
        "ftp://a/",
        "://a/",
        "file:///etc",
        "?x",
        "a:80",
        "javascript:x",
    ] {
        // A blank makes four words of three.
        let expected = if target.contains(' ') { RequestLine } else { Target };
        check_line(format!("GET {target} HTTP/1.1").as_bytes(), expected, 400);
    }
    check_line(b"options * HTTP/1.1", Target, 400);
    check_line(b"CONNECT a:80 HTTP/1.1", Connect, 501);
    check_line(b"CONNECT /x HTTP/1.1", Connect, 501);
}

#[test]
fn request_lines() {
    for line in [
        &b"GET /"[..],
        b"GET",
        b"GET / ",
        b" GET / HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET /  HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET / HTTP/1.1\t",
        b"GET\t/ HTTP/1.1",
        b"GET /\tHTTP/1.1",
        b"GET / http/1.1",
        b"GET / HTTP/1",
        b"GET / HTTP/1.10",
        b"GET / HTTP/11",
        b"GET / HTTP/x.y",
        b"GET / HTTP/1.1 HTTP/1.1",
        b"GET /\0 HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
        b"GET /\x1b HTTP/1.1",
        b"GET /\xff HTTP/1.1",
        b"G(T / HTTP/1.1",
        b"G\0T / HTTP/1.1",
        b"\xff\xfe / HTTP/1.1",
        b"HTTP/1.1 200 OK",
    ] {
        check_line(line, RequestLine, 400);
    }
}

#[test]
fn versions() {
    for version in ["HTTP/0.9", "HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9"] {
        check_line(format!("GET / {version}").as_bytes(), Version, 505);
    }
    check(b"PRI * HTTP/2.0\r\n\r\n", Version, 505);
    let preface = parse_head(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0", 0, BYTES_MAX);
    assert_eq!(preface, Err(Version));
}

#[test]
fn expectations() {
    check_field(b"Expect: 200-ok", Expectation, 417);
    check_field(b"Expect: 100-continue, x", Expectation, 417);
    check_field(b"Expect: 100-continue\r\nExpect: 100-continued", Expectation, 417);
    check_field(b"Expect: 100-continue;x=y", Expectation, 417);
}

#[test]
fn what_is_too_long() {
    let check = |request: &str, expected: HeadError, status: u16| {
        check(request.as_bytes(), expected, status);
    };
    let long = "x".repeat(BYTES_MAX);
    check(&format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), TargetTooLong, 414);
    check(&long, TargetTooLong, 414);
    check(&format!("\r\nGET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), TargetTooLong, 414);
    check(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), HeadTooLong, 431);
    let fields = |count: usize| "X: y\r\n".repeat(count);
    let many = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", fields(count - 1));
    check(&many(HEADERS_MAX + 1), TooManyHeaders, 431);
    let head = parse_head(many(HEADERS_MAX).as_bytes(), 0, BYTES_MAX)
        .map(|head| head.map(|head| head.headers.iter().count()));
    assert_eq!(head, Ok(Some(HEADERS_MAX)));
}

/// The bound is met exactly, whether the bytes come at once or one by one.
#[test]
fn a_head_may_be_as_long_as_its_bound() {
    let request = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for bytes_max in 0..=request.len() {
        let mut verdict = None;
        for end in 0..=request.len() {
            match parse_head(request.get(..end).unwrap_or_default(), end.saturating_sub(1), bytes_max) {
                Ok(None) => assert!(end < bytes_max),
                other => verdict = verdict.or(Some(other)),
            }
        }
        assert_eq!(verdict, Some(parse_head(request, 0, bytes_max)), "{bytes_max}");
        assert_eq!(matches!(verdict, Some(Ok(Some(_)))), bytes_max == request.len());
    }
}
