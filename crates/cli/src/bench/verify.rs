//! Whether one subscriber's stream of lines is what was published: every message once, each publisher's in order, and
//! every missing one announced by a GAP line.
//!
//! The common case, the next line of the same publisher, is one comparison with what is expected. Everything else takes
//! the slow path, which classifies. Knows nothing of sockets or time.

use std::sync::Arc;

use super::ledger::{self, Ledger, Seen, Senders};
use super::payload::{STAMP_BYTES, Stamp};

#[derive(Debug)]
pub(super) struct StreamCheck {
    ledger: Ledger,
    /// By slot: what stands before this publisher's payloads; learned from its first line.
    prefixes: Vec<Option<Box<[u8]>>>,
    /// Padding and newline, shared by all checks of a thread.
    padding: Arc<[u8]>,
}

impl StreamCheck {
    pub(super) fn new(senders: Senders, padding: Arc<[u8]>) -> StreamCheck {
        StreamCheck { ledger: Ledger::new(senders), prefixes: vec![None; senders.slots], padding }
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

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Takes lines as long as they are the current publisher's next ones; returns what is left.
    fn expected_run<'a>(&mut self, bytes: &'a [u8], seen: &mut impl FnMut(Seen)) -> &'a [u8] {
        let Some(mut run) = self.ledger.begin() else { return bytes };
        let Some(Some(prefix)) = self.prefixes.get(run.slot) else { return bytes };
        let line_bytes = prefix.len() + STAMP_BYTES + self.padding.len();
        let mut rest = bytes;
        while let Some((line, after)) = rest.split_at_checked(line_bytes) {
            if !is_expected(line, prefix, run.stamp, &self.padding) {
                break;
            }
            rest = after;
            self.ledger.follow(&mut run, seen);
        }
        self.ledger.enter(run, seen);
        rest
    }

    fn unexpected_line(&mut self, line: &[u8], seen: &mut impl FnMut(Seen)) {
        if let Some(count) = announced_gap(line) {
            return self.ledger.announce(count);
        }
        let Some((prefix, publisher, sequence)) = self.parse(line) else {
            return self.ledger.malformed(line);
        };
        if let Some(probe) = ledger::probe(publisher) {
            return seen(probe);
        }
        match self.ledger.slot_of(publisher).filter(|slot| self.is_prefix_of(*slot, prefix)) {
            Some(slot) => self.ledger.enter_one(slot, sequence, seen),
            None => self.ledger.malformed(line),
        }
    }

    /// Whether this stands before the publisher's payloads. The first line of a publisher decides.
    fn is_prefix_of(&mut self, slot: usize, prefix: &[u8]) -> bool {
        let known = self.prefixes.get_mut(slot).map(|known| known.get_or_insert_with(|| prefix.into()));
        known.is_some_and(|known| known.as_ref() == prefix)
    }

    fn parse<'a>(&self, line: &'a [u8]) -> Option<(&'a [u8], u16, u64)> {
        let stamped = line.strip_suffix(&*self.padding)?;
        let (prefix, digits) = stamped.split_last_chunk::<STAMP_BYTES>()?;
        let (publisher, sequence) = Stamp::from_bytes(digits).parse()?;
        Some((prefix, publisher, sequence))
    }
}

#[inline]
fn is_expected(line: &[u8], prefix: &[u8], stamp: Stamp, padding: &[u8]) -> bool {
    let Some((start, rest)) = line.split_at_checked(prefix.len()) else { return false };
    let Some((digits, end)) = rest.split_first_chunk::<STAMP_BYTES>() else { return false };
    Stamp::from_bytes(digits) == stamp && start == prefix && end == padding
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

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
