//! A client's PUBLISH packets to runs.

use std::sync::Arc;

use broker::planted::{self, Bug};
use broker::{About, Body, Marks, Qos, Run, RunBuilder};
use bytes::Bytes;
use topic::TopicName;
use wire::mqtt::{Properties, Property, Publish, QoS, Reason, Version, forwarded};

use crate::env::Env;
use crate::link::Chunk;
use crate::mqtt::answers::Answer;
use crate::mqtt::farewell::Violation;
use crate::mqtt::{Client, number_of_seconds};

/// The messages of one chunk, until they are published.
#[derive(Debug, Default)]
pub(super) struct Batch {
    runs: Vec<Gathered>,
}

/// Consecutive messages that are one run.
#[derive(Debug)]
struct Gathered {
    topic: TopicName,
    marks: Marks,
    spans: RunBuilder,
}

impl Batch {
    /// How many runs there are.
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    fn add(&mut self, topic: TopicName, marks: Marks, payload: std::ops::Range<usize>) {
        let goes_on = |run: &Gathered| run.topic == topic && run.marks == marks;
        match self.runs.last_mut().filter(|run| goes_on(run)) {
            Some(run) => run.spans.push(payload),
            None => {
                let mut spans = RunBuilder::default();
                spans.push(payload);
                self.runs.push(Gathered { topic, marks, spans });
            }
        }
    }
}

impl Client {
    /// Takes a PUBLISH whose body begins at `body_at` of the chunk.
    pub(super) fn publish(
        &mut self,
        env: &mut Env,
        batch: &mut Batch,
        packet: &Publish<'_>,
        body_at: usize,
        receive_max: usize,
    ) -> Result<(), Violation> {
        let topic = self.topic_of(packet)?;
        let id = packet.packet_id;
        let session = env.mqtt.get_mut(self.key).expect("a client has its session");
        if let (QoS::ExactlyOnce, Some(id)) = (packet.qos, id)
            && session.received.contains(&id)
            && !planted::is(Bug::PublishTwice)
        {
            //= MQTT5-4.3.3-10
            self.answers.give_when_accepted(Answer::PubRec(id, Reason::SUCCESS));
            return Ok(()); // it has been published
        }
        // Before 5.0 nobody is told how many there may be: their answers bound how much is read.
        let is_bound = id.is_some() && has_properties(self.version);
        if is_bound && session.received.len() + self.answers.waiting_pubacks() >= receive_max {
            //= MQTT5-3.3.4-7
            return Err(Violation::new(Reason::RECEIVE_MAXIMUM_EXCEEDED, "receive maximum exceeded"));
        }
        if let (QoS::ExactlyOnce, Some(id)) = (packet.qos, id) {
            session.received.insert(id);
        }
        let start = body_at + packet.payload_start;
        batch.add(topic, marks(env, packet), start..start + packet.payload.len());
        self.answers.published += 1;
        match (packet.qos, id) {
            (QoS::AtLeastOnce, Some(id)) => {
                self.answers.give_when_accepted(Answer::PubAck(id, Reason::SUCCESS));
            }
            (QoS::ExactlyOnce, Some(id)) => {
                self.answers.give_when_accepted(Answer::PubRec(id, Reason::SUCCESS));
            }
            _ => {}
        }
        Ok(())
    }

    /// The topic of a message, or of the alias that stands for it (MQTT5-3.3.2.3.4).
    fn topic_of(&mut self, packet: &Publish<'_>) -> Result<TopicName, Violation> {
        let alias = alias_of(packet.properties)?;
        let known = match alias {
            None => None,
            Some(alias) => {
                let place = usize::from(alias).checked_sub(1).and_then(|place| self.aliases.get_mut(place));
                //= MQTT5-3.3.2-9
                Some(
                    place
                        .ok_or(Violation::new(Reason::TOPIC_ALIAS_INVALID, "topic alias over the maximum"))?,
                )
            }
        };
        if packet.topic.is_empty() {
            let topic = known.and_then(|place| place.clone());
            return topic.ok_or(Violation::new(Reason::PROTOCOL_ERROR, "topic alias without a topic"));
        }
        let topic = match &self.last_topic {
            Some(last) if last.as_str() == packet.topic => last.clone(),
            _ => TopicName::parse(packet.topic)
                .map_err(|error| Violation::new(Reason::TOPIC_NAME_INVALID, error.to_string()))?,
        };
        if let Some(place) = known {
            *place = Some(topic.clone());
        }
        self.last_topic = Some(topic.clone());
        Ok(topic)
    }

    /// Publishes what was gathered.
    pub(super) fn flush(&mut self, env: &mut Env, batch: &mut Batch, chunk: &Chunk) {
        let is_one = batch.runs.len() == 1;
        for Gathered { topic, marks, spans } in batch.runs.drain(..) {
            let number = self.published;
            self.published += spans.len() as u64;
            let body = Body { bytes: chunk.bytes.clone(), pinned_bytes: chunk.pinned_bytes };
            let about = About { topic: &topic, publisher: &self.publisher, time: env.now.wall, number };
            let run = spans.finish(about, body, &env.gauge);
            // One run may have the read for itself; several would each be charged for all of it.
            let run: Run = if is_one { run } else { run.compacted(0, &env.gauge) };
            env.publish(run.marked(marks));
        }
    }
}

/// Publishes one message that stands alone.
pub(super) fn publish_one(
    env: &mut Env,
    publisher: &Arc<broker::Publisher>,
    topic: &TopicName,
    payload: Bytes,
    marks: Marks,
) {
    let mut spans = RunBuilder::default();
    spans.push(0..payload.len());
    let about = About { topic, publisher, time: env.now.wall, number: 0 };
    let run = spans.finish(about, Body::exact(payload), &env.gauge);
    env.publish(run.marked(marks));
}

fn alias_of(properties: Properties<'_>) -> Result<Option<u16>, Violation> {
    let mut found = None;
    for property in properties.iter() {
        match property {
            Property::TopicAlias(alias) => found = Some(alias),
            //= MQTT5-3.3.4-6
            Property::SubscriptionId(_) => {
                return Err(Violation::new(Reason::PROTOCOL_ERROR, "subscription identifier of a client"));
            }
            _ => {}
        }
    }
    Ok(found)
}

fn marks(env: &Env, packet: &Publish<'_>) -> Marks {
    let mut marks = Marks { qos: qos(packet.qos), retain: packet.retain, ..Marks::default() };
    if !packet.properties.is_empty() {
        let expiry = packet.properties.iter().find_map(|property| match property {
            Property::MessageExpiry(seconds) => Some(seconds),
            _ => None,
        });
        marks.expires = expiry.map(|seconds| env.now.mono.after(number_of_seconds(seconds)));
        marks.properties = kept(packet.properties);
    }
    marks
}

/// What receivers get of the properties, unaltered and in order.
pub(super) fn kept(properties: Properties<'_>) -> Option<Bytes> {
    let bytes: Vec<u8> = forwarded(properties).flatten().copied().collect();
    (!bytes.is_empty()).then(|| bytes.into())
}

pub(super) fn qos(qos: QoS) -> Qos {
    match qos {
        QoS::AtMostOnce => Qos::AtMostOnce,
        QoS::AtLeastOnce => Qos::AtLeastOnce,
        QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}

pub(super) fn wire_qos(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

/// Whether the client may have properties in what it is sent.
pub(super) fn has_properties(version: Version) -> bool {
    version == Version::V5
}
