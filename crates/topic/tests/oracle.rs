//! `Filter::matches` and `Trie` against the naive matcher, on few levels so that much collides.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use topic::{Filter, FilterId, Inserted, TopicName, Trie, naive};

#[derive(Debug, Clone)]
enum Step {
    Insert(Filter),
    Remove(Filter),
}

/// Joins levels; a single empty level is no text at all and becomes `/`.
fn join(levels: &[&str]) -> String {
    let text = levels.join("/");
    if text.is_empty() { "/".to_owned() } else { text }
}

fn any_topic() -> impl Strategy<Value = TopicName> {
    let level = prop::sample::select(vec!["", "a", "b", "$x"]);
    vec(level, 1..=4).prop_map(|levels| TopicName::parse(&join(&levels)).expect("a few plain levels"))
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let level = prop::sample::select(vec!["", "a", "b", "$x", "+"]);
    (vec(level, 0..=4), any::<bool>()).prop_map(|(mut levels, rest)| {
        if rest {
            levels.push("#");
        }
        Filter::parse(&join(&levels)).expect("a `#` only at the end")
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![any_filter().prop_map(Step::Insert), any_filter().prop_map(Step::Remove)]
}

/// The trie, and next to it the filters that it should hold.
#[derive(Default)]
struct Pair {
    trie: Trie,
    model: BTreeMap<Filter, FilterId>,
    len_max: usize,
}

impl Pair {
    fn apply(&mut self, step: &Step) {
        match step {
            Step::Insert(filter) => self.insert(filter),
            Step::Remove(filter) => {
                assert_eq!(self.trie.get(filter), self.model.get(filter).copied());
                if let Some(id) = self.model.remove(filter) {
                    self.trie.remove(id);
                }
                assert_eq!(self.trie.get(filter), None);
            }
        }
        self.len_max = self.len_max.max(self.model.len());
        self.check_books();
    }

    fn insert(&mut self, filter: &Filter) {
        let (id, inserted) = self.trie.insert(filter);
        match self.model.insert(filter.clone(), id) {
            Some(before) => assert_eq!((inserted, id), (Inserted::Existing, before)),
            None => assert_eq!(inserted, Inserted::New),
        }
    }

    fn check_books(&self) {
        assert_eq!(self.trie.len(), self.model.len());
        assert_eq!(self.trie.is_empty(), self.model.is_empty());
        for (filter, id) in &self.model {
            assert_eq!(self.trie.get(filter), Some(*id));
            assert_eq!(self.trie.filter(*id), filter);
        }
        let ids: BTreeSet<_> = self.model.values().collect();
        assert_eq!(ids.len(), self.model.len(), "no two filters share an id");
        assert!(ids.last().is_none_or(|id| (id.0 as usize) < self.len_max), "ids are dense");
        assert_eq!(self.trie.node_count(), self.prefixes().len(), "one node per common prefix");
    }

    fn prefixes(&self) -> BTreeSet<Vec<&str>> {
        let mut prefixes = BTreeSet::from([Vec::new()]);
        for filter in self.model.keys() {
            let levels: Vec<_> = filter.as_str().split('/').filter(|level| *level != "#").collect();
            prefixes.extend((1..=levels.len()).map(|len| levels[..len].to_vec()));
        }
        prefixes
    }

    fn check_matches(&self, topic: &TopicName) {
        let mut found = Vec::new();
        self.trie.matches(topic, &mut found);
        found.sort_unstable();
        let matching = |filter: &Filter| naive::matches(filter.as_str(), topic.as_str());
        let mut expected: Vec<_> =
            self.model.iter().filter(|(filter, _)| matching(filter)).map(|(_, id)| *id).collect();
        expected.sort_unstable();
        assert_eq!(found, expected, "{topic}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_filter_matches_what_the_oracle_says(filter in any_filter(), topic in any_topic()) {
        let expected = naive::matches(filter.as_str(), topic.as_str());
        prop_assert_eq!(filter.matches(&topic), expected);
    }

    #[test]
    fn an_exact_filter_matches_only_its_topic(filter in any_filter(), topic in any_topic()) {
        if let Some(exact) = filter.exact() {
            prop_assert!(filter.matches(&exact));
            prop_assert_eq!(filter.matches(&topic), exact == topic);
        } else {
            prop_assert!(filter.as_str().contains(['+', '#']));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_trie_matches_what_the_oracle_says(
        steps in vec(any_step(), 0..80),
        topics in vec(any_topic(), 1..20),
    ) {
        let mut pair = Pair::default();
        for step in &steps {
            pair.apply(step);
        }
        for topic in &topics {
            pair.check_matches(topic);
        }
    }

    #[test]
    fn nothing_is_left_after_everyone_has_gone(steps in vec(any_step(), 0..80)) {
        let mut pair = Pair::default();
        for step in &steps {
            pair.apply(step);
        }
        for filter in pair.model.keys().cloned().collect::<Vec<_>>() {
            pair.apply(&Step::Remove(filter));
        }
        prop_assert!(pair.trie.is_empty());
        prop_assert_eq!(pair.trie.node_count(), 1);
    }
}
