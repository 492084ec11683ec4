//! The process-wide memory account.
//!
//! Whoever makes something grow on a client's behalf charges it here and pays back when it
//! goes. Runs charge themselves; what shards hold in many small pieces they add up and charge
//! once per turn. It is the one value that shards share: two atomic additions per run, none
//! per message or subscriber.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that clients' doings occupy in this process. Clones share one account.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<[AtomicUsize; USES]>);

/// What a charge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Messages that were accepted: bodies and spans, wherever they wait.
    Runs,
    /// Long messages that have not ended yet.
    Unfinished,
    /// Filters with their trie nodes, and cached routes.
    Filters,
    /// The places of runs in subscribers' queues.
    Queues,
    /// History under way to subscribers: the places of its runs.
    Replays,
    /// Encoded bytes that wait for a socket.
    Outgoing,
    /// Kept topics, besides their runs.
    Topics,
    /// Topics with a retained message, besides that.
    Retained,
}

const USES: usize = 8;

impl Gauge {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes charged and not paid back.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.iter().map(|account| account.load(Ordering::Relaxed)).sum()
    }

    /// Bytes charged for one use.
    #[must_use]
    pub fn used_for(&self, what: Use) -> usize {
        self.account(what).load(Ordering::Relaxed)
    }

    /// Charges `bytes` until the returned value is dropped.
    #[must_use]
    pub fn charge(&self, what: Use, bytes: usize) -> Charge {
        // Relaxed: sums are compared with bounds, and nothing else is read because of them.
        self.account(what).fetch_add(bytes, Ordering::Relaxed);
        Charge { gauge: self.clone(), what, bytes }
    }

    fn account(&self, what: Use) -> &AtomicUsize {
        &self.0[what as usize]
    }
}

/// A part of the account; pays back when dropped.
#[derive(Debug)]
pub struct Charge {
    gauge: Gauge,
    what: Use,
    bytes: usize,
}

impl Charge {
    /// Bytes charged.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Charges `bytes` instead of what was charged so far.
    pub fn set(&mut self, bytes: usize) {
        let account = self.gauge.account(self.what);
        match bytes.checked_sub(self.bytes) {
            Some(0) => {}
            Some(more) => drop(account.fetch_add(more, Ordering::Relaxed)),
            None => drop(account.fetch_sub(self.bytes - bytes, Ordering::Relaxed)),
        }
        self.bytes = bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let before = self.gauge.account(self.what).fetch_sub(self.bytes, Ordering::Relaxed);
        assert!(before >= self.bytes, "nothing is paid back twice");
    }
}

/// Bytes that one shard holds in many small pieces: added up here, charged by
/// [`Tally::settle`] once per turn.
#[derive(Debug)]
pub(crate) struct Tally {
    bytes: usize,
    charge: Charge,
}

impl Tally {
    pub(crate) fn new(gauge: &Gauge, what: Use) -> Self {
        Self { bytes: 0, charge: gauge.charge(what, 0) }
    }

    #[inline]
    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    #[inline]
    pub(crate) fn subtract(&mut self, bytes: usize) {
        self.bytes = self.bytes.checked_sub(bytes).expect("nothing is given back twice");
    }

    /// Says what the sum is now.
    pub(crate) fn set(&mut self, bytes: usize) {
        self.bytes = bytes;
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes the account say what the sum says.
    pub(crate) fn settle(&mut self) {
        if self.bytes != self.charge.bytes() {
            self.charge.set(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_charged_is_paid_back() {
        let gauge = Gauge::new();
        let mut first = gauge.charge(Use::Runs, 100);
        let second = gauge.charge(Use::Unfinished, 10);
        assert_eq!((gauge.used(), gauge.used_for(Use::Unfinished)), (110, 10));
        first.set(300);
        assert_eq!(gauge.used_for(Use::Runs), 300);
        first.set(20);
        assert_eq!(gauge.used(), 30);
        drop(first);
        assert_eq!(gauge.used(), 10);
        drop(second);
        assert_eq!(gauge.used(), 0);
    }

    #[test]
    fn a_tally_charges_when_it_is_settled() {
        let gauge = Gauge::new();
        let mut tally = Tally::new(&gauge, Use::Queues);
        tally.add(64);
        tally.subtract(16);
        assert_eq!(gauge.used(), 0);
        tally.settle();
        assert_eq!(gauge.used_for(Use::Queues), 48);
        drop(tally);
        assert_eq!(gauge.used(), 0);
    }
}
