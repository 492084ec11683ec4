//! What the MQTT standards ask for, and the test that shows it: docs/conformance.md.
//!
//! The statements are in docs/conformance/*.toml. A test cites one with a line `//= MQTT5-3.1.2-22`
//! before it or within it, a transcript with `#= MQTT5-3.1.2-22` below its heading; a statement
//! without either has its reason in the table or its place in docs/conformance/open.txt. Whether a
//! test shows what it cites is for its reviewer.

mod citations;
mod page;
mod repository;
mod statements;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use citations::Citation;
use statements::{Id, Statement, Who};

/// Read once: one of the tests may write the list again.
static CONFORMANCE: LazyLock<Conformance> = LazyLock::new(Conformance::read);

/// Everything that the page is made of.
struct Conformance {
    statements: Vec<Statement>,
    citations: Vec<Citation>,
    open: BTreeSet<Id>,
}

/// How a statement is dealt with.
enum State<'a> {
    /// Where it is cited.
    Shown(Vec<&'a str>),
    Explained(&'a str),
    OfClients,
    Open,
    /// Nobody has said anything.
    Forgotten,
}

impl Conformance {
    fn read() -> Self {
        let citations = citations::in_tests();
        let mut open = statements::open();
        if is_update() {
            citations.iter().for_each(|citation| _ = open.remove(&citation.id));
        }
        Self { statements: statements::all(), citations, open }
    }

    fn state<'a>(&'a self, statement: &'a Statement) -> State<'a> {
        let cited = self.citations.iter().filter(|citation| citation.id == statement.id);
        let places: BTreeSet<&str> = cited.map(|citation| citation.place.as_str()).collect();
        if !places.is_empty() {
            return State::Shown(places.into_iter().collect());
        }
        match (&statement.reason, statement.who) {
            (Some(reason), _) => State::Explained(reason),
            (None, Who::Client) => State::OfClients,
            (None, _) if self.open.contains(&statement.id) => State::Open,
            (None, _) => State::Forgotten,
        }
    }

    /// What is wrong with a statement, if anything.
    fn mistake(&self, statement: &Statement) -> Option<&'static str> {
        let is_open = self.open.contains(&statement.id);
        match self.state(statement) {
            State::Shown(_) if statement.reason.is_some() => Some("is cited by a test: take its reason away"),
            State::Shown(_) if is_open => {
                Some("is cited by a test: take it off open.txt (UPDATE_DOCS=1 does)")
            }
            State::Explained(_) | State::OfClients if is_open => {
                Some("needs no test as the table has it: take it off open.txt")
            }
            State::Forgotten => {
                Some("is neither cited by a test nor explained: do that, or add it to open.txt")
            }
            _ => None,
        }
    }
}

#[test]
fn every_statement_is_shown_explained_or_open() {
    let conformance = &*CONFORMANCE;
    let wrong: Vec<String> = conformance
        .statements
        .iter()
        .filter_map(|statement| Some(format!("{} {}", statement.id, conformance.mistake(statement)?)))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_id_that_is_named_exists() {
    let known: BTreeSet<Id> = CONFORMANCE.statements.iter().map(|statement| statement.id).collect();
    let listed = CONFORMANCE.open.iter().map(|id| Citation { id: *id, place: "open.txt".to_owned() });
    let wrong: Vec<String> = citations::everywhere()
        .into_iter()
        .chain(listed)
        .filter(|citation| !known.contains(&citation.id))
        .map(|citation| format!("{}: the standard has no {}", citation.place, citation.id))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_page_is_printed_from_the_citations() {
    let expected = page::markdown(&CONFORMANCE);
    let path = repository::root().join("docs/conformance.md");
    if is_update() {
        std::fs::write(&path, &expected).expect("the page can be written");
        statements::write_open(&CONFORMANCE.open);
    }
    assert!(
        repository::read(&path) == expected,
        "docs/conformance.md is not what `UPDATE_DOCS=1 cargo test -p cli --test conformance` prints"
    );
}

fn is_update() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}
