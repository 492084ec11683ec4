//! Groups whose members live on several shards, against a model that knows who is a member and what
//! was published: every message that is published while a member stands is delivered to exactly one
//! of them, unless whoever had it gave it back.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use broker::{
    Delivery, GroupName, HistoryRequest, Input, Limits, Marks, Qos, ShardId, Slice, SubscriptionId, Use,
};
use proptest::prelude::*;
use topic::Filter;

use world::{World, conn};

const SHARDS: usize = 3;
/// Where each member's session lives. The group's home is shard 1.
const MEMBERS: [usize; 4] = [0, 0, 1, 2];
const HOME: usize = 1;
/// A publisher on every shard; their slots are behind the members'.
const PUBLISHER: u32 = 10;

#[derive(Debug, Clone)]
enum Step {
    Join(usize),
    Leave(usize),
    /// Its connection goes, with what it has not acknowledged; or comes back.
    Toggle(usize),
    Publish(usize),
    Carry {
        from: usize,
        to: usize,
    },
    /// A member has room for so many messages, and takes as many deliveries.
    Take {
        member: usize,
        room: usize,
        deliveries: usize,
    },
    /// It acknowledges the oldest so many.
    Acknowledge(usize, usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (member, shard) = (|| 0..MEMBERS.len(), || 0..SHARDS);
    prop_oneof![
        2 => member().prop_map(Step::Join),
        1 => member().prop_map(Step::Leave),
        1 => member().prop_map(Step::Toggle),
        6 => shard().prop_map(Step::Publish),
        10 => (shard(), shard()).prop_map(|(from, to)| Step::Carry { from, to }),
        6 => (member(), 0usize..5, 1usize..4)
            .prop_map(|(member, room, deliveries)| Step::Take { member, room, deliveries }),
        2 => (member(), 1usize..5).prop_map(|(member, count)| Step::Acknowledge(member, count)),
        1 => (1u64..400).prop_map(Step::Pass),
    ]
}

#[derive(Debug, Default)]
struct Member {
    subscription: Option<SubscriptionId>,
    stands: bool,
    is_away: bool,
    /// What it was sent and has not acknowledged.
    window: Vec<Slice>,
}

struct Play {
    world: World,
    members: Vec<Member>,
    published: Vec<usize>,
    /// Of each message: how often it was delivered, less how often that was given back.
    held: BTreeMap<usize, u32>,
    /// Messages that no member was sure to get: none stood when they were published, or the last
    /// one has left since.
    unsure: BTreeSet<usize>,
}

impl Play {
    fn new() -> Self {
        let limits = Limits { share_messages_max: 8, ..Limits::default() };
        let mut world = World::new(u8::try_from(SHARDS).unwrap(), limits);
        for (member, shard) in MEMBERS.into_iter().enumerate() {
            let slot = u32::try_from(member).unwrap();
            world.input(shard, Input::Connected(conn(slot)));
            let session = world.shards[shard].open(conn(slot));
            world.sessions.insert((shard, slot), session);
        }
        (0..SHARDS).for_each(|shard| world.input(shard, Input::Connected(conn(PUBLISHER))));
        let members = MEMBERS.iter().map(|_| Member::default()).collect();
        Self { world, members, published: Vec::new(), held: BTreeMap::new(), unsure: BTreeSet::new() }
    }

    fn take_step(&mut self, step: &Step) {
        match *step {
            Step::Join(member) => self.join(member),
            Step::Leave(member) => self.leave(member),
            Step::Toggle(member) => self.toggle(member),
            Step::Publish(shard) => {
                let number = self.published.len();
                self.published.push(shard);
                if !self.members.iter().any(|member| member.stands) {
                    self.unsure.insert(number);
                }
                let marks = Marks { qos: Qos::AtLeastOnce, ..Marks::default() };
                self.world.publish_marked(shard, PUBLISHER, "a", &number.to_string(), marks);
            }
            Step::Carry { from, to } => {
                if !self.world.mail[from][to].is_empty() {
                    self.world.carry(from, to);
                }
            }
            Step::Take { member, room, deliveries } => self.take(member, room, deliveries),
            Step::Acknowledge(member, count) => {
                let window = &mut self.members[member].window;
                window.drain(..count.min(window.len()));
            }
            Step::Pass(ms) => self.world.now.mono = self.world.now.mono.after(Duration::from_millis(ms)),
        }
        (0..SHARDS).for_each(|shard| self.world.time_out(shard));
        for (shard, id) in std::mem::take(&mut self.world.stood) {
            for (member, place) in self.members.iter_mut().zip(MEMBERS) {
                member.stands |= place == shard && member.subscription == Some(id);
            }
        }
    }

    fn session(&self, member: usize) -> broker::SessionId {
        self.world.sessions[&(MEMBERS[member], u32::try_from(member).unwrap())]
    }

    fn join(&mut self, member: usize) {
        if self.members[member].subscription.is_some() || self.members[member].is_away {
            return;
        }
        let home = ShardId(u8::try_from(HOME).unwrap());
        let group = GroupName { share: "g".into(), filter: Filter::parse("a").unwrap(), home };
        let (shard, session) = (MEMBERS[member], self.session(member));
        let id = self.world.shards[shard].join(self.world.now, session, group);
        self.members[member].subscription = Some(id);
        self.world.outputs(shard);
    }

    fn leave(&mut self, member: usize) {
        let Some(id) = self.members[member].subscription.take() else { return };
        self.world.input(MEMBERS[member], Input::Unsubscribe(id));
        self.members[member].stands = false;
        if !self.members.iter().any(|member| member.stands) {
            // What waits goes with the group.
            self.unsure.extend(0..self.published.len());
        }
    }

