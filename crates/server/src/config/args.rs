//! The command line of `tidings server`.
//!
//! Clap takes it apart only: values are parsed with everybody else's, and the environment is not
//! clap's either, since a variable must give way to an option that says the same in other words
//! (`TIDINGS_LISTEN` to `PORT`), which clap would call a conflict.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

use super::error::Origin;
use super::key::{Key, Kind};
use super::layer::Layer;

/// Options of `tidings server`.
#[derive(Debug, Clone, Default)]
pub struct ServerArgs {
    typed: Vec<(Key, String)>,
    config: Option<PathBuf>,
}

impl Args for ServerArgs {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG).long(CONFIG).value_name("FILE").value_parser(value_parser!(PathBuf));
        let config = config.help("Read settings from this TOML file [env: TIDINGS_CONFIG]");
        command.args(Key::ALL.map(arg)).arg(config)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn arg(key: Key) -> Arg {
    let entry = key.entry();
    let arg = Arg::new(entry.name).value_name(entry.placeholder).help(key.help());
    let arg = match entry.option.strip_prefix("--") {
        Some(long) => arg.long(long),
        None => arg,
    };
    match entry.kind {
        Kind::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ if key == Key::Listen => arg.action(ArgAction::Append),
        _ => arg,
    }
}

impl FromArgMatches for ServerArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.typed.clear();
        for key in Key::ALL {
            let texts = matches.get_many::<String>(key.name()).into_iter().flatten();
            self.typed.extend(texts.map(|text| (key, text.clone())));
        }
        self.config = matches.get_one(CONFIG).cloned();
        Ok(())
    }
}

impl ServerArgs {
    pub(super) fn config(&self) -> Option<&OsStr> {
        self.config.as_deref().map(AsRef::as_ref)
    }

    pub(super) fn layer(&self) -> Layer {
        let mut layer = Layer::default();
        for (key, text) in &self.typed {
            layer.push(*key, text, Origin::Typed(*key));
        }
        layer
    }

    /// The words that start the same server, with leave to listen where others can reach it.
    pub(super) fn command_line_allowing_anonymous(&self) -> String {
        let mut words = vec!["tidings".to_owned(), "server".to_owned()];
        let mut typed: Vec<_> = self.typed.iter().collect();
        typed.sort_by_key(|(key, _)| *key == Key::Listen);
        for (key, text) in typed {
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
}

/// As a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

const CONFIG: &str = "config";

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
