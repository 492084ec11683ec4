//! What a session has sent and its client has not acknowledged.
//!
//! ```text
//! QoS 1: sent ──PUBACK──▶ done
//! QoS 2: sent ──PUBREC──▶ released ──PUBCOMP──▶ done
//! ```
//! Packet ids are a session's, not a connection's: what is sent again after a reconnect has the
//! id that it had, in the order that it had (MQTT5-4.4.0-1, MQTT5-4.6.0-1).

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::sync::Arc;

use broker::planted::{self, Bug};
use broker::{Qos, Run, Slice};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Packet ids that there are: 1 to 65,535.
const IDS: u16 = u16::MAX;
/// A window without a message keeps no more places than this.
const KEPT_PLACES: usize = 16;

/// The messages under way to one client.
///
/// Ids are given in turn, so that a message's place follows from its id, and the places are in the
/// order in which the messages were sent.
#[derive(Debug, Default)]
pub(crate) struct Window {
    places: VecDeque<Option<Unacked>>,
    /// The id of the first place, less one.
    first: u16,
    under_way: usize,
    /// How many were released so far: their order.
    released: u64,
    /// How many messages of each run are under way.
    runs: HashMap<*const Run, u32, FixedState>,
    bytes: usize,
    /// How many of them groups have given.
    shared: usize,
}

/// How far one message is.
#[derive(Debug, Clone)]
pub(crate) enum Unacked {
    /// It was sent: one message, at this quality of service, as retained or not.
    Publish { slice: Slice, qos: Qos, retain: Retain, identifiers: Arc<[u32]> },
    /// The client has it and was told that its id is free again, and has not confirmed that.
    Release(u64),
}

/// The retain flag of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retain {
    Set,
    Clear,
}

/// Whether an acknowledgement was for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Yes,
    No,
}

impl Window {
    /// How many messages are under way.
    pub(crate) fn len(&self) -> usize {
        self.under_way
    }

    /// Ids from the oldest under way to the newest.
    pub(crate) fn span(&self) -> usize {
        self.places.len()
    }

    /// How many of them go to others when their client does.
    pub(crate) fn shared(&self) -> usize {
        self.shared
    }

    /// Bytes of the runs that they keep alive.
    pub(crate) fn run_bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that it occupies besides.
    pub(crate) fn own_bytes(&self) -> usize {
        self.places.capacity() * size_of::<Option<Unacked>>() + self.runs.allocation_size()
    }

    /// One message is sent: gives it an id.
    ///
    /// # Panics
    /// If all ids are taken: the caller keeps to a smaller span.
    pub(crate) fn send(
        &mut self,
        slice: Slice,
        qos: Qos,
        retain: Retain,
        identifiers: Arc<[u32]>,
    ) -> NonZeroU16 {
        assert!(self.places.len() < usize::from(IDS), "a window is smaller than there are ids");
        let place = (usize::from(self.first) + self.places.len()) % usize::from(IDS);
        let id = u16::try_from(place + 1).ok().and_then(NonZeroU16::new).expect("a place below 65,535");
        let of_run = self.runs.entry(Arc::as_ptr(slice.run.run())).or_default();
        if *of_run == 0 {
            self.bytes += slice.run.run().cost();
        }
        *of_run += 1;
        self.shared += usize::from(slice.run.group().is_some());
        self.places.push_back(Some(Unacked::Publish { slice, qos, retain, identifiers }));
        self.under_way += 1;
        id
    }

    /// PUBACK: a message of QoS 1 is done.
    pub(crate) fn acknowledged(&mut self, id: NonZeroU16) -> Known {
        self.finish_if(id, |state| matches!(state, Unacked::Publish { qos: Qos::AtLeastOnce, .. }))
    }

    /// PUBREC: the client has a message of QoS 2. It is to be told PUBREL in any case, since it may
    /// not have heard it before.
    pub(crate) fn received(&mut self, id: NonZeroU16) -> Known {
        let number = self.released;
        let place = self.place(id);
        match self.places.get_mut(place).and_then(Option::as_mut) {
            Some(state @ Unacked::Publish { qos: Qos::ExactlyOnce, .. }) => {
                let before = std::mem::replace(state, Unacked::Release(number));
                self.released += 1;
                self.let_go(&before);
                Known::Yes
            }
            Some(Unacked::Release(_)) => Known::Yes,
            Some(Unacked::Publish { .. }) | None => Known::No,
        }
    }

    /// PUBREC with an error: the client will not have it.
    pub(crate) fn declined(&mut self, id: NonZeroU16) -> Known {
        self.finish_if(id, |state| matches!(state, Unacked::Publish { qos: Qos::ExactlyOnce, .. }))
    }

