//! What goes into a shard and what comes out.

use std::sync::Arc;

use topic::Filter;

use crate::history::{HistoryRequest, Replay};
use crate::ids::{ConnId, Origin, ShardId};
use crate::queue::Slice;
use crate::run::Run;

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// A connection exists from now on.
    Connected(ConnId),
    /// A connection wants to hear what matches `filter`; once in its life.
    Subscribe {
        /// The connection.
        conn: ConnId,
        /// What it wants to hear.
        filter: Filter,
        /// What it wants to hear of the past.
        history: HistoryRequest,
    },
    /// A connection of this shard published.
    Publish(Arc<Run>),
    /// A connection is gone: everything that it held is given back.
    Closed(ConnId),
    /// Another shard wrote.
    Mail {
        /// The sender.
        from: ShardId,
        /// What it says.
        mail: Mail,
    },
    /// The time of `poll_timeout` has come.
    Timeout,
}

/// What shards tell each other. In order between two shards, never lost.
#[derive(Debug)]
pub enum Mail {
    /// Something was published that you are interested in.
    Publish(Arc<Run>),
    /// I am interested in `filter`; answer with [`Mail::Granted`].
    Want {
        /// The filter.
        filter: Filter,
        /// The asking connection, handed back in the answer.
        conn: ConnId,
        /// What to send along.
        history: HistoryRequest,
    },
    /// From here on you get everything; this is what was before.
    Granted {
        /// The connection that asked.
        conn: ConnId,
        /// Kept messages that match.
        history: Replay,
    },
    /// The connection has gone before it was answered: it needs no history any more.
    Cancel(ConnId),
    /// I am no longer interested in `filter`.
    Unwant(Filter),
    /// A subscriber of mine has a queue that grows: read less from this publisher.
    Brake(Origin),
    /// The queue is half empty again.
    Release(Origin),
    /// The process is over its memory budget: look whether your queues are too long.
    MemoryShort,
}

/// Whether mail is worth waking its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// The receiver has something to do.
    Wake,
    /// The receiver has to know before it does anything else, and does nothing while it sleeps.
    WhenAwake,
}

impl Mail {
    /// Whether a sleeping receiver has to be woken. Not for a brake: a shard that sleeps reads
    /// nothing, and takes its mail before it reads.
    #[must_use]
    pub fn urgency(&self) -> Urgency {
        match self {
            Self::Brake(_) => Urgency::WhenAwake,
            _ => Urgency::Wake,
        }
    }

    /// Bytes that the mail keeps alive, for the bound on mail between two shards.
    #[must_use]
    pub fn cost(&self) -> usize {
        match self {
            Self::Publish(run) => run.cost(),
            _ => 0, // one per connection at most, and connections are bounded
        }
    }
}

/// What the driver has to do.
#[derive(Debug)]
pub enum Output {
    /// Hand this to a shard, in order; to this one itself as well as to others.
    Mail {
        /// The receiver.
        to: ShardId,
        /// What to hand over.
        mail: Mail,
    },
    /// The subscription stands: whatever is published from now on arrives.
    Subscribed(ConnId),
    /// The subscription cannot be had.
    Refused(ConnId, Refusal),
    /// Stop reading from this connection.
    Pause(ConnId),
    /// Read from this connection again.
    Resume(ConnId),
}

/// Why a subscription cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Filters have taken all the memory that they may.
    FilterMemory,
    /// Filters mix names and `+` in too many ways already: routes would cost too much.
    FilterShapes,
}

/// The next thing for a subscriber.
#[derive(Debug)]
pub enum Delivery {
    /// Messages.
    Messages(Slice),
    /// This many messages were dropped here.
    Gap(u64),
}
