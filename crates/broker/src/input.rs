//! What goes into a shard and what comes out.

use std::sync::Arc;

use topic::Filter;

use crate::filters::Filters;
use crate::group::{GroupName, Part, ToGroup, ToMember};
use crate::history::{HistoryRequest, Replay};
use crate::ids::{ConnId, Origin, ShardId, SubscriptionId};
use crate::retained::Stamp;
use crate::run::Run;
use crate::slice::Slice;

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// A connection exists from now on.
    Connected(ConnId),
    /// A connection of this shard published.
    Publish(Arc<Run>),
    /// The broker itself publishes on this shard: nobody waits to hear that it was accepted, and it is
    /// neither counted nor kept as history.
    Tell(Arc<Run>),
    /// A subscription is given up.
    Unsubscribe(SubscriptionId),
    /// A connection is gone, and its session with it: everything that they held is given back.
    Closed(ConnId),
    /// Another shard wrote.
    Mail { from: ShardId, mail: Mail },
    /// The time of `poll_timeout` has come.
    Timeout,
}

/// What shards tell each other. In order between two shards, never lost.
#[derive(Debug)]
pub enum Mail {
    /// Something was published that you are interested in.
    Publish(Arc<Run>),
    /// The same, and its last message is to be retained: `message`, or nothing from now on.
    PublishRetained { run: Arc<Run>, message: Option<Arc<Run>>, stamp: Stamp },
    /// I am interested in `filters`; answer with [`Mail::Granted`].
    Want {
        filters: Filters,
        /// Who asks, handed back in the answer.
        subscription: SubscriptionId,
        /// What to send along.
        history: HistoryRequest,
    },
    /// From here on you get everything; this is what was before.
    Granted {
        subscription: SubscriptionId,
        /// Kept messages that match.
        history: Replay,
    },
    /// The subscription has gone before it was answered: it needs no history any more.
    Cancel(SubscriptionId),
    /// I am no longer interested in `filter`.
    Unwant(Filter),
    /// How many messages have you accepted?
    AskCount,
    /// So many; whatever of them you are interested in has come before this.
    Count(u64),
    /// A subscriber of mine has a queue that grows: read less from this publisher.
    Brake(Origin),
    /// The queue is half empty again.
    Release(Origin),
    /// The process is over its memory budget: look whether your queues are too long.
    MemoryShort,
    /// From a member to the home of its group.
    Group { group: Arc<GroupName>, word: ToGroup },
    /// From there to a member.
    Member { group: Arc<GroupName>, member: SubscriptionId, word: ToMember },
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
            Self::Publish(run) | Self::PublishRetained { run, .. } => run.cost(),
            Self::Member { word: ToMember::Given(part), .. } => part.cost(),
            Self::Group { word: ToGroup::Return { parts, .. }, .. } => parts.iter().map(Part::cost).sum(),
            _ => 0, // a few per connection or subscription, and both are bounded
        }
    }
}

/// What the driver has to do.
#[derive(Debug)]
pub enum Output {
    /// Hand this to a shard, in order; to this one itself as well as to others.
    Mail { to: ShardId, mail: Mail },
    /// The subscription stands: whatever is published from now on arrives.
    Subscribed {
        /// The connection that hears it.
        conn: ConnId,
        subscription: SubscriptionId,
        /// What became of what it asked for by its position.
        resumed: Resumed,
    },
    /// The subscription has gone: it was not answered in time.
    Refused {
        /// The connection that wanted to hear it.
        conn: ConnId,
        subscription: SubscriptionId,
        why: Refusal,
    },
    /// The first `upto` messages that a connection has published are kept as they were promised
    /// to be: they may be acknowledged.
    Accepted {
        conn: ConnId,
        /// How many, since it connected.
        upto: u64,
    },
    /// Stop reading from this connection.
    Pause(ConnId),
    /// Read from this connection again.
    Resume(ConnId),
}

/// Whether a subscription goes on where its session stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumed {
    /// Nothing is missing, or nothing was asked for.
    Whole,
    /// Something of what was asked for is not kept any more, or was too much.
    Short,
}

/// Why a subscription cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Filters have taken all the memory that they may.
    FilterMemory,
    /// Filters mix names and `+` in too many ways already: routes would cost too much.
    FilterShapes,
    /// A shard has not answered for `grant_time`.
    Unanswered,
}

/// The next thing for a subscriber.
#[derive(Debug)]
pub enum Delivery {
    Messages(Slice),
    /// This many messages were dropped here.
    Gap(u64),
}
