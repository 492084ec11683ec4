//! Subscribing: one round trip to every shard, `Want` → `Granted`.
//!
//! The answer is the barrier before the acknowledgement, and cuts history from live traffic:
//! mail is ordered, so whatever a shard published before its `Granted` is in the history that
//! comes with it, whatever it publishes after is live. The question registers the interest;
//! the answer may come later, when the history has been read. A shard asks itself as well.

use std::collections::{BTreeSet, VecDeque};

use topic::Filter;

use crate::filters::Filters;
use crate::group::{ToGroup, ToMember};
use crate::history::{self, Answer, Asker, History, HistoryRequest, Kept, Question, Readers, Replay};
use crate::ids::{SessionId, ShardId, ShardSet, SubscriptionId};
use crate::input::{Mail, Output, Refusal, Resumed};
use crate::interest::{Interest, Place};
use crate::limits::Limits;
use crate::memory::{Gauge, Use};
use crate::planted::{self, Bug};
use crate::position::{Arrivals, Standing};
use crate::retained::{Retained, RetainedRequest, Stepped, Walk};
use crate::session::{Held, Ready, Session, Sessions};
use crate::stats::{Queued, Stats};
use crate::time::Instant;
use crate::work;

/// What a subscription waits for.
#[derive(Debug)]
pub(crate) struct Grants {
    waiting: ShardSet,
    granted: ShardSet,
    /// When it is given up.
    until: Instant,
    request: HistoryRequest,
    retained: RetainedRequest,
    /// What each shard kept, in the order of their answers.
    replays: Vec<(ShardId, Replay)>,
    /// By shard: from which retained message on its own are live.
    live_from: Vec<(ShardId, u64)>,
}

impl Grants {
    /// Answers that are waited for, of those who are asked for nothing that was before.
    pub(crate) fn new(waiting: ShardSet, until: Instant) -> Self {
        Self {
            waiting,
            granted: ShardSet::EMPTY,
            until,
            request: HistoryRequest::None,
            retained: RetainedRequest::None,
            replays: Vec::new(),
            live_from: Vec::new(),
        }
    }

    pub(crate) fn granted(&self) -> ShardSet {
        if planted::is(Bug::DeliverBeforeGrant) {
            return ShardSet::first(64);
        }
        self.granted
    }
}

impl Grants {
    /// What was asked for, as far as it is the same for all shards.
    fn request_of(&self, session: &Session) -> HistoryRequest {
        let resumes = session.standing.as_ref().is_some_and(|standing| standing.from.is_some());
        // Each shard has left out what is known already.
        if resumes { HistoryRequest::After(0) } else { self.request }
    }

    /// The subscription stands, with this history: of each shard comes next what is first of it there,
    /// or what it accepts next.
    fn stand(&self, standing: &mut Standing, merged: &[Kept]) {
        for (shard, replay) in &self.replays {
            let of_shard = |kept: &&Kept| kept.run.publisher().origin.shard == *shard;
            let first = merged.iter().find(of_shard).map(|kept| kept.run.place_of(kept.skip));
            standing.begins_at(*shard, first.unwrap_or(replay.accepted));
        }
    }
}

/// Subscriptions that wait, by when they are given up.
pub(crate) type Deadlines = BTreeSet<(Instant, SubscriptionId)>;

/// This shard and how many others there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neighbours {
    pub(crate) own: ShardId,
    pub(crate) others: ShardSet,
}

/// The tables that subscribing touches.
#[derive(Debug)]
pub(crate) struct Tables<'a> {
    pub(crate) sessions: &'a mut Sessions,
    pub(crate) interest: &'a mut Interest,
    pub(crate) history: &'a mut History,
    pub(crate) readers: &'a mut Readers,
    pub(crate) deadlines: &'a mut Deadlines,
    pub(crate) retained: &'a mut Retained,
    pub(crate) spent: &'a mut u64,
    pub(crate) ready: &'a mut Ready,
    pub(crate) out: &'a mut VecDeque<Output>,
    pub(crate) stats: &'a mut Stats,
    pub(crate) arrivals: &'a mut Arrivals,
    pub(crate) neighbours: Neighbours,
    pub(crate) limits: &'a Limits,
}

