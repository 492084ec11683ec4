//! What the client says first, and how its messages are told apart afterwards.
//!
//! Without a topic and options it is exactly `pub` or `sub`, the only words that the
//! first document's own server knows. Anything more goes to a server of ours, as a line.

use std::time::Duration;

use wire::text;

/// Publisher or subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Publisher,
    Subscriber,
}

/// How the role comes to be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opening {
    /// It stands on the command line.
    Given { side: Side, topic: Option<String> },
    /// The server asks; nothing typed yet.
    Asked,
    /// The server asked, and this was typed.
    Typed { words: String },
}

/// The history that a subscriber asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Replay {
    Last(u32),
    Since(String),
}

/// What is said after the role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) name: Option<String>,
    pub(super) replay: Option<Replay>,
    pub(super) time: bool,
    pub(super) format: Format,
    /// A publisher wants to know of each message whether it was accepted.
    pub(super) ack: bool,
}

/// What a subscriber prints of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// The server's line.
    #[default]
    Plain,
    /// The server's JSON line.
    Json,
    /// The payload alone, which only JSON has exactly.
    Raw,
}

/// Everything that makes up a hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) opening: Opening,
    pub(super) options: Options,
}

/// Whether the server takes lines for messages, or reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// The hello ended with a newline: only a newline ends a message.
    Lines,
    /// It did not: the end of a read ends a message, too.
    Reads,
}

/// The bytes of a hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) bytes: Vec<u8>,
    pub(super) framing: Framing,
}

impl Side {
    pub(super) fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_uppercase().as_str() {
            "PUBLISHER" | "PUB" => Some(Self::Publisher),
            "SUBSCRIBER" | "SUB" => Some(Self::Subscriber),
            _ => None,
        }
    }

    /// The role's full name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Publisher => "PUBLISHER",
            Self::Subscriber => "SUBSCRIBER",
        }
    }
}

impl Request {
    /// The hello, unless the role is still to be asked for.
    pub(super) fn hello(&self) -> Option<Hello> {
        let (mut line, topic) = match &self.opening {
            Opening::Given { side: Side::Publisher, topic } => ("pub".to_owned(), topic.as_deref()),
            Opening::Given { side: Side::Subscriber, topic } => ("sub".to_owned(), topic.as_deref()),
            Opening::Asked => return None,
            Opening::Typed { words } => (words.clone(), None),
        };
        if let Some(topic) = topic {
            line.push(':');
            line.push_str(topic);
        }
        let options = self.options.words(self.side());
        let framing = match topic.is_some() || !options.is_empty() {
            true => Framing::Lines,
            false => Framing::Reads,
        };
        line.push_str(&options);
        if framing == Framing::Lines {
            line.push('\n');
        }
        Some(Hello { bytes: line.into_bytes(), framing })
    }

    /// The role, if it is known and one that every server of ours knows.
    pub(super) fn side(&self) -> Option<Side> {
        match &self.opening {
            Opening::Given { side, .. } => Some(*side),
            Opening::Asked => None,
            Opening::Typed { words } => match text::parse_hello(words.as_bytes()).ok()?.role {
                text::Role::Publisher(_) => Some(Side::Publisher),
                text::Role::Subscriber(_) => Some(Side::Subscriber),
            },
        }
    }

    /// What a role from the command line is there for. Without a topic the server takes these
    /// (docs/protocol/text.md).
    pub(super) fn purpose(&self) -> Option<String> {
        match &self.opening {
            Opening::Given { side: Side::Publisher, topic } => {
                Some(format!("publishing to {}", topic.as_deref().unwrap_or("broadcast")))
            }
            Opening::Given { side: Side::Subscriber, topic } => {
                Some(format!("listening to {}", topic.as_deref().unwrap_or("#")))
            }
            Opening::Asked | Opening::Typed { .. } => None,
        }
    }

    /// The request of a subscriber that comes back. Where it asked for history it now asks
    /// for what it missed, not for the same history again. The span begins when the loss was
    /// seen, so a message is rather missed than shown twice.
    pub(super) fn resumed(&self, lost_for: Duration) -> Self {
        let mut request = self.clone();
        let hello = self.hello().and_then(|hello| text::parse_hello(&hello.bytes).ok());
        if hello.is_some_and(|hello| hello.replay != wire::past::Replay::None) {
            request.options.replay = Some(Replay::Since(format!("{}ms", lost_for.as_millis())));
        }
        request
    }

