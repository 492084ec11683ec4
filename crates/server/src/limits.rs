//! Every bound in one page: the server's own, and those of the crates below it.

use std::fmt::Write as _;
use std::time::Duration;

use broker::limits::{KIB, MIB, Row, bytes, count, row, time};

/// The bounds that an operator may change or a test makes small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub station: frontend::Limits,
    pub connections_max: usize,
    pub phase_work_max: Duration,
    pub mail_bytes_max: usize,
    pub events_max: usize,
    pub linger_bytes_max: usize,
    pub pages_bytes_max: usize,
    pub untaken_time: Duration,
    pub web_connections_max: usize,
    pub web_head_bytes_max: usize,
    pub web_body_bytes_max: usize,
    pub web_time: Duration,
    pub web_rows_max: usize,
    pub web_lists_max: usize,
    pub web_walk_time: Duration,
    pub web_payload_bytes_max: usize,
    pub inquiries_max: usize,
    pub answer_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            station: frontend::Limits::default(),
            connections_max: 65_536,
            phase_work_max: Duration::from_micros(500),
            mail_bytes_max: 2 * MIB,
            events_max: 1024,
            linger_bytes_max: MIB,
            pages_bytes_max: MIB,
            untaken_time: Duration::from_secs(120),
            web_connections_max: 128,
            web_head_bytes_max: 16 * KIB,
            web_body_bytes_max: 64 * KIB,
            web_time: Duration::from_secs(10),
            web_rows_max: 1000,
            web_lists_max: 8,
            web_walk_time: Duration::from_secs(3),
            web_payload_bytes_max: KIB,
            inquiries_max: 32,
            answer_time: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// Checks what the code relies on between bounds, for so many shards.
    ///
    /// # Panics
    /// If a relation does not hold: the bounds that an operator may set cannot break one.
    pub fn check(&self, shards: u8) {
        self.station.check(shards);
    }

    /// What a process may occupy at most beyond its start, as `docs/limits.md` sums it up.
    fn worst_case_bytes(&self, shards: u8, connections: usize) -> usize {
        self.station.core.account_bytes()
            + self.shard_bytes() * usize::from(shards)
            + self.connection_bytes() * connections
            + self.web_bytes()
    }

    /// What requests to the operators' interface hold at most: each its head and its body; some of
    /// them a page of rows, as found and as told, each with a topic and an encoded payload.
    fn web_bytes(&self) -> usize {
        let row = topic::TOPIC_BYTES_MAX + 2 * self.web_payload_bytes_max + KIB;
        let page = 2 * self.web_rows_max * row;
        self.web_connections_max * (self.web_head_bytes_max + self.web_body_bytes_max)
            + self.web_lists_max * page
    }

    fn connection_bytes(&self) -> usize {
        CONNECTION_BYTES + self.station.short_run_bytes_max().max(self.station.hello_bytes_max)
    }

    /// What a shard holds besides the account: buffers, a file of pages, one walk through history, one turn's
    /// bytes, mail.
    fn shard_bytes(&self) -> usize {
        let station = &self.station;
        let buffers = 16 * 4 * station.part_bytes + 2 * (station.message_bytes_max + station.core.read_bytes);
        let walk = station.core.replay_bytes_max / 256 * 32;
        buffers + self.pages_bytes_max + walk + station.turn_bytes_max(station.message_bytes_max)
    }
}

/// What a connection holds besides the account: its state and its session (1.2 KiB, measured by
/// `tidings bench idle`) and a place or two in each table. Then up to 4 KiB of a hello; or, once it
/// is greeted, one short read over the account, which may end within a message.
const CONNECTION_BYTES: usize = 2 * KIB;

