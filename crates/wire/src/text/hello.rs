//! What a client says first: `role [ sep topic ] *( SP option )`.
//!
//! Liberal: any letter case, blanks around, four separators. Whatever is refused is
//! refused with one line that says what to type instead.

use std::time::Duration;

use thiserror::Error;
use topic::{Filter, TopicError, TopicName};

use super::format::{Format, TimeField};
use crate::printable::Printable;

/// Bytes of a name that a client may give itself.
const NAME_BYTES_MAX: usize = 64;
/// Bytes of the client's own words that an error line repeats.
const ECHO_BYTES_MAX: usize = 40;

/// Which spelling of the role the client used: it decides the delivery format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// `PUBLISHER`, `SUBSCRIBER`.
    Long,
    /// `PUB`, `SUB`.
    Short,
}

/// What the client is, with the topic it named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Publishes to one topic.
    Publisher(Option<TopicName>),
    /// Hears what matches one filter.
    Subscriber(Option<Filter>),
}

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

/// A whole hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Publisher or subscriber, and of what.
    pub role: Role,
    /// How the role was spelt.
    pub spelling: Spelling,
    /// The client's own name for itself.
    pub name: Option<String>,
    /// History wanted before live messages.
    pub replay: Replay,
    /// The delivery format asked for; `None`: the one that goes with the spelling.
    pub json: bool,
    /// Whether lines begin with a time.
    pub time: TimeField,
    /// Whether each accepted message is answered with `OK`.
    pub ack: bool,
}

impl Hello {
    /// The delivery format this subscriber gets.
    #[must_use]
    pub fn format(&self) -> Format {
        let topic = matches!(self.role, Role::Subscriber(Some(_)));
        match (self.json, self.spelling) {
            (true, _) => Format::Json,
            (false, Spelling::Long) if topic => Format::FromTopic,
            (false, Spelling::Long) => Format::From,
            (false, Spelling::Short) if topic => Format::TupleTopic,
            (false, Spelling::Short) => Format::Tuple,
        }
    }
}

/// Why a hello was refused. The message is the line that the client gets.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HelloError {
    #[error("Invalid role \"{0}\": use PUBLISHER or SUBSCRIBER")]
    Role(String),
    #[error("Invalid topic \"{0}\": {1}")]
    Topic(String, TopicError),
    #[error("Invalid option \"{0}\": use name=, last=, since=, format=plain, format=json, time=1 or ack=1")]
    Option(String),
}

/// What the first word of a hello is so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleWord {
    /// A role word is complete (it may still be the beginning of the longer spelling).
    Complete,
    /// The beginning of a role word.
    Beginning,
    Other,
}

/// Looks at an unfinished hello: is it a role word alone, or the beginning of one?
#[must_use]
pub fn role_word(bytes: &[u8]) -> RoleWord {
    let word = bytes.trim_ascii();
    let begins =
        |role: &&str| role.as_bytes().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    match ROLES.iter().map(|(role, ..)| role).filter(|role| begins(role)).map(|role| role.len()).min() {
        Some(shortest) if shortest == word.len() => RoleWord::Complete,
        Some(_) => RoleWord::Beginning,
        None => RoleWord::Other,
    }
}

const ROLES: [(&str, Kind, Spelling); 4] = [
    ("PUBLISHER", Kind::Publisher, Spelling::Long),
    ("SUBSCRIBER", Kind::Subscriber, Spelling::Long),
    ("PUB", Kind::Publisher, Spelling::Short),
    ("SUB", Kind::Subscriber, Spelling::Short),
];

#[derive(Debug, Clone, Copy)]
enum Kind {
    Publisher,
    Subscriber,
}