/// A session subscribes: notes it here and asks every shard.
///
/// # Panics
/// If the session is unknown: its front end sees to that.
pub(crate) fn subscribe(
    t: &mut Tables<'_>,
    now: Instant,
    gauge: &Gauge,
    session: SessionId,
    filters: &Filters,
    (request, retained): (HistoryRequest, RetainedRequest),
) -> Result<SubscriptionId, Refusal> {
    if let Some(refusal) = filters.as_slice().iter().find_map(|filter| refusal(t, gauge, filter)) {
        return Err(refusal);
    }
    let session = t.sessions.get_mut(session).expect("a session subscribes while it lives");
    t.stats.subscriptions += 1;
    let holder = session.next_holder();
    let held = match filters {
        Filters::One(filter) => Held::Filter(t.interest.add_local(filter, holder)),
        Filters::Several(filters) => {
            Held::Filters(filters.iter().map(|filter| t.interest.add_local(filter, holder)).collect())
        }
    };
    let mut waiting = t.neighbours.others;
    // Itself too: its own history may take several steps to read.
    waiting.insert(t.neighbours.own);
    let until = now.after(t.limits.grant_time);
    let grants = Grants { request, retained, ..Grants::new(waiting, until) };
    let subscription = session.ask(held, grants);
    let from = session.standing.as_ref().and_then(|standing| standing.from.clone());
    t.deadlines.insert((until, subscription));
    // Before its own history is read: the others read meanwhile.
    for to in t.neighbours.others.iter() {
        let history = of_shard(request, from.as_deref(), to);
        let mail = Mail::Want { filters: filters.clone(), subscription, history };
        t.out.push_back(Output::Mail { to, mail });
    }
    let request = of_shard(request, from.as_deref(), t.neighbours.own);
    ask(t, t.neighbours.own, filters, subscription, request);
    Ok(subscription)
}

/// What one shard is asked for: who goes on where it stood wants what came behind that.
fn of_shard(request: HistoryRequest, from: Option<&[u64]>, shard: ShardId) -> HistoryRequest {
    let place = from.and_then(|from| from.get(usize::from(shard.0)));
    place.map_or(request, |place| HistoryRequest::After(*place))
}

/// Why a filter that nobody here holds yet may not be added.
fn refusal(t: &Tables<'_>, gauge: &Gauge, filter: &Filter) -> Option<Refusal> {
    // One more holder of a filter that is there costs no memory worth counting, and refusing it
    // would make one client's luck depend on what others hear.
    if t.interest.knows(filter) {
        return None;
    }
    if gauge.used_for(Use::Filters) > t.limits.filter_bytes_max {
        return Some(Refusal::FilterMemory);
    }
    (t.interest.walk_max_with(filter) > t.limits.filter_shapes_max).then_some(Refusal::FilterShapes)
}

/// Another shard asks: notes the interest, and answers when the history is read.
pub(crate) fn want(
    t: &mut Tables<'_>,
    from: ShardId,
    filters: &Filters,
    subscription: SubscriptionId,
    request: HistoryRequest,
) {
    if !planted::is(Bug::GrantWithoutInterest) {
        filters.as_slice().iter().for_each(|filter| t.interest.add_remote(filter, from));
    }
    ask(t, from, filters, subscription, request);
}

/// A shard's subscription has gone before it was answered.
pub(crate) fn cancel(t: &mut Tables<'_>, from: ShardId, subscription: SubscriptionId) {
    t.readers.cancel(Asker { shard: from, subscription });
}

fn ask(
    t: &mut Tables<'_>,
    from: ShardId,
    filters: &Filters,
    subscription: SubscriptionId,
    request: HistoryRequest,
) {
    let asker = Asker { shard: from, subscription };
    let question = Question { asker, filters: filters.clone(), request };
    t.readers.ask(t.history, question, t.limits.replays_bytes_max);
}

