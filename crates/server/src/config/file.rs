//! The TOML file, as a layer. Walked by hand rather than by serde, which would not tell where an
//! unknown key stands, nor name the nearest one.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::entries::Table;
use super::error::{ConfigError, Origin, Place};
use super::key::{Key, Kind, nearest};
use super::layer::{Given, Layer};
use super::value;

pub(super) fn read(path: &Path) -> Result<Layer, ConfigError> {
    layer(path, &contents(path)?)
}

/// The layer that these bytes of `path` are.
pub(super) fn layer(path: &Path, bytes: &[u8]) -> Result<Layer, ConfigError> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        ConfigError::NotText { place: place(path, &String::from_utf8_lossy(good)) }
    })?;
    let document = DeTable::parse(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or(text);
        ConfigError::Syntax { place: place(path, before), what: error.message().to_owned() }
    })?;
    let mut reading = Reading { path, text, layer: Layer::default() };
    reading.top(document.get_ref())?;
    Ok(reading.layer)
}

fn contents(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ConfigError::FileMissing { path: path.to_owned() },
        _ => ConfigError::FileUnreadable { path: path.to_owned(), source },
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    let bytes_max = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(ConfigError::FileTooLong { path: path.to_owned(), bytes_max: FILE_BYTES_MAX });
    }
    Ok(bytes)
}

struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    layer: Layer,
}

impl Reading<'_> {
    fn top(&mut self, table: &DeTable<'_>) -> Result<(), ConfigError> {
        for (name, value) in in_order(table) {
            match name.get_ref().as_ref() {
                "listener" => self.listeners(value)?,
                "limits" => self.limits(value)?,
                other => match key_of(other, Key::ONE_LISTENER.into_iter().chain(Key::TOP)) {
                    Some(key) => self.set(key, value)?,
                    None => return Err(self.unknown(name, Table::Top)),
                },
            }
        }
        Ok(())
    }

    fn limits(&mut self, value: &Spanned<DeValue<'_>>) -> Result<(), ConfigError> {
        let DeValue::Table(table) = value.get_ref() else {
            return Err(self.wrong_type("limits", "a table [limits]", value));
        };
        for (name, value) in in_order(table) {
            match key_of(name.get_ref(), Key::LIMITS.into_iter()) {
                Some(key) => self.set(key, value)?,
                None => return Err(self.unknown(name, Table::Limits)),
            }
        }
        Ok(())
    }

    fn listeners(&mut self, value: &Spanned<DeValue<'_>>) -> Result<(), ConfigError> {
        let DeValue::Array(array) = value.get_ref() else {
            return Err(self.wrong_type("listener", "tables [[listener]]", value));
        };
        for value in array {
            let DeValue::Table(table) = value.get_ref() else {
                return Err(self.wrong_type("listener", "tables [[listener]]", value));
            };
            self.listener(table, value.span())?;
        }
        Ok(())
    }

    fn listener(&mut self, table: &DeTable<'_>, header: Range<usize>) -> Result<(), ConfigError> {
        let (mut url, mut beside) = (None, None);
        for (name, value) in in_order(table) {
            match name.get_ref().as_ref() {
                "url" => {
                    let text = self.plain("listener.url", Kind::Text, value)?;
                    let origin = Origin::File(Key::Listen, self.place(value.span()));
                    url = Some(Given { key: Key::Listen, text, origin });
                }
                "topic_prompt" => {
                    let text = self.plain("listener.topic_prompt", Kind::Switch, value)?;
                    beside = Some((text, self.place(value.span())));
                }
                _ => return Err(self.unknown(name, Table::Listener)),
            }
        }
        let Some(mut url) = url else { return Err(ConfigError::UrlMissing { place: self.place(header) }) };
        if let Some((topic_prompt, place)) = beside {
            let parsed = value::listen_url(&url.text).map_err(|cause| url.error(cause))?;
            if parsed.topic_prompt.is_some() {
                return Err(ConfigError::TopicPromptTwice { place });
            }
            url.text += &format!("?topic_prompt={topic_prompt}");
        }
        self.layer.0.push(url);
        Ok(())
    }

    fn set(&mut self, key: Key, value: &Spanned<DeValue<'_>>) -> Result<(), ConfigError> {
        let text = self.plain(&key.path(), key.entry().kind, value)?;
        self.layer.push(key, text, Origin::File(key, self.place(value.span())));
        Ok(())
    }

    /// The value as the other sources would write it.
    fn plain(&self, key: &str, kind: Kind, value: &Spanned<DeValue<'_>>) -> Result<String, ConfigError> {
        match (kind, value.get_ref()) {
            (Kind::Number | Kind::Size | Kind::Time, DeValue::Integer(number)) => {
                let decimal = u64::from_str_radix(number.as_str(), number.radix());
                Ok(decimal.map_or_else(|_| number.to_string(), |decimal| decimal.to_string()))
            }
            (Kind::Switch, DeValue::Boolean(wanted)) => Ok(wanted.to_string()),
            (Kind::Text | Kind::Size | Kind::Time, DeValue::String(text)) => Ok(text.to_string()),
            _ => Err(self.wrong_type(key, &kind.to_string(), value)),
        }
    }

    fn wrong_type(&self, key: &str, expected: &str, value: &Spanned<DeValue<'_>>) -> ConfigError {
        let found = match value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let place = self.place(value.span());
        ConfigError::WrongType { place, key: key.to_owned(), expected: expected.to_owned(), found }
    }

    /// The error about a key that stands in `table`.
    fn unknown(&self, name: &Spanned<DeString<'_>>, table: Table) -> ConfigError {
        let in_listener = ["listener.url", "listener.topic_prompt"].map(str::to_owned);
        let tables = ["listener", "limits"].map(str::to_owned);
        let keys = Key::ONE_LISTENER.into_iter().chain(Key::TOP).chain(Key::LIMITS).map(Key::path);
        let elsewhere = tables.into_iter().chain(keys);
        // Without the table: a key under the wrong header is an unknown key too.
        let bare = |path: &str| path.rsplit('.').next().unwrap_or(path).to_owned();
        let key = name.get_ref().to_string();
        let lower = key.to_ascii_lowercase();
        let nearest = match (table, lower.as_str()) {
            (Table::Listener, "port" | "bind") => Some("listener.url".to_owned()),
            // Of two names that are equally near the last is taken: that of the same table.
            (Table::Listener, _) => nearest(&lower, elsewhere.chain(in_listener), bare),
            _ => nearest(&lower, in_listener.into_iter().chain(elsewhere), bare),
        };
        ConfigError::UnknownKey { place: self.place(name.span()), key, nearest }
    }

    fn place(&self, span: Range<usize>) -> Place {
        place(self.path, self.text.get(..span.start).unwrap_or(self.text))
    }
}

fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Spanned<DeString<'i>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

fn key_of(name: &str, mut known: impl Iterator<Item = Key>) -> Option<Key> {
    known.find(|key| key.name() == name)
}

/// The place behind the text `before`.
fn place(path: &Path, before: &str) -> Place {
    let line = before.rsplit('\n').next().unwrap_or(before);
    Place { path: path.to_owned(), line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
}

/// Far above any real one; a wrong path may name a device that never ends.
const FILE_BYTES_MAX: usize = 1024 * 1024;
