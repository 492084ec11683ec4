//! The tables of docs/conformance: statements by their ids.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::str::FromStr;

use serde::Deserialize;

use crate::repository;

/// A version of MQTT whose statements have numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V311,
    V5,
}

impl Version {
    pub(crate) const ALL: [Self; 2] = [Self::V311, Self::V5];

    /// What the ids of its statements begin with here; the standards write MQTT for both.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::V311 => "MQTT311-",
            Self::V5 => "MQTT5-",
        }
    }

    pub(crate) fn number(self) -> &'static str {
        match self {
            Self::V311 => "3.1.1",
            Self::V5 => "5.0",
        }
    }
}

/// `MQTT5-3.1.2-22`: the twenty-second statement of section 3.1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) version: Version,
    section: [u8; 3],
    number: u8,
}

impl Id {
    /// The id without the version in front.
    fn parse(version: Version, text: &str) -> Option<Self> {
        let (section, number) = text.split_once('-')?;
        let levels: Vec<u8> = section.split('.').map(|level| level.parse().ok()).collect::<Option<_>>()?;
        Some(Self { version, section: levels.try_into().ok()?, number: number.parse().ok()? })
    }
}

impl FromStr for Id {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parse = |version: Version| Self::parse(version, text.strip_prefix(version.prefix())?);
        Version::ALL.into_iter().find_map(parse).ok_or(())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([a, b, c], number) = (self.section, self.number);
        write!(f, "{}{a}.{b}.{c}-{number}", self.version.prefix())
    }
}

/// Whom a statement binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Who {
    Client,
    Server,
    Both,
}

impl Who {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Both => "both",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) id: Id,
    pub(crate) who: Who,
    /// What it asks for, in our own words.
    pub(crate) what: String,
    /// Why no test shows it.
    pub(crate) reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    who: Who,
    what: String,
    reason: Option<String>,
}

/// All of them, in the order of the standards.
pub(crate) fn all() -> Vec<Statement> {
    let mut all: Vec<Statement> = Version::ALL.into_iter().flat_map(of).collect();
    all.sort_by_key(|statement| statement.id);
    all
}

fn of(version: Version) -> Vec<Statement> {
    let path = repository::root().join(format!("docs/conformance/mqtt-{}.toml", version.number()));
    let table: toml::Table = repository::read(&path).parse().expect("the statements are TOML");
    let statement = |(id, row): (String, toml::Value)| {
        let Row { who, what, reason } =
            row.try_into().unwrap_or_else(|error| panic!("{} {id}: {error}", path.display()));
        let id = Id::parse(version, &id).unwrap_or_else(|| panic!("{}: {id} is no id", path.display()));
        Statement { id, who, what, reason }
    };
    table.into_iter().map(statement).collect()
}

/// What nobody has shown or explained yet, as docs/conformance/open.txt lists it.
pub(crate) fn open() -> BTreeSet<Id> {
    let text = repository::read(&repository::root().join(OPEN));
    let ids = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    ids.map(|line| line.parse().unwrap_or_else(|()| panic!("{OPEN}: {line} is no id"))).collect()
}

pub(crate) fn write_open(open: &BTreeSet<Id>) {
    let ids: String = open.iter().map(|id| format!("{id}\n")).collect();
    fs::write(repository::root().join(OPEN), format!("{OPEN_HEAD}\n{ids}")).expect("the list can be written");
}

const OPEN: &str = "docs/conformance/open.txt";
const OPEN_HEAD: &str = "\
# Statements that bind this server and that no test shows yet. UPDATE_DOCS=1 takes off what has come
# to be cited; nothing is added but by hand.
";

#[test]
fn ids_are_read_as_they_are_written() {
    for text in ["MQTT5-3.1.2-22", "MQTT311-4.7.3-4"] {
        let id: Id = text.parse().expect(text);
        assert_eq!(id.to_string(), text);
    }
    for text in ["", "MQTT5-3.1.2", "MQTT5-3.1-2", "MQTT5-3.1.2.4", "MQTT-3.1.2-4", "MQTT5-3.1.2-x"] {
        assert_eq!(text.parse::<Id>(), Err(()), "{text}");
    }
    assert!("MQTT5-3.2.2-8".parse::<Id>() < "MQTT5-3.10.1-1".parse());
}