    /// PUBCOMP: a message of QoS 2 is done.
    pub(crate) fn completed(&mut self, id: NonZeroU16) -> Known {
        self.finish_if(id, |state| matches!(state, Unacked::Release(_)))
    }

    /// What is to be sent again on a new connection, each in order: what was released, and what
    /// was published.
    pub(crate) fn unacked(&self) -> (Vec<NonZeroU16>, VecDeque<NonZeroU16>) {
        let (mut released, mut published) = (Vec::new(), VecDeque::new());
        let ids = (self.first..IDS).chain(0..self.first).filter_map(|id| NonZeroU16::new(id + 1));
        for (id, state) in ids.zip(&self.places) {
            match state {
                Some(Unacked::Release(number)) => released.push((*number, id)),
                Some(Unacked::Publish { .. }) => published.push_back(id),
                None => {}
            }
        }
        released.sort_unstable();
        if planted::is(Bug::ResendBackwards) {
            published.make_contiguous().reverse();
        }
        (released.into_iter().map(|(_, id)| id).collect(), published)
    }

    /// Takes out what groups gave at QoS 1, in the order in which it was sent: its client is gone, and
    /// another one is to have it (MQTT5-4.8.2). What was sent at QoS 2 stays (MQTT5-4.8.2-5).
    pub(crate) fn take_shared(&mut self) -> Vec<Slice> {
        let mut taken = Vec::new();
        if self.shared == 0 || planted::is(Bug::ShareUnacked) {
            return taken;
        }
        let last = if planted::is(Bug::ShareExactlyOnce) { Qos::ExactlyOnce } else { Qos::AtLeastOnce };
        for place in 0..self.places.len() {
            let is_shared = |state: &mut Unacked| match state {
                Unacked::Publish { slice, qos, .. } => *qos <= last && slice.run.group().is_some(),
                Unacked::Release(_) => false,
            };
            let Some(state) = self.places.get_mut(place).and_then(|state| state.take_if(is_shared)) else {
                continue;
            };
            self.let_go(&state);
            self.under_way -= 1;
            if let Unacked::Publish { slice, .. } = state {
                taken.push(slice);
            }
        }
        self.trim();
        taken
    }

    /// One of them, unless it was acknowledged meanwhile.
    pub(crate) fn get(&self, id: NonZeroU16) -> Option<&Unacked> {
        self.places.get(self.place(id))?.as_ref()
    }

    /// It cannot be sent again: it is as if it had been.
    pub(crate) fn give_up(&mut self, id: NonZeroU16) {
        self.finish_if(id, |_| true);
    }

    /// Where the message with this id stands, if it is under way.
    fn place(&self, id: NonZeroU16) -> usize {
        let id = id.get() - 1;
        usize::from(if id >= self.first { id - self.first } else { IDS - self.first + id })
    }

    fn finish_if(&mut self, id: NonZeroU16, is_meant: impl FnOnce(&Unacked) -> bool) -> Known {
        let place = self.place(id);
        let Some(state) = self.places.get_mut(place).and_then(|place| place.take_if(|state| is_meant(state)))
        else {
            return Known::No;
        };
        self.let_go(&state);
        self.under_way -= 1;
        self.trim();
        Known::Yes
    }

    /// Gives the places back that nothing before them needs.
    fn trim(&mut self) {
        while self.places.pop_front_if(|place| place.is_none()).is_some() {
            self.first = (self.first + 1) % IDS;
        }
        if self.places.is_empty() {
            self.places.shrink_to(KEPT_PLACES);
            self.runs.shrink_to(KEPT_PLACES);
        }
    }

