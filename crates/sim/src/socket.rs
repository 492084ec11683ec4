//! Reads and writes of one connection, between pipe and station.

use std::io::IoSlice;

use broker::ConnId;
use bytes::Bytes;
use frontend::{Chunk, ReadEnd};

use crate::check::bounds;
use crate::client::{Link, Meaning, Role, Waits};
use crate::driver::Pending;
use crate::net::Read;
use crate::record::{Accepted, Mark};
use crate::trace::Kind;
use crate::world::{Event, World};

impl World {
    /// Reads as much as a turn allows.
    pub(crate) fn read(&mut self, site: usize, id: usize) {
        loop {
            let Some(conn) = self.clients[id].conn() else { return };
            if !self.sites[site].station.may_read(conn) {
                return; // the station names it when it may be read again
            }
            if self.sites[site].read_left == 0 {
                return self.pend(site, Pending::Readable(id));
            }
            if std::mem::take(&mut self.clients[id].again) {
                self.hand_over(site, id, conn, &[], ReadEnd::Drained);
                if self.moving.contains_key(&id) {
                    return;
                }
                continue;
            }
            let limits = &self.swarm.limits;
            let bytes_max = match self.sites[site].station.reads_little(conn) {
                true => limits.core.read_bytes.min(limits.unfinished_bytes_free),
                false => limits.core.read_bytes,
            };
            let (bytes, end) = match self.clients[id].up.read(self.now_ns, bytes_max, &mut self.network) {
                Read::Nothing => return,
                Read::Reset => {
                    self.trace.note(self.now_ns, Kind::ReadReset, id as u64, 0, &[]);
                    return self.remove(id, conn);
                }
                Read::Bytes(bytes, end) => (bytes, end),
            };
            self.hand_over(site, id, conn, &bytes, end);
            if self.moving.contains_key(&id) {
                return;
            }
            if end != ReadEnd::More {
                if end == ReadEnd::Drained && self.clients[id].up.has_arrived(self.now_ns) {
                    self.pend(site, Pending::Readable(id));
                }
                return;
            }
        }
    }

    fn hand_over(&mut self, site: usize, id: usize, conn: ConnId, bytes: &[u8], end: ReadEnd) {
        let now = self.now();
        let kind = match end {
            ReadEnd::More => Kind::ReadMore,
            ReadEnd::Drained => Kind::Read,
            ReadEnd::Closed => Kind::ReadClosed,
        };
        self.trace.note(self.now_ns, kind, id as u64, bytes.len() as u64, bytes);
        let place = &mut self.sites[site];
        let chunk = [place.station.take_carry(conn).as_slice(), bytes].concat();
        let room = if self.swarm.roomy_buffers { self.swarm.limits.core.read_bytes.min(2048) } else { 0 };
        let pinned_bytes = chunk.len().max(room);
        let chunk = Chunk { bytes: Bytes::from(chunk), pinned_bytes };
        let client = &mut self.clients[id];
        let role = client.role;
        let mut told = Vec::new();
        let messages = if matches!(role, Role::Mqtt | Role::Web) {
            client.messages_handed(self.now_ns, bytes.len())
        } else {
            told = client.was_handed(self.now_ns, bytes.len(), end);
            told.iter().filter(|told| matches!(told, Meaning::Message(_))).count()
        };
        // Of the web a message may have been put together of reads before this one.
        let together =
            if role == Role::Web && messages > 0 { self.swarm.limits.message_bytes_max } else { 0 };
        self.largest.saw(pinned_bytes + together, messages);
        let mut run_bytes = bounds::run_bytes(pinned_bytes, messages);
        if matches!(role, Role::Mqtt | Role::Web) {
            run_bytes = bounds::runs_bytes(pinned_bytes + together, messages);
            self.largest.saw_read(run_bytes);
        }
        place.brought += if messages > 0 { run_bytes } else { 0 };
        let accepted = place.station.shard().stats().accepted;
        let cost = place.station.receive(now, conn, chunk, end);
        place.read_left = place.read_left.saturating_sub(cost);
        let accepted = place.station.shard().stats().accepted - accepted;
        match role {
            Role::Mqtt => told = self.clients[id].was_taken(self.sites[site].station.carry(conn).len()),
            Role::Web => told = self.web_accepted(id, accepted),
            Role::Publisher | Role::Subscriber | Role::Stranger => {}
        }
        self.note_begun(site, id);
        self.check_work(site, "a chunk");
        for meaning in self.act(site, told) {
            self.told(id, meaning, run_bytes);
        }
        self.look_at_unaccepted(site, id, conn);
        if self.clients[id].waits == Waits::Room {
            self.clients[id].waits = Waits::Nothing;
            self.schedule_step(id);
        }
    }

