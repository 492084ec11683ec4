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
    pub unfinished_bytes_max: usize,
    pub filter_bytes_max: usize,
    pub filter_shapes_max: usize,
    pub replays_bytes_max: usize,
    pub outgoing_bytes_max: usize,
    pub history_messages_max: u32,
    pub history_bytes_max: usize,
    pub replay_bytes_max: usize,
    pub routes_max: usize,
    pub routes_bytes_max: usize,
    pub read_bytes: usize,
    pub read_turn_bytes_max: usize,
    pub mail_turn_bytes_max: usize,
    pub phase_work_max: Duration,
    pub write_bytes: usize,
    pub part_bytes: usize,
    pub replies_bytes_max: usize,
    pub mail_bytes_max: usize,
    pub events_max: usize,
    pub events_shown_per_second: u32,
    pub drain_time: Duration,
    pub linger_bytes_max: usize,
    pub untaken_time: Duration,
}

/// What a run of the shortest messages costs beyond its bytes, as a factor: a span of 8 bytes
/// for every 2 bytes read.
const SHORT_RUN_FACTOR: usize = 5;
/// Reads for which there may be room behind the beginning of a long message.
pub const LONG_CARRY_READS: usize = 4;

impl Default for Limits {
    fn default() -> Self {
        let mut limits = Self {
            connections_max: 65_536,
            hello_bytes_max: 4 * KIB,
            hello_time: Duration::from_secs(60),
            prompt_delay: Duration::from_millis(250),
            settle_time: Duration::from_millis(20),
            message_bytes_max: MIB,
            queue_bytes_max: 4 * MIB,
            brake_bytes: 256 * KIB,
            brake_time: Duration::from_millis(10),
            brake_origins_max: 64,
            memory_bytes_max: 1024 * MIB,
            unfinished_bytes_free: KIB,
            unfinished_bytes_max: 0,
            filter_bytes_max: 0,
            filter_shapes_max: 4096,
            replays_bytes_max: 0,
            outgoing_bytes_max: 0,
            history_messages_max: 100,
            history_bytes_max: 64 * MIB,
            replay_bytes_max: 8 * MIB,
            routes_max: 4096,
            routes_bytes_max: 0,
            read_bytes: 64 * KIB,
            read_turn_bytes_max: 512 * KIB,
            mail_turn_bytes_max: MIB,
            phase_work_max: Duration::from_micros(500),
            write_bytes: 256 * KIB,
            part_bytes: 64 * KIB,
            replies_bytes_max: 64 * KIB,
            mail_bytes_max: 2 * MIB,
            events_max: 1024,
            events_shown_per_second: 24,
            drain_time: Duration::from_secs(5),
            linger_bytes_max: MIB,
            untaken_time: Duration::from_secs(120),
        };
        limits.share_out();
        limits
    }
}

impl Limits {
    /// Sets what follows from the bounds that an operator may change: the parts of the memory
    /// budget, and what has to stay below a queue.
    pub fn share_out(&mut self) {
        let sixteenth = self.memory_bytes_max / 16;
        self.unfinished_bytes_max = 2 * sixteenth;
        self.filter_bytes_max = 2 * sixteenth;
        self.routes_bytes_max = sixteenth / 2;
        self.replays_bytes_max = sixteenth;
        self.outgoing_bytes_max = sixteenth / 2;
        let defaults = (256 * KIB, 512 * KIB, MIB);
        self.brake_bytes = defaults.0.min(self.queue_bytes_max / 4);
        self.read_turn_bytes_max = defaults.1.min(self.queue_bytes_max / 4);
        self.mail_turn_bytes_max = defaults.2.min(self.queue_bytes_max / 4);
    }

    /// What all queues together are cut to when memory is short.
    #[must_use]
    pub fn queues_bytes_left(&self) -> usize {
        self.memory_bytes_max / 16
    }

    /// The use of memory at which publishers that waited for it go on.
    #[must_use]
    pub fn memory_goes_on_at(&self) -> usize {
        self.memory_bytes_max / 32 * 31
    }

    /// The largest cost of a run of one read, apart from a message that is longer than that.
    #[must_use]
    pub fn read_run_bytes_max(&self) -> usize {
        run_bytes_max(self.read_bytes)
    }

    /// The largest cost of a run of one read while memory is short, apart from a message that
    /// was begun before.
    #[must_use]
    pub fn short_run_bytes_max(&self) -> usize {
        run_bytes_max(self.unfinished_bytes_free)
    }

    /// What a turn may add to one queue if no message is longer than this: mail, of which the
    /// first run may be longer than what is allowed, and reads of its own with one run over.
    ///
    /// A run is at most a long message and [`LONG_CARRY_READS`] of short ones behind it.
    #[must_use]
    pub fn turn_bytes_max(&self, message_bytes: usize) -> usize {
        let run = message_bytes + LONG_CARRY_READS * self.read_run_bytes_max();
        self.mail_turn_bytes_max.max(run) + self.read_turn_bytes_max + run
    }

