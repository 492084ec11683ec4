//! Shards without sockets: mail is carried by hand, so every interleaving can be chosen.

#![allow(dead_code, reason = "each test binary compiles this module and uses its own part of it")]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use broker::{
    About, Body, ConnId, Delivery, Filters, Gauge, HistoryRequest, Input, Introduced, Limits, Mail, Marks,
    Now, Origin, Output, Publisher, Resumed, RetainedRequest, Run, RunBuilder, SessionId, Shard, ShardConfig,
    ShardId, SubscriptionId, WallTime,
};
use topic::{Filter, TopicName};

/// Some shards.
pub(crate) struct World {
    pub(crate) shards: Vec<Shard>,
    /// Mail under way, by sender and receiver.
    pub(crate) mail: Vec<Vec<VecDeque<Mail>>>,
    pub(crate) said: Vec<String>,
    /// Subscriptions that stand, by shard.
    pub(crate) stood: Vec<(usize, SubscriptionId)>,
    pub(crate) accepted: Vec<(u32, u64)>,
    /// The sessions that connections have opened, and their last subscriptions.
    pub(crate) sessions: BTreeMap<(usize, u32), SessionId>,
    pub(crate) subscriptions: BTreeMap<(usize, u32), SubscriptionId>,
    /// What became of what connections asked for by their position.
    pub(crate) resumed: BTreeMap<(usize, u32), Resumed>,
    pub(crate) gauge: Gauge,
    pub(crate) now: Now,
}

pub(crate) fn conn(slot: u32) -> ConnId {
    ConnId { slot, generation: 0 }
}

impl World {
    pub(crate) fn new(shards: u8, limits: Limits) -> Self {
        let gauge = Gauge::new();
        let limits = Arc::new(limits);
        let shard = |own| {
            let (limits, gauge) = (Arc::clone(&limits), gauge.clone());
            Shard::new(ShardConfig { own: ShardId(own), shards, limits, seed: 7, gauge })
        };
        let boxes = || (0..shards).map(|_| VecDeque::new()).collect();
        Self {
            shards: (0..shards).map(shard).collect(),
            mail: (0..shards).map(|_| boxes()).collect(),
            said: Vec::new(),
            stood: Vec::new(),
            accepted: Vec::new(),
            sessions: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            resumed: BTreeMap::new(),
            gauge: gauge.clone(),
            now: Now::default(),
        }
    }

    pub(crate) fn input(&mut self, shard: usize, input: Input) {
        self.shards[shard].handle(self.now, input);
        self.outputs(shard);
    }

    pub(crate) fn outputs(&mut self, shard: usize) {
        while let Some(output) = self.shards[shard].poll_output() {
            match output {
                Output::Mail { to, mail } => self.mail[shard][usize::from(to.0)].push_back(mail),
                Output::Subscribed { conn, subscription, resumed } => {
                    self.resumed.insert((shard, conn.slot), resumed);
                    self.said.push(format!("{} subscribed", conn.slot));
                    self.stood.push((shard, subscription));
                }
                Output::Refused { conn, why, .. } => {
                    self.said.push(format!("{} refused: {why:?}", conn.slot))
                }
                Output::Accepted { conn, upto } => self.accepted.push((conn.slot, upto)),
                Output::Pause(conn) => self.said.push(format!("{} paused", conn.slot)),
                Output::Resume(conn) => self.said.push(format!("{} resumed", conn.slot)),
            }
        }
        self.shards[shard].end_turn();
        self.check_queued(shard);
    }

    /// What a shard has counted is what waits.
    pub(crate) fn check_queued(&self, shard: usize) {
        let shard = &self.shards[shard];
        assert_eq!(shard.stats().queued, shard.queued());
    }

    /// Does what is due on a shard, and what waits.
    pub(crate) fn time_out(&mut self, shard: usize) {
        while self.shards[shard].poll_timeout().is_some_and(|at| at <= self.now.mono) {
            self.input(shard, Input::Timeout);
        }
        while self.shards[shard].has_work() {
            self.shards[shard].step(self.now);
            self.outputs(shard);
        }
    }

    /// Carries one mail.
    pub(crate) fn carry(&mut self, from: usize, to: usize) {
        let mail = self.mail[from][to].pop_front().expect("mail is under way");
        self.input(to, Input::Mail { from: ShardId(u8::try_from(from).unwrap()), mail });
    }

