//! Subscribing: one round trip to every other shard, `Want` → `Granted`.
//!
//! The answer registers the interest, is the barrier before the acknowledgement, and cuts
//! history from live traffic: mail is ordered, so whatever a shard published before its
//! `Granted` is in the history that comes with it, whatever it publishes after is live.

use std::collections::VecDeque;

use topic::Filter;

use crate::history::{self, History, HistoryRequest, Kept};
use crate::ids::{ConnId, ShardId, ShardSet};
use crate::input::{Mail, Output};
use crate::interest::Interest;
use crate::planted::{self, Bug};
use crate::queue::Slice;
use crate::run::LocalRun;
use crate::session::{Ready, Session, Sessions, Subscription};

/// What a subscription waits for.
#[derive(Debug)]
pub(crate) struct Grants {
    waiting: ShardSet,
    granted: ShardSet,
    request: HistoryRequest,
    /// What each shard kept, in the order of their answers.
    kept: Vec<(ShardId, VecDeque<Kept>)>,
}

impl Grants {
    pub(crate) fn granted(&self) -> ShardSet {
        if planted::is(Bug::DeliverBeforeGrant) {
            return ShardSet::first(64);
        }
        self.granted
    }
}

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
    pub(crate) history: &'a History,
    pub(crate) ready: &'a mut Ready,
    pub(crate) out: &'a mut VecDeque<Output>,
    pub(crate) replay_bytes_max: usize,
}

/// A connection subscribes: notes it here and asks the others.
///
/// # Panics
/// If the connection is unknown or has subscribed before: its front end sees to that.
pub(crate) fn subscribe(
    t: &mut Tables<'_>,
    neighbours: Neighbours,
    conn: ConnId,
    filter: &Filter,
    request: HistoryRequest,
) {
    let session = t.sessions.get_mut(conn).expect("a connection subscribes while it lives");
    assert!(matches!(session.subscription, Subscription::None), "one subscription each");
    let place = t.interest.add_local(filter, conn.slot);
    let mut granted = ShardSet::EMPTY;
    granted.insert(neighbours.own);
    let own = t.history.collect(filter, request).into();
    let grants =
        Box::new(Grants { waiting: neighbours.others, granted, request, kept: vec![(neighbours.own, own)] });
    session.subscription = Subscription::Asked { place, grants };
    for to in neighbours.others.iter() {
        let mail = Mail::Want { filter: filter.clone(), conn, history: request };
        t.out.push_back(Output::Mail { to, mail });
    }
    if neighbours.others.is_empty() || planted::is(Bug::AckBeforeGrant) {
        stand(t, conn);
    }
}

/// Another shard asks: notes the interest, then answers.
pub(crate) fn want(
    t: &mut Tables<'_>,
    from: ShardId,
    filter: &Filter,
    conn: ConnId,
    request: HistoryRequest,
) {
    if !planted::is(Bug::GrantWithoutInterest) {
        t.interest.add_remote(filter, from);
    }
    let history = t.history.collect(filter, request);
    t.out.push_back(Output::Mail { to: from, mail: Mail::Granted { conn, history } });
}

/// Another shard answers; the last answer makes the subscription stand.
pub(crate) fn granted(t: &mut Tables<'_>, from: ShardId, conn: ConnId, kept: Vec<Kept>) {
    // The connection may have gone while the answer was under way.
    let Some(session) = t.sessions.get_mut(conn) else { return };
    let Subscription::Asked { grants, .. } = &mut session.subscription else { return };
    grants.waiting.remove(from);
    grants.granted.insert(from);
    grants.kept.push((from, kept.into()));
    if grants.waiting.is_empty() {
        stand(t, conn);
    }
}

/// A connection goes: gives its place back and tells the others if it was the last one.
pub(crate) fn leave(t: &mut Tables<'_>, neighbours: Neighbours, session: &Session) {
    let Some(place) = session.place() else { return };
    let left = t.interest.remove_local(place);
    if let Some(slot) = left.moved {
        t.sessions.at(slot).set_place(place);
    }
    let Some(filter) = left.last else { return };
    if planted::is(Bug::NeverUnwant) {
        return;
    }
    for to in neighbours.others.iter() {
        t.out.push_back(Output::Mail { to, mail: Mail::Unwant(filter.clone()) });
    }
}

fn stand(t: &mut Tables<'_>, conn: ConnId) {
    let session = t.sessions.get_mut(conn).expect("the caller found it");
    let asked = std::mem::replace(&mut session.subscription, Subscription::None);
    let Subscription::Asked { place, mut grants } = asked else {
        unreachable!("a subscription stands up once, from Asked")
    };
    // Ties in time are settled by shard, not by whose answer was first.
    grants.kept.sort_by_key(|(shard, _)| *shard);
    let lists = grants.kept.into_iter().map(|(_, kept)| kept).collect();
    let kept = history::cut(history::merge(lists), grants.request, t.replay_bytes_max);
    let slice = |kept: Kept| Slice { run: LocalRun::new(kept.run), skip: kept.skip };
    session.queue.set_history(kept.into_iter().map(slice).collect());
    session.subscription = Subscription::Standing { place };
    t.out.push_back(Output::Subscribed(conn));
    if !session.queue.is_empty() {
        t.ready.list(session);
    }
}
