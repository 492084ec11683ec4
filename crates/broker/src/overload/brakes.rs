//! A subscriber's brake: whom a queue that grows slows down, and when it lets them go.
//!
//! ```text
//! Keeping ──over brake level──▶ Braking ──half empty──▶ Keeping
//!    └──over bound or stalled──▶ Behind ◀──over bound or stalled──┘
//!                                  └──drained──▶ Keeping
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::ids::Origin;
use crate::input::{Mail, Output};
use crate::limits::Limits;
use crate::planted::{self, Bug};
use crate::session::Session;
use crate::time::Instant;

/// A subscriber from whose queue nothing was taken for so long does not keep up: a reader that
/// is slow takes something in every round trip, a stuck one nothing.
pub(crate) const STALLED: Duration = Duration::from_millis(100);

/// How a subscriber's queue stands.
#[derive(Debug)]
pub(crate) enum Flow {
    Keeping,
    /// These publishers were asked to read less.
    Braking(Vec<Origin>),
    /// Does not keep up and has not drained since: brakes nobody.
    Behind,
}

/// How many queues of this shard brake each publisher: the last one lets it go.
#[derive(Debug, Default)]
pub(crate) struct Brakes {
    counts: BTreeMap<Origin, u32>,
}

impl Brakes {
    /// A run of `origin` was pushed to a queue that is over the brake level and within its bound.
    /// Returns whether the publisher is to be braked.
    pub(crate) fn grew(
        &mut self,
        now: Instant,
        session: &mut Session,
        origin: Origin,
        limits: &Limits,
        out: &mut VecDeque<Output>,
    ) -> bool {
        if matches!(session.flow, Flow::Behind) && !planted::is(Bug::BrakeBehind) {
            return false;
        }
        if session.queue.untaken_for(now) >= STALLED {
            self.fall_behind(session, out);
            return false;
        }
        match &mut session.flow {
            Flow::Braking(origins) => {
                // One that finds no place is braked all the same, and read again by its timer.
                if origins.len() < limits.brake_origins_max && !origins.contains(&origin) {
                    origins.push(origin);
                    *self.counts.entry(origin).or_default() += 1;
                }
            }
            Flow::Keeping | Flow::Behind => {
                session.flow = Flow::Braking(vec![origin]);
                *self.counts.entry(origin).or_default() += 1;
            }
        }
        true
    }

    /// Something was taken from a queue: lets its publishers go when it is half empty.
    pub(crate) fn shrank(&mut self, session: &mut Session, limits: &Limits, out: &mut VecDeque<Output>) {
        match &session.flow {
            Flow::Keeping => {}
            Flow::Braking(_) => {
                // Half, not just below the level: else every run would brake and release again.
                if session.queue.live_bytes() <= limits.brake_bytes / 2 {
                    self.release_all(session, out);
                }
            }
            Flow::Behind => {
                // Empty, not half empty: it has shown that it may hold others up for nothing.
                if session.queue.is_empty() && !planted::is(Bug::BehindForever) {
                    session.flow = Flow::Keeping;
                }
            }
        }
    }

    /// From now on a subscriber holds nobody up, until its queue has drained.
    pub(crate) fn fall_behind(&mut self, session: &mut Session, out: &mut VecDeque<Output>) {
        self.release_all(session, out);
        session.flow = Flow::Behind;
    }

