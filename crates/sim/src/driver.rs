//! What drives one station: the same turns as the real driver takes, on pipes instead of sockets.
//!
//! A turn takes some of what is pending, then hands out mail, writes, and names what may be
//! read again. The contract between driver and station is kept to the letter here, so that a
//! broken promise of the station shows as bytes that never move.

use std::collections::{BTreeSet, VecDeque};

use broker::{ConnId, Mail, ShardId, Slab};
use frontend::{CloseReason, Handover, Limits, RoleName, Station, Waits};

use crate::check::memory::{self, Held};
use crate::check::{Violation, bounds};
use crate::client::{Link, Role};
use crate::limits::MS;
use crate::record::{Replay, Stay, StrangerRecord, SubscriberRecord};
use crate::trace::Kind;
use crate::web::WebClient;
use crate::world::{Event, World};

/// What a topic of history costs besides its runs, at most.
const TOPIC_BYTES_MAX: usize = 512;

/// A station with its driver.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) station: Station,
    pub(crate) timer_ns: Option<u64>,
    /// Which client each connection is.
    pub(crate) sockets: Slab<ConnId, usize>,
    pending: Vec<Pending>,
    turn_due: bool,
    /// What it may still read in this turn, and the cost of the mail that it took.
    pub(crate) read_left: usize,
    mail_taken: usize,
    /// What that adds to a queue at most.
    pub(crate) brought: usize,
    /// The most that a turn brought, and that its history came to.
    brought_max: usize,
    history_max: usize,
    /// What its turns have cost so far ends then: the next one begins no sooner.
    busy_until_ns: u64,
    pub(crate) drains: bool,
    /// What it held after its last turn.
    held: Held,
    /// Mail by sender; when it arrives is the world's business.
    inbox: Vec<VecDeque<Mail>>,
    last_mail_ns: Vec<u64>,
}

/// What a station has to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pending {
    Connect(usize),
    Readable(usize),
    Writable(usize),
    Mail(usize),
    Timeout,
    Drain,
    Kick(usize),
    /// A publisher comes from another station.
    Adopt(usize),
}

impl Site {
    /// Whether a turn may take something of this cost besides what it has taken: counts it then.
    fn takes_mail(&mut self, cost: usize, limits: &Limits) -> bool {
        let takes = self.mail_taken == 0 || self.mail_taken + cost <= limits.mail_turn_bytes_max;
        self.mail_taken += if takes { cost } else { 0 };
        takes
    }

    pub(crate) fn new(station: Station, sites: usize) -> Self {
        Self {
            station,
            timer_ns: None,
            sockets: Slab::default(),
            pending: Vec::new(),
            turn_due: false,
            read_left: 0,
            mail_taken: 0,
            brought: 0,
            brought_max: 0,
            history_max: 0,
            busy_until_ns: 0,
            drains: false,
            held: Held::default(),
            inbox: (0..sites).map(|_| VecDeque::new()).collect(),
            last_mail_ns: vec![0; sites],
        }
    }

    pub(crate) fn client_of(&self, conn: ConnId) -> Option<usize> {
        self.sockets.get(conn).copied()
    }
}

impl World {
    /// Something is to be looked at by a site in one of its next turns.
    pub(crate) fn pend(&mut self, site: usize, what: Pending) {
        let pending = &mut self.sites[site].pending;
        if matches!(what, Pending::Mail(_)) || !pending.contains(&what) {
            pending.push(what);
        }
        self.wake(site);
    }

