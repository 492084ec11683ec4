//! MQTT clients act: they connect, publish, acknowledge, lose their connections and come again.

use broker::ConnId;
use wire::mqtt::{ConnAck, Property, Version};

use crate::check::Violation;
use crate::client::mqtt::{Break, Flight, FlightState, Goes, Person, Session, Stage};
use crate::client::mqtt_words::{self as words, Again, Kind, Outgoing};
use crate::client::{Client, Link, Meaning, Reader, Role, Step, Unit};
use crate::limits::MS;
use crate::net::{Cut, UpEnd};
use crate::record::Stay;
use crate::world::{Event, World};

/// Steps that may wait in front of one more message.
const STEPS_MAX: usize = 4;
/// How long it takes to come again, at most.
const AWAY_MAX_NS: u64 = 250 * MS;

impl World {
    pub(crate) fn person(&mut self, owner: usize) -> &mut Person {
        self.persons.get_mut(&owner).expect("an owner is a person")
    }

    /// Notes something that must not be.
    pub(crate) fn saw(&mut self, owner: usize, checker: &'static str, what: String) {
        self.record.mqtt.get_mut(&owner).expect("a person has a record").wrong.push((checker, what));
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.sites.iter().any(|site| site.drains)
    }

    /// The time of a person has come.
    pub(crate) fn person_is_due(&mut self, owner: usize) {
        let now_ns = self.now_ns;
        let person = self.person(owner);
        if person.timer_ns == Some(now_ns) {
            person.timer_ns = None;
        }
        self.goes_on(owner);
    }

    /// Lets a person do what is due, and sets the time of what is next.
    pub(crate) fn goes_on(&mut self, owner: usize) {
        self.lose_connection(owner);
        let now_ns = self.now_ns;
        match self.person(owner).stage {
            Stage::Left => return,
            Stage::Away { until_ns } if until_ns <= now_ns => match self.is_draining() {
                true => self.person(owner).stage = Stage::Left,
                false => self.comes_again(owner),
            },
            Stage::Away { .. } | Stage::Greeting => {}
            Stage::Connected => {
                self.acknowledge(owner);
                self.publish_some(owner);
                self.say_goodbye(owner);
            }
        }
        self.set_timer(owner);
    }

    fn set_timer(&mut self, owner: usize) {
        let now_ns = self.now_ns;
        let messages = self.record.publishers.get(&owner).map_or(0, |one| one.messages.len());
        let person = self.person(owner);
        let connected = person.stage == Stage::Connected;
        let sends = connected && person.next < messages && person.has_room();
        let away = match person.stage {
            Stage::Away { until_ns } => Some(until_ns),
            Stage::Greeting | Stage::Connected | Stage::Left => None,
        };
        let times = [
            away,
            person.breaks.front().map(|(at_ns, _)| *at_ns).filter(|_| away.is_none()),
            person.dues.front().map(|due| due.at_ns).filter(|_| connected),
            sends.then_some(person.send_at_ns),
            person.leaves_ns.filter(|_| connected),
        ];
        let Some(at_ns) = times.into_iter().flatten().min() else { return };
        let at_ns = at_ns.max(now_ns + 1);
        if person.timer_ns.is_none_or(|set_ns| at_ns < set_ns) {
            person.timer_ns = Some(at_ns);
            self.schedule(at_ns, Event::Person(owner));
        }
    }

    /// Has the person's connection say something.
    pub(crate) fn person_says(&mut self, owner: usize, bytes: Vec<u8>, meanings: Vec<Meaning>) {
        let conn = self.person(owner).conn;
        self.clients[conn].plan.push_back(Unit::send(bytes, meanings, Cut::Anywhere));
        self.schedule_step(conn);
    }

    fn acknowledge(&mut self, owner: usize) {
        let now_ns = self.now_ns;
        let person = self.person(owner);
        let version = person.wishes.version;
        if let Some(due) = person.dues.pop_front_if(|due| due.at_ns <= now_ns) {
            if due.kind != Kind::Rec {
                person.outstanding.remove(&due.id);
            }
            self.person_says(owner, words::ack(version, due.kind, due.id), Vec::new());
            self.acknowledge(owner);
        }
    }

    fn publish_some(&mut self, owner: usize) {
        let (now_ns, (lull_begin, lull_end)) = (self.now_ns, self.swarm.load.lull);
        let conn = self.person(owner).conn;
        let Some(publisher) = self.record.publishers.get(&owner) else { return };
        let count = publisher.messages.len();
        if (lull_begin..lull_end).contains(&now_ns) {
            let at_ns = lull_end + self.whims.below(20 * MS);
            self.person(owner).send_at_ns = at_ns;
            return;
        }
        if self.person(owner).send_at_ns > now_ns {
            return;
        }
        let burst = if self.whims.percent(20) { self.whims.size(2, 12) } else { 1 };
        let (mut bytes, mut meanings) = (Vec::new(), Vec::new());
        for _ in 0..burst {
            let is_behind = self.clients[conn].plan.len() > STEPS_MAX;
            let person = self.person(owner);
            if is_behind || person.next == count || !person.has_room() {
                break;
            }
            let number = person.next;
            person.next += 1;
            let qos = self.record.publishers[&owner].messages[number].qos;
            let id = (qos > 0).then(|| self.person(owner).takes_off(number, qos));
            bytes.extend(self.message_bytes(owner, number, id, Again::No));
            meanings.push((bytes.len(), Meaning::Message(number)));
        }
        if !bytes.is_empty() {
            let unit = Unit { bytes, meanings, cut: Cut::Anywhere };
            self.clients[conn].plan.push_back(Step::Send(unit));
            self.schedule_step(conn);
        }
        let most_ns = self.persons[&owner].wishes.pause_max_ns.unwrap_or(self.swarm.load.pause_max_ns);
        let pause_ns = 1 + self.whims.below(most_ns);
        self.person(owner).send_at_ns = now_ns + pause_ns;
    }

