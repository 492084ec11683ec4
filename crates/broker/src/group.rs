//! Groups: several sessions that share what one filter brings (shared subscriptions, MQTT5-4.8.2).
//!
//! A group has a home, the shard that its name hashes to. There it is a session like any other: one
//! subscription, one queue, the same brakes and bounds; but what waits in its queue goes to its
//! members, in turn, and to each no more than it has said that it has room for. So what waits,
//! waits for all of them, and a member that is stuck or away holds nothing up.
//!
//! ```text
//! member ──Join──▶ home: opens the group or adds to it
//! member ◀─Granted─ home: the group's own subscription stands
//! member ──Room───▶ home: so much may be given, all in all
//! member ◀─Given─── home
//! member ──Return─▶ home: was not delivered or not acknowledged; goes in front, for another one
//! member ──Leave──▶ home: the last one ends the group
//! ```
//! This is the home's side; `member` is the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use topic::Filter;

use crate::ids::{SessionId, ShardId, SubscriptionId};
use crate::input::{Mail, Output, Refusal};
use crate::memory::{Gauge, Tally, Use};
use crate::run::Run;
use crate::session::Session;

/// What a group costs besides its name: its session and its places in tables.
const GROUP_BYTES: usize = size_of::<Session>() + size_of::<Group>() + 128;
/// What a member costs on the home's side.
const MEMBER_BYTES: usize = size_of::<(MemberId, Member)>() + size_of::<(u64, MemberId)>() + 32;

/// What tells groups apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupName {
    /// The share name (MQTT5-4.8.2-1).
    pub share: Box<str>,
    pub filter: Filter,
    /// Where the group lives: the same for everyone who names it.
    pub home: ShardId,
}

/// Some messages of a run, on their way between shards.
#[derive(Debug, Clone)]
pub struct Part {
    pub run: Arc<Run>,
    pub skip: u32,
    pub end: u32,
}

impl Part {
    pub(crate) fn cost(&self) -> usize {
        self.run.cost_of(self.end - self.skip)
    }
}

/// How much was given to a member, or may be, since it joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    pub messages: u64,
    /// Of payload; the last message may go over it.
    pub bytes: u64,
}

impl Room {
    pub(crate) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }

    pub(crate) fn subtract(&mut self, other: Self) {
        self.messages -= other.messages;
        self.bytes -= other.bytes;
    }
}

/// Whether a connection hears a member's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hears {
    Now,
    /// It may come back.
    Away,
}

/// What a member tells its group's home.
#[derive(Debug)]
pub enum ToGroup {
    /// This subscription is a member from now on, and is heard.
    Join(SubscriptionId),
    /// It may be given so much, all in all.
    Room {
        member: SubscriptionId,
        upto: Room,
        hears: Hears,
    },
    /// What was given and is for another one, and how many lost messages nobody was told of.
    Return {
        parts: Vec<Part>,
        gap: u64,
    },
    Leave(SubscriptionId),
}

/// What a group's home tells a member.
#[derive(Debug)]
pub enum ToMember {
    /// What is published from now on comes to it or to another one.
    Joined,
    Given(Part),
    /// This many messages were dropped from the group's queue.
    Gap(u64),
    /// There is no room for the group's filter.
    Refused(Refusal),
}

/// A member, among those of all shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MemberId {
    pub(crate) shard: ShardId,
    pub(crate) subscription: SubscriptionId,
}

impl MemberId {
    /// The group has something to say to the member.
    pub(crate) fn tell(self, group: &Arc<GroupName>, word: ToMember) -> Output {
        let mail = Mail::Member { group: Arc::clone(group), member: self.subscription, word };
        Output::Mail { to: self.shard, mail }
    }
}

#[derive(Debug)]
struct Member {
    given: Room,
    upto: Room,
    hears: Hears,
    /// Its place in the line of those with room.
    turn: Option<u64>,
}

/// What a session is that hears for a group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: Arc<GroupName>,
    members: BTreeMap<MemberId, Member>,
    /// Those with room: who was given something goes to the end.
    line: BTreeMap<u64, MemberId>,
    turns: u64,
    /// How many members a connection hears.
    hearing: usize,
}

