//! What became of those who connected: counted by the control thread, read by whoever tells of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Clones share the counters. One thread writes; each figure is right for itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Newcomers(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicU64,
    refused: AtomicU64,
    pauses: AtomicU64,
    is_paused: AtomicBool,
}

impl Newcomers {
    /// A socket was accepted. Returns how many were.
    pub(crate) fn accept(&self) -> u64 {
        self.0.accepted.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// One of them was closed at once: there are as many as there may be.
    pub(crate) fn refuse(&self) -> u64 {
        self.0.refused.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Accepting pauses: no file descriptor or no memory.
    pub(crate) fn pause(&self) -> u64 {
        self.0.is_paused.store(true, Ordering::Relaxed);
        self.0.pauses.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Accepting was possible again.
    pub(crate) fn go_on(&self) {
        self.0.is_paused.store(false, Ordering::Relaxed);
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.0.accepted.load(Ordering::Relaxed)
    }

    pub(crate) fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn pauses(&self) -> u64 {
        self.0.pauses.load(Ordering::Relaxed)
    }

    /// Whether clients wait because the last attempt to accept one has failed.
    pub(crate) fn is_paused(&self) -> bool {
        self.0.is_paused.load(Ordering::Relaxed)
    }
}
