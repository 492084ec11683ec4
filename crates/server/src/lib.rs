//! The server: threads, sockets, configuration, console and log around the deterministic core.
//!
//! Reading order: `control` (start, accept, commands, shutdown), `shard_thread` (the loop of
//! one shard), `traffic` and `turn` (who is read and written, and how much), `socket`, `transport`,
//! `parcel` and `mailbox` (what threads send each other), `listener`, `report`, `console`, `status`,
//! `rates` and `roster` (what the operator sees), `sys` (what clients are told of it), `last_words` (a panic), `unavailable` (what stands in the way of listening), `config`.

mod clock;
pub mod config;
mod console;
mod control;
mod error;
mod last_words;
pub mod limits;
mod listener;
mod mailbox;
mod parcel;
mod rates;
mod report;
mod roster;
mod shard_thread;
mod signals;
mod socket;
mod status;
mod sys;
mod traffic;
mod transport;
mod turn;
mod unavailable;

pub use console::CONSOLE_COMMANDS;
pub use control::{Reload, serve};
pub use error::ServeError;
pub use limits::Limits;
pub use unavailable::unavailable;
