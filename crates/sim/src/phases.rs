//! The phases of a world: busy with faults, then quiet, then the end.

use crate::check::Violation;
use crate::client::mqtt::Stage;
use crate::client::{self, Link, Reader, Role};
use crate::limits::{Clock, Ending, MS};
use crate::net::UpEnd;
use crate::record::Stay;
use crate::trace::Kind;
use crate::world::{Event, World};

/// After this long everything that was planned has been done, brakes and rests included.
const BUSY_NS: u64 = 4_500 * MS;
/// After this long without faults everything that is due must have arrived.
const QUIET_NS: u64 = 10_000 * MS;

/// What waits for a group gets on in this time, however slowly mail comes.
const MOVES_NS: u64 = 1_000 * MS;

impl World {
    /// Runs the world to its end.
    pub(crate) fn run(&mut self) {
        self.set_up();
        if matches!(self.swarm.ending, Ending::DrainBusy | Ending::DrainSlow) {
            let begin_ns = self.scheduler.range(300 * MS, 1200 * MS);
            self.run_until(begin_ns);
            if self.swarm.ending == Ending::DrainBusy {
                self.heal();
            }
            self.record.facts.due_before = self.accepted_long_before(begin_ns);
            self.drain();
            return;
        }
        self.run_until(BUSY_NS);
        self.heal();
        self.run_until(BUSY_NS + QUIET_NS - MOVES_NS);
        let waited = self.group_messages();
        self.run_until(BUSY_NS + QUIET_NS);
        self.look_at_group(waited);
        self.look_around();
        self.record.facts.rested = true;
        self.record.facts.due_before = self.accepted_ns.len() as u64;
        match self.swarm.ending {
            Ending::ClientsGo => self.all_go(),
            Ending::DrainQuiet | Ending::DrainBusy | Ending::DrainSlow => self.drain(),
        }
    }

    fn set_up(&mut self) {
        for id in 0..self.clients.len() {
            self.schedule(self.clients[id].begins_ns, Event::Step(id));
            if self.clients[id].owner.is_some() {
                self.schedule(self.clients[id].begins_ns, Event::Person(id));
            }
            if self.clients[id].web.is_some() {
                self.schedule(self.clients[id].begins_ns, Event::Web(id));
            }
        }
        if self.swarm.clock == Clock::Jumping {
            // Some of it early, so that there is history of before and of after it.
            for before_ns in [self.swarm.load.lull.0, self.swarm.load.lull.1, BUSY_NS, BUSY_NS] {
                let at_ns = self.scheduler.below(before_ns);
                let by_ms = i64::try_from(self.scheduler.below(4000)).expect("small") - 2000;
                self.schedule(at_ns, Event::Jump(by_ms));
            }
        }
        for _ in 0..self.swarm.kicks {
            let id = self.scheduler.index(self.swarm.load.publishers + self.swarm.load.subscribers);
            let at_ns = self.scheduler.below(BUSY_NS / 2);
            self.schedule(at_ns, Event::Kick(id));
        }
    }

    /// Faults stop: everyone who reads at all reads at once from now on.
    fn heal(&mut self) {
        self.trace.note(self.now_ns, Kind::Phase, 1, 0, &[]);
        self.heal_persons();
        self.heal_web();
        for id in 0..self.clients.len() {
            let client = &mut self.clients[id];
            if !matches!(client.reader, Reader::Never { .. }) {
                client.reader = Reader::Fast;
                client.down.widen();
                self.schedule(self.now_ns, Event::Hear(id));
                self.schedule_room(id);
            }
        }
    }

    fn group_messages(&self) -> u64 {
        self.sites.iter().map(|site| site.station.shard().group_messages()).sum()
    }

    /// A group whose members have room for one message gets one with each round of mail, and may have
    /// some hundred left.
    fn look_at_group(&mut self, waited: u64) {
        let waiting = self.group_messages();
        let members = self.record.group.as_ref().map_or(Vec::new(), |group| group.members.clone());
        // A connection that its client gave up, and that won its session back in a race.
        let is_forgotten = |(id, client): (usize, &client::Client)| {
            let owner = client.owner.filter(|owner| members.contains(owner));
            owner.is_some_and(|owner| self.persons[&owner].conn != id) && client.conn().is_some()
        };
        let unsure = self.clients.iter().enumerate().any(is_forgotten);
        let Some(group) = &mut self.record.group else { return };
        group.waiting = waiting;
        group.moves = waited > 0;
        group.unsure = unsure;
        if group.waiting > 0 && group.waiting >= waited {
            let what = format!("{} messages wait for a group whose members have room", group.waiting);
            self.violations.push(Violation::new("liveness", what));
        }
    }

