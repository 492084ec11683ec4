//! What waits for one subscriber: references to shared runs, and how much was dropped.
//!
//! History stands before live messages. Each part remembers how many messages were dropped
//! from its front, so that the gap is told in the place where they would have been.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::input::Delivery;
use crate::planted::{self, Bug};
use crate::run::LocalRun;

/// The messages of a run, without the first `skip`.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The run.
    pub run: Rc<LocalRun>,
    /// Messages at its front that are not meant.
    pub skip: u32,
}

impl Slice {
    /// How many messages are meant.
    #[must_use]
    pub fn len(&self) -> u64 {
        u64::from(self.run.run().len() - self.skip)
    }

    /// Whether none is meant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One subscriber's queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    history: Part,
    live: Part,
}

#[derive(Debug, Default)]
struct Part {
    gap: u64,
    slices: VecDeque<Slice>,
    bytes: usize,
}

impl Queue {
    /// Puts history in front of whatever is live.
    pub(crate) fn set_history(&mut self, slices: VecDeque<Slice>) {
        self.history.bytes = slices.iter().map(|slice| slice.run.run().cost()).sum();
        self.history.slices = slices;
    }

    /// Appends a live run.
    #[inline]
    pub(crate) fn push(&mut self, run: Rc<LocalRun>) {
        self.live.bytes += run.run().cost();
        self.live.slices.push_back(Slice { run, skip: 0 });
    }

    /// Bytes of live runs that wait.
    #[inline]
    pub(crate) fn live_bytes(&self) -> usize {
        self.live.bytes
    }

    /// Bytes of all runs that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.history.bytes + self.live.bytes
    }

    /// Drops the oldest live runs until at most `bytes_max` or one run remain; returns how many
    /// messages went.
    pub(crate) fn drop_live(&mut self, bytes_max: usize) -> u64 {
        self.live.drop_oldest(bytes_max, 1)
    }

    /// Drops history, then live runs, until at most `bytes_max` remain.
    pub(crate) fn drop_any(&mut self, bytes_max: usize) -> u64 {
        let history_max = bytes_max.saturating_sub(self.live.bytes);
        self.history.drop_oldest(history_max, 0) + self.live.drop_oldest(bytes_max, 0)
    }

    /// The next thing to deliver.
    pub(crate) fn pop(&mut self) -> Option<Delivery> {
        self.history.pop().or_else(|| self.live.pop())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.history.is_empty() && self.live.is_empty()
    }
}

impl Part {
    fn drop_oldest(&mut self, bytes_max: usize, runs_min: usize) -> u64 {
        let mut dropped = 0;
        while self.bytes > bytes_max && self.slices.len() > runs_min {
            let oldest =
                if planted::is(Bug::DropNewest) { self.slices.pop_back() } else { self.slices.pop_front() };
            let slice = oldest.expect("bytes are charged for a slice");
            self.bytes -= slice.run.run().cost();
            dropped += slice.len();
        }
        if !planted::is(Bug::ForgetGap) {
            self.gap += dropped;
        }
        dropped
    }

    fn pop(&mut self) -> Option<Delivery> {
        if self.gap > 0 {
            let short = u64::from(planted::is(Bug::GapOneShort));
            return Some(Delivery::Gap(std::mem::take(&mut self.gap) - short));
        }
        let slice = self.slices.pop_front()?;
        self.bytes -= slice.run.run().cost();
        Some(Delivery::Messages(slice))
    }

    fn is_empty(&self) -> bool {
        self.gap == 0 && self.slices.is_empty()
    }
}
