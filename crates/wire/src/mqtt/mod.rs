//! MQTT 3.1, 3.1.1 and 5.0: one packet set, with the version as a parameter.
//!
//! `frame` finds the packets in a stream, `decode` makes a [`Packet`] of one, `encode` the reverse;
//! `publish_head` writes what stands in front of a payload that is sent as it lies. Everything
//! decoded is borrowed from the input, and nothing is allocated for what a length claims.
//!
//! No session lives here. What depends on who sends, on what was sent before or on what a server
//! offers is the caller's: a second CONNECT, a subscription identifier from a client, an alias above
//! the maximum, the project's own bounds for topics.

mod decode;
mod encode;
mod error;
mod frame;
mod packet;
mod property;
mod publish_head;
mod reader;
mod reason;
mod sink;
mod subscribe;
mod topic;

pub use decode::{decode, decode_connect};
pub use encode::{encode, encoded_len};
pub use error::DecodeError;
pub use frame::{BODY_BYTES_MAX, Frame, Kind, frame};
pub use packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, Publish, QoS, SubAck, Subscribe, UnsubAck, Unsubscribe,
    Version, Will,
};
pub use property::{Place, Properties, Property, PropertyIter, PropertyWriter, forwarded};
pub use publish_head::{PublishFrame, PublishHead, encode_publish_head, publish_len};
pub use reason::Reason;
pub use subscribe::{FilterNames, Filters, RetainHandling, SubscribeOptions, put_filter, put_name};
pub use topic::share_name;