    /// Checks what the code relies on between bounds, for so many shards.
    ///
    /// # Panics
    /// If a relation does not hold: the bounds that an operator may set cannot break one.
    pub fn check(&self, shards: u8) {
        assert!((1..=64).contains(&shards), "a set of shards is one machine word");
        // Publishers are slowed well before messages are dropped.
        assert!(self.brake_bytes < self.queue_bytes_max, "brakes come before drops");
        // Cutting queues gets below the level at which publishers go on, whatever else is held.
        let held = self.history_bytes_max
            + self.unfinished_bytes_max
            + self.filter_bytes_max
            + self.replays_bytes_max
            + 2 * self.outgoing_bytes_max
            + self.queues_bytes_left();
        assert!(held <= self.memory_goes_on_at(), "the parts of the budget leave room");
        assert!(self.routes_bytes_max < self.filter_bytes_max, "routes leave room for filters");
        // Whoever is alone may finish any message.
        assert!(self.unfinished_bytes_max > self.message_bytes_max, "one message may be unfinished");
        // Each shard keeps at least one long message and some topics, if history is wanted at all.
        let per_shard = self.history_bytes_max / usize::from(shards);
        assert!(self.history_bytes_max < MIB || per_shard >= 16 * KIB, "each shard has history");
        // A line is cut into parts, and a part is what is encoded beyond `write_bytes`.
        assert!(self.part_bytes <= self.write_bytes, "a part fits what is encoded ahead");
        assert!(self.hello_bytes_max <= 4 * KIB, "hellos are not in the account: 4 KiB each at most");
        assert!(self.unfinished_bytes_free <= KIB, "what is free is small");
        assert!(self.settle_time < self.prompt_delay, "a hello settles before it is prompted");
        assert!(self.mail_turn_bytes_max <= self.queue_bytes_max / 4, "a turn's mail fits a queue");
        assert!(self.read_turn_bytes_max <= self.queue_bytes_max / 4, "a turn's reads fit a queue");
    }

    /// What a process may occupy at most beyond its start, as `docs/limits.md` sums it up.
    #[must_use]
    pub fn worst_case_bytes(&self, shards: u8, connections: usize) -> usize {
        self.account_bytes()
            + self.shard_bytes() * usize::from(shards)
            + self.connection_bytes() * connections
    }

    /// The account, and how far publishers of little go on over it.
    fn account_bytes(&self) -> usize {
        self.memory_bytes_max + self.memory_bytes_max / 32
    }

    fn connection_bytes(&self) -> usize {
        CONNECTION_BYTES + self.short_run_bytes_max().max(self.hello_bytes_max)
    }

    /// What a shard holds besides the account: buffers, one walk through history, one turn's
    /// bytes, mail.
    fn shard_bytes(&self) -> usize {
        let buffers = 16 * 4 * self.part_bytes + 2 * (self.message_bytes_max + self.read_bytes);
        let walk = self.replay_bytes_max / 256 * 32;
        buffers + walk + self.turn_bytes_max(self.message_bytes_max)
    }
}

/// The largest cost of a run of one read of so much, if no message was begun before.
fn run_bytes_max(read_bytes: usize) -> usize {
    SHORT_RUN_FACTOR * read_bytes + KIB
}