/// Gives out what has been read: from here on everything is live. Returns the next answer to
/// this shard's own question, for [`granted`].
pub(crate) fn answer(t: &mut Tables<'_>) -> Option<Answer> {
    loop {
        let answer = t.readers.poll_answer()?;
        if answer.asker.shard == t.neighbours.own {
            return Some(answer);
        }
        let mail = Mail::Granted { subscription: answer.asker.subscription, history: answer.replay };
        t.out.push_back(Output::Mail { to: answer.asker.shard, mail });
    }
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Granted {
    /// Runs of history that were looked at.
    pub(crate) read: usize,
    /// What is queued now.
    pub(crate) queued: Queued,
    /// Runs of history that it is.
    pub(crate) runs: usize,
}

/// A shard answers; the last answer makes the subscription stand.
pub(crate) fn granted(
    t: &mut Tables<'_>,
    now: Instant,
    from: ShardId,
    subscription: SubscriptionId,
    replay: Replay,
) -> Granted {
    // The session or the subscription may have gone while the answer was under way.
    let Some(session) = t.sessions.get_mut(subscription.session) else { return Granted::default() };
    let Some(grants) = session.grants(subscription.key) else { return Granted::default() };
    assert!(grants.waiting.contains(from), "one answer to each question");
    grants.waiting.remove(from);
    grants.granted.insert(from);
    t.arrivals.came(from, replay.accepted);
    grants.replays.push((from, replay));
    if grants.retained == RetainedRequest::All {
        grants.live_from.push((from, t.retained.arrivals()));
    }
    if grants.waiting.is_empty() || (planted::is(Bug::AckBeforeGrant) && from == t.neighbours.own) {
        return look_at_retained(t, now, subscription);
    }
    Granted::default()
}

/// All shards have answered: what is retained is looked at, and then the subscription stands.
fn look_at_retained(t: &mut Tables<'_>, now: Instant, id: SubscriptionId) -> Granted {
    let session = t.sessions.get_mut(id.session).expect("the caller found it");
    let place = match session.held(id.key) {
        Held::Filter(place) => *place,
        Held::Filters(_) | Held::Member(_) => return stand(t, now, id, Vec::new()),
    };
    let grants = session.grants(id.key).expect("the caller found it waiting");
    if grants.retained == RetainedRequest::None {
        return stand(t, now, id, Vec::new());
    }
    let filter = t.interest.filter(place).clone();
    let walk = Walk::new(id, filter, std::mem::take(&mut grants.live_from));
    match t.retained.ask(now, walk, t.spent) {
        Some(walk) => stand(t, now, id, walk.found),
        None => Granted::default(),
    }
}

/// Goes on looking at what is retained. What is found waits in the queue at once, so that a step
/// costs as much for a hundred thousand topics as for a hundred.
pub(crate) fn step(t: &mut Tables<'_>, now: Instant, work_max: u64) -> Option<(SubscriptionId, Granted)> {
    let Stepped { subscription, found, is_all } = t.retained.step(now, work_max, t.spent)?;
    let session = t.sessions.get_mut(subscription.session);
    let Some(session) = session.filter(|session| session.is_asking(subscription.key)) else {
        t.retained.give_up(subscription); // it has gone, or was given up
        return None;
    };
    if is_all {
        return Some((subscription, stand(t, now, subscription, found)));
    }
    let runs = found.len();
    let queued = session.queue.add_history(now, found.into());
    Some((subscription, Granted { read: 0, queued, runs }))
}

/// A subscription goes: gives its place back and tells the others if it was the last one.
pub(crate) fn leave(t: &mut Tables<'_>, id: SubscriptionId) {
    let Some(session) = t.sessions.get_mut(id.session) else { return };
    let Some(subscription) = session.leave(id.key) else { return };
    if !session.queue.is_empty() {
        t.ready.list(session); // nothing more may be waited for
    }
    t.stats.subscriptions -= 1;
    if let Some(grants) = subscription.grants {
        give_up(t, id, &grants);
    }
    let mut places = match subscription.held {
        Held::Filter(place) => return leave_place(t, place),
        Held::Filters(places) => places.into_vec(),
        Held::Member(membership) => {
            t.stats.shared_subscriptions -= 1;
            return t.out.push_back(membership.tell(ToGroup::Leave(id)));
        }
    };
    while let Some(place) = places.pop() {
        leave_place(t, place);
    }
}

fn leave_place(t: &mut Tables<'_>, place: Place) {
    let left = t.interest.remove_local(place);
    if let Some(holder) = left.moved {
        let (_, other) = t.sessions.in_slot(holder.session).expect("holders leave with their session");
        other.in_slot(holder.subscription).held.moved_to(place);
    }
    // The others route to this shard by filter, not by subscription: they hear of the last one only.
    let Some(filter) = left.last else { return };
    if planted::is(Bug::NeverUnwant) {
        return;
    }
    for to in t.neighbours.others.iter() {
        t.out.push_back(Output::Mail { to, mail: Mail::Unwant(filter.clone()) });
    }
}

/// Nobody waits for these answers any more.
fn give_up(t: &mut Tables<'_>, id: SubscriptionId, grants: &Grants) {
    t.deadlines.remove(&(grants.until, id));
    if grants.request == HistoryRequest::None || planted::is(Bug::NeverCancel) {
        return; // answered without being read for
    }
    for to in grants.waiting.iter() {
        if to == t.neighbours.own {
            cancel(t, to, id);
        } else {
            t.out.push_back(Output::Mail { to, mail: Mail::Cancel(id) });
        }
    }
}

/// The subscription that has waited longest, if its time is over.
pub(crate) fn overdue(deadlines: &Deadlines, now: Instant) -> Option<SubscriptionId> {
    deadlines.first().filter(|(until, _)| *until <= now).map(|(_, id)| *id)
}

/// Gives up a subscription that waits.
pub(crate) fn refuse(t: &mut Tables<'_>, id: SubscriptionId, why: Refusal) {
    let Some(session) = t.sessions.get(id.session) else { return };
    let conn = session.conn;
    if session.is_asking(id.key) {
        leave(t, id);
        t.stats.refused_subscriptions.count(why.into());
        t.out.extend(conn.map(|conn| Output::Refused { conn, subscription: id, why }));
    }
}

fn stand(t: &mut Tables<'_>, now: Instant, id: SubscriptionId, retained: Vec<Kept>) -> Granted {
    let session = t.sessions.get_mut(id.session).expect("the caller found it");
    let mut grants = session.stand(id.key).expect("the caller found it waiting");
    t.deadlines.remove(&(grants.until, id));
    // Ties in time are settled by shard, not by whose answer was first.
    grants.replays.sort_by_key(|(shard, _)| *shard);
    let lists: Vec<Vec<Kept>> =
        grants.replays.iter_mut().map(|(_, replay)| std::mem::take(&mut replay.kept)).collect();
    // What is merged and what is left out of it both take their time.
    let read = lists.iter().map(Vec::len).sum::<usize>() + retained.len();
    let mut kept = VecDeque::from(retained);
    let request = grants.request_of(session);
    let merged = history::merge(lists, request, t.limits.replay_bytes_max);
    let is_short = merged.is_short || grants.replays.iter().any(|(_, replay)| replay.is_short);
    if let Some(standing) = &mut session.standing
        && standing.begins_with(id.key)
    {
        grants.stand(standing, &merged.kept);
    }
    kept.extend(merged.kept);
    let runs = kept.len();
    kept.iter_mut().for_each(|kept| kept.asked_by = Some(id.key));
    let queued = session.queue.add_history(now, kept);
    let resumed = if is_short { Resumed::Short } else { Resumed::Whole };
    t.out.extend(session.conn.map(|conn| Output::Subscribed { conn, subscription: id, resumed }));
    session.owe_room(id.key);
    if let Some(group) = session.group.as_ref().filter(|_| !planted::is(Bug::JoinBeforeGrant)) {
        let before = t.out.len();
        t.out.extend(group.members().map(|member| member.tell(&group.name, ToMember::Joined)));
        *t.spent += work::INPUT * (t.out.len() - before) as u64;
    }
    if !session.queue.is_empty() {
        t.ready.list(session);
    }
    Granted { read, queued, runs }
}
