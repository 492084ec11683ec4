//! Retained messages against a model: mail in any order, subscriptions in the middle of it.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod world;

use broker::{Delivery, Input, Limits, Marks, Qos, Shard};
use proptest::prelude::*;
use topic::TopicName;
use world::{World, conn};

const SHARDS: usize = 3;
/// Each is published to by one publisher, on the shard of its number modulo `SHARDS`.
const TOPICS: [&str; 5] = ["a", "a/b", "b", "a/c", "b/d"];
const FILTERS: [&str; 4] = ["#", "a/#", "a/b", "+"];

#[derive(Debug, Clone)]
enum Step {
    Publish { topic: usize, is_empty: bool, is_retained: bool },
    Subscribe { shard: usize, filter: usize },
    Carry { from: usize, to: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..TOPICS.len(), 0..4u8, 0..5u8).prop_map(|(topic, empty, retained)| Step::Publish {
            topic,
            is_empty: empty == 0,
            is_retained: retained > 0,
        }),
        1 => (0..SHARDS, 0..FILTERS.len()).prop_map(|(shard, filter)| Step::Subscribe { shard, filter }),
        6 => (0..SHARDS, 0..SHARDS).prop_map(|(from, to)| Step::Carry { from, to }),
    ]
}

/// One message: its text, and whether it is to be retained.
type Published = (String, bool);

struct Subscriber {
    shard: usize,
    slot: u32,
    filter: usize,
    /// By topic: how many were published when it asked, and when it stood.
    asked: [usize; TOPICS.len()],
    stood: Option<[usize; TOPICS.len()]>,
}

struct Model {
    world: World,
    published: [Vec<Published>; TOPICS.len()],
    subscribers: Vec<Subscriber>,
}

impl Model {
    fn new() -> Self {
        let mut world = World::new(u8::try_from(SHARDS).unwrap(), Limits::default());
        for topic in 0..TOPICS.len() {
            world.input(topic % SHARDS, Input::Connected(conn(u32::try_from(topic).unwrap())));
        }
        Self { world, published: Default::default(), subscribers: Vec::new() }
    }

    fn take_step(&mut self, step: &Step) {
        match *step {
            Step::Publish { topic, is_empty, is_retained } => {
                let text = if is_empty { String::new() } else { self.published[topic].len().to_string() };
                self.published[topic].push((text.clone(), is_retained));
                let marks = Marks { retain: is_retained, ..Marks::default() };
                let slot = u32::try_from(topic).unwrap();
                self.world.publish_marked(topic % SHARDS, slot, TOPICS[topic], &text, marks);
            }
            Step::Subscribe { shard, filter } => self.subscribe(shard, filter),
            Step::Carry { from, to } if !self.world.mail[from][to].is_empty() => self.world.carry(from, to),
            Step::Carry { .. } => {}
        }
        self.note_stood();
    }

    fn subscribe(&mut self, shard: usize, filter: usize) {
        let slot = u32::try_from(TOPICS.len() + self.subscribers.len()).unwrap();
        let asked = self.published.each_ref().map(Vec::len);
        self.subscribers.push(Subscriber { shard, slot, filter, asked, stood: None });
        self.world.subscribe_retained(shard, slot, FILTERS[filter]);
        self.note_stood();
    }

    fn note_stood(&mut self) {
        (0..SHARDS).for_each(|shard| self.world.time_out(shard));
        let counts = self.published.each_ref().map(Vec::len);
        for said in std::mem::take(&mut self.world.said) {
            let slot: u32 = said.strip_suffix(" subscribed").unwrap().parse().unwrap();
            let subscriber = self.subscribers.iter_mut().find(|one| one.slot == slot).unwrap();
            subscriber.stood = Some(counts);
        }
    }

