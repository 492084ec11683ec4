//! What a shard does for groups: as the home of some, and for its sessions' places in any.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Shard;
use crate::filters::Filters;
use crate::grant::{self, Grants};
use crate::group::{Group, GroupName, Hears, MemberId, Part, Room, ToGroup, ToMember};
use crate::history::{Found, HistoryRequest, Replay};
use crate::ids::{SessionId, ShardId, ShardSet, SubscriptionId, SubscriptionKey};
use crate::input::{Delivery, Output, Refusal};
use crate::limits::Limits;
use crate::member::{Membership, Returned};
use crate::overload::{Flow, Places};
use crate::planted::{self, Bug};
use crate::retained::RetainedRequest;
use crate::run::LocalRun;
use crate::session::{Held, Session};
use crate::slice::Slice;
use crate::time::{Instant, Now};
use crate::work;

/// Memberships that one call tells of room.
const TOLD_AT_ONCE: usize = 16;

impl Shard {
    /// A session wants a share of what matches a group's filter. The output
    /// [`Subscribed`](crate::Output::Subscribed) tells when it has it, [`Refused`](crate::Output::Refused)
    /// if it cannot.
    ///
    /// # Panics
    /// If the session is unknown: its front end sees to that.
    pub fn join(&mut self, now: Now, session: SessionId, group: GroupName) -> SubscriptionId {
        self.spent += work::INPUT + work::SESSION;
        let session = self.sessions.get_mut(session).expect("a session joins while it lives");
        self.stats.subscriptions += 1;
        self.stats.shared_subscriptions += 1;
        let mut home = ShardSet::EMPTY;
        home.insert(group.home);
        let until = now.mono.after(self.limits.grant_time);
        let membership = Box::new(Membership::new(Arc::new(group)));
        let id = session.ask(Held::Member(membership), Grants::new(home, until));
        self.deadlines.insert((until, id));
        let membership = session.membership(id.key).expect("it was just put there");
        self.out.push_back(membership.tell(ToGroup::Join(id)));
        id
    }

    /// Whether a subscription lives: a session keeps what it has called so while it was away.
    #[must_use]
    pub fn holds(&self, id: SubscriptionId) -> bool {
        self.sessions.get(id.session).is_some_and(|session| session.has(id.key))
    }

    /// Whether a subscription waits for its answers.
    #[must_use]
    pub fn is_waiting(&self, id: SubscriptionId) -> bool {
        self.sessions.get(id.session).is_some_and(|session| session.is_asking(id.key))
    }

    /// A session's receiver has room for so many more messages of groups: tells the groups that have given it
    /// most of what they may. Constant time if there is none.
    ///
    /// Returns whether more of them are to be told, in another call.
    pub fn offer_room(&mut self, id: SessionId, messages: usize) -> bool {
        let Some(session) = self.sessions.get_mut(id) else { return false };
        if session.due.is_empty() || messages == 0 {
            return false;
        }
        let most = most(&self.limits, messages, session.memberships);
        for _ in 0..TOLD_AT_ONCE {
            let Some(key) = session.due.pop_front() else { break };
            let membership = session.membership(key).expect("who leaves is not due any more");
            membership.is_due = false;
            self.spent += work::INPUT;
            let told = membership.make_room(SubscriptionId { session: id, key }, most, Hears::Now);
            self.out.push_back(told);
        }
        !session.due.is_empty()
    }

    /// What a receiver was sent and did not acknowledge goes back to the groups that gave it, for
    /// others. Slices that no group gave are passed over.
    pub fn give_back(&mut self, slices: impl IntoIterator<Item = Slice>) {
        let mut returned = Returned::default();
        for slice in slices {
            self.spent += work::INPUT;
            returned.add(&slice);
        }
        returned.mail(&mut self.out);
    }

    pub(super) fn unsubscribe(&mut self, id: SubscriptionId) {
        if let Some(session) = self.sessions.get_mut(id.session) {
            if session.membership(id.key).is_some() {
                self.take_back(id.session, Some(id.key));
                self.give_gap_back(id);
            }
            grant::leave(&mut self.tables(), id);
        }
    }

