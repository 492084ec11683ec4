//! Answers to requests that publish, from the bytes that their client has read. Written from the
//! protocol's page.

use serde_json::Value;

use crate::record::Answer;

/// Takes the next whole answer out of what was read; those that only say to go on are none.
pub(super) fn take(raw: &mut Vec<u8>) -> Option<Answer> {
    loop {
        let head_bytes = raw.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&raw[..head_bytes]).into_owned();
        if head == "HTTP/1.1 100 Continue\r\n\r\n" {
            raw.drain(..head_bytes);
            continue;
        }
        let field = |name: &str| {
            head.lines()
                .skip(1)
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .map(str::to_owned)
        };
        let length = field("content-length").and_then(|length| length.parse::<usize>().ok());
        let (Some(length), Some(status)) = (length, status(&head)) else {
            raw.clear();
            return Some(Answer::Wrong(head));
        };
        if raw.len() < head_bytes + length {
            return None;
        }
        let body: Vec<u8> = raw.drain(..head_bytes + length).skip(head_bytes).collect();
        return Some(answer(status, &body));
    }
}

fn status(head: &str) -> Option<u16> {
    head.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()
}

fn answer(status: u16, body: &[u8]) -> Answer {
    let Ok(said) = serde_json::from_slice::<Value>(body) else {
        return Answer::Wrong(format!("{status} {}", body.escape_ascii()));
    };
    if status == 200 {
        let id = said.get("id").and_then(Value::as_str).map(str::to_owned);
        let messages = said.get("accepted").and_then(Value::as_u64).unwrap_or(u64::from(id.is_some()));
        return Answer::Accepted { reference: None, id, messages };
    }
    let detail = said.get("detail").and_then(Value::as_str).unwrap_or_default();
    let before = detail.rsplit_once("The ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    Answer::Refused { reference: None, status: Some(status), before }
}

/// What `/ws` says to something that was said with a `ref`, or is wrong.
pub(super) fn of_frame(name: &str, said: &Value) -> Answer {
    let reference = said.get("ref").and_then(Value::as_u64);
    if name == "error" {
        return Answer::Refused { reference, status: None, before: None };
    }
    let id = said.get("id").and_then(Value::as_str).map(str::to_owned);
    Answer::Accepted { reference, id, messages: 1 }
}
