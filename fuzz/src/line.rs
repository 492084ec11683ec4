//! What a delivered line may look like, said a second time.

use base64::Engine as _;

/// One thing that a subscriber was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A message: its whole line if that is plain, its payload if that is JSON.
    Message(Vec<u8>),
    /// So many messages are missing here.
    Gap(u64),
}

impl Told {
    /// How many messages this accounts for.
    pub fn messages(&self) -> u64 {
        match self {
            Self::Message(_) => 1,
            Self::Gap(dropped) => *dropped,
        }
    }
}

/// Whether a character could drive a terminal, reorder text or end a line.
pub fn is_dangerous(c: char) -> bool {
    let c0_c1 = matches!(u32::from(c), 0x00..=0x08 | 0x0a..=0x1f | 0x7f..=0x9f);
    let directions = ['\u{61c}', '\u{200e}', '\u{200f}'];
    let separators_and_overrides = ('\u{2028}'..='\u{202e}').contains(&c);
    let isolates = ('\u{2066}'..='\u{2069}').contains(&c);
    c0_c1 || directions.contains(&c) || separators_and_overrides || isolates
}

/// Takes what one connection received apart into lines.
///
/// # Panics
/// If it is not UTF-8 or ends within a line.
pub fn lines(received: &[u8]) -> Vec<&str> {
    let text = std::str::from_utf8(received).expect("everything that is sent is UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is unfinished: {text:?}");
    text.split_terminator('\n').collect()
}

/// Reads a plain line.
///
/// # Panics
/// If it holds a character that is to be escaped.
pub fn read_plain(line: &str) -> Told {
    assert!(!line.chars().any(is_dangerous), "not escaped: {line:?}");
    let count = line.strip_prefix("[GAP ").and_then(|rest| rest.strip_suffix(GAP_END));
    match count.and_then(|digits| digits.parse().ok()) {
        Some(dropped) => Told::Gap(dropped),
        None => Told::Message(line.as_bytes().to_vec()),
    }
}

/// Reads a JSON line.
///
/// # Panics
/// If it is not one JSON object of the documented form.
pub fn read_json(line: &str) -> Told {
    let object: serde_json::Value = serde_json::from_str(line).expect("a JSON line is JSON");
    if let Some(dropped) = object.get("gap") {
        return Told::Gap(dropped.as_u64().expect("a gap is a number"));
    }
    for key in ["topic", "time", "publisher", "id"] {
        assert!(object.get(key).is_some_and(serde_json::Value::is_string), "no {key} in {line}");
    }
    match (object.get("payload"), object.get("payload_b64")) {
        (Some(text), None) => Told::Message(text.as_str().expect("a payload is text").as_bytes().to_vec()),
        (None, Some(encoded)) => {
            let encoded = encoded.as_str().expect("base64 is text");
            let payload = base64::engine::general_purpose::STANDARD.decode(encoded).expect("valid base64");
            assert!(std::str::from_utf8(&payload).is_err(), "text is sent as text: {line}");
            Told::Message(payload)
        }
        _ => panic!("exactly one payload: {line}"),
    }
}

const GAP_END: &str = " messages dropped: reading too slowly]";
