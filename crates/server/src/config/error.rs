//! What can be wrong with a configuration, and where that was written.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use thiserror::Error;

use super::key::Key;
use super::value::{ValueError, size_text};

/// A character of a file; lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub path: PathBuf,
    pub line: usize,
    pub column: usize,
}

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    Typed(Key),
    /// In the environment.
    Variable(Key),
    /// In the file.
    File(Key, Place),
}

/// Why there is no configuration. One line each, whatever the file says.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("there is no configuration file {}", .path.display())]
    FileMissing { path: PathBuf },
    #[error("cannot read the configuration file {}: {source}", .path.display())]
    FileUnreadable { path: PathBuf, source: std::io::Error },
    #[error("the configuration file {} is longer than {}", .path.display(), size_text(*.bytes_max))]
    FileTooLong { path: PathBuf, bytes_max: usize },
    #[error("{place}: not UTF-8 text")]
    NotText { place: Place },
    #[error("{place}: not TOML: {what}")]
    Syntax { place: Place, what: String },
    #[error("{place}: unknown key {key:?}; {}", hint(.nearest.as_deref(), "config print --defaults"))]
    UnknownKey { place: Place, key: String, nearest: Option<String> },
    #[error("{place}: {key} must be {expected}, found {found}")]
    WrongType { place: Place, key: String, expected: String, found: &'static str },
    #[error("{place}: this [[listener]] has no url, for example url = \"tcp://127.0.0.1:8071\"")]
    UrlMissing { place: Place },
    #[error("{place}: topic_prompt is given in the url and beside it")]
    TopicPromptTwice { place: Place },
    #[error("unknown environment variable {name:?}; {}", hint(.nearest.as_deref(), "server --help"))]
    UnknownVariable { name: String, nearest: Option<String> },
    #[error("environment variable {name}: not UTF-8 text")]
    VariableNotText { name: String },
    #[error("{origin}: {cause}, found {text:?}")]
    Value { origin: Origin, text: String, cause: ValueError },
    #[error("{listen} excludes {other}: write address, port and ?topic_prompt=1 into the URL")]
    ListenExcludes { listen: Origin, other: Origin },
    #[error("{origin}: changes one listener, but {count} are configured: use --listen instead")]
    WhichListener { origin: Origin, count: usize },
    #[error("{origin}: {addr} {}", twice(*.addr, *.earlier))]
    ListenerTwice { origin: Origin, addr: SocketAddr, earlier: SocketAddr },
    #[error("{origin}: an IPv4 address is written as one: {ipv4} in place of {}", .addr.ip())]
    MappedAddress { origin: Origin, addr: SocketAddr, ipv4: Ipv4Addr },
    #[error(
        "{}refusing to listen on {addr} without authentication: anyone who reaches it could publish and \
         subscribe. To allow that: {command}",
        .origin.before()
    )]
    NotLoopback { origin: Origin, addr: SocketAddr, command: String },
    #[error(
        "{origin}: history may take half of memory_max ({}), so at most {}, found {}",
        size_text(*.memory_max), size_text(.memory_max / 2), size_text(*.history_max)
    )]
    HistoryTooBig { origin: Origin, history_max: usize, memory_max: usize },
}

fn hint(nearest: Option<&str>, command: &str) -> String {
    match nearest {
        Some(name) => format!("did you mean {name}?"),
        None => format!("`tidings {command}` lists all"),
    }
}

fn twice(addr: SocketAddr, earlier: SocketAddr) -> String {
    match addr == earlier {
        true => "is already in the list".to_owned(),
        false => format!("and {earlier} of the list exclude each other: one is every address of the machine"),
    }
}

impl Origin {
    /// What to put before a message that speaks for itself when it answers a command.
    fn before(&self) -> String {
        match self {
            Self::Typed(_) => String::new(),
            Self::Variable(_) => format!("{self}: "),
            Self::File(_, place) => format!("{place}: "),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Typed(key) => f.write_str(&key.option()),
            Self::Variable(key) => f.write_str(&key.variable()),
            Self::File(Key::Listen, place) => write!(f, "{place}: listener.url"),
            Self::File(key, place) => write!(f, "{place}: {}", key.path()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}
