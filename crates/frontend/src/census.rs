//! Who is connected, as an operator sees it.

use std::net::SocketAddr;

use broker::{ConnId, Instant, Origin, Page};

use crate::connection::{Connection, Protocol};
use crate::env::Env;
use crate::link::Link;
use crate::station::Station;
use crate::work;

/// Publisher, subscriber or not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleName {
    /// Has not said anything yet, or ends.
    Unknown,
    Publisher,
    Subscriber,
    /// May do both.
    Client,
}

/// What a connection speaks, as far as anyone knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolName {
    /// Its first bytes have not decided, or it ends.
    Unknown,
    Text,
    Mqtt,
    Http,
    /// Whatever is in its frames.
    WebSocket,
}

/// A connection as an operator sees it.
#[derive(Debug, Clone)]
pub struct ClientRow {
    pub id: Origin,
    pub addr: SocketAddr,
    /// When it was accepted.
    pub since: Instant,
    pub name: Option<Box<str>>,
    pub role: RoleName,
    pub protocol: ProtocolName,
    /// The topic it publishes to or the filter it hears.
    pub topic: String,
    /// Bytes that wait for it.
    pub queued_bytes: usize,
}

/// How many connections of each kind there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Said that they publish.
    pub publishers: u64,
    /// Said that they subscribe.
    pub subscribers: u64,
    /// Connected by MQTT: may do both.
    pub clients: u64,
    /// Have not said anything yet, or are ending.
    pub others: u64,
    /// Sessions of MQTT clients that are not connected.
    pub absent: u64,
    /// All whose first bytes have decided, by what they speak.
    pub by_protocol: ByProtocol,
}

/// Connections by what they speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByProtocol {
    pub text: u64,
    pub mqtt: u64,
    pub http: u64,
    pub websocket: u64,
}

/// As what a connection is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    role: RoleName,
    protocol: ProtocolName,
}

impl Counted {
    /// One that has not said anything.
    pub(crate) const NOTHING: Self = Self { role: RoleName::Unknown, protocol: ProtocolName::Unknown };
}

impl Census {
    /// One of those that were `from` is `to` from now on.
    pub(crate) fn change(&mut self, from: Counted, to: Counted) {
        let less = |count: &mut u64| *count = count.checked_sub(1).expect("who goes was counted");
        let more = |count: &mut u64| *count += 1;
        self.of(from.role).map(less);
        self.by_protocol.of(from.protocol).map(less);
        self.of(to.role).map(more);
        self.by_protocol.of(to.protocol).map(more);
    }

    /// How many there are in a role; those without one are all the others.
    fn of(&mut self, role: RoleName) -> Option<&mut u64> {
        match role {
            RoleName::Publisher => Some(&mut self.publishers),
            RoleName::Subscriber => Some(&mut self.subscribers),
            RoleName::Client => Some(&mut self.clients),
            RoleName::Unknown => None,
        }
    }

    /// Adds another station's.
    pub fn add(&mut self, other: &Self) {
        self.publishers += other.publishers;
        self.subscribers += other.subscribers;
        self.clients += other.clients;
        self.others += other.others;
        self.absent += other.absent;
        self.by_protocol.add(&other.by_protocol);
    }

    /// Clients that have said who they are.
    #[must_use]
    pub fn greeted(&self) -> u64 {
        self.publishers + self.subscribers + self.clients
    }
}

impl ByProtocol {
    /// How many speak it; those of whom nobody knows are all the others.
    fn of(&mut self, protocol: ProtocolName) -> Option<&mut u64> {
        match protocol {
            ProtocolName::Text => Some(&mut self.text),
            ProtocolName::Mqtt => Some(&mut self.mqtt),
            ProtocolName::Http => Some(&mut self.http),
            ProtocolName::WebSocket => Some(&mut self.websocket),
            ProtocolName::Unknown => None,
        }
    }

    fn add(&mut self, other: &Self) {
        self.text += other.text;
        self.mqtt += other.mqtt;
        self.http += other.http;
        self.websocket += other.websocket;
    }

    /// All of them.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.text + self.mqtt + self.http + self.websocket
    }
}

impl Connection {
    /// The row that an operator sees; the station adds what the core knows.
    pub(crate) fn row(&self) -> ClientRow {
        let (name, topic) = match &self.protocol {
            Protocol::Text(text) if !self.link.ending => text.name_and_topic(),
            Protocol::Mqtt(mqtt) if !self.link.ending => (mqtt.client_id(), String::new()),
            Protocol::Http(http) if !self.link.ending => (None, http.topic()),
            Protocol::WebSocket(socket) if !self.link.ending => socket.name_and_topic(),
            _ => (None, String::new()),
        };
        let Link { id, addr, since, ref out, .. } = self.link;
        let (role, protocol) = (self.role(), self.speaks());
        ClientRow { id, addr, since, name, role, protocol, topic, queued_bytes: out.bytes() }
    }

    /// What it is may have changed: the census is told.
    pub(crate) fn count(&mut self, env: &mut Env) {
        let (before, now) = (self.counted, self.counts_as());
        if now != before {
            env.census.change(before, now);
            let is_greeted = before.role == RoleName::Unknown && now.role != RoleName::Unknown;
            env.traffic.greeted += u64::from(is_greeted);
            self.counted = now;
        }
    }

    /// It goes: the census has it no more.
    pub(crate) fn uncount(&mut self, env: &mut Env) {
        env.census.change(self.counted, Counted::NOTHING);
        self.counted = Counted::NOTHING;
    }

    /// What it is now.
    pub(crate) fn counts_as(&self) -> Counted {
        Counted { role: self.role(), protocol: self.speaks() }
    }
}

impl Station {
    /// All connections as an operator sees them, at most `rows_max`.
    #[must_use]
    pub fn clients(&self, rows_max: usize) -> Vec<ClientRow> {
        let connections = self.connections.iter().take(rows_max);
        connections.map(|(conn, connection)| self.row(conn, connection)).collect()
    }

    /// Connections from a slot on, from looking at so many slots at most; more stand behind a slot.
    #[must_use]
    pub fn clients_from(&self, from: u32, looked_max: u32) -> Page<ClientRow, u32> {
        let end = from.saturating_add(looked_max);
        let mut page = Page { rows: Vec::new(), more_behind: None, work: work::CHUNK };
        for (conn, connection) in self.connections.in_slots(from, end) {
            page.work += work::ROW;
            page.rows.push(self.row(conn, connection));
        }
        page.more_behind = (end < self.connections.slots()).then(|| end - 1);
        page
    }

    /// Whether a connection is there and not about to end.
    #[must_use]
    pub fn is_there(&self, conn: ConnId) -> bool {
        self.connections.get(conn).is_some_and(|connection| !connection.link.ending)
    }

    fn row(&self, conn: ConnId, connection: &Connection) -> ClientRow {
        let row = connection.row();
        ClientRow { queued_bytes: row.queued_bytes + self.queue_bytes(conn), ..row }
    }

    /// How many connections of each kind there are.
    #[must_use]
    pub fn census(&self) -> Census {
        let census = self.env.census;
        let (all, sessions) = (self.connections.len() as u64, self.env.mqtt.len() as u64);
        Census {
            others: all.saturating_sub(census.greeted()),
            absent: sessions.saturating_sub(census.clients),
            ..census
        }
    }
}
