//! How clients of any protocol name a time and ask for what was before them.

use std::io::Write as _;
use std::time::Duration;

/// The history that a subscriber asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replay {
    #[default]
    None,
    /// The last messages, at most this many.
    Last(u32),
    /// Everything that is kept and not older than this.
    Since(Duration),
    /// Everything that is kept and was accepted at this time or later, in milliseconds since 1970
    /// (UTC).
    SinceTime(u64),
}

impl Replay {
    /// `10` for the last ten messages, `5m` or a time for everything since then.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(Self::Last);
        }
        span(text).map(Self::Since).or_else(|| time(text).map(Self::SinceTime))
    }
}

/// A span of time: `90`, `90s`, `5m`, `1h30m`, `2d`.
#[must_use]
pub fn span(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    // A day is taken as 24 hours: history has no calendar.
    let hours = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
    match hours {
        Some(days) => Some(Duration::from_secs(days.checked_mul(86_400)?)),
        None => text.parse::<jiff::SignedDuration>().ok()?.try_into().ok(),
    }
}

/// A time, in milliseconds since 1970 (UTC): `2026-11-22T12:00:00.123Z`, or with an offset in place of the `Z` (RFC 3339).
#[must_use]
pub fn time(text: &str) -> Option<u64> {
    let time = text.parse::<jiff::Timestamp>().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}

/// Appends a time as [`time`] reads it; `time_ms` in milliseconds since 1970 (UTC).
pub fn write_time(out: &mut Vec<u8>, time_ms: u64) {
    let time = i64::try_from(time_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .unwrap_or(jiff::Timestamp::MAX);
    write!(out, "{time:.3}").expect("a Vec takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_counts_and_all_else_is_a_time() {
        for (text, replay) in [
            ("10", Replay::Last(10)),
            ("90s", Replay::Since(Duration::from_secs(90))),
            ("5m", Replay::Since(Duration::from_secs(300))),
            ("1970-01-01T00:00:01Z", Replay::SinceTime(1000)),
        ] {
            assert_eq!(Replay::parse(text), Some(replay));
        }
        for text in ["", "soon", "-1", "4294967296"] {
            assert_eq!(Replay::parse(text), None, "{text}");
        }
    }
}