    /// A site takes some of what is pending, in any order, and then hands out the results.
    pub(crate) fn turn(&mut self, site: usize) {
        let inputs_max = self.scheduler.size(1, self.swarm.turn_inputs_max);
        self.sites[site].read_left = self.swarm.limits.read_turn_bytes_max;
        self.sites[site].mail_taken = 0;
        self.sites[site].brought = 0;
        self.scheduler.shuffle(&mut self.sites[site].pending);
        let later = inputs_max.min(self.sites[site].pending.len());
        let now: Vec<Pending> = self.sites[site].pending.drain(..later).collect();
        for what in now {
            self.take(site, what);
        }
        self.step_some(site);
        self.hand_out(site);
        self.sites[site].station.end_turn();
        if self.network.percent(50) {
            self.sites[site].station.end_round();
        }
        let place = &mut self.sites[site];
        place.brought_max = place.brought_max.max(place.brought);
        self.check_bounds(site);
        self.check_asked(site);
        self.sites[site].turn_due = false;
        if !self.sites[site].pending.is_empty() || self.sites[site].station.has_work() {
            self.wake(site);
        }
        self.arm(site);
    }

    /// Work that waits is done in some turns and not in others.
    fn step_some(&mut self, site: usize) {
        let now = self.now();
        for _ in 0..self.scheduler.below(3) {
            if !self.sites[site].station.has_work() {
                return;
            }
            self.trace.note(self.now_ns, Kind::Step, site as u64, 0, &[]);
            self.sites[site].station.step(now);
            self.check_work(site, "a step");
        }
    }

    /// Clients that have said something that their station has not read.
    fn unread(&self, site: usize) -> BTreeSet<ConnId> {
        let clients = self.clients.iter().filter(|client| usize::from(client.station) == site);
        clients
            .filter(|client| client.up.has_arrived(self.now_ns))
            .filter_map(|client| client.conn())
            .collect()
    }

    /// Those of them who have not said their whole hello, and what waits for each.
    fn greeted(&mut self, site: usize, unread: &BTreeSet<ConnId>) -> Vec<(ConnId, Waits)> {
        if unread.is_empty() {
            return Vec::new();
        }
        let station = &mut self.sites[site].station;
        let unknown = station.clients(usize::MAX).into_iter().filter(|row| row.role == RoleName::Unknown);
        let said_more: Vec<ConnId> =
            unknown.map(|row| row.id.conn).filter(|conn| unread.contains(conn)).collect();
        let waiting = said_more.into_iter().map(|conn| (conn, station.waits(conn)));
        waiting.filter(|(_, waits)| *waits != Waits::Ending).collect()
    }

    /// The connection is gone, whoever ended it.
    pub(crate) fn remove(&mut self, id: usize, conn: ConnId) {
        let now = self.now();
        let site = usize::from(self.clients[id].station);
        self.note_lost(site, id, conn);
        self.sites[site].station.remove(now, conn, CloseReason::Gone);
        // Also where nothing else happens in this turn: a will may have been published.
        self.sites[site].station.end_turn();
        self.sites[site].sockets.remove(conn);
        self.note_events(site);
        let client = &mut self.clients[id];
        self.trace.note(self.now_ns, Kind::ServerClosed, id as u64, 0, &[]);
        if client.link == Link::Open(conn) {
            client.link = Link::ServerClosed;
            let at_ns = client.down.close(self.now_ns);
            self.schedule(at_ns, Event::Hear(id));
        } else {
            client.link = Link::Gone;
        }
        self.pend(site, Pending::Writable(id));
    }

    fn wake(&mut self, site: usize) {
        if !std::mem::replace(&mut self.sites[site].turn_due, true) {
            // A station that is behind takes its next turn at once.
            let behind = self.sites[site].pending.len() > 1;
            let delay_max_ns = if behind { MS / 1000 } else { self.swarm.turn_delay_max_ns };
            let from_ns = self.sites[site].busy_until_ns.max(self.now_ns + 1);
            let at_ns = from_ns + self.scheduler.below(delay_max_ns);
            self.schedule(at_ns, Event::Turn(site));
        }
    }

    fn arm(&mut self, site: usize) {
        let Some(at) = self.sites[site].station.poll_timeout() else { return };
        let at_ns = at.0.max(self.now_ns + 1);
        if self.sites[site].timer_ns.is_none_or(|set_ns| at_ns < set_ns) {
            self.sites[site].timer_ns = Some(at_ns);
            let late_ns = self.scheduler.below(self.swarm.turn_delay_max_ns);
            self.schedule(at_ns + late_ns, Event::Timer(site));
        }
    }