    /// A session is heard from now on, or not: its groups are told, and while it is not, what they
    /// have given it is for others.
    pub(super) fn tell_groups(&mut self, id: SessionId, hears: Hears) {
        if hears == Hears::Away {
            self.take_back(id, None);
        }
        let Some(session) = self.sessions.get_mut(id).filter(|session| session.memberships > 0) else {
            return;
        };
        for subscription in session.subscriptions() {
            self.spent += work::INPUT;
            let Some(membership) = session.membership(subscription.key) else { continue };
            self.out.push_back(membership.close(subscription, hears));
            session.owe_room(subscription.key);
        }
    }

    /// A member, or one that wants to be, has a word for its group.
    pub(super) fn group_hears(&mut self, now: Instant, from: ShardId, name: &Arc<GroupName>, word: ToGroup) {
        if let ToGroup::Join(subscription) = word {
            return self.joined(now, MemberId { shard: from, subscription }, name);
        }
        let Some(session) = self.groups.find(name).and_then(|id| self.sessions.get_mut(id)) else {
            return; // its last member has left
        };
        let group = session.group.as_mut().expect("a group's session has it");
        match word {
            ToGroup::Join(_) => {}
            ToGroup::Room { member, upto, hears } => {
                group.set_room(MemberId { shard: from, subscription: member }, upto, hears);
                self.look_at_flow(name);
            }
            ToGroup::Return { parts, gap } => self.returned(now, name, parts, gap),
            ToGroup::Leave(member) => {
                if !group.remove(MemberId { shard: from, subscription: member }) {
                    return;
                }
                self.groups.left(1);
                if group.len() == 0 {
                    return self.end_group(name);
                }
                self.look_at_flow(name);
            }
        }
    }

    /// A group has a word for one of its members here.
    pub(super) fn member_hears(
        &mut self,
        now: Instant,
        from: ShardId,
        group: Arc<GroupName>,
        id: SubscriptionId,
        word: ToMember,
    ) {
        match word {
            ToMember::Joined => {
                let replay = Replay::new(Found::default(), 0, self.memory.gauge());
                self.granted(now, from, id, replay);
            }
            ToMember::Refused(why) => self.give_up(id, why),
            ToMember::Given(part) => self.given(now, group, id, part),
            ToMember::Gap(count) => self.given_gap(group, id, count),
        }
    }

    /// Gives out what waits for a group, as far as its members have room.
    pub(super) fn give_out(&mut self, now: Instant, work_max: u64) {
        let Some(session) = self.ready.pop_group().and_then(|id| self.sessions.get_mut(id)) else { return };
        session.listed = false;
        let spent_max = self.spent.saturating_add(work_max);
        while self.spent < spent_max {
            self.spent += work::INPUT;
            let group = session.group.as_mut().expect("the line is of groups");
            let Some((member, messages)) = group.next(session.queue.front_len()) else { return };
            let messages = u32::try_from(messages).unwrap_or(u32::MAX);
            let popped = session.queue.pop(now, messages, self.limits.share_bytes_max);
            let Some(popped) = popped else { return };
            let word = match &popped.delivery {
                Delivery::Gap(count) => ToMember::Gap(*count),
                Delivery::Messages(slice) => {
                    group.gave(slice.room());
                    let run = Arc::clone(slice.run.run());
                    ToMember::Given(Part { run, skip: slice.skip, end: slice.end })
                }
            };
            self.out.push_back(member.tell(&group.name, word));
            self.overload.queue_shrank(session, &popped, &self.limits, &mut self.out);
        }
        self.ready.list(session);
    }

    /// Whoever does not take what it was given has it taken away, for others.
    pub(super) fn look_at_given(&mut self, now: Instant) {
        let Some((_, id)) = self.watched.first().copied().filter(|(at, _)| *at <= now) else { return };
        self.watched.pop_first();
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.watched = false;
        if !session.queue.has_given() {
            return;
        }
        let untaken = session.queue.untaken_for(now);
        if untaken < self.limits.share_time {
            session.watched = true;
            self.watched.insert((now.after(self.limits.share_time - untaken), id));
            return;
        }
        take_back(session, None, &mut self.overload.places, &mut self.out, &mut self.spent);
        if session.conn.is_some() {
            // It was not asked while what was given stood in front: what is its own may go out now.
            session.listed = false;
            self.ready.list(session);
        }
    }

