//! Which filters match a topic, remembered per topic.
//!
//! A route lists filters, not subscribers, so it changes only when a filter appears or
//! disappears; subscribers of a known filter come and go without touching it. A filter with
//! wildcards may match any cached topic, so its change makes every route stale at once and
//! each is made anew when it is next asked for: a client that subscribes and leaves pays
//! nothing for the topics of others, and they pay one walk each.

use std::rc::Rc;

use foldhash::quality::FixedState;
use hashbrown::HashMap;
use topic::{Filter, FilterId, TopicName, Trie};

use crate::planted::{self, Bug};
use crate::work;

/// What a cached route costs besides its topic and its filters.
const ROUTE_BYTES: usize = 160;

/// The cache of one shard.
#[derive(Debug)]
pub(crate) struct Routes {
    /// Looked up, never iterated. The seed comes from outside, since topics are chosen by
    /// clients.
    cached: HashMap<TopicName, Route, FixedState>,
    bounds: RouteBounds,
    /// How often a filter with wildcards has come or gone.
    epoch: u64,
    bytes: usize,
    scratch: Vec<FilterId>,
}

/// The bounds of one shard's cache.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RouteBounds {
    pub(crate) topics_max: usize,
    pub(crate) bytes_max: usize,
}

#[derive(Debug)]
struct Route {
    epoch: u64,
    filters: Rc<[FilterId]>,
}

impl Route {
    fn bytes(&self, topic: &TopicName) -> usize {
        ROUTE_BYTES + topic.as_str().len() + size_of_val(&*self.filters)
    }
}

impl Routes {
    pub(crate) fn new(bounds: RouteBounds, seed: u64) -> Self {
        let cached = HashMap::with_hasher(FixedState::with_seed(seed));
        Self { cached, bounds, epoch: 0, bytes: 0, scratch: Vec::new() }
    }

    /// The filters that match `topic`: one lookup, or a walk of the trie the first time and
    /// after a change. Adds to `spent` what it cost.
    pub(crate) fn route(&mut self, topic: &TopicName, trie: &Trie, spent: &mut u64) -> Rc<[FilterId]> {
        *spent += work::ROUTE;
        if let Some(route) = self.cached.get(topic)
            && route.epoch == self.epoch
        {
            return Rc::clone(&route.filters);
        }
        self.scratch.clear();
        let visited = trie.matches(topic, &mut self.scratch);
        *spent += work::VISIT * visited as u64;
        // Shared, not copied: the caller changes what routes stand on while it walks this one.
        let filters: Rc<[FilterId]> = Rc::from(self.scratch.as_slice());
        self.keep(topic, Route { epoch: self.epoch, filters: Rc::clone(&filters) });
        filters
    }

    /// A filter appeared in or disappeared from the trie: from now on no route is given out
    /// that does not know. Constant time.
    pub(crate) fn forget(&mut self, filter: &Filter) {
        if planted::is(Bug::StaleRoute) {
            return;
        }
        match filter.exact() {
            Some(topic) => self.remove(&topic),
            None => self.epoch += 1,
        }
    }

    /// Bytes that the cache occupies.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn keep(&mut self, topic: &TopicName, route: Route) {
        self.remove(topic);
        let bytes = route.bytes(topic);
        if self.cached.len() >= self.bounds.topics_max || self.bytes + bytes > self.bounds.bytes_max {
            // Walking again costs about a microsecond per topic, so nothing finer is worth it.
            self.cached = HashMap::with_hasher(self.cached.hasher().clone());
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.cached.insert(topic.clone(), route);
    }

    fn remove(&mut self, topic: &TopicName) {
        if let Some(route) = self.cached.remove(topic) {
            self.bytes = self.bytes.checked_sub(route.bytes(topic)).expect("counted when it was kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter() -> impl Strategy<Value = Filter> {
        let level = prop_oneof![Just("a"), Just("b"), Just("+")];
        (proptest::collection::vec(level, 1..4), any::<bool>()).prop_map(|(mut levels, rest)| {
            if rest {
                levels.push("#");
            }
            Filter::parse(&levels.join("/")).unwrap()
        })
    }

    fn topic() -> impl Strategy<Value = TopicName> {
        "[ab](/[ab]){0,3}".prop_map(|text| TopicName::parse(&text).unwrap())
    }

    #[derive(Debug, Clone)]
    enum Step {
        Toggle(Filter),
        Route(TopicName),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![filter().prop_map(Step::Toggle), topic().prop_map(Step::Route)]
    }

    proptest! {
        /// Whatever comes and goes, a route is what the trie says now; the cache stays bounded.
        #[test]
        fn a_cached_route_is_never_stale(steps in proptest::collection::vec(step(), 1..80)) {
            let mut trie = Trie::new();
            let mut routes = Routes::new(RouteBounds { topics_max: 6, bytes_max: 1200 }, 1);
            for step in steps {
                match step {
                    Step::Toggle(filter) => {
                        match trie.get(&filter) {
                            Some(id) => trie.remove(id),
                            None => {
                                trie.insert(&filter);
                            }
                        }
                        routes.forget(&filter);
                    }
                    Step::Route(topic) => {
                        let mut expected = Vec::new();
                        trie.matches(&topic, &mut expected);
                        expected.sort();
                        let mut cached = routes.route(&topic, &trie, &mut 0).to_vec();
                        cached.sort();
                        prop_assert_eq!(cached, expected);
                    }
                }
                prop_assert!(routes.cached.len() <= 6);
                let bytes: usize = routes.cached.iter().map(|(topic, route)| route.bytes(topic)).sum();
                prop_assert_eq!(routes.bytes(), bytes);
                prop_assert!(bytes <= 1200 + ROUTE_BYTES + 16, "one more than the bound at most");
            }
        }
    }
}
