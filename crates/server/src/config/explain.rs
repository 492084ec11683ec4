//! Which values are in force and what gave each, for an operator who looks at a running server.

use super::Settings;
use super::error::Origin;
use super::key::Key;
use super::layer::Layer;

/// Where values were given. Where one comes from is no part of it, so settings from a file equal the same
/// settings from the command line.
#[derive(Debug, Clone, Default)]
pub struct Sources(Vec<(Key, Origin)>);

impl PartialEq for Sources {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Sources {}

/// One value in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Explained {
    /// As in a file, with its table.
    pub(crate) key: String,
    /// As in the environment; of listeners all URLs.
    pub(crate) value: String,
    pub(crate) source: Source,
    /// Where exactly, in words.
    pub(crate) origin: String,
}

/// What gave a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    File,
    Environment,
    CommandLine,
}

impl Sources {
    /// Of layers, lowest first.
    pub(super) fn of(layers: &[Layer]) -> Self {
        let given = layers.iter().flat_map(|Layer(given)| given);
        Self(given.map(|given| (given.key, given.origin.clone())).collect())
    }

    /// What gave the value of any of these keys last: that one counts.
    fn last(&self, keys: &[Key]) -> Option<&Origin> {
        self.0.iter().rev().find(|(key, _)| keys.contains(key)).map(|(_, origin)| origin)
    }
}

impl Settings {
    /// After a reload: takes what needs no restart.
    pub(crate) fn take_over(&mut self, new: &Self) {
        self.log_format = new.log_format;
        let Sources(given) = &mut self.sources;
        given.retain(|(key, _)| *key != Key::LogFormat);
        let origin = new.sources.last(&[Key::LogFormat]);
        given.extend(origin.map(|origin| (Key::LogFormat, origin.clone())));
    }
}

/// Every value in force, in the order of the documentation.
pub(crate) fn explain(settings: &Settings) -> Vec<Explained> {
    let [port, bind, prompt] = Key::ONE_LISTENER;
    let listener =
        explained(settings, "listener".to_owned(), Key::Listen, &[Key::Listen, port, bind, prompt]);
    let others = Key::TOP.into_iter().chain(Key::LIMITS);
    [listener].into_iter().chain(others.map(|key| explained(settings, key.path(), key, &[key]))).collect()
}

fn explained(settings: &Settings, name: String, key: Key, given_by: &[Key]) -> Explained {
    let (source, origin) = match settings.sources.last(given_by) {
        None => (Source::Default, "default".to_owned()),
        Some(origin) => {
            let source = match origin {
                Origin::Typed(_) => Source::CommandLine,
                Origin::Variable(_) => Source::Environment,
                Origin::File(..) => Source::File,
            };
            (source, origin.to_string())
        }
    };
    Explained { key: name, value: (key.entry().text)(settings), source, origin }
}
