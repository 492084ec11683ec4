//! What happens when it gets too much; decided here and nowhere else.
//!
//! A queue over the brake level asks its publishers to read less, briefly and in proportion to
//! what they read (`brakes` on the subscriber's shard, `pause` on the publisher's). A queue over
//! its bound drops its oldest live messages and announces how many (`places`). One that has
//! dropped, or from which nothing was taken for a while, holds nobody up until it has drained: a
//! stuck client must not slow the others. When the whole process fills up is the matter of
//! `memory`.

mod brakes;
mod memory;
mod pause;
mod places;

use std::collections::VecDeque;

use crate::ids::Origin;
use crate::input::{Mail, Output};
use crate::limits::Limits;
use crate::memory::Gauge;
use crate::queue::Popped;
use crate::session::Session;
use crate::stats::{Queued, Stats};
use crate::time::Instant;

pub(crate) use brakes::{Brakes, Flow, STALLED};
pub(crate) use memory::{Crowd, Memory};
pub(crate) use pause::{Pause, Pauses};
pub(crate) use places::Places;

/// The queues of one shard: what they cost, and whom they brake.
#[derive(Debug)]
pub(crate) struct Overload {
    pub(crate) places: Places,
    pub(crate) brakes: Brakes,
}

impl Overload {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        Self { places: Places::new(gauge), brakes: Brakes::default() }
    }

    /// A run of `origin` was pushed to a queue that is now over the brake level. Returns whether
    /// the publisher is to be braked.
    pub(crate) fn queue_grew(
        &mut self,
        now: Instant,
        session: &mut Session,
        origin: Origin,
        limits: &Limits,
        stats: &mut Stats,
        out: &mut VecDeque<Output>,
    ) -> bool {
        if self.places.bound(session, limits, stats) {
            self.brakes.fall_behind(session, out);
            return false;
        }
        self.brakes.grew(now, session, origin, limits, out)
    }

    /// Something was taken from a queue.
    pub(crate) fn queue_shrank(
        &mut self,
        session: &mut Session,
        popped: &Popped,
        limits: &Limits,
        out: &mut VecDeque<Output>,
    ) {
        self.places.popped(popped);
        self.brakes.shrank(session, limits, out);
    }

    /// A session goes: nothing of it stays here.
    pub(crate) fn forget(&mut self, session: &mut Session, out: &mut VecDeque<Output>) {
        self.brakes.release_all(session, out);
        self.places.forget(session);
    }

    /// What stands, for the check that nothing is left.
    pub(crate) fn len(&self) -> usize {
        let Queued { messages, bytes } = self.places.queued();
        self.brakes.len() + self.places.bytes() + (messages + bytes) as usize
    }

    /// Asks `origin`'s shard to read it less.
    pub(crate) fn ask_to_brake(origin: Origin, out: &mut VecDeque<Output>) {
        out.push_back(Output::Mail { to: origin.shard, mail: Mail::Brake(origin) });
    }
}
