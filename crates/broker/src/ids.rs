//! Names of shards and connections.

use std::fmt;

/// One shard of this process: 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u8);

/// One connection of one shard. Slots are reused, generations make a reused slot a new id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    /// Index in the tables of shard and driver.
    pub slot: u32,
    /// How often the slot was used before.
    pub generation: u32,
}

/// A connection together with its shard: unique in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The shard that owns the connection.
    pub shard: ShardId,
    /// The connection.
    pub conn: ConnId,
}

impl fmt::Display for Origin {
    /// `shard-slot-generation`, the id that an operator types.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.shard.0, self.conn.slot, self.conn.generation)
    }
}

/// A set of shards, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShardSet(u64);

impl ShardSet {
    /// No shard.
    pub const EMPTY: Self = Self(0);

    /// The shards 0 to `count - 1`.
    ///
    /// # Panics
    /// If `count` is over 64.
    #[must_use]
    pub fn first(count: u8) -> Self {
        assert!(count <= 64, "a set of shards is one machine word");
        Self(if count == 64 { u64::MAX } else { (1 << count) - 1 })
    }

    /// Adds a shard.
    pub fn insert(&mut self, shard: ShardId) {
        self.0 |= 1 << shard.0;
    }

    /// Takes a shard out.
    pub fn remove(&mut self, shard: ShardId) {
        self.0 &= !(1 << shard.0);
    }

    /// Whether the shard is in the set.
    #[must_use]
    pub fn contains(self, shard: ShardId) -> bool {
        self.0 & (1 << shard.0) != 0
    }

    /// Whether no shard is in the set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The shards, lowest first.
    pub fn iter(self) -> impl Iterator<Item = ShardId> {
        (0..64).map(ShardId).filter(move |shard| self.contains(*shard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in() {
        let mut set = ShardSet::first(3);
        set.remove(ShardId(1));
        set.insert(ShardId(63));
        let shards: Vec<u8> = set.iter().map(|s| s.0).collect();
        assert_eq!(shards, [0, 2, 63]);
        assert_eq!(ShardSet::first(64).iter().count(), 64);
        assert!(ShardSet::first(0).is_empty());
    }
}
