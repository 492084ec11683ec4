//! What became of the connections that were handed to the web thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Clones share the counters: shards count who finds no place, the web thread the others.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    served: AtomicU64,
    refused: AtomicU64,
    cut_off: AtomicU64,
}

impl Counts {
    /// A request was answered, and the answer written.
    pub(crate) fn serve(&self) {
        self.0.served.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection found no place.
    pub(crate) fn refuse(&self) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection took too long, broke, or said something that is no request.
    pub(crate) fn cut_off(&self) {
        self.0.cut_off.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn served(&self) -> u64 {
        self.0.served.load(Ordering::Relaxed)
    }

    pub(crate) fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn was_cut_off(&self) -> u64 {
        self.0.cut_off.load(Ordering::Relaxed)
    }
}
