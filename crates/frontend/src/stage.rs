//! A station on a stage, for tests: pretended sockets, and a clock that only the test moves.
//!
//! It calls the station as a shard's thread does: what a connection had left over stands in
//! front of each chunk, nothing is read while the station says so, and a full socket is written
//! again only once it has room. Transcripts and the fuzz target play on it.

use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::{
    Action, Chunk, CloseReason, Event, Handover, ProtocolName, ReadEnd, RoleName, Rules, Station,
    StationConfig, WebAccess,
};
use broker::{ConnId, Gauge, Instant, Now, ShardId, WallTime};
use bytes::Bytes;
use topic::TopicName;

/// A lone shard with pretended sockets.
#[derive(Debug)]
pub struct Stage {
    /// The shard with its connections.
    pub station: Station,
    /// What every connection has received, also those that are closed.
    pub received: BTreeMap<ConnId, Vec<u8>>,
    /// What every client has sent, also those that are closed.
    pub sent: BTreeMap<ConnId, Vec<u8>>,
    /// Everything that an operator was shown.
    pub events: Vec<Event>,
    now: Now,
    rules: Rc<Rules>,
    sockets: BTreeMap<ConnId, Socket>,
}

#[derive(Debug, Default)]
struct Socket {
    /// What the peer has sent and nobody has read.
    unread: VecDeque<(Vec<u8>, ReadEnd)>,
    peer: Peer,
    blocked: bool,
}

/// Whether the peer reads.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Takes everything.
    #[default]
    Reads,
    /// Takes nothing.
    Stuck,
}

impl Stage {
    #[must_use]
    pub fn new(rules: Rules, gauge: &Gauge) -> Self {
        Self::with_access(rules, WebAccess::default(), gauge)
    }

    /// The same with pages that may ask.
    #[must_use]
    pub fn with_access(rules: Rules, access: WebAccess, gauge: &Gauge) -> Self {
        let limits = &rules.limits;
        let config = StationConfig {
            own: ShardId(0),
            shards: 1,
            limits: Arc::clone(limits),
            seed: 7,
            home_seed: 7,
            epoch: 1,
            web: Arc::new(access),
            gauge: gauge.clone(),
        };
        Self {
            station: Station::new(config),
            received: BTreeMap::new(),
            sent: BTreeMap::new(),
            events: Vec::new(),
            now: Now { mono: Instant(1), wall: WallTime(1_795_348_800_000) },
            rules: Rc::new(rules),
            sockets: BTreeMap::new(),
        }
    }

    /// A client connects.
    ///
    /// # Panics
    /// If its slot is over 25,000: it has a port after that.
    pub fn connect(&mut self, conn: ConnId) {
        let port = 40_000 + u16::try_from(conn.slot).expect("a handful of connections");
        self.sockets.insert(conn, Socket::default());
        self.received.insert(conn, Vec::new());
        let handover = Handover::accepted(([127, 0, 0, 1], port).into(), self.now.mono);
        self.station.adopt(self.now, conn, handover, &self.rules);
        self.turn();
    }

    /// A client sends, or closes.
    pub fn send(&mut self, conn: ConnId, bytes: &[u8], read_end: ReadEnd) {
        if let Some(socket) = self.sockets.get_mut(&conn) {
            socket.unread.push_back((bytes.to_vec(), read_end));
            self.sent.entry(conn).or_default().extend(bytes);
        }
        self.turn();
    }

    /// A client begins or stops to read.
    pub fn set_peer(&mut self, conn: ConnId, peer: Peer) {
        if let Some(socket) = self.sockets.get_mut(&conn) {
            socket.peer = peer;
            if peer == Peer::Reads && std::mem::take(&mut socket.blocked) {
                self.write(conn);
            }
        }
        self.turn();
    }

    /// Time passes, with everything done when it is due.
    ///
    /// # Panics
    /// If it is many millions of years.
    pub fn pass(&mut self, span: Duration) {
        let end = self.now.mono.after(span);
        loop {
            let due = self.station.poll_timeout().filter(|at| *at <= end);
            let next = due.unwrap_or(end).max(self.now.mono);
            let passed = next.since(self.now.mono);
            self.now.mono = next;
            self.now.wall.0 += u64::try_from(passed.as_millis()).expect("short spans");
            self.turn();
            if due.is_none() {
                return;
            }
        }
    }

    /// What the control side would get is shown in place of an answer, and the socket closed.
    fn serve(&mut self, conn: ConnId) {
        let Some(released) = self.station.release(self.now, conn) else { return };
        self.sockets.remove(&conn);
        let received = self.received.entry(conn).or_default();
        received.extend_from_slice(b"(elsewhere) ");
        received.extend_from_slice(&released.bytes);
    }

    /// Whether the socket is still open.
    #[must_use]
    pub fn is_open(&self, conn: ConnId) -> bool {
        self.sockets.contains_key(&conn)
    }

    /// Whether the station takes it for a subscriber.
    #[must_use]
    pub fn is_subscriber(&self, conn: ConnId) -> bool {
        let rows = self.station.clients(usize::MAX);
        rows.iter().any(|row| row.id.conn == conn && row.role == RoleName::Subscriber)
    }

