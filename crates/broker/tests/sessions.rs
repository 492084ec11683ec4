//! Sessions with several subscriptions, against a model that knows no queue and no mail.
//!
//! What is asked for is one topic each, so that a message is one subscription's. Whoever
//! subscribes with history hears everything that was ever published there, once; without, what
//! was published once the subscription stood, and perhaps what came while it was asked for.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod world;

use std::collections::{BTreeMap, BTreeSet};

use broker::{Delivery, HistoryRequest, Input, Limits, SubscriptionId};
use proptest::prelude::*;

use world::{World, conn};

const SHARDS: usize = 3;
/// Where each session lives; the slots of publishers are behind those of sessions.
const SESSIONS: [usize; 3] = [0, 0, 1];
const PUBLISHERS: [usize; 2] = [1, 2];
const TOPICS: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Step {
    Subscribe {
        session: usize,
        topic: usize,
        history: HistoryRequest,
    },
    Unsubscribe {
        session: usize,
        topic: usize,
    },
    Publish {
        publisher: usize,
        topic: usize,
    },
    /// Carries one mail, if there is one.
    Carry {
        from: usize,
        to: usize,
    },
    /// Whoever a shard names takes something, so much at once, for so many deliveries.
    Take {
        shard: usize,
        messages: u32,
        bytes: usize,
        deliveries: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (session, topic, shard) = (|| 0..SESSIONS.len(), || 0..TOPICS.len(), || 0..SHARDS);
    prop_oneof![
        2 => (session(), topic(), prop_oneof![Just(HistoryRequest::None), Just(HistoryRequest::Last(1000))])
            .prop_map(|(session, topic, history)| Step::Subscribe { session, topic, history }),
        1 => (session(), topic()).prop_map(|(session, topic)| Step::Unsubscribe { session, topic }),
        6 => (0..PUBLISHERS.len(), topic()).prop_map(|(publisher, topic)| Step::Publish { publisher, topic }),
        8 => (shard(), shard()).prop_map(|(from, to)| Step::Carry { from, to }),
        4 => (shard(), 0u32..4, 0usize..8, 1usize..4)
            .prop_map(|(shard, messages, bytes, deliveries)| Step::Take { shard, messages, bytes, deliveries }),
    ]
}

/// One subscription as its holder sees it.
#[derive(Debug)]
struct Asked {
    id: SubscriptionId,
    history: bool,
    /// How many messages there were on its topic when it was asked for, and when it stood.
    from: usize,
    stood: Option<usize>,
    is_given_up: bool,
}

struct Play {
    world: World,
    /// By topic: the publisher of each message, in the order of acceptance.
    published: [Vec<usize>; 3],
    asked: BTreeMap<(usize, usize), Asked>,
    heard: BTreeMap<(usize, usize), Vec<usize>>,
    /// Who was named and has not taken everything since.
    named: BTreeSet<usize>,
}

fn slot(number: usize) -> u32 {
    u32::try_from(number).unwrap()
}

impl Play {
    fn new() -> Self {
        let mut world = World::new(u8::try_from(SHARDS).unwrap(), Limits::default());
        for (session, shard) in SESSIONS.into_iter().enumerate() {
            world.input(shard, Input::Connected(conn(slot(session))));
            let id = world.shards[shard].open(conn(slot(session)));
            world.sessions.insert((shard, slot(session)), id);
        }
        for (publisher, shard) in PUBLISHERS.into_iter().enumerate() {
            world.input(shard, Input::Connected(conn(slot(SESSIONS.len() + publisher))));
        }
        Self {
            world,
            published: Default::default(),
            asked: BTreeMap::new(),
            heard: BTreeMap::new(),
            named: BTreeSet::new(),
        }
    }

    fn take_step(&mut self, step: &Step) {
        match *step {
            Step::Subscribe { session, topic, history } => self.subscribe(session, topic, history),
            Step::Unsubscribe { session, topic } => {
                if let Some(asked) = self.asked.get_mut(&(session, topic)).filter(|asked| !asked.is_given_up)
                {
                    asked.is_given_up = true;
                    self.world.input(SESSIONS[session], Input::Unsubscribe(asked.id));
                }
            }
            Step::Publish { publisher, topic } => {
                let (shard, slot) = (PUBLISHERS[publisher], slot(SESSIONS.len() + publisher));
                let text = format!("{topic} {}", self.published[topic].len());
                self.published[topic].push(publisher);
                self.world.publish(shard, slot, TOPICS[topic], &text);
            }
            Step::Carry { from, to } => {
                if !self.world.mail[from][to].is_empty() {
                    self.world.carry(from, to);
                }
            }
            Step::Take { shard, messages, bytes, deliveries } => {
                self.take(shard, messages, bytes, deliveries)
            }
        }
        (0..SHARDS).for_each(|shard| self.world.time_out(shard));
        // An id is unique on its shard only.
        for (shard, id) in std::mem::take(&mut self.world.stood) {
            let is_meant = |session: usize, asked: &Asked| SESSIONS[session] == shard && asked.id == id;
            for ((session, topic), asked) in &mut self.asked {
                if is_meant(*session, asked) {
                    asked.stood.get_or_insert(self.published[*topic].len());
                }
            }
        }
    }

    /// Once for each session and topic.
    fn subscribe(&mut self, session: usize, topic: usize, history: HistoryRequest) {
        if self.asked.contains_key(&(session, topic)) {
            return;
        }
        let shard = SESSIONS[session];
        self.world.subscribe_also(shard, slot(session), TOPICS[topic], history);
        let id = self.world.subscriptions[&(shard, slot(session))];
        let from = self.published[topic].len();
        let history = history != HistoryRequest::None;
        let asked = Asked { id, history, from, stood: None, is_given_up: false };
        self.asked.insert((session, topic), asked);
    }

    /// Only whoever was named may be asked, as a driver does.
    fn take(&mut self, shard: usize, messages: u32, bytes: usize, deliveries: usize) {
        while let Some(named) = self.world.shards[shard].poll_ready() {
            self.named.insert(named.slot as usize);
        }
        let here: Vec<usize> =
            self.named.iter().copied().filter(|session| SESSIONS[*session] == shard).collect();
        for session in here {
            for _ in 0..deliveries {
                let id = self.world.sessions[&(shard, slot(session))];
                match self.world.shards[shard].poll_delivery(self.world.now, id, messages, bytes) {
                    None => {
                        self.named.remove(&session);
                        break;
                    }
                    Some(Delivery::Gap(gap)) => panic!("{gap} messages of a few are lost"),
                    Some(Delivery::Messages(slice)) => {
                        let meant = usize::try_from(slice.len()).unwrap();
                        for payload in slice.run.run().payloads(slice.skip).take(meant) {
                            let text = std::str::from_utf8(payload).unwrap();
                            let (topic, number) = text.split_once(' ').unwrap();
                            let topic: usize = topic.parse().unwrap();
                            self.heard.entry((session, topic)).or_default().push(number.parse().unwrap());
                        }
                    }
                }
            }
            self.world.outputs(shard);
        }
    }

    /// Everything arrives, and is judged; then everybody goes.
    fn end(mut self) {
        for _ in 0..3 {
            for (from, to) in (0..SHARDS).flat_map(|from| (0..SHARDS).map(move |to| (from, to))) {
                while !self.world.mail[from][to].is_empty() {
                    self.take_step(&Step::Carry { from, to });
                }
            }
            for shard in 0..SHARDS {
                self.take(shard, u32::MAX, usize::MAX, usize::MAX);
            }
        }
        for (key, asked) in &self.asked {
            self.judge(*key, asked);
        }
        for (key, heard) in &self.heard {
            assert!(self.asked.contains_key(key), "{key:?} never asked and heard {heard:?}");
        }
        for (session, shard) in SESSIONS.into_iter().enumerate() {
            self.world.input(shard, Input::Closed(conn(slot(session))));
        }
        self.world.settle();
        for (publisher, shard) in PUBLISHERS.into_iter().enumerate() {
            self.world.input(shard, Input::Closed(conn(slot(SESSIONS.len() + publisher))));
        }
        for shard in &self.world.shards {
            assert_eq!(shard.leftovers(), [0; 4]);
            assert_eq!(shard.stats().subscriptions, 0);
        }
    }

    fn judge(&self, key: (usize, usize), asked: &Asked) {
        let published = &self.published[key.1];
        let heard = self.heard.get(&key).map(Vec::as_slice).unwrap_or_default();
        let once: BTreeSet<usize> = heard.iter().copied().collect();
        assert_eq!(once.len(), heard.len(), "{key:?} heard something twice: {heard:?}");
        for publisher in 0..PUBLISHERS.len() {
            let of_one: Vec<usize> = heard.iter().copied().filter(|n| published[*n] == publisher).collect();
            assert!(of_one.is_sorted(), "{key:?} heard {publisher} out of order: {of_one:?}");
        }
        let first = if asked.history { 0 } else { asked.from };
        assert!(heard.iter().all(|number| *number >= first), "{key:?} heard the past: {heard:?}, {asked:?}");
        if asked.is_given_up {
            return;
        }
        let stood = asked.stood.expect("all mail is carried");
        let due = if asked.history { 0 } else { stood };
        let missing: Vec<usize> = (due..published.len()).filter(|number| !once.contains(number)).collect();
        assert!(missing.is_empty(), "{key:?} has not heard {missing:?} of {}, {asked:?}", published.len());
    }
}

proptest! {
    #[test]
    //= MQTT5-4.5.0-1
    //= MQTT5-4.6.0-5
    //= MQTT5-4.6.0-6
    //= MQTT311-4.5.0-1
    //= MQTT311-4.6.0-5
    //= type=test
    fn every_subscription_hears_its_own_once(steps in proptest::collection::vec(step(), 1..90)) {
        let mut play = Play::new();
        for step in &steps {
            play.take_step(step);
        }
        play.end();
    }
}