/// What a connection holds besides the account: its state and its session (1.2 KiB, measured by
/// `tidings bench idle`) and a place or two in each table. Then up to 4 KiB of a hello; or, once it
/// is greeted, one short read over the account, which may end within a message.
const CONNECTION_BYTES: usize = 2 * KIB;

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
            "a subscriber may slow its publishers, never hold them up: so long for a full read buffer, less in proportion, and not at all for a queue from which nothing was taken for 100 ms",
            "the publisher is read again whatever the queue says",
        ),
        row(
            "brake_origins_max",
            count(d.brake_origins_max),
            "16 bytes each per queue over the brake level; a queue with more is slowed by each of them",
            "further publishers are braked for brake_time each",
        ),
        row(
            "memory_bytes_max",
            bytes(d.memory_bytes_max),
            "everything that clients make grow in the whole process; changed with --memory-max",
            "publishers are not read, and every queue is cut to a fair share of a sixteenth of it",
        ),
        row(
            "unfinished_bytes_free",
            bytes(d.unfinished_bytes_free),
            "a longer unfinished message counts against the memory budget",
            "it is counted",
        ),
        row(
            "unfinished_bytes_max",
            bytes(d.unfinished_bytes_max),
            "an eighth of the budget for unfinished messages",
            "only the message that began first is read on, the others wait; one that does not get on for 25 ms meanwhile gets one line and is closed",
        ),
        row(
            "filter_bytes_max",
            bytes(d.filter_bytes_max),
            "an eighth of the budget for filters, which every shard holds (some 300 bytes each, 8 KiB for one of 64 levels), and cached routes",
            "a subscriber with a filter that nobody has yet gets one line and is closed",
        ),
        row(
            "filter_shapes_max",
            count(d.filter_shapes_max),
            "bounds a walk of the trie: a topic is compared with at most one filter node per way to begin with names and `+`. All filters of up to 10 levels have fewer than 2,048",
            "a subscriber whose filter mixes names and `+` in yet another way gets one line and is closed",
        ),
        row(
            "replays_bytes_max",
            bytes(d.replays_bytes_max),
            "a sixteenth of the budget for the places of history under way to subscribers",
            "who asks for history waits; who takes nothing of its own for 100 ms loses it and is told",
        ),
        row(
            "outgoing_bytes_max",
            bytes(d.outgoing_bytes_max),
            "a thirty-second of the budget for encoded bytes that wait for sockets",
            "8 KiB are encoded ahead, and for a socket that does not take them a line or a part of one; over twice as much for all sockets",
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
            "routes_bytes_max",
            bytes(d.routes_bytes_max),
            "a route lists the filters that match; shared out evenly among the shards",
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
            "one fire hose must not starve the others: what a shard reads before it writes, one read per connection in turn; runs of short messages count at what they cost",
            "the rest is read in the next turn",
        ),
        row(
            "mail_turn_bytes_max",
            bytes(d.mail_turn_bytes_max),
            "runs that a shard takes from the others before it writes: with its own reads they fit a queue, so that a subscriber that keeps up loses nothing, however many shards send",
            "the rest is taken in the next turn",
        ),
        row(
            "phase_work_max",
            time(d.phase_work_max),
            "what a phase of a turn may cost, as estimated: mail, newcomers, reading from three lines, timers, history, writing to three lines; so nobody waits for more than a few milliseconds of what others make the shard do",
            "the rest waits for the next turn",
        ),
        row(
            "write_bytes",
            bytes(d.write_bytes),
            "what is encoded for one connection ahead of its socket",
            "the rest waits in the queue",
        ),
        row(
            "part_bytes",
            bytes(d.part_bytes),
            "runs and long messages are encoded in parts of about this size",
            "the next part is made when the socket has room",
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
            "events_shown_per_second",
            format!("{} messages", d.events_shown_per_second),
            "more nobody reads",
            "further messages are counted and the count is shown",
        ),
        row(
            "drain_time",
            time(d.drain_time),
            "below the usual 10 s between SIGTERM and SIGKILL",
            "what is still queued is given up and counted; so is what waits for a connection that has ended",
        ),
        row(
            "linger_bytes_max",
            bytes(d.linger_bytes_max),
            "what a client may go on sending after its connection has ended, so that it can still read its last line",
            "the socket is closed",
        ),
        row(
            "untaken_time",
            time(d.untaken_time),
            "TCP_USER_TIMEOUT: a peer that takes nothing for so long while bytes wait for it is gone",
            "the kernel ends the connection; the log says that it took nothing",
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
         a test compares.\nEverything that a peer can make grow is here; `Limits::check` asserts what the code relies on between them.\n\n\
         | bound | default | why this much | when it is hit |\n|---|---|---|---|\n",
    );
    for row in table() {
        text += &format!("| `{}` | {} | {} | {} |\n", row.name, row.default, row.reason, row.hit);
    }
    text += &worst_case();
    text
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
         history, one turn's messages) and at most {} per connection (state, and a hello that has not ended, or one read of {} over the account or within a message).\n\n\
         | shards | connections | account | shards' own | connections' own | sum |\n|---|---|---|---|---|---|\n",
        bytes(d.memory_bytes_max / 2),
        bytes(d.unfinished_bytes_max),
        bytes(d.filter_bytes_max),
        bytes(d.replays_bytes_max),
        bytes(2 * d.outgoing_bytes_max),
        bytes(d.queues_bytes_left()),
        bytes(d.memory_goes_on_at()),
        bytes(d.account_bytes() - d.memory_bytes_max),
        mib(d.shard_bytes()),
        bytes(d.connection_bytes()),
        bytes(d.unfinished_bytes_free),
    );
    for (shards, connections) in [(1, 1000), (2, 10_000), (4, 65_536), (64, 65_536)] {
        text += &format!(
            "| {shards} | {connections} | {} | {} | {} | {} |\n",
            mib(d.account_bytes()),
            mib(d.shard_bytes() * usize::from(shards)),
            mib(d.connection_bytes() * connections),
            mib(d.worst_case_bytes(shards, connections)),
        );
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
        assert_eq!(seen, 35);
    }

    /// Every setting that the configuration accepts keeps what the code relies on.
    #[test]
    fn relations_hold_at_every_permitted_setting() {
        for memory_bytes_max in [16 * MIB, 17 * MIB + 5, 256 * MIB, 1024 * MIB, 64 * 1024 * MIB] {
            for queue_bytes_max in [64 * KIB, 100_000, 4 * MIB, 1024 * MIB] {
                for history_bytes_max in [0, 5, 8 * MIB, 64 * MIB, memory_bytes_max / 2] {
                    let mut limits = Limits { memory_bytes_max, queue_bytes_max, ..Limits::default() };
                    limits.history_bytes_max = history_bytes_max.min(memory_bytes_max / 2);
                    limits.share_out();
                    for shards in [1, 2, 16, 64] {
                        limits.check(shards);
                    }
                }
            }
        }
        // What a turn adds fits the default queue, so that who keeps up loses nothing (`sim`: loss).
        assert!(Limits::default().turn_bytes_max(256 * KIB) <= Limits::default().queue_bytes_max);
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
