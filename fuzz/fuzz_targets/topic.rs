//! A trie against the naive matcher. One step a line: `+filter` in, `-filter` out, `topic` asks.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use topic::{Filter, FilterId, Inserted, TopicName, Trie, naive};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut trie = Trie::new();
    let mut model = BTreeMap::new();
    for line in text.split('\n') {
        if let Some(Ok(filter)) = line.strip_prefix('+').map(Filter::parse) {
            insert(&mut trie, &mut model, &filter);
        } else if let Some(Ok(filter)) = line.strip_prefix('-').map(Filter::parse) {
            assert_eq!(trie.get(&filter), model.get(&filter).copied());
            if let Some(id) = model.remove(&filter) {
                trie.remove(id);
            }
        } else if let Ok(topic) = TopicName::parse(line) {
            check(&trie, &model, &topic);
        }
        assert_eq!(trie.len(), model.len());
    }
    for id in model.into_values() {
        trie.remove(id);
    }
    assert_eq!((trie.len(), trie.node_count()), (0, 1), "an empty trie is its root");
});

fn insert(trie: &mut Trie, model: &mut BTreeMap<Filter, FilterId>, filter: &Filter) {
    let (id, inserted) = trie.insert(filter);
    match model.insert(filter.clone(), id) {
        Some(before) => assert_eq!((inserted, id), (Inserted::Existing, before)),
        None => assert_eq!(inserted, Inserted::New),
    }
    assert_eq!(trie.filter(id), filter);
}

fn check(trie: &Trie, model: &BTreeMap<Filter, FilterId>, topic: &TopicName) {
    let mut expected = Vec::new();
    for (filter, id) in model {
        let matches = naive::matches(filter.as_str(), topic.as_str());
        assert_eq!(filter.matches(topic), matches, "{filter} {topic}");
        if matches {
            expected.push(*id);
        }
    }
    let mut found = Vec::new();
    trie.matches(topic, &mut found);
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{topic}");
}