    /// All clients go, each in its own way.
    fn all_go(&mut self) {
        self.trace.note(self.now_ns, Kind::Phase, 2, 0, &[]);
        self.persons_go();
        self.web_goes();
        for id in 0..self.clients.len() {
            let end = if self.scheduler.percent(50) { UpEnd::Closed } else { UpEnd::Reset };
            self.leave(id, end);
        }
        self.run_until(self.now_ns + QUIET_NS);
    }

    /// The server shuts down; a few clients come while it does.
    fn drain(&mut self) {
        self.trace.note(self.now_ns, Kind::Phase, 3, 0, &[]);
        self.excuse_absent();
        self.excuse_absent_web();
        let begin_ns = self.now_ns;
        for site in 0..self.sites.len() {
            let at_ns = begin_ns + self.scheduler.below(2 * MS);
            self.schedule(at_ns, Event::Drain(site));
        }
        let first = self.clients.len();
        let latecomers =
            client::draw_latecomers(&mut self.scheduler, &self.swarm, &mut self.record, first, begin_ns);
        for client in latecomers {
            self.schedule(client.begins_ns, Event::Step(self.clients.len()));
            self.clients.push(client);
        }
        let drain_ns = u64::try_from(self.swarm.limits.drain_time.as_nanos()).expect("seconds");
        self.run_until(begin_ns + drain_ns);
        self.record.facts.drained = true;
        self.force_out();
        if self.swarm.ending != Ending::DrainQuiet {
            for subscriber in self.record.subscribers.values_mut() {
                if subscriber.stay == Stay::UntilQuiet {
                    subscriber.stay = Stay::UntilDrained;
                }
            }
        }
        self.run_until(self.now_ns + QUIET_NS);
    }

    /// The time for draining is over: whoever is still there is cut off.
    fn force_out(&mut self) {
        for id in 0..self.clients.len() {
            let client = &self.clients[id];
            let there = matches!(client.link, Link::Open(_) | Link::ServerClosed);
            let station = &mut self.sites[usize::from(client.station)].station;
            // A long line for history ends with the time for draining, like a slow reader's queue.
            let asking = client.conn().is_some_and(|conn| station.is_asking(conn));
            let is_given_up = client.owner.is_some_and(|owner| {
                let person = &self.persons[&owner];
                person.conn != id || person.stage != Stage::Connected
            });
            // Each message waits for an acknowledgement, and there may be hundreds.
            let waits = client.conn().is_some_and(|conn| station.queue_bytes(conn) > 0);
            let is_mqtt_slow = client.role == Role::Mqtt && (waits || self.swarm.ending == Ending::DrainSlow);
            // Who breaks the rules acknowledges nothing.
            let is_broken = client.role == Role::Stranger && client.begins_as_mqtt;
            // Who came at the last moment has hardly had time to read that it is over.
            let has_just_come = self.now_ns < client.connected_ns + 100 * MS;
            let is_slow = is_given_up || is_mqtt_slow || is_broken || has_just_come;
            if there && (asking || is_slow || client.reader != Reader::Fast || client.down.is_narrow()) {
                self.excuse(id);
            } else if there {
                let what = format!("client {id} ({:?}) is still there when the drain is over", client.role);
                self.violations.push(Violation::new("drain", what));
            }
            if let Some(conn) = self.clients[id].conn() {
                self.remove(id, conn);
            }
        }
        (0..self.sites.len()).for_each(|site| self.look_at_memory(site));
    }

    /// Nobody owes a client anything that was cut off for being too slow.
    fn excuse(&mut self, id: usize) {
        if self.clients[id].web.is_some() {
            return; // nothing that comes this late is due
        }
        if let Some(owner) = self.clients[id].owner {
            if self.persons[&owner].conn == id {
                self.record.mqtt.get_mut(&owner).expect("a person has a record").stay = Stay::Left;
            }
        } else if let Some(publisher) = self.record.publishers.get_mut(&id) {
            publisher.stay = Stay::Left;
        } else if let Some(subscriber) = self.record.subscribers.get_mut(&id) {
            subscriber.stay = Stay::Left;
        } else if let Some(stranger) = self.record.strangers.get_mut(&id) {
            stranger.expected = None;
        }
    }