/// Parses a hello, given without its line end.
///
/// # Errors
/// A [`HelloError`] whose text is the answer to the client.
pub fn parse_hello(bytes: &[u8]) -> Result<Hello, HelloError> {
    let echo = |bytes: &[u8]| Printable::new(bytes, ECHO_BYTES_MAX).to_string();
    let text = bytes.trim_ascii();
    let word_end = text.iter().position(|b| is_separator(*b)).unwrap_or(text.len());
    let (word, rest) = text.split_at(word_end);
    let (_, kind, spelling) = ROLES
        .into_iter()
        .find(|(role, ..)| role.as_bytes().eq_ignore_ascii_case(word))
        .ok_or_else(|| HelloError::Role(echo(text)))?;
    let skip = rest.iter().position(|b| !is_separator(*b)).unwrap_or(rest.len());
    let rest = rest.get(skip..).unwrap_or_default();
    let rest = std::str::from_utf8(rest).map_err(|_| HelloError::Option(echo(rest)))?;

    let mut words = rest.split_ascii_whitespace().peekable();
    let topic = words.next_if(|first| !begins_option(first));
    let bad_topic = |error| HelloError::Topic(echo(topic.unwrap_or_default().as_bytes()), error);
    let role = match kind {
        Kind::Publisher => Role::Publisher(topic.map(TopicName::parse).transpose().map_err(bad_topic)?),
        Kind::Subscriber => Role::Subscriber(topic.map(Filter::parse).transpose().map_err(bad_topic)?),
    };
    let mut hello = Hello {
        role,
        spelling,
        name: None,
        replay: Replay::None,
        json: false,
        time: TimeField::Hidden,
        ack: false,
    };
    for word in words {
        take_option(&mut hello, word).ok_or_else(|| HelloError::Option(echo(word.as_bytes())))?;
    }
    Ok(hello)
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b':' | b',' | b'|')
}

fn begins_option(word: &str) -> bool {
    const KEYS: [&str; 6] = ["name", "last", "since", "format", "time", "ack"];
    word.split_once('=').is_some_and(|(key, _)| KEYS.contains(&key))
}

fn take_option(hello: &mut Hello, word: &str) -> Option<()> {
    match word.split_once('=')? {
        ("name", name) if !name.is_empty() && name.len() <= NAME_BYTES_MAX => {
            hello.name = Some(name.to_owned());
        }
        ("last", count) => hello.replay = Replay::Last(count.parse().ok()?),
        ("since", since) => {
            hello.replay = match parse_duration(since) {
                Some(span) => Replay::Since(span),
                None => Replay::SinceTime(parse_time(since)?),
            }
        }
        ("format", "json") => hello.json = true,
        ("format", "plain") => hello.json = false,
        ("time", "1") => hello.time = TimeField::Shown,
        ("time", "0") => hello.time = TimeField::Hidden,
        ("ack", "1") => hello.ack = true,
        ("ack", "0") => hello.ack = false,
        _ => return None,
    }
    Some(())
}

/// A length of time as an operator writes it, here and on a command line: `90` (seconds), `90s`, `5m`,
/// `1h30m`, `2d`, `500ms`. `None` for everything else.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
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

