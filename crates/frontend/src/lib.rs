//! Connections: one state machine each, from bytes to the core and from the core to bytes.
//!
//! Reading order: `station` (one shard with its connections; all that a driver drives),
//! `connection`, `hello` and `greeting` (who are you), `publishing` (bytes to runs), `delivering`
//! and `encode` (runs to bytes, in parts, once per layout), `outgoing` (bytes that wait for a
//! socket), `unfinished` (memory for what has not ended), `listening`, `census`, `event`.

#![deny(clippy::indexing_slicing)]

mod census;
mod connection;
mod delivering;
mod encode;
mod event;
mod greeting;
mod hello;
mod listening;
mod outgoing;
mod publishing;
mod station;
mod unfinished;
mod watch;
mod work;

pub use census::Census;
pub use connection::{Chunk, ClientRow, Handover, ReadEnd, RoleName};
pub use event::{CloseReason, Event};
pub use hello::{Rules, TopicPrompt};
pub use outgoing::Outgoing;
pub use station::{Lane, Move, Placement, Station, Waits};
