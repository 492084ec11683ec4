//! The sessions of one shard's MQTT clients: what outlives their connections.
//!
//! A client id lives on the shard that its hash names ([`home`]), so everything about it is
//! decided here and by one thread (ADR 4): who takes whom over, what is resumed, when it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use broker::{Charge, ConnId, Gauge, Instant, Key, Marks, Publisher, SessionId, ShardId, Slab, Use};
use bytes::Bytes;
use foldhash::quality::FixedState;
use topic::TopicName;

use crate::mqtt::filters::Filters;
use crate::mqtt::window::Window;

/// What a session costs besides its client id, filters, window and will.
const SESSION_BYTES: usize = 640;

/// The shard on which a client id lives. The seed is the process's own, so that nobody can choose
/// ids that all live on one.
pub(crate) fn home(client_id: &str, shards: u8, seed: u64) -> ShardId {
    let hash = FixedState::with_seed(seed).hash_one(client_id);
    ShardId(u8::try_from(hash % u64::from(shards.max(1))).unwrap_or_default())
}

/// Names a session of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientKey {
    slot: u32,
    generation: u32,
}

impl Key for ClientKey {
    fn new(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }

    fn slot(self) -> u32 {
        self.slot
    }

    fn generation(self) -> u32 {
        self.generation
    }
}

/// A message that is published if its client goes without a word (MQTT5-3.1.2.5).
#[derive(Debug, Clone)]
pub(crate) struct Will {
    pub(crate) topic: TopicName,
    pub(crate) payload: Bytes,
    pub(crate) marks: Marks,
    /// How long it is worth something once it is published.
    pub(crate) expiry: Option<Duration>,
    pub(crate) delay: Duration,
}

/// One client's session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client_id: Box<str>,
    /// Its subscriptions and its queue.
    pub(crate) core: SessionId,
    pub(crate) conn: Option<ConnId>,
    pub(crate) filters: Filters,
    pub(crate) window: Window,
    /// Messages of QoS 2 that the client has sent and not released: they are not published twice.
    pub(crate) received: BTreeSet<NonZeroU16>,
    pub(crate) publisher: Arc<Publisher>,
    /// How long it outlives its connection.
    pub(crate) expiry: Duration,
    pub(crate) will: Option<Box<Will>>,
    /// When something is due that its client's absence has begun.
    due: Option<Instant>,
    ends_at: Option<Instant>,
    will_at: Option<Instant>,
    charge: Charge,
}

/// All of one shard.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    all: Slab<ClientKey, Session>,
    by_client: BTreeMap<Box<str>, ClientKey>,
    due: BTreeSet<(Instant, ClientKey)>,
}

/// What is due for a session without a connection.
#[derive(Debug)]
pub(crate) enum Due {
    /// Publish this.
    Will(Box<Will>, Arc<Publisher>),
    /// It is over: close it in the core.
    End(SessionId),
}

impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn find(&self, client_id: &str) -> Option<ClientKey> {
        self.by_client.get(client_id).copied()
    }

    pub(crate) fn get(&self, key: ClientKey) -> Option<&Session> {
        self.all.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: ClientKey) -> Option<&mut Session> {
        self.all.get_mut(key)
    }

    /// Adds the session of a client that has none.
    pub(crate) fn add(
        &mut self,
        client_id: &str,
        core: SessionId,
        conn: ConnId,
        publisher: Arc<Publisher>,
        gauge: &Gauge,
    ) -> ClientKey {
        let key = self.all.insert(Session {
            client_id: client_id.into(),
            core,
            conn: Some(conn),
            filters: Filters::default(),
            window: Window::default(),
            received: BTreeSet::new(),
            publisher,
            expiry: Duration::ZERO,
            will: None,
            due: None,
            ends_at: None,
            will_at: None,
            charge: gauge.charge(Use::Sessions, 0),
        });
        let before = self.by_client.insert(client_id.into(), key);
        assert!(before.is_none(), "a client id has one session");
        self.settle(key);
        key
    }

    /// Makes the account say what a session occupies, after it has changed.
    pub(crate) fn settle(&mut self, key: ClientKey) {
        let Some(session) = self.all.get_mut(key) else { return };
        let will = session.will.as_ref().map_or(0, |will| size_of::<Will>() + will.payload.len());
        let bytes = SESSION_BYTES
            + 2 * session.client_id.len()
            + session.filters.bytes()
            + session.window.own_bytes()
            + 32 * session.received.len()
            + will;
        session.charge.set(bytes);
    }

    /// Takes a session out, and everything that is due for it.
    pub(crate) fn remove(&mut self, key: ClientKey) -> Option<Session> {
        let session = self.all.remove(key)?;
        self.by_client.remove(&session.client_id);
        if let Some(at) = session.due {
            self.due.remove(&(at, key));
        }
        Some(session)
    }

    /// A connection hears it: nothing of its absence is due any more.
    pub(crate) fn attached(&mut self, key: ClientKey, conn: ConnId) {
        let Some(session) = self.all.get_mut(key) else { return };
        session.conn = Some(conn);
        (session.ends_at, session.will_at) = (None, None);
        self.reschedule(key);
    }

    /// Its connection is gone and left this will, if it has not taken it back.
    pub(crate) fn detached(&mut self, now: Instant, key: ClientKey) {
        let Some(session) = self.all.get_mut(key) else { return };
        session.conn = None;
        session.ends_at = Some(now.after(session.expiry));
        // Not later than the session ends (MQTT5-3.1.2-8).
        let delay = session.will.as_ref().map(|will| now.after(will.delay));
        session.will_at = delay.map(|at| session.ends_at.map_or(at, |end| at.min(end)));
        self.reschedule(key);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The next thing that is due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Due> {
        let (_, key) = self.due.first().copied().filter(|(at, _)| *at <= now)?;
        let session = self.all.get_mut(key).expect("what is due has a session");
        if session.will_at.take_if(|at| *at <= now).is_some()
            && let Some(will) = session.will.take()
        {
            let publisher = Arc::clone(&session.publisher);
            self.settle(key);
            self.reschedule(key);
            return Some(Due::Will(will, publisher));
        }
        if session.ends_at.is_some_and(|at| at <= now) {
            return self.remove(key).map(|session| Due::End(session.core));
        }
        self.reschedule(key);
        None
    }

    fn reschedule(&mut self, key: ClientKey) {
        let Some(session) = self.all.get_mut(key) else { return };
        if let Some(at) = session.due.take() {
            self.due.remove(&(at, key));
        }
        session.due = [session.will_at, session.ends_at].into_iter().flatten().min();
        self.due.extend(session.due.map(|at| (at, key)));
    }
}