    fn toggle(&mut self, member: usize) {
        let (shard, session) = (MEMBERS[member], self.session(member));
        if std::mem::take(&mut self.members[member].is_away) {
            self.world.shards[shard].attach(session, conn(u32::try_from(member).unwrap()));
        } else {
            self.world.shards[shard].detach(session);
            self.give_back(member);
            self.members[member].is_away = true;
        }
        self.world.outputs(shard);
    }

    fn give_back(&mut self, member: usize) {
        let window = std::mem::take(&mut self.members[member].window);
        for slice in &window {
            for number in numbers(slice) {
                *self.held.get_mut(&number).unwrap() -= 1;
            }
        }
        self.world.shards[MEMBERS[member]].give_back(window);
    }

    fn take(&mut self, member: usize, room: usize, deliveries: usize) {
        if self.members[member].is_away {
            return;
        }
        let (shard, session) = (MEMBERS[member], self.session(member));
        while self.world.shards[shard].poll_ready().is_some() {}
        let mut left = room;
        for _ in 0..deliveries {
            self.world.shards[shard].offer_room(session, left);
            if left == 0 {
                break;
            }
            let most = u32::try_from(left).unwrap();
            match self.world.shards[shard].poll_delivery(self.world.now, session, most, usize::MAX) {
                None => break,
                Some(Delivery::Gap(gap)) => panic!("{gap} messages of a few are lost"),
                Some(Delivery::Messages(slice)) => {
                    left -= usize::try_from(slice.len()).unwrap();
                    for number in numbers(&slice) {
                        *self.held.entry(number).or_default() += 1;
                    }
                    self.members[member].window.push(slice);
                }
            }
        }
        self.world.outputs(shard);
    }

    fn check_once(&self) {
        for (number, times) in &self.held {
            assert!(*times <= 1, "{number} is with {times}");
        }
    }

    /// All mail arrives, and whoever is there takes what there is.
    fn settle(&mut self) {
        for _ in 0..60 {
            for (from, to) in (0..SHARDS).flat_map(|from| (0..SHARDS).map(move |to| (from, to))) {
                while !self.world.mail[from][to].is_empty() {
                    self.take_step(&Step::Carry { from, to });
                }
            }
            for member in 0..MEMBERS.len() {
                self.take_step(&Step::Take { member, room: 1000, deliveries: 1000 });
            }
            self.take_step(&Step::Pass(300));
        }
    }

    fn end(mut self) {
        self.settle();
        self.check_once();
        if self.members.iter().any(|member| member.stands && !member.is_away) {
            let missing: Vec<usize> = (0..self.published.len())
                .filter(|number| !self.unsure.contains(number))
                .filter(|number| self.held.get(number).is_none_or(|times| *times == 0))
                .collect();
            assert!(missing.is_empty(), "nobody has {missing:?} of {}", self.published.len());
        }
        for (member, shard) in MEMBERS.into_iter().enumerate() {
            let session = self.session(member);
            self.give_back(member);
            if self.members[member].is_away {
                self.world.shards[shard].close(session);
                self.world.outputs(shard);
            }
            self.world.input(shard, Input::Closed(conn(u32::try_from(member).unwrap())));
        }
        (0..SHARDS).for_each(|shard| self.world.input(shard, Input::Closed(conn(PUBLISHER))));
        self.world.settle();
        self.world.now.mono = self.world.now.mono.after(Duration::from_secs(1));
        (0..SHARDS).for_each(|shard| self.world.time_out(shard));
        for shard in &self.world.shards {
            assert_eq!(shard.leftovers(), [0; 4]);
            assert_eq!(shard.stats().subscriptions, 0);
        }
    }
}

fn numbers(slice: &Slice) -> Vec<usize> {
    let run = slice.run.run();
    let text = |index| std::str::from_utf8(run.payload(index)).unwrap().parse().unwrap();
    (slice.skip..slice.end).map(text).collect()
}

/// A member leaves also if it was refused; by then the group may have been opened for another one.
#[test]
fn who_was_refused_takes_nothing_along() {
    let mut world = World::new(3, Limits { filter_bytes_max: 300, ..Limits::default() });
    world.subscribe(HOME, 20, "takes/all/the/memory/that/filters/may", HistoryRequest::None);
    world.settle();
    let join = |world: &mut World, shard: usize| {
        world.input(shard, Input::Connected(conn(0)));
        let session = world.shards[shard].open(conn(0));
        let home = ShardId(u8::try_from(HOME).unwrap());
        let group = GroupName { share: "g".into(), filter: Filter::parse("a").unwrap(), home };
        let id = world.shards[shard].join(world.now, session, group);
        world.outputs(shard);
        id
    };
    join(&mut world, 0);
    world.carry(0, HOME);
    world.carry(HOME, 0);
    assert_eq!(world.said.last().unwrap(), "0 refused: FilterMemory");
    world.input(HOME, Input::Closed(conn(20)));
    world.carry(HOME, 0);
    world.carry(HOME, 2);
    let id = join(&mut world, 2);
    world.carry(2, HOME);
    // Only now the home hears that the first one has left.
    world.carry(0, HOME);
    world.settle();
    assert_eq!(world.said.last().unwrap(), "0 subscribed");
    world.input(2, Input::Unsubscribe(id));
    world.settle();
    for shard in [0, 2] {
        world.input(shard, Input::Closed(conn(0)));
    }
    world.settle();
    assert!(world.shards.iter().all(|shard| shard.leftovers() == [0; 4]));
    assert_eq!(world.gauge.used_for(Use::Sessions), 0);
}

proptest! {
    #[test]
    fn one_member_gets_each_message(steps in proptest::collection::vec(step(), 1..160)) {
        let mut play = Play::new();
        for step in &steps {
            play.take_step(step);
            play.check_once();
        }
        play.end();
    }
}
