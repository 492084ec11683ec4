//! Receivers that go on where they stood: whenever their connection breaks, and wherever they come
//! back, everything comes once, or they are told that something is gone.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod world;

use std::time::Duration;

use broker::{Delivery, Filters, HistoryRequest, Input, Limits, Resumed, RetainedRequest};
use proptest::prelude::*;
use topic::{Filter, TopicName};

use world::{World, conn};

const SHARDS: u8 = 3;
const TOPICS: [&str; 3] = ["a/x", "a/y", "b"];
/// Slot of the publisher on each shard.
const PUBLISHER: u32 = 1000;

#[derive(Debug, Clone)]
enum Step {
    Publish {
        shard: usize,
        topic: usize,
    },
    Carry {
        from: usize,
        to: usize,
    },
    /// So many messages at most are asked for, and so many of them are taken.
    Deliver {
        asked: u32,
        taken: u32,
    },
    CatchUp,
    Settle,
    Break {
        comes_back_on: usize,
    },
    Pass,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let shard = 0..usize::from(SHARDS);
    let step = prop_oneof![
        6 => (shard.clone(), 0..TOPICS.len()).prop_map(|(shard, topic)| Step::Publish { shard, topic }),
        8 => (shard.clone(), shard.clone()).prop_map(|(from, to)| Step::Carry { from, to }),
        6 => (1u32..4, 1u32..4).prop_map(|(asked, taken)| Step::Deliver { asked, taken }),
        1 => Just(Step::CatchUp),
        2 => Just(Step::Settle),
        2 => shard.prop_map(|comes_back_on| Step::Break { comes_back_on }),
        1 => Just(Step::Pass),
    ];
    proptest::collection::vec(step, 1..120)
}

/// One client through all its connections.
struct Client {
    filters: Vec<Filter>,
    shard: usize,
    slot: u32,
    /// What it knows of where it stands.
    position: Option<Vec<u64>>,
    /// From where on it is to get everything.
    since: Option<Vec<u64>>,
    heard: Vec<String>,
    is_told: bool,
}

impl Client {
    fn connect(&mut self, world: &mut World) {
        self.slot += 1;
        world.input(self.shard, Input::Connected(conn(self.slot)));
        let shard = &mut world.shards[self.shard];
        let session = shard.open(conn(self.slot));
        shard.keep_position(session, self.position.as_deref());
        let filters = Filters::new(&self.filters);
        shard.subscribe(world.now, session, &filters, HistoryRequest::None, RetainedRequest::None).unwrap();
        world.sessions.insert((self.shard, self.slot), session);
        world.outputs(self.shard);
        self.look(world);
    }

    /// What its front end does when the subscription stands.
    fn look(&mut self, world: &World) {
        let stood = world.resumed.get(&(self.shard, self.slot));
        if let Some(resumed) = stood {
            self.is_told |= *resumed == Resumed::Short;
            if self.position.is_none() {
                let session = world.sessions[&(self.shard, self.slot)];
                self.position = world.shards[self.shard].position(session).map(<[u64]>::to_vec);
                self.since = self.position.clone();
            }
        }
    }

    fn deliver(&mut self, world: &mut World, asked: u32, taken: u32) -> bool {
        self.look(world);
        let session = world.sessions[&(self.shard, self.slot)];
        let shard = &mut world.shards[self.shard];
        let Some(delivery) = shard.poll_delivery(world.now, session, asked, usize::MAX) else { return false };
        let Delivery::Messages(slice) = delivery else { panic!("nothing overflows here") };
        let mut position = shard.position(session).unwrap().to_vec();
        let end = slice.end.min(slice.skip + taken);
        let run = slice.run.run();
        for message in slice.skip..end {
            self.heard.push(String::from_utf8(run.payload(message).to_vec()).unwrap());
        }
        position[usize::from(run.publisher().origin.shard.0)] = run.place_of(end);
        self.position = Some(position);
        if end < slice.end {
            shard.put_back(session, broker::Slice { skip: end, ..slice });
        }
        world.outputs(self.shard);
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn everything_comes_once_or_it_is_said_that_it_does_not(
        steps in steps(),
        filters in proptest::sample::select(vec![vec!["a/#"], vec!["a/x", "b"], vec!["#", "a/+"], vec!["b"]]),
        kept in proptest::sample::select(vec![0u32, 2, 1000]),
    ) {
        let limits = Limits { history_messages_max: kept, ..Limits::default() };
        let mut world = World::new(SHARDS, limits);
        let mut published: Vec<Vec<(usize, String)>> = vec![Vec::new(); usize::from(SHARDS)];
        for shard in 0..usize::from(SHARDS) {
            world.input(shard, Input::Connected(conn(PUBLISHER)));
        }
        let filters: Vec<Filter> = filters.iter().map(|filter| Filter::parse(filter).unwrap()).collect();
        let mut client = Client {
            filters, shard: 0, slot: 0, position: None, since: None, heard: Vec::new(), is_told: false,
        };
        client.connect(&mut world);
        for step in steps {
            match step {
                Step::Publish { shard, topic } => {
                    let text = format!("{shard}:{}", published[shard].len());
                    world.publish(shard, PUBLISHER, TOPICS[topic], &text);
                    published[shard].push((topic, text));
                }
                Step::Carry { from, to } if !world.mail[from][to].is_empty() => world.carry(from, to),
                Step::Carry { .. } => {}
                Step::Settle => world.settle(),
                Step::Deliver { asked, taken } => drop(client.deliver(&mut world, asked, taken)),
                Step::CatchUp => {
                    client.look(&world);
                    let session = world.sessions[&(client.shard, client.slot)];
                    let caught_up = world.shards[client.shard].caught_up(world.now, session);
                    if let Some(position) = caught_up.map(<[u64]>::to_vec) {
                        client.position = Some(position);
                        client.since.get_or_insert_with(|| client.position.clone().unwrap());
                    }
                    world.outputs(client.shard);
                }
                Step::Break { comes_back_on } => {
                    client.look(&world);
                    world.input(client.shard, Input::Closed(conn(client.slot)));
                    client.shard = comes_back_on;
                    client.connect(&mut world);
                }
                Step::Pass => {
                    world.now.mono = world.now.mono.after(Duration::from_millis(700));
                    for shard in 0..usize::from(SHARDS) {
                        world.time_out(shard);
                    }
                }
            }
        }
        world.settle();
        for shard in 0..usize::from(SHARDS) {
            world.time_out(shard);
        }
        world.settle();
        while client.deliver(&mut world, u32::MAX, u32::MAX) {}

        let since = client.since.clone().unwrap();
        for shard in 0..SHARDS {
            let is_wanted = |(topic, _): &&(usize, String)| {
                let topic = TopicName::parse(TOPICS[*topic]).unwrap();
                client.filters.iter().any(|filter| filter.matches(&topic))
            };
            let from = usize::try_from(since[usize::from(shard)]).unwrap();
            let wanted = published[usize::from(shard)].iter().skip(from).filter(is_wanted);
            let wanted: Vec<&String> = wanted.map(|(_, text)| text).collect();
            let of_shard = |text: &&String| text.starts_with(&format!("{shard}:"));
            let heard: Vec<&String> = client.heard.iter().filter(of_shard).collect();
            if client.is_told && kept < 1000 {
                let mut rest = wanted.iter();
                let in_order = heard.iter().all(|text| rest.any(|wanted| wanted == text));
                prop_assert!(in_order, "{heard:?} of {wanted:?}");
            } else {
                prop_assert!(!client.is_told, "all is kept");
                prop_assert_eq!(heard, wanted);
            }
        }
    }
}
