//! The front ends' bounds, and what a driver keeps to: default, why, and what happens at each.

use std::time::Duration;

use broker::limits::{KIB, MIB, Row, bytes, count, row, run_bytes_max, time};

/// Reads for which there may be room behind the beginning of a long message.
pub const LONG_CARRY_READS: usize = 4;

/// The bounds of a station: those of its core, those of its connections, and those that its
/// driver keeps to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub core: broker::Limits,
    pub hello_bytes_max: usize,
    pub hello_time: Duration,
    pub prompt_delay: Duration,
    pub settle_time: Duration,
    pub half_closed_max: usize,
    pub message_bytes_max: usize,
    pub unfinished_bytes_free: usize,
    pub unfinished_bytes_max: usize,
    pub outgoing_bytes_max: usize,
    pub write_bytes: usize,
    pub part_bytes: usize,
    pub replies_bytes_max: usize,
    pub read_turn_bytes_max: usize,
    pub mail_turn_bytes_max: usize,
    pub connect_time: Duration,
    pub connect_bytes_max: usize,
    pub client_id_bytes_max: usize,
    pub sessions_max: usize,
    pub sessions_bytes_max: usize,
    pub session_time_max: Duration,
    pub subscriptions_max: usize,
    pub inflight_max: usize,
    pub receive_max: u16,
    pub topic_alias_max: u16,
    pub head_bytes_max: usize,
    pub head_time: Duration,
    pub body_time: Duration,
    pub http_idle_time: Duration,
    pub http_filters_max: usize,
    pub ws_subscriptions_max: usize,
    pub heartbeat_time: Duration,
    pub events_shown_per_second: u32,
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let mut limits = Self {
            core: broker::Limits::default(),
            hello_bytes_max: 4 * KIB,
            hello_time: Duration::from_secs(60),
            prompt_delay: Duration::from_millis(250),
            settle_time: Duration::from_millis(20),
            half_closed_max: 1024,
            message_bytes_max: MIB,
            unfinished_bytes_free: KIB,
            unfinished_bytes_max: 0,
            outgoing_bytes_max: 0,
            write_bytes: 256 * KIB,
            part_bytes: 128 * KIB,
            replies_bytes_max: 64 * KIB,
            read_turn_bytes_max: 512 * KIB,
            mail_turn_bytes_max: MIB,
            connect_time: Duration::from_secs(10),
            connect_bytes_max: 128 * KIB,
            client_id_bytes_max: 256,
            sessions_max: 100_000,
            sessions_bytes_max: 0,
            session_time_max: Duration::from_secs(7 * 24 * 3600),
            subscriptions_max: 1000,
            inflight_max: 16_384,
            receive_max: 1024,
            topic_alias_max: 32,
            head_bytes_max: 16 * KIB,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(60),
            http_idle_time: Duration::from_secs(75),
            http_filters_max: 16,
            ws_subscriptions_max: 100,
            heartbeat_time: Duration::from_secs(20),
            events_shown_per_second: 24,
            drain_time: Duration::from_secs(5),
        };
        limits.share_out();
        limits
    }
}

impl Limits {
    /// Sets what follows from the bounds that an operator may change: the parts of the memory
    /// budget, and what has to stay below a queue.
    pub fn share_out(&mut self) {
        self.core.share_out();
        let sixteenth = self.core.memory_bytes_max / 16;
        self.unfinished_bytes_max = 3 * sixteenth / 2;
        self.sessions_bytes_max = sixteenth;
        self.outgoing_bytes_max = sixteenth / 2;
        let quarter = self.core.queue_bytes_max / 4;
        self.read_turn_bytes_max = (512 * KIB).min(quarter);
        self.mail_turn_bytes_max = MIB.min(quarter);
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
        let run = message_bytes + LONG_CARRY_READS * self.core.read_run_bytes_max();
        self.mail_turn_bytes_max.max(run) + self.read_turn_bytes_max + run
    }

    /// Checks what the code relies on between bounds, for so many shards.
    ///
    /// # Panics
    /// If a relation does not hold: the bounds that an operator may set cannot break one.
    pub fn check(&self, shards: u8) {
        self.core.check(shards);
        // Cutting queues gets below the level at which publishers go on, whatever else is held.
        let held = self.core.parts_bytes()
            + self.unfinished_bytes_max
            + self.sessions_bytes_max
            + 2 * self.outgoing_bytes_max;
        assert!(held <= self.core.memory_goes_on_at(), "the parts of the budget leave room");
        // Whoever is alone may finish any message.
        assert!(self.unfinished_bytes_max > self.message_bytes_max, "one message may be unfinished");
        // A line is cut into parts, and a part is what is encoded beyond `write_bytes`.
        assert!(self.part_bytes <= self.write_bytes, "a part fits what is encoded ahead");
        assert!(self.hello_bytes_max <= 4 * KIB, "hellos are not in the account: 4 KiB each at most");
        assert!(self.unfinished_bytes_free <= KIB, "what is free is small");
        assert!(self.settle_time < self.prompt_delay, "a hello settles before it is prompted");
        let quarter = self.core.queue_bytes_max / 4;
        assert!(2 * self.inflight_max < usize::from(u16::MAX), "there are packet ids for a window");
        assert!(self.mail_turn_bytes_max <= quarter, "a turn's mail fits a queue");
        assert!(self.read_turn_bytes_max <= quarter, "a turn's reads fit a queue");
    }
}

