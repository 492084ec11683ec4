//! What one source says, with where it says it; silent on everything else.

use super::Settings;
use super::error::{ConfigError, Origin};
use super::key::Key;
use super::value::ValueError;

/// A key's text and where it was given.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) key: Key,
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// In the order of the source; [`Key::Listen`] once for each URL.
#[derive(Debug, Default)]
pub(super) struct Layer(pub(super) Vec<Given>);

impl Layer {
    pub(super) fn push(&mut self, key: Key, text: impl Into<String>, origin: Origin) {
        self.0.push(Given { key, text: text.into(), origin });
    }
}

impl Given {
    pub(super) fn put(&self, settings: &mut Settings) -> Result<(), ConfigError> {
        (self.key.entry().set)(settings, &self.text).map_err(|cause| self.error(cause))
    }

    pub(super) fn error(&self, cause: ValueError) -> ConfigError {
        ConfigError::Value { origin: self.origin.clone(), text: self.text.clone(), cause }
    }
}