/// The server's own bounds with their defaults.
fn table() -> Vec<Row> {
    let d = Limits::default();
    vec![
        row(
            "connections_max",
            count(d.connections_max),
            "file descriptors and about 2 KiB each; changed with --connections-max",
            "a further connection is closed at once and counted",
        ),
        row(
            "phase_work_max",
            time(d.phase_work_max),
            "what a phase of a turn may cost, as estimated: mail, newcomers, reading from three lines, timers, history, writing to three lines; so nobody waits for more than a few milliseconds of what others make the shard do",
            "the rest waits for the next turn",
        ),
        row(
            "mail_bytes_max",
            bytes(d.mail_bytes_max),
            "runs under way to one shard, shared out evenly among the senders",
            "the sending shard stops reading from its connections until half is taken",
        ),
        row(
            "events_max",
            format!("{} lines", d.events_max),
            "console and log lines that wait for a slow terminal or disk",
            "further lines are counted and the count is shown",
        ),
        row(
            "linger_bytes_max",
            bytes(d.linger_bytes_max),
            "what a client may go on sending after its connection has ended, so that it can still read its last line",
            "the socket is closed",
        ),
        row(
            "pages_bytes_max",
            bytes(d.pages_bytes_max),
            "what a shard has in pages that the kernel sends to many sockets without copying them for each: eight parts",
            "a new file is begun; sockets keep what they were sent, as part of their buffers in the kernel",
        ),
        row(
            "untaken_time",
            time(d.untaken_time),
            "TCP_USER_TIMEOUT: a peer that takes nothing for so long while bytes wait for it is gone",
            "the kernel ends the connection; the log says that it took nothing",
        ),
    ]
}

/// Those of the operators' interface.
fn web_table() -> Vec<Row> {
    let d = Limits::default();
    vec![
        row(
            "web_connections_max",
            count(d.web_connections_max),
            "requests to the operators' interface that are served or wait at once: one page with several tabs, a scraper and scripts need a dozen",
            "a further one is answered 503 at once, closed and counted",
        ),
        row(
            "web_head_bytes_max",
            bytes(d.web_head_bytes_max),
            "a request's first line and fields; browsers send about a kilobyte",
            "431, and the connection is closed",
        ),
        row(
            "web_body_bytes_max",
            bytes(d.web_body_bytes_max),
            "no request of this interface needs a body",
            "413, and the connection is closed",
        ),
        row(
            "web_time",
            time(d.web_time),
            "a request and its answer, together: who sends byte by byte holds its place no longer",
            "the connection is closed and counted",
        ),
        row(
            "web_rows_max",
            format!("{} rows", d.web_rows_max),
            "a page of a list; the next one begins behind its cursor",
            "400 for a greater limit",
        ),
        row(
            "web_lists_max",
            count(d.web_lists_max),
            "pages of lists that are made or written at once: each may hold some megabytes",
            "the next one waits, at most `web_time`",
        ),
        row(
            "web_walk_time",
            time(d.web_walk_time),
            "looking through everything for what a filter or an order asks for",
            "the answer is what was found, and says so or where to go on",
        ),
        row(
            "web_payload_bytes_max",
            bytes(d.web_payload_bytes_max),
            "the beginning of a topic's last message, enough to recognise it",
            "the answer says that it is cut",
        ),
        row(
            "inquiries_max",
            format!("{} per shard", d.inquiries_max),
            "questions of the operators' interface that a shard has not answered",
            "the next one waits for its place, at most `answer_time`",
        ),
        row(
            "answer_time",
            time(d.answer_time),
            "a shard that is slower has turns of a thousand times their budget",
            "the answer names the shard as missing",
        ),
    ]
}

/// `docs/limits.md`, whole.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "# Limits\n\nPrinted from the `limits.rs` of three crates (`UPDATE_DOCS=1 cargo test -p server limits`); a test compares.\n\
         Everything that a peer can make grow is here; `Limits::check` asserts what the code relies on between them.\n",
    );
    for (title, rows) in sections() {
        write!(
            text,
            "\n## {title}\n\n| bound | default | why this much | when it is hit |\n|---|---|---|---|\n"
        )
        .expect("a String takes every write");
        for Row { name, default, reason, hit } in rows {
            writeln!(text, "| `{name}` | {default} | {reason} | {hit} |")
                .expect("a String takes every write");
        }
    }
    text += &worst_case();
    text
}

