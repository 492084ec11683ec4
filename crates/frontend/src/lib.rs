//! Connections: one state machine each, from bytes to the core and from the core to bytes.
//!
//! Reading order: `station` (one shard with its connections; all that a driver drives),
//! `connection` (its socket side, its protocol, its end), `link` (the socket side), `env` (what
//! a connection acts on), `sniffing` (which protocol), `text` (the text protocol), `delivering`
//! (how far ahead of a socket), `outgoing` (bytes that wait for one), `unfinished` (memory for
//! what has not ended), `half_closed`, `census`, `watch`, `event`.
//!
//! A protocol is a folder and a variant of `connection::Protocol`.

#![deny(clippy::indexing_slicing)]

mod batch;
mod census;
mod connection;
mod declined;
mod delivering;
mod env;
mod event;
mod feed;
mod half_closed;
mod handover;
mod http;
pub mod limits;
mod link;
mod mqtt;
mod outgoing;
mod own;
#[cfg(test)]
mod packets;
mod remembered;
mod sniffing;
#[cfg(any(test, feature = "stage"))]
pub mod stage;
mod station;
mod text;
mod traffic;
#[cfg(test)]
mod transcripts;
mod unfinished;
mod watch;
#[cfg(test)]
mod web_words;
mod websocket;
mod work;

pub use census::{ByProtocol, Census, ClientRow, ProtocolName, RoleName};
pub use connection::{Rules, Spoken};
pub use event::{CloseReason, Event};
pub use handover::Handover;
pub use http::WebAccess;
pub use limits::{LONG_CARRY_READS, Limits};
pub use link::{Chunk, ReadEnd};
pub use mqtt::Violation;
pub use outgoing::Outgoing;
pub use station::{Action, Lane, MayStay, Offer, Placement, Released, Station, StationConfig, Waits};
pub use text::TopicPrompt;
pub use traffic::{Sent, Traffic};