    /// The socket breaks.
    pub fn close(&mut self, conn: ConnId) {
        if self.sockets.remove(&conn).is_some() {
            self.station.remove(self.now, conn, CloseReason::Gone);
        }
    }

    /// The broker tells of itself.
    ///
    /// # Panics
    /// If that is no topic.
    pub fn tell(&mut self, topic: &str, text: &str) {
        let topic = TopicName::parse(topic).expect("a topic");
        self.station.tell(self.now, &topic, Bytes::copy_from_slice(text.as_bytes()));
        self.turn();
    }

    /// The server shuts down: everyone gets what is queued, then the last line.
    pub fn drain(&mut self) {
        self.station.drain(self.now);
        self.turn();
    }

    fn turn(&mut self) {
        let mut to_read: Vec<ConnId> = self.sockets.keys().copied().collect();
        loop {
            for conn in to_read.drain(..) {
                self.read(conn);
            }
            let sockets = &self.sockets;
            let unread = |conn| sockets.get(&conn).is_some_and(|socket| !socket.unread.is_empty());
            self.station.timeout(self.now, u64::MAX, unread);
            while self.station.has_work() {
                self.station.step(self.now);
            }
            while let Some(conn) = self.station.poll_write() {
                self.write(conn);
            }
            while let Some(action) = self.station.poll_action() {
                match action {
                    Action::Read(conn) => to_read.push(conn),
                    Action::Again(conn) => {
                        if let Some(socket) = self.sockets.get_mut(&conn) {
                            socket.unread.push_front((Vec::new(), ReadEnd::Drained));
                        }
                        to_read.push(conn);
                    }
                    Action::Watch(_) => {}
                    Action::Serve(conn) => self.serve(conn),
                    Action::Mail { .. } | Action::Offer(_) => panic!("a lone shard has no others"),
                }
            }
            to_read.retain(|conn| self.sockets.get(conn).is_some_and(|socket| !socket.unread.is_empty()));
            self.station.end_turn();
            self.station.end_round();
            self.events.extend(self.station.take_events());
            self.check_census();
            if to_read.is_empty() && !self.station.has_work() {
                return;
            }
        }
    }

    fn read(&mut self, conn: ConnId) {
        while self.station.may_read(conn) {
            let Some(socket) = self.sockets.get_mut(&conn) else { return };
            let Some((sent, read_end)) = socket.unread.pop_front() else { return };
            let bytes = [self.station.take_carry(conn), sent].concat();
            let pinned_bytes = bytes.len();
            let chunk = Chunk { bytes: Bytes::from(bytes), pinned_bytes };
            self.station.receive(self.now, conn, chunk, read_end);
            self.check_carry(conn);
        }
    }

    fn write(&mut self, conn: ConnId) {
        let Some(socket) = self.sockets.get_mut(&conn) else { return };
        while !socket.blocked
            && let Some(out) = self.station.fill(self.now, conn)
        {
            if out.is_empty() {
                break;
            }
            if socket.peer == Peer::Stuck {
                socket.blocked = true;
                break;
            }
            let mut slices = [IoSlice::new(&[]); 3];
            let filled = out.slices(&mut slices);
            let bytes: Vec<u8> = slices.iter().take(filled).flat_map(|s| s.iter().copied()).collect();
            out.advance(bytes.len());
            self.received.entry(conn).or_default().extend(bytes);
        }
        self.station.wrote(conn);
        if self.station.is_over(conn) {
            self.close(conn);
        }
    }

    /// Whoever is there is counted for what they are.
    fn check_census(&self) {
        let rows = self.station.clients(usize::MAX);
        let count = |role| rows.iter().filter(|row| row.role == role).count() as u64;
        let census = self.station.census();
        let counted = [census.publishers, census.subscribers, census.clients, census.others];
        let roles = [RoleName::Publisher, RoleName::Subscriber, RoleName::Client, RoleName::Unknown];
        assert_eq!(counted, roles.map(count), "{roles:?}");
    }

    /// What is left over is bounded, whatever a peer sends.
    fn check_carry(&mut self, conn: ConnId) {
        let carry = self.station.carry(conn).len();
        if carry <= WORD_BYTES_MAX {
            return;
        }
        let rows = self.station.clients(usize::MAX);
        let row = rows.iter().find(|row| row.id.conn == conn).expect("who has a carry has a row");
        let limits = &self.rules.limits;
        let bytes_max = match row.role {
            // Requests that are said ahead of a long answer, and one read.
            _ if matches!(row.protocol, ProtocolName::Http | ProtocolName::WebSocket) => AHEAD_BYTES_MAX,
            // A hello, or a CONNECT that is on its way.
            RoleName::Unknown => limits.hello_bytes_max.max(limits.connect_bytes_max),
            // And the CR of a line end that has come half.
            RoleName::Publisher | RoleName::Client => limits.message_bytes_max + 1,
            RoleName::Subscriber => WORD_BYTES_MAX,
        };
        assert!(carry <= bytes_max, "{carry} bytes left over as {:?}", row.role);
    }
}

/// What a client of the web may have said ahead, here.
const AHEAD_BYTES_MAX: usize = 32 * 1024;
/// What a subscriber may have left over: the beginning of `terminate`, with blanks.
const WORD_BYTES_MAX: usize = 64;
