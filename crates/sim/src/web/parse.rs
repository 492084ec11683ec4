//! What a client is told, from the bytes that it has read. Written from the protocol's pages.

use serde_json::Value;

use crate::check::expected::from_base64;
use crate::record::Answer;
use crate::web::{Speaks, answers};

/// One thing that a client is told.
#[derive(Debug)]
pub(super) enum Told {
    /// Its subscription stands.
    Open(String),
    Message {
        topic: String,
        payload: Vec<u8>,
        id: String,
        position: String,
    },
    /// To what it has published.
    Answer(Answer),
    /// So many messages are lost, or nobody knows how many.
    Gap {
        lost: Option<u64>,
        position: String,
    },
    /// Nothing came, and it stands there.
    Alive(Option<String>),
    End,
    /// This must not be.
    Wrong(String),
}

/// Finds things in bytes, in whatever pieces they come.
#[derive(Debug)]
pub(super) struct Parser {
    speaks: Speaks,
    has_head: bool,
    /// Bytes of the connection that are not taken.
    raw: Vec<u8>,
    /// Bytes of the body, or of a message in fragments.
    body: Vec<u8>,
}

impl Parser {
    pub(super) fn new(speaks: Speaks) -> Self {
        Self { speaks, has_head: false, raw: Vec::new(), body: Vec::new() }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Told> {
        self.raw.extend_from_slice(bytes);
        let mut told = Vec::new();
        if self.speaks == Speaks::Requests {
            told.extend(std::iter::from_fn(|| answers::take(&mut self.raw)).map(Told::Answer));
            return told;
        }
        if !self.has_head {
            let Some(end) = find(&self.raw, b"\r\n\r\n") else { return told };
            let head = String::from_utf8_lossy(&self.raw[..end]).into_owned();
            self.raw.drain(..end + 4);
            self.has_head = true;
            let status = if self.speaks == Speaks::Frames { "HTTP/1.1 101 " } else { "HTTP/1.1 200 " };
            if !head.starts_with(status) {
                told.push(Told::Wrong(head));
            }
        }
        match self.speaks {
            Speaks::Frames => self.frames(&mut told),
            Speaks::Ndjson | Speaks::Events => {
                self.chunks(&mut told);
                self.body_told(&mut told);
            }
            Speaks::Requests => {}
        }
        told
    }

    fn chunks(&mut self, told: &mut Vec<Told>) {
        while let Some(end) = find(&self.raw, b"\r\n") {
            let size = std::str::from_utf8(&self.raw[..end]).ok();
            let Some(size) = size.and_then(|size| usize::from_str_radix(size, 16).ok()) else {
                return told.push(Told::Wrong("a chunk without a size".to_owned()));
            };
            let (begin, all) = (end + 2, end + 2 + size + 2);
            if self.raw.len() < all {
                return;
            }
            if &self.raw[all - 2..all] != b"\r\n" {
                return told.push(Told::Wrong("a chunk without an end".to_owned()));
            }
            self.body.extend_from_slice(&self.raw[begin..all - 2]);
            self.raw.drain(..all);
            if size == 0 {
                told.push(Told::End);
            }
        }
    }

    fn body_told(&mut self, told: &mut Vec<Told>) {
        let end: &[u8] = if self.speaks == Speaks::Events { b"\n\n" } else { b"\n" };
        while let Some(at) = find(&self.body, end) {
            let one: Vec<u8> = self.body.drain(..at + end.len()).take(at).collect();
            let text = String::from_utf8_lossy(&one).into_owned();
            told.push(match self.speaks {
                Speaks::Events => event(&text),
                _ => object(&text, None, None),
            });
        }
    }

    fn frames(&mut self, told: &mut Vec<Told>) {
        while let Some((first, length, head)) = frame_head(&self.raw) {
            if self.raw.len() < head + length {
                return;
            }
            let payload = self.raw[head..head + length].to_vec();
            self.raw.drain(..head + length);
            match first & 0x0f {
                0 | 1 => self.body.extend_from_slice(&payload),
                8 => told.push(Told::End),
                9 | 10 => continue,
                other => told.push(Told::Wrong(format!("a frame {other}"))),
            }
            if first & 0x80 != 0 && first & 0x0f <= 1 {
                let text = String::from_utf8_lossy(&std::mem::take(&mut self.body)).into_owned();
                told.push(object(&text, None, None));
            }
        }
    }
}

/// First byte, length of the payload, length of the head.
fn frame_head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, short) = (*bytes.first()?, *bytes.get(1)?);
    match short {
        126 => Some((first, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4)),
        127 => {
            let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
            Some((first, usize::try_from(length).ok()?, 10))
        }
        _ => Some((first, usize::from(short), 2)),
    }
}

/// One event of a stream.
fn event(text: &str) -> Told {
    let (mut id, mut name, mut data) = (None, None, None);
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("id", value)) => id = Some(value.to_owned()),
            Some(("event", value)) => name = Some(value.to_owned()),
            Some(("data", value)) => data = Some(value.to_owned()),
            Some(("retry", _)) => {}
            _ if line == ":" => {}
            _ => return Told::Wrong(format!("a line {line:?}")),
        }
    }
    match data {
        None => Told::Alive(id),
        Some(data) => object(&data, name, id),
    }
}

/// What a JSON object says, with the event's name and id if they stand beside it.
fn object(text: &str, name: Option<String>, id: Option<String>) -> Told {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return Told::Wrong(format!("no JSON: {text:?}"));
    };
    let string = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let name = name.or_else(|| string("event"));
    let position = id.or_else(|| string("position"));
    if value.get("topic").is_some() {
        let payload = string("payload").map(String::into_bytes);
        let payload = payload.or_else(|| string("payload_b64").and_then(|text| from_base64(&text)));
        return match (string("topic"), payload, string("id"), position) {
            (Some(topic), Some(payload), Some(id), Some(position)) => {
                Told::Message { topic, payload, id, position }
            }
            _ => Told::Wrong(format!("a message without topic, payload, id or position: {text:?}")),
        };
    }
    match (name.as_deref(), position) {
        (Some("open" | "subscribed"), Some(position)) => Told::Open(position),
        (Some("gap"), Some(position)) => {
            Told::Gap { lost: value.get("lost").and_then(Value::as_u64), position }
        }
        (Some("keepalive"), position) => Told::Alive(position),
        (Some("end"), _) => Told::End,
        (Some(name @ ("published" | "error")), _) => Told::Answer(answers::of_frame(name, &value)),
        _ => Told::Wrong(format!("{text:?}")),
    }
}

/// The first byte of a frame that is a whole message of text, of one that begins it, and of those that go
/// on with it and end it; of a ping.
pub(super) const WHOLE_TEXT: u8 = 0x81;
pub(super) const FIRST_OF_TEXT: u8 = 0x01;
pub(super) const GOES_ON: u8 = 0x00;
pub(super) const LAST: u8 = 0x80;
pub(super) const PING: u8 = 0x89;

/// A frame of a client.
pub(super) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [7, 0, 255, 1];
    let length = u16::try_from(payload.len()).expect("a short one").to_be_bytes();
    let head = if payload.len() < 126 {
        vec![first, 0x80 | length[1]]
    } else {
        vec![first, 0xfe, length[0], length[1]]
    };
    let body = payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    head.into_iter().chain(MASK).chain(body).collect()
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