    fn message_bytes(
        &self,
        owner: usize,
        number: usize,
        id: Option<std::num::NonZeroU16>,
        is_again: Again,
    ) -> Vec<u8> {
        let publisher = &self.record.publishers[&owner];
        let message = &publisher.messages[number];
        let outgoing = Outgoing {
            topic: &publisher.topic,
            payload: &message.payload,
            qos: message.qos,
            id,
            is_again,
            retain: message.retain,
            expiry_s: message.expiry_s,
        };
        words::publish(self.persons[&owner].wishes.version, &outgoing)
    }

    fn say_goodbye(&mut self, owner: usize) {
        let now_ns = self.now_ns;
        let person = self.person(owner);
        if person.leaves_ns.is_some_and(|at_ns| at_ns <= now_ns) {
            person.stage = Stage::Left;
            let (conn, goes) = (person.conn, person.wishes.goes);
            let bytes = words::disconnect(person.wishes.version);
            if goes == Goes::Rudely {
                self.leaves_will(owner);
                return self.leave(conn, UpEnd::Reset);
            }
            self.person_says(owner, bytes, vec![Meaning::LastWord]);
        }
    }

    /// Its will is to be published.
    fn leaves_will(&mut self, owner: usize) {
        let earlier = self.persons[&owner].earlier;
        if let Some(will) = self.record.wills.get_mut(&owner) {
            will.expected = Some(words::will_payload(earlier));
        }
    }

    /// Gives the connection up if it is time for that.
    fn lose_connection(&mut self, owner: usize) {
        let now_ns = self.now_ns;
        let person = self.person(owner);
        let conn = person.conn;
        if !matches!(person.stage, Stage::Greeting | Stage::Connected) {
            return;
        }
        let Some((_, how)) = person.breaks.pop_front_if(|(at_ns, _)| *at_ns <= now_ns) else { return };
        if !matches!(self.clients[conn].link, Link::Open(_)) {
            self.person(owner).breaks.push_front((now_ns + 5 * MS, how));
            return;
        }
        let away_ns = self.whims.below(AWAY_MAX_NS);
        let person = self.person(owner);
        let is_taken_on = person.stage == Stage::Connected;
        // One that waits longer is taken back by the next connection.
        let is_due = person.wishes.will_delay_s == Some(0);
        if is_due {
            self.leaves_will(owner);
        }
        if let Some(will) = self.record.wills.get_mut(&owner) {
            will.unsure |= !is_taken_on;
        }
        let person = self.person(owner);
        person.raced |= person.stage == Stage::Greeting;
        if person.stage == Stage::Greeting && person.session == Session::None {
            person.session = Session::Unsure;
        }
        (person.stage, person.gave_up) = (Stage::Away { until_ns: now_ns + away_ns }, true);
        self.record.mqtt.get_mut(&owner).expect("a person has a record").breaks += 1;
        let client = &mut self.clients[conn];
        client.plan.clear();
        match how {
            Break::Close => self.leave(conn, UpEnd::Closed),
            Break::Reset => self.leave(conn, UpEnd::Reset),
            Break::Forget => {}
            Break::Stuck => client.reader = Reader::Never { from_ns: now_ns },
        }
    }

    /// Connects once more, to whatever station.
    fn comes_again(&mut self, owner: usize) {
        let stations = u64::from(self.swarm.stations);
        let station = u8::try_from(self.whims.below(stations)).expect("few stations");
        let id = self.clients.len();
        let (addr, capacity) = (self.clients[owner].addr, self.whims.size(64, 4096));
        let mut client = Client::new(Role::Mqtt, station, addr, self.now_ns, Reader::Fast, capacity);
        client.owner = Some(owner);
        let person = &self.persons[&owner];
        let connect = words::connect(&person.wishes, owner, person.earlier + 1);
        if let Some(will) = self.record.wills.get_mut(&owner) {
            will.left += 1;
        }
        client.plan.push_back(Unit::send(connect, Vec::new(), Cut::Closely));
        self.clients.push(client);
        self.person(owner).begins_again(id);
        self.schedule(self.now_ns, Event::Step(id));
    }

