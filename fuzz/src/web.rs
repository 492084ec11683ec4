//! What a client of HTTP or of WebSocket may have got, said a second time.

use base64::Engine as _;

use crate::line::is_dangerous;

/// Checks everything that one connection got: answers, one behind the other, and what an answer has begun.
///
/// # Panics
/// If it is not what RFC 9112, RFC 6455 and the documents say.
pub fn check(received: &[u8]) {
    let mut rest = received;
    // What is handed to the control side is shown behind this, as it came.
    while !rest.is_empty() && !rest.starts_with(b"(elsewhere) ") {
        rest = answer(rest);
    }
}

/// Checks the answer that the bytes begin with; what stands behind it.
fn answer(bytes: &[u8]) -> &[u8] {
    let head_len = find(bytes, b"\r\n\r\n").unwrap_or_else(|| panic!("no whole head: {}", shown(bytes)));
    let (head, rest) = (text(&bytes[..head_len]), &bytes[head_len + 4..]);
    let mut lines = head.split("\r\n");
    let status_line = lines.next().expect("there is one");
    let status: u16 = match status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)) {
        Some(digits) => digits.parse().expect("a status"),
        None => panic!("no status line: {}", shown(bytes)),
    };
    let fields: Vec<(&str, &str)> = lines.map(|line| line.split_once(": ").expect("a field")).collect();
    assert!(!head.chars().any(|c| !"\r\n".contains(c) && is_dangerous(c)), "not escaped: {head:?}");
    let field = |name: &str| fields.iter().find(|(said, _)| *said == name).map(|(_, value)| *value);
    let is_chunked = field("transfer-encoding") == Some("chunked");
    if status == 101 {
        assert_eq!(field("upgrade"), Some("websocket"));
        frames(rest);
        return &[];
    }
    if let Some(length) = field("content-length") {
        let (body, rest) = rest.split_at(length.parse().expect("a length"));
        check_object(text(body));
        // What stands behind a request that was refused is not looked at.
        assert!(status < 400 || field("connection") == Some("close"), "{head}");
        return rest;
    }
    if matches!(status, 100 | 204) || (is_chunked && rest.starts_with(b"HTTP/1.1 ")) {
        return rest; // no body, and that of a HEAD
    }
    assert_eq!(status, 200, "{head}");
    let (data, rest) = if is_chunked { chunks(rest) } else { (rest.to_vec(), &[][..]) };
    let kind = field("content-type").expect("what it is");
    check_stream(kind, &data);
    rest
}

/// The data of chunks, and what stands behind the last one.
fn chunks(mut bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut data = Vec::new();
    while !bytes.is_empty() {
        let line = find(bytes, b"\r\n").expect("the size of a chunk");
        let size = usize::from_str_radix(text(&bytes[..line]), 16).expect("a size");
        let rest = &bytes[line + 2..];
        data.extend_from_slice(&rest[..size]);
        assert_eq!(&rest[size..size + 2], b"\r\n");
        bytes = &rest[size + 2..];
        if size == 0 {
            break;
        }
    }
    (data, bytes)
}

/// A stream, which may have broken off anywhere.
fn check_stream(kind: &str, data: &[u8]) {
    let whole = |end: &[u8]| {
        let last = (0..data.len()).rev().find(|at| data[*at..].starts_with(end));
        text(&data[..last.map_or(0, |at| at + end.len())])
    };
    match kind {
        "application/x-ndjson" => whole(b"\n").lines().for_each(check_object),
        "text/event-stream" => whole(b"\n\n").split_terminator("\n\n").for_each(check_event),
        "text/plain; charset=utf-8" => assert!(!whole(b"\n").chars().any(|c| c != '\n' && is_dangerous(c))),
        _ => panic!("{kind}"),
    }
}

fn check_event(event: &str) {
    for line in event.lines() {
        match line.split_once(": ") {
            Some(("retry", time)) => assert_eq!(time, "1000"),
            Some(("id", position)) => check_position(position),
            Some(("event", name)) => assert!(["open", "gap", "end"].contains(&name), "{name}"),
            Some(("data", object)) => check_object(object),
            _ => panic!("{line:?}"),
        }
    }
}

fn check_object(text: &str) {
    let object: serde_json::Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(object.is_object(), "{text}");
    assert!(!text.trim_end_matches('\n').chars().any(is_dangerous), "not escaped: {text:?}");
    if let Some(position) = object.get("position") {
        check_position(position.as_str().expect("text"));
    }
}

fn check_position(position: &str) {
    let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(position);
    assert!(decoded.is_ok_and(|bytes| bytes.len() > 7), "{position}");
}

/// Frames of a server: whole ones, texts are JSON, and nothing stands behind a close frame.
fn frames(mut bytes: &[u8]) {
    let mut message: Option<Vec<u8>> = None;
    while let [first, length, rest @ ..] = bytes {
        assert_eq!((first & 0x70, length & 0x80), (0, 0), "{}", shown(bytes));
        let (length, rest) = match length {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => panic!("nothing here is so long"),
            length => (usize::from(*length), rest),
        };
        let (payload, rest) = rest.split_at(length);
        let is_last = first & 0x80 != 0;
        match first & 0x0f {
            0 => message.as_mut().expect("a message goes on").extend_from_slice(payload),
            1 => assert!(message.replace(payload.to_vec()).is_none(), "the one before is not whole"),
            2 => assert!(is_last && message.is_none(), "MQTT comes in whole messages"),
            8 => {
                assert!(is_last && rest.is_empty(), "behind a close frame: {}", shown(rest));
                assert!((2..=125).contains(&length) && payload[0] >= 3, "{}", shown(payload));
                text(&payload[2..]);
            }
            10 => assert!(is_last && length <= 125),
            opcode => panic!("opcode {opcode}"),
        }
        if is_last && first & 0x0f < 2 {
            check_object(text(&message.take().expect("it began")));
        }
        bytes = rest;
    }
    assert!(bytes.is_empty(), "half a head");
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_else(|_| panic!("not UTF-8: {}", shown(bytes)))
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
