//! What a subscriber gets, one line per message.
//!
//! A line is a head, which is the same for a whole run, the payload and a tail. The
//! caller writes the head once and hands it back for every message of the run.

use std::io::Write as _;
use std::net::SocketAddr;

use base64::Engine as _;

use crate::printable::{escape_into, escape_label_into};

/// How a subscriber's lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// `[FROM 127.0.0.1:50123] : text`
    From,
    /// `[sports | FROM 127.0.0.1:50123] : text`
    FromTopic,
    /// `[('127.0.0.1', 54321)]: text`
    Tuple,
    /// `[sports] ('127.0.0.1', 54321): text`
    TupleTopic,
    /// One JSON object.
    Json,
}

/// Whether a plain line begins with an RFC 3339 time. JSON always has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeField {
    /// `2026-11-22T12:00:00.123Z ` in front.
    Shown,
    /// No time.
    Hidden,
}

/// Where a message comes from.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// Topic it was published to.
    pub topic: &'a str,
    /// The publisher's address.
    pub addr: SocketAddr,
    /// The publisher's own name.
    pub name: Option<&'a str>,
    /// When it was accepted, in milliseconds since 1970 (UTC).
    pub time_ms: u64,
}

/// Appends what stands in front of the payload of every message of `sender`.
pub fn write_head(out: &mut Vec<u8>, format: Format, time: TimeField, sender: &Sender<'_>) {
    if format == Format::Json {
        out.extend_from_slice(b"{\"topic\":");
        json_string(out, sender.topic);
        return;
    }
    if time == TimeField::Shown {
        write_time(out, sender.time_ms);
        out.push(b' ');
    }
    match format {
        Format::From => out.extend_from_slice(b"[FROM "),
        Format::FromTopic => {
            out.push(b'[');
            escape_label_into(out, sender.topic);
            out.extend_from_slice(b" | FROM ");
        }
        Format::Tuple => out.extend_from_slice(b"[("),
        Format::TupleTopic => {
            out.push(b'[');
            escape_label_into(out, sender.topic);
            out.extend_from_slice(b"] (");
        }
        Format::Json => {}
    }
    match format {
        Format::From | Format::FromTopic => {
            write_name(out, sender.name);
            push(out, format_args!("{}] : ", sender.addr));
        }
        _ => {
            out.push(b'\'');
            write_name(out, sender.name);
            push(out, format_args!("{}', {})", sender.addr.ip(), sender.addr.port()));
            out.extend_from_slice(if format == Format::Tuple { b"]: " } else { b": " });
        }
    }
}

/// Appends one whole line. `head` is what [`write_head`] wrote for the same format and sender.
#[inline]
pub fn write_line(out: &mut Vec<u8>, format: Format, head: &[u8], payload: &[u8], sender: &Sender<'_>) {
    out.extend_from_slice(head);
    if format == Format::Json {
        write_json_rest(out, payload, sender);
    } else {
        escape_into(out, payload);
    }
    out.push(b'\n');
}

/// The line that tells a subscriber what it lost.
#[must_use]
pub fn gap_line(format: Format, dropped: u64) -> String {
    match format {
        Format::Json => format!("{{\"gap\":{dropped}}}\n"),
        _ => format!("[GAP {dropped} messages dropped: reading too slowly]\n"),
    }
}

fn write_name(out: &mut Vec<u8>, name: Option<&str>) {
    if let Some(name) = name {
        escape_label_into(out, name);
        out.push(b'@');
    }
}

