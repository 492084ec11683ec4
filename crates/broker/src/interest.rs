//! Who is interested in which filter: this shard's subscribers and the other shards.

use std::rc::Rc;

use topic::{Filter, FilterId, Inserted, TopicName, Trie};

use crate::ids::{ShardId, ShardSet};
use crate::listing::{FilterRow, Page};
use crate::memory::{Gauge, Tally, Use};
use crate::planted::{self, Bug};
use crate::routes::Routes;
use crate::work;

/// What the holders of a filter cost: their place, and a few slots.
const HOLDERS_BYTES: usize = size_of::<Holders>() + 32;

/// The filters of one shard with everyone who holds them.
#[derive(Debug)]
pub(crate) struct Interest {
    trie: Trie,
    /// By filter id.
    holders: Vec<Holders>,
    routes: Routes,
    tally: Tally,
    spent: u64,
}

#[derive(Debug, Default)]
struct Holders {
    local: Vec<Holder>,
    remote: ShardSet,
}

/// A subscription of this shard, as slots of its session and within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) session: u32,
    pub(crate) subscription: u32,
}

/// Where a subscription stands in the table, so that it leaves in constant time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    filter: FilterId,
    index: usize,
}

impl Place {
    pub(crate) fn is_of_filter_of(self, other: Self) -> bool {
        self.filter == other.filter
    }
}

/// What leaving changed.
#[derive(Debug)]
pub(crate) struct Left {
    /// The subscription that took over the place, if one did.
    pub(crate) moved: Option<Holder>,
    /// The filter, if nobody on this shard holds it any more.
    pub(crate) last: Option<Filter>,
}

impl Interest {
    pub(crate) fn new(routes: Routes, gauge: &Gauge) -> Self {
        let tally = Tally::new(gauge, Use::Filters);
        Self { trie: Trie::new(), holders: Vec::new(), routes, tally, spent: 0 }
    }

    /// The filters that match a topic.
    pub(crate) fn route(&mut self, topic: &TopicName) -> Rc<[FilterId]> {
        self.routes.route(topic, &self.trie, &mut self.spent)
    }

    /// Whether the filter is there already, so that one more holder costs next to nothing.
    pub(crate) fn knows(&self, filter: &Filter) -> bool {
        self.trie.get(filter).is_some()
    }

    /// The most nodes that a walk may visit if `filter` is added.
    pub(crate) fn walk_max_with(&self, filter: &Filter) -> usize {
        self.trie.walk_max_with(filter)
    }

    /// Bytes of cached routes.
    pub(crate) fn route_bytes(&self) -> usize {
        self.routes.bytes()
    }

    /// What was done since the last call has cost so much.
    pub(crate) fn take_spent(&mut self) -> u64 {
        std::mem::take(&mut self.spent)
    }

    /// Makes the account say what filters and routes occupy.
    pub(crate) fn settle(&mut self) {
        self.tally.set(self.trie.bytes() + self.trie.len() * HOLDERS_BYTES + self.routes.bytes());
        self.tally.settle();
    }

    /// The filter of a subscription.
    pub(crate) fn filter(&self, place: Place) -> &Filter {
        self.trie.filter(place.filter)
    }

    /// The subscriptions of this shard to one filter.
    #[inline]
    pub(crate) fn local(&self, filter: FilterId) -> &[Holder] {
        &self.holders[filter.0 as usize].local
    }

    /// The other shards that hold any of the filters.
    pub(crate) fn remote(&self, filters: &[FilterId]) -> ShardSet {
        filters.iter().fold(ShardSet::EMPTY, |shards, id| shards.union(self.holders[id.0 as usize].remote))
    }

    pub(crate) fn add_local(&mut self, filter: &Filter, holder: Holder) -> Place {
        let id = self.insert(filter);
        let local = &mut self.holders[id.0 as usize].local;
        if local.is_empty() {
            local.reserve_exact(1); // most filters are one client's
        }
        local.push(holder);
        Place { filter: id, index: local.len() - 1 }
    }