    /// Carries everything.
    pub(crate) fn settle(&mut self) {
        let count = self.shards.len();
        while let Some((from, to)) = (0..count)
            .flat_map(|from| (0..count).map(move |to| (from, to)))
            .find(|(from, to)| !self.mail[*from][*to].is_empty())
        {
            self.carry(from, to);
        }
    }

    pub(crate) fn subscribe(&mut self, shard: usize, slot: u32, filter: &str, history: HistoryRequest) {
        self.input(shard, Input::Connected(conn(slot)));
        let session = self.shards[shard].open(conn(slot));
        self.sessions.insert((shard, slot), session);
        self.subscribe_also(shard, slot, filter, history);
    }

    pub(crate) fn subscribe_also(&mut self, shard: usize, slot: u32, filter: &str, history: HistoryRequest) {
        let filter = Filter::parse(filter).unwrap();
        self.subscribe_with(shard, slot, &filter, history, RetainedRequest::None);
    }

    pub(crate) fn subscribe_retained(&mut self, shard: usize, slot: u32, filter: &str) {
        self.input(shard, Input::Connected(conn(slot)));
        let session = self.shards[shard].open(conn(slot));
        self.sessions.insert((shard, slot), session);
        let filter = Filter::parse(filter).unwrap();
        self.subscribe_with(shard, slot, &filter, HistoryRequest::None, RetainedRequest::All);
    }

    fn subscribe_with(
        &mut self,
        shard: usize,
        slot: u32,
        filter: &Filter,
        history: HistoryRequest,
        retained: RetainedRequest,
    ) {
        let session = self.sessions[&(shard, slot)];
        match self.shards[shard].subscribe(
            self.now,
            session,
            &Filters::One(filter.clone()),
            history,
            retained,
        ) {
            Ok(subscription) => drop(self.subscriptions.insert((shard, slot), subscription)),
            Err(why) => self.said.push(format!("{slot} refused: {why:?}")),
        }
        self.outputs(shard);
    }

    pub(crate) fn publish(&mut self, shard: usize, slot: u32, topic: &str, text: &str) {
        self.publish_marked(shard, slot, topic, text, Marks::default());
    }

    pub(crate) fn publish_marked(&mut self, shard: usize, slot: u32, topic: &str, text: &str, marks: Marks) {
        let origin = Origin { shard: ShardId(u8::try_from(shard).unwrap()), conn: conn(slot) };
        let addr = Some("127.0.0.1:1".parse().unwrap());
        let run = self.run(origin, addr, topic, text);
        self.input(shard, Input::Publish(run.marked(marks).into()));
    }

    /// The broker itself publishes, to be retained.
    pub(crate) fn tell(&mut self, shard: usize, topic: &str, text: &str) {
        let run = self.run(Origin::broker(ShardId(u8::try_from(shard).unwrap())), None, topic, text);
        let marks = Marks { retain: true, ..Marks::default() };
        self.input(shard, Input::Tell(run.marked(marks).into()));
    }

    fn run(&self, origin: Origin, addr: Option<SocketAddr>, topic: &str, text: &str) -> Run {
        let publisher = Arc::new(Publisher {
            origin,
            addr,
            name: None,
            began: WallTime(0),
            introduced: Introduced::ByBroker,
        });
        let mut spans = RunBuilder::default();
        spans.push(0..text.len());
        let body = Body::exact(text.as_bytes().to_vec().into());
        let topic = TopicName::parse(topic).unwrap();
        let about = About { topic: &topic, publisher: &publisher, time: WallTime(0), number: 0 };
        spans.finish(about, body, &self.gauge)
    }

    /// Lets another connection hear a session, or none.
    pub(crate) fn detach(&mut self, shard: usize, slot: u32) {
        self.shards[shard].detach(self.sessions[&(shard, slot)]);
        self.outputs(shard);
    }

    pub(crate) fn hears(&mut self, shard: usize, slot: u32) -> Vec<String> {
        let mut heard = Vec::new();
        let session = self.sessions[&(shard, slot)];
        while let Some(delivery) = self.shards[shard].poll_delivery(self.now, session, u32::MAX, usize::MAX) {
            match delivery {
                Delivery::Gap(dropped) => heard.push(format!("gap {dropped}")),
                Delivery::Messages(slice) => heard.extend(
                    slice.run.run().payloads(slice.skip).map(|p| String::from_utf8(p.to_vec()).unwrap()),
                ),
            }
        }
        self.outputs(shard);
        heard
    }
}
