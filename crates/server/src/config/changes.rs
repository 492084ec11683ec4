//! What a reload would change, and whether it can without a restart.

use super::Settings;
use super::entries::Reload;
use super::key::Key;
use super::render::toml;

/// The keys that a reload changes at once, for people.
#[must_use]
pub fn changed_at_once() -> String {
    let keys = Key::ALL.into_iter().filter(|key| key.entry().reload == Reload::Now);
    keys.map(Key::path).collect::<Vec<_>>().join(", ")
}

/// One line for each key that differs; those that need a restart say so.
#[must_use]
pub fn changes(old: &Settings, new: &Settings) -> Vec<String> {
    let keys = [Key::Listen].into_iter().chain(Key::TOP).chain(Key::LIMITS);
    keys.filter_map(|key| {
        let (before, after) = (toml(key, old), toml(key, new));
        if before == after {
            return None;
        }
        let name = if key == Key::Listen { "listener".to_owned() } else { key.path() };
        let when = match key.entry().reload {
            Reload::Now => "",
            Reload::Restart => " (needs a restart)",
        };
        Some(format!("{name}: {before} -> {after}{when}"))
    })
    .collect()
}
