//! `tidings top` in a terminal of its own, before a server: what keys do, and that the terminal is given back.

mod support;

use std::net::TcpListener;
use std::process::{Command, Stdio};

use support::{Server, clean, python, tidings};

/// Runs a case of `support/top.py`.
#[track_caller]
fn check(case: &str) {
    let Some(interpreter) = python(case) else { return };
    let script = concat!(include_str!("support/tty.py"), include_str!("support/top.py"));
    let mut command = clean(Command::new(interpreter));
    command.args(["-c", script, case]).arg(tidings().get_program()).env("TERM", "xterm");
    let output = command.output().expect("the interpreter starts");
    assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn q_ends_it_and_gives_the_terminal_back() {
    check("quit");
}

#[test]
fn ctrl_c_ends_it_and_gives_the_terminal_back() {
    check("ctrl-c");
}

#[test]
fn sigterm_ends_it_and_gives_the_terminal_back() {
    check("sigterm");
}

#[test]
fn keys_do_what_the_help_says() {
    check("keys");
}

#[test]
fn it_is_stopped_and_goes_on() {
    check("stop");
}

#[test]
fn it_takes_any_size() {
    check("sizes");
}

#[test]
fn a_server_that_goes_away_is_waited_for() {
    check("gone");
}

#[test]
fn without_colours_it_can_be_read_all_the_same() {
    check("colours");
}

#[test]
fn without_a_terminal_or_a_server_it_says_so() {
    let outcome = |place: &str| {
        let mut command = tidings();
        command.args(["top", "-s", place]).stdin(Stdio::null());
        let output = command.output().expect("the program runs");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let server = Server::start(1);
    let (code, words) = outcome(&format!("127.0.0.1:{}", server.port()));
    assert_eq!((code, words.contains("tidings status prints once")), (Some(1), true), "{words}");
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it is bound");
    let Some(interpreter) = python("a server that is not there") else { return };
    let mut command = clean(Command::new(interpreter));
    let relay = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    command.args(["-c", relay]).arg(tidings().get_program()).args(["top", "-s", &free.to_string()]);
    let output = command.env("TERM", "xterm").stdin(Stdio::null()).output().expect("the interpreter starts");
    let screen = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{screen}");
    assert!(screen.contains("cannot connect to 127.0.0.1:"), "{screen}");
    assert!(!screen.contains("\u{1b}[?1049h"), "the screen is not taken: {screen}");
}
