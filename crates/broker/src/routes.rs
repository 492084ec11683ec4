//! Which filters match a topic, remembered per topic.
//!
//! A route lists filters, not subscribers, so it changes only when a filter appears or
//! disappears; subscribers of a known filter come and go without touching it.

use std::rc::Rc;

use foldhash::quality::FixedState;
use hashbrown::HashMap;
use topic::{Filter, FilterId, TopicName, Trie};

use crate::planted::{self, Bug};

/// The cache of one shard.
#[derive(Debug)]
pub(crate) struct Routes {
    /// Looked up and retained, never iterated for its order. The seed comes from outside,
    /// since topics are chosen by clients.
    cached: HashMap<TopicName, Rc<[FilterId]>, FixedState>,
    topics_max: usize,
    scratch: Vec<FilterId>,
}

impl Routes {
    pub(crate) fn new(topics_max: usize, seed: u64) -> Self {
        let cached = HashMap::with_hasher(FixedState::with_seed(seed));
        Self { cached, topics_max, scratch: Vec::new() }
    }

    /// The filters that match `topic`: one lookup, or a walk of the trie the first time.
    pub(crate) fn route(&mut self, topic: &TopicName, trie: &Trie) -> Rc<[FilterId]> {
        if let Some(filters) = self.cached.get(topic) {
            return Rc::clone(filters);
        }
        if self.cached.len() >= self.topics_max {
            // Walking again costs about a microsecond per topic, so nothing finer is worth it.
            self.cached.clear();
        }
        self.scratch.clear();
        trie.matches(topic, &mut self.scratch);
        let filters: Rc<[FilterId]> = Rc::from(self.scratch.as_slice());
        self.cached.insert(topic.clone(), Rc::clone(&filters));
        filters
    }

    /// A filter appeared in or disappeared from the trie: forgets the topics that it matches.
    /// One lookup for a filter without wildcards, a look at every cached topic otherwise.
    pub(crate) fn forget(&mut self, filter: &Filter) {
        if planted::is(Bug::StaleRoute) {
            return;
        }
        match filter.exact() {
            Some(topic) => {
                self.cached.remove(&topic);
            }
            None => self.cached.retain(|topic, _| !filter.matches(topic)),
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
            let mut routes = Routes::new(6, 1);
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
                        let mut cached = routes.route(&topic, &trie).to_vec();
                        cached.sort();
                        prop_assert_eq!(cached, expected);
                    }
                }
                prop_assert!(routes.cached.len() <= 6);
            }
        }
    }
}
