//! Every bound of the broker, in one place: its default, why, and what happens when it is hit.
//!
//! Whatever a peer can make grow has a row in [`table`]; `docs/limits.md` is printed from it.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The bounds that an operator may change or a test makes small.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table below says what each one bounds")]
pub struct Limits {
    pub connections_max: usize,
    pub hello_bytes_max: usize,
    pub hello_time: Duration,
    pub prompt_delay: Duration,
    pub settle_time: Duration,
    pub message_bytes_max: usize,
    pub queue_bytes_max: usize,
    pub brake_bytes: usize,
    pub brake_time: Duration,
    pub brake_origins_max: usize,
    pub memory_bytes_max: usize,
    pub unfinished_bytes_free: usize,
    pub history_messages_max: u32,
    pub history_bytes_max: usize,
    pub replay_bytes_max: usize,
    pub routes_max: usize,
    pub read_bytes: usize,
    pub read_turn_bytes_max: usize,
    pub write_bytes: usize,
    pub replies_bytes_max: usize,
    pub mail_bytes_max: usize,
    pub events_max: usize,
    pub events_shown_per_second: u32,
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 65_536,
            hello_bytes_max: 4 * KIB,
            hello_time: Duration::from_secs(60),
            prompt_delay: Duration::from_millis(250),
            settle_time: Duration::from_millis(20),
            message_bytes_max: MIB,
            queue_bytes_max: 4 * MIB,
            brake_bytes: 256 * KIB,
            brake_time: Duration::from_millis(10),
            brake_origins_max: 1024,
            memory_bytes_max: 1024 * MIB,
            unfinished_bytes_free: 64 * KIB,
            history_messages_max: 100,
            history_bytes_max: 64 * MIB,
            replay_bytes_max: 8 * MIB,
            routes_max: 4096,
            read_bytes: 64 * KIB,
            read_turn_bytes_max: 512 * KIB,
            write_bytes: 256 * KIB,
            replies_bytes_max: 64 * KIB,
            mail_bytes_max: 2 * MIB,
            events_max: 1024,
            events_shown_per_second: 24,
            drain_time: Duration::from_secs(5),
        }
    }
}

/// One row of `docs/limits.md`.
#[derive(Debug, Clone)]
pub struct Row {
    /// The field of [`Limits`], or the constant elsewhere.
    pub name: &'static str,
    /// Its default, with a unit.
    pub default: String,
    /// Why this much.
    pub reason: &'static str,
    /// What happens when it is hit.
    pub hit: &'static str,
}

