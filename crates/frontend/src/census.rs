//! Who is connected, as an operator sees it.

use broker::{ConnId, Page};

use crate::connection::{ClientRow, Connection, RoleName};
use crate::env::Env;
use crate::station::Station;
use crate::work;

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
}

impl Census {
    /// One of those in the role `from` has the role `to` from now on.
    pub(crate) fn change(&mut self, from: RoleName, to: RoleName) {
        if let Some(count) = self.of(from) {
            *count = count.checked_sub(1).expect("who goes was counted");
        }
        if let Some(count) = self.of(to) {
            *count += 1;
        }
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
    }

    /// Clients that have said who they are.
    #[must_use]
    pub fn greeted(&self) -> u64 {
        self.publishers + self.subscribers + self.clients
    }
}

impl Connection {
    /// Its role may have changed: the census is told.
    pub(crate) fn count(&mut self, env: &mut Env) {
        let role = self.role();
        if role != self.counted {
            env.census.change(self.counted, role);
            env.traffic.greeted += u64::from(self.counted == RoleName::Unknown);
            self.counted = role;
        }
    }

    /// It goes: the census has it no more.
    pub(crate) fn uncount(&mut self, env: &mut Env) {
        env.census.change(self.counted, RoleName::Unknown);
        self.counted = RoleName::Unknown;
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
