//! Connections: one state machine each, from bytes to the core and from the core to bytes.
//!
//! Reading order: `station` (one shard with its connections; all that a driver drives),
//! `connection`, `hello` and `greeting` (who are you), `publishing` (bytes to runs), `encode` (runs to
//! bytes, once per layout), `outgoing` (bytes that wait for a socket), `event`.

#![deny(clippy::indexing_slicing)]

mod connection;
mod encode;
mod event;
mod greeting;
mod hello;
mod outgoing;
mod publishing;
mod station;
mod watch;

pub use connection::{Chunk, ClientRow, Handover, ReadEnd, RoleName};
pub use event::{CloseReason, Event};
pub use hello::{Rules, TopicPrompt};
pub use outgoing::Outgoing;
pub use station::{Census, Move, Placement, Station};
