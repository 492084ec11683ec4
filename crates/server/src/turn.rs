//! The budget of a turn, and the lines in which connections wait for theirs.
//!
//! A turn has phases, and each may cost about as much as the others: whatever clients make one
//! of them do, the next one comes. Costs are estimates in nanoseconds of a slow core, the units
//! of `broker` and `frontend`. What the kernel makes of a call is not to be estimated (a packet
//! for a full socket on this machine costs many times one for an empty one), so a phase that
//! costs more than a little looks at the clock now and then as well.

use std::collections::VecDeque;
use std::time::Instant;

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
pub(crate) struct Budget {
    left: u64,
    /// Spent since the clock was read.
    unread: u64,
    first_read: Option<Instant>,
    whole: u64,
}

impl Budget {
    pub(crate) fn new(work: u64) -> Self {
        Self { left: work, unread: 0, first_read: None, whole: work }
    }

    pub(crate) fn spend(&mut self, work: u64) {
        self.left = self.left.saturating_sub(work);
        self.unread += work;
        if self.unread >= CLOCK_WORK {
            self.unread = 0;
            let spent = self.first_read.get_or_insert_with(Instant::now).elapsed();
            let spent = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
            self.left = self.left.min(self.whole.saturating_sub(spent));
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left == 0
    }

    pub(crate) fn left(&self) -> u64 {
        self.left
    }
}

/// Work after which the clock is read: reading it costs some thousandth of that.
const CLOCK_WORK: u64 = 20_000;

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_phase_ends_when_its_estimates_say_so() {
        let mut budget = Budget::new(1_000_000_000);
        budget.spend(999_999_999);
        assert!(!budget.is_over());
        budget.spend(1);
        assert!(budget.is_over());
    }

    #[test]
    fn a_phase_ends_when_the_clock_says_so() {
        let mut budget = Budget::new(2_000_000);
        budget.spend(CLOCK_WORK); // begins to look at the clock
        // The subject: a clock that goes on.
        thread::sleep(Duration::from_millis(3));
        budget.spend(CLOCK_WORK - 1);
        assert!(!budget.is_over(), "not looked at yet");
        budget.spend(1);
        assert!(budget.is_over());
    }
}
