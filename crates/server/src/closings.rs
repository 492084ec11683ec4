//! How many connections have ended, by reason: plain counters of one shard.

use frontend::{CloseReason, Event};

/// Reasons as the API and the metrics name them, in the order of the counters.
pub(crate) const REASONS: [&str; 15] = [
    "gone",
    "untaken",
    "history_read",
    "terminated",
    "refused",
    "silent",
    "too_long",
    "out_of_memory",
    "foreign",
    "violation",
    "bad_frame",
    "bad_request",
    "taken_over",
    "kicked",
    "shutdown",
];

/// Each connection that has ended is counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Closings([u64; REASONS.len()]);

impl Closings {
    /// Counts what events tell.
    pub(crate) fn note(&mut self, events: &[Event]) {
        for event in events {
            if let Event::Closing { reason, .. } = event {
                self.0[index(reason)] += 1;
            }
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    pub(crate) fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.into_iter().zip(self.0)
    }
}

fn index(reason: &CloseReason) -> usize {
    match reason {
        CloseReason::Gone => 0,
        CloseReason::Untaken => 1,
        CloseReason::HistoryRead => 2,
        CloseReason::Terminated => 3,
        CloseReason::Refused(_) => 4,
        CloseReason::Silent => 5,
        CloseReason::TooLong => 6,
        CloseReason::OutOfMemory => 7,
        CloseReason::Foreign(_) => 8,
        CloseReason::Violation(_) => 9,
        CloseReason::BadFrame { .. } => 10,
        CloseReason::BadRequest { .. } => 11,
        CloseReason::TakenOver => 12,
        CloseReason::Kicked => 13,
        CloseReason::Shutdown => 14,
    }
}

#[cfg(test)]
mod tests {
    use broker::{ConnId, Origin, ShardId};

    use super::*;

    #[test]
    fn endings_are_counted_by_reason_and_nothing_else_is() {
        let id = Origin { shard: ShardId(0), conn: ConnId { slot: 1, generation: 2 } };
        let addr = "127.0.0.1:1".parse().unwrap();
        let closing = |reason| Event::Closing { id, addr, reason };
        let mut closings = Closings::default();
        closings.note(&[closing(CloseReason::Kicked), Event::NotShown(7), closing(CloseReason::Gone)]);
        let mut sum = closings;
        sum.add(&closings);
        let counted: Vec<_> = sum.by_reason().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("gone", 2), ("kicked", 2)]);
    }
}
