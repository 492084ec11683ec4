//! Sessions that want to know where they stand.

use std::time::Duration;

use crate::ids::SessionId;
use crate::input::{Mail, Output};
use crate::position::Standing;
use crate::shard::Shard;
use crate::slice::Slice;
use crate::time::Now;

/// How often the other shards are asked how many messages they have accepted, at most.
const ASK_PAUSE: Duration = Duration::from_secs(1);

impl Shard {
    /// A session keeps its position from now on, and goes on at `from` when it subscribes.
    ///
    /// # Panics
    /// If the session is unknown or keeps one, or if `from` is not of as many shards as there are: its
    /// front end sees to that.
    pub fn keep_position(&mut self, session: SessionId, from: Option<&[u64]>) {
        let shards = self.neighbours.others.iter().count() + 1;
        assert!(from.is_none_or(|from| from.len() == shards), "a number for each shard");
        let session = self.sessions.get_mut(session).expect("a session is there while it is set up");
        let before = session.standing.replace(Box::new(Standing::new(shards, from)));
        assert!(before.is_none(), "one position each");
        self.arrivals.session_came();
    }

    /// Where a session stands behind the last delivery: by shard, how many of its messages are done with.
    /// Whoever gives a part of a delivery back knows itself how far it went.
    #[must_use]
    pub fn position(&self, session: SessionId) -> Option<&[u64]> {
        self.sessions.get(session)?.standing.as_ref().map(|standing| standing.done())
    }

    /// Whether a delivery moves the position of its session.
    #[must_use]
    pub fn moves_position(&self, session: SessionId, slice: &Slice) -> bool {
        let standing = self.sessions.get(session).and_then(|session| session.standing.as_ref());
        standing.is_some_and(|standing| standing.is_moved_by(slice))
    }

    /// The same for a session that has got all that came, which may be much that it does not hear: the
    /// other shards are asked, and what they answer counts the next time. `None` while something waits.
    pub fn caught_up(&mut self, now: Now, session: SessionId) -> Option<&[u64]> {
        if self.arrivals.may_ask(now.mono, ASK_PAUSE) {
            let ask = |to| Output::Mail { to, mail: Mail::AskCount };
            self.out.extend(self.neighbours.others.iter().map(ask));
        }
        let session = self.sessions.get_mut(session)?;
        if !session.stands() || !session.queue.is_empty() {
            return None;
        }
        let standing = session.standing.as_mut()?;
        standing.catches_up(&self.arrivals);
        Some(standing.done())
    }
}
