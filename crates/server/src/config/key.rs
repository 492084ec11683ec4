//! The keys: one name each, from which the option, the variable and the place in the file follow.

use std::fmt;

/// One thing that can be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "`help` below says what each one means")]
pub enum Key {
    Port,
    Bind,
    Listen,
    TopicPrompt,
    AllowAnonymous,
    Shards,
    LogFormat,
    ConnectionsMax,
    QueueMax,
    MemoryMax,
    HistoryLast,
    HistoryMax,
}

/// What a value looks like in TOML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Size,
    Switch,
    Text,
}

impl Key {
    pub(super) const ALL: [Self; 12] = [
        Self::Port,
        Self::Bind,
        Self::Listen,
        Self::TopicPrompt,
        Self::AllowAnonymous,
        Self::Shards,
        Self::LogFormat,
        Self::ConnectionsMax,
        Self::QueueMax,
        Self::MemoryMax,
        Self::HistoryLast,
        Self::HistoryMax,
    ];

    /// The keys at the top of a file.
    pub(super) const TOP: [Self; 3] = [Self::AllowAnonymous, Self::Shards, Self::LogFormat];

    /// The keys of a file's table `[limits]`.
    pub(super) const LIMITS: [Self; 5] =
        [Self::ConnectionsMax, Self::QueueMax, Self::MemoryMax, Self::HistoryLast, Self::HistoryMax];

    /// As in a file, without the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::Bind => "bind",
            Self::Listen => "listen",
            Self::TopicPrompt => "topic_prompt",
            Self::AllowAnonymous => "allow_anonymous",
            Self::Shards => "shards",
            Self::LogFormat => "log_format",
            Self::ConnectionsMax => "connections_max",
            Self::QueueMax => "queue_max",
            Self::MemoryMax => "memory_max",
            Self::HistoryLast => "history_last",
            Self::HistoryMax => "history_max",
        }
    }

    /// As in a file, with the table.
    pub(super) fn path(self) -> String {
        let name = self.name();
        if Self::LIMITS.contains(&self) { format!("limits.{name}") } else { name.to_owned() }
    }

    /// As typed.
    pub(super) fn option(self) -> String {
        if self == Self::Port { "PORT".to_owned() } else { format!("--{}", self.name().replace('_', "-")) }
    }

    /// As in the environment.
    pub(super) fn variable(self) -> String {
        format!("TIDINGS_{}", self.name().to_ascii_uppercase())
    }

    /// One line for `--help`.
    pub(super) fn help(self) -> String {
        format!("{} [env: {}]", self.meaning(), self.variable())
    }

    /// One line, for `--help` and for the comments of a file.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Port => "Port to listen on, 0 for any free one [default: 8071]",
            Self::Bind => "Address to listen on, or localhost [default: 127.0.0.1]",
            Self::Listen => {
                "Listen here instead, repeatable: tcp://127.0.0.1:8071, tcp://[::1]:9000?topic_prompt=1"
            }
            Self::TopicPrompt => "A hello without a topic is followed by one more message with the topic",
            Self::AllowAnonymous => {
                "Allow listening where other machines can connect, without authentication"
            }
            Self::Shards => "Threads that serve connections, at most 64 [default: one per core]",
            Self::LogFormat => "Form of a log line: text or json [default: text]",
            Self::ConnectionsMax => "Connections at a time; a further one is closed [default: 65536]",
            Self::QueueMax => {
                "Bytes that may wait for one subscriber before it loses the oldest, at least 64KiB [default: 4MiB]"
            }
            Self::MemoryMax => {
                "Bytes of all messages in memory, at least 16MiB; publishers wait above it [default: 1GiB]"
            }
            Self::HistoryLast => "Messages kept per topic for late subscribers, 0 for none [default: 100]",
            Self::HistoryMax => {
                "Bytes of history over all topics, at most half of memory-max [default: 64MiB]"
            }
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Port | Self::Shards | Self::ConnectionsMax | Self::HistoryLast => Kind::Number,
            Self::QueueMax | Self::MemoryMax | Self::HistoryMax => Kind::Size,
            Self::TopicPrompt | Self::AllowAnonymous => Kind::Switch,
            Self::Bind | Self::Listen | Self::LogFormat => Kind::Text,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "a whole number",
            Self::Size => "a number of bytes or text such as \"2MiB\"",
            Self::Switch => "true or false",
            Self::Text => "text in quotes",
        })
    }
}

/// Of `candidates` the one whose spelling, compared as `bare` has it, is nearest to `name`, if
/// any is near enough to be a slip.
pub(super) fn nearest(
    name: &str,
    candidates: impl Iterator<Item = String>,
    bare: impl Fn(&str) -> String,
) -> Option<String> {
    let rated = candidates.map(|candidate| (strsim::jaro_winkler(name, &bare(&candidate)), candidate));
    let near = rated.filter(|(likeness, _)| *likeness >= LIKENESS_MIN);
    near.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}

/// Low enough for any one letter left out or doubled (a test tries all), too high for a stranger.
const LIKENESS_MIN: f64 = 0.75;
