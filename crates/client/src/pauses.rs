//! Back to a lost server: growing pauses with jitter.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

/// The pauses between attempts.
#[derive(Debug, Default)]
pub struct Pauses {
    count: u32,
}

impl Pauses {
    /// The next pause: twice the one before up to `PAUSE_MAX`, of which at least half. `random` spreads the
    /// clients of a server that has restarted.
    pub fn next(&mut self, random: u64) -> Duration {
        let whole = PAUSE_FIRST.saturating_mul(1 << self.count.min(DOUBLINGS_MAX)).min(PAUSE_MAX);
        self.count += 1;
        let half = whole / 2;
        // Micros of a few seconds fit, and modulo is uniform enough for a pause.
        let spread = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
        half + Duration::from_micros(random % spread)
    }
}

/// A number that no two clients share, good enough for pauses and names, not for secrets.
#[must_use]
pub fn random() -> u64 {
    // Each state is seeded by the system.
    RandomState::new().build_hasher().finish()
}

const PAUSE_FIRST: Duration = Duration::from_millis(250);
/// A restarted server is found within this.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Enough to get from the first pause to the longest.
const DOUBLINGS_MAX: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_never_vanish() {
        for random in [0, 1, 7_777_777, u64::MAX] {
            let mut pauses = Pauses::default();
            let mut whole = PAUSE_FIRST;
            for _ in 0..100 {
                let pause = pauses.next(random);
                assert!(pause >= whole / 2 && pause <= whole, "{pause:?} of {whole:?}");
                whole = (whole * 2).min(PAUSE_MAX);
            }
            assert_eq!(whole, PAUSE_MAX);
        }
    }

    #[test]
    fn clients_do_not_come_back_together() {
        let mut first: Vec<Duration> = (0..50).map(|_| Pauses::default().next(random())).collect();
        first.sort_unstable();
        first.dedup();
        assert!(first.len() > 40, "{first:?}");
    }
}
