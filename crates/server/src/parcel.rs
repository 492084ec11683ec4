//! What comes to a shard's thread from the others, in one ordered channel: the mailbox.
//!
//! Shards send mail and connections, the control thread sends orders and connections. Each
//! sender's parcels come in its order, so that an order stands behind everything that was sent
//! before it.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use broker::{ConnId, Instant, Mail, ShardId, Stats, Urgency};
use frontend::{Census, ClientRow, Handover, Traffic};
use mio::Waker;
use mio::net::TcpStream;

use crate::closings::Closings;
use crate::inquiry::Inquiry;
use crate::sys::News;
use crate::turn_times::TurnTimes;

/// One thing that was sent.
#[derive(Debug)]
pub(crate) enum Parcel {
    /// Of another shard's core.
    Mail(Mail),
    /// A client that is to live here.
    Connection(Box<HandOff>),
    /// Of the control thread.
    Order(Order),
}

impl Parcel {
    /// What it counts under way.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::Mail(mail) => mail.cost(),
            Self::Connection(hand_off) => hand_off.handover.cost(),
            Self::Order(_) => 0,
        }
    }

    pub(crate) fn urgency(&self) -> Urgency {
        match self {
            Self::Mail(mail) => mail.urgency(),
            Self::Connection(_) | Self::Order(_) => Urgency::Wake,
        }
    }
}

/// A client on its way to another thread: its socket, what it speaks, and what it has said that
/// nobody has looked at.
#[derive(Debug)]
pub(crate) struct HandOff {
    pub(crate) stream: TcpStream,
    /// The listener that accepted it.
    pub(crate) listener: usize,
    pub(crate) handover: Handover,
}

/// What the control thread tells a shard.
#[derive(Debug)]
pub(crate) enum Order {
    /// Tell what you have, and so many clients.
    Report { clients_max: usize, reply: Reply },
    /// End one connection.
    Kick(ConnId),
    /// Answer the web thread.
    Inquire(Inquiry),
    /// Publish what the broker tells of itself.
    Tell(News),
    /// Read no more; answer when everything that others had sent is taken and your mail is out.
    Quiesce(Sender<()>),
    /// Write what is queued, then the last line, then end; answer with how many clients did not
    /// get everything.
    Drain { time: Duration, done: Sender<usize> },
}

/// One shard's figures.
#[derive(Debug, Clone)]
pub(crate) struct ShardReport {
    pub(crate) at: Instant,
    pub(crate) shard: ShardId,
    pub(crate) stats: Stats,
    pub(crate) census: Census,
    pub(crate) traffic: Traffic,
    pub(crate) bytes: SocketBytes,
    /// Topics with a retained message of a client.
    pub(crate) retained: usize,
    pub(crate) clients: Vec<ClientRow>,
    pub(crate) history_bytes: usize,
    pub(crate) turns: TurnTimes,
    pub(crate) closed: Closings,
}

impl ShardReport {
    /// That of a shard before anybody was there.
    pub(crate) fn empty(shard: u8) -> Self {
        Self {
            at: Instant(0),
            shard: ShardId(shard),
            stats: Stats::default(),
            census: Census::default(),
            traffic: Traffic::default(),
            bytes: SocketBytes::default(),
            retained: 0,
            clients: Vec::new(),
            history_bytes: 0,
            turns: TurnTimes::default(),
            closed: Closings::default(),
        }
    }
}

/// Bytes that sockets gave and took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SocketBytes {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

impl SocketBytes {
    pub(crate) fn add(&mut self, other: Self) {
        self.received += other.received;
        self.sent += other.sent;
    }
}

/// Where a shard's report goes: the control thread goes on meanwhile, and is woken.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) sender: Sender<ShardReport>,
    pub(crate) waker: Arc<Waker>,
}

impl Reply {
    pub(crate) fn send(&self, report: ShardReport) {
        // Whoever asked may have stopped waiting.
        drop(self.sender.send(report));
        drop(self.waker.wake());
    }
}