    /// A subscription cannot be had: one of a session, or a group's own.
    pub(super) fn give_up(&mut self, id: SubscriptionId, why: Refusal) {
        let session = self.sessions.get(id.session);
        let Some(group) = session.and_then(|session| session.group.as_ref()) else {
            return grant::refuse(&mut self.tables(), id, why);
        };
        let name = Arc::clone(&group.name);
        self.out.extend(group.members().map(|member| member.tell(&name, ToMember::Refused(why))));
        self.spent += work::INPUT * group.len() as u64;
        self.end_group(&name);
    }

    fn joined(&mut self, now: Instant, member: MemberId, name: &Arc<GroupName>) {
        self.spent += work::SESSION;
        let id = match self.groups.find(name) {
            Some(id) => id,
            None => match self.open_group(now, name) {
                Ok(id) => id,
                Err(why) => return self.out.push_back(member.tell(name, ToMember::Refused(why))),
            },
        };
        let session = self.sessions.get_mut(id).expect("a group lives as long as its name is known");
        let group = session.group.as_mut().expect("a group's session has it");
        group.add(member);
        self.groups.joined();
        if session.stands() || planted::is(Bug::JoinBeforeGrant) {
            self.out.push_back(member.tell(name, ToMember::Joined));
        }
        self.answer(now);
        self.look_at_flow(name);
    }

    fn open_group(&mut self, now: Instant, name: &Arc<GroupName>) -> Result<SessionId, Refusal> {
        let id = self.sessions.next_key();
        self.sessions.insert(Session::of_group(id, Group::new(Arc::clone(name))));
        let gauge = self.memory.gauge().clone();
        let nothing = (HistoryRequest::None, RetainedRequest::None);
        let filters = Filters::One(name.filter.clone());
        let asked = grant::subscribe(&mut self.tables(), now, &gauge, id, &filters, nothing);
        match asked {
            Ok(_) => {
                // Its members are counted, and not what they share.
                self.stats.subscriptions -= 1;
                self.groups.insert(Arc::clone(name), id);
                Ok(id)
            }
            Err(why) => {
                self.sessions.remove(id);
                Err(why)
            }
        }
    }

    fn end_group(&mut self, name: &GroupName) {
        let Some(id) = self.groups.find(name) else { return };
        let session = self.sessions.get(id).expect("a group lives as long as its name is known");
        let members = session.group.as_ref().map_or(0, |group| group.len());
        self.groups.left(members);
        self.groups.remove(name);
        self.stats.subscriptions += 1;
        self.close_session(id);
    }

    /// Members have come, gone, or have room: whether the group brakes its publishers, and gives.
    fn look_at_flow(&mut self, name: &GroupName) {
        let Some(session) = self.groups.find(name).and_then(|id| self.sessions.get_mut(id)) else { return };
        let is_heard = session.group.as_ref().is_some_and(|group| group.is_heard());
        if !is_heard {
            self.overload.brakes.fall_behind(session, &mut self.out);
        } else if !session.queue.is_empty() {
            self.ready.list(session);
        } else if matches!(session.flow, Flow::Behind) {
            session.flow = Flow::Keeping; // there is nothing that it would have to catch up with
        }
    }

    fn returned(&mut self, now: Instant, name: &GroupName, mut parts: Vec<Part>, gap: u64) {
        let Some(session) = self.groups.find(name).and_then(|id| self.sessions.get_mut(id)) else { return };
        session.queue.add_gap(gap);
        while let Some(Part { run, skip, end }) = parts.pop() {
            self.spent += work::QUEUE_ENTRY;
            let slice = Slice { end, ..Slice::of(LocalRun::new(run), skip) };
            self.overload.places.pushed(slice.queued());
            session.queue.push_front(now, slice);
        }
        if self.overload.places.bound(session, &self.limits, &mut self.stats) {
            self.overload.brakes.fall_behind(session, &mut self.out);
        }
        self.ready.list(session);
    }

