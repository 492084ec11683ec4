//! What clients do: a plan each, drawn before the world begins.
//!
//! A plan says what a client writes and what that means; what comes of it is the world's
//! business, whether it was right is the checkers'.

mod greeting;
pub(crate) mod mqtt;
mod mqtt_draw;
mod mqtt_stranger;
pub(crate) mod mqtt_words;
mod publisher;
mod stranger;
mod subscriber;
pub(crate) mod words;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use broker::ConnId;
use frontend::ReadEnd;

use crate::check::patience::STANDSTILL_NS;
use crate::limits::{MS, Swarm};
use crate::net::{Cut, Down, Up};
use crate::record::Record;
use crate::rng::Rng;

/// What MQTT begins with.
const CONNECT: u8 = 0x10;

/// A client with its connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts; every combination occurs")]
pub(crate) struct Client {
    pub(crate) station: u8,
    pub(crate) addr: SocketAddr,
    pub(crate) role: Role,
    pub(crate) begins_ns: u64,
    pub(crate) connected_ns: u64,
    pub(crate) plan: VecDeque<Step>,
    pub(crate) reader: Reader,
    pub(crate) link: Link,
    pub(crate) up: Up,
    pub(crate) down: Down,
    pub(crate) waits: Waits,
    /// Whether a read of what came down is under way.
    pub(crate) read_due: bool,
    /// Whether its station waits for room in `down`.
    pub(crate) write_blocked: bool,
    pub(crate) received: Vec<u8>,
    written: u64,
    handed: u64,
    /// What its station was handed lately, and when.
    lately: VecDeque<(u64, usize)>,
    /// What it said, by the offset where it was said, until the station was handed that.
    said: VecDeque<(u64, Meaning, SaidBy)>,
    /// Whether its station takes nothing any more: it said its last word.
    done: bool,
    /// Whose connection it is, if that has several one after the other.
    pub(crate) owner: Option<usize>,
    /// Which client of the web it is a connection of.
    pub(crate) web: Option<usize>,
    /// Whether its station wants to be handed what it has left over.
    pub(crate) again: bool,
    /// Whether it begins as MQTT does.
    pub(crate) begins_as_mqtt: bool,
    /// Messages that its station says it did not get.
    pub(crate) lost: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Publisher,
    Subscriber,
    Stranger,
    /// One connection of a client that speaks MQTT.
    Mqtt,
    /// One connection of a client of the web.
    Web,
}

/// Where the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    NotYet,
    Open(ConnId),
    /// The station has closed it; bytes may still come down.
    ServerClosed,
    /// The client has closed it, the station does not know yet.
    ClientGone(ConnId),
    /// The client has seen that its station closed it.
    Over,
    Gone,
}

/// What a client's next step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    Nothing,
    /// Room to write into.
    Room,
    /// These bytes.
    Words(&'static [u8]),
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Send(Unit),
    Pause(u64),
    Await(&'static [u8]),
    HalfClose,
    Close,
    Reset,
}

/// Bytes written at once and what they mean.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub(crate) bytes: Vec<u8>,
    /// What is said, each with the number of bytes that say it.
    pub(crate) meanings: Vec<(usize, Meaning)>,
    pub(crate) cut: Cut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A whole hello.
    Hello,
    /// The publisher's message with this number.
    Message(usize),
    /// Nothing behind it counts.
    LastWord,
}

/// How a client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    Fast,
    Slow { bytes: usize, every_ns: u64 },
    Stuck { from_ns: u64, until_ns: u64 },
    Never { from_ns: u64 },
}

/// What makes a message whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SaidBy {
    Newline,
    EndOfRead,
    /// It says itself how long it is.
    Length,
}

impl Unit {
    /// Sends bytes that say something as a whole.
    pub(crate) fn send(bytes: Vec<u8>, meanings: Vec<Meaning>, cut: Cut) -> Step {
        let meanings = meanings.into_iter().map(|meaning| (bytes.len(), meaning)).collect();
        Step::Send(Self { bytes, meanings, cut })
    }

    pub(crate) fn publishes(&self) -> bool {
        self.meanings.iter().any(|(_, meaning)| matches!(meaning, Meaning::Message(_)))
    }
}

