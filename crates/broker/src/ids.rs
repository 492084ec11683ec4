//! Names of shards, connections, sessions and subscriptions.

use std::fmt;

use crate::slab::Key;

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

/// One session of one shard: what hears, and what a connection attaches to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    slot: u32,
    generation: u32,
}

/// Which of its subscriptions, within a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionKey {
    pub(crate) slot: u32,
    generation: u32,
}

/// One subscription of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId {
    /// The session that holds it.
    pub session: SessionId,
    /// Which one of it.
    pub key: SubscriptionKey,
}

macro_rules! slab_keys {
    ($($name:ident),*) => {$(
        impl Key for $name {
            fn new(slot: u32, generation: u32) -> Self {
                Self { slot, generation }
            }

            fn slot(self) -> u32 {
                self.slot
            }

            fn generation(self) -> u32 {
                self.generation
            }
        }
    )*};
}

slab_keys!(ConnId, SessionId, SubscriptionKey);

#[cfg(test)]
impl SubscriptionId {
    /// Any subscription of the session in that slot.
    pub(crate) fn for_tests(slot: u32) -> Self {
        Self { session: SessionId::new(slot, 0), key: SubscriptionKey::new(0, 0) }
    }
}

/// A connection together with its shard: unique in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The shard that owns the connection.
    pub shard: ShardId,
    pub conn: ConnId,
}

impl Origin {
    /// What publishes for the broker itself on a shard: a connection that there never is, since no
    /// table has so many slots.
    #[must_use]
    pub fn broker(shard: ShardId) -> Self {
        Self { shard, conn: ConnId { slot: u32::MAX, generation: 0 } }
    }
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

    pub fn insert(&mut self, shard: ShardId) {
        self.0 |= 1 << shard.0;
    }

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
