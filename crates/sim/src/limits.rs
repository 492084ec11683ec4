//! What differs from seed to seed besides the clients: bounds, network, faults.
//!
//! Each seed draws its own small world ("swarm testing"): some have a tiny memory budget, some
//! a clock that jumps, some one station only. A bug that needs two rare things meets them.

use std::sync::Arc;
use std::time::Duration;

use frontend::Limits;
use frontend::{Placement, TopicPrompt};

use crate::record::Keeps;
use crate::rng::Rng;

pub(crate) const MS: u64 = 1_000_000;

/// One seed's world.
#[derive(Debug, Clone)]
pub(crate) struct Swarm {
    pub(crate) limits: Arc<Limits>,
    pub(crate) stations: u8,
    /// Most inputs that a station takes before it writes.
    pub(crate) turn_inputs_max: usize,
    pub(crate) turn_delay_max_ns: u64,
    pub(crate) mail_latency_max_ns: u64,
    pub(crate) network: Network,
    /// Percent of reads after which a station tries to write as well, as edge-triggered
    /// polls make it do.
    pub(crate) spurious_write_percent: u64,
    /// Whether buffers are allocated in full before a read.
    pub(crate) roomy_buffers: bool,
    pub(crate) clock: Clock,
    pub(crate) topic_prompt: TopicPrompt,
    /// Whether publishers move to the station that hears them.
    pub(crate) placement: Placement,
    /// Connections that an operator ends.
    pub(crate) kicks: usize,
    /// What is kept of what is accepted, if that is known.
    pub(crate) keeps: Keeps,
    pub(crate) ending: Ending,
    pub(crate) load: Load,
}

/// How bytes travel.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) latency_max_ns: u64,
    /// Percent of segments that are cut in two, again and again.
    pub(crate) split_percent: u64,
    /// Percent of writes of which the socket takes a part only.
    pub(crate) short_write_percent: u64,
    /// Bytes that fit between a station and a client.
    pub(crate) capacity_max: usize,
}

/// Whether the calendar is to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    Steady,
    Jumping,
}

/// How the world ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All clients go.
    ClientsGo,
    /// The server drains once everything is quiet.
    DrainQuiet,
    /// The server drains while everything is under way; from then on everyone reads at once.
    DrainBusy,
    /// The server drains while everything is under way, and slow readers stay slow.
    DrainSlow,
}

const ENDINGS: [Ending; 6] = [
    Ending::ClientsGo,
    Ending::ClientsGo,
    Ending::ClientsGo,
    Ending::DrainQuiet,
    Ending::DrainBusy,
    Ending::DrainSlow,
];

/// How much there is to do.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) publishers: usize,
    pub(crate) subscribers: usize,
    pub(crate) strangers: usize,
    /// Clients that speak MQTT.
    pub(crate) mqtt: usize,
    /// Those that speak it and break its rules.
    pub(crate) broken: usize,
    /// Those that publish what is retained, and that look at it in the end.
    pub(crate) keepers: usize,
    pub(crate) auditors: usize,
    /// Members of a shared subscription.
    pub(crate) members: usize,
    /// Clients of HTTP and WebSocket that only hear, and that publish.
    pub(crate) web: usize,
    pub(crate) web_publishers: usize,
    /// Publishers of one message each, to topics of their own, before most others come.
    pub(crate) passers: usize,
    /// Strangers that make stations work and hold memory for nothing.
    pub(crate) attackers: usize,
    pub(crate) messages_max: u64,
    pub(crate) pause_max_ns: u64,
    /// Percent of subscribers that come in the lull, when the history is what it is, and of those
    /// that ask for history.
    pub(crate) in_lull_percent: u64,
    pub(crate) asks_percent: u64,
    /// Publishers that have said hello rest from here to there.
    pub(crate) lull: (u64, u64),
}