/// Whose bounds they are, and which.
fn sections() -> [(&'static str, Vec<Row>); 4] {
    [
        ("The server", table()),
        ("The operators' interface", web_table()),
        ("Connections, and what their driver keeps to", frontend::limits::table()),
        ("The core", broker::limits::table()),
    ]
}

/// The end of the page: what a process may occupy at most.
fn worst_case() -> String {
    let d = Limits::default();
    let mib = |bytes: usize| format!("{:.0} MiB", bytes as f64 / MIB as f64);
    let mut text = format!(
        "\n## The worst case, summed\n\n\
         `memory_bytes_max` is one account: message bodies and spans, history, queues, unfinished messages, filters, routes and \
         encoded bytes are charged to it at their capacity. Its parts at most: history {}, unfinished {}, filters and routes {}, \
         history under way {}, encoded {}; queues get what is left, and are cut to {} when it is not enough, so publishers always \
         go on (at {}). Publishers of little go on for a while over it, at most by {}. Outside of the account are {} per shard (read and write buffers, one walk through \
         history, one turn's messages) and at most {} per connection (state, and a hello that has not ended, or one read of {} over the account or within a message). Requests to the operators' interface hold {} at most, all together.\n\n\
         | shards | connections | account | shards' own | connections' own | sum |\n|---|---|---|---|---|---|\n",
        bytes(d.station.core.memory_bytes_max / 2),
        bytes(d.station.unfinished_bytes_max),
        bytes(d.station.core.filter_bytes_max),
        bytes(d.station.core.replays_bytes_max),
        bytes(2 * d.station.outgoing_bytes_max),
        bytes(d.station.core.queues_bytes_left()),
        bytes(d.station.core.memory_goes_on_at()),
        bytes(d.station.core.account_bytes() - d.station.core.memory_bytes_max),
        mib(d.shard_bytes()),
        bytes(d.connection_bytes()),
        bytes(d.station.unfinished_bytes_free),
        mib(d.web_bytes()),
    );
    for (shards, connections) in [(1, 1000), (2, 10_000), (4, 65_536), (64, 65_536)] {
        text += &format!(
            "| {shards} | {connections} | {} | {} | {} | {} |\n",
            mib(d.station.core.account_bytes()),
            mib(d.shard_bytes() * usize::from(shards)),
            mib(d.connection_bytes() * connections),
            mib(d.worst_case_bytes(shards, connections)),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_has_a_row() {
        let (own, station) = (Limits::default(), frontend::Limits::default());
        let shown = format!("{own:?}");
        let rows: Vec<Row> = sections().into_iter().flat_map(|(_, rows)| rows).collect();
        let fields = shown.split([' ', '{']).filter_map(|word| word.strip_suffix(':'));
        let mut seen = 0;
        for field in fields.filter(|field| !["station", "core"].contains(field)) {
            assert!(rows.iter().any(|row| row.name == field), "{field} has no row");
            seen += 1;
        }
        assert_eq!(seen, 70, "{station:?}");
    }

    /// Every setting that the configuration accepts keeps what the code relies on.
    #[test]
    fn relations_hold_at_every_permitted_setting() {
        for memory_bytes_max in [16 * MIB, 17 * MIB + 5, 256 * MIB, 1024 * MIB, 64 * 1024 * MIB] {
            for queue_bytes_max in [64 * KIB, 100_000, 4 * MIB, 1024 * MIB] {
                for history_bytes_max in [0, 5, 8 * MIB, 64 * MIB, memory_bytes_max / 2] {
                    let mut limits = Limits::default();
                    let core = &mut limits.station.core;
                    (core.memory_bytes_max, core.queue_bytes_max) = (memory_bytes_max, queue_bytes_max);
                    core.history_bytes_max = history_bytes_max.min(memory_bytes_max / 2);
                    limits.station.share_out();
                    for shards in [1, 2, 16, 64] {
                        limits.check(shards);
                    }
                }
            }
        }
        // What a turn adds fits the default queue, so that who keeps up loses nothing (`sim`: loss).
        let station = frontend::Limits::default();
        assert!(station.turn_bytes_max(256 * KIB) <= station.core.queue_bytes_max);
    }

    #[test]
    fn the_page_is_printed_from_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/limits.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap();
        assert!(page == markdown(), "docs/limits.md is not what UPDATE_DOCS=1 prints");
    }
}
