//! `tidings status`: the whole server at a glance.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr as _;

use super::answers::{Connections, Memory, Status, largest, numbers};
use super::args::{EXIT_CODES, ServerArgs};
use super::place::Place;
use super::table::columns_max;
use super::units::{bytes, count, grouped, things, time};
use crate::ending::Ending;
use crate::visible::visible;

/// Show what a server is doing
#[derive(Debug, Clone, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct StatusArgs {
    /// Print the server's answer as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Asks for the status and prints it. What goes wrong is reported on standard error and is in the exit code.
pub(crate) fn run(args: &StatusArgs) -> ExitCode {
    super::conclude(text(args))
}

fn text(args: &StatusArgs) -> Result<String, Ending> {
    let api = args.server.api();
    match args.json {
        true => Ok(super::json_line(&api.get::<Value>(PATH, &[])?)),
        false => Ok(describe(&api.get(PATH, &[])?, api.place(), columns_max())),
    }
}

/// A line per subject, folded where the terminal ends.
fn describe(status: &Status, place: &Place, columns_max: usize) -> String {
    let shards = things(status.shards.count as u64, "shard", "shards");
    let (version, state) = (visible(status.version.as_bytes()), visible(status.state.as_bytes()));
    let mut text =
        format!("tidings {version} at {place}: {state} for {} on {shards}\n", time(status.uptime_seconds));
    for (subject, words) in subjects(status) {
        text += &folded(subject, &words, columns_max);
    }
    text
}

fn subjects(status: &Status) -> Vec<(&'static str, Vec<String>)> {
    let Status { messages, bytes: total, rates, sockets, .. } = status;
    let protocols = largest(&status.connections.by_protocol).into_iter();
    let protocols = protocols.map(|(protocol, number)| format!("{protocol} {}", grouped(number))).collect();
    let reasons = |of: &Map<String, Value>| -> Vec<String> {
        largest(of).into_iter().map(|(reason, number)| format!("{reason} {}", grouped(number))).collect()
    };
    let listeners = status.listeners.iter().map(|url| visible(url.as_bytes())).collect();
    let silent = status.shards.silent.iter().map(|shard| format!("shard {shard} does not answer")).collect();
    let mut subjects = vec![
        ("Silent", silent),
        ("Listeners", listeners),
        ("Connections", connections(&status.connections, status.connections_max)),
        ("Protocols", protocols),
        (
            "Refused",
            vec![
                things(sockets.refused_total, "connection", "connections"),
                things(messages.refused_total, "message", "messages"),
                things(status.subscriptions_refused_total, "subscription", "subscriptions"),
                format!("not retained {}", grouped(messages.not_retained_total)),
                format!("accepting paused {} times", grouped(sockets.accept_pauses_total)),
            ],
        ),
        ("  messages", reasons(&messages.refused_by_reason)),
        ("  filters", reasons(&status.subscriptions_refused_by_reason)),
        (
            "Subscriptions",
            vec![
                grouped(status.subscriptions),
                format!("shared {}", grouped(status.shared_subscriptions)),
                format!("absent sessions {}", grouped(status.sessions_absent)),
                format!("retained topics {}", grouped(status.retained_topics)),
            ],
        ),
        (
            "Accepted",
            vec![
                format!("{} messages/s", count(rates.accepted)),
                format!("{}/s read", bytes(rates.received_bytes as u64)),
                format!("{} messages", grouped(messages.accepted_total)),
                format!("{} read since the start", bytes(total.received_total)),
            ],
        ),
        (
            "Delivered",
            vec![
                format!("{} messages/s", count(rates.delivered)),
                format!("{}/s written", bytes(rates.sent_bytes as u64)),
                format!("{} messages", grouped(messages.delivered_total)),
                format!("{} written since the start", bytes(total.sent_total)),
            ],
        ),
        (
            "Overload",
            vec![
                format!(
                    "queued {} messages of {}",
                    grouped(status.queued.messages),
                    bytes(status.queued.bytes)
                ),
                format!("lost by slow subscribers {}", grouped(messages.lost_total)),
                format!("publishers paused {} times", grouped(status.pauses_total)),
            ],
        ),
        ("Memory", memory(&status.memory)),
    ];
    subjects.retain(|(_, words)| !words.is_empty());
    subjects
}

fn connections(connections: &Connections, most: u64) -> Vec<String> {
    let mut words = vec![format!("{} of {}", grouped(connections.total), grouped(most))];
    words.extend(numbers(&connections.by_kind).map(|(kind, number)| format!("{kind} {}", grouped(number))));
    words
}

fn memory(memory: &Memory) -> Vec<String> {
    let percent = memory.used_bytes.saturating_mul(100).checked_div(memory.max_bytes).unwrap_or(0);
    let (used, most) = (bytes(memory.used_bytes), bytes(memory.max_bytes));
    let mut words = vec![format!("{used} of {most} ({percent} %)")];
    words.extend(
        largest(&memory.by_use).into_iter().map(|(name, number)| format!("{name} {}", bytes(number))),
    );
    words.push(format!("of it history {}", bytes(memory.history_bytes)));
    words
}

fn folded(subject: &str, words: &[String], columns_max: usize) -> String {
    let mut text = format!("{subject:SUBJECT_COLUMNS$}");
    let mut column = SUBJECT_COLUMNS;
    for (at, word) in words.iter().enumerate() {
        let comma = if at + 1 < words.len() { "," } else { "" };
        let width = word.width() + comma.len();
        if at > 0 {
            match column + 1 + width > columns_max {
                true => {
                    text += &format!("\n{:SUBJECT_COLUMNS$}", "");
                    column = SUBJECT_COLUMNS;
                }
                false => {
                    text.push(' ');
                    column += 1;
                }
            }
        }
        text += word;
        text += comma;
        column += width;
    }
    text + "\n"
}

const PATH: &str = "/api/v1/status";
const SUBJECT_COLUMNS: usize = 15;
