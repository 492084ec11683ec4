//! Whether the JSON objects that one subscriber is sent are what was published, whatever brings them.
//!
//! The common case, the next message of the same publisher, is compared piece by piece with what is expected: only the
//! time, and where the subscriber stands, can be anything. Everything else takes the slow path.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::bench::ledger::{Ledger, Seen, Senders};
use crate::bench::payload::{STAMP_BYTES, Stamp, fixed_topic_name};

#[derive(Debug)]
pub(super) struct ObjectCheck {
    end: End,
    /// What stands before all payloads.
    head: Vec<u8>,
    /// The rest of a payload and what follows it, shared by all checks of a thread.
    padding: Arc<[u8]>,
    /// By slot: what stands between the time and the number of this publisher's messages; learned from its first one.
    origins: Vec<Option<Box<[u8]>>>,
    ledger: Ledger,
}

/// How an object ends behind the number in its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Brace,
    /// With where the subscriber stands.
    Position,
}

/// What the server says of its own.
#[derive(Debug, Deserialize)]
pub(super) struct OwnEvent {
    event: Option<String>,
    lost: Option<u64>,
}

impl ObjectCheck {
    pub(super) fn new(end: End, senders: Senders, padding: Arc<[u8]>) -> ObjectCheck {
        let topic = fixed_topic_name(senders.topic);
        let head = format!("{{\"topic\":\"{topic}\",\"payload\":\"").into_bytes();
        ObjectCheck { end, head, padding, origins: vec![None; senders.slots], ledger: Ledger::new(senders) }
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Takes objects, which `split` finds, as long as they are the current publisher's next ones; returns what is left.
    /// `split` is told how long the next object is, but for where the subscriber stands.
    pub(super) fn expected_run<'a>(
        &mut self,
        bytes: &'a [u8],
        mut split: impl FnMut(&'a [u8], usize) -> Option<(&'a [u8], &'a [u8])>,
        seen: &mut impl FnMut(Seen),
    ) -> &'a [u8] {
        let Some(mut run) = self.ledger.begin() else { return bytes };
        let Some(Some(origin)) = self.origins.get(run.slot) else { return bytes };
        let mut id = Counted::new(origin, self.ledger.next(run.slot));
        let before_id = self.head.len() + STAMP_BYTES + self.padding.len() + TIME_BYTES;
        let mut rest = bytes;
        while let Some((object, after)) = split(rest, before_id + id.bytes.len() + BRACE.len()) {
            if !self.is_expected(object, run.stamp, &id.bytes) {
                break;
            }
            rest = after;
            id.advance();
            self.ledger.follow(&mut run, seen);
        }
        self.ledger.enter(run, seen);
        rest
    }

    #[inline]
    fn is_expected(&self, object: &[u8], stamp: Stamp, id: &[u8]) -> bool {
        let Some((digits, rest)) = self.stamped(object) else { return false };
        Stamp::from_bytes(digits) == stamp && rest.strip_prefix(id).is_some_and(|rest| self.end.is(rest))
    }

    /// The stamp, and what stands behind the time.
    #[inline]
    fn stamped<'a>(&self, object: &'a [u8]) -> Option<(&'a [u8; STAMP_BYTES], &'a [u8])> {
        let (digits, rest) = object.strip_prefix(&*self.head)?.split_first_chunk()?;
        let (time, rest) = rest.strip_prefix(&*self.padding)?.split_first_chunk()?;
        is_time(time).then_some((digits, rest))
    }

    /// Enters an object that may be any message, or none.
    pub(super) fn enter(&mut self, object: &[u8], seen: &mut impl FnMut(Seen)) {
        match self.parse(object) {
            Some((slot, sequence)) => self.ledger.enter_one(slot, sequence, seen),
            None => self.ledger.malformed(object),
        }
    }

    /// Slot and number of a message that may have been published. The first one of a publisher decides on its origin.
    fn parse(&mut self, object: &[u8]) -> Option<(usize, u64)> {
        let (digits, rest) = self.stamped(object)?;
        let (publisher, sequence) = Stamp::from_bytes(digits).parse()?;
        let slot = self.ledger.slot_of(publisher)?;
        let id_end = match self.end {
            End::Brace => rest.len().checked_sub(BRACE.len())?,
            End::Position => memchr::memmem::find(rest, POSITION)?,
        };
        let (said, end) = rest.split_at_checked(id_end)?;
        let origin = said.get(..=memchr::memrchr(b'-', said)?)?;
        let is_right = Counted::new(origin, sequence).bytes == said && self.end.is(end);
        let known = self.origins.get_mut(slot)?.get_or_insert_with(|| origin.into());
        (is_right && known.as_ref() == origin).then_some((slot, sequence))
    }

    /// Enters what the server says of its own.
    ///
    /// # Errors
    /// If it is an error, or the end.
    pub(super) fn own_event(&mut self, name: Option<&str>, json: &[u8]) -> anyhow::Result<()> {
        let said: OwnEvent = serde_json::from_slice(json).context("in an event of the server")?;
        match (name.or(said.event.as_deref()), said.lost) {
            (Some("gap"), Some(lost)) => self.ledger.announce(lost.min(GAP_MESSAGES_MAX)),
            (Some("keepalive"), _) => {}
            _ => bail!("the server says {} to a subscriber", String::from_utf8_lossy(json)),
        }
        Ok(())
    }
}

impl End {
    #[inline]
    fn is(self, rest: &[u8]) -> bool {
        match self {
            End::Brace => rest == BRACE,
            End::Position => rest
                .strip_prefix(POSITION)
                .and_then(|rest| rest.strip_suffix(BRACE))
                .is_some_and(|position| !position.is_empty()),
        }
    }
}

/// Whether it may be a time such as `2026-11-22T12:00:00.123Z`.
#[inline]
fn is_time(text: &[u8; TIME_BYTES]) -> bool {
    matches!(text, [.., b'.', _, _, _, b'Z'])
}

/// What ends with a number in decimal digits, counted on in its place.
#[derive(Debug)]
struct Counted {
    bytes: Vec<u8>,
    /// Where the number begins.
    digits_at: usize,
}

impl Counted {
    fn new(start: &[u8], number: u64) -> Counted {
        let mut bytes = Vec::with_capacity(start.len() + DIGITS_MAX);
        bytes.extend_from_slice(start);
        write!(bytes, "{number}").expect("a Vec takes every write");
        Counted { bytes, digits_at: start.len() }
    }

    #[inline]
    fn advance(&mut self) {
        for digit in self.bytes.get_mut(self.digits_at..).unwrap_or_default().iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
        self.bytes.insert(self.digits_at, b'1');
    }
}

/// What stands between a payload and the time.
pub(crate) const JSON_TAIL: &str = "\",\"time\":\"";
const POSITION: &[u8] = b"\",\"position\":\"";
const BRACE: &[u8] = b"\"}";
const TIME_BYTES: usize = 24;
const DIGITS_MAX: usize = 20;
/// More than any run can send; keeps sums of announced losses from overflowing.
const GAP_MESSAGES_MAX: u64 = 1 << 40;
