//! One row for each key, with all that is said about it; what reads the rows takes a new one as it is.

use std::ops::RangeInclusive;
use std::time::Duration;

use frontend::{Spoken, TopicPrompt};

use super::key::{Key, Kind};
use super::value::{self, KIB, MIB, ValueError, size_text};
use super::{AnonymousAccess, ListenerSettings, LogFormat, SHARDS_MAX, Settings};

pub(super) struct Entry {
    pub(super) key: Key,
    /// In a file, and with `TIDINGS_` in front in the environment.
    pub(super) name: &'static str,
    pub(super) option: &'static str,
    /// What stands for the value in `--help`.
    pub(super) placeholder: &'static str,
    pub(super) table: Table,
    pub(super) kind: Kind,
    pub(super) reload: Reload,
    /// One line, for `--help` and for the comments of a file.
    pub(super) meaning: &'static str,
    /// Parses a text and puts it into settings, which have one listener if the key is about one.
    pub(super) set: fn(&mut Settings, &str) -> Result<(), ValueError>,
    /// The text that `set` reads back.
    pub(super) text: fn(&Settings) -> String,
}

/// Where a key stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// Not under its own name: `[[listener]]` says it.
    Listener,
    /// At the top, about the one listener of a file without `[[listener]]`.
    OneListener,
    Top,
    Limits,
}

/// What SIGHUP does with a new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reload {
    Now,
    Restart,
}

pub(super) const ENTRIES: [Entry; 15] = [
    Entry {
        key: Key::Port,
        name: "port",
        option: "PORT",
        placeholder: "PORT",
        table: Table::OneListener,
        kind: Kind::Number,
        reload: Reload::Restart,
        meaning: "Port to listen on, 0 for any free one [default: 8071]",
        set: |to, text| value::number(text, PORTS).map(|port| first(to).addr.set_port(port)),
        text: |of| of.listeners[0].addr.port().to_string(),
    },
    Entry {
        key: Key::Bind,
        name: "bind",
        option: "--bind",
        placeholder: "ADDRESS",
        table: Table::OneListener,
        kind: Kind::Text,
        reload: Reload::Restart,
        meaning: "Address to listen on, or localhost [default: 127.0.0.1]",
        set: |to, text| value::host(text).map(|ip| first(to).addr.set_ip(ip)),
        text: |of| of.listeners[0].addr.ip().to_string(),
    },
    Entry {
        key: Key::Listen,
        name: "listen",
        option: "--listen",
        placeholder: "URL",
        table: Table::Listener,
        kind: Kind::Text,
        reload: Reload::Restart,
        meaning: "Listen here instead, repeatable: tcp://127.0.0.1:8071 (any protocol), mqtt://[::1]:1883, http://[::1]:8080, tcp://[::1]:9000?topic_prompt=1",
        set: |to, text| value::listen_url(text).map(|url| to.listeners.push(url.into())),
        text: |of| of.listeners.iter().map(url).collect::<Vec<_>>().join(","),
    },
    Entry {
        key: Key::TopicPrompt,
        name: "topic_prompt",
        option: "--topic-prompt",
        placeholder: "BOOL",
        table: Table::OneListener,
        kind: Kind::Switch,
        reload: Reload::Restart,
        meaning: "A hello without a topic is followed by one more message with the topic",
        set: |to, text| value::topic_prompt(text).map(|prompt| first(to).topic_prompt = prompt),
        text: |of| (of.listeners[0].topic_prompt == TopicPrompt::On).to_string(),
    },
    Entry {
        key: Key::AllowAnonymous,
        name: "allow_anonymous",
        option: "--allow-anonymous",
        placeholder: "BOOL",
        table: Table::Top,
        kind: Kind::Switch,
        reload: Reload::Restart,
        meaning: "Allow listening where other machines can connect, without authentication",
        set: |to, text| value::allow_anonymous(text).map(|access| to.allow_anonymous = access),
        text: |of| (of.allow_anonymous == AnonymousAccess::Everywhere).to_string(),
    },
    Entry {
        key: Key::Shards,
        name: "shards",
        option: "--shards",
        placeholder: "N",
        table: Table::Top,
        kind: Kind::Number,
        reload: Reload::Restart,
        meaning: "Threads that serve connections, at most 64 [default: one per core]",
        set: |to, text| value::number(text, 1..=SHARDS_MAX).map(|shards| to.shards = shards),
        text: |of| of.shards.to_string(),
    },
    Entry {
        key: Key::LogFormat,
        name: "log_format",
        option: "--log-format",
        placeholder: "FORMAT",
        table: Table::Top,
        kind: Kind::Text,
        reload: Reload::Now,
        meaning: "Form of a log line: text or json [default: text]",
        set: |to, text| value::log_format(text).map(|format| to.log_format = format),
        text: |of| match of.log_format {
            LogFormat::Text => "text".to_owned(),
            LogFormat::Json => "json".to_owned(),
        },
    },
    Entry {
        key: Key::SysInterval,
        name: "sys_interval",
        option: "--sys-interval",
        placeholder: "TIME",
        table: Table::Top,
        kind: Kind::Time,
        reload: Reload::Restart,
        meaning: "How often the topics under $SYS/broker tell what has changed, 0 for never [default: 10s]",
        set: |to, text| value::seconds(text, SYS_INTERVAL_MAX).map(|interval| to.sys_interval = interval),
        text: |of| format!("{}s", of.sys_interval.as_secs()),
    },
    Entry {
        key: Key::HttpHosts,
        name: "http_hosts",
        option: "--http-hosts",
        placeholder: "NAMES",
        table: Table::Top,
        kind: Kind::Text,
        reload: Reload::Restart,
        meaning: "Names under which browsers may ask, besides localhost and addresses: NAME,NAME or *",
        set: |to, text| value::names(text).map(|names| to.web.hosts = names),
        text: |of| of.web.hosts.join(","),
    },
    Entry {
        key: Key::HttpOrigins,
        name: "http_origins",
        option: "--http-origins",
        placeholder: "ORIGINS",
        table: Table::Top,
        kind: Kind::Text,
        reload: Reload::Restart,
        meaning: "Origins whose pages may ask, besides its own: https://NAME,https://NAME:PORT or *",
        set: |to, text| value::origins(text).map(|origins| to.web.origins = origins),
        text: |of| of.web.origins.join(","),
    },
    Entry {
        key: Key::ConnectionsMax,
        name: "connections_max",
        option: "--connections-max",
        placeholder: "N",
        table: Table::Limits,
        kind: Kind::Number,
        reload: Reload::Restart,
        meaning: "Connections at a time; a further one is closed [default: 65536]",
        set: |to, text| {
            value::number(text, CONNECTIONS).map(|count| to.limits.connections_max = count as usize)
        },
        text: |of| of.limits.connections_max.to_string(),
    },
    Entry {
        key: Key::QueueMax,
        name: "queue_max",
        option: "--queue-max",
        placeholder: "BYTES",
        table: Table::Limits,
        kind: Kind::Size,
        reload: Reload::Restart,
        meaning: "Bytes that may wait for one subscriber before it loses the oldest, at least 64KiB [default: 4MiB]",
        set: |to, text| {
            value::size(text, QUEUE_BYTES_MIN).map(|bytes| to.limits.station.core.queue_bytes_max = bytes)
        },
        text: |of| size_text(of.limits.station.core.queue_bytes_max),
    },
    Entry {
        key: Key::MemoryMax,
        name: "memory_max",
        option: "--memory-max",
        placeholder: "BYTES",
        table: Table::Limits,
        kind: Kind::Size,
        reload: Reload::Restart,
        meaning: "Bytes of all messages in memory, at least 16MiB; publishers wait above it [default: 1GiB]",
        set: |to, text| {
            value::size(text, MEMORY_BYTES_MIN).map(|bytes| to.limits.station.core.memory_bytes_max = bytes)
        },
        text: |of| size_text(of.limits.station.core.memory_bytes_max),
    },
    Entry {
        key: Key::HistoryLast,
        name: "history_last",
        option: "--history-last",
        placeholder: "N",
        table: Table::Limits,
        kind: Kind::Number,
        reload: Reload::Restart,
        meaning: "Messages kept per topic for late subscribers, 0 for none [default: 100]",
        set: |to, text| {
            value::number(text, 0..=u32::MAX).map(|count| to.limits.station.core.history_messages_max = count)
        },
        text: |of| of.limits.station.core.history_messages_max.to_string(),
    },
    Entry {
        key: Key::HistoryMax,
        name: "history_max",
        option: "--history-max",
        placeholder: "BYTES",
        table: Table::Limits,
        kind: Kind::Size,
        reload: Reload::Restart,
        meaning: "Bytes of history over all topics, at most half of memory-max [default: 64MiB]",
        set: |to, text| value::size(text, 0).map(|bytes| to.limits.station.core.history_bytes_max = bytes),
        text: |of| size_text(of.limits.station.core.history_bytes_max),
    },
];

