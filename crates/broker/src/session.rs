//! What a shard knows of one connection.

use std::collections::VecDeque;

use crate::grant::Grants;
use crate::ids::{ConnId, ShardSet};
use crate::interest::Place;
use crate::overload::{Flow, Pause};
use crate::queue::Queue;

/// One connection's state in the core.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) conn: ConnId,
    pub(crate) subscription: Subscription,
    pub(crate) queue: Queue,
    /// As a receiver: how its queue stands.
    pub(crate) flow: Flow,
    /// As a publisher: why it is not read.
    pub(crate) pause: Pause,
    /// Whether it stands in the list of connections with something to deliver.
    pub(crate) listed: bool,
    /// Whether it stands in the list of those with history to deliver.
    pub(crate) replays: bool,
}

/// ```text
/// None ──subscribe──▶ Asked ──last Granted──▶ Standing
/// ```
#[derive(Debug)]
pub(crate) enum Subscription {
    None,
    /// Some shards have not answered yet; what the others send is queued and held back.
    Asked {
        place: Place,
        grants: Box<Grants>,
    },
    Standing {
        place: Place,
    },
}

impl Session {
    fn new(conn: ConnId) -> Self {
        Self {
            conn,
            subscription: Subscription::None,
            queue: Queue::default(),
            flow: Flow::Keeping,
            pause: Pause::default(),
            listed: false,
            replays: false,
        }
    }

    /// The shards whose publishes are live for this subscriber: those before are history.
    #[inline]
    pub(crate) fn hears(&self) -> ShardSet {
        match &self.subscription {
            Subscription::None => ShardSet::EMPTY,
            Subscription::Asked { grants, .. } => grants.granted(),
            Subscription::Standing { .. } => ShardSet::first(64),
        }
    }

    /// Whether all shards have answered, so that what is queued may go out.
    #[inline]
    pub(crate) fn stands(&self) -> bool {
        matches!(self.subscription, Subscription::Standing { .. })
    }

    pub(crate) fn place(&self) -> Option<Place> {
        match &self.subscription {
            Subscription::None => None,
            Subscription::Asked { place, .. } | Subscription::Standing { place } => Some(*place),
        }
    }

    pub(crate) fn set_place(&mut self, moved_to: Place) {
        match &mut self.subscription {
            Subscription::None => {}
            Subscription::Asked { place, .. } | Subscription::Standing { place } => {
                *place = moved_to;
            }
        }
    }
}

/// The sessions of a shard, by slot.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    slots: Vec<Option<Session>>,
    count: usize,
}

impl Sessions {
    /// # Panics
    /// If the slot is taken: the driver gives slots out.
    pub(crate) fn insert(&mut self, conn: ConnId) {
        let slot = conn.slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        assert!(self.slots[slot].is_none(), "slot {slot} is taken");
        self.slots[slot] = Some(Session::new(conn));
        self.count += 1;
    }

    pub(crate) fn remove(&mut self, conn: ConnId) -> Option<Session> {
        self.get_mut(conn)?;
        self.count -= 1;
        self.slots[conn.slot as usize].take()
    }

    /// The session, unless it has gone (answers may come late).
    #[inline]
    pub(crate) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Session> {
        let session = self.slots.get_mut(conn.slot as usize)?.as_mut()?;
        (session.conn == conn).then_some(session)
    }

    /// The session of a slot that the interest table names.
    #[inline]
    pub(crate) fn at(&mut self, slot: u32) -> &mut Session {
        self.slots[slot as usize].as_mut().expect("a subscriber leaves the table before its session")
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The session in a slot, if there is one.
    pub(crate) fn in_slot(&mut self, slot: usize) -> Option<&mut Session> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// How many slots there are, taken or not.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }
}

/// Connections with something to deliver, each once, in two lines that take turns: who gets
/// what few get does not stand behind the thousands that one message was for.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    few: VecDeque<ConnId>,
    crowd: VecDeque<ConnId>,
    crowd_is_next: bool,
}

impl Ready {
    /// Lists a session unless it is listed or must hold back what it has.
    pub(crate) fn list(&mut self, session: &mut Session) {
        self.list_among(session, 1);
    }

    /// Lists a session as one of so many that get the same.
    #[inline]
    pub(crate) fn list_among(&mut self, session: &mut Session, receivers: usize) {
        if !session.listed && session.stands() {
            session.listed = true;
            let line = if receivers > FEW { &mut self.crowd } else { &mut self.few };
            line.push_back(session.conn);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<ConnId> {
        self.crowd_is_next = !self.crowd_is_next;
        let (first, second) = match self.crowd_is_next {
            true => (&mut self.few, &mut self.crowd),
            false => (&mut self.crowd, &mut self.few),
        };
        first.pop_front().or_else(|| second.pop_front())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.few.is_empty() && self.crowd.is_empty()
    }
}

/// To write to so many takes a fraction of a millisecond.
const FEW: usize = 32;
