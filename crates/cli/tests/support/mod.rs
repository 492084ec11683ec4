//! What the end-to-end tests share: a real server process, bare sockets, the documents' clients.
//!
//! Nothing here waits for a fixed time: every wait is for a line, a byte or an end, with a
//! deadline that only a broken server reaches.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary compiles this module and uses its own part of it"
)]

pub(crate) mod bench;
pub(crate) mod browser;
mod client;
mod command;
mod python;
mod scripted;
mod server;
mod web;
mod wire;

use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) use client::Client;
pub(crate) use command::{check_failure, printed, run};
pub(crate) use python::{Script, node, python};
pub(crate) use scripted::{Answer, Scripted};
pub(crate) use server::{LogTo, Server, Start, signal};
pub(crate) use web::{Curl, Got, web_script};
pub(crate) use wire::Wire;

/// The program that is tested, without the variables that configure it from outside.
pub(crate) fn tidings() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_tidings")))
}

pub(crate) fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIDINGS_") {
            command.env_remove(name);
        }
    }
    command
}

/// How long anything may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The prompt of the document "Multi-Client Pub/Sub".
pub(crate) const PROMPT: &str = "Enter your role (PUBLISHER/SUBSCRIBER) : ";

/// Bytes of the longest message.
pub(crate) const MESSAGE_MAX: usize = 1 << 20;

/// Looks again and again until `found` has something; `what` is said if it never has.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < until, "never seen: {what}");
        // Between two looks, not for anything.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How many of something: `release`, but fewer in a debug build.
pub(crate) fn scaled(debug: usize, release: usize) -> usize {
    if cfg!(debug_assertions) { debug } else { release }
}
