//! A connection on its way to a shard: from a listener, or from another shard.

use std::net::SocketAddr;

use broker::{Instant, RUN_OVERHEAD_BYTES, ShardId};
use bytes::Bytes;
use topic::TopicName;

use crate::connection::{Connection, Protocol};
use crate::link::{Chunk, Link, ReadEnd};
use crate::text::Publishing;
use crate::websocket::Moving;

/// A connection on its way to a shard, from a listener or from another shard: what it speaks, and
/// what it has said that nobody has looked at. Its socket travels beside it.
#[derive(Debug)]
pub struct Handover {
    pub(crate) addr: SocketAddr,
    pub(crate) since: Instant,
    pub(crate) speaks: Speaks,
    pub(crate) rest: Chunk,
    pub(crate) read_end: ReadEnd,
}

/// What a protocol takes along: nothing that is written in part, and nothing of a shard.
#[derive(Debug)]
pub(crate) enum Speaks {
    /// Nobody knows: it was accepted and not read.
    Unknown,
    Text(Box<Publishing>),
    /// Its CONNECT is in what it has said.
    Mqtt,
    /// The same, in frames.
    WebSocket(Box<Moving>),
}

impl Handover {
    /// A connection that was accepted at `since`.
    #[must_use]
    pub fn accepted(addr: SocketAddr, since: Instant) -> Self {
        let rest = Chunk { bytes: Bytes::new(), pinned_bytes: 0 };
        Self { addr, since, speaks: Speaks::Unknown, rest, read_end: ReadEnd::Drained }
    }

    /// Bytes that it holds in memory, and that the run which may become of them holds besides.
    #[must_use]
    pub fn cost(&self) -> usize {
        let decoded = match &self.speaks {
            Speaks::WebSocket(moving) => moving.held_bytes(),
            Speaks::Unknown | Speaks::Text(_) | Speaks::Mqtt => 0,
        };
        self.rest.pinned_bytes + decoded + RUN_OVERHEAD_BYTES
    }
}

/// A connection before it is settled where it will live. What it has said that nobody has looked at
/// is to be received there.
#[derive(Debug)]
pub(crate) struct Settling {
    pub(crate) towards: Towards,
    pub(crate) rest: Chunk,
    pub(crate) read_end: ReadEnd,
}

/// What decides where a connection lives.
#[derive(Debug)]
pub(crate) enum Towards {
    /// It is going to publish to this topic: best where it is heard.
    Hearers(TopicName),
    /// Its client id lives there.
    Home(ShardId),
}

impl Connection {
    /// Takes a publisher apart that has published nothing yet, for another shard. `None` for
    /// anyone else.
    pub(crate) fn into_handover(self, rest: Chunk, read_end: ReadEnd) -> Option<Handover> {
        assert!(self.is_written(), "only what is written is moved");
        assert!(self.link.unfinished.is_none(), "what is left over counts where it goes");
        assert!(self.link.session.is_none(), "a session stays where it is");
        let speaks = match self.protocol {
            Protocol::Text(text) => Speaks::Text(text.into_publishing()?),
            Protocol::Mqtt(_) => Speaks::Mqtt,
            Protocol::WebSocket(socket) => Speaks::WebSocket(Box::new(socket.moving())),
            Protocol::Http(_) | Protocol::Sniffing(_) => return None,
        };
        let Link { addr, since, .. } = self.link;
        Some(Handover { addr, since, speaks, rest, read_end })
    }
}
