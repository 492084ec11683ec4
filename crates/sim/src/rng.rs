//! The only source of chance: splitmix64, one stream per concern.
//!
//! A draw in one stream does not shift the others, so a new kind of client does not change
//! how the network of an old seed behaves.

/// What a stream is drawn for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Concern {
    Limits = 1,
    Clients = 2,
    Network = 3,
    Scheduler = 4,
    Whims = 5,
}

/// A stream of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64, concern: Concern) -> Self {
        let mut rng = Self(seed ^ (concern as u64).wrapping_mul(0xd1b5_4a32_d192_ed03));
        rng.next();
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is at least 1.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The bias of the remainder is below 2^-40 for the bounds used here.
        self.next() % bound
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// The same for sizes.
    pub(crate) fn size(&mut self, low: usize, high: usize) -> usize {
        low + self.index(high - low + 1)
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a usize")
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    /// Small most of the time, up to `high` now and then.
    pub(crate) fn skewed(&mut self, low: usize, high: usize) -> usize {
        let ceiling = self.size(low, high);
        let ceiling = self.size(low, ceiling);
        self.size(low, ceiling)
    }

    pub(crate) fn shuffle<T>(&mut self, of: &mut [T]) {
        for last in (1..of.len()).rev() {
            of.swap(last, self.index(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_and_repeat() {
        let draw = |concern| {
            let mut rng = Rng::new(7, concern);
            [rng.next(), rng.next(), rng.next()]
        };
        assert_eq!(draw(Concern::Network), draw(Concern::Network));
        assert_ne!(draw(Concern::Network), draw(Concern::Clients));
    }

    #[test]
    fn draws_stay_in_their_range() {
        let mut rng = Rng::new(1, Concern::Limits);
        for _ in 0..1000 {
            assert!((3..=5).contains(&rng.range(3, 5)));
            assert!((2..=9).contains(&rng.skewed(2, 9)));
        }
    }
}
