//! Where a receiver stands, so that it can go on there when its connection has broken.
//!
//! Every shard numbers what is accepted on it. A position says for each shard how many of its
//! messages are done with: what comes from there comes in the order of these numbers, so one number
//! says it all, whatever the receiver hears. What a shard has of the others when something comes to
//! it is the same for all its receivers, and is noted with the run; a receiver's own position differs
//! from it only while history is read.

use std::rc::Rc;

use crate::ids::{ShardId, SubscriptionKey};
use crate::input::Delivery;
use crate::planted::{self, Bug};
use crate::queue::Next;
use crate::slice::Slice;
use crate::time::Instant;

/// How much of what every shard has accepted is here, as far as anyone here hears it.
#[derive(Debug)]
pub(crate) struct Arrivals {
    upto: Box<[u64]>,
    /// Sessions that want to know where they stand.
    sessions: usize,
    /// When the others were last asked how many they have accepted.
    asked: Option<Instant>,
}

impl Arrivals {
    pub(crate) fn new(shards: u8) -> Self {
        Self { upto: vec![0; usize::from(shards)].into(), sessions: 0, asked: None }
    }

    /// Whatever `from` accepted before `upto` is here, if anyone here hears it.
    pub(crate) fn came(&mut self, from: ShardId, upto: u64) {
        if let Some(so_far) = self.upto.get_mut(usize::from(from.0)) {
            *so_far = upto.max(*so_far);
        }
    }

    /// What a run is noted with; nothing if nobody wants to know.
    #[inline]
    pub(crate) fn note(&self) -> Option<Rc<[u64]>> {
        (self.sessions > 0).then(|| Rc::from(&*self.upto))
    }

    pub(crate) fn session_came(&mut self) {
        self.sessions += 1;
    }

    pub(crate) fn session_went(&mut self) {
        self.sessions -= 1;
    }

    /// Whether the others are to be asked, which is once for all sessions of a while.
    pub(crate) fn may_ask(&mut self, now: Instant, pause: std::time::Duration) -> bool {
        let may = self.asked.is_none_or(|asked| now.since(asked) >= pause);
        if may {
            self.asked = Some(now);
        }
        may
    }
}

/// Where a session stands that wants to know.
#[derive(Debug)]
pub(crate) struct Standing {
    /// Where it wants to go on, until its subscription stands.
    pub(crate) from: Option<Box<[u64]>>,
    done: Box<[u64]>,
    /// The subscription that it began with: what later ones ask for of the past stands before what waits
    /// for this one, and says nothing of it.
    first: Option<SubscriptionKey>,
}

impl Standing {
    pub(crate) fn new(shards: usize, from: Option<&[u64]>) -> Self {
        let done = from.map_or_else(|| vec![0; shards].into(), Box::from);
        Self { from: from.map(Box::from), done, first: None }
    }

    /// Whether what is delivered moves it: not what a later subscription asked for of the past.
    pub(crate) fn is_moved_by(&self, slice: &Slice) -> bool {
        slice.asked_by.is_none() || slice.asked_by == self.first
    }

    pub(crate) fn done(&self) -> &[u64] {
        &self.done
    }

    /// A subscription stands; whether it is the first one.
    pub(crate) fn begins_with(&mut self, subscription: SubscriptionKey) -> bool {
        self.from = None;
        self.first.replace(self.first.unwrap_or(subscription)).is_none()
    }

    /// From `shard` comes next what has this number.
    pub(crate) fn begins_at(&mut self, shard: ShardId, next: u64) {
        if let Some(done) = self.done.get_mut(usize::from(shard.0)) {
            *done = next;
        }
    }

    /// This is delivered, and then comes `next`.
    pub(crate) fn delivers(&mut self, delivery: &Delivery, next: Next<'_>, arrivals: &Arrivals) {
        match delivery {
            Delivery::Messages(slice) => self.goes_to(slice, slice.end),
            // What was lost stood before what comes next; if nothing does, it was all that came.
            Delivery::Gap(_) => match next {
                Next::Live(slice) => self.goes_to(slice, slice.skip),
                Next::History(run, skip, asked_by) if asked_by == self.first => {
                    self.goes_behind(run.publisher().origin.shard, run.place_of(skip));
                }
                Next::History(..) => {}
                Next::Nothing => self.catches_up(arrivals),
                Next::Gap => {}
            },
        }
    }

    /// Everything that has come here is delivered.
    pub(crate) fn catches_up(&mut self, arrivals: &Arrivals) {
        self.reaches(&arrivals.upto);
    }

    fn goes_to(&mut self, slice: &Slice, end: u32) {
        let run = slice.run.run();
        if !self.is_moved_by(slice) {
            return;
        }
        // History is read from every shard, and what is noted with it says nothing of the others.
        if slice.asked_by.is_none() {
            let noted = slice.run.noted();
            noted.into_iter().for_each(|noted| self.reaches_but(noted, run.publisher().origin.shard));
        }
        if !run.publisher().is_broker() {
            self.goes_behind(run.publisher().origin.shard, run.place_of(end));
        }
    }

    fn goes_behind(&mut self, shard: ShardId, place: u64) {
        let place = if planted::is(Bug::PositionAhead) { place + 1 } else { place };
        if let Some(done) = self.done.get_mut(usize::from(shard.0)) {
            *done = place.max(*done);
        }
    }

    fn reaches(&mut self, upto: &[u64]) {
        for (done, upto) in self.done.iter_mut().zip(upto) {
            *done = (*upto).max(*done);
        }
    }

    /// The same, but for one shard.
    fn reaches_but(&mut self, upto: &[u64], shard: ShardId) {
        let kept = self.done.get(usize::from(shard.0)).copied();
        self.reaches(upto);
        if let (Some(done), Some(kept)) = (self.done.get_mut(usize::from(shard.0)), kept) {
            *done = kept;
        }
    }
}