    /// Notes that a station has taken up a subscription.
    pub(crate) fn note_begun(&mut self, site: usize, id: usize) {
        let mark = self.mark();
        let Some(subscriber) = self.record.subscribers.get_mut(&id) else { return };
        let conn = self.clients[id].conn().filter(|_| subscriber.began.is_none());
        if conn.is_some_and(|conn| self.sites[site].station.queue_state(conn).is_some()) {
            subscriber.began = Some(mark);
        }
    }

    /// This point in the story.
    pub(crate) fn mark(&self) -> Mark {
        Mark { index: self.accepted_ns.len() as u64, wall_ms: self.now().wall.0 }
    }

    /// The station was told something whole: from here on the record holds it.
    pub(crate) fn told(&mut self, id: usize, meaning: Meaning, run_bytes: usize) {
        let mark = self.mark();
        match meaning {
            Meaning::Message(number) => {
                let station = self.clients[id].station;
                let id = self.clients[id].owner.unwrap_or(id);
                self.trace.note(self.now_ns, Kind::Accepted, id as u64, number as u64, &[]);
                let publisher = self.record.publishers.get_mut(&id).expect("publishers have messages");
                let message = &mut publisher.messages[number];
                if message.accepted.is_some() {
                    // At QoS 2 its station knows it.
                    message.again += u64::from(message.qos < 2);
                    return;
                }
                message.accepted = Some(Accepted {
                    index: mark.index,
                    at_ns: self.now_ns,
                    wall_ms: mark.wall_ms,
                    station,
                    run_bytes,
                });
                self.accepted_ns.push(self.now_ns);
            }
            Meaning::Hello => {
                self.web_asked(id);
                let owner = self.clients[id].owner.unwrap_or(id);
                if let Some(subscriber) = self.record.subscribers.get_mut(&id) {
                    subscriber.asked = Some(mark);
                } else if let Some(client) = self.record.mqtt.get_mut(&owner) {
                    client.asked.get_or_insert(mark);
                } else if let Some(stranger) = self.record.strangers.get_mut(&id) {
                    stranger.asked_topic_ns = Some(self.now_ns);
                }
            }
            Meaning::LastWord => {}
        }
    }

    /// Fills and writes until the socket is full or nothing waits; closes what is over.
    pub(crate) fn write(&mut self, site: usize, id: usize) {
        let now = self.now();
        let Some(conn) = self.clients[id].conn() else { return };
        if self.moving.contains_key(&id) {
            return;
        }
        while self.sites[site].station.fill(now, conn).is_some() {
            self.check_work(site, "a delivery");
            // The same bytes again: nothing was written meanwhile.
            let Some(out) = self.sites[site].station.fill(now, conn) else { break };
            let is_mqtt = self.clients[id].begins_as_mqtt;
            let whole = if is_mqtt { 2 * self.swarm.limits.message_bytes_max } else { 0 };
            bounds::check_outgoing(
                out.bytes(),
                whole,
                &self.largest,
                &self.swarm.limits,
                &mut self.violations,
            );
            if out.is_empty() {
                break;
            }
            let mut slices = [IoSlice::new(&[]); 4];
            let filled = out.slices(&mut slices);
            let mut bytes: Vec<u8> =
                slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect();
            let client = &mut self.clients[id];
            let listens = client.link == Link::Open(conn);
            if !listens && self.network.percent(30) {
                return self.remove(id, conn); // the peer has reset the connection
            }
            let room = if listens { client.down.room() } else { usize::MAX };
            bytes.truncate(room);
            let cuts = bytes.len() > 1 && !client.down.is_bottomless();
            let short = cuts && self.network.percent(self.swarm.network.short_write_percent);
            if short {
                bytes.truncate(self.network.size(1, bytes.len() - 1));
            }
            let full = bytes.len() < out.bytes() && (short || bytes.len() == room);
            out.advance(bytes.len());
            if !bytes.is_empty() {
                self.trace.note(self.now_ns, Kind::Write, id as u64, bytes.len() as u64, &bytes);
                if listens {
                    let network = &self.swarm.network;
                    let at_ns = client.down.write(self.now_ns, &bytes, network, &mut self.network);
                    if !std::mem::replace(&mut client.read_due, true) {
                        self.schedule(at_ns, Event::Hear(id));
                    }
                }
            }
            if full {
                self.clients[id].write_blocked = true;
                if short {
                    self.schedule_room(id);
                }
                break;
            }
        }
        self.sites[site].station.wrote(conn);
        self.note_lost(site, id, conn);
        self.note_events(site);
        if self.sites[site].station.is_over(conn) {
            self.remove(id, conn);
        }
    }
}