    /// Refuses what would fall apart in a hello, and what the server's own parser refuses.
    pub(super) fn check(&self) -> Result<(), String> {
        let given = match &self.opening {
            Opening::Given { topic, .. } => topic.as_deref(),
            Opening::Asked | Opening::Typed { .. } => None,
        };
        for (what, word) in [("TOPIC", given), ("--name", self.options.name.as_deref())] {
            if word.is_some_and(|w| w.is_empty() || w.chars().any(|c| c.is_whitespace() || c.is_control())) {
                return Err(format!("{what} must be one word without blanks and control characters"));
            }
        }
        if self.side() == Some(Side::Publisher)
            && let Some(option) = self.options.subscriber_only()
        {
            return Err(format!("{option} is for subscribers"));
        }
        if self.side() == Some(Side::Subscriber) && self.options.ack {
            return Err("--ack is for publishers".to_owned());
        }
        let words = match self.hello() {
            Some(hello) => hello.bytes,
            // The role is not known yet, but the options are.
            None => format!("sub{}", self.options.words(None)).into_bytes(),
        };
        text::parse_hello(&words).map(|_| ()).map_err(|error| error.to_string())
    }
}

impl Options {
    /// The words that follow the role, each with a blank before it. A publisher that was asked
    /// for its role may have been started with options that only a subscriber needs.
    fn words(&self, side: Option<Side>) -> String {
        let mut words = String::new();
        let mut add = |key: &str, value: &str| words.extend([" ", key, "=", value]);
        if let Some(name) = &self.name {
            add("name", name);
        }
        if side == Some(Side::Publisher) {
            if self.ack {
                add("ack", "1");
            }
            return words;
        }
        match &self.replay {
            Some(Replay::Last(count)) => add("last", &count.to_string()),
            Some(Replay::Since(age)) => add("since", age),
            None => {}
        }
        if self.format != Format::Plain {
            add("format", "json");
        }
        if self.time {
            add("time", "1");
        }
        words
    }

    fn subscriber_only(&self) -> Option<&'static str> {
        match &self.replay {
            Some(Replay::Last(_)) => Some("--last"),
            Some(Replay::Since(_)) => Some("--since"),
            None if self.format == Format::Json => Some("--json"),
            None if self.format == Format::Raw => Some("--raw"),
            None if self.time => Some("--time"),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(words: &str, options: Options) -> Request {
        Request { opening: Opening::Typed { words: words.to_owned() }, options }
    }
    fn line(request: &Request) -> String {
        String::from_utf8(request.hello().unwrap().bytes).unwrap()
    }

    #[test]
    fn a_typed_role_goes_as_it_is() {
        for words in ["PUBLISHER", "subscriber", "SUBSCRIBER sports", "LISTENER"] {
            let request = typed(words, Options::default());
            assert_eq!(line(&request), words);
            assert_eq!(request.hello().unwrap().framing, Framing::Reads);
        }
        let named = Options { name: Some("alice".into()), format: Format::Json, ..Options::default() };
        assert_eq!(line(&typed("SUBSCRIBER", named.clone())), "SUBSCRIBER name=alice format=json\n");
        assert_eq!(line(&typed("PUBLISHER", named)), "PUBLISHER name=alice\n");
    }

    #[test]
    fn the_typed_role_is_known() {
        for (words, side) in [
            ("publisher", Some(Side::Publisher)),
            (" SUB ", Some(Side::Subscriber)),
            ("sub:sports", Some(Side::Subscriber)),
            ("LISTENER", None),
            ("", None),
        ] {
            assert_eq!(typed(words, Options::default()).side(), side, "{words}");
        }
    }

    #[test]
    fn who_comes_back_asks_for_what_was_missed() {
        let away = Duration::from_millis(1250);
        let last = Options { replay: Some(Replay::Last(10)), ..Options::default() };
        assert_eq!(line(&typed("sub", last).resumed(away)), "sub since=1250ms\n");
        assert_eq!(
            line(&typed("sub sports last=5", Options::default()).resumed(away)),
            "sub sports last=5 since=1250ms\n"
        );
        assert_eq!(line(&typed("sub", Options::default()).resumed(away)), "sub");
    }

    #[test]
    fn the_server_reads_what_was_missed_as_a_span() {
        let since = Options { replay: Some(Replay::Since("5m".into())), ..Options::default() };
        let hello = typed("sub", since).resumed(Duration::from_millis(1250)).hello().unwrap();
        let parsed = text::parse_hello(&hello.bytes).unwrap();
        assert_eq!(parsed.replay, wire::past::Replay::Since(Duration::from_millis(1250)));
    }
}
