//! The keys: what follows from the row of each in `entries`.

use std::fmt;

use super::entries::{ENTRIES, Entry, Table};

/// One thing that can be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Port,
    Bind,
    Listen,
    TopicPrompt,
    AllowAnonymous,
    Shards,
    LogFormat,
    SysInterval,
    HttpHosts,
    HttpOrigins,
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
    Time,
    Switch,
    Text,
}

impl Key {
    pub(super) const ALL: [Self; ENTRIES.len()] =
        keys_in(&[Table::Listener, Table::OneListener, Table::Top, Table::Limits]);

    /// The keys at the top of a file that change the one listener.
    pub(super) const ONE_LISTENER: [Self; 3] = keys_in(&[Table::OneListener]);

    /// The others at the top of a file.
    pub(super) const TOP: [Self; 6] = keys_in(&[Table::Top]);

    /// The keys of a file's table `[limits]`.
    pub(super) const LIMITS: [Self; 5] = keys_in(&[Table::Limits]);

    pub(super) fn entry(self) -> &'static Entry {
        ENTRIES.iter().find(|entry| entry.key == self).expect("each key has its row")
    }

    /// As in a file, without the table.
    pub(super) fn name(self) -> &'static str {
        self.entry().name
    }

    /// As in a file, with the table.
    pub(super) fn path(self) -> String {
        let Entry { name, table, .. } = self.entry();
        if *table == Table::Limits { format!("limits.{name}") } else { (*name).to_owned() }
    }

    /// As typed.
    pub(super) fn option(self) -> String {
        self.entry().option.to_owned()
    }

    /// As in the environment.
    pub(super) fn variable(self) -> String {
        format!("TIDINGS_{}", self.name().to_ascii_uppercase())
    }

    /// One line for `--help`.
    pub(super) fn help(self) -> String {
        format!("{} [env: {}]", self.entry().meaning, self.variable())
    }
}

/// The keys of these tables, in the order of their rows.
const fn keys_in<const KEYS: usize>(tables: &[Table]) -> [Key; KEYS] {
    let mut keys = [Key::Port; KEYS];
    let (mut row, mut found) = (0, 0);
    while row < ENTRIES.len() {
        let mut table = 0;
        while table < tables.len() {
            if tables[table] as u8 == ENTRIES[row].table as u8 {
                keys[found] = ENTRIES[row].key;
                found += 1;
            }
            table += 1;
        }
        row += 1;
    }
    assert!(found == KEYS, "as many keys as rows");
    keys
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "a whole number",
            Self::Size => "a number of bytes or text such as \"2MiB\"",
            Self::Time => "a number of seconds or text such as \"10s\"",
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