    fn finish(mut self) {
        self.world.settle();
        self.note_stood();
        for index in 0..self.subscribers.len() {
            self.check(index);
        }
        // Everyone agrees, and whoever comes now gets the last of each topic and nothing else.
        let counts = self.published.each_ref().map(Vec::len);
        for shard in 0..SHARDS {
            self.subscribe(shard, 0);
            self.world.settle();
            self.note_stood();
            let last = self.subscribers.len() - 1;
            assert_eq!(self.subscribers[last].stood, Some(counts));
            self.check(last);
        }
        for subscriber in &self.subscribers {
            self.world.input(subscriber.shard, Input::Closed(conn(subscriber.slot)));
        }
        for topic in 0..TOPICS.len() {
            self.world.input(topic % SHARDS, Input::Closed(conn(u32::try_from(topic).unwrap())));
        }
        self.world.settle();
        assert!(self.world.shards.iter().map(Shard::leftovers).all(|left| left == [0; 4]));
    }

    /// What was heard of each topic is what was retained at one moment between asking and
    /// standing, and then everything that was published after that moment. What was retained is
    /// missing only if another message has taken its place before the subscription stood.
    fn check(&mut self, index: usize) {
        let Subscriber { shard, slot, filter, asked, stood } = self.subscribers[index];
        let stood = stood.expect("all mail was carried");
        let heard = take(&mut self.world, shard, slot);
        let filter = topic::Filter::parse(FILTERS[filter]).unwrap();
        for (number, name) in TOPICS.iter().enumerate() {
            let of_topic: Vec<_> = heard
                .iter()
                .filter(|(topic, ..)| topic == name)
                .map(|(_, text, kept)| (text.clone(), *kept))
                .collect();
            let published = &self.published[number];
            let matches = filter.matches(&TopicName::parse(name).unwrap());
            let possible = (asked[number]..=stood[number]).any(|moment| {
                let retained = published[..moment].iter().rev().find(|(_, is_retained)| *is_retained);
                let retained =
                    retained.filter(|(text, _)| !text.is_empty()).map(|(text, _)| (text.clone(), true));
                let live = published[moment..].iter().map(|(text, _)| (text.clone(), false));
                let is_replaced =
                    published[moment..stood[number]].iter().any(|(_, is_retained)| *is_retained);
                live.clone().eq(of_topic.iter().cloned()) && (retained.is_none() || is_replaced)
                    || retained.into_iter().chain(live).eq(of_topic.iter().cloned())
            });
            assert!(
                if matches { possible } else { of_topic.is_empty() },
                "{name}: {of_topic:?} of {published:?}"
            );
        }
    }
}

/// What a subscriber hears: topic, text, and whether it was retained for it.
fn take(world: &mut World, shard: usize, slot: u32) -> Vec<(String, String, bool)> {
    let session = world.sessions[&(shard, slot)];
    let mut heard = Vec::new();
    while let Some(delivery) = world.shards[shard].poll_delivery(world.now, session, u32::MAX, usize::MAX) {
        let Delivery::Messages(slice) = delivery else { panic!("{delivery:?}") };
        for payload in slice.run.run().payloads(slice.skip) {
            let text = String::from_utf8(payload.to_vec()).unwrap();
            heard.push((slice.run.run().topic().to_string(), text, slice.retained));
        }
    }
    world.outputs(shard);
    heard
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    //= MQTT5-3.3.1-5
    //= MQTT5-3.3.1-6
    //= MQTT5-3.3.1-7
    //= MQTT5-3.3.1-8
    //= MQTT5-3.3.2-3
    //= MQTT311-3.3.1-7
    //= MQTT311-3.3.1-10
    //= MQTT311-3.3.1-11
    //= MQTT311-3.3.1-12
    //= MQTT311-3.3.2-3
    //= type=test
    fn what_is_retained_and_what_comes_live_fit_together(steps in proptest::collection::vec(step(), 0..60)) {
        let mut model = Model::new();
        steps.iter().for_each(|step| model.take_step(step));
        model.finish();
    }
}

/// Two publishers of one topic: whoever of them is the later one, all shards say the same.
#[test]
fn shards_agree_on_the_latest() {
    for order in [[(0, 2), (1, 2)], [(1, 2), (0, 2)]] {
        let mut world = World::new(3, Limits::default());
        let retain = || Marks { retain: true, qos: Qos::AtLeastOnce, ..Marks::default() };
        world.publish_marked(0, 9, "t", "of 0", retain());
        world.publish_marked(1, 9, "t", "of 1", retain());
        order.into_iter().for_each(|(from, to)| world.carry(from, to));
        world.settle();
        for shard in 0..3 {
            world.subscribe_retained(shard, 0, "t");
            world.settle();
            assert_eq!(take(&mut world, shard, 0), [("t".to_owned(), "of 1".to_owned(), true)]);
        }
    }
}