impl Client {
    pub(crate) fn new(
        role: Role,
        station: u8,
        addr: SocketAddr,
        begins_ns: u64,
        reader: Reader,
        capacity: usize,
    ) -> Self {
        Self {
            station,
            addr,
            role,
            begins_ns,
            connected_ns: 0,
            plan: VecDeque::new(),
            reader,
            link: Link::NotYet,
            up: Up::default(),
            down: Down::new(capacity),
            waits: Waits::Nothing,
            read_due: false,
            write_blocked: false,
            received: Vec::new(),
            written: 0,
            handed: 0,
            lately: VecDeque::new(),
            said: VecDeque::new(),
            done: false,
            owner: None,
            web: None,
            again: false,
            begins_as_mqtt: false,
            lost: 0,
        }
    }

    /// Notes what a unit says once its bytes have been handed over.
    pub(crate) fn wrote(&mut self, unit: &Unit) {
        for (end, meaning) in &unit.meanings {
            let newline = unit.bytes.get(..*end).is_some_and(|said| said.ends_with(b"\n"));
            let by = match self.role {
                Role::Mqtt | Role::Web => SaidBy::Length,
                _ if newline => SaidBy::Newline,
                _ => SaidBy::EndOfRead,
            };
            self.said.push_back((self.written + *end as u64, *meaning, by));
        }
        self.begins_as_mqtt |= self.written == 0 && unit.bytes.first() == Some(&CONNECT);
        self.written += unit.bytes.len() as u64;
    }

    /// The station was handed `bytes` more. Returns what it has been told with them.
    pub(crate) fn was_handed(&mut self, now_ns: u64, bytes: usize, end: ReadEnd) -> Vec<Meaning> {
        self.handed += bytes as u64;
        self.note_handed(now_ns, bytes);
        self.says(self.handed, end)
    }

    /// The same for MQTT: its station has left `carry` bytes over.
    pub(crate) fn was_taken(&mut self, carry: usize) -> Vec<Meaning> {
        self.says(self.handed - carry as u64, ReadEnd::More)
    }

    /// The same for the web: its station has accepted so many messages more. What it has been told with
    /// them, and how many of them it was not told of.
    pub(crate) fn was_accepted(&mut self, mut count: u64) -> (Vec<Meaning>, u64) {
        let mut told = Vec::new();
        while let Some((at, meaning, _)) = self.said.front().copied() {
            let is_message = matches!(meaning, Meaning::Message(_));
            if at > self.handed || self.done || (is_message && count == 0) {
                break;
            }
            self.said.pop_front();
            count -= u64::from(is_message);
            self.done |= meaning == Meaning::LastWord;
            told.push(meaning);
        }
        (told, count)
    }

    /// Messages that its station was handed whole, and has not accepted.
    pub(crate) fn unaccepted(&self) -> usize {
        let said = self.said.iter().filter(|_| !self.done).take_while(|(at, ..)| *at <= self.handed);
        said.filter(|(_, meaning, _)| matches!(meaning, Meaning::Message(_))).count()
    }

    /// Messages that the next call of [`Client::was_taken`] or [`Client::was_accepted`] may tell of.
    pub(crate) fn messages_handed(&mut self, now_ns: u64, bytes: usize) -> usize {
        self.handed += bytes as u64;
        self.note_handed(now_ns, bytes);
        self.unaccepted()
    }

    fn note_handed(&mut self, now_ns: u64, bytes: usize) {
        while self.lately.pop_front_if(|(at_ns, _)| *at_ns + STANDSTILL_NS <= now_ns).is_some() {}
        self.lately.push_back((now_ns, bytes));
    }

    fn says(&mut self, handed: u64, end: ReadEnd) -> Vec<Meaning> {
        let ended = end != ReadEnd::More;
        let mut told = Vec::new();
        while let Some((at, meaning, by)) = self.said.front().copied() {
            if at > handed || self.done || (by == SaidBy::EndOfRead && !ended) {
                break;
            }
            self.said.pop_front();
            self.done |= meaning == Meaning::LastWord;
            told.push(meaning);
        }
        told
    }

