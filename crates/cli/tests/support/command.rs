//! Commands that ask a server once and end.

use std::process::Stdio;

use super::tidings;

/// What a command prints, in a terminal of 80 columns if it asks for one, and how it ends.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

#[track_caller]
pub(crate) fn run(server: &str, args: &[&str]) -> Outcome {
    let mut command = tidings();
    command.args(args).args(["-s", server]).env("COLUMNS", "80").stdin(Stdio::null());
    let output = command.output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Outcome { code: output.status.code(), output: text(output.stdout), errors: text(output.stderr) }
}

/// What a command prints that ends well and has nothing to remark.
#[track_caller]
pub(crate) fn printed(server: &str, args: &[&str]) -> String {
    let outcome = run(server, args);
    assert_eq!((outcome.code, outcome.errors.as_str()), (Some(0), ""), "{args:?}");
    outcome.output
}

/// Exit code and the one line on standard error of a command that fails.
#[track_caller]
pub(crate) fn check_failure(server: &str, args: &[&str], code: i32, part: &str) {
    let outcome = run(server, args);
    assert_eq!(outcome.code, Some(code), "{args:?}: {outcome:?}");
    assert!(outcome.errors.contains(part), "{args:?}: {}", outcome.errors);
    assert_eq!(
        (outcome.errors.lines().count(), outcome.output.as_str()),
        (1, ""),
        "{args:?}: {}",
        outcome.errors
    );
}
