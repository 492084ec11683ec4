//! The account of one subscriber's deliveries, whatever protocol brought them: which message of which publisher is the
//! next one, and what was repeated, late or skipped.

use std::ops::Range;

use super::payload::{PROBE_END_PUBLISHER, PROBE_PUBLISHER, Stamp};

/// What was found wrong or announced, and how many messages were right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Distinct messages received.
    pub(super) received: u64,
    /// Messages that GAP lines announced as dropped.
    pub(super) announced: u64,
    pub(super) duplicates: u64,
    pub(super) misordered: u64,
    pub(super) malformed: u64,
    /// The first malformed line, cut short, for the report.
    pub(super) malformed_example: Option<String>,
}

/// What a check of a stream came across.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The messages `first..next` of the `slot`-th publisher of this topic, without a hole.
    Run {
        slot: usize,
        first: u64,
        next: u64,
    },
    Probe,
    ProbesEnded,
}

/// Which publishers a stream carries: those numbered `topic`, `topic + topics`, `topic + 2 * topics` …
#[derive(Clone, Copy, Debug)]
pub(super) struct Senders {
    pub(super) topic: usize,
    pub(super) topics: usize,
    pub(super) slots: usize,
    /// The sequence number at which publishers start over at 0, for the reference that repeats ready bytes.
    pub(super) period: u64,
}

#[derive(Debug)]
pub(super) struct Ledger {
    senders: Senders,
    slots: Vec<Expected>,
    /// The publisher of the last message.
    current: usize,
    tally: Tally,
    /// Messages skipped by jumps in the numbers, over all publishers.
    skipped: u64,
}

#[derive(Clone, Debug)]
struct Expected {
    next: u64,
    stamp: Stamp,
    /// Skipped numbers, to tell a late message from a repeated one.
    holes: Vec<Range<u64>>,
}

/// Messages of one publisher that follow one another, counted apart until they are entered with [`Ledger::enter`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) slot: usize,
    /// What the next one carries.
    pub(super) stamp: Stamp,
    first: u64,
    next: u64,
}

impl Ledger {
    pub(super) fn new(senders: Senders) -> Ledger {
        let slots = (0..senders.slots)
            .map(|slot| Expected {
                next: 0,
                stamp: Stamp::new(publisher_of(senders, slot), 0),
                holes: Vec::new(),
            })
            .collect();
        Ledger { senders, slots, current: 0, tally: Tally::default(), skipped: 0 }
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The number of the next message expected from a publisher.
    pub(super) fn next(&self, slot: usize) -> u64 {
        self.slots.get(slot).map_or(0, |expected| expected.next)
    }

    /// Announced losses not yet seen as a jump in any publisher's numbers.
    pub(super) fn unattributed(&self) -> u64 {
        self.tally.announced.saturating_sub(self.skipped)
    }

    /// The run that goes on with the publisher of the last message.
    #[inline]
    pub(super) fn begin(&self) -> Option<Run> {
        let expected = self.slots.get(self.current)?;
        Some(Run { slot: self.current, stamp: expected.stamp, first: expected.next, next: expected.next })
    }

    /// One more message of the run was as expected.
    #[inline]
    pub(super) fn follow(&mut self, run: &mut Run, seen: &mut impl FnMut(Seen)) {
        run.next += 1;
        run.stamp.advance();
        if run.next == self.senders.period {
            seen(Seen::Run { slot: run.slot, first: run.first, next: run.next });
            self.tally.received += run.next - run.first;
            (run.first, run.next) = (0, 0);
            run.stamp = Stamp::new(publisher_of(self.senders, run.slot), 0);
        }
    }

    /// Enters what followed in a run.
    #[inline]
    pub(super) fn enter(&mut self, run: Run, seen: &mut impl FnMut(Seen)) {
        let Run { slot, stamp, first, next } = run;
        let Some(expected) = self.slots.get_mut(slot) else { return };
        expected.next = next;
        expected.stamp = stamp;
        if next > first {
            self.tally.received += next - first;
            seen(Seen::Run { slot, first, next });
        }
    }

    /// The place of a publisher among those of this topic; `None` if it is of another.
    pub(super) fn slot_of(&self, publisher: u16) -> Option<usize> {
        let Senders { topic, topics, .. } = self.senders;
        let publisher = usize::from(publisher);
        (publisher % topics == topic).then_some(publisher / topics).filter(|slot| *slot < self.slots.len())
    }

    /// Enters one message that may be any one of a publisher's.
    pub(super) fn enter_one(&mut self, slot: usize, sequence: u64, seen: &mut impl FnMut(Seen)) {
        let senders = self.senders;
        let Some(expected) = self.slots.get_mut(slot) else { return };
        self.current = slot;
        if sequence < expected.next {
            if expected.fill_hole(sequence) {
                self.tally.misordered += 1;
                self.tally.received += 1;
                self.skipped -= 1;
            } else {
                self.tally.duplicates += 1;
            }
            return;
        }
        self.skipped += sequence - expected.next;
        expected.skip_to(sequence);
        expected.next = if sequence + 1 == senders.period { 0 } else { sequence + 1 };
        expected.stamp = Stamp::new(publisher_of(senders, slot), expected.next);
        self.tally.received += 1;
        seen(Seen::Run { slot, first: sequence, next: sequence + 1 });
    }

    pub(super) fn announce(&mut self, count: u64) {
        self.tally.announced += count;
    }

    pub(super) fn malformed(&mut self, bytes: &[u8]) {
        self.tally.malformed += 1;
        let shown = bytes.get(..EXAMPLE_BYTES_MAX).unwrap_or(bytes);
        self.tally
            .malformed_example
            .get_or_insert_with(|| String::from_utf8_lossy(shown).trim_end().to_owned());
    }
}

impl Expected {
    fn skip_to(&mut self, sequence: u64) {
        // Past the bound late messages count as duplicates, which fails the run just the same.
        if sequence > self.next && self.holes.len() < HOLES_MAX {
            self.holes.push(self.next..sequence);
        }
    }

    /// Whether `sequence` was skipped before and is no longer.
    fn fill_hole(&mut self, sequence: u64) -> bool {
        let Some(index) = self.holes.iter().position(|hole| hole.contains(&sequence)) else { return false };
        let hole = self.holes.swap_remove(index);
        let parts = [hole.start..sequence, sequence + 1..hole.end];
        self.holes.extend(parts.into_iter().filter(|part| !part.is_empty()));
        true
    }
}

/// What a probe says, if it is one.
pub(super) fn probe(publisher: u16) -> Option<Seen> {
    match publisher {
        PROBE_PUBLISHER => Some(Seen::Probe),
        PROBE_END_PUBLISHER => Some(Seen::ProbesEnded),
        _ => None,
    }
}

fn publisher_of(senders: Senders, slot: usize) -> u16 {
    u16::try_from(senders.topic + slot * senders.topics)
        .expect("the arguments bound the number of publishers")
}

/// Holes remembered per publisher and subscriber.
const HOLES_MAX: usize = 4096;
const EXAMPLE_BYTES_MAX: usize = 160;