    fn given(&mut self, now: Instant, group: Arc<GroupName>, id: SubscriptionId, part: Part) {
        self.spent += work::QUEUE_ENTRY;
        let Part { run, skip, end } = part;
        let run = LocalRun::given_by(group, run);
        let slice = Slice { end, asked_by: Some(id.key), ..Slice::of(run, skip) };
        let session = self.sessions.get_mut(id.session);
        let membership = session.and_then(|session| {
            session.membership(id.key).map(|membership| membership.received(slice.room()))?;
            Some(session)
        });
        let Some(session) = membership.filter(|session| session.conn.is_some()) else {
            return self.give_back(Some(slice).filter(|_| !planted::is(Bug::ShareGone)));
        };
        session.membership(id.key).expect("it was just found").queued(slice.room());
        self.overload.places.pushed(slice.queued());
        session.queue.push_given(now, slice);
        if !std::mem::replace(&mut session.watched, true) {
            self.watched.insert((now.after(self.limits.share_time), id.session));
        }
        self.ready.list(session);
    }

    fn given_gap(&mut self, group: Arc<GroupName>, id: SubscriptionId, count: u64) {
        let session = self.sessions.get_mut(id.session).filter(|session| session.conn.is_some());
        if let Some(session) = session
            && let Some(membership) = session.membership(id.key)
        {
            membership.gap += count;
            session.queue.add_given_gap(count);
            self.ready.list(session);
        } else {
            self.out
                .push_back(Membership::new(group).tell(ToGroup::Return { parts: Vec::new(), gap: count }));
        }
    }

    /// Another member is to be told of what this one was not.
    pub(super) fn give_gap_back(&mut self, id: SubscriptionId) {
        let Some(session) = self.sessions.get_mut(id.session) else { return };
        let waiting = session.queue.given_gap();
        let Some(membership) = session.membership(id.key) else { return };
        let gap = std::mem::take(&mut membership.gap).min(waiting);
        if gap > 0 {
            self.out.push_back(membership.tell(ToGroup::Return { parts: Vec::new(), gap }));
            session.queue.take_given_gap(gap);
        }
    }

    /// Takes back what a session was given and has not taken, by one group or by all.
    pub(super) fn take_back(&mut self, id: SessionId, of: Option<SubscriptionKey>) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        take_back(session, of, &mut self.overload.places, &mut self.out, &mut self.spent);
    }
}

/// Takes back what a session was given and has not taken, by one group or by all: these give it no
/// more until it has room again.
pub(crate) fn take_back(
    session: &mut Session,
    of: Option<SubscriptionKey>,
    places: &mut Places,
    out: &mut VecDeque<Output>,
    spent: &mut u64,
) {
    if !session.queue.has_given() {
        return;
    }
    let (taken, freed) = session.queue.take_given(of);
    places.given_back(taken.iter().map(Slice::queued).sum(), freed);
    let (id, hears) = (session.id, if session.conn.is_some() { Hears::Now } else { Hears::Away });
    let (mut last, mut returned) = (None, Returned::default());
    for slice in &taken {
        *spent += work::QUEUE_ENTRY;
        returned.add(slice);
        let key = slice.asked_by.expect("what was given is a subscription's");
        let membership = session.membership(key).expect("what waits is taken back when one leaves");
        membership.taken(slice.room());
        if last != Some(key) {
            last = Some(key);
            out.push_back(membership.close(SubscriptionId { session: id, key }, hears));
            session.owe_room(key);
        }
    }
    returned.mail(out);
}

/// A slice that a group gave is delivered: there may be room for more.
pub(super) fn delivered(session: &mut Session, slice: &Slice, limits: &Limits) {
    let key = slice.asked_by.expect("what was given is a subscription's");
    let most = most(limits, usize::MAX, session.memberships);
    let Some(membership) = session.membership(key) else { return };
    membership.taken(slice.room());
    if membership.wants_more(most) && !planted::is(Bug::ForgetRoom) {
        session.owe_room(key);
    }
}

/// What a member may have under way, if its receiver has room for so many messages and it is in so
/// many groups. It is shared out, but each may give something: others may have nothing to give.
fn most(limits: &Limits, messages: usize, memberships: u32) -> Room {
    let groups = u64::from(memberships.max(1));
    let messages = (messages as u64).min(limits.share_messages_max) / groups;
    Room { messages: messages.max(1), bytes: (limits.share_bytes_max as u64 / groups).max(1) }
}