fn first(settings: &mut Settings) -> &mut ListenerSettings {
    &mut settings.listeners[0]
}

/// A listener as one URL.
pub(crate) fn url(listener: &ListenerSettings) -> String {
    let query = match listener.topic_prompt {
        TopicPrompt::Off => "",
        TopicPrompt::On => "?topic_prompt=1",
    };
    let scheme = match listener.spoken {
        Spoken::AnyProtocol => "tcp",
        Spoken::Mqtt => "mqtt",
        Spoken::Http => "http",
    };
    format!("{scheme}://{}{query}", listener.addr)
}

const PORTS: RangeInclusive<u16> = 0..=u16::MAX;

/// Moving averages are over minutes: a longer time between updates would not show them.
const SYS_INTERVAL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// More than a machine has file descriptors for.
const CONNECTIONS: RangeInclusive<u32> = 1..=16 * 1024 * 1024;

/// One read of a connection must fit a queue.
const QUEUE_BYTES_MIN: usize = 64 * KIB;

/// Some messages of the greatest length must fit at once.
const MEMORY_BYTES_MIN: usize = 16 * MIB;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_its_name_with_dashes_and_every_text_reads_back() {
        for entry in &ENTRIES {
            let dashed = format!("--{}", entry.name.replace('_', "-"));
            assert!(entry.option == dashed || entry.key == Key::Port, "{}", entry.option);
            let defaults = Settings::default();
            let mut again = Settings { listeners: defaults.listeners.clone(), ..Settings::default() };
            if entry.key == Key::Listen {
                again.listeners.clear();
            }
            (entry.set)(&mut again, &(entry.text)(&defaults)).unwrap();
            assert_eq!(again, defaults, "{}", entry.name);
        }
    }
}