    fn take(&mut self, site: usize, what: Pending) {
        if let Pending::Readable(id) | Pending::Writable(id) | Pending::Kick(id) = what
            && (self.moving.contains_key(&id) || usize::from(self.clients[id].station) != site)
        {
            return; // it has left; where it comes to it is looked at
        }
        let now = self.now();
        match what {
            Pending::Connect(id) => self.connect(site, id),
            Pending::Readable(id) => {
                self.read(site, id);
                if self.network.percent(self.swarm.spurious_write_percent) {
                    self.write(site, id);
                }
            }
            Pending::Writable(id) => self.write(site, id),
            Pending::Mail(from) => {
                let place = &mut self.sites[site];
                let cost = place.inbox[from].front().expect("one mail per notice").cost();
                if !place.takes_mail(cost, &self.swarm.limits) {
                    return self.pend(site, what); // in one of the next turns
                }
                place.brought += cost;
                let mail = place.inbox[from].pop_front().expect("it was looked at");
                self.trace.note(self.now_ns, Kind::Mail, from as u64, cost as u64, &[]);
                let from = ShardId(u8::try_from(from).expect("few stations"));
                self.sites[site].station.take_mail(now, from, mail);
            }
            Pending::Timeout => {
                self.trace.note(self.now_ns, Kind::Timeout, site as u64, 0, &[]);
                let unread = self.unread(site);
                let greeted = self.greeted(site, &unread);
                // Sometimes a turn has no time for more than one of the timers that are due.
                let budget = self.scheduler.pick(&[1, 100_000]);
                self.sites[site].station.timeout(now, budget, |conn| unread.contains(&conn));
                self.note_all_begun(site);
                if self.greeted(site, &unread) != greeted {
                    let what = "a timer ran for a connection that had said something more".to_owned();
                    self.violations.push(Violation::new("greeting", what));
                }
                self.act(site, Vec::new());
            }
            Pending::Drain => {
                self.sites[site].drains = true;
                self.sites[site].station.drain(now);
            }
            Pending::Kick(id) => self.kick(site, id),
            Pending::Adopt(id) => {
                let cost = self.moving[&id].cost();
                if !self.sites[site].takes_mail(cost, &self.swarm.limits) {
                    return self.pend(site, what);
                }
                self.adopt(site, id);
            }
        }
        self.check_work(site, "an input");
        self.note_events(site);
    }

    /// A timer may have made hellos whole.
    fn note_all_begun(&mut self, site: usize) {
        let here = self.sites[site].sockets.iter().map(|(_, id)| *id);
        let waits = |id: &usize| self.record.subscribers.get(id).is_some_and(|one| one.began.is_none());
        here.filter(waits).collect::<Vec<_>>().into_iter().for_each(|id| self.note_begun(site, id));
    }

    fn connect(&mut self, site: usize, id: usize) {
        let now = self.now();
        let conn = self.sites[site].sockets.insert(id);
        self.record.remains.connections += 1;
        self.clients[id].link = Link::Open(conn);
        self.clients[id].connected_ns = self.now_ns;
        self.trace.note(self.now_ns, Kind::Connect, id as u64, site as u64, &[]);
        let handover = Handover::accepted(self.clients[id].addr, now.mono);
        self.sites[site].station.adopt(now, conn, handover, &self.rules);
        self.schedule_step(id);
    }

    fn kick(&mut self, site: usize, id: usize) {
        let now = self.now();
        let Some(conn) = self.clients[id].conn() else { return };
        self.trace.note(self.now_ns, Kind::Kicked, id as u64, 0, &[]);
        self.kicked.insert(id);
        self.sites[site].station.end(now, conn, CloseReason::Kicked);
        if let Some(subscriber) = self.record.subscribers.get_mut(&id) {
            subscriber.stay = Stay::Left;
        }
    }