impl Group {
    pub(crate) fn new(name: Arc<GroupName>) -> Self {
        Self { name, members: BTreeMap::new(), line: BTreeMap::new(), turns: 0, hearing: 0 }
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = MemberId> {
        self.members.keys().copied()
    }

    /// How many members there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether a connection hears any member.
    pub(crate) fn is_heard(&self) -> bool {
        self.hearing > 0
    }

    /// Whether any member has room.
    pub(crate) fn has_room(&self) -> bool {
        !self.line.is_empty()
    }

    /// Adds a member that is heard and has no room yet.
    pub(crate) fn add(&mut self, id: MemberId) {
        let member = Member { given: Room::default(), upto: Room::default(), hears: Hears::Now, turn: None };
        let before = self.members.insert(id, member);
        assert!(before.is_none(), "a subscription joins once");
        self.hearing += 1;
    }

    /// Takes a member out; false if it was none: who was refused leaves as well.
    pub(crate) fn remove(&mut self, id: MemberId) -> bool {
        let Some(member) = self.members.remove(&id) else { return false };
        self.hearing -= usize::from(member.hears == Hears::Now);
        member.turn.map(|turn| self.line.remove(&turn));
        true
    }

    /// A member says how much it has room for.
    pub(crate) fn set_room(&mut self, id: MemberId, upto: Room, hears: Hears) {
        let Some(member) = self.members.get_mut(&id) else { return };
        self.hearing -= usize::from(member.hears == Hears::Now);
        self.hearing += usize::from(hears == Hears::Now);
        (member.upto, member.hears) = (upto, hears);
        match (member.has_room(), member.turn) {
            (true, None) => self.queue_up(id),
            (false, Some(turn)) => {
                member.turn = None;
                self.line.remove(&turn);
            }
            _ => {}
        }
    }

    /// Whose turn it is, and how many of so many messages it is to get, so that all who have room
    /// get about the same.
    pub(crate) fn next(&self, waiting: u64) -> Option<(MemberId, u64)> {
        let (_, id) = self.line.first_key_value()?;
        let member = &self.members[id];
        let fair = waiting.div_ceil(self.line.len() as u64);
        Some((*id, fair.clamp(1, member.upto.messages - member.given.messages)))
    }

    /// The member whose turn it is was given something.
    pub(crate) fn gave(&mut self, given: Room) {
        let (_, id) = self.line.pop_first().expect("somebody's turn it was");
        let member = self.members.get_mut(&id).expect("the line is of members");
        member.given.add(given);
        member.turn = None;
        if member.has_room() {
            self.queue_up(id);
        }
    }

    fn queue_up(&mut self, id: MemberId) {
        self.turns += 1;
        self.line.insert(self.turns, id);
        self.members.get_mut(&id).expect("the caller found it").turn = Some(self.turns);
    }
}

impl Member {
    fn has_room(&self) -> bool {
        self.given.messages < self.upto.messages && self.given.bytes < self.upto.bytes
    }
}

/// The groups whose home a shard is.
#[derive(Debug)]
pub(crate) struct Groups {
    by_name: BTreeMap<Arc<GroupName>, SessionId>,
    tally: Tally,
}

impl Groups {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        Self { by_name: BTreeMap::new(), tally: Tally::new(gauge, Use::Sessions) }
    }

    pub(crate) fn find(&self, name: &GroupName) -> Option<SessionId> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn insert(&mut self, name: Arc<GroupName>, session: SessionId) {
        self.tally.add(bytes_of(&name));
        self.by_name.insert(name, session);
    }

    pub(crate) fn remove(&mut self, name: &GroupName) {
        if self.by_name.remove(name).is_some() {
            self.tally.subtract(bytes_of(name));
        }
    }

    pub(crate) fn joined(&mut self) {
        self.tally.add(MEMBER_BYTES);
    }

    pub(crate) fn left(&mut self, members: usize) {
        self.tally.subtract(members * MEMBER_BYTES);
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Makes the account say what groups occupy.
    pub(crate) fn settle(&mut self) {
        self.tally.settle();
    }
}

fn bytes_of(name: &GroupName) -> usize {
    GROUP_BYTES + 2 * (name.share.len() + name.filter.as_str().len())
}
