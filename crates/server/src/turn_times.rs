//! How long a shard's turns took: plain counters, read as a snapshot.

use std::time::Duration;

/// Bounds of the buckets, from a turn of nothing to one that everybody would feel.
pub(crate) const BOUNDS: [Duration; 12] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_secs(1),
];

/// Turns by how long they took, without the time that they waited for something to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TurnTimes {
    /// Those that took no longer than the bound and longer than the one before; the last are longer
    /// than all.
    pub(crate) counts: [u64; BOUNDS.len() + 1],
    pub(crate) sum_nanos: u64,
}

impl TurnTimes {
    pub(crate) fn note(&mut self, took: Duration) {
        let bucket = BOUNDS.partition_point(|bound| *bound < took);
        self.counts[bucket] += 1;
        self.sum_nanos += u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    }

    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(crate) fn seconds(&self) -> f64 {
        Duration::from_nanos(self.sum_nanos).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_counted_in_its_bucket() {
        let mut times = TurnTimes::default();
        for took in [Duration::ZERO, BOUNDS[0], BOUNDS[0] + Duration::from_nanos(1), Duration::from_secs(7)] {
            times.note(took);
        }
        assert_eq!((times.counts[0], times.counts[1], times.counts[BOUNDS.len()]), (2, 1, 1));
        assert_eq!((times.count(), times.seconds()), (4, 7.000_100_001));
    }
}