    /// Does what the station has to say and writes, until there is nothing.
    fn hand_out(&mut self, site: usize) {
        loop {
            self.act(site, Vec::new());
            let Some(conn) = self.sites[site].station.poll_write() else { return };
            if let Some(id) = self.sites[site].client_of(conn) {
                self.write(site, id);
            }
        }
    }

    pub(crate) fn send_mail(&mut self, from: usize, to: usize, mail: Mail) {
        let latency_ns = self.network.below(self.swarm.mail_latency_max_ns);
        let last_ns = &mut self.sites[from].last_mail_ns[to];
        let at_ns = (*last_ns).max(self.now_ns + latency_ns);
        *last_ns = at_ns;
        self.sites[to].inbox[from].push_back(mail);
        self.schedule(at_ns, Event::Mail { from, to });
    }

    /// Every call does a bounded amount of work, and takes as long as that.
    pub(crate) fn check_work(&mut self, site: usize, what: &'static str) {
        let work = self.sites[site].station.take_work();
        bounds::check_work(work, what, &mut self.violations);
        let busy_until_ns = &mut self.sites[site].busy_until_ns;
        *busy_until_ns = (*busy_until_ns).max(self.now_ns) + work;
        let place = &mut self.sites[site];
        place.history_max = place.history_max.max(place.station.shard().history_bytes());
        self.largest.saw_memory(self.gauge.used());
    }

    /// History is read for those who wait for it and for nobody else.
    fn check_asked(&mut self, site: usize) {
        let place = &self.sites[site];
        let mail_comes = place.inbox.iter().any(|from| !from.is_empty());
        let attacked = self.swarm.load.attackers > 0;
        if attacked || !place.station.shard().is_asked() || mail_comes || self.record.facts.drained {
            return;
        }
        let waits = |(id, subscriber): (&usize, &SubscriberRecord)| {
            let asked = subscriber.asked.is_some() && subscriber.replay != Replay::None;
            asked && subscriber.stood.is_none() && self.clients[*id].conn().is_some()
        };
        // A stranger may name its topic just before its time is over.
        let time_ns = u64::try_from(self.swarm.limits.hello_time.as_nanos()).expect("seconds");
        let names_topic = |(id, stranger): (&usize, &StrangerRecord)| {
            let late =
                stranger.asked_topic_ns.is_some_and(|asked_ns| asked_ns + time_ns - 4 * MS < self.now_ns);
            late && self.clients[*id].conn().is_some()
        };
        let strangers = || self.record.strangers.iter().any(names_topic);
        // Who goes on where it stood.
        let mut listening = self.web.values().filter(|client| client.hears());
        let mut web = || listening.any(|client| self.clients[client.conn].conn().is_some());
        if !self.record.subscribers.iter().any(waits) && !strangers() && !web() {
            let what = format!("station {site} reads history for someone who has left");
            self.violations.push(Violation::new("asked", what));
        }
    }

    /// Whether some station may have forgotten something for want of bytes so far.
    pub(crate) fn history_cut(&self) -> bool {
        let history_max = self.swarm.limits.core.history_bytes_max / self.sites.len();
        // A topic more, and a run more, may have been there for a moment.
        let more = self.largest.run_bytes() + TOPIC_BYTES_MAX;
        history_max < 1 << 18 && self.sites.iter().any(|site| site.history_max + more > history_max)
    }

    /// What the checkers must know of how full it got.
    pub(crate) fn note_extremes(&mut self) {
        let (limits, run_bytes) = (&self.swarm.limits, self.largest.run_bytes());
        let read_bytes = self.largest.read_bytes();
        let facts = &mut self.record.facts;
        // Either way: what a turn may bring at most, given the runs that there were, or what it did.
        let turn_max = limits.mail_turn_bytes_max.max(run_bytes) + limits.read_turn_bytes_max + read_bytes;
        let brought_max = self.sites.iter().map(|site| site.brought_max).max().unwrap_or(0);
        let in_memory = self.largest.memory_bytes() + read_bytes <= limits.core.memory_bytes_max;
        facts.turns_fit = turn_max.min(brought_max) <= limits.core.queue_bytes_max && in_memory;
    }

