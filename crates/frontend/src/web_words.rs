//! Requests, answers and frames as words, for transcripts.

use wire::websocket::{Opcode, Part, write_masked_frame};

/// `POST /t/a ; name: value : body` as bytes; the host is localhost, and the length of a body is said.
pub(crate) fn request(text: &str) -> Result<Vec<u8>, String> {
    let (head, body) = match text.split_once(" : ") {
        Some((head, body)) => (head, Some(body)),
        None => (text, None),
    };
    let mut words = head.split(" ; ");
    let line = words.next().unwrap_or_default();
    let (method, target) = line.split_once(' ').ok_or("a request has a method and a target")?;
    let mut bytes = format!("{method} {target} HTTP/1.1\r\n");
    let fields: Vec<&str> = words.collect();
    if !fields.iter().any(|field| field.starts_with("host:")) {
        bytes += "host: localhost\r\n";
    }
    fields.iter().for_each(|field| bytes += &format!("{field}\r\n"));
    if let Some(body) = body {
        bytes += &format!("content-length: {}\r\n\r\n{body}", body.len());
    } else {
        bytes += "\r\n";
    }
    Ok(bytes.into_bytes())
}

/// The handshake of a WebSocket at `path`.
pub(crate) fn handshake(path: &str) -> Vec<u8> {
    let fields = "host: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: mqtt\r\n\r\n";
    format!("GET {path} HTTP/1.1\r\n{fields}").into_bytes()
}

/// A frame of a client.
pub(crate) fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_masked_frame(&mut bytes, opcode, Part::Last, [1, 2, 3, 4], payload);
    bytes
}

/// The answer that `bytes` begin with: `200 text/plain : body`, and how many bytes it has. Of one without a
/// length it is the head.
pub(crate) fn answer(bytes: &[u8]) -> Result<(String, usize), String> {
    let text = String::from_utf8_lossy(bytes);
    let (head, _) = text.split_once("\r\n\r\n").ok_or_else(|| format!("no whole head in {text:?}"))?;
    let status = head.get(9..12).ok_or("no status")?;
    let field = |name: &str| {
        head.lines().skip(1).find_map(|line| {
            let (said, value) = line.split_once(": ")?;
            said.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let mut words = status.to_owned();
    for name in
        ["content-type", "allow", "connection", "access-control-allow-origin", "sec-websocket-version"]
    {
        if let Some(value) = field(name).filter(|value| value != "application/problem+json") {
            words += &format!(" {name}={value}");
        }
    }
    let length: usize =
        field("content-length").map_or(Ok(0), |length| length.parse()).map_err(|_| "no length")?;
    let begin = head.len() + 4;
    if length > 0 {
        let body = bytes.get(begin..begin + length).ok_or("the body is not whole")?;
        words += " : ";
        words += String::from_utf8_lossy(body).trim_end();
    }
    Ok((words, begin + length))
}

/// The data of all chunks in `bytes`, and `<end>` for the last one.
pub(crate) fn chunks(bytes: &[u8]) -> Result<String, String> {
    let (mut text, mut rest) = (String::new(), bytes);
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\r').ok_or("no size")?;
        let size = std::str::from_utf8(rest.get(..end).unwrap_or_default()).map_err(|_| "no size")?;
        let size = usize::from_str_radix(size, 16).map_err(|_| format!("{size:?} is no size"))?;
        let data = rest.get(end + 2..end + 2 + size).ok_or("a chunk is not whole")?;
        text += &String::from_utf8_lossy(data);
        if size == 0 {
            text += "<end>";
        }
        rest = rest.get(end + 4 + size..).ok_or("a chunk has no end")?;
    }
    Ok(text)
}

/// The frames in `bytes` of a server: opcode, whether it is the last of its message, payload.
pub(crate) fn frames(bytes: &[u8]) -> Result<Vec<(u8, bool, Vec<u8>)>, String> {
    let (mut frames, mut rest) = (Vec::new(), bytes);
    while let Some((head, behind)) = rest.split_first_chunk::<2>() {
        let [first, length] = *head;
        let (length, behind) = match length {
            126 => {
                let (length, behind) = behind.split_first_chunk().ok_or("no length")?;
                (usize::from(u16::from_be_bytes(*length)), behind)
            }
            127 => {
                let (length, behind) = behind.split_first_chunk().ok_or("no length")?;
                (usize::try_from(u64::from_be_bytes(*length)).map_err(|_| "too long")?, behind)
            }
            length => (usize::from(length), behind),
        };
        let payload = behind.get(..length).ok_or("a frame is not whole")?;
        frames.push((first & 0x0f, first & 0x80 != 0, payload.to_vec()));
        rest = behind.get(length..).unwrap_or_default();
    }
    match rest {
        [] => Ok(frames),
        _ => Err("half a head".to_owned()),
    }
}

/// Frames as a reader sees them: payloads of text, and others with what they are.
pub(crate) fn shown(frames: &[(u8, bool, Vec<u8>)]) -> String {
    let mut text = String::new();
    for (opcode, is_last, payload) in frames {
        let words = String::from_utf8_lossy(payload.get(2..).unwrap_or_default());
        match opcode {
            0 | 1 => text += &String::from_utf8_lossy(payload),
            8 => {
                let code = payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code));
                text += &format!("<close {code} {words}>");
            }
            10 => text += &format!("<pong {}>", String::from_utf8_lossy(payload)),
            other => text += &format!("<frame {other}>"),
        }
        text += if *is_last { "\n" } else { "…" };
    }
    text
}