fn write_json_rest(out: &mut Vec<u8>, payload: &[u8], sender: &Sender<'_>) {
    if let Ok(text) = std::str::from_utf8(payload) {
        out.extend_from_slice(b",\"payload\":");
        json_string(out, text);
    } else {
        out.extend_from_slice(b",\"payload_b64\":\"");
        let encoded = base64::engine::general_purpose::STANDARD.encode(payload);
        out.extend_from_slice(encoded.as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b",\"time\":\"");
    write_time(out, sender.time_ms);
    push(out, format_args!("\",\"publisher\":\"{}\"", sender.addr));
    if let Some(name) = sender.name {
        out.extend_from_slice(b",\"name\":");
        json_string(out, name);
    }
    out.push(b'}');
}

fn write_time(out: &mut Vec<u8>, time_ms: u64) {
    let time = i64::try_from(time_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .unwrap_or(jiff::Timestamp::MAX);
    push(out, format_args!("{time:.3}"));
}

fn json_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(&mut *out, text).expect("a Vec takes every write");
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORMATS: [Format; 5] =
        [Format::From, Format::FromTopic, Format::Tuple, Format::TupleTopic, Format::Json];

    fn line(format: Format, time: TimeField, name: Option<&str>, payload: &[u8]) -> String {
        let sender = Sender {
            topic: "sports",
            addr: "127.0.0.1:50123".parse().unwrap(),
            name,
            time_ms: 1_795_348_800_123,
        };
        let mut head = Vec::new();
        write_head(&mut head, format, time, &sender);
        let mut out = Vec::new();
        write_line(&mut out, format, &head, payload, &sender);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn golden_lines() {
        let plain = |format| line(format, TimeField::Hidden, None, b"Goal!");
        assert_eq!(plain(Format::From), "[FROM 127.0.0.1:50123] : Goal!\n");
        assert_eq!(plain(Format::FromTopic), "[sports | FROM 127.0.0.1:50123] : Goal!\n");
        assert_eq!(plain(Format::Tuple), "[('127.0.0.1', 50123)]: Goal!\n");
        assert_eq!(plain(Format::TupleTopic), "[sports] ('127.0.0.1', 50123): Goal!\n");
        let named = |format| line(format, TimeField::Shown, Some("alice"), b"Goal!");
        assert_eq!(named(Format::From), "2026-11-22T12:00:00.123Z [FROM alice@127.0.0.1:50123] : Goal!\n");
        assert_eq!(named(Format::Tuple), "2026-11-22T12:00:00.123Z [('alice@127.0.0.1', 50123)]: Goal!\n");
        assert_eq!(
            named(Format::Json),
            "{\"topic\":\"sports\",\"payload\":\"Goal!\",\"time\":\"2026-11-22T12:00:00.123Z\",\
             \"publisher\":\"127.0.0.1:50123\",\"name\":\"alice\"}\n"
        );
        assert!(line(Format::Json, TimeField::Hidden, None, b"\xff\n").contains("\"payload_b64\":\"/wo=\""));
        assert!(
            line(Format::Json, TimeField::Hidden, None, b"\x1b\n").contains("\"payload\":\"\\u001b\\n\"")
        );
        assert_eq!(gap_line(Format::From, 120), "[GAP 120 messages dropped: reading too slowly]\n");
        assert_eq!(gap_line(Format::Json, 120), "{\"gap\":120}\n");
    }

    proptest! {
        /// Nobody can forge a line or drive a terminal: whatever payload, name and topic are,
        /// a plain line has exactly one line end and no control character but tab.
        #[test]
        fn one_line_and_no_controls(
            payload in proptest::collection::vec(any::<u8>(), 0..100),
            name in proptest::option::of("\\PC{0,10}|[\\x00-\\x1f\u{202a}-\u{202e}a]{1,10}"),
            topic in "\\PC{1,10}|[\\x00-\\x1f\u{202a}-\u{202e}a]{1,10}",
        ) {
            let sender = Sender {
                topic: &topic,
                addr: "[::1]:9".parse().unwrap(),
                name: name.as_deref(),
                time_ms: 0,
            };
            for format in FORMATS {
                let (mut head, mut out) = (Vec::new(), Vec::new());
                write_head(&mut head, format, TimeField::Shown, &sender);
                write_line(&mut out, format, &head, &payload, &sender);
                let text = String::from_utf8(out).expect("plain formats are UTF-8");
                let body = text.strip_suffix('\n').expect("a line ends");
                if format == Format::Json {
                    prop_assert!(!body.contains('\n'));
                    let object: serde_json::Value = serde_json::from_str(body).unwrap();
                    prop_assert_eq!(object.get("topic").and_then(|t| t.as_str()), Some(topic.as_str()));
                } else {
                    prop_assert!(!body.chars().any(crate::printable::is_control), "{:?}", body);
                    // Behind the time the head has only its own blanks and brackets.
                    let head = String::from_utf8_lossy(&head);
                    let brackets = head.chars().filter(|c| matches!(c, '[' | ']' | '|')).count();
                    let own = match format {
                        Format::FromTopic => 5, // two of them from [::1]
                        Format::From => 4,
                        _ => 2,
                    };
                    prop_assert_eq!(brackets, own, "{:?}", head);
                }
            }
        }
    }
}
