//! The server: threads, sockets, configuration, console and log around the deterministic core.
//!
//! Reading order: `control` (start, accept, commands, shutdown), `shard_thread` (the loop of
//! one shard), `traffic` and `turn` (who is read and written, and how much), `socket`, `transport`,
//! `parcel` and `mailbox` (what threads send each other), `listener`, `report`, `console`, `status`,
//! `rates` and `roster` (what the operator sees), `sys` (what clients are told of it), `web` and `inquiry` (what is told over HTTP), `turn_times`, `closings`
//! and `newcomers` (what is counted for that), `last_words` (a panic), `unavailable` (what stands in
//! the way of listening), `config`.

mod announcement;
mod clock;
mod closings;
pub mod config;
mod console;
mod control;
mod error;
mod inquiry;
mod last_words;
pub mod limits;
mod listener;
mod mailbox;
mod newcomers;
mod pages;
mod parcel;
mod rates;
mod report;
mod roster;
mod shard_thread;
mod shards;
mod signals;
mod socket;
mod status;
mod sys;
mod traffic;
mod transport;
mod turn;
mod turn_times;
mod unavailable;
mod web;

pub use console::CONSOLE_COMMANDS;
pub use control::{Reload, serve};
pub use error::ServeError;
pub use limits::Limits;
pub use unavailable::unavailable;