    fn check_bounds(&mut self, site: usize) {
        let (crowd, used) = ((self.sites.len(), self.swarm.load.publishers), self.gauge.used());
        bounds::check_memory(used, crowd, &self.largest, &self.swarm.limits, &mut self.violations);
        let shard = self.sites[site].station.shard();
        bounds::check_queued(shard.stats().queued, shard.queued(), &mut self.violations);
        self.look_at_memory(site);
        self.check_account();
    }

    /// Notes what a station holds.
    pub(crate) fn look_at_memory(&mut self, site: usize) {
        let Site { station, sockets, held, .. } = &mut self.sites[site];
        *held = Held {
            history: station.shard().history_bytes(),
            routes: station.shard().route_bytes(),
            ..Held::default()
        };
        for (conn, &id) in sockets.iter() {
            let carry = station.carry(conn).len();
            // A hello is bounded by itself.
            let lane = station.lane(conn);
            // A CONNECT counts like a message, and is bounded by itself.
            let is_mqtt = self.clients[id].begins_as_mqtt;
            let is_web = self.clients[id].role == Role::Web;
            let carry = if is_web { station.held_bytes(conn) } else { carry };
            let counts = carry > self.swarm.limits.unfinished_bytes_free
                && (is_mqtt || is_web || lane == frontend::Lane::Publishing);
            if !is_mqtt && !is_web && lane != frontend::Lane::Publishing {
                bounds::check_greeting(carry, &self.swarm.limits, &mut self.violations);
            }
            held.unfinished += if counts { carry } else { 0 };
            if let Some(state) = station.queue_state(conn) {
                bounds::check_brakes(state, &mut self.violations);
            }
            let web = self.web.values().find(|web| web.conn == id);
            let reply_bytes = match self.clients[id].role {
                Role::Publisher => Some(bounds::REPLY_BYTES),
                _ => web.filter(|web| web.only_publishes()).map(|_| bounds::ANSWER_BYTES),
            };
            if let (Some(reply_bytes), Waits::Bytes(waiting)) = (reply_bytes, station.waits(conn)) {
                let most = bounds::replies_bytes(reply_bytes, &self.largest, &self.swarm.limits);
                bounds::check_replies(waiting, most, &mut self.violations);
            }
            // The rest of a body of lines is charged by itself, and is no more than a message may be.
            let has_lines = self.clients[id].again && web.is_some_and(WebClient::only_publishes);
            held.lines += if has_lines { self.swarm.limits.message_bytes_max } else { 0 };
            if !matches!(self.clients[id].role, Role::Subscriber | Role::Mqtt | Role::Web) {
                continue;
            }
            let replay = self.record.subscribers.get(&id).map_or(Replay::None, |one| one.replay);
            // Who goes on where it stood is given all that it missed.
            let replay = if self.clients[id].role == Role::Web { Replay::SinceMs(0) } else { replay };
            let queued = station.queue_bytes(conn);
            bounds::check_queue(queued, replay, &self.largest, &self.swarm.limits, &mut self.violations);
            let waiting = match station.waits(conn) {
                // Answers that are owed and not encoded are in no account.
                Waits::Bytes(_) if is_mqtt || web.is_some_and(WebClient::is_answered) => 0,
                Waits::Bytes(bytes) => bytes - queued,
                Waits::Ending => 0,
            };
            held.add_subscriber(queued, waiting, &self.largest);
        }
    }

    /// The account agrees with what all stations hold.
    fn check_account(&mut self) {
        let mut held = Held::default();
        self.sites.iter().for_each(|site| held.add(&site.held));
        memory::check_charged(&held, &self.gauge, &mut self.violations);
    }
}
