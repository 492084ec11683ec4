//! What waits for one subscriber: references to shared runs, and how much was dropped.
//!
//! History stands before live messages. Each part remembers how many messages were dropped
//! from its front, so that the gap is told in the place where they would have been. What groups
//! give to a session waits beside what is its own, and the two take turns.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::history::Kept;
use crate::ids::SubscriptionKey;
use crate::input::Delivery;
use crate::planted::{self, Bug};
use crate::run::{LocalRun, Run};
use crate::slice::Slice;
use crate::stats::Queued;
use crate::time::Instant;

/// What a place in a queue costs besides the run that stands there: a queue grows by doubling.
pub(crate) const PLACE_BYTES: usize = 2 * size_of::<Slice>();
/// An empty queue keeps no more places than this.
const KEPT_PLACES: usize = 32;

/// One subscriber's queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// The rest of a run that was begun.
    begun: Option<Slice>,
    history: Part<Kept>,
    live: Part<Slice>,
    /// What groups have given to the session, if anything. Not dropped: it is given back.
    given: Option<Box<Part<Slice>>>,
    /// Whose turn it is, where both have something.
    given_is_next: bool,
    /// When something was last taken, or the queue was last empty.
    taken_at: Instant,
}

#[derive(Debug)]
struct Part<T> {
    gap: u64,
    entries: VecDeque<T>,
    bytes: usize,
}

/// What comes next, apart from what groups give.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Next<'a> {
    Gap,
    /// A run of history without so many messages at its front, and who asked for it.
    History(&'a Run, u32, Option<SubscriptionKey>),
    Live(&'a Slice),
    Nothing,
}

/// What was dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) queued: Queued,
    /// Places of live runs that were freed.
    pub(crate) live: usize,
    /// Places of history that were freed.
    pub(crate) history: usize,
}

impl Queue {
    /// Puts history in front of whatever is live, behind history that waits. Returns how much that is.
    pub(crate) fn add_history(&mut self, now: Instant, kept: VecDeque<Kept>) -> Queued {
        // The time of a stuck reader begins when something waits for it.
        if self.is_empty() {
            self.taken_at = now;
        }
        let queued: Queued = kept.iter().map(Entry::queued).sum();
        self.history.bytes += queued.bytes as usize;
        match self.history.entries.is_empty() {
            true => self.history.entries = kept,
            false => self.history.entries.extend(kept),
        }
        queued
    }

    /// Appends a live run.
    #[inline]
    pub(crate) fn push(&mut self, now: Instant, run: Rc<LocalRun>) {
        if self.live.entries.is_empty() && self.is_empty() {
            self.taken_at = now;
        }
        self.live.bytes += run.run().cost();
        self.live.entries.push_back(Slice::of(run, 0));
    }

    /// Puts a live run that another one was to have in front of what is live.
    pub(crate) fn push_front(&mut self, now: Instant, slice: Slice) {
        if self.is_empty() {
            self.taken_at = now;
        }
        self.live.bytes += slice.cost();
        self.live.entries.push_front(slice);
    }

    /// Messages were lost in front of what is live.
    pub(crate) fn add_gap(&mut self, messages: u64) {
        self.live.gap += messages;
    }

    /// Appends what a group gives.
    pub(crate) fn push_given(&mut self, now: Instant, slice: Slice) {
        if self.is_empty() {
            self.taken_at = now;
        }
        let given = self.given.get_or_insert_default();
        given.bytes += slice.cost();
        given.entries.push_back(slice);
    }

    /// A group tells the session of messages that were lost.
    pub(crate) fn add_given_gap(&mut self, messages: u64) {
        self.given.get_or_insert_default().gap += messages;
    }

    /// Lost messages that groups have told the session of, and that it has not taken notice of.
    pub(crate) fn given_gap(&self) -> u64 {
        self.given.as_ref().map_or(0, |given| given.gap)
    }

    /// Another member is to be told of so many of them.
    pub(crate) fn take_given_gap(&mut self, messages: u64) {
        if let Some(given) = &mut self.given {
            given.gap -= messages;
        }
        self.given.take_if(|given| given.is_empty());
    }

