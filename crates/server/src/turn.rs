//! The budget of a turn, and the lines in which connections wait for theirs.
//!
//! A turn has phases, and each may cost about as much as the others: whatever clients make one
//! of them do, the next one comes. Costs are estimates in nanoseconds of a slow core, the units
//! of `broker` and `frontend`, so that no clock is read for them.

use std::collections::VecDeque;

use broker::ConnId;

/// What system calls and their surroundings cost.
pub(crate) const READ_CALL: u64 = 3_000;
pub(crate) const WRITE_CALL: u64 = 5_000;
pub(crate) const ACCEPT: u64 = 15_000;
pub(crate) const CLOSE: u64 = 15_000;
/// A connection that is sorted into its line.
pub(crate) const SORT: u64 = 100;
/// Bytes that the kernel copies per unit.
pub(crate) const KERNEL_BYTES_PER_UNIT: u64 = 4;

/// What is left for one phase of a turn.
#[derive(Debug)]
pub(crate) struct Budget(u64);

impl Budget {
    pub(crate) fn new(work: u64) -> Self {
        Self(work)
    }

    pub(crate) fn spend(&mut self, work: u64) {
        self.0 = self.0.saturating_sub(work);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0 == 0
    }

    pub(crate) fn left(&self) -> u64 {
        self.0
    }
}

/// Connections that may be read, in three lines: who sends little does not stand behind who
/// sends much, and neither stands behind who comes or goes.
#[derive(Debug, Default)]
pub(crate) struct ReadLines {
    pub(crate) light: VecDeque<ConnId>,
    pub(crate) bulk: VecDeque<ConnId>,
    pub(crate) other: VecDeque<ConnId>,
}

impl ReadLines {
    pub(crate) fn is_empty(&self) -> bool {
        self.light.is_empty() && self.bulk.is_empty() && self.other.is_empty()
    }
}

/// Connections that are to be written, besides those that the station names: who has much, and
/// who ends once it is written.
#[derive(Debug, Default)]
pub(crate) struct WriteLines {
    pub(crate) bulk: VecDeque<ConnId>,
    pub(crate) ending: VecDeque<ConnId>,
}

impl WriteLines {
    pub(crate) fn is_empty(&self) -> bool {
        self.bulk.is_empty() && self.ending.is_empty()
    }
}
