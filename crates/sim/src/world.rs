//! The world: stations, clients, the mail and the bytes between them, and virtual time.
//!
//! Everything that happens is an event in one ordered queue; what is due at the same instant
//! is taken in seeded order. Nothing here judges what happens: that is `check`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use broker::{Gauge, Instant, Now, ShardId, WallTime};
use frontend::{Rules, Spoken, Station, StationConfig};

use crate::check::Violation;
use crate::check::bounds::Largest;
use crate::client::mqtt::Person;
use crate::client::{self, Client};
use crate::driver::{Pending, Site};
use crate::limits::{MS, Swarm};
use crate::moves::Moving;
use crate::reached::Reached;
use crate::record::Record;
use crate::rng::{Concern, Rng};
use crate::trace::{Kind, Trace};
use crate::web::WebClient;

/// When the clients' clocks begin: an ordinary day.
const EPOCH_MS: u64 = 1_790_000_000_000;

/// Something that will happen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// A client takes its next step.
    Step(usize),
    /// Bytes of a client reach its station.
    Arrival(usize),
    /// A client reads what has come down.
    Hear(usize),
    /// A station's socket has room again.
    Room(usize),
    /// Mail of a station reaches another.
    Mail { from: usize, to: usize },
    /// A station takes a turn.
    Turn(usize),
    /// A station's timeout is due.
    Timer(usize),
    /// A station drains.
    Drain(usize),
    /// An operator ends a connection.
    Kick(usize),
    /// A publisher reaches the station that it moves to.
    Adopt(usize),
    /// A client that has closed is asked whether it is still there.
    Gone(usize),
    /// An MQTT client does what is due.
    Person(usize),
    /// A client of the web does.
    Web(usize),
    /// The wall clock is set.
    Jump(i64),
}

/// One seed's world.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now_ns: u64,
    pub(crate) swarm: Swarm,
    pub(crate) rules: Rc<Rules>,
    pub(crate) gauge: Gauge,
    pub(crate) sites: Vec<Site>,
    pub(crate) clients: Vec<Client>,
    /// MQTT clients, by their first connection.
    pub(crate) persons: BTreeMap<usize, Person>,
    /// Clients of the web, by their first connection.
    pub(crate) web: BTreeMap<usize, WebClient>,
    pub(crate) record: Record,
    pub(crate) trace: Trace,
    pub(crate) violations: Vec<Violation>,
    pub(crate) reached: BTreeSet<Reached>,
    pub(crate) largest: Largest,
    pub(crate) network: Rng,
    pub(crate) scheduler: Rng,
    /// What clients of MQTT and of the web do on the spur of the moment.
    pub(crate) whims: Rng,
    /// When each message was accepted, by its place.
    pub(crate) accepted_ns: Vec<u64>,
    /// Clients that an operator has ended.
    pub(crate) kicked: BTreeSet<usize>,
    /// Publishers between two stations.
    pub(crate) moving: BTreeMap<usize, Moving>,
    wall_shift_ms: i64,
    queue: BTreeMap<(u64, u64, u64), Event>,
    events: u64,
}