    /// A message does not keep its run alive any more.
    fn let_go(&mut self, state: &Unacked) {
        let Unacked::Publish { slice, .. } = state else { return };
        self.shared -= usize::from(slice.run.group().is_some());
        let run = Arc::as_ptr(slice.run.run());
        let of_run = self.runs.get_mut(&run).expect("it was counted when it was sent");
        *of_run -= 1;
        if *of_run == 0 {
            self.runs.remove(&run);
            self.bytes -= slice.run.run().cost();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use broker::{
        About, Body, ConnId, Gauge, Introduced, LocalRun, Origin, Publisher, RunBuilder, ShardId, WallTime,
    };
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::rc::Rc;
    use topic::TopicName;

    fn run(messages: usize) -> Rc<LocalRun> {
        let publisher = Arc::new(Publisher {
            origin: Origin { shard: ShardId(0), conn: ConnId { slot: 0, generation: 0 } },
            addr: Some(([127, 0, 0, 1], 1).into()),
            name: None,
            began: WallTime(0),
            introduced: Introduced::ByItself,
        });
        let mut spans = RunBuilder::default();
        (0..messages).for_each(|index| spans.push(index..index + 1));
        let topic = TopicName::parse("a").unwrap();
        let about = About { topic: &topic, publisher: &publisher, time: WallTime(0), number: 0 };
        LocalRun::new(spans.finish(about, Body::exact(vec![0; messages].into()), &Gauge::new()).into())
    }

    #[derive(Debug, Clone)]
    enum Step {
        Send {
            qos: Qos,
            is_new_run: bool,
        },
        /// PUBACK, PUBREC, PUBREC with an error or PUBCOMP for one of the ids under way, or near one.
        Answer {
            kind: u8,
            which: u16,
        },
    }

    fn step() -> impl Strategy<Value = Step> {
        let qos = prop_oneof![Just(Qos::AtLeastOnce), Just(Qos::ExactlyOnce)];
        prop_oneof![
            (qos, any::<bool>()).prop_map(|(qos, is_new_run)| Step::Send { qos, is_new_run }),
            (0..4u8, any::<u16>()).prop_map(|(kind, which)| Step::Answer { kind, which }),
        ]
    }

    proptest! {
        /// Against a map of what is under way; ids begin near their end, so that they wrap.
        #[test]
        fn it_is_a_map_of_what_is_under_way(
            first in 0..IDS,
            steps in proptest::collection::vec(step(), 0..200),
        ) {
            let mut window = Window { first, ..Window::default() };
            // By order of sending: id, QoS, run, and the number of its release.
            let mut model: BTreeMap<usize, (NonZeroU16, Qos, Rc<LocalRun>, Option<usize>)> = BTreeMap::new();
            let mut newest = run(100);
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Send { qos, is_new_run } => {
                        if is_new_run {
                            newest = run(100);
                        }
                        let slice = Slice {
                            run: Rc::clone(&newest),
                            skip: 0,
                            end: 1,
                            retained: false,
                            asked_by: None,
                        };
                        let id = window.send(slice, qos, Retain::Clear, Arc::from([]));
                        prop_assert!(model.values().all(|(other, ..)| *other != id), "{id} is taken");
                        model.insert(number, (id, qos, Rc::clone(&newest), None));
                    }
                    Step::Answer { kind, which } => {
                        let near = model.values().nth(usize::from(which) % (model.len() + 1));
                        let id = near.map_or(NonZeroU16::MIN, |(id, ..)| *id);
                        let found = model.iter().find(|(_, (other, ..))| *other == id);
                        let found = found.map(|(at, (_, qos, _, release))| (*at, *qos, release.is_some()));
                        let (known, is_meant) = match (kind, found) {
                            (0, found) => (window.acknowledged(id), matches!(found, Some((_, Qos::AtLeastOnce, _)))),
                            (1, found) => (window.received(id), matches!(found, Some((_, Qos::ExactlyOnce, _)))),
                            (2, found) => (window.declined(id), matches!(found, Some((_, Qos::ExactlyOnce, false)))),
                            (_, found) => (window.completed(id), matches!(found, Some((_, _, true)))),
                        };
                        prop_assert_eq!(known == Known::Yes, is_meant);
                        match found.filter(|_| is_meant) {
                            Some((at, _, is_released)) if kind == 1 => {
                                if !is_released && let Some(one) = model.get_mut(&at) {
                                    one.3 = Some(number);
                                }
                            }
                            Some((at, ..)) => drop(model.remove(&at)),
                            None => {}
                        }
                    }
                }
                prop_assert_eq!(window.len(), model.len());
                let (released, published) = window.unacked();
                let mut expected: Vec<_> =
                    model.values().filter_map(|(id, _, _, release)| release.map(|at| (at, *id))).collect();
                expected.sort_unstable();
                prop_assert_eq!(released, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
                let expected = model.values().filter(|(.., release)| release.is_none());
                prop_assert_eq!(published, expected.map(|(id, ..)| *id).collect::<VecDeque<_>>());
                let mut runs: Vec<_> = model.values().filter(|(.., release)| release.is_none()).collect();
                runs.sort_unstable_by_key(|(_, _, run, _)| Rc::as_ptr(run));
                runs.dedup_by_key(|(_, _, run, _)| Rc::as_ptr(run));
                let bytes: usize = runs.iter().map(|(_, _, run, _)| run.run().cost()).sum();
                prop_assert_eq!(window.run_bytes(), bytes);
            }
        }
    }
}
