//! The core's bounds: default, why, and what happens when each is hit.
//!
//! Whatever a peer can make grow has a row in a table like [`table`], in the crate that keeps to it;
//! `docs/limits.md` is printed from all of them by the server, which knows them all.

use std::time::Duration;

/// 1,024 bytes.
pub const KIB: usize = 1024;
/// As many of those.
pub const MIB: usize = 1024 * KIB;

/// What a run of the shortest messages costs beyond its bytes, as a factor: a span of 8 bytes
/// for every 2 bytes read.
const SHORT_RUN_FACTOR: usize = 5;

/// The bounds of the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub read_bytes: usize,
    pub queue_bytes_max: usize,
    pub brake_bytes: usize,
    pub brake_time: Duration,
    pub brake_origins_max: usize,
    pub memory_bytes_max: usize,
    pub grant_time: Duration,
    pub filter_bytes_max: usize,
    pub filter_shapes_max: usize,
    pub replays_bytes_max: usize,
    pub history_messages_max: u32,
    pub history_bytes_max: usize,
    pub replay_bytes_max: usize,
    pub retained_max: usize,
    pub retained_bytes_max: usize,
    pub share_messages_max: u64,
    pub share_bytes_max: usize,
    pub share_time: Duration,
    pub routes_max: usize,
    pub routes_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let mut limits = Self {
            read_bytes: 64 * KIB,
            queue_bytes_max: 4 * MIB,
            brake_bytes: 256 * KIB,
            brake_time: Duration::from_millis(10),
            brake_origins_max: 64,
            memory_bytes_max: 1024 * MIB,
            grant_time: Duration::from_secs(30),
            filter_bytes_max: 0,
            filter_shapes_max: 4096,
            replays_bytes_max: 0,
            history_messages_max: 100,
            history_bytes_max: 64 * MIB,
            replay_bytes_max: 8 * MIB,
            retained_max: 100_000,
            retained_bytes_max: 0,
            share_messages_max: 1024,
            share_bytes_max: 256 * KIB,
            share_time: Duration::from_millis(250),
            routes_max: 4096,
            routes_bytes_max: 0,
        };
        limits.share_out();
        limits
    }
}