    /// The server has taken a client: goes on with what was begun.
    pub(crate) fn was_taken_on(&mut self, owner: usize, ack: &ConnAck<'_>) {
        let present = ack.session_present;
        let person = self.person(owner);
        let known = person.session;
        if person.stage == Stage::Left {
            return; // it had given up before the answer came
        }
        if person.stage != Stage::Greeting {
            return self.saw(owner, "session", "a second CONNACK".to_owned());
        }
        person.stage = Stage::Connected;
        let wrong = match known {
            Session::None => present,
            Session::Unsure => false,
            Session::Kept => !present,
        };
        person.session = if person.resumes() { Session::Kept } else { Session::None };
        for property in ack.properties {
            if let Property::ReceiveMaximum(count) = property {
                person.server_max = usize::from(count);
            }
        }
        let version = person.wishes.version;
        if wrong {
            self.saw(owner, "session", format!("session present is {present}, known before: {known:?}"));
        }
        if !self.person(owner).has_suback
            && let Some((filter, qos)) = self.person(owner).wishes.subscribes.clone()
        {
            self.person_says(owner, words::subscribe(version, &filter, qos), vec![Meaning::Hello]);
        }
        let flights: Vec<Flight> = self.person(owner).flights.iter().copied().collect();
        for Flight { id, number, state, .. } in flights {
            match state {
                FlightState::Sent => {
                    let bytes = self.message_bytes(owner, number, Some(id), Again::Yes);
                    self.person_says(owner, bytes, vec![Meaning::Message(number)]);
                }
                FlightState::Released => {
                    self.person_says(owner, words::ack(version, Kind::Rel, id), Vec::new());
                }
            }
        }
    }

    /// A station has closed a connection, and its client has seen it.
    pub(crate) fn was_closed(&mut self, id: usize) {
        let Some(owner) = self.clients[id].owner else { return };
        let (draining, soon_ns) = (self.is_draining(), self.now_ns + MS);
        let person = self.person(owner);
        if person.conn != id || matches!(person.stage, Stage::Left | Stage::Away { .. }) {
            return;
        }
        if person.raced && !draining {
            person.stage = Stage::Away { until_ns: soon_ns };
            self.record.mqtt.get_mut(&owner).expect("a person has a record").breaks += 1;
            return self.goes_on(owner);
        }
        person.stage = Stage::Left;
        if !draining {
            self.saw(owner, "closed", format!("its server closed connection {id}"));
        }
    }

    /// Notes what the server says that a client did not get.
    pub(crate) fn note_lost(&mut self, site: usize, id: usize, conn: ConnId) {
        let Some(owner) = self.clients[id].owner else { return };
        let lost = self.sites[site].station.lost(conn);
        let before = std::mem::replace(&mut self.clients[id].lost, lost);
        self.record.mqtt.get_mut(&owner).expect("a person has a record").lost += lost - before;
    }

    /// From now on nobody loses a connection, and everyone acknowledges at once.
    pub(crate) fn heal_persons(&mut self) {
        let owners: Vec<usize> = self.persons.keys().copied().collect();
        for owner in owners {
            let now_ns = self.now_ns;
            let person = self.person(owner);
            person.breaks.clear();
            person.wishes.ack_max_ns = 0;
            person.dues.iter_mut().for_each(|due| due.at_ns = due.at_ns.min(now_ns));
            self.schedule(now_ns, Event::Person(owner));
        }
    }

    /// All connections end: nobody comes again.
    pub(crate) fn persons_go(&mut self) {
        self.persons.values_mut().for_each(|person| person.stage = Stage::Left);
    }

    /// The server is about to end: who is away is owed nothing.
    pub(crate) fn excuse_absent(&mut self) {
        for (owner, person) in &mut self.persons {
            person.breaks.clear();
            let waits = !person.has_suback && person.wishes.subscribes.is_some();
            if waits || person.stage != Stage::Connected {
                self.record.mqtt.get_mut(owner).expect("a person has a record").stay = Stay::Left;
            }
        }
    }

    /// When everything is quiet, nobody waits for anything.
    pub(crate) fn look_at_persons(&mut self) {
        let group = self.record.group.as_ref().filter(|group| group.moves);
        for (owner, person) in &self.persons {
            if group.is_some_and(|group| group.members.contains(owner)) {
                continue; // it is given a message after the other
            }
            let messages = self.record.publishers.get(owner).map_or(0, |one| one.messages.len());
            let is_done = person.next == messages && person.flights.is_empty() && person.held.is_empty();
            if person.stage != Stage::Left && (person.stage != Stage::Connected || !is_done) {
                let what = format!(
                    "MQTT client {owner} is {:?}, has sent {} of {messages}, {} are under way, {} held",
                    person.stage,
                    person.next,
                    person.flights.len(),
                    person.held.len()
                );
                self.violations.push(Violation::new("liveness", what));
            }
            for (id, client) in self.clients.iter().enumerate() {
                let is_old = client.owner == Some(*owner) && id != person.conn;
                if is_old && client.conn().is_some() && !person.raced {
                    let what = format!("connection {id} of MQTT client {owner} was taken over and is there");
                    self.violations.push(Violation::new("takeover", what));
                }
            }
        }
    }

    pub(crate) fn version_of(&self, owner: usize) -> Version {
        self.persons[&owner].wishes.version
    }
}
