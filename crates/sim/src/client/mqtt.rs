//! An MQTT client that keeps to the standard: what it wants, and what it knows of its session.
//!
//! It may have several connections, one after the other; what it has sent and not had acknowledged,
//! and what it holds of messages of QoS 2, outlives them.
//!
//! ```text
//! Away ──connects──▶ Greeting ──CONNACK──▶ Connected ──DISCONNECT──▶ Left
//!   ▲────────────────────┴──── breaks ─────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU16;

use wire::mqtt::Version;

use crate::client::mqtt_words::Kind;

/// What it is like.
#[derive(Debug, Clone)]
pub(crate) struct Wishes {
    pub(crate) version: Version,
    pub(crate) client_id: String,
    /// How long its session is to wait for it; 0: not at all.
    pub(crate) expiry_s: u32,
    pub(crate) receive_max: Option<u16>,
    pub(crate) subscribes: Option<(String, u8)>,
    /// Messages of QoS 1 and 2 that it has under way at most, whatever the server allows.
    pub(crate) window: usize,
    /// How long an acknowledgement takes it at most.
    pub(crate) ack_max_ns: u64,
    /// It pauses so long between messages, if not as long as everyone.
    pub(crate) pause_max_ns: Option<u64>,
    /// Whether it leaves a will, and how long that waits.
    pub(crate) will_delay_s: Option<u32>,
    /// Whether it goes without a word in the end.
    pub(crate) goes: Goes,
}

/// How a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goes {
    Politely,
    Rudely,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It connects then.
    Away {
        until_ns: u64,
    },
    Greeting,
    Connected,
    Left,
}

/// What it knows of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    None,
    /// It has connected, and broken before it heard anything.
    Unsure,
    Kept,
}

/// How it loses a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    Close,
    Reset,
    /// It leaves the old connection to itself, reading on.
    Forget,
    /// The same, and reads nothing of it.
    Stuck,
}

/// A message that is not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flight {
    pub(crate) id: NonZeroU16,
    pub(crate) number: usize,
    pub(crate) qos: u8,
    pub(crate) state: FlightState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlightState {
    Sent,
    /// The server has it.
    Released,
}

/// What is to be answered, when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    pub(crate) at_ns: u64,
    pub(crate) kind: Kind,
    pub(crate) id: NonZeroU16,
}

/// A delivery of QoS 1 or 2: where it stood among all that this client has got.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Got {
    pub(crate) id: NonZeroU16,
    pub(crate) place: u64,
}

#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) wishes: Wishes,
    /// Which connection is its own now.
    pub(crate) conn: usize,
    pub(crate) stage: Stage,
    /// Whether that connection is given up: what comes on it is not heard any more, also if there is
    /// no other before the end.
    pub(crate) gave_up: bool,
    pub(crate) session: Session,
    /// When it loses its connections, and how.
    pub(crate) breaks: VecDeque<(u64, Break)>,
    /// When it says goodbye.
    pub(crate) leaves_ns: Option<u64>,
    pub(crate) timer_ns: Option<u64>,
    /// The next message that it has not sent, and when it will.
    pub(crate) next: usize,
    pub(crate) send_at_ns: u64,
    pub(crate) flights: VecDeque<Flight>,
    last_id: u16,
    /// What the server allows.
    pub(crate) server_max: usize,
    pub(crate) dues: VecDeque<Due>,
    pub(crate) has_suback: bool,
    /// Messages of QoS 2 that it has and that are not released.
    pub(crate) held: BTreeSet<NonZeroU16>,
    /// What this connection has brought and it has not acknowledged.
    pub(crate) outstanding: BTreeSet<NonZeroU16>,
    /// By publisher and number.
    pub(crate) got: BTreeMap<(usize, usize), Got>,
    places: u64,
    /// How far what is sent again on this connection has come; `None` once something new came.
    pub(crate) again_at: Option<u64>,
    /// Whether it gave a connection up before it was taken on: that may take over what came later.
    pub(crate) raced: bool,
    /// Messages that were accepted when it heard its last CONNACK.
    pub(crate) taken_on_at: u64,
    /// Connections that it had before the one that it has.
    pub(crate) earlier: u64,
}

impl Person {
    pub(crate) fn new(wishes: Wishes, conn: usize) -> Self {
        Self {
            wishes,
            conn,
            stage: Stage::Greeting,
            gave_up: false,
            session: Session::None,
            breaks: VecDeque::new(),
            leaves_ns: None,
            timer_ns: None,
            next: 0,
            send_at_ns: 0,
            flights: VecDeque::new(),
            last_id: 0,
            server_max: usize::MAX,
            dues: VecDeque::new(),
            has_suback: false,
            held: BTreeSet::new(),
            outstanding: BTreeSet::new(),
            got: BTreeMap::new(),
            places: 0,
            again_at: Some(0),
            raced: false,
            taken_on_at: 0,
            earlier: 0,
        }
    }

    /// Whether its session outlives its connections.
    pub(crate) fn resumes(&self) -> bool {
        self.wishes.expiry_s > 0
    }

    /// Whether one more message may be under way.
    pub(crate) fn has_room(&self) -> bool {
        self.flights.len() < self.wishes.window.min(self.server_max)
    }

    /// A message of QoS 1 or 2 goes off.
    pub(crate) fn takes_off(&mut self, number: usize, qos: u8) -> NonZeroU16 {
        let id = loop {
            self.last_id = self.last_id % 60_000 + 1;
            let id = NonZeroU16::new(self.last_id).expect("at least 1");
            if self.flights.iter().all(|flight| flight.id != id) {
                break id;
            }
        };
        self.flights.push_back(Flight { id, number, qos, state: FlightState::Sent });
        id
    }

    /// The first message that waits for an acknowledgement of this kind: they come in order.
    pub(crate) fn first_flight(&self, kind: Kind) -> Option<usize> {
        let is_meant = |flight: &Flight| match kind {
            Kind::Ack => flight.qos == 1,
            Kind::Rec => flight.qos == 2 && flight.state == FlightState::Sent,
            Kind::Rel | Kind::Comp => flight.state == FlightState::Released,
        };
        self.flights.iter().position(is_meant)
    }

    /// A new connection: nothing that was begun on the old one goes on.
    pub(crate) fn begins_again(&mut self, conn: usize) {
        self.conn = conn;
        (self.stage, self.gave_up) = (Stage::Greeting, false);
        self.dues.clear();
        self.outstanding.clear();
        self.again_at = Some(0);
        self.earlier += 1;
    }

    /// The place of the next delivery.
    pub(crate) fn next_place(&mut self) -> u64 {
        self.places += 1;
        self.places
    }
}