impl Swarm {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let stations = rng.pick(&[1, 2, 2, 3, 3, 4, 5]);
        let lull_begin = rng.range(300, 900) * MS;
        // The longer one is long enough for history to be copied to its exact size.
        let lull_end = lull_begin + rng.pick(&[250, 250, 1400]) * MS;
        let mut ordinary = Self {
            limits: Arc::new(draw_limits(rng)),
            stations,
            turn_inputs_max: rng.pick(&[1, 2, 8, 64]),
            turn_delay_max_ns: rng.pick(&[1, MS / 100, MS]),
            mail_latency_max_ns: rng.pick(&[MS / 100, MS, 10 * MS, 40 * MS]),
            network: Network {
                latency_max_ns: rng.pick(&[MS / 10, MS, 4 * MS]),
                split_percent: rng.pick(&[0, 20, 60]),
                short_write_percent: rng.pick(&[0, 10, 50]),
                capacity_max: rng.pick(&[1, 64, 1024, 16 * 1024]),
            },
            spurious_write_percent: rng.pick(&[0, 0, 5, 50]),
            roomy_buffers: rng.percent(50),
            clock: if rng.percent(25) { Clock::Jumping } else { Clock::Steady },
            topic_prompt: if rng.percent(20) { TopicPrompt::On } else { TopicPrompt::Off },
            placement: rng.pick(&[Placement::Stay, Placement::Offer]),
            kicks: rng.pick(&[0, 0, 0, 2]),
            ending: rng.pick(&ENDINGS),
            keeps: Keeps::Some,
            load: Load {
                publishers: rng.size(1, 20),
                subscribers: rng.size(2, 40),
                strangers: rng.size(0, 8),
                mqtt: 0,
                broken: 0,
                keepers: 0,
                auditors: 0,
                members: 0,
                web: 0,
                web_publishers: 0,
                passers: 0,
                attackers: if rng.percent(8) { rng.size(50, 300) } else { 0 },
                messages_max: rng.pick(&[20, 100, 400, 1000]),
                pause_max_ns: rng.pick(&[MS / 10, 2 * MS, 10 * MS]),
                in_lull_percent: 40,
                asks_percent: 50,
                lull: (lull_begin, lull_end),
            },
        };
        if ordinary.topic_prompt == TopicPrompt::On || ordinary.may_begin_too_much() {
            ordinary.load.strangers = ordinary.load.strangers.max(4); // some of them do what is rare
        }
        match rng.below(100) {
            0..12 => ordinary.with_archive(rng),
            12..24 => ordinary.with_late_turns(rng).with_mqtt(rng),
            24..44 => ordinary.with_past(rng),
            44..64 => ordinary.with_mqtt(rng),
            64..70 => ordinary.with_mqtt(rng).with_group(rng),
            70..86 => ordinary.with_web(rng),
            _ => ordinary,
        }
    }

    /// Some speak MQTT, and there is memory for what they have not acknowledged.
    fn with_mqtt(mut self, rng: &mut Rng) -> Self {
        let mut limits = self.limits.as_ref().clone();
        limits.core.memory_bytes_max = 256 << 20;
        limits.unfinished_bytes_max = limits.core.memory_bytes_max / 8;
        limits.session_time_max = Duration::from_secs(6);
        limits.receive_max = rng.pick(&[1, 3, 20, 1024]);
        limits.inflight_max = rng.pick(&[1, 5, 1024]);
        limits.core.share_messages_max = rng.pick(&[1, 3, 1024]);
        limits.core.share_bytes_max = rng.pick(&[1, 2048, 256 * 1024]);
        limits.core.share_time = Duration::from_millis(rng.pick(&[20, 250]));
        self.limits = Arc::new(limits);
        self.load.mqtt = rng.size(1, 12);
        self.load.broken = rng.size(0, 6);
        self.load.keepers = rng.size(0, 4);
        self.load.auditors = rng.size(2, 5);
        self.load.members = if rng.percent(60) { rng.size(2, 6) } else { 0 };
        self.load.publishers = self.load.publishers.min(8);
        self.load.subscribers = self.load.subscribers.min(12);
        self.load.attackers = 0;
        self
    }

    /// Clients of the web lose their connections at any moment; in half of the worlds all is kept.
    fn with_web(mut self, rng: &mut Rng) -> Self {
        let mut limits = self.limits.as_ref().clone();
        limits.core.memory_bytes_max = 256 << 20;
        limits.unfinished_bytes_max = limits.core.memory_bytes_max / 8;
        if rng.percent(50) {
            self.keeps = Keeps::All;
            limits.core.history_messages_max = 1_000_000;
            limits.core.history_bytes_max = 64 << 20;
            limits.core.replay_bytes_max = 32 << 20;
            limits.core.replays_bytes_max = 32 << 20;
        }
        limits.session_time_max = Duration::from_secs(6);
        limits.heartbeat_time = Duration::from_millis(rng.pick(&[30, 300, 20_000]));
        self.limits = Arc::new(limits);
        self.ending =
            rng.pick(&[Ending::ClientsGo, Ending::ClientsGo, Ending::DrainQuiet, Ending::DrainBusy]);
        self.load.web = rng.size(1, 8);
        self.load.web_publishers = rng.size(0, 4);
        self.load.mqtt = rng.size(0, 3);
        // What is kept is handed out in one step: not more than that may cost.
        self.load.publishers = self.load.publishers.min(5);
        self.load.messages_max = self.load.messages_max.min(200);
        self.load.subscribers = self.load.subscribers.min(8);
        self.load.attackers = 0;
        self
    }

    /// A crowd shares messages of QoS 1 and 2, which no connection takes along, and comes and goes while
    /// mail is on its way.
    fn with_group(mut self, rng: &mut Rng) -> Self {
        self.stations = rng.pick(&[2, 3, 5]);
        self.mail_latency_max_ns = rng.pick(&[10 * MS, 40 * MS]);
        self.load.publishers = 1;
        (self.load.subscribers, self.load.keepers, self.load.auditors) = (2, 0, 0);
        self.load.mqtt = rng.size(8, 12);
        self.load.members = rng.size(6, 16);
        self.load.messages_max = 1000;
        self.load.pause_max_ns = 2 * MS;
        let mut limits = self.limits.as_ref().clone();
        limits.core.queue_bytes_max = 4 << 20;
        limits.core.brake_bytes = 1 << 20;
        limits.core.share_messages_max = rng.pick(&[8, 1024]);
        limits.core.share_bytes_max = 256 * 1024;
        limits.inflight_max = 1024;
        self.limits = Arc::new(limits);
        self
    }

    /// Whether one message may be more than all that may be unfinished: other shards seem to hold it.
    pub(crate) fn may_begin_too_much(&self) -> bool {
        self.limits.unfinished_bytes_max < self.limits.message_bytes_max
    }

    /// So many topics that reading history takes several steps, while others publish.
    fn with_archive(mut self, rng: &mut Rng) -> Self {
        self.stations = rng.pick(&[1, 1, 2]);
        let mut limits = self.limits.as_ref().clone();
        limits.core.memory_bytes_max = 256 << 20;
        limits.core.history_messages_max = rng.pick(&[3, 20, 100]);
        limits.core.history_bytes_max = 32 << 20;
        // What is found is short, so that the steps are spent on looking for it.
        limits.core.replay_bytes_max = 64 << 10;
        limits.core.replays_bytes_max = rng.pick(&[16 << 20, 16 << 20, 64]);
        limits.core.read_bytes = 1024;
        self.limits = Arc::new(limits);
        // Others publish while it is read: its steps are apart, and they hardly pause.
        self.turn_delay_max_ns = MS;
        self.load.pause_max_ns = 2 * MS;
        self.load.publishers = self.load.publishers.max(16);
        self.load.subscribers = self.load.subscribers.max(20);
        self.load.messages_max = 1000;
        self.load.passers = ARCHIVED_TOPICS;
        // Who comes to an archive comes for what is in it.
        self.load.asks_percent = 95;
        self
    }

    /// All that is kept has room, and most come for it when there is some: history is known to the
    /// message, whatever the clock has done.
    fn with_past(mut self, rng: &mut Rng) -> Self {
        let mut limits = self.limits.as_ref().clone();
        limits.core.memory_bytes_max = 256 << 20;
        limits.core.history_messages_max = rng.pick(&[1, 3, 20, 100]);
        limits.core.history_bytes_max = 32 << 20;
        limits.core.replay_bytes_max = 8 << 20;
        limits.core.replays_bytes_max = 16 << 20;
        self.limits = Arc::new(limits);
        self.clock = rng.pick(&[Clock::Steady, Clock::Jumping]);
        // Not before they have come.
        self.ending = rng.pick(&[Ending::ClientsGo, Ending::DrainQuiet]);
        self.load.publishers = self.load.publishers.max(8);
        self.load.subscribers = self.load.subscribers.max(12);
        self.load.messages_max = self.load.messages_max.min(400);
        (self.load.in_lull_percent, self.load.asks_percent) = (70, 90);
        self
    }

    /// Turns that come late, when more has been said than one of them may take: who keeps up
    /// loses nothing.
    fn with_late_turns(mut self, rng: &mut Rng) -> Self {
        self.stations = rng.pick(&[1, 3, 3, 5]);
        let mut limits = self.limits.as_ref().clone();
        limits.core.memory_bytes_max = 256 << 20;
        limits.message_bytes_max = 256;
        limits.core.history_messages_max = rng.pick(&[3, 100]);
        limits.core.read_bytes = rng.pick(&[100, 1024]);
        limits.read_turn_bytes_max = rng.pick(&[64, 4 * 1024]);
        limits.mail_turn_bytes_max = rng.pick(&[64, 4 * 1024]);
        limits.core.queue_bytes_max = turn_bytes(rng, &limits);
        limits.core.brake_bytes = limits.core.queue_bytes_max / 2;
        self.limits = Arc::new(limits);
        self.turn_inputs_max = 64;
        self.turn_delay_max_ns = 20 * MS;
        self.network.short_write_percent = 0;
        self.load.publishers = 20;
        self.load.subscribers = self.load.subscribers.min(8);
        self.load.pause_max_ns = MS / 10;
        self.load.messages_max = 1000;
        // History and live messages come in one turn, if people ask while others publish.
        (self.load.in_lull_percent, self.load.asks_percent) = (10, 70);
        self
    }
}

