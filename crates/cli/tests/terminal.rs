//! The operator's terminal: whatever its state is, the server serves, ends, and gives it back.

mod support;

use std::io::Write as _;
use std::process::Command;

use support::{clean, python, tidings};

/// How a case ends that this system does not let happen.
const SKIPPED: i32 = 77;

/// Runs a case of `support/terminal.py`.
#[track_caller]
fn check(case: &str) {
    let Some(interpreter) = python(case) else { return };
    let output = clean(Command::new(interpreter))
        .args(["-c", concat!(include_str!("support/tty.py"), include_str!("support/terminal.py")), case])
        .arg(tidings().get_program())
        .args(["server", "0", "--shards", "2"])
        .env("TERM", "xterm")
        .output()
        .expect("the interpreter starts");
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(SKIPPED) {
        // Straight to the terminal: the test harness swallows what a passing test prints.
        drop(writeln!(std::io::stderr(), "SKIPPED: {case}: {said}"));
        return;
    }
    assert!(output.status.success(), "{case}: {said}");
}

#[test]
fn sigterm_ends_it_while_the_output_is_stopped() {
    check("stopped-term");
}

#[test]
fn sigint_ends_it_while_the_output_is_stopped() {
    check("stopped-int");
}

#[test]
fn a_second_request_ends_it_while_the_output_is_stopped() {
    check("stopped-while-draining");
}

#[test]
fn commands_in_any_case_are_obeyed_and_a_kick_says_whom() {
    check("commands");
}

#[test]
fn in_the_background_it_serves_and_is_not_stopped() {
    check("in-the-background");
}

/// The control thread waits for no shard, and one shard for no other.
#[test]
fn a_shard_that_hangs_stops_neither_the_other_nor_the_operator() {
    check("a-shard-hangs");
}
