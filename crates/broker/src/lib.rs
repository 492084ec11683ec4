//! The deterministic core: one [`Shard`] is one thread's whole broker.
//!
//! It knows no socket, clock, thread, file or random number. Time and seeds come in as
//! data; the same inputs in the same order give the same outputs.
//!
//! Reading order: `input` (what goes in and out), `shard` (the one match), `fanout` (one
//! publish to every queue), `source` and `session` (who publishes, who hears), `queue`,
//! `overload` (brake, pause, drop, memory), `interest` and `grant` (who wants what, and how
//! subscribing meets live traffic), `group` and `member` (who shares what a filter brings), `history`,
//! `listing` (pages for operators), `work` (what each step costs), `limits`.

mod fanout;
mod filters;
mod grant;
mod group;
mod history;
mod ids;
mod input;
mod interest;
pub mod limits;
mod listing;
mod member;
mod memory;
mod overload;
pub mod planted;
mod position;
mod queue;
mod refused;
mod retained;
mod routes;
mod run;
mod session;
mod shard;
mod slab;
mod slice;
mod source;
mod stats;
mod time;
mod work;

pub use filters::Filters;
pub use group::{GroupName, Hears, Part, Room, ToGroup, ToMember};
pub use history::{HistoryRequest, Kept, Replay, TopicRow, Wanted};
pub use ids::{ConnId, Origin, SessionId, ShardId, ShardSet, SubscriptionId, SubscriptionKey};
pub use input::{Delivery, Input, Mail, Output, Refusal, Resumed, Urgency};
pub use limits::Limits;
pub use listing::{FilterRow, Page};
pub use memory::{Charge, Gauge, Use};
pub use refused::{MessageRefusal, Reason, Refused, SubscriptionRefusal};
pub use retained::{RetainedRequest, Stamp};
pub use run::{
    About, Body, Introduced, LocalRun, Marks, Publisher, Qos, RUN_OVERHEAD_BYTES, Run, RunBuilder, Span,
};
pub use session::QueueState;
pub use shard::{Shard, ShardConfig};
pub use slab::{Key, Slab};
pub use slice::Slice;
pub use stats::{Queued, Stats};
pub use time::{Instant, Now, WallTime};
