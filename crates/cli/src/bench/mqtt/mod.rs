//! MQTT as the load generator speaks it: what is asked for, the handshake, the check of the packets that arrive, and the
//! acknowledgements of both sides.
//!
//! The codec is the broker's own, in `wire`; what is written or compared a million times a second goes past it and is
//! held against it by tests.

mod ack;
mod carried;
mod greeting;
mod incoming;
mod unacked;

use std::fmt;
use std::num::NonZeroU16;

use wire::mqtt::{QoS, Version};
use wire::websocket::Opcode;

use super::head::Head;

pub(super) use carried::Carried;
pub(super) use greeting::greet;
pub(super) use incoming::PacketCheck;
pub(super) use unacked::Unacked;

/// How publishers and subscribers speak MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mqtt {
    /// In which version.
    pub version: Version,
    /// Of what is published, and of subscriptions.
    pub qos: QoS,
    /// Messages that a publisher may have unacknowledged at QoS 1 and 2; a server of 5.0 may allow fewer.
    pub unacked_max: NonZeroU16,
    /// What carries the packets.
    pub carrier: Carrier,
}

/// What packets stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The bytes of a connection.
    Socket,
    /// Frames of a WebSocket at `/mqtt`.
    Frames,
}

impl Mqtt {
    /// What stands before the payload of each message that is published to a topic.
    pub(super) fn published_head(self, topic: &str, payload_bytes: usize) -> Head {
        let head = Head::packet(self, topic, payload_bytes);
        match self.carrier {
            Carrier::Socket => head,
            Carrier::Frames => head.in_frame(Opcode::Binary, payload_bytes, ""),
        }
    }
}

impl fmt::Display for Mqtt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = match self.version {
            Version::V31 => "3.1",
            Version::V311 => "3.1.1",
            Version::V5 => "5.0",
        };
        write!(f, "MQTT {version} QoS {}", self.qos as u8)?;
        match self.carrier {
            Carrier::Socket => Ok(()),
            Carrier::Frames => f.write_str(" over WebSocket"),
        }
    }
}