    /// Bytes of what was given and waits.
    pub(crate) fn given_bytes(&self) -> usize {
        self.given.as_ref().map_or(0, |given| given.bytes)
    }

    /// Whether something waits that a group has given.
    pub(crate) fn has_given(&self) -> bool {
        self.given.as_ref().is_some_and(|given| !given.entries.is_empty())
            || self.begun.as_ref().is_some_and(Slice::is_given)
    }

    /// Takes out what was given and waits, of one subscription or of all. Also returns how many
    /// places that frees.
    pub(crate) fn take_given(&mut self, of: Option<SubscriptionKey>) -> (Vec<Slice>, usize) {
        let is_meant = |slice: &Slice| of.is_none() || slice.asked_by == of;
        let begun = self.begun.take_if(|begun| begun.is_given() && is_meant(begun));
        let mut taken: Vec<Slice> = begun.into_iter().collect();
        let mut places = 0;
        if let Some(mut given) = self.given.take() {
            for slice in std::mem::take(&mut given.entries) {
                match is_meant(&slice) {
                    true => {
                        given.bytes -= slice.cost();
                        places += 1;
                        taken.push(slice);
                    }
                    false => given.entries.push_back(slice),
                }
            }
            self.given = Some(given).filter(|given| !given.is_empty());
        }
        (taken, places)
    }

    /// Messages that wait, apart from history.
    pub(crate) fn live_messages(&self) -> u64 {
        self.begun.iter().chain(&self.live.entries).map(Slice::len).sum()
    }

    /// Messages of the run that [`Queue::pop`] would begin with; none if that is a gap.
    pub(crate) fn front_len(&self) -> u64 {
        let first = self.begun.as_ref().or(self.live.entries.front().filter(|_| self.live.gap == 0));
        first.map_or(0, Slice::len)
    }

    /// Bytes of live runs that wait.
    #[inline]
    pub(crate) fn live_bytes(&self) -> usize {
        self.live.bytes
    }

    /// Bytes of all runs that wait, apart from what was given.
    pub(crate) fn bytes(&self) -> usize {
        let begun = self.begun.as_ref().filter(|begun| !begun.is_given());
        begun.map_or(0, Slice::cost) + self.history.bytes + self.live.bytes
    }

    /// Live messages that were dropped and have not been announced.
    pub(crate) fn live_gap(&self) -> u64 {
        self.live.gap
    }

    /// All that waits, given or not: looks at each entry.
    pub(crate) fn queued(&self) -> Queued {
        let given = self.given.iter().flat_map(|given| &given.entries);
        let slices = self.begun.iter().chain(&self.live.entries).chain(given).map(Slice::queued);
        slices.chain(self.history.entries.iter().map(Entry::queued)).sum()
    }

    /// Places that live runs and history take.
    pub(crate) fn places(&self) -> (usize, usize) {
        let given = self.given.as_ref().map_or(0, |given| given.entries.len());
        (self.live.entries.len() + given, self.history.entries.len())
    }

    /// For how long nothing has been taken of what waits.
    pub(crate) fn untaken_for(&self, now: Instant) -> Duration {
        now.since(self.taken_at)
    }

    /// Drops the oldest live runs until at most `bytes_max` or one run remain.
    pub(crate) fn drop_live(&mut self, bytes_max: usize) -> Dropped {
        // One stays, however long: else a run over the bound could never be delivered to anyone.
        let (queued, live) = self.live.drop_oldest(bytes_max, 1);
        Dropped { queued, live, history: 0 }
    }

    /// Drops all history that waits.
    pub(crate) fn drop_history(&mut self) -> Dropped {
        let gap = self.history.gap;
        let (queued, history) = self.history.drop_oldest(0, 0);
        if planted::is(Bug::CutUnannounced) {
            self.history.gap = gap;
        }
        Dropped { queued, live: 0, history }
    }

