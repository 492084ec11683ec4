//! Whether one subscriber's stream is what was published: every message once, each publisher's in order, and every
//! missing one announced by a GAP line.
//!
//! The common case, the next line of the same publisher, is one comparison with what is expected. Everything else takes
//! the slow path, which classifies. Knows nothing of sockets or time.

use std::ops::Range;
use std::sync::Arc;

use super::payload::{PROBE_END_PUBLISHER, PROBE_PUBLISHER, STAMP_BYTES, Stamp, padding};

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

/// What `StreamCheck::consume` came across.
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
pub(super) struct StreamCheck {
    senders: Senders,
    slots: Vec<Expected>,
    /// The publisher of the last line.
    current: usize,
    /// Padding and newline, shared by all checks of a thread.
    padding: Arc<[u8]>,
    tally: Tally,
    /// Messages skipped by jumps in the numbers, over all publishers.
    skipped: u64,
}

#[derive(Clone, Debug)]
struct Expected {
    /// What stands before this publisher's payloads; learned from its first line.
    prefix: Option<Box<[u8]>>,
    next: u64,
    stamp: Stamp,
    /// Skipped numbers, to tell a late message from a repeated one.
    holes: Vec<Range<u64>>,
}

impl StreamCheck {
    pub(super) fn new(senders: Senders, padding: Arc<[u8]>) -> StreamCheck {
        let slots = (0..senders.slots)
            .map(|slot| Expected {
                prefix: None,
                next: 0,
                stamp: Stamp::new(publisher_of(senders, slot), 0),
                holes: Vec::new(),
            })
            .collect();
        StreamCheck { senders, slots, current: 0, padding, tally: Tally::default(), skipped: 0 }
    }

    /// Checks all whole lines in `bytes` and tells how many bytes they were.
    pub(super) fn consume(&mut self, bytes: &[u8], mut seen: impl FnMut(Seen)) -> usize {
        let mut rest = bytes;
        loop {
            rest = self.expected_run(rest, &mut seen);
            let Some(end) = memchr::memchr(b'\n', rest) else { break };
            let (line, after) = rest.split_at(end + 1);
            self.unexpected_line(line, &mut seen);
            rest = after;
        }
        bytes.len() - rest.len()
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

    /// Takes lines as long as they are the current publisher's next ones; returns what is left.
    fn expected_run<'a>(&mut self, bytes: &'a [u8], seen: &mut impl FnMut(Seen)) -> &'a [u8] {
        let slot = self.current;
        let Some(expected) = self.slots.get_mut(slot) else { return bytes };
        let Some(prefix) = expected.prefix.as_deref() else { return bytes };
        let line_bytes = prefix.len() + STAMP_BYTES + self.padding.len();
        let period = self.senders.period;
        let mut stamp = expected.stamp;
        let (mut first, mut next) = (expected.next, expected.next);
        let mut rest = bytes;
        while let Some((line, after)) = rest.split_at_checked(line_bytes) {
            if !is_expected(line, prefix, stamp, &self.padding) {
                break;
            }
            rest = after;
            next += 1;
            stamp.advance();
            if next == period {
                seen(Seen::Run { slot, first, next });
                self.tally.received += next - first;
                (first, next) = (0, 0);
                stamp = Stamp::new(publisher_of(self.senders, slot), 0);
            }
        }
        expected.next = next;
        expected.stamp = stamp;
        if next > first {
            self.tally.received += next - first;
            seen(Seen::Run { slot, first, next });
        }
        rest
    }

    fn unexpected_line(&mut self, line: &[u8], seen: &mut impl FnMut(Seen)) {
        if let Some(count) = announced_gap(line) {
            self.tally.announced += count;
            return;
        }
        let Some((prefix, publisher, sequence)) = self.parse(line) else { return self.malformed(line) };
        match publisher {
            PROBE_PUBLISHER => return seen(Seen::Probe),
            PROBE_END_PUBLISHER => return seen(Seen::ProbesEnded),
            _ => {}
        }
        let Senders { topic, topics, period, .. } = self.senders;
        let publisher = usize::from(publisher);
        let slot = publisher / topics;
        let Some(expected) = self.slots.get_mut(slot).filter(|_| publisher % topics == topic) else {
            return self.malformed(line);
        };
        if expected.prefix.get_or_insert_with(|| prefix.into()).as_ref() != prefix {
            return self.malformed(line);
        }
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
        expected.next = if sequence + 1 == period { 0 } else { sequence + 1 };
        expected.stamp = Stamp::new(publisher_of(self.senders, slot), expected.next);
        self.tally.received += 1;
        seen(Seen::Run { slot, first: sequence, next: sequence + 1 });
    }

    fn parse<'a>(&self, line: &'a [u8]) -> Option<(&'a [u8], u16, u64)> {
        let stamped = line.strip_suffix(&*self.padding)?;
        let (prefix, digits) = stamped.split_last_chunk::<STAMP_BYTES>()?;
        let (publisher, sequence) = Stamp::from_bytes(digits).parse()?;
        Some((prefix, publisher, sequence))
    }

    fn malformed(&mut self, line: &[u8]) {
        self.tally.malformed += 1;
        let shown = line.get(..EXAMPLE_BYTES_MAX).unwrap_or(line);
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

#[inline]
fn is_expected(line: &[u8], prefix: &[u8], stamp: Stamp, padding: &[u8]) -> bool {
    let Some((start, rest)) = line.split_at_checked(prefix.len()) else { return false };
    let Some((digits, end)) = rest.split_first_chunk::<STAMP_BYTES>() else { return false };
    Stamp::from_bytes(digits) == stamp && start == prefix && end == padding
}

fn publisher_of(senders: Senders, slot: usize) -> u16 {
    u16::try_from(senders.topic + slot * senders.topics)
        .expect("the arguments bound the number of publishers")
}

/// The count in `[GAP 120 messages dropped: reading too slowly]`.
fn announced_gap(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line.strip_prefix(b"[GAP ")?).ok()?;
    let (count, what) = text.split_once(' ')?;
    what.starts_with("message").then_some(())?;
    count.parse().ok().filter(|count| *count <= GAP_MESSAGES_MAX)
}

/// More than any run can send; keeps sums of announced losses from overflowing.
const GAP_MESSAGES_MAX: u64 = 1 << 40;
/// Holes remembered per publisher and subscriber.
const HOLES_MAX: usize = 4096;
const EXAMPLE_BYTES_MAX: usize = 160;

/// The padding that all checks of one thread share.
pub(super) fn shared_padding(payload_bytes: usize) -> Arc<[u8]> {
    padding(payload_bytes).into()
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