/// More than one step can look at, even if two stations share them.
const ARCHIVED_TOPICS: usize = 2600;

fn draw_limits(rng: &mut Rng) -> Limits {
    let queue_bytes_max = rng.size(2, 40) * 1024;
    let memory_bytes_max = rng.pick(&[256 << 20, 256 << 20, 256 << 20, 384 << 10, 768 << 10]);
    // Kept history must leave room for live messages, or publishers wait for ever.
    let history_bytes_max = rng.size(1, 16) * 1024;
    let history_bytes_max = if rng.percent(75) { memory_bytes_max / 8 } else { history_bytes_max };
    let write_bytes = rng.pick(&[1, 128, 2048, 16 * 1024]);
    let mut limits = Limits {
        hello_bytes_max: rng.pick(&[200, 4096]),
        hello_time: Duration::from_millis(rng.range(400, 3000)),
        message_bytes_max: rng.pick(&[256, 1024, 6 * 1024]),
        ..Limits::default()
    };
    limits.core.queue_bytes_max = queue_bytes_max;
    limits.core.brake_bytes = queue_bytes_max / rng.size(1, 16);
    limits.core.brake_origins_max = rng.pick(&[1, 2, 64]);
    limits.core.memory_bytes_max = memory_bytes_max;
    limits.unfinished_bytes_free = rng.pick(&[64, 1024]);
    limits.unfinished_bytes_max = rng.pick(&[1 << 10, memory_bytes_max / 8, memory_bytes_max / 8]);
    limits.core.replays_bytes_max = memory_bytes_max / rng.pick(&[16, 16, 4096]);
    limits.outgoing_bytes_max = memory_bytes_max / rng.pick(&[16, 1 << 20]);
    limits.core.history_messages_max = rng.pick(&[0, 1, 3, 3, 20, 20, 20, 100]);
    limits.core.history_bytes_max = history_bytes_max;
    limits.core.replay_bytes_max = rng.pick(&[2 * 1024, 8 << 20, 8 << 20]);
    limits.core.routes_max = rng.pick(&[1, 2, 5, 100]);
    limits.core.read_bytes = rng.pick(&[16, 100, 1024, 64 * 1024]);
    limits.read_turn_bytes_max = rng.pick(&[64, 4 * 1024, 256 * 1024]);
    limits.mail_turn_bytes_max = rng.pick(&[64, 4 * 1024, 256 * 1024]);
    limits.write_bytes = write_bytes;
    // Each part costs a head: not too many of them for one socket at once.
    limits.part_bytes = rng.pick(&[100, 2048, 64 * 1024]).max(write_bytes / 64);
    limits.replies_bytes_max = rng.pick(&[3, 64, 4 * 1024]);
    limits.drain_time = Duration::from_secs(2);
    // In some worlds a queue holds what a turn brings, and not a byte more.
    let turn_bytes = turn_bytes(rng, &limits);
    if rng.percent(30) && turn_bytes <= 256 * 1024 {
        limits.core.queue_bytes_max = turn_bytes;
        limits.core.brake_bytes = limits.core.queue_bytes_max / rng.size(2, 16);
    }
    limits
}

/// What a turn brings at most: as the limits promise it, or with the runs that there are here.
fn turn_bytes(rng: &mut Rng, limits: &Limits) -> usize {
    if rng.percent(30) {
        return limits.turn_bytes_max(limits.message_bytes_max);
    }
    let run = limits.message_bytes_max + limits.core.read_bytes.min(MESSAGES_BYTES) + 1024;
    limits.mail_turn_bytes_max.max(run) + limits.read_turn_bytes_max + run
}

/// Bytes of short messages that one read finds at most, nearly always.
const MESSAGES_BYTES: usize = 4 * 1024;
