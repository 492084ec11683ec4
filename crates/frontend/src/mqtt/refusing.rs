//! What a client is told when something is refused and its connection goes on: a reason code, and
//! words if the code leaves something unsaid (MQTT5 4.13).
//!
//! Words are for people. A client that does not want them gets none, nor does one whose packets
//! they would not fit; where nothing is known beyond the code there are none either.

use std::borrow::Cow;

use broker::MessageRefusal;
use topic::TopicError;
use wire::mqtt::{
    Ack, ConnAck, Disconnect, Packet, Place, Properties, Property, PropertyWriter, Reason, SubAck, Version,
    encode, encoded_len,
};

use crate::mqtt::Client;
use crate::mqtt::answers::Answer;
use crate::mqtt::farewell::Violation;

/// Why a message is not published although its packet is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its topic is one of the standard's and none of ours.
    Topic(TopicError),
    /// Its topic is the server's own.
    Reserved,
    /// It was to be retained, and there is no room for it.
    NotRetained,
}

/// Whether a client wants to know more than a code (Request Problem Information).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problems {
    Explained,
    Unexplained,
}

impl Refused {
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::Topic(_) => Reason::TOPIC_NAME_INVALID,
            Self::Reserved => Reason::NOT_AUTHORIZED,
            Self::NotRetained => Reason::QUOTA_EXCEEDED,
        }
    }

    /// What operators see of it.
    pub(super) fn counted_as(self) -> MessageRefusal {
        match self {
            Self::Topic(_) => MessageRefusal::InvalidTopic,
            Self::Reserved => MessageRefusal::ReservedTopic,
            Self::NotRetained => MessageRefusal::RetainedFull,
        }
    }

    pub(super) fn words(self) -> Cow<'static, str> {
        match self {
            Self::Topic(error) => error.to_string().into(),
            Self::Reserved => "topics of the server are not published to".into(),
            Self::NotRetained => "no room for another retained message; nothing was published".into(),
        }
    }

    /// For a client that cannot be told: its connection ends.
    pub(super) fn violation(self) -> Violation {
        Violation::new(self.reason(), self.words())
    }
}

impl Client {
    /// An answer with words, if the client wants them.
    pub(super) fn answer(&self, packet: Packet<'_>, words: Option<&str>) -> Answer {
        //= MQTT5-3.1.2-29
        let words = words.filter(|_| self.problems == Problems::Explained);
        Answer::Whole(with_words(self.version, self.packet_bytes_max, packet, words).into())
    }
}

/// Whether nobody but the server may publish to a topic.
pub(super) fn is_reserved(topic: &str) -> bool {
    topic.starts_with("$SYS/") || topic.starts_with("$share/")
}

/// A packet with a reason string, which is left out if the packet would have more than
/// `packet_bytes_max` with it.
pub(super) fn with_words(
    version: Version,
    packet_bytes_max: usize,
    packet: Packet<'_>,
    words: Option<&str>,
) -> Vec<u8> {
    let (mut bytes, mut own) = (Vec::new(), Vec::new());
    if let Some(words) = words.filter(|_| version == Version::V5) {
        PropertyWriter::new(&mut own).put(&Property::ReasonString(words));
        let explained = explained(packet, &own);
        //= MQTT5-3.2.2-19
        //= MQTT5-3.4.2-2
        //= MQTT5-3.5.2-2
        //= MQTT5-3.9.2-1
        //= MQTT5-3.14.2-3
        if encoded_len(version, &explained) <= packet_bytes_max {
            encode(&mut bytes, version, &explained);
            return bytes;
        }
    }
    encode(&mut bytes, version, &packet);
    bytes
}

/// The same packet with these properties.
fn explained<'a>(packet: Packet<'a>, own: &'a [u8]) -> Packet<'a> {
    let properties = |place| Properties::parse(place, own).expect("a reason string is one of theirs");
    match packet {
        Packet::ConnAck(it) => Packet::ConnAck(ConnAck { properties: properties(Place::ConnAck), ..it }),
        Packet::PubAck(it) => Packet::PubAck(Ack { properties: properties(Place::PubAck), ..it }),
        Packet::PubRec(it) => Packet::PubRec(Ack { properties: properties(Place::PubRec), ..it }),
        Packet::SubAck(it) => Packet::SubAck(SubAck { properties: properties(Place::SubAck), ..it }),
        Packet::Disconnect(it) => {
            Packet::Disconnect(Disconnect { properties: properties(Place::Disconnect), ..it })
        }
        other => other,
    }
}