    /// Drops what was begun, history, then live runs, until at most `bytes_max` remain.
    pub(crate) fn drop_any(&mut self, bytes_max: usize) -> Dropped {
        let mut queued = Queued::default();
        if self.bytes() > bytes_max
            && let Some(begun) = self.begun.take_if(|begun| !begun.is_given())
        {
            // It stood before everything else, and so does the gap.
            queued.add(begun.queued());
            self.history.gap += begun.len();
        }
        let gap = self.history.gap;
        // History goes before what is live: it can be asked for again.
        let (dropped, history) = self.history.drop_oldest(bytes_max.saturating_sub(self.live.bytes), 0);
        if planted::is(Bug::CutUnannounced) {
            self.history.gap = gap;
        }
        queued.add(dropped);
        let (dropped, live) = self.live.drop_oldest(bytes_max, 0);
        queued.add(dropped);
        Dropped { queued, live, history }
    }

    /// The next thing to deliver: of a run no more messages and payload bytes than so many, or
    /// one message.
    pub(crate) fn pop(&mut self, now: Instant, messages_max: u32, bytes_max: usize) -> Option<Popped> {
        let mut popped = self.take()?;
        self.taken_at = now;
        if let Delivery::Messages(slice) = &mut popped.delivery {
            // Cut here and not by the receiver: a run is looked at once, however many windows it takes.
            let end = slice.run.run().end_of(slice.skip, messages_max, bytes_max).min(slice.end);
            if end < slice.end {
                let rest = Slice { skip: end, ..slice.clone() };
                popped.queued.subtract(rest.queued());
                self.begun = Some(rest);
                slice.end = end;
            }
        }
        Some(popped)
    }

    /// The rest of the last delivery, which the receiver had no room for. Returns how much more waits.
    pub(crate) fn put_back(&mut self, mut rest: Slice) -> Queued {
        assert!(!rest.is_empty(), "a rest has messages");
        let mut before = Queued::default();
        if let Some(begun) = &self.begun {
            assert!(rest.end == begun.skip, "one delivery at a time");
            before = begun.queued();
            rest.end = begun.end;
        }
        let mut more = rest.queued();
        more.subtract(before);
        self.begun = Some(rest).filter(|_| !planted::is(Bug::LoseRest));
        more
    }

    /// What [`Queue::pop`] would begin with.
    pub(crate) fn next(&self) -> Next<'_> {
        if let Some(begun) = &self.begun {
            return match begun.asked_by {
                Some(_) => Next::History(begun.run.run(), begun.skip, begun.asked_by),
                None => Next::Live(begun),
            };
        }
        if self.history.gap > 0 || (self.history.is_empty() && self.live.gap > 0) {
            return Next::Gap;
        }
        match (self.history.entries.front(), self.live.entries.front()) {
            (Some(kept), _) => Next::History(&kept.run, kept.skip, kept.asked_by),
            (None, Some(slice)) => Next::Live(slice),
            (None, None) => Next::Nothing,
        }
    }

    /// The run that [`Queue::pop`] would begin with; `None` as well if that is a gap.
    pub(crate) fn front(&self) -> Option<(&Run, Option<SubscriptionKey>)> {
        if let Some(begun) = &self.begun {
            return Some((begun.run.run(), begun.asked_by));
        }
        if !self.history.is_empty() {
            let kept = self.history.entries.front().filter(|_| self.history.gap == 0);
            return kept.map(|kept| (kept.run.as_ref(), kept.asked_by));
        }
        let part = self.given_next().unwrap_or(&self.live);
        let slice = part.entries.front().filter(|_| part.gap == 0);
        slice.map(|slice| (slice.run.run().as_ref(), slice.asked_by))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.begun.is_none() && self.history.is_empty() && self.live.is_empty() && self.given.is_none()
    }

    /// What groups have given, if it is next.
    fn given_next(&self) -> Option<&Part<Slice>> {
        self.given.as_deref().filter(|_| self.given_is_next || self.live.is_empty())
    }

    fn take(&mut self) -> Option<Popped> {
        // Whatever was dropped while a run was begun stood behind it.
        let gap_is_next = self.history.gap > 0 || (self.history.is_empty() && self.live.gap > 0);
        let behind = planted::is(Bug::RestBehindGap) && gap_is_next;
        if let Some(begun) = self.begun.take_if(|_| !behind) {
            return Some(Popped::of(begun.queued(), Delivery::Messages(begun), 0, 0));
        }
        if let Some(gap) = self.history.take_gap() {
            return Some(Popped::gap(gap));
        }
        if let Some(kept) = self.history.pop() {
            let queued = kept.queued();
            let Kept { run, skip, retained, asked_by } = kept;
            let slice = Slice { retained, asked_by, ..Slice::of(LocalRun::new(run), skip) };
            return Some(Popped::of(queued, Delivery::Messages(slice), 0, 1));
        }
        let is_given = self.given_next().is_some();
        let part = self.given.as_deref_mut().filter(|_| is_given).unwrap_or(&mut self.live);
        let popped = match part.take_gap() {
            Some(gap) => Popped::gap(gap),
            None => {
                let slice = part.pop()?;
                Popped::of(slice.queued(), Delivery::Messages(slice), 1, 0)
            }
        };
        self.given_is_next = !is_given;
        self.given.take_if(|given| given.is_empty());
        Some(popped)
    }
}