/// `2026-11-22T12:00:00.123Z`, or with an offset in place of the `Z` (RFC 3339).
fn parse_time(text: &str) -> Option<u64> {
    let time = text.parse::<jiff::Timestamp>().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn role(text: &str) -> Result<(Role, Spelling), String> {
        parse_hello(text.as_bytes()).map(|h| (h.role, h.spelling)).map_err(|e| e.to_string())
    }
    fn filter(text: &str) -> Role {
        Role::Subscriber(Some(Filter::parse(text).unwrap()))
    }

    #[test]
    fn roles_in_every_spelling() {
        for text in ["pub", "PUB", " Pub\t"] {
            assert_eq!(role(text), Ok((Role::Publisher(None), Spelling::Short)));
        }
        assert_eq!(role("Publisher"), Ok((Role::Publisher(None), Spelling::Long)));
        assert_eq!(role("SUBSCRIBER"), Ok((Role::Subscriber(None), Spelling::Long)));
        for text in ["sub sports", "sub:sports", "SUB,sports", "sub|sports", "sub : sports"] {
            assert_eq!(role(text), Ok((filter("sports"), Spelling::Short)), "{text}");
        }
        assert_eq!(role("SUBSCRIBER a/+/#"), Ok((filter("a/+/#"), Spelling::Long)));
        assert_eq!(role("sub a:b"), Ok((filter("a:b"), Spelling::Short)));
    }

    #[test]
    fn refusals_are_lines_that_help() {
        let refused = |text: &str| role(text).unwrap_err();
        assert_eq!(refused("LISTENER"), "Invalid role \"LISTENER\": use PUBLISHER or SUBSCRIBER");
        assert_eq!(refused("\x1b[2J"), "Invalid role \"\\x1b[2J\": use PUBLISHER or SUBSCRIBER");
        assert_eq!(refused(""), "Invalid role \"\": use PUBLISHER or SUBSCRIBER");
        assert!(refused("pub a/#").starts_with("Invalid topic \"a/#\": "));
        assert!(refused("sub a#").starts_with("Invalid topic \"a#\": "));
        for bad in [
            "color=1",
            "last=x",
            "since=soon",
            "since=2026-11-22",
            "since=1969-12-31T00:00:00Z",
            "format=xml",
            "name=",
            "time=2",
            "word",
        ] {
            let line = refused(&format!("sub sports {bad}"));
            assert!(line.starts_with(&format!("Invalid option \"{bad}\": use ")), "{line}");
        }
    }

    #[test]
    fn options() {
        let hello = parse_hello(b"SUBSCRIBER sports name=alice last=10 format=json time=1").unwrap();
        assert_eq!(hello.name.as_deref(), Some("alice"));
        assert_eq!(hello.replay, Replay::Last(10));
        assert_eq!(hello.format(), Format::Json);
        assert_eq!(hello.time, TimeField::Shown);
        let hello = parse_hello(b"pub ack=1").unwrap();
        assert!(hello.ack);
        assert_eq!(hello.role, Role::Publisher(None));
        for (text, seconds) in [("90", 90), ("5m", 300), ("1h30m", 5400), ("2d", 172_800)] {
            let hello = parse_hello(format!("sub since={text}").as_bytes()).unwrap();
            assert_eq!(hello.replay, Replay::Since(Duration::from_secs(seconds)));
        }
        for (text, time_ms) in [
            ("2026-11-22T12:00:00.123Z", 1_795_348_800_123),
            ("2026-11-22T14:00:00+02:00", 1_795_348_800_000),
            ("1970-01-01T00:00:00Z", 0),
        ] {
            let hello = parse_hello(format!("sub since={text}").as_bytes()).unwrap();
            assert_eq!(hello.replay, Replay::SinceTime(time_ms));
        }
    }

    #[test]
    fn the_spelling_and_the_topic_decide_the_format() {
        let format = |text: &str| parse_hello(text.as_bytes()).unwrap().format();
        assert_eq!(format("SUBSCRIBER"), Format::From);
        assert_eq!(format("SUBSCRIBER sports"), Format::FromTopic);
        assert_eq!(format("sub"), Format::Tuple);
        assert_eq!(format("sub:sports"), Format::TupleTopic);
        assert_eq!(format("sub format=json"), Format::Json);
    }

    #[test]
    fn role_words_grow() {
        for (bytes, expected) in [
            ("", RoleWord::Beginning),
            ("p", RoleWord::Beginning),
            ("pub", RoleWord::Complete),
            ("PUBL", RoleWord::Beginning),
            ("Publisher", RoleWord::Complete),
            (" sub ", RoleWord::Complete),
            ("subs!", RoleWord::Other),
            ("publisher x", RoleWord::Other),
        ] {
            assert_eq!(role_word(bytes.as_bytes()), expected, "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn no_refusal_carries_a_control_character(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Err(error) = parse_hello(&bytes) {
                prop_assert!(!error.to_string().chars().any(crate::printable::is_control));
            }
        }
    }
}
