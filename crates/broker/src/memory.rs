//! The process-wide memory account.
//!
//! Runs charge themselves when they are made and pay back when the last reference goes;
//! drivers charge what they hold for a connection. It is the one value that shards share:
//! two atomic additions per run, none per message.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that messages occupy in this process. Clones share one account.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicUsize>);

impl Gauge {
    /// An empty account.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes charged and not paid back.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Charges `bytes` until the returned value is dropped.
    #[must_use]
    pub fn charge(&self, bytes: usize) -> Charge {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        Charge { gauge: self.clone(), bytes }
    }
}

/// A part of the account; pays back when dropped.
#[derive(Debug)]
pub struct Charge {
    gauge: Gauge,
    bytes: usize,
}

impl Charge {
    /// Changes the part to `bytes`.
    pub fn resize(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.gauge.0.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            self.gauge.0.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.gauge.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_charged_is_paid_back() {
        let gauge = Gauge::new();
        let first = gauge.charge(100);
        let mut second = gauge.charge(10);
        second.resize(50);
        assert_eq!(gauge.used(), 150);
        second.resize(5);
        drop(first);
        assert_eq!(gauge.used(), 5);
        drop(second);
        assert_eq!(gauge.used(), 0);
    }
}
