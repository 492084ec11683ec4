//! The process-wide memory account.
//!
//! Runs charge themselves when they are made and pay back when the last reference goes;
//! drivers charge what they hold for a connection. It is the one value that shards share:
//! two atomic additions per run, none per message.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that messages occupy in this process. Clones share one account.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<Accounts>);

#[derive(Debug, Default)]
struct Accounts {
    runs: AtomicUsize,
    unfinished: AtomicUsize,
}

/// What a charge is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Messages that were accepted.
    Runs,
    /// Long messages that have not ended yet.
    Unfinished,
}

impl Gauge {
    /// An empty account.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes charged and not paid back.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used_for(Use::Runs) + self.used_for(Use::Unfinished)
    }

    /// Bytes charged for one use.
    #[must_use]
    pub fn used_for(&self, what: Use) -> usize {
        self.account(what).load(Ordering::Relaxed)
    }

    /// Charges `bytes` until the returned value is dropped.
    #[must_use]
    pub fn charge(&self, what: Use, bytes: usize) -> Charge {
        self.account(what).fetch_add(bytes, Ordering::Relaxed);
        Charge { gauge: self.clone(), what, bytes }
    }

    fn account(&self, what: Use) -> &AtomicUsize {
        match what {
            Use::Runs => &self.0.runs,
            Use::Unfinished => &self.0.unfinished,
        }
    }
}

/// A part of the account; pays back when dropped.
#[derive(Debug)]
pub struct Charge {
    gauge: Gauge,
    what: Use,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.gauge.account(self.what).fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_charged_is_paid_back() {
        let gauge = Gauge::new();
        let first = gauge.charge(Use::Runs, 100);
        let second = gauge.charge(Use::Unfinished, 10);
        assert_eq!((gauge.used(), gauge.used_for(Use::Unfinished)), (110, 10));
        drop(first);
        assert_eq!(gauge.used(), 10);
        drop(second);
        assert_eq!(gauge.used(), 0);
    }
}
