//! What happened, as a hash over everything and as the last lines of text.
//!
//! Two runs of one seed must have the same hash, bit for bit.

use std::collections::VecDeque;
use std::fmt;

use crate::Keep;

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
/// Events that a failing seed shows.
const LAST_EVENTS: usize = 40;
/// Bytes of an event that are shown.
const BYTES_SHOWN: usize = 40;

/// The hash, the latest events, and all of them where that is asked for.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    count: u64,
    keep: usize,
    events: VecDeque<Entry>,
}

/// One event of the world; small, since there are tens of thousands.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) at_ns: u64,
    pub(crate) kind: Kind,
    /// Client, or sending station.
    pub(crate) subject: u64,
    /// Byte count, receiving station or what else the kind needs.
    pub(crate) amount: u64,
    /// Its bytes, as far as they are shown.
    pub(crate) shown: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Connect,
    Read,
    ReadMore,
    ReadClosed,
    ReadReset,
    Write,
    Heard,
    ServerClosed,
    ClientClosed,
    ClientReset,
    HalfClosed,
    Accepted,
    Stands,
    Mail,
    Timeout,
    Kicked,
    Moved,
    Jump,
    Phase,
    Step,
}

impl Trace {
    pub(crate) fn new(keep: Keep) -> Self {
        let keep = if keep == Keep::All { usize::MAX } else { LAST_EVENTS };
        Self { hash: FNV_OFFSET, count: 0, keep, events: VecDeque::new() }
    }

    /// Notes an event together with the bytes that it is about.
    pub(crate) fn note(&mut self, at_ns: u64, kind: Kind, subject: u64, amount: u64, bytes: &[u8]) {
        for value in [at_ns, kind as u64, subject, amount] {
            self.absorb(&value.to_le_bytes());
        }
        self.absorb(bytes);
        self.count += 1;
        if self.events.len() >= self.keep {
            self.events.pop_front();
        }
        let shown = bytes.get(..BYTES_SHOWN).unwrap_or(bytes).to_vec();
        self.events.push_back(Entry { at_ns, kind, subject, amount, shown });
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.events.iter().map(ToString::to_string).collect()
    }

    fn absorb(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, us) = (self.at_ns / 1_000_000, self.at_ns / 1_000 % 1_000);
        write!(f, "{ms:>6}.{us:03} ms  {:?} {} {}", self.kind, self.subject, self.amount)?;
        if self.shown.is_empty() { Ok(()) } else { write!(f, "  {}", self.shown.escape_ascii()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_bytes_make_the_hash() {
        let hash = |notes: &[(u64, &[u8])]| {
            let mut trace = Trace::new(Keep::Last);
            for (subject, bytes) in notes {
                trace.note(5, Kind::Read, *subject, 0, bytes);
            }
            trace.hash()
        };
        assert_eq!(hash(&[(1, b"a"), (2, b"b")]), hash(&[(1, b"a"), (2, b"b")]));
        assert_ne!(hash(&[(1, b"a"), (2, b"b")]), hash(&[(2, b"b"), (1, b"a")]));
        assert_ne!(hash(&[(1, b"a")]), hash(&[(1, b"c")]));
    }
}
