//! What a line must look like, byte for byte.

use serde_json::Value;

use crate::record::{Format, Message, PublisherRecord, Speaks, SubscriberRecord};

/// Whether `line`, without its line end, is what `subscriber` is to get for a message.
pub(super) fn is_line(
    line: &[u8],
    subscriber: &SubscriberRecord,
    publisher: &PublisherRecord,
    number: usize,
    wall_ms: u64,
) -> bool {
    let message = &publisher.messages[number];
    if subscriber.format == Format::Json {
        return is_object(line, publisher, number, wall_ms);
    }
    line == plain(subscriber, publisher, message, wall_ms)
}

fn plain(
    subscriber: &SubscriberRecord,
    publisher: &PublisherRecord,
    message: &Message,
    wall_ms: u64,
) -> Vec<u8> {
    let mut line = if subscriber.shows_time { format!("{} ", time(wall_ms)) } else { String::new() };
    let topic = &publisher.topic;
    let name =
        publisher.name.as_deref().map(|name| format!("{}@", shown(name.as_bytes()))).unwrap_or_default();
    let addr = publisher.addr;
    let (ip, port) = (addr.ip(), addr.port());
    line += &match subscriber.format {
        Format::From => format!("[FROM {name}{addr}] : "),
        Format::FromTopic => format!("[{topic} | FROM {name}{addr}] : "),
        Format::Tuple => format!("[('{name}{ip}', {port})]: "),
        Format::TupleTopic => format!("[{topic}] ('{name}{ip}', {port}): "),
        Format::Json => String::new(),
    };
    line += &shown(&message.payload);
    line.into_bytes()
}

fn is_object(line: &[u8], publisher: &PublisherRecord, number: usize, wall_ms: u64) -> bool {
    let message = &publisher.messages[number];
    let Ok(Value::Object(object)) = serde_json::from_slice(line) else { return false };
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let payload = match std::str::from_utf8(&message.payload) {
        Ok(payload) => text("payload") == Some(payload),
        Err(_) => text("payload_b64").and_then(from_base64).as_deref() == Some(&message.payload),
    };
    payload
        && text("topic") == Some(&publisher.topic)
        && text("time") == Some(&time(wall_ms))
        && text("publisher") == Some(&publisher.addr.to_string())
        && text("name") == publisher.name.as_deref()
        && text("id").is_some_and(|id| publisher.speaks == Speaks::Mqtt || publisher.is_id(id, number))
        && object.len() == 5 + usize::from(publisher.name.is_some())
}

/// What the id in a JSON line says of the publisher.
pub(super) fn source(line: &[u8]) -> Option<String> {
    let Ok(Value::Object(object)) = serde_json::from_slice(line) else { return None };
    Some(object.get("id")?.as_str()?.rsplit_once('-')?.0.to_owned())
}

/// The number of messages that a gap line announces.
pub(super) fn gap(line: &[u8], format: Format) -> Option<u64> {
    if format == Format::Json {
        let Ok(Value::Object(object)) = serde_json::from_slice(line) else { return None };
        return object.get("gap").and_then(Value::as_u64).filter(|_| object.len() == 1);
    }
    let text = std::str::from_utf8(line).ok()?;
    text.strip_prefix("[GAP ")?.strip_suffix(" messages dropped: reading too slowly]")?.parse().ok()
}

/// Publisher and number, from the mark `#publisher.number#` that every payload carries.
pub(super) fn mark(line: &[u8], format: Format) -> Option<(usize, usize)> {
    if format == Format::Json {
        let Ok(Value::Object(object)) = serde_json::from_slice(line) else { return None };
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        let payload = text("payload").map(|text| text.as_bytes().to_vec());
        return mark_in(&payload.or_else(|| text("payload_b64").and_then(from_base64))?);
    }
    mark_in(line)
}

pub(crate) fn mark_in(line: &[u8]) -> Option<(usize, usize)> {
    let begin = line.iter().position(|byte| *byte == b'#')? + 1;
    let length = line.get(begin..)?.iter().position(|byte| *byte == b'#')?;
    let text = std::str::from_utf8(line.get(begin..begin + length)?).ok()?;
    let (publisher, number) = text.split_once('.')?;
    Some((publisher.parse().ok()?, number.parse().ok()?))
}

/// Text as the plain formats show it.
fn shown(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' => out.push(c),
                '\n' => out += "\\n",
                '\r' => out += "\\r",
                '\0'..='\x1f' | '\x7f' => out += &format!("\\x{:02x}", u32::from(c)),
                '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' => out += &format!("\\u{{{:x}}}", u32::from(c)),
                _ => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out += &format!("\\x{byte:02x}");
        }
    }
    out
}

/// RFC 3339 with milliseconds, in UTC.
fn time(wall_ms: u64) -> String {
    let (days, ms) = (wall_ms / 86_400_000, wall_ms % 86_400_000);
    // Days to a date, after Howard Hinnant's `civil_from_days`.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
}

pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let digit = DIGITS.iter().position(|digit| *digit == byte)?;
        bits = bits << 6 | u32::try_from(digit).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_base64() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(1_795_348_800_123), "2026-11-22T12:00:00.123Z");
        assert_eq!(time(1_709_164_800_000), "2024-02-29T00:00:00.000Z");
        assert_eq!(from_base64("/wo=").unwrap(), b"\xff\n");
        assert_eq!(from_base64("YWJj").unwrap(), b"abc");
        assert_eq!(from_base64("a b"), None);
    }

    #[test]
    fn marks_and_gaps() {
        assert_eq!(mark(b"[FROM x] : #12.345# text #1.2#", Format::From), Some((12, 345)));
        assert_eq!(mark(b"[FROM x] : #12.345", Format::From), None);
        assert_eq!(gap(b"[GAP 7 messages dropped: reading too slowly]", Format::Tuple), Some(7));
        assert_eq!(gap(b"[GAP 7 messages dropped]", Format::Tuple), None);
        assert_eq!(gap(b"{\"gap\":7}", Format::Json), Some(7));
        assert_eq!(gap(b"{\"gap\":7,\"x\":1}", Format::Json), None);
    }
}
