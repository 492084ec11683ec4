//! Values by id. Slots are reused; a generation tells the value of now from those before it, so
//! that an id that comes late (an answer, an order, an edge of readiness) meets nobody else.

use std::marker::PhantomData;

/// An id that names a slot and how often the slot was used before.
pub trait Key: Copy + PartialEq {
    /// The id of a slot's `generation`-th value.
    fn new(slot: u32, generation: u32) -> Self;
    /// Index of the slot.
    fn slot(self) -> u32;
    /// How often the slot was used before.
    fn generation(self) -> u32;
}

/// A table that gives ids out, or follows the ids that another table gave out.
///
/// Every access is constant time. The table never shrinks: it is as long as it ever was full.
#[derive(Debug)]
pub struct Slab<K, T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    len: usize,
    keys: PhantomData<K>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<K, T> Default for Slab<K, T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), len: 0, keys: PhantomData }
    }
}

impl<K: Key, T> Slab<K, T> {
    /// The id that the next [`Slab::insert`] gives out.
    ///
    /// # Panics
    /// If there are 2³² slots.
    #[must_use]
    pub fn next_key(&self) -> K {
        match self.free.last() {
            Some(slot) => K::new(*slot, self.slots[*slot as usize].generation),
            None => K::new(u32::try_from(self.slots.len()).expect("what is in tables is bounded"), 0),
        }
    }

    /// Adds a value under a new id.
    pub fn insert(&mut self, value: T) -> K {
        let key = self.next_key();
        match self.free.pop() {
            Some(slot) => self.slots[slot as usize].value = Some(value),
            None => {
                if self.slots.len() == self.slots.capacity() {
                    // Many tables hold one value, or a few; a quarter more is enough for large ones.
                    self.slots.reserve_exact(1 + self.slots.len() / 4);
                }
                self.slots.push(Slot { generation: 0, value: Some(value) });
            }
        }
        self.len += 1;
        key
    }

    /// Adds a value under an id that another table gave out. Such a table gives none out itself.
    ///
    /// # Panics
    /// If the slot is taken.
    pub fn put(&mut self, key: K, value: T) {
        let index = key.slot() as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || Slot { generation: 0, value: None });
        }
        let slot = &mut self.slots[index];
        assert!(slot.value.is_none(), "slot {index} is taken");
        *slot = Slot { generation: key.generation(), value: Some(value) };
        self.len += 1;
    }

    /// Takes a value out; its id means nothing from now on.
    pub fn remove(&mut self, key: K) -> Option<T> {
        let value = self.take(key)?;
        let slot = &mut self.slots[key.slot() as usize];
        // After four billion lives of one slot an old id would mean a new value: years at any rate
        // that sockets allow.
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.slot());
        Some(value)
    }

    /// The same for a table that was filled by [`Slab::put`].
    pub fn take(&mut self, key: K) -> Option<T> {
        self.get(key)?;
        self.len -= 1;
        self.slots[key.slot() as usize].value.take()
    }

    /// The value of an id, if it still has one.
    #[inline]
    #[must_use]
    pub fn get(&self, key: K) -> Option<&T> {
        let slot = self.slots.get(key.slot() as usize)?;
        slot.value.as_ref().filter(|_| slot.generation == key.generation())
    }

    /// The value of an id, if it still has one.
    #[inline]
    pub fn get_mut(&mut self, key: K) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.slot() as usize)?;
        let generation = slot.generation;
        slot.value.as_mut().filter(|_| generation == key.generation())
    }

    /// The value in a slot, whatever its generation, and its id.
    #[inline]
    pub fn in_slot(&mut self, slot: u32) -> Option<(K, &mut T)> {
        let Slot { generation, value } = self.slots.get_mut(slot as usize)?;
        value.as_mut().map(|value| (K::new(slot, *generation), value))
    }

    /// All values with their ids, by slot.
    pub fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        self.in_slots(0, u32::MAX)
    }

    /// The values in some slots with their ids, from a slot to before another one.
    pub fn in_slots(&self, from: u32, end: u32) -> impl Iterator<Item = (K, &T)> {
        let key = |index, generation| K::new(u32::try_from(index).unwrap_or(u32::MAX), generation);
        let (from, end) = (from as usize, end as usize);
        let slots = self.slots.iter().enumerate().take(end).skip(from);
        slots.filter_map(move |(index, slot)| Some((key(index, slot.generation), slot.value.as_ref()?)))
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many slots there are, taken or not.
    #[must_use]
    pub fn slots(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ConnId;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Clone)]
    enum Step {
        Insert,
        Remove(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![Just(Step::Insert), (0usize..40).prop_map(Step::Remove)]
    }

    proptest! {
        /// Every id ever given out means its own value or nothing, also in a table that follows.
        #[test]
        fn an_id_means_one_value(steps in proptest::collection::vec(step(), 0..80)) {
            let (mut slab, mut follower) = (Slab::<ConnId, usize>::default(), Slab::default());
            let (mut given, mut naive) = (Vec::new(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Insert => {
                        let (next, value) = (slab.next_key(), given.len());
                        let key = slab.insert(value);
                        prop_assert_eq!(next, key);
                        follower.put(key, value);
                        naive.insert(key, value);
                        given.push(key);
                    }
                    Step::Remove(which) => {
                        let Some(key) = given.get(which) else { continue };
                        let expected = naive.remove(key);
                        prop_assert_eq!(slab.remove(*key), expected);
                        prop_assert_eq!(follower.take(*key), expected);
                    }
                }
                for table in [&slab, &follower] {
                    prop_assert_eq!(table.len(), naive.len());
                    prop_assert!(given.iter().all(|key| table.get(*key) == naive.get(key)));
                    let all: BTreeMap<ConnId, usize> = table.iter().map(|(key, value)| (key, *value)).collect();
                    prop_assert_eq!(&all, &naive);
                    let parts = (0..table.slots()).step_by(7).flat_map(|from| table.in_slots(from, from + 7));
                    prop_assert_eq!(parts.count(), naive.len());
                }
            }
        }
    }
}