#[test]
fn there_is_room_for_so_many_topics() {
    let limits = Limits { retained_max: 2, ..Limits::default() };
    let mut world = World::new(2, limits);
    let retain = || Marks { retain: true, ..Marks::default() };
    for (topic, text, has_room) in [
        ("a", "1", true),
        ("b", "2", true),
        ("c", "3", false),
        ("b", "4", true),
        ("a", "", true),
        ("d", "5", true),
    ] {
        let name = TopicName::parse(topic).expect("a topic");
        assert_eq!(world.shards[0].may_retain(&name), has_room, "{topic}");
        world.publish_marked(0, 9, topic, text, retain());
    }
    world.settle();
    world.subscribe_retained(1, 0, "#");
    world.settle();
    let heard: Vec<String> =
        take(&mut world, 1, 0).into_iter().map(|(topic, text, _)| topic + &text).collect();
    assert_eq!(heard, ["b4", "d5"]);
    assert_eq!(world.shards[0].stats().not_retained, 1);
}

/// What the broker tells of itself and what clients want kept do not take each other's room.
#[test]
fn the_broker_s_own_have_room_beside_those_of_clients() {
    let mut world = World::new(2, Limits { retained_max: 1, ..Limits::default() });
    let retain = || Marks { retain: true, ..Marks::default() };
    for topic in ["$SYS/1", "$SYS/2"] {
        world.tell(0, topic, "old");
        world.tell(0, topic, "new");
    }
    for topic in ["a", "b"] {
        world.publish_marked(0, 9, topic, "a client's", retain());
    }
    world.tell(0, "$SYS/3", "late");
    world.settle();
    for shard in [0, 1] {
        assert_eq!(world.shards[shard].retained_messages(), 1);
        world.subscribe_retained(shard, 0, "$SYS/#");
        world.settle();
        let heard: Vec<String> =
            take(&mut world, shard, 0).into_iter().map(|(topic, text, _)| topic + " " + &text).collect();
        assert_eq!(heard, ["$SYS/1 new", "$SYS/2 new", "$SYS/3 late"]);
    }
    assert_eq!(world.shards[0].stats().not_retained, 1, "of b");
    world.publish_marked(0, 9, "a", "", retain());
    world.publish_marked(0, 9, "b", "a client's", retain());
    assert_eq!((world.shards[0].retained_messages(), world.shards[0].stats().not_retained), (1, 1));
}

/// A walk through many topics is done in steps, and what comes meanwhile comes live and once.
#[test]
fn many_are_looked_at_in_steps() {
    let mut world = World::new(1, Limits { retained_max: 10_000, ..Limits::default() });
    let retain = || Marks { retain: true, ..Marks::default() };
    for number in 0..5000 {
        world.publish_marked(0, 9, &format!("t/{number:04}"), "old", retain());
    }
    world.subscribe_retained(0, 0, "+/+");
    assert!(world.said.is_empty(), "not at once");
    world.publish_marked(0, 9, "t/4999", "new", retain());
    world.publish_marked(0, 9, "t/0000", "", retain());
    let mut steps = 0;
    while world.shards[0].has_work() {
        world.shards[0].take_work();
        world.shards[0].step(world.now);
        assert!(world.shards[0].take_work() < 200_000, "a step is bounded");
        world.outputs(0);
        steps += 1;
    }
    assert!(steps > 3, "{steps}");
    let heard = take(&mut world, 0, 0);
    assert_eq!(heard.len(), 5000, "all but the one that was taken back, and the word of that");
    assert_eq!(heard[4998], ("t/4999".to_owned(), "new".to_owned(), false));
    assert_eq!(heard[4999], ("t/0000".to_owned(), String::new(), false));
}