    /// What its station was handed within the time in which a message must get on.
    pub(crate) fn lately_handed(&self, now_ns: u64) -> usize {
        let lately = self.lately.iter().filter(|(at_ns, _)| *at_ns + STANDSTILL_NS > now_ns);
        lately.map(|(_, bytes)| bytes).sum()
    }

    /// Whether it has said its last word and its station knows.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    pub(crate) fn conn(&self) -> Option<ConnId> {
        match self.link {
            Link::Open(conn) | Link::ClientGone(conn) => Some(conn),
            Link::NotYet | Link::ServerClosed | Link::Over | Link::Gone => None,
        }
    }
}

/// Draws all clients of a seed and what the checkers must know of them.
pub(crate) fn draw_all(
    rng: &mut Rng,
    swarm: &Swarm,
    record: &mut Record,
    persons: &mut BTreeMap<usize, mqtt::Person>,
) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..swarm.load.publishers {
        let (client, publisher) = publisher::draw(rng, swarm, clients.len());
        record.publishers.insert(clients.len(), publisher);
        clients.push(client);
    }
    for _ in 0..swarm.load.subscribers {
        let (client, subscriber) = subscriber::draw(rng, swarm, clients.len());
        record.subscribers.insert(clients.len(), subscriber);
        clients.push(client);
    }
    for _ in 0..swarm.load.strangers {
        let (client, stranger) = stranger::draw(rng, swarm, clients.len());
        record.strangers.insert(clients.len(), stranger);
        clients.push(client);
    }
    for _ in 0..swarm.load.mqtt {
        clients.push(mqtt_draw::draw(rng, swarm, record, persons, clients.len()));
    }
    for _ in 0..swarm.load.keepers {
        clients.push(mqtt_draw::draw_keeper(rng, swarm, record, persons, clients.len()));
    }
    for _ in 0..swarm.load.auditors {
        clients.push(mqtt_draw::draw_auditor(rng, swarm, record, persons, clients.len()));
    }
    if swarm.load.members > 0 {
        record.group = Some(mqtt_draw::draw_group(rng));
    }
    for _ in 0..swarm.load.members {
        clients.push(mqtt_draw::draw_member(rng, swarm, record, persons, clients.len()));
    }
    for _ in 0..swarm.load.broken {
        let (client, stranger) = mqtt_stranger::draw(rng, swarm, clients.len());
        record.strangers.insert(clients.len(), stranger);
        clients.push(client);
    }
    for _ in 0..swarm.load.attackers {
        let (client, stranger) = stranger::draw_attacker(rng, swarm, clients.len());
        record.strangers.insert(clients.len(), stranger);
        clients.push(client);
    }
    for _ in 0..swarm.load.passers {
        let (client, publisher) = publisher::draw_passer(rng, swarm, clients.len());
        record.publishers.insert(clients.len(), publisher);
        clients.push(client);
    }
    clients
}

/// Draws a few clients that come while the server drains; `first` is the number of the first.
pub(crate) fn draw_latecomers(
    rng: &mut Rng,
    swarm: &Swarm,
    record: &mut Record,
    first: usize,
    from_ns: u64,
) -> Vec<Client> {
    let mut latecomers = Vec::new();
    for id in first..first + rng.size(0, 3) {
        let (client, stranger) = stranger::draw_late(rng, swarm, id, from_ns);
        record.strangers.insert(id, stranger);
        latecomers.push(client);
    }
    latecomers
}

fn draw_addr(rng: &mut Rng, id: usize) -> SocketAddr {
    let port = u16::try_from(20_000 + id).expect("few clients");
    if rng.percent(20) { ([0, 0, 0, 0, 0, 0, 0, 1], port).into() } else { ([127, 0, 0, 1], port).into() }
}

fn draw_station(rng: &mut Rng, swarm: &Swarm) -> u8 {
    u8::try_from(rng.below(u64::from(swarm.stations))).expect("below the number of stations")
}

/// A time before the lull or in the time around it.
fn draw_begin(rng: &mut Rng, swarm: &Swarm) -> u64 {
    rng.below(swarm.load.lull.1 + 200 * MS)
}
