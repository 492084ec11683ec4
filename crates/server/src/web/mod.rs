//! The operators' interface over HTTP: one thread that serves what is not hot.
//!
//! A shard hands over a connection, socket and bytes read, once it knows that the request is none of
//! its own ([`Sender::serve`]). One connection is one request: the next might be for a topic, so it is
//! closed behind the answer. Who may ask at all (`Host`, `Origin`) was decided before.
//!
//! Reading order: `thread` (start, places), `connection` (one request and its answer), `router`, `view`
//! (what answers are made of), `asking` (shards), `figures`, `api`, `health`, `metrics`, `page`.

mod administer;
mod api;
mod asking;
mod connection;
mod counts;
mod figures;
mod health;
mod metrics;
mod page;
mod problem;
mod router;
mod scripts;
#[cfg(test)]
mod tests;
mod thread;
mod view;

pub(crate) use thread::{Sender, start};
pub(crate) use view::Setup;
