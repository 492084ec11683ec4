//! What clients do with their connections: the steps of their plans, and reading at their pace.

use crate::client::{Link, Reader, Step, Unit, Waits};
use crate::driver::Pending;
use crate::limits::MS;
use crate::net::UpEnd;
use crate::trace::Kind;
use crate::world::{Event, World};

/// Bytes that fit between a client and its station.
const UP_ROOM: usize = 8 * 1024;

/// How long a silent peer is believed to be there.
const KEEPALIVE_NS: u64 = 3_000 * MS;

impl World {
    /// Lets a client do what its plan says until it has to wait for something.
    pub(crate) fn step(&mut self, id: usize) {
        let now_ns = self.now_ns;
        let site = usize::from(self.clients[id].station);
        match self.clients[id].link {
            Link::NotYet => return self.pend(site, Pending::Connect(id)),
            Link::Open(_) => {}
            Link::ServerClosed | Link::Over | Link::ClientGone(_) | Link::Gone => return,
        }
        let client = &mut self.clients[id];
        if client.waits != Waits::Nothing {
            return;
        }
        match client.plan.pop_front() {
            None => {}
            Some(Step::Pause(pause_ns)) => self.schedule(now_ns + pause_ns, Event::Step(id)),
            Some(Step::Await(words)) => {
                client.waits = Waits::Words(words);
                self.look_for_words(id);
            }
            Some(Step::Send(unit)) => self.send(id, unit),
            Some(Step::HalfClose) => self.finish(id, UpEnd::Closed),
            Some(Step::Close) => self.leave(id, UpEnd::Closed),
            Some(Step::Reset) => self.leave(id, UpEnd::Reset),
        }
    }

    fn send(&mut self, id: usize, unit: Unit) {
        let now_ns = self.now_ns;
        let (begin, end) = self.swarm.load.lull;
        let client = &mut self.clients[id];
        // Who speaks MQTT rests by itself: what it has to acknowledge goes on.
        if unit.publishes() && client.owner.is_none() && (begin..end).contains(&now_ns) {
            client.plan.push_front(Step::Send(unit));
            let at_ns = end + self.scheduler.below(20 * MS);
            return self.schedule(at_ns, Event::Step(id));
        }
        if client.up.bytes() > UP_ROOM {
            client.plan.push_front(Step::Send(unit));
            client.waits = Waits::Room;
            return;
        }
        let network = &self.swarm.network;
        let arrivals = client.up.send(now_ns, &unit.bytes, unit.cut, network, &mut self.network);
        client.wrote(&unit);
        for at_ns in arrivals {
            self.schedule(at_ns, Event::Arrival(id));
        }
        self.schedule_step(id);
    }

    /// Something of a client has reached its station.
    pub(crate) fn arrive(&mut self, id: usize) {
        let site = usize::from(self.clients[id].station);
        self.pend(site, Pending::Readable(id));
        if matches!(self.clients[id].link, Link::ClientGone(_)) {
            self.pend(site, Pending::Writable(id)); // what does not fit fails now
        }
    }

    fn finish(&mut self, id: usize, end: UpEnd) {
        let kind = if end == UpEnd::Reset { Kind::ClientReset } else { Kind::HalfClosed };
        self.trace.note(self.now_ns, kind, id as u64, 0, &[]);
        let at_ns = self.clients[id].up.finish(self.now_ns, end, &self.swarm.network, &mut self.network);
        self.schedule(at_ns, Event::Arrival(id));
    }

    /// Closes both ways.
    pub(crate) fn leave(&mut self, id: usize, end: UpEnd) {
        let Link::Open(conn) = self.clients[id].link else { return };
        self.clients[id].link = Link::ClientGone(conn);
        self.trace.note(self.now_ns, Kind::ClientClosed, id as u64, 0, &[]);
        self.finish(id, end);
        // Who has gone for good says so when it is asked: the kernels' keep-alive.
        self.schedule(self.now_ns + KEEPALIVE_NS, Event::Gone(id));
    }

    /// The peer's kernel answers that nobody is there.
    pub(crate) fn answer_gone(&mut self, id: usize) {
        if matches!(self.clients[id].link, Link::ClientGone(_)) {
            self.finish(id, UpEnd::Reset);
        }
    }

    /// A client reads, at its own pace.
    pub(crate) fn hear(&mut self, id: usize) {
        let now_ns = self.now_ns;
        let client = &mut self.clients[id];
        client.read_due = false;
        if matches!(client.link, Link::ClientGone(_) | Link::Gone | Link::Over) {
            return;
        }
        let (bytes_max, again_ns) = match client.reader {
            Reader::Stuck { from_ns, until_ns } if (from_ns..until_ns).contains(&now_ns) => {
                (0, Some(until_ns))
            }
            Reader::Never { from_ns } if now_ns >= from_ns => (0, None),
            Reader::Slow { bytes, every_ns } => (bytes, Some(now_ns + every_ns)),
            Reader::Fast | Reader::Stuck { .. } | Reader::Never { .. } => (usize::MAX, None),
        };
        let bytes = client.down.read(now_ns, bytes_max);
        if !bytes.is_empty() {
            self.trace.note(now_ns, Kind::Heard, id as u64, bytes.len() as u64, &bytes);
            client.received.extend_from_slice(&bytes);
            if client.write_blocked {
                self.schedule_room(id);
            }
            self.look_for_words(id);
            self.hear_packets(id);
            self.hear_web(id);
        }
        let client = &mut self.clients[id];
        if client.link == Link::ServerClosed && client.down.is_over() {
            client.link = Link::Over;
            self.was_closed(id);
            self.web_was_closed(id);
        } else if let Some(at_ns) = again_ns.or_else(|| client.down.next_arrival())
            && at_ns > now_ns
        {
            client.read_due = true;
            self.schedule(at_ns, Event::Hear(id));
        }
    }

    fn look_for_words(&mut self, id: usize) {
        let client = &mut self.clients[id];
        let Waits::Words(words) = client.waits else { return };
        if client.received.windows(words.len()).any(|window| window == words) {
            client.waits = Waits::Nothing;
            self.schedule_step(id);
        }
    }
}
