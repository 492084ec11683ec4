//! Packet identifiers: 1 to 65,535, round and round, without those in use.

use std::num::NonZeroU16;

#[derive(Debug)]
pub(super) struct PacketIds {
    last: NonZeroU16,
}

impl Default for PacketIds {
    fn default() -> Self {
        Self { last: NonZeroU16::MAX }
    }
}

impl PacketIds {
    pub(super) const FIRST: NonZeroU16 = NonZeroU16::MIN;

    /// The next one that is not in use. There always is one: what uses them is bounded far below.
    pub(super) fn next(&mut self, is_used: impl Fn(NonZeroU16) -> bool) -> NonZeroU16 {
        loop {
            self.last = self.last.checked_add(1).unwrap_or(Self::FIRST);
            if !is_used(self.last) {
                return self.last;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_round_and_pass_over_those_in_use() {
        let mut ids = PacketIds::default();
        let used = [2, 65_535].map(|id| NonZeroU16::new(id).unwrap());
        let found: Vec<u16> = (0..65_534).map(|_| ids.next(|id| used.contains(&id)).get()).collect();
        assert_eq!(found.iter().take(3).collect::<Vec<_>>(), [&1, &3, &4]);
        assert_eq!(found.iter().rev().take(2).collect::<Vec<_>>(), [&1, &65_534]);
    }
}
