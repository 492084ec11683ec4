//! What the broker itself publishes: what it tells of its state under `$SYS`.

use std::sync::Arc;

use broker::{About, Body, Input, Introduced, Marks, Now, Origin, Publisher, RunBuilder, ShardId};
use bytes::Bytes;
use topic::TopicName;

use crate::station::Station;
use crate::work;

/// The broker as a publisher of one shard.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// Made for the first message: only then is it known when that was.
    publisher: Option<Arc<Publisher>>,
    published: u64,
}

impl Own {
    fn publisher(&mut self, shard: ShardId, now: Now) -> &Arc<Publisher> {
        self.publisher.get_or_insert_with(|| {
            Arc::new(Publisher {
                origin: Origin::broker(shard),
                addr: None,
                name: None,
                began: now.wall,
                introduced: Introduced::ByItself,
            })
        })
    }
}

impl Station {
    /// Publishes a message of the broker's own, retained and at QoS 0. No figure counts it, no
    /// operator is shown it, and no history keeps it.
    pub fn tell(&mut self, now: Now, topic: &TopicName, payload: Bytes) {
        let env = &mut self.env;
        env.spent += work::MESSAGE;
        let number = env.own_messages.published;
        env.own_messages.published += 1;
        let publisher = env.own_messages.publisher(env.own, now);
        let about = About { topic, publisher, time: now.wall, number };
        let mut spans = RunBuilder::default();
        spans.push(0..payload.len());
        let run = spans.finish(about, Body::exact(payload), &env.gauge);
        let run = run.marked(Marks { retain: true, ..Marks::default() });
        env.shard.handle(now, Input::Tell(run.into()));
        self.drain_core(now);
    }
}