impl Limits {
    /// Sets what follows from the bounds that an operator may change: the core's parts of the
    /// memory budget, and what has to stay below a queue.
    pub fn share_out(&mut self) {
        let sixteenth = self.memory_bytes_max / 16;
        self.filter_bytes_max = 3 * sixteenth / 2;
        self.routes_bytes_max = sixteenth / 2;
        self.replays_bytes_max = sixteenth;
        self.retained_bytes_max = sixteenth / 8 * 3;
        self.brake_bytes = (256 * KIB).min(self.queue_bytes_max / 4);
        self.share_bytes_max = (256 * KIB).min(self.queue_bytes_max / 4);
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

    /// The account, and how far publishers of little go on over it.
    #[must_use]
    pub fn account_bytes(&self) -> usize {
        self.memory_bytes_max + self.memory_bytes_max / 32
    }

    /// The core's parts of the budget when memory is short.
    #[must_use]
    pub fn parts_bytes(&self) -> usize {
        self.history_bytes_max
            + self.filter_bytes_max
            + self.replays_bytes_max
            + self.retained_bytes_max
            + self.queues_bytes_left()
    }

    /// The largest cost of a run of one read, apart from a message that is longer than that.
    #[must_use]
    pub fn read_run_bytes_max(&self) -> usize {
        run_bytes_max(self.read_bytes)
    }

    /// Checks what the core relies on between bounds, for so many shards.
    ///
    /// # Panics
    /// If a relation does not hold: the bounds that an operator may set cannot break one.
    pub fn check(&self, shards: u8) {
        assert!((1..=64).contains(&shards), "a set of shards is one machine word");
        // Publishers are slowed well before messages are dropped.
        assert!(self.brake_bytes < self.queue_bytes_max, "brakes come before drops");
        assert!(self.routes_bytes_max < self.filter_bytes_max, "routes leave room for filters");
        // Each shard keeps at least one long message and some topics, if history is wanted at all.
        let per_shard = self.history_bytes_max / usize::from(shards);
        assert!(self.history_bytes_max < MIB || per_shard >= 16 * KIB, "each shard has history");
    }
}

/// The largest cost of a run of one read of so much, if no message was begun before.
#[must_use]
pub fn run_bytes_max(read_bytes: usize) -> usize {
    SHORT_RUN_FACTOR * read_bytes + KIB
}

/// One row of `docs/limits.md`.
#[derive(Debug, Clone)]
pub struct Row {
    /// The field of the crate's `Limits`, or the constant elsewhere.
    pub name: &'static str,
    /// Its default, with a unit.
    pub default: String,
    /// Why this much.
    pub reason: &'static str,
    /// What happens when it is hit.
    pub hit: &'static str,
}

/// A row from its cells.
#[must_use]
pub fn row(name: &'static str, default: String, reason: &'static str, hit: &'static str) -> Row {
    Row { name, default, reason, hit }
}

/// The core's bounds with their defaults.
#[must_use]
#[expect(clippy::too_many_lines, reason = "a table is as long as it has rows")]
pub fn table() -> Vec<Row> {
    let d = Limits::default();
    vec![
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
            "grant_time",
            time(d.grant_time),
            "how long a subscription may wait for the answers of all shards: microseconds if nothing is wrong, and longer only behind many who ask for history",
            "the subscriber gets one line and is closed",
        ),
        row(
            "filter_bytes_max",
            bytes(d.filter_bytes_max),
            "three thirty-seconds of the budget for filters, which every shard holds (some 300 bytes each, 8 KiB for one of 64 levels), and cached routes",
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
            "retained_max",
            count(d.retained_max),
            "topics with a retained message; every shard knows all of them; the broker's own under `$SYS` do not count",
            "a retained message of a topic that has none is refused (PUBACK or PUBREC 0x97); at QoS 0 and before MQTT 5.0 it is delivered, not retained, and counted",
        ),
        row(
            "retained_bytes_max",
            bytes(d.retained_bytes_max),
            "a fortieth of the budget for retained messages, which shards share, and their topics, which each has",
            "the same",
        ),
        row(
            "share_messages_max",
            format!("{} messages", d.share_messages_max),
            "what a member of a shared subscription is given ahead: a turn of another shard brings it more",
            "the rest waits for whichever member has room",
        ),
        row(
            "share_bytes_max",
            bytes(d.share_bytes_max),
            "the same in payload, and one message; less while queues are small",
            "the same",
        ),
        row(
            "share_time",
            time(d.share_time),
            "a member that takes nothing for so long is stuck, or over its window",
            "what it was given and has not been sent goes to another one",
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
            "TOPIC_BYTES_MAX",
            bytes(topic::TOPIC_BYTES_MAX),
            "every subscription and cached route pays for it",
            "one line, then the connection is closed; MQTT 5.0: the message is refused (PUBACK or PUBREC 0x90, at QoS 0 it is counted), or the filter (SUBACK 0x8f)",
        ),
        row(
            "TOPIC_LEVELS_MAX",
            format!("{} levels", topic::TOPIC_LEVELS_MAX),
            "bounds the walk of the trie",
            "the same",
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

/// A number of bytes in the largest unit that gives a whole number.
#[must_use]
pub fn bytes(value: usize) -> String {
    match value {
        v if v >= MIB && v % MIB == 0 => format!("{} MiB", v / MIB),
        v if v >= KIB && v % KIB == 0 => format!("{} KiB", v / KIB),
        v => format!("{v} bytes"),
    }
}

#[must_use]
pub fn count(value: usize) -> String {
    value.to_string()
}

/// A time with its unit.
#[must_use]
pub fn time(value: Duration) -> String {
    format!("{value:?}")
}