/// The front ends' bounds with their defaults.
#[must_use]
#[expect(clippy::too_many_lines, reason = "a table is as long as it has rows")]
pub fn table() -> Vec<Row> {
    let d = Limits::default();
    vec![
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
            "half_closed_max",
            count(d.half_closed_max),
            "subscribers per shard that have closed their sending half: whether they still listen is not known until something is written",
            "the one that began first is closed",
        ),
        row(
            "message_bytes_max",
            bytes(d.message_bytes_max),
            "more is a file transfer; one message must fit a queue",
            "one line, then the connection is closed; nothing of the message is delivered",
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
            "three thirty-seconds of the budget for unfinished messages",
            "only the message that began first is read on, the others wait; one that does not get on for 25 ms meanwhile gets one line and is closed",
        ),
        row(
            "outgoing_bytes_max",
            bytes(d.outgoing_bytes_max),
            "a thirty-second of the budget for encoded bytes that wait for sockets",
            "8 KiB are encoded ahead, and for a socket that does not take them a line or a part of one; over twice as much for all sockets",
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
            "connect_time",
            time(d.connect_time),
            "an MQTT client sends CONNECT at once; a slow network has sent all of it by then",
            "the connection is closed",
        ),
        row(
            "connect_bytes_max",
            bytes(d.connect_bytes_max),
            "a client id, a name and a password, and a will of up to 64 KiB with its properties",
            "the connection is closed",
        ),
        row(
            "client_id_bytes_max",
            bytes(d.client_id_bytes_max),
            "more than ten times what every server has to take; it stands in front of each message that a text subscriber gets",
            "CONNACK 0x85, client identifier not valid",
        ),
        row(
            "sessions_max",
            count(d.sessions_max),
            "MQTT sessions, connected or not, shared out evenly among the shards",
            "CONNACK 0x97, quota exceeded (3.1.1: 0x03, server unavailable)",
        ),
        row(
            "sessions_bytes_max",
            bytes(d.sessions_bytes_max),
            "a sixteenth of the budget for what sessions are besides their queues: client ids, filters, wills, places of messages under way",
            "CONNACK or SUBACK 0x97, quota exceeded",
        ),
        row(
            "session_time_max",
            time(d.session_time_max),
            "how long a session waits for its client, whatever that asks for; told in CONNACK",
            "the session ends",
        ),
        row(
            "subscriptions_max",
            format!("{} filters per session", d.subscriptions_max),
            "each message is compared with each of them",
            "SUBACK 0x97, quota exceeded (3.1.1: 0x80)",
        ),
        row(
            "inflight_max",
            format!("{} messages per session", d.inflight_max),
            "sent and not acknowledged, and of runs that they keep in memory no more bytes than a queue; at two million a second a receiver acknowledges as many within 8 ms",
            "the rest waits in the queue",
        ),
        row(
            "receive_max",
            d.receive_max.to_string(),
            "messages of QoS 1 and 2 that a client may have under way; told in CONNACK",
            "DISCONNECT 0x93, receive maximum exceeded",
        ),
        row(
            "topic_alias_max",
            d.topic_alias_max.to_string(),
            "topics that a client may give a number, which CONNACK tells, and topics that a client is sent by a number, of as many as it allows",
            "DISCONNECT 0x94, topic alias invalid; a further topic is sent by its name",
        ),
        row(
            "head_bytes_max",
            bytes(d.head_bytes_max),
            "a browser's cookies and a long address fit; twice what common servers take",
            "414 or 431, and the connection is closed",
        ),
        row(
            "head_time",
            time(d.head_time),
            "a request's head is one packet or a few; so long may the slowest network take",
            "408, and the connection is closed",
        ),
        row(
            "body_time",
            time(d.body_time),
            "the largest message comes through a slow line in that time",
            "408, and the connection is closed; nothing of the message is published",
        ),
        row(
            "http_idle_time",
            time(d.http_idle_time),
            "between two requests of one connection; longer than browsers and proxies keep theirs",
            "the connection is closed",
        ),
        row(
            "http_filters_max",
            count(d.http_filters_max),
            "filters of one request: who wants more opens another stream, or speaks WebSocket or MQTT",
            "400, and the connection is closed",
        ),
        row(
            "ws_subscriptions_max",
            count(d.ws_subscriptions_max),
            "what a connection of `/ws` has subscribed to and not given up; a page shows a handful",
            "an error; the connection goes on",
        ),
        row(
            "heartbeat_time",
            time(d.heartbeat_time),
            "proxies close what is silent for 30 to 60 s; a client that comes back later than this asks for no more than it has missed",
            "the client gets a sign of life, and where it stands",
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
    ]
}
