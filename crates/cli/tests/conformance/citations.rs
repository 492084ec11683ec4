//! Where the sources name statements.

use std::path::Path;

use crate::repository;
use crate::statements::{Id, Version};

/// One statement, and the test or the line that names it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Citation {
    pub(crate) id: Id,
    pub(crate) place: String,
}

/// What tests and transcripts show.
pub(crate) fn in_tests() -> Vec<Citation> {
    let mut found = Vec::new();
    for path in repository::files("crates", "rs") {
        let (file, text) = (repository::shown(&path), repository::read(&path));
        let tests = tests_of(&path, &text);
        found.extend(cited(tests, "//= ").map(|(id, line)| Citation {
            id,
            place: format!("{file}::{}", function_of(tests, line).unwrap_or_else(|| lost(&file, id))),
        }));
    }
    for path in repository::files("crates", "txt") {
        let (file, text) = (repository::shown(&path), repository::read(&path));
        found.extend(cited(&text, "#= ").map(|(id, line)| Citation {
            id,
            place: format!("{file}: {}", heading_of(&text, line).unwrap_or_else(|| lost(&file, id))),
        }));
    }
    found
}

/// Every id in every source and page, whatever names it.
pub(crate) fn everywhere() -> Vec<Citation> {
    let mut found = Vec::new();
    for (folder, extension) in
        [("crates", "rs"), ("crates", "txt"), ("crates", "md"), ("fuzz", "rs"), ("docs", "md")]
    {
        for path in repository::files(folder, extension) {
            for (number, line) in (1..).zip(repository::read(&path).lines()) {
                let place = || format!("{}:{number}", repository::shown(&path));
                assert!(is_well_cited(line), "{}: `//=` is for ids and `type=test`", place());
                found.extend(ids_in(line).map(|id| Citation { id, place: place() }));
            }
        }
    }
    found
}

/// The part of a source that is tests: all of it in a folder of tests, else its module of tests,
/// which is its end.
fn tests_of<'t>(path: &Path, text: &'t str) -> &'t str {
    if path.iter().any(|part| part == "tests") || path.ends_with("tests.rs") {
        return text;
    }
    let module = "#[cfg(test)]\nmod tests {";
    text.find(module).and_then(|at| text.get(at..)).unwrap_or_default()
}

/// The ids behind a mark that begins a line, each with the number of its line.
fn cited<'t>(text: &'t str, mark: &'t str) -> impl Iterator<Item = (Id, usize)> + 't {
    let lines = text.lines().enumerate();
    lines.filter_map(move |(number, line)| Some((line.trim().strip_prefix(mark)?.parse().ok()?, number)))
}

/// The function that a citation stands in, or in front of.
fn function_of(text: &str, line: usize) -> Option<&str> {
    let behind = text.lines().skip(line).find(|line| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with("//") && !line.starts_with("#[")
    });
    let before: Vec<&str> = text.lines().take(line).collect();
    behind.into_iter().chain(before.into_iter().rev()).find_map(function_name)
}

fn function_name(line: &str) -> Option<&str> {
    let (_, behind) = line.trim_start().split_once("fn ").filter(|(before, _)| !before.contains("//"))?;
    behind.split_once('(').map(|(name, _)| name)
}

/// The heading of the transcript that a line is part of.
fn heading_of(text: &str, line: usize) -> Option<&str> {
    let before: Vec<&str> = text.lines().take(line).collect();
    before.into_iter().rev().find_map(|line| line.strip_prefix("== "))
}

/// The ids that a line has anywhere.
fn ids_in(line: &str) -> impl Iterator<Item = Id> {
    Version::ALL.into_iter().flat_map(move |version| {
        line.match_indices(version.prefix()).filter_map(move |(at, prefix)| {
            let text = line.get(at..)?;
            let is_part = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
            let behind = text.get(prefix.len()..)?;
            let end = behind.find(|c| !is_part(c)).unwrap_or(behind.len());
            let id = text.get(..prefix.len() + end)?;
            id.trim_end_matches(['.', '-']).parse().ok()
        })
    })
}

fn is_well_cited(line: &str) -> bool {
    let line = line.trim();
    let cited = line.strip_prefix("//= ").or(line.strip_prefix("#= "));
    cited.is_none_or(|cited| cited == "type=test" || cited.parse::<Id>().is_ok())
}

fn lost<T>(file: &str, id: Id) -> T {
    panic!("{file}: {id} is cited where no test is")
}

#[test]
fn citations_belong_to_the_test_around_them() {
    let text = "\
fn f() {} //~ MQTT5-1.5.4-1
#[cfg(test)]
mod tests {
    //~ MQTT5-1.5.4-2
    #[test]
    //~ type=test
    fn first() {
        check(); // MQTT5-1.5.4-3
    }
    #[test]
    fn second() {
        //~ MQTT5-1.5.5-1
        check();
    }
}
";
    let found = |path: &str| {
        let tests = tests_of(Path::new(path), text);
        let named = cited(tests, "//~ ").map(|(id, line)| format!("{id} {:?}", function_of(tests, line)));
        named.collect::<Vec<_>>()
    };
    assert_eq!(found("src/a.rs"), [r#"MQTT5-1.5.4-2 Some("first")"#, r#"MQTT5-1.5.5-1 Some("second")"#]);
    assert_eq!(found("tests/a.rs"), found("src/a.rs"), "a citation has a line of its own");
    let ids: Vec<String> =
        ids_in("(MQTT5-1.5.4-1), MQTT5-3.14.2.1; MQTT311-1.5.3-1.").map(|id| id.to_string()).collect();
    assert_eq!(ids, ["MQTT311-1.5.3-1", "MQTT5-1.5.4-1"]);
}

#[test]
fn citations_belong_to_the_transcript_that_they_stand_in() {
    let text = "# a file\n== one\n#= MQTT5-1.5.4-1\nalice connects\n\n== two\n#= MQTT311-1.5.3-1\n";
    let found: Vec<_> =
        cited(text, "#= ").map(|(id, line)| (id.to_string(), heading_of(text, line))).collect();
    let expected = [("MQTT5-1.5.4-1", Some("one")), ("MQTT311-1.5.3-1", Some("two"))];
    assert_eq!(found, expected.map(|(id, heading)| (id.to_owned(), heading)));
    assert_eq!(heading_of("#= MQTT5-1.5.4-1\n== one\n", 0), None);
    assert!(
        is_well_cited("#= MQTT5-1.5.4-1") && is_well_cited("    //= type=test") && is_well_cited("// = x")
    );
    assert!(!is_well_cited("//= MQTT5-1.5.4") && !is_well_cited("#= MQTT-1.5.4-1"));
}
