//! What connections act on: the core, the account, and what their station has to look at.
//!
//! It is handed to every call of a connection. What a connection does with it has happened when
//! the call returns; what the core says to it comes out of the core afterwards.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use broker::{
    About, Body, ConnId, Filters, Gauge, HistoryRequest, Input, Instant, Marks, Now, Publisher, Refusal,
    RetainedRequest, Run, RunBuilder, SessionId, Shard, ShardConfig, ShardId, WallTime,
};
use bytes::Bytes;
use topic::{Filter, TopicName};
use wire::past::Replay;

use crate::census::Census;
use crate::event::Event;
use crate::feed;
use crate::half_closed::HalfClosedOnes;
use crate::http;
use crate::limits::Limits;
use crate::mqtt;
use crate::outgoing::Pool;
use crate::own::Own;
use crate::station::{Action, StationConfig};
use crate::text;
use crate::traffic::Traffic;
use crate::unfinished::Unfinished;
use crate::watch::Watch;
use crate::work;

/// A station without its connections.
#[derive(Debug)]
pub(crate) struct Env {
    pub(crate) own: ShardId,
    pub(crate) shards: u8,
    pub(crate) home_seed: u64,
    /// The time of this call.
    pub(crate) now: Now,
    pub(crate) shard: Shard,
    pub(crate) limits: Arc<Limits>,
    pub(crate) gauge: Gauge,
    pub(crate) events: Vec<Event>,
    /// Who is there; the station adds those who have not said anything yet.
    pub(crate) census: Census,
    pub(crate) traffic: Traffic,
    pub(crate) own_messages: Own,
    pub(crate) watch: Watch,
    pub(crate) pool: Pool,
    pub(crate) encoder: text::Encoder,
    /// The same for MQTT's packets.
    pub(crate) publishes: mqtt::Encoder,
    /// The same for streams over HTTP.
    pub(crate) streams: feed::Encoder,
    pub(crate) web: Arc<http::WebAccess>,
    pub(crate) deadlines: BTreeSet<(Instant, ConnId)>,
    /// What outlives the connections of MQTT's clients.
    pub(crate) mqtt: mqtt::Sessions,
    /// Client ids that were made up.
    pub(crate) assigned: u64,
    /// Connections that have lost their session to another one, and end.
    pub(crate) evicted: Vec<ConnId>,
    pub(crate) unfinished: Unfinished,
    pub(crate) half_closed: HalfClosedOnes,
    /// Connections that may have something to be written, besides those with deliveries.
    pub(crate) to_write: VecDeque<ConnId>,
    pub(crate) date: http::Date,
    /// What the driver has to do.
    pub(crate) actions: VecDeque<Action>,
    /// Whether everyone gets what is queued and then ends.
    pub(crate) draining: bool,
    /// What the chunk that is being received has published, at its cost.
    pub(crate) published_bytes: usize,
    /// What calls have cost since the last look.
    pub(crate) spent: u64,
}

impl Env {
    pub(crate) fn new(config: StationConfig) -> Self {
        let shown = config.limits.events_shown_per_second.div_ceil(u32::from(config.shards));
        Self {
            own: config.own,
            shards: config.shards,
            home_seed: config.home_seed,
            now: Now::default(),
            limits: Arc::clone(&config.limits),
            gauge: config.gauge.clone(),
            events: Vec::new(),
            census: Census::default(),
            traffic: Traffic::default(),
            own_messages: Own::default(),
            watch: Watch::new(shown),
            pool: Pool::default(),
            encoder: text::Encoder::new(config.gauge.clone()),
            publishes: mqtt::Encoder::new(config.gauge.clone()),
            streams: feed::Encoder::new(config.gauge.clone(), config.epoch),
            web: config.web,
            date: http::Date::default(),
            deadlines: BTreeSet::new(),
            mqtt: mqtt::Sessions::default(),
            assigned: 0,
            evicted: Vec::new(),
            unfinished: Unfinished::default(),
            half_closed: HalfClosedOnes::default(),
            to_write: VecDeque::new(),
            actions: VecDeque::new(),
            draining: false,
            published_bytes: 0,
            spent: 0,
            shard: Shard::new(ShardConfig {
                own: config.own,
                shards: config.shards,
                limits: Arc::new(config.limits.core.clone()),
                seed: config.seed,
                gauge: config.gauge,
            }),
        }
    }

    /// A connection publishes.
    pub(crate) fn publish(&mut self, run: Run) {
        self.spent += work::MESSAGE * u64::from(run.len());
        self.published_bytes += run.cost();
        self.watch.published(self.now.mono, &run, &mut self.events);
        self.shard.handle(self.now, Input::Publish(run.into()));
        // A call that publishes run by run has to see what those who hear them cost.
        self.spent += self.shard.take_work();
    }

    /// A publisher has one message that stands alone, its `number`.
    pub(crate) fn publish_one(
        &mut self,
        publisher: &Arc<Publisher>,
        topic: &TopicName,
        number: u64,
        payload: Bytes,
        marks: Marks,
    ) {
        let mut spans = RunBuilder::default();
        spans.push(0..payload.len());
        let about = About { topic, publisher, time: self.now.wall, number };
        let run = spans.finish(about, Body::exact(payload), &self.gauge);
        self.publish(run.marked(marks));
    }

    /// What has been spent on encoding, and on what to encode.
    pub(crate) fn spent_on_delivery(&self) -> u64 {
        self.spent + self.encoder.spent + self.publishes.spent + self.streams.spent
    }

    /// What of the past a client asks for.
    pub(crate) fn history(&self, replay: Replay) -> HistoryRequest {
        match replay {
            Replay::None => HistoryRequest::None,
            Replay::Last(count) => HistoryRequest::Last(count),
            Replay::Since(span) => HistoryRequest::Since(self.now.wall.before(span)),
            Replay::SinceTime(time_ms) => HistoryRequest::Since(WallTime(time_ms)),
        }
    }

    /// A connection opens a session with one subscription. Also says why the filter is refused,
    /// if it is; the session is there all the same.
    pub(crate) fn subscribe(
        &mut self,
        conn: ConnId,
        filter: &Filter,
        history: HistoryRequest,
    ) -> (SessionId, Option<Refusal>) {
        let session = self.shard.open(conn);
        // Text asks for the past, which is more; but of what the broker tells there is none.
        let retained = if filter.is_system() { RetainedRequest::All } else { RetainedRequest::None };
        let filters = Filters::One(filter.clone());
        let refused = self.shard.subscribe(self.now, session, &filters, history, retained).err();
        (session, refused)
    }
}