    /// Takes back the brakes of one queue.
    pub(crate) fn release_all(&mut self, session: &mut Session, out: &mut VecDeque<Output>) {
        let Flow::Braking(origins) = std::mem::replace(&mut session.flow, Flow::Keeping) else { return };
        for origin in origins {
            let count = self.counts.get_mut(&origin).expect("counted when it was braked");
            assert!(*count > 0, "each queue takes its own brake back");
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&origin);
                out.push_back(Output::Mail { to: origin.shard, mail: Mail::Release(origin) });
            }
        }
    }

    /// Publishers that are braked, for the check that nothing is left.
    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ConnId, SessionId, ShardId};
    use crate::memory::Gauge;
    use crate::run::{About, Body, LocalRun, Publisher, Run, RunBuilder};
    use crate::slab::Key as _;
    use crate::time::WallTime;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use topic::TopicName;

    const SESSIONS: usize = 3;

    #[derive(Debug, Clone)]
    enum Step {
        /// A run of this publisher comes to a queue.
        Push(usize, u32),
        /// A queue gives so many runs away.
        Take(usize, usize),
        /// A queue overflows.
        Overflow(usize),
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let session = || 0..SESSIONS;
        prop_oneof![
            6 => (session(), 0u32..4).prop_map(|(session, publisher)| Step::Push(session, publisher)),
            4 => (session(), 1usize..12).prop_map(|(session, runs)| Step::Take(session, runs)),
            1 => session().prop_map(Step::Overflow),
            1 => (0u64..80).prop_map(Step::Pass),
        ]
    }

    /// What a queue is to its publishers, said again.
    #[derive(Debug, Default, Clone)]
    struct Naive {
        runs: usize,
        holds: BTreeSet<u32>,
        behind: bool,
        /// When something was taken, or the queue was empty.
        taken_ms: u64,
    }

    fn origin(publisher: u32) -> Origin {
        Origin { shard: ShardId(1), conn: ConnId { slot: publisher, generation: 0 } }
    }

    fn run(publisher: u32) -> Arc<Run> {
        let publisher = Publisher::for_tests(origin(publisher));
        let mut spans = RunBuilder::default();
        spans.push(0..100);
        let body = Body::exact(vec![b'x'; 744].into());
        let topic = TopicName::parse("t").unwrap();
        spans
            .finish(
                About { topic: &topic, publisher: &publisher, time: WallTime(0), number: 0 },
                body,
                &Gauge::new(),
            )
            .into()
    }

    fn held(naive: &[Naive]) -> BTreeSet<u32> {
        naive.iter().flat_map(|one| one.holds.iter().copied()).collect()
    }

    proptest! {
        /// A publisher is let go exactly when the last queue that holds it lets it go, and a queue
        /// that is behind holds nobody until it is empty, and then again.
        #[test]
        fn the_last_queue_lets_a_publisher_go(steps in proptest::collection::vec(step(), 1..120)) {
            let run_bytes = run(0).cost();
            let limits = Limits { brake_bytes: 4 * run_bytes, brake_origins_max: 2, ..Limits::default() };
            let session = |slot: usize| {
                let slot = u32::try_from(slot).unwrap();
                Session::new(SessionId::new(slot, 0), ConnId { slot, generation: 0 })
            };
            let mut sessions: Vec<Session> = (0..SESSIONS).map(session).collect();
            let mut naive = vec![Naive::default(); SESSIONS];
            let (mut brakes, mut out, mut now_ms) = (Brakes::default(), VecDeque::new(), 0);
            for step in steps {
                let before = held(&naive);
                let now = Instant(now_ms * 1_000_000);
                match step {
                    Step::Push(which, publisher) => {
                        let (session, naive) = (&mut sessions[which], &mut naive[which]);
                        session.queue.push(now, LocalRun::new(run(publisher)));
                        if naive.runs == 0 {
                            naive.taken_ms = now_ms;
                        }
                        naive.runs += 1;
                        if naive.runs <= 4 {
                            continue;
                        }
                        let is_stalled = now_ms - naive.taken_ms >= 100;
                        let braked = brakes.grew(now, session, origin(publisher), &limits, &mut out);
                        prop_assert_eq!(braked, !naive.behind && !is_stalled);
                        if !naive.behind && is_stalled {
                            (naive.behind, naive.holds) = (true, BTreeSet::new());
                        } else if braked && naive.holds.len() < 2 {
                            naive.holds.insert(publisher);
                        }
                    }
                    Step::Take(which, runs) => {
                        let (session, naive) = (&mut sessions[which], &mut naive[which]);
                        for _ in 0..runs {
                            if session.queue.pop(now, u32::MAX, usize::MAX).is_none() {
                                break;
                            }
                            (naive.runs, naive.taken_ms) = (naive.runs - 1, now_ms);
                            brakes.shrank(session, &limits, &mut out);
                            if naive.runs <= 2 {
                                naive.holds.clear();
                            }
                            naive.behind &= naive.runs > 0;
                        }
                    }
                    Step::Overflow(which) => {
                        brakes.fall_behind(&mut sessions[which], &mut out);
                        (naive[which].behind, naive[which].holds) = (true, BTreeSet::new());
                    }
                    Step::Pass(ms) => now_ms += ms,
                }
                let released: BTreeSet<u32> = out.drain(..).map(|output| match output {
                    Output::Mail { to: ShardId(1), mail: Mail::Release(origin) } => origin.conn.slot,
                    other => panic!("{other:?}"),
                }).collect();
                let after = held(&naive);
                prop_assert_eq!(released, before.difference(&after).copied().collect::<BTreeSet<u32>>());
                prop_assert_eq!(brakes.len(), after.len());
            }
        }
    }
}