/// A delivery, and what waits no longer because of it.
#[derive(Debug)]
pub(crate) struct Popped {
    pub(crate) delivery: Delivery,
    pub(crate) queued: Queued,
    /// Places of live runs, and of history, that it frees.
    pub(crate) live: usize,
    pub(crate) history: usize,
}

impl Popped {
    fn of(queued: Queued, delivery: Delivery, live: usize, history: usize) -> Self {
        Self { delivery, queued, live, history }
    }

    fn gap(messages: u64) -> Self {
        Self::of(Queued::default(), Delivery::Gap(messages), 0, 0)
    }
}

/// What stands in a part of a queue.
trait Entry {
    fn queued(&self) -> Queued;
}

impl Entry for Slice {
    fn queued(&self) -> Queued {
        Slice::queued(self)
    }
}

impl Entry for Kept {
    fn queued(&self) -> Queued {
        Queued { messages: self.messages(), bytes: self.run.cost() as u64 }
    }
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self { gap: 0, entries: VecDeque::new(), bytes: 0 }
    }
}

impl<T: Entry> Part<T> {
    /// Returns what went, in how many entries.
    fn drop_oldest(&mut self, bytes_max: usize, entries_min: usize) -> (Queued, usize) {
        let (mut gone, before) = (Queued::default(), self.entries.len());
        while self.bytes > bytes_max && self.entries.len() > entries_min {
            let oldest =
                if planted::is(Bug::DropNewest) { self.entries.pop_back() } else { self.entries.pop_front() };
            let queued = oldest.expect("bytes are charged for an entry").queued();
            self.bytes -= queued.bytes as usize;
            gone.add(queued);
        }
        if !planted::is(Bug::ForgetGap) {
            self.gap += gone.messages;
        }
        self.shrink();
        (gone, before - self.entries.len())
    }

    fn take_gap(&mut self) -> Option<u64> {
        let short = u64::from(planted::is(Bug::GapOneShort));
        (self.gap > 0).then(|| std::mem::take(&mut self.gap) - short)
    }

    fn pop(&mut self) -> Option<T> {
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.queued().bytes as usize;
        self.shrink();
        Some(entry)
    }

    /// An empty queue gives its places back, or a burst would be remembered for ever.
    fn shrink(&mut self) {
        assert!(self.bytes == 0 || !self.entries.is_empty(), "bytes are those of entries");
        if self.entries.is_empty() && self.entries.capacity() > KEPT_PLACES {
            self.entries = VecDeque::new();
        }
    }

    fn is_empty(&self) -> bool {
        self.gap == 0 && self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ConnId, Origin, ShardId};
    use crate::memory::Gauge;
    use crate::run::{About, Body, Publisher, RunBuilder};
    use crate::time::WallTime;
    use proptest::prelude::*;
    use std::sync::Arc;
    use topic::TopicName;

