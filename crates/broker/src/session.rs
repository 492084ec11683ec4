//! What a shard knows of one receiver: its subscriptions, and what waits for it.

use std::collections::VecDeque;

use crate::grant::Grants;
use crate::group::Group;
use crate::ids::{ConnId, SessionId, ShardId, SubscriptionId, SubscriptionKey};
use crate::interest::{Holder, Place};
use crate::member::Membership;
use crate::overload::Flow;
use crate::position::Standing;
use crate::queue::Queue;
use crate::run::{Qos, Run};
use crate::slab::{Key as _, Slab};

/// The sessions of a shard.
pub(crate) type Sessions = Slab<SessionId, Session>;

/// How a queue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// Whether nothing waits, no gap that is to be announced either.
    pub is_empty: bool,
    /// Live messages that were dropped and have not been announced.
    pub gap: u64,
    /// Publishers that it brakes.
    pub brakes: usize,
    /// Whether it has fallen behind and not drained since.
    pub is_behind: bool,
}

/// One receiver's state in the core. It may hold any number of subscriptions; what matches any
/// of them waits in the one queue.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    /// The connection that hears it; none while it waits for one, or if it is a group's.
    pub(crate) conn: Option<ConnId>,
    /// The group that it hears for.
    pub(crate) group: Option<Box<Group>>,
    subscriptions: Slab<SubscriptionKey, Subscription>,
    /// How many subscriptions wait for an answer. Until the last one has it, nothing is
    /// delivered: history comes before what is live.
    asking: u32,
    /// The last fan-out that has reached its queue: filters that overlap bring one copy.
    pub(crate) fanned_out: u64,
    pub(crate) queue: Queue,
    pub(crate) flow: Flow,
    /// Whether it stands in the list of those with something to deliver.
    pub(crate) listed: bool,
    /// Whether it stands in the list of those with history to deliver.
    pub(crate) replays: bool,
    /// How many of its subscriptions are places in groups.
    pub(crate) memberships: u32,
    /// Memberships whose groups are to be told of room.
    pub(crate) due: VecDeque<SubscriptionKey>,
    /// Whether it stands among those with something given that may not be taken.
    pub(crate) watched: bool,
    /// Where it stands, if it wants to know.
    pub(crate) standing: Option<Box<Standing>>,
}

/// One filter of a session, or one group that it is a member of.
///
/// ```text
/// subscribe ──▶ asking ──last Granted──▶ standing
/// ```
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) held: Held,
    /// What it waits for; `None` once it stands.
    pub(crate) grants: Option<Box<Grants>>,
}

/// What a subscription holds.
#[derive(Debug)]
pub(crate) enum Held {
    /// A place among those who hold the filter.
    Filter(Place),
    /// The same for several filters that are one subscription.
    Filters(Box<[Place]>),
    /// A place in a group.
    Member(Box<Membership>),
}

impl Held {
    /// Its place among those who hold a filter is another one now.
    pub(crate) fn moved_to(&mut self, moved: Place) {
        let places = match self {
            Self::Filter(place) => std::slice::from_mut(place),
            Self::Filters(places) => places,
            Self::Member(_) => return,
        };
        let place = places.iter_mut().find(|place| place.is_of_filter_of(moved));
        *place.expect("who moves within a filter holds it") = moved;
    }
}

impl Session {
    pub(crate) fn new(id: SessionId, conn: ConnId) -> Self {
        Self { conn: Some(conn), ..Self::without_connection(id) }
    }

    /// What hears for a group.
    pub(crate) fn of_group(id: SessionId, group: Group) -> Self {
        Self { group: Some(Box::new(group)), ..Self::without_connection(id) }
    }

    fn without_connection(id: SessionId) -> Self {
        Self {
            id,
            conn: None,
            group: None,
            fanned_out: 0,
            subscriptions: Slab::default(),
            asking: 0,
            queue: Queue::default(),
            flow: Flow::Keeping,
            listed: false,
            replays: false,
            memberships: 0,
            due: VecDeque::new(),
            watched: false,
            standing: None,
        }
    }

    /// The holder that the next [`Session::ask`] makes.
    pub(crate) fn next_holder(&self) -> Holder {
        Holder { session: self.id.slot(), subscription: self.subscriptions.next_key().slot() }
    }

    /// Adds a subscription that waits for its answers.
    pub(crate) fn ask(&mut self, held: Held, grants: Grants) -> SubscriptionId {
        self.asking += 1;
        self.memberships += u32::from(matches!(held, Held::Member(_)));
        let key = self.subscriptions.insert(Subscription { held, grants: Some(Box::new(grants)) });
        SubscriptionId { session: self.id, key }
    }

    /// What a subscription that lives holds.
    pub(crate) fn held(&self, key: SubscriptionKey) -> &Held {
        &self.subscriptions.get(key).expect("the caller found it").held
    }

    /// Whether a subscription lives.
    pub(crate) fn has(&self, key: SubscriptionKey) -> bool {
        self.subscriptions.get(key).is_some()
    }

    /// Its receiver was told of what was lost.
    pub(crate) fn gap_is_told(&mut self) {
        if self.memberships == 0 {
            return;
        }
        for subscription in self.subscriptions() {
            self.membership(subscription.key).into_iter().for_each(|membership| membership.gap = 0);
        }
    }