    /// Messages that had all the time to reach every queue before `at_ns`.
    fn accepted_long_before(&self, at_ns: u64) -> u64 {
        let slack_ns = self.swarm.mail_latency_max_ns + 2 * self.swarm.turn_delay_max_ns + 5 * MS;
        self.accepted_ns.partition_point(|accepted_ns| accepted_ns + slack_ns < at_ns) as u64
    }

    /// When everything is quiet, nothing that is due may still be under way.
    fn look_around(&mut self) {
        self.look_at_persons();
        self.look_at_web();
        for id in 0..self.clients.len() {
            let client = &mut self.clients[id];
            let Link::Open(conn) = client.link else { continue };
            if client.is_done() || self.kicked.contains(&id) {
                let what = format!("client {id} ({:?}) was to be closed and is not", client.role);
                self.violations.push(Violation::new("liveness", what));
            }
            if matches!(client.reader, Reader::Never { .. }) {
                continue;
            }
            let unread = client.up.bytes();
            let undelivered = self.sites[usize::from(client.station)].station.queue_bytes(conn);
            // Who breaks the rules acknowledges nothing of what others of its kind publish.
            let is_broken = client.role == Role::Stranger && client.begins_as_mqtt;
            let group = self.record.group.as_ref().filter(|group| group.moves);
            if client.owner.is_some_and(|owner| group.is_some_and(|group| group.members.contains(&owner))) {
                continue;
            }
            // Nor does a connection that its person has forgotten. It may have taken the session over
            // from a later one, if that was faster on its way to the station where both live.
            let is_forgotten = client.owner.is_some_and(|owner| self.persons[&owner].conn != id);
            let undelivered = if is_broken || is_forgotten { 0 } else { undelivered };
            let steps = client.plan.len();
            // A subscriber that has closed its sending half may go on to hear.
            let listens = client.role == Role::Subscriber;
            let listens = listens || matches!(client.role, Role::Mqtt | Role::Web);
            let stuck = client.role != Role::Stranger && (steps > 0 || (client.up.is_finished() && !listens));
            // Signs of life are always under way.
            let beats = client.role == Role::Web;
            if unread > 0 || undelivered > 0 || stuck || !(beats || client.down.is_empty()) {
                let what = format!(
                    "client {id} ({:?}): {unread} bytes unread, {undelivered} undelivered, {steps} steps left",
                    client.role
                );
                self.violations.push(Violation::new("liveness", what));
            }
        }
    }

    /// Ends the world: what is left in stations and account, and what everyone heard.
    pub(crate) fn finish_record(&mut self) {
        self.note_extremes();
        for (id, client) in self.clients.iter_mut().enumerate() {
            let received = std::mem::take(&mut client.received);
            if let Some(publisher) = self.record.publishers.get_mut(&id) {
                publisher.received = received;
                publisher.heard_end = client.link == Link::Over;
            } else if let Some(subscriber) = self.record.subscribers.get_mut(&id) {
                subscriber.received = received;
            } else if let Some(stranger) = self.record.strangers.get_mut(&id) {
                stranger.received = received;
                stranger.heard_end = client.link == Link::Over;
            }
        }
        let remains = &mut self.record.remains;
        let mut kept_by_last = 0;
        for site in &mut self.sites {
            site.station.end_round();
            let shard = site.station.shard();
            remains.stations.push(shard.leftovers());
            remains.history_bytes += shard.history_bytes() + shard.route_bytes();
            // The messages themselves are shared by all stations.
            let (places, messages) = shard.retained_bytes();
            remains.retained_bytes = remains.retained_bytes + places - kept_by_last + messages;
            kept_by_last = messages;
            remains.counted += shard.stats().accepted;
            remains.delivered += shard.stats().delivered;
            remains.dropped += shard.stats().dropped;
            remains.refused.add(&shard.stats().refused);
            remains.subscriptions += shard.stats().subscriptions;
            let counted = usize::try_from(site.station.census().greeted()).unwrap_or(usize::MAX);
            remains.rows += site.station.clients(1).len() + counted;
        }
        remains.gauge_bytes = self.gauge.used();
        self.sites.clear();
        remains.gauge_bytes_after = self.gauge.used();
    }
}
