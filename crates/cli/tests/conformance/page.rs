//! docs/conformance.md.

use std::fmt::Write as _;

use crate::statements::{Statement, Version};
use crate::{Conformance, State};

pub(crate) fn markdown(conformance: &Conformance) -> String {
    let mut page = HEAD.to_owned();
    page += &counts(conformance);
    page += &open(conformance);
    for version in Version::ALL {
        write!(
            page,
            "\n## MQTT {}\n\n| id | binds | what it asks for | shown by |\n|---|---|---|---|\n",
            version.number()
        )
        .expect("a String takes every write");
        for statement in of(conformance, version) {
            let Statement { id, who, what, .. } = statement;
            let shown = shown(&conformance.state(statement));
            writeln!(page, "| {id} | {} | {what} | {shown} |", who.name())
                .expect("a String takes every write");
        }
    }
    page
}

fn of(conformance: &Conformance, version: Version) -> impl Iterator<Item = &Statement> {
    conformance.statements.iter().filter(move |statement| statement.id.version == version)
}

/// One row for each way in which statements are dealt with.
fn counts(conformance: &Conformance) -> String {
    let count = |is_meant: &dyn Fn(&State<'_>) -> bool| {
        Version::ALL.map(|version| {
            of(conformance, version).filter(|statement| is_meant(&conformance.state(statement))).count()
        })
    };
    let rows = [
        ("statements", count(&|_| true)),
        ("cited by a test", count(&|state| matches!(state, State::Shown(_)))),
        ("not to be tested, for a reason", count(&|state| matches!(state, State::Explained(_)))),
        ("bind clients only", count(&|state| matches!(state, State::OfClients))),
        ("open", count(&|state| matches!(state, State::Open))),
    ];
    let rows = rows.map(|(name, [v311, v5])| format!("| {name} | {v311} | {v5} |\n"));
    format!("\n| | 3.1.1 | 5.0 |\n|---|---|---|\n{}", rows.concat())
}

/// What is missing comes first.
fn open(conformance: &Conformance) -> String {
    let open = |statement: &&Statement| matches!(conformance.state(statement), State::Open);
    let rows: Vec<String> = conformance
        .statements
        .iter()
        .filter(open)
        .map(|Statement { id, what, .. }| format!("| {id} | {what} |\n"))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "\n## Open: {}\n\nThese bind the server, and no test shows yet that it keeps to them.\n\n\
         | id | what it asks for |\n|---|---|\n{}",
        rows.len(),
        rows.concat()
    )
}

fn shown(state: &State<'_>) -> String {
    match state {
        State::Shown(places) => {
            places.iter().map(|place| format!("`{place}`")).collect::<Vec<_>>().join("<br>")
        }
        State::Explained(reason) => format!("no test: {reason}"),
        State::OfClients => "binds clients only".to_owned(),
        State::Open => "**open**".to_owned(),
        State::Forgotten => "**forgotten**".to_owned(),
    }
}

const HEAD: &str = "\
# Conformance to MQTT 3.1.1 and 5.0

Printed from `docs/conformance/` and from what the tests cite (`UPDATE_DOCS=1 cargo test -p cli --test conformance`); a test compares.
It has every numbered statement of the two standards, `[MQTT-3.1.0-1]` of 5.0 as MQTT5-3.1.0-1 and that of 3.1.1 as MQTT311-3.1.0-1,
in our own short words: the standards are what counts. MQTT 3.1 has no numbered statements.
A test is cited here if it would fail were the statement broken. Of what binds clients, the tests show that the server refuses what breaks it.
";
