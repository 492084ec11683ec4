//! The command line of `tidings server`.
//!
//! Clap takes it apart only: values are parsed with everybody else's, and the environment is not
//! clap's either, since a variable must give way to an option that says the same in other words
//! (`TIDINGS_LISTEN` to `PORT`), which clap would call a conflict.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::Args;

use super::error::{ConfigError, Origin};
use super::key::Key;
use super::layer::Layer;

/// Options of `tidings server`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServerArgs {
    #[arg(value_name = "PORT", help = Key::Port.help())]
    port: Option<String>,
    #[arg(long, value_name = "ADDRESS", help = Key::Bind.help())]
    bind: Option<String>,
    #[arg(long, value_name = "URL", help = Key::Listen.help())]
    listen: Vec<String>,
    #[arg(
        long, value_name = "BOOL", help = Key::TopicPrompt.help(),
        num_args = 0..=1, require_equals = true, default_missing_value = "true"
    )]
    topic_prompt: Option<String>,
    #[arg(
        long, value_name = "BOOL", help = Key::AllowAnonymous.help(),
        num_args = 0..=1, require_equals = true, default_missing_value = "true"
    )]
    allow_anonymous: Option<String>,
    /// Read settings from this TOML file [env: TIDINGS_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[arg(long, value_name = "N", help = Key::Shards.help())]
    shards: Option<String>,
    #[arg(long, value_name = "FORMAT", help = Key::LogFormat.help())]
    log_format: Option<String>,
    #[arg(long, value_name = "N", help = Key::ConnectionsMax.help())]
    connections_max: Option<String>,
    #[arg(long, value_name = "BYTES", help = Key::QueueMax.help())]
    queue_max: Option<String>,
    #[arg(long, value_name = "BYTES", help = Key::MemoryMax.help())]
    memory_max: Option<String>,
    #[arg(long, value_name = "N", help = Key::HistoryLast.help())]
    history_last: Option<String>,
    #[arg(long, value_name = "BYTES", help = Key::HistoryMax.help())]
    history_max: Option<String>,
}

impl ServerArgs {
    pub(super) fn config(&self) -> Option<&OsStr> {
        self.config.as_deref().map(AsRef::as_ref)
    }

    pub(super) fn layer(&self) -> Result<Layer, ConfigError> {
        let mut layer = Layer::default();
        for (key, text) in self.typed() {
            layer.set(key, text, Origin::Typed(key))?;
        }
        Ok(layer)
    }

    /// The words that start the same server, with leave to listen where others can reach it.
    pub(super) fn command_line_allowing_anonymous(&self) -> String {
        let mut words = vec!["tidings".to_owned(), "server".to_owned()];
        for (key, text) in self.typed() {
            match key {
                Key::Port => words.push(quoted(text)),
                Key::AllowAnonymous => {}
                Key::TopicPrompt if text == "true" => words.push(key.option()),
                Key::TopicPrompt => words.push(format!("{}={}", key.option(), quoted(text))),
                _ => words.extend([key.option(), quoted(text)]),
            }
        }
        if let Some(path) = &self.config {
            words.extend(["--config".to_owned(), quoted(&path.to_string_lossy())]);
        }
        words.push(Key::AllowAnonymous.option());
        words.join(" ")
    }

    fn typed(&self) -> impl Iterator<Item = (Key, &str)> {
        let listen = self.listen.iter().map(|url| (Key::Listen, Some(url)));
        let single = [
            (Key::Port, &self.port),
            (Key::Bind, &self.bind),
            (Key::TopicPrompt, &self.topic_prompt),
            (Key::AllowAnonymous, &self.allow_anonymous),
            (Key::Shards, &self.shards),
            (Key::LogFormat, &self.log_format),
            (Key::ConnectionsMax, &self.connections_max),
            (Key::QueueMax, &self.queue_max),
            (Key::MemoryMax, &self.memory_max),
            (Key::HistoryLast, &self.history_last),
            (Key::HistoryMax, &self.history_max),
        ];
        let single = single.into_iter().map(|(key, text)| (key, text.as_ref()));
        single.chain(listen).filter_map(|(key, text)| Some((key, text?.as_str())))
    }
}

/// As a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_where_a_shell_would_change_them() {
        assert_eq!(quoted("0.0.0.0"), "0.0.0.0");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $1"), r"'it'\''s $1'");
    }
}