    /// A place in a group, if the subscription is one and lives.
    pub(crate) fn membership(&mut self, key: SubscriptionKey) -> Option<&mut Membership> {
        match &mut self.subscriptions.get_mut(key)?.held {
            Held::Member(membership) => Some(membership),
            Held::Filter(_) | Held::Filters(_) => None,
        }
    }

    /// A place in a group has less room than there may be: its group is to be told of more.
    pub(crate) fn owe_room(&mut self, key: SubscriptionKey) {
        let Some(membership) = self.membership(key) else { return };
        if !std::mem::replace(&mut membership.is_due, true) {
            self.due.push_back(key);
        }
    }

    /// What a subscription waits for; `None` if it has gone or stands.
    pub(crate) fn grants(&mut self, key: SubscriptionKey) -> Option<&mut Grants> {
        self.subscriptions.get_mut(key)?.grants.as_deref_mut()
    }

    /// Whether a subscription waits for answers.
    pub(crate) fn is_asking(&self, key: SubscriptionKey) -> bool {
        self.subscriptions.get(key).is_some_and(|subscription| subscription.grants.is_some())
    }

    /// All shards have answered: the subscription stands. Returns what they have answered.
    pub(crate) fn stand(&mut self, key: SubscriptionKey) -> Option<Box<Grants>> {
        let grants = self.subscriptions.get_mut(key)?.grants.take()?;
        self.asking -= 1;
        Some(grants)
    }

    /// Takes a subscription out.
    pub(crate) fn leave(&mut self, key: SubscriptionKey) -> Option<Subscription> {
        let subscription = self.subscriptions.remove(key)?;
        self.asking -= u32::from(subscription.grants.is_some());
        if let Held::Member(membership) = &subscription.held {
            self.memberships -= 1;
            if membership.is_due {
                self.due.retain(|due| *due != key);
            }
        }
        Some(subscription)
    }

    /// Its subscriptions.
    pub(crate) fn subscriptions(&self) -> Vec<SubscriptionId> {
        let id = |(key, _)| SubscriptionId { session: self.id, key };
        self.subscriptions.iter().map(id).collect()
    }

    /// The subscription in a slot that the interest table names.
    pub(crate) fn in_slot(&mut self, slot: u32) -> &mut Subscription {
        self.subscriptions.in_slot(slot).expect("a holder is in the table as long as its subscription is").1
    }

    /// Whether what `from` publishes is live for one of its subscriptions: what was before is
    /// history.
    #[inline]
    pub(crate) fn hears(&mut self, subscription: u32, from: ShardId) -> bool {
        // All but the first milliseconds of a session: one comparison per run and receiver.
        if self.asking == 0 {
            return true;
        }
        let grants = &self.in_slot(subscription).grants;
        grants.as_ref().is_none_or(|grants| grants.granted().contains(from))
    }

    /// Whether it takes a run: while no connection hears it, what nobody promised to keep is not
    /// kept (MQTT5-4.1.0-1).
    #[inline]
    pub(crate) fn takes(&self, run: &Run) -> bool {
        let is_heard = || self.group.as_ref().is_some_and(|group| group.is_heard());
        self.conn.is_some() || run.marks().qos > Qos::AtMostOnce || is_heard()
    }

    /// Whether all its subscriptions stand, so that what is queued may go out.
    #[inline]
    pub(crate) fn stands(&self) -> bool {
        self.asking == 0
    }

    pub(crate) fn queue_state(&self) -> QueueState {
        let (brakes, is_behind) = match &self.flow {
            Flow::Keeping => (0, false),
            Flow::Braking(origins) => (origins.len(), false),
            Flow::Behind => (0, true),
        };
        let (is_empty, gap) = (self.queue.is_empty(), self.queue.live_gap());
        QueueState { is_empty, gap, brakes, is_behind }
    }
}

/// Sessions with something to deliver, each once, in two lines that take turns: who gets
/// what few get does not stand behind the thousands that one message was for.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    few: VecDeque<SessionId>,
    crowd: VecDeque<SessionId>,
    crowd_is_next: bool,
    groups: VecDeque<SessionId>,
}

impl Ready {
    /// Lists a session unless it is listed or must hold back what it has.
    pub(crate) fn list(&mut self, session: &mut Session) {
        self.list_among(session, 1);
    }

    /// Lists a session as one of so many that get the same.
    #[inline]
    pub(crate) fn list_among(&mut self, session: &mut Session, receivers: usize) {
        if session.listed || !session.stands() {
            return;
        }
        if session.conn.is_some() {
            session.listed = true;
            let line = if receivers > FEW { &mut self.crowd } else { &mut self.few };
            line.push_back(session.id);
        } else if session.group.as_ref().is_some_and(|group| group.has_room()) {
            session.listed = true;
            self.groups.push_back(session.id);
        }
    }

    /// The next group whose members have room for something that waits.
    pub(crate) fn pop_group(&mut self) -> Option<SessionId> {
        self.groups.pop_front()
    }

    /// Whether there is one.
    pub(crate) fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    pub(crate) fn pop(&mut self) -> Option<SessionId> {
        // In turn, so that neither line can hold the other up, however long it is.
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
