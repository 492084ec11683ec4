//! The packets of all three versions, borrowed from the bytes that they were read from.
//!
//! What a version does not have is empty or has the value that it stands for: properties before
//! 5.0, reason codes of an acknowledgement before 5.0.

use std::num::NonZeroU16;

use super::{FilterNames, Filters, Kind, Properties, Reason};

/// The version of the protocol, which the CONNECT says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// `MQIsdp`, level 3.
    V31,
    /// `MQTT`, level 4.
    V311,
    /// `MQTT`, level 5.
    V5,
}

/// How surely a message is delivered (MQTT5 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum QoS {
    AtMostOnce,
    AtLeastOnce,
    ExactlyOnce,
}

impl QoS {
    /// `None` for a number above 2.
    #[inline]
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    Connect(Connect<'a>),
    ConnAck(ConnAck<'a>),
    Publish(Publish<'a>),
    PubAck(Ack<'a>),
    PubRec(Ack<'a>),
    PubRel(Ack<'a>),
    PubComp(Ack<'a>),
    Subscribe(Subscribe<'a>),
    SubAck(SubAck<'a>),
    Unsubscribe(Unsubscribe<'a>),
    UnsubAck(UnsubAck<'a>),
    PingReq,
    PingResp,
    Disconnect(Disconnect<'a>),
    /// Only in 5.0.
    Auth(Auth<'a>),
}

impl Packet<'_> {
    /// What packet it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Connect(_) => Kind::Connect,
            Self::ConnAck(_) => Kind::ConnAck,
            Self::Publish(_) => Kind::Publish,
            Self::PubAck(_) => Kind::PubAck,
            Self::PubRec(_) => Kind::PubRec,
            Self::PubRel(_) => Kind::PubRel,
            Self::PubComp(_) => Kind::PubComp,
            Self::Subscribe(_) => Kind::Subscribe,
            Self::SubAck(_) => Kind::SubAck,
            Self::Unsubscribe(_) => Kind::Unsubscribe,
            Self::UnsubAck(_) => Kind::UnsubAck,
            Self::PingReq => Kind::PingReq,
            Self::PingResp => Kind::PingResp,
            Self::Disconnect(_) => Kind::Disconnect,
            Self::Auth(_) => Kind::Auth,
        }
    }
}

/// MQTT5 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connect<'a> {
    pub version: Version,
    /// "Clean session" before 5.0.
    pub clean_start: bool,
    /// Seconds; 0 means none.
    pub keep_alive: u16,
    /// May be empty in every version; 3.1 wants 1 to 23 characters, 3.1.1 a clean session with an
    /// empty one. Both are answered with a return code, so they are the caller's.
    pub client_id: &'a str,
    pub will: Option<Will<'a>>,
    pub user_name: Option<&'a str>,
    pub password: Option<&'a [u8]>,
    pub properties: Properties<'a>,
}

/// What is published when the client goes without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Will<'a> {
    pub qos: QoS,
    pub retain: bool,
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub properties: Properties<'a>,
}

/// MQTT5 3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnAck<'a> {
    /// Not told in 3.1.
    pub session_present: bool,
    /// A return code before 5.0: see [`Reason::return_code`].
    pub reason: Reason,
    pub properties: Properties<'a>,
}

/// MQTT5 3.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    pub dup: bool,
    pub qos: QoS,
    pub retain: bool,
    /// Empty only with a topic alias among the properties.
    pub topic: &'a str,
    /// Present if the QoS is not 0.
    pub packet_id: Option<NonZeroU16>,
    pub properties: Properties<'a>,
    pub payload: &'a [u8],
    /// Where the payload begins in the body; what is encoded does not depend on it.
    pub payload_start: usize,
}

/// PUBACK, PUBREC, PUBREL and PUBCOMP (MQTT5 3.4 to 3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack<'a> {
    pub packet_id: NonZeroU16,
    /// Success before 5.0.
    pub reason: Reason,
    pub properties: Properties<'a>,
}

impl Ack<'_> {
    /// One without properties.
    #[must_use]
    pub fn new(packet_id: NonZeroU16, reason: Reason) -> Self {
        Self { packet_id, reason, properties: Properties::EMPTY }
    }
}

/// MQTT5 3.8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribe<'a> {
    pub packet_id: NonZeroU16,
    pub properties: Properties<'a>,
    pub filters: Filters<'a>,
}

/// MQTT5 3.9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubAck<'a> {
    pub packet_id: NonZeroU16,
    pub properties: Properties<'a>,
    /// One [`Reason`] for each filter, in their order. Before 5.0 every refusal is written as 0x80;
    /// 3.1 does not know that one, but no other way to say no either.
    pub reasons: &'a [u8],
}

/// MQTT5 3.10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    pub packet_id: NonZeroU16,
    pub properties: Properties<'a>,
    pub filters: FilterNames<'a>,
}

/// MQTT5 3.11.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsubAck<'a> {
    pub packet_id: NonZeroU16,
    pub properties: Properties<'a>,
    /// One [`Reason`] for each filter, in their order; not told before 5.0.
    pub reasons: &'a [u8],
}

/// MQTT5 3.14.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// Normal before 5.0.
    pub reason: Reason,
    pub properties: Properties<'a>,
}

/// MQTT5 3.15.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Auth<'a> {
    pub reason: Reason,
    pub properties: Properties<'a>,
}
