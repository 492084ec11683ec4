//! A client's PUBLISH packets to runs.

use broker::planted::{self, Bug};
use broker::{Marks, Qos};
use bytes::Bytes;
use topic::TopicName;
use wire::mqtt::{Ack, Packet, Properties, Property, Publish, QoS, Reason, Version, forwarded};

use crate::batch::{Added, Batch};
use crate::env::Env;
use crate::link::Chunk;
use crate::mqtt::aliases::{Given, Named};
use crate::mqtt::answers::Answer;
use crate::mqtt::farewell::Violation;
use crate::mqtt::refusing::{Refused, is_reserved};
use crate::mqtt::{Client, PACKET_WORK, RUN_WORK, number_of_seconds};

impl Client {
    /// Takes a PUBLISH whose body begins at `body_at` of the chunk, and says what it costs.
    pub(super) fn publish(
        &mut self,
        env: &mut Env,
        batch: &mut Batch,
        packet: &Publish<'_>,
        (chunk, body_at): (&Chunk, usize),
        receive_max: usize,
    ) -> Result<usize, Violation> {
        let named = self.topic_of(env, packet)?;
        let id = packet.packet_id;
        let session = env.mqtt.get_mut(self.key).expect("a client has its session");
        if let (QoS::ExactlyOnce, Some(id)) = (packet.qos, id)
            && session.received.contains(&id)
            && !planted::is(Bug::PublishTwice)
        {
            //= MQTT5-4.3.3-10
            self.answers.give_when_accepted(Answer::PubRec(id, Reason::SUCCESS));
            return Ok(PACKET_WORK); // it has been published
        }
        // Before 5.0 nobody is told how many there may be: their answers bound how much is read.
        let is_bound = id.is_some() && has_properties(self.version);
        if is_bound && session.received.len() + self.answers.waiting_pubacks() >= receive_max {
            //= MQTT5-3.3.4-7
            return Err(Violation::new(Reason::RECEIVE_MAXIMUM_EXCEEDED, "receive maximum exceeded"));
        }
        let topic = match named {
            Ok(topic) if !self.is_retained(env, batch, packet, &topic, chunk) => Err(Refused::NotRetained),
            named => named,
        };
        let topic = match topic {
            Ok(topic) => topic,
            Err(refused) => return self.refuse(env, packet, refused),
        };
        let session = env.mqtt.get_mut(self.key).expect("a client has its session");
        if let (QoS::ExactlyOnce, Some(id)) = (packet.qos, id) {
            session.received.insert(id);
        }
        let start = body_at + packet.payload_start;
        let work = match batch.add(topic, marks(env, packet), start..start + packet.payload.len()) {
            Added::GoesOn => PACKET_WORK,
            Added::Begins => RUN_WORK,
        };
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
        Ok(work)
    }

    /// Whether a message is retained if it asks for that. Who can be told that it is not has it
    /// refused as a whole; for all others it is published all the same, as at QoS 0.
    fn is_retained(
        &mut self,
        env: &mut Env,
        batch: &mut Batch,
        packet: &Publish<'_>,
        topic: &TopicName,
        chunk: &Chunk,
    ) -> bool {
        let can_be_told = has_properties(self.version) && packet.packet_id.is_some();
        if !can_be_told || !packet.retain || packet.payload.is_empty() {
            return true;
        }
        if !batch.is_empty() {
            // What is in front of it may take the last place.
            batch.flush(env, &self.publisher, &mut self.published, chunk);
        }
        env.shard.may_retain(topic)
    }

    /// A message is not published: who can be told is told, and goes on.
    fn refuse(&mut self, env: &mut Env, packet: &Publish<'_>, refused: Refused) -> Result<usize, Violation> {
        env.shard.refuse(refused.counted_as());
        if !has_properties(self.version) {
            return Err(refused.violation()); //= MQTT311-3.3.5-2
        }
        let Some(id) = packet.packet_id else { return Ok(PACKET_WORK) };
        let ack = Ack::new(id, refused.reason());
        let packet = match packet.qos {
            // Its id was not noted: what comes with it next is another message.
            //= MQTT5-4.3.3-9
            QoS::ExactlyOnce => Packet::PubRec(ack),
            _ => Packet::PubAck(ack),
        };
        self.answers.give_when_accepted(self.answer(packet, Some(&refused.words())));
        Ok(RUN_WORK)
    }

    /// The topic of a message, or of the alias that stands for it (MQTT5-3.3.2.3.4). An alias may
    /// stand for a topic that is refused: so is whatever comes under it.
    fn topic_of(&mut self, env: &Env, packet: &Publish<'_>) -> Result<Named, Violation> {
        let alias = alias_of(packet.properties)?;
        if alias.is_some_and(|alias| alias == 0 || alias > env.limits.topic_alias_max) {
            //= MQTT5-3.3.2-9
            return Err(Violation::new(Reason::TOPIC_ALIAS_INVALID, "topic alias over the maximum"));
        }
        if packet.topic.is_empty() {
            let named = alias.and_then(|alias| self.aliases.as_ref()?.get(alias).cloned());
            return named.ok_or(Violation::new(Reason::PROTOCOL_ERROR, "topic alias without a topic"));
        }
        let named = match &self.last_topic {
            Some(last) if last.as_str() == packet.topic => Ok(last.clone()),
            _ if is_reserved(packet.topic) => Err(Refused::Reserved),
            _ => TopicName::parse(packet.topic).map_err(Refused::Topic),
        };
        if let Some(alias) = alias {
            let new = || Box::new(Given::new(env.limits.topic_alias_max, &env.gauge));
            self.aliases.get_or_insert_with(new).set(alias, named.clone());
        }
        if let Ok(topic) = &named {
            self.last_topic = Some(topic.clone());
        }
        Ok(named)
    }
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
