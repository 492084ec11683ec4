//! What work costs, as data: nanoseconds of a slow core, estimated per step.
//!
//! A turn compares the sum with its budget and leaves the rest for the next one. Estimates and
//! not a clock, so that the same inputs give the same turns, in the server and in the
//! simulator. They only have to be right within a small factor.

/// Any input: a call, a look at the outputs.
pub(crate) const INPUT: u64 = 100;
/// A cached route.
pub(crate) const ROUTE: u64 = 50;
/// A node visited for a route that is not cached.
pub(crate) const VISIT: u64 = 40;
/// A filter of a route whose holders are looked at.
pub(crate) const HOLDERS: u64 = 10;
/// A filter found or added or removed, per level.
pub(crate) const FILTER_LEVEL: u64 = 150;
/// A reference pushed to a queue, or dropped from it.
pub(crate) const QUEUE_ENTRY: u64 = 60;
/// A run kept as history.
pub(crate) const RECORD: u64 = 150;
/// An entry of history looked at.
pub(crate) const SCAN: u64 = 15;
/// A topic's name compared with a filter.
pub(crate) const MATCH: u64 = 100;
/// A kept run handed to a subscriber.
pub(crate) const REPLAY_ENTRY: u64 = 60;
/// A connection that comes or goes.
pub(crate) const SESSION: u64 = 500;
