//! One run to every queue of this shard that wants it.

use std::collections::VecDeque;
use std::rc::Rc;

use topic::FilterId;

use crate::ids::ShardId;
use crate::input::Output;
use crate::interest::Interest;
use crate::limits::Limits;
use crate::overload::Overload;
use crate::run::LocalRun;
use crate::session::{Ready, Sessions};
use crate::slice::Slice;
use crate::stats::Stats;
use crate::time::Instant;
use crate::work;

/// What a fan-out touches.
#[derive(Debug)]
pub(crate) struct Receivers<'a> {
    pub(crate) sessions: &'a mut Sessions,
    pub(crate) interest: &'a Interest,
    pub(crate) overload: &'a mut Overload,
    pub(crate) ready: &'a mut Ready,
    pub(crate) stats: &'a mut Stats,
    pub(crate) limits: &'a Limits,
    pub(crate) out: &'a mut VecDeque<Output>,
    pub(crate) spent: &'a mut u64,
    /// How many there have been.
    pub(crate) fan_outs: &'a mut u64,
}

/// Pushes a run that `from` published to the queues behind `filters`.
///
/// Costs a reference and a queue entry per subscriber, whatever the run holds.
pub(crate) fn deliver(
    r: &mut Receivers<'_>,
    now: Instant,
    run: &Rc<LocalRun>,
    from: ShardId,
    filters: &[FilterId],
) {
    let origin = run.run().publisher().origin;
    let queued = Slice::of(Rc::clone(run), 0).queued();
    let mut brake = false;
    *r.fan_outs += 1;
    // By filter and by holder: a thousand filters that nobody here holds cost as well.
    *r.spent += work::HOLDERS * filters.len() as u64;
    let receivers = filters.iter().map(|filter| r.interest.local(*filter).len()).sum();
    for holder in filters.iter().flat_map(|filter| r.interest.local(*filter)) {
        *r.spent += work::QUEUE_ENTRY;
        let (_, session) = r.sessions.in_slot(holder.session).expect("holders leave with their session");
        if !session.hears(holder.subscription, from) {
            continue; // that shard's answer is still under way and has this run as history
        }
        if session.fanned_out == *r.fan_outs || !session.takes(run.run()) {
            continue;
        }
        session.fanned_out = *r.fan_outs;
        session.queue.push(now, Rc::clone(run));
        r.overload.places.pushed(queued);
        if session.queue.live_bytes() > r.limits.brake_bytes {
            brake |= r.overload.queue_grew(now, session, origin, r.limits, r.stats, r.out);
        }
        r.ready.list_among(session, receivers);
    }
    // Once per run, whatever the number of queues: the brake is the shard's, not the queue's.
    if brake {
        Overload::ask_to_brake(origin, r.out);
    }
}