impl World {
    pub(crate) fn new(seed: u64, trace: Trace) -> Self {
        let swarm = Swarm::draw(&mut Rng::new(seed, Concern::Limits));
        let gauge = Gauge::new();
        let site = |own| {
            let mut station = Station::new(StationConfig {
                own: ShardId(own),
                shards: swarm.stations,
                limits: swarm.limits.clone(),
                seed,
                home_seed: seed,
                epoch: seed,
                web: std::sync::Arc::default(),
                gauge: gauge.clone(),
            });
            station.set_placement(swarm.placement);
            Site::new(station, usize::from(swarm.stations))
        };
        let sites = (0..swarm.stations).map(site).collect();
        let mut record = Record::default();
        record.facts.history_messages_max = swarm.limits.core.history_messages_max;
        record.facts.replay_bytes_max = swarm.limits.core.replay_bytes_max;
        record.facts.messages_of_strangers_max = 8 * swarm.load.broken as u64;
        let mut persons = BTreeMap::new();
        let mut rng = Rng::new(seed, Concern::Clients);
        let mut clients = client::draw_all(&mut rng, &swarm, &mut record, &mut persons);
        let web = Self::draw_web(&mut rng, &swarm, &mut record, &mut clients);
        record.facts.keeps = swarm.keeps;
        Self {
            now_ns: 0,
            rules: Rc::new(Rules {
                limits: swarm.limits.clone(),
                spoken: Spoken::AnyProtocol,
                topic_prompt: swarm.topic_prompt,
            }),
            gauge,
            sites,
            clients,
            persons,
            web,
            record,
            trace,
            violations: Vec::new(),
            reached: BTreeSet::new(),
            largest: Largest::default(),
            network: Rng::new(seed, Concern::Network),
            scheduler: Rng::new(seed, Concern::Scheduler),
            whims: Rng::new(seed, Concern::Whims),
            accepted_ns: Vec::new(),
            kicked: BTreeSet::new(),
            moving: BTreeMap::new(),
            wall_shift_ms: 0,
            queue: BTreeMap::new(),
            events: 0,
            swarm,
        }
    }

    pub(crate) fn now(&self) -> Now {
        let wall = (EPOCH_MS + self.now_ns / MS).saturating_add_signed(self.wall_shift_ms);
        Now { mono: Instant(self.now_ns), wall: WallTime(wall) }
    }

    pub(crate) fn schedule_step(&mut self, id: usize) {
        let at_ns = self.now_ns + self.scheduler.below(MS / 10);
        self.schedule(at_ns, Event::Step(id));
    }

    pub(crate) fn schedule_room(&mut self, id: usize) {
        let at_ns = self.now_ns + self.scheduler.below(MS / 5);
        self.schedule(at_ns, Event::Room(id));
    }

    pub(crate) fn schedule(&mut self, at_ns: u64, event: Event) {
        self.events += 1;
        let tie = self.scheduler.next();
        self.queue.insert((at_ns.max(self.now_ns), tie, self.events), event);
    }

    /// Lets everything happen that is due until then.
    pub(crate) fn run_until(&mut self, end_ns: u64) {
        while let Some(entry) = self.queue.first_entry() {
            let at_ns = entry.key().0;
            if at_ns > end_ns {
                break;
            }
            let event = entry.remove();
            self.now_ns = at_ns;
            self.happen(event);
        }
        self.now_ns = end_ns;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Step(id) => self.step(id),
            Event::Arrival(id) => self.arrive(id),
            Event::Hear(id) => self.hear(id),
            Event::Room(id) => {
                if std::mem::take(&mut self.clients[id].write_blocked) {
                    self.pend(usize::from(self.clients[id].station), Pending::Writable(id));
                }
            }
            Event::Mail { from, to } => self.pend(to, Pending::Mail(from)),
            Event::Turn(site) => self.turn(site),
            Event::Timer(site) => {
                self.sites[site].timer_ns = None;
                self.pend(site, Pending::Timeout);
            }
            Event::Drain(site) => self.pend(site, Pending::Drain),
            Event::Kick(id) => self.pend(usize::from(self.clients[id].station), Pending::Kick(id)),
            Event::Adopt(id) => self.pend(usize::from(self.clients[id].station), Pending::Adopt(id)),
            Event::Gone(id) => self.answer_gone(id),
            Event::Person(owner) => self.person_is_due(owner),
            Event::Web(owner) => self.web_is_due(owner),
            Event::Jump(by_ms) => {
                self.wall_shift_ms += by_ms;
                self.record.facts.first_jump.get_or_insert(self.accepted_ns.len() as u64);
                self.trace.note(self.now_ns, Kind::Jump, 0, by_ms.unsigned_abs(), &[]);
            }
        }
    }
}
