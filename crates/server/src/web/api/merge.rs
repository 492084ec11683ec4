//! Pages of several shards, in one order, put together to one page.

use std::collections::BTreeMap;

use broker::Page;

/// A page that grows until it has as many rows as were asked for.
///
/// A shard has looked at everything up to where its next page begins. What is known of all shards
/// is what stands before the first such place: only rows up to there count, and the next round
/// begins there.
#[derive(Debug)]
pub(super) struct Merge<Key, Row> {
    rows: BTreeMap<Key, Row>,
    rows_max: usize,
    /// Everything up to this was looked at, or before it the page began.
    behind: Option<Key>,
    has_more: bool,
    /// Shards that did not answer.
    missing: Vec<u8>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Merged<Key, Row> {
    pub(super) rows: Vec<(Key, Row)>,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<Key>,
    pub(super) missing: Vec<u8>,
}

impl<Key: Ord + Clone, Row> Merge<Key, Row> {
    pub(super) fn new(behind: Option<Key>, rows_max: usize) -> Self {
        Self { rows: BTreeMap::new(), rows_max, behind, has_more: true, missing: Vec::new() }
    }

    /// Whether another round may bring rows that belong to the page.
    pub(super) fn goes_on(&self) -> bool {
        self.has_more && self.rows.len() <= self.rows_max
    }

    /// Behind what the next round is to look.
    pub(super) fn behind(&self) -> Option<Key> {
        self.behind.clone()
    }

    /// Takes a round's pages, by shard; `add` puts a shard's row to those of the same key.
    pub(super) fn take<Found, From: Into<Key>>(
        &mut self,
        pages: Vec<Option<Page<Found, From>>>,
        key: impl Fn(&Found) -> Key,
        mut add: impl FnMut(Option<Row>, u8, Found) -> Row,
    ) {
        let mut looked_to: Option<Key> = None;
        let mut found = Vec::new();
        for (shard, page) in (0..=u8::MAX).zip(pages) {
            let Some(page) = page else {
                if !self.missing.contains(&shard) {
                    self.missing.push(shard);
                }
                continue;
            };
            if let Some(behind) = page.more_behind.map(Into::into)
                && looked_to.as_ref().is_none_or(|known| behind < *known)
            {
                looked_to = Some(behind);
            }
            found.extend(page.rows.into_iter().map(|row| (shard, row)));
        }
        for (shard, row) in found {
            let key = key(&row);
            if looked_to.as_ref().is_none_or(|known| key <= *known) {
                let before = self.rows.remove(&key);
                self.rows.insert(key, add(before, shard, row));
            }
        }
        self.has_more = looked_to.is_some();
        self.behind = looked_to.or(self.behind.take());
    }

    pub(super) fn finish(self) -> Merged<Key, Row> {
        let is_full = self.rows.len() > self.rows_max;
        let rows: Vec<(Key, Row)> = self.rows.into_iter().take(self.rows_max).collect();
        let next = match is_full {
            true => rows.last().map(|(key, _)| key.clone()),
            // There was no time to look further.
            false => self.behind.filter(|_| self.has_more),
        };
        Merged { rows, next, missing: self.missing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(keys: &[u32], behind: Option<u32>, looked_max: usize) -> Page<u32, u32> {
        let mut keys = keys.iter().copied().filter(|key| behind.is_none_or(|behind| *key > behind));
        // Odd ones are looked at and not wanted.
        let looked: Vec<u32> = keys.by_ref().take(looked_max).collect();
        let more_behind = keys.next().and_then(|_| looked.last().copied());
        Page { rows: looked.into_iter().filter(|key| key % 2 == 0).collect(), more_behind, work: 0 }
    }

    fn one_page(shards: &[Vec<u32>], behind: Option<u32>, rows_max: usize) -> Merged<u32, u32> {
        let mut merge = Merge::new(behind, rows_max);
        while merge.goes_on() {
            let pages = shards.iter().map(|keys| Some(page(keys, merge.behind(), 3))).collect();
            merge.take(pages, |key| *key, |count, _, _| count.unwrap_or_default() + 1);
        }
        merge.finish()
    }

    proptest! {
        /// Pages one behind the other have every row of every shard once, added up.
        #[test]
        fn pages_have_everything_once(
            shards in proptest::collection::vec(proptest::collection::btree_set(0..50_u32, 0..30), 1..4),
            rows_max in 1..7_usize,
        ) {
            let shards: Vec<Vec<u32>> = shards.into_iter().map(|keys| keys.into_iter().collect()).collect();
            let mut expected = BTreeMap::new();
            for key in shards.iter().flatten().filter(|key| *key % 2 == 0) {
                *expected.entry(*key).or_insert(0) += 1;
            }
            let (mut got, mut behind) = (Vec::new(), None);
            loop {
                let merged = one_page(&shards, behind, rows_max);
                prop_assert!(merged.rows.len() <= rows_max);
                got.extend(merged.rows);
                behind = merged.next;
                if behind.is_none() {
                    break;
                }
            }
            prop_assert_eq!(got, expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn who_stops_early_says_where_to_go_on_and_who_is_missing() {
        let mut merge: Merge<u32, u32> = Merge::new(None, 10);
        let pages = vec![Some(page(&[2, 4, 6, 8], None, 3)), None, Some(page(&[1, 4], None, 3))];
        merge.take(pages, |key| *key, |count, _, _| count.unwrap_or_default() + 1);
        let merged = merge.finish();
        assert_eq!(merged, Merged { rows: vec![(2, 1), (4, 2), (6, 1)], next: Some(6), missing: vec![1] });
    }
}