    /// A run of the messages `numbers`, as text.
    fn run(numbers: std::ops::Range<u64>) -> Arc<Run> {
        let origin = Origin { shard: ShardId(0), conn: ConnId { slot: 0, generation: 0 } };
        let publisher = Publisher::for_tests(origin);
        let (mut body, mut spans) = (Vec::new(), RunBuilder::default());
        for number in numbers {
            let start = body.len();
            body.extend_from_slice(number.to_string().as_bytes());
            spans.push(start..body.len());
        }
        let topic = TopicName::parse("t").unwrap();
        spans
            .finish(
                About { topic: &topic, publisher: &publisher, time: WallTime(0), number: 0 },
                Body::exact(body.into()),
                &Gauge::new(),
            )
            .into()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(u64),
        DropLive(usize),
        DropAny(usize),
        DropHistory,
        /// Takes a delivery of so many messages and bytes at most, and puts back all but so many.
        Take(u64, u32, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1u64..5).prop_map(Step::Push),
            1 => (0usize..2000).prop_map(Step::DropLive),
            1 => (0usize..2000).prop_map(Step::DropAny),
            1 => Just(Step::DropHistory),
            4 => (0u64..6, 0u32..6, 0usize..12).prop_map(|(take, messages, bytes)| Step::Take(take, messages, bytes)),
        ]
    }

    proptest! {
        /// Whatever is dropped whenever: messages come in order, and each gap stands exactly
        /// where its messages would have been.
        #[test]
        fn received_and_announced_is_all(
            kept in proptest::collection::vec(1u64..4, 0..5),
            steps in proptest::collection::vec(step(), 0..60),
        ) {
            let (mut queue, mut next, mut expected, mut dropped) = (Queue::default(), 0, 0, 0);
            // What the calls say that came and went.
            let mut queued = Queued::default();
            let now = Instant::default();
            let mut numbers = |count: u64| {
                next += count;
                next - count..next
            };
            let kept = kept.into_iter().map(|count| Kept { run: run(numbers(count)), skip: 0, retained: false, asked_by: None }).collect();
            queued.add(queue.add_history(now, kept));
            let all_out = std::iter::repeat_n(Step::Take(u64::MAX, u32::MAX, usize::MAX), 200);
            for step in steps.into_iter().chain(all_out) {
                let gone = match step {
                    Step::Push(count) => {
                        let run = LocalRun::new(run(numbers(count)));
                        queued.add(Slice::of(Rc::clone(&run), 0).queued());
                        queue.push(now, run);
                        Dropped::default()
                    }
                    Step::DropLive(bytes_max) => queue.drop_live(bytes_max),
                    Step::DropAny(bytes_max) => queue.drop_any(bytes_max),
                    Step::DropHistory => queue.drop_history(),
                    Step::Take(count, messages, bytes) => {
                        let popped = queue.pop(now, messages, bytes);
                        queued.subtract(popped.as_ref().map_or_else(Queued::default, |popped| popped.queued));
                        match popped.map(|popped| popped.delivery) {
                            None => {}
                            Some(Delivery::Gap(gap)) => {
                                expected += gap;
                                dropped -= gap;
                            }
                            Some(Delivery::Messages(mut slice)) => {
                                let taken = count.min(slice.len());
                                let meant = usize::try_from(slice.len()).unwrap();
                                let payloads = || slice.run.run().payloads(slice.skip).take(meant);
                                let size: usize = payloads().map(<[u8]>::len).sum();
                                prop_assert!(meant == 1 || (meant <= messages as usize && size <= bytes));
                                let texts: Vec<String> = payloads().take(usize::try_from(taken).unwrap())
                                    .map(|payload| String::from_utf8(payload.to_vec()).unwrap())
                                    .collect();
                                for text in texts {
                                    prop_assert_eq!(text, expected.to_string());
                                    expected += 1;
                                }
                                slice.skip += u32::try_from(taken).unwrap();
                                if !slice.is_empty() {
                                    queued.add(queue.put_back(slice));
                                }
                            }
                        }
                        Dropped::default()
                    }
                };
                dropped += gone.queued.messages;
                queued.subtract(gone.queued);
                prop_assert_eq!(queue.queued(), queued);
                prop_assert_eq!(queue.bytes() as u64, queued.bytes);
                let (live, history) = queue.places();
                prop_assert_eq!(queue.bytes() == 0, live + history == 0 && queue.begun.is_none());
            }
            prop_assert!(queue.is_empty());
            prop_assert_eq!((expected, dropped), (next, 0));
        }
    }
}