/// All bounds with their defaults.
#[must_use]
#[expect(clippy::too_many_lines, reason = "a table is as long as it has rows")]
pub fn table() -> Vec<Row> {
    let d = Limits::default();
    let row = |name, default: String, reason, hit| Row { name, default, reason, hit };
    vec![
        row(
            "connections_max",
            count(d.connections_max),
            "file descriptors and about 2 KiB each; changed with --connections-max",
            "a further connection is closed at once and counted",
        ),
        row(
            "hello_bytes_max",
            bytes(d.hello_bytes_max),
            "a role, a topic and some options fit many times over",
            "one line, then the connection is closed",
        ),
        row(
            "hello_time",
            time(d.hello_time),
            "a person must be able to type a role",
            "one line, then the connection is closed",
        ),
        row(
            "prompt_delay",
            time(d.prompt_delay),
            "a client that speaks first has spoken by then; a person does not notice",
            "the silent client gets the role prompt",
        ),
        row(
            "settle_time",
            time(d.settle_time),
            "the rest of a hello that TCP split in two has arrived by then",
            "a role word without a newline is taken as the whole hello",
        ),
        row(
            "message_bytes_max",
            bytes(d.message_bytes_max),
            "more is a file transfer; one message must fit a queue",
            "one line, then the connection is closed; nothing of the message is delivered",
        ),
        row(
            "queue_bytes_max",
            bytes(d.queue_bytes_max),
            "a second of a few MiB/s per subscriber; the queue holds references, so a shared message counts here for each but lies in memory once; changed with --queue-max",
            "the oldest live messages are dropped and the subscriber is told how many",
        ),
        row(
            "brake_bytes",
            bytes(d.brake_bytes),
            "about a socket buffer: what is in flight stays in the cache",
            "publishers of that queue are read less until it is half empty",
        ),
        row(
            "brake_time",
            time(d.brake_time),
            "a subscriber may slow its publishers, never hold them up",
            "the publisher is read again whatever the queue says",
        ),
        row(
            "brake_origins_max",
            count(d.brake_origins_max),
            "16 bytes each per queue over the brake level",
            "further publishers are braked for brake_time each",
        ),
        row(
            "memory_bytes_max",
            bytes(d.memory_bytes_max),
            "queues, history and messages under way of the whole process; changed with --memory-max",
            "publishers are not read, and every queue is cut to a fair share of an eighth of it",
        ),
        row(
            "unfinished_bytes_free",
            bytes(d.unfinished_bytes_free),
            "a longer unfinished message counts against the memory budget; all of them may take an eighth of it",
            "beyond that eighth its connection gets one line and is closed",
        ),
        row(
            "history_messages_max",
            format!("{} messages per topic", d.history_messages_max),
            "what a late subscriber wants to see, kept by each shard for its own publishers; changed with --history-last",
            "the oldest message of the topic is forgotten",
        ),
        row(
            "history_bytes_max",
            bytes(d.history_bytes_max),
            "over all topics, shared out evenly among the shards; changed with --history-max",
            "the topic that was quiet longest is forgotten",
        ),
        row(
            "replay_bytes_max",
            bytes(d.replay_bytes_max),
            "history that one subscriber may have waiting",
            "older messages are not replayed",
        ),
        row(
            "routes_max",
            format!("{} topics per shard", d.routes_max),
            "a cached route spares a walk of the trie of about a microsecond",
            "the cache begins anew",
        ),
        row(
            "read_bytes",
            bytes(d.read_bytes),
            "fewer system calls below it, colder caches above it",
            "the rest waits for the next read",
        ),
        row(
            "read_turn_bytes_max",
            bytes(d.read_turn_bytes_max),
            "one fire hose must not starve the others: what a shard reads before it writes, one read per connection in turn",
            "the rest is read in the next turn",
        ),
        row(
            "write_bytes",
            bytes(d.write_bytes),
            "what is encoded for one connection ahead of its socket",
            "the rest waits in the queue",
        ),
        row(
            "replies_bytes_max",
            bytes(d.replies_bytes_max),
            "answers that a client does not read (OK lines)",
            "the client is not read until it has read",
        ),
        row(
            "mail_bytes_max",
            bytes(d.mail_bytes_max),
            "runs under way to one shard, shared out evenly among the senders; with what one turn reads it must fit a queue, so that a subscriber that keeps up loses nothing",
            "the sending shard stops reading from its connections until half is taken",
        ),
        row(
            "events_max",
            format!("{} lines", d.events_max),
            "console and log lines that wait for a slow terminal or disk",
            "further lines are counted and the count is shown",
        ),
        row(
            "events_shown_per_second",
            format!("{} messages", d.events_shown_per_second),
            "more nobody reads",
            "further messages are counted and the count is shown",
        ),
        row(
            "drain_time",
            time(d.drain_time),
            "below the usual 10 s between SIGTERM and SIGKILL",
            "what is still queued is given up and counted",
        ),
        row(
            "TOPIC_BYTES_MAX",
            bytes(topic::TOPIC_BYTES_MAX),
            "every subscription and cached route pays for it",
            "one line, then the connection is closed",
        ),
        row(
            "TOPIC_LEVELS_MAX",
            format!("{} levels", topic::TOPIC_LEVELS_MAX),
            "bounds the walk of the trie",
            "one line, then the connection is closed",
        ),
        row(
            "NAME_BYTES_MAX",
            bytes(64),
            "a client's own name stands in front of each of its messages",
            "one line, then the connection is closed",
        ),
        row(
            "shards",
            "64".to_owned(),
            "a set of shards is one machine word",
            "the server does not start with more",
        ),
    ]
}

/// `docs/limits.md`, whole.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "# Limits\n\nPrinted from `crates/broker/src/limits.rs` (`UPDATE_DOCS=1 cargo test -p broker limits`); \
         a test compares.\nEverything that a peer can make grow is here.\n\n\
         | bound | default | why this much | when it is hit |\n|---|---|---|---|\n",
    );
    for row in table() {
        text += &format!("| `{}` | {} | {} | {} |\n", row.name, row.default, row.reason, row.hit);
    }
    text
}

fn bytes(value: usize) -> String {
    match value {
        v if v >= MIB && v % MIB == 0 => format!("{} MiB", v / MIB),
        v if v >= KIB && v % KIB == 0 => format!("{} KiB", v / KIB),
        v => format!("{v} bytes"),
    }
}

fn count(value: usize) -> String {
    value.to_string()
}

fn time(value: Duration) -> String {
    format!("{value:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_has_a_row() {
        let shown = format!("{:?}", Limits::default());
        let rows = table();
        let fields = shown.split([' ', '{']).filter_map(|word| word.strip_suffix(':'));
        let mut seen = 0;
        for field in fields {
            assert!(rows.iter().any(|row| row.name == field), "{field} has no row");
            seen += 1;
        }
        assert_eq!(seen, 24);
    }

    #[test]
    fn the_page_is_printed_from_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/limits.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), markdown());
    }
}