    /// Takes a subscription out; if another one moved to its place, that one's place is `place` now.
    pub(crate) fn remove_local(&mut self, place: Place) -> Left {
        let holders = &mut self.holders[place.filter.0 as usize];
        // The last one takes the place: leaving costs the same among ten and among a million.
        holders.local.swap_remove(place.index);
        let moved = holders.local.get(place.index).copied();
        let last = holders.local.is_empty() || planted::is(Bug::UnwantTooEarly);
        let last = last.then(|| self.trie.filter(place.filter).clone());
        self.drop_if_unheld(place.filter);
        Left { moved, last }
    }

    pub(crate) fn add_remote(&mut self, filter: &Filter, shard: ShardId) {
        let id = self.insert(filter);
        self.holders[id.0 as usize].remote.insert(shard);
    }

    pub(crate) fn remove_remote(&mut self, filter: &Filter, shard: ShardId) {
        self.spent += levels(filter) * work::FILTER_LEVEL;
        if let Some(id) = self.trie.get(filter) {
            self.holders[id.0 as usize].remote.remove(shard);
            self.drop_if_unheld(id);
        }
    }

    /// Filters held by anyone, and trie nodes: 0 and 1 when everyone has gone.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.trie.len(), self.trie.node_count())
    }

    /// The next filters behind one that subscriptions of this shard hold, from looking at so many
    /// at most.
    pub(crate) fn page(&self, after: Option<&Filter>, looked_max: usize) -> Page<FilterRow, Filter> {
        let mut page = Page { rows: Vec::new(), more_behind: None, work: work::INPUT };
        let mut filters = self.trie.in_order(after);
        let mut last = None;
        for id in filters.by_ref().take(looked_max) {
            let (filter, sessions) = (self.trie.filter(id), self.local(id).len());
            page.work += work::FILTER_LEVEL;
            last = Some(filter);
            if sessions > 0 {
                page.rows.push(FilterRow { filter: filter.clone(), sessions });
            }
        }
        if filters.next().is_some() {
            page.more_behind = last.cloned();
        }
        page
    }

    fn insert(&mut self, filter: &Filter) -> FilterId {
        self.spent += levels(filter) * work::FILTER_LEVEL;
        let (id, inserted) = self.trie.insert(filter);
        // A filter that was there is in every route already.
        if matches!(inserted, Inserted::New) {
            self.routes.forget(filter);
            let needed = id.0 as usize + 1;
            if self.holders.len() < needed {
                self.holders.resize_with(needed, Holders::default);
            }
        }
        id
    }

    fn drop_if_unheld(&mut self, id: FilterId) {
        let holders = &mut self.holders[id.0 as usize];
        if holders.local.is_empty() && holders.remote.is_empty() {
            // Ids are used again, so a crowd's memory would stay with whoever gets this one.
            holders.local = Vec::new();
            let filter = self.trie.filter(id).clone();
            self.spent += levels(&filter) * work::FILTER_LEVEL;
            self.trie.remove(id);
            self.routes.forget(&filter);
        }
    }
}

fn levels(filter: &Filter) -> u64 {
    filter.as_str().split('/').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::RouteBounds;

    #[test]
    fn a_page_has_what_is_held_here_and_looks_at_what_others_hold() {
        let gauge = Gauge::new();
        let bounds = RouteBounds { topics_max: 1, bytes_max: 0 };
        let mut interest = Interest::new(Routes::new(bounds, 1), &gauge);
        let filter = |text: &str| Filter::parse(text).unwrap();
        for (session, text) in (0..).zip(["b", "a/#", "b", "c"]) {
            interest.add_local(&filter(text), Holder { session, subscription: 0 });
        }
        interest.add_remote(&filter("a/b"), ShardId(1));
        interest.add_remote(&filter("a/c"), ShardId(1));
        let page = interest.page(None, 3);
        assert_eq!(page.rows, [FilterRow { filter: filter("a/#"), sessions: 1 }]);
        let behind = page.more_behind.unwrap();
        assert_eq!(behind, filter("a/c"));
        let page = interest.page(Some(&behind), 3);
        let row = |text, sessions| FilterRow { filter: filter(text), sessions };
        assert_eq!((page.rows, page.more_behind), (vec![row("b", 2), row("c", 1)], None));
    }
}
