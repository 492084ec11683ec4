//! What one source says, parsed, with where it says it; silent on everything else.

use std::net::IpAddr;

use frontend::TopicPrompt;

use super::error::{ConfigError, Origin};
use super::key::Key;
use super::value::{self, ListenUrl, ValueError};
use super::{AnonymousAccess, LogFormat};

/// A value and where it was given.
#[derive(Debug)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) origin: Origin,
}

#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) port: Option<Given<u16>>,
    pub(super) bind: Option<Given<IpAddr>>,
    pub(super) listen: Vec<Given<ListenUrl>>,
    pub(super) topic_prompt: Option<Given<TopicPrompt>>,
    pub(super) allow_anonymous: Option<Given<AnonymousAccess>>,
    pub(super) shards: Option<Given<u8>>,
    pub(super) log_format: Option<Given<LogFormat>>,
    pub(super) connections_max: Option<Given<usize>>,
    pub(super) queue_max: Option<Given<usize>>,
    pub(super) memory_max: Option<Given<usize>>,
    pub(super) history_last: Option<Given<u32>>,
    pub(super) history_max: Option<Given<usize>>,
}

impl Layer {
    /// Takes the text of a key; of [`Key::Listen`] one more URL.
    pub(super) fn set(&mut self, key: Key, text: &str, origin: Origin) -> Result<(), ConfigError> {
        match key {
            Key::Port => self.port = Some(parse(text, origin, value::port)?),
            Key::Bind => self.bind = Some(parse(text, origin, value::host)?),
            Key::Listen => self.listen.push(parse(text, origin, value::listen_url)?),
            Key::TopicPrompt => self.topic_prompt = Some(parse(text, origin, value::topic_prompt)?),
            Key::AllowAnonymous => self.allow_anonymous = Some(parse(text, origin, value::allow_anonymous)?),
            Key::Shards => self.shards = Some(parse(text, origin, value::shards)?),
            Key::LogFormat => self.log_format = Some(parse(text, origin, value::log_format)?),
            Key::ConnectionsMax => self.connections_max = Some(parse(text, origin, value::connections_max)?),
            Key::QueueMax => self.queue_max = Some(parse(text, origin, value::queue_max)?),
            Key::MemoryMax => self.memory_max = Some(parse(text, origin, value::memory_max)?),
            Key::HistoryLast => self.history_last = Some(parse(text, origin, value::history_last)?),
            Key::HistoryMax => self.history_max = Some(parse(text, origin, value::history_max)?),
        }
        Ok(())
    }
}

pub(super) fn parse<T>(
    text: &str,
    origin: Origin,
    parser: impl FnOnce(&str) -> Result<T, ValueError>,
) -> Result<Given<T>, ConfigError> {
    match parser(text) {
        Ok(value) => Ok(Given { value, origin }),
        Err(cause) => Err(ConfigError::Value { origin, text: text.to_owned(), cause }),
    }
}
