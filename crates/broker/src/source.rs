//! What a shard knows of one connection: what it publishes, and why it is not read.

use crate::ids::{ConnId, SessionId};
use crate::overload::Pause;
use crate::slab::Slab;

/// The connections of a shard, by the ids that the driver gave them.
pub(crate) type Sources = Slab<ConnId, Source>;

/// One connection's state in the core.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) conn: ConnId,
    /// The session that it hears, if it has opened one.
    pub(crate) session: Option<SessionId>,
    /// Messages accepted from it.
    pub(crate) accepted: u64,
    pub(crate) pause: Pause,
}

impl Source {
    pub(crate) fn new(conn: ConnId) -> Self {
        Self { conn, session: None, accepted: 0, pause: Pause::default() }
    }
}
