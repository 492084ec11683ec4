//! The subscriptions of one session, and what they together make of a message.

use std::sync::Arc;

use broker::{Qos, SubscriptionId, SubscriptionKey};
use topic::{Filter, TopicName, Trie};

/// How one filter is heard (MQTT5-3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) qos: Qos,
    pub(crate) own: OwnMessages,
    pub(crate) retain: RetainFlag,
    /// What the client calls this subscription.
    pub(crate) identifier: Option<u32>,
}

/// Whether a client hears what it publishes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnMessages {
    Heard,
    /// No Local.
    NotHeard,
}

/// What a live message's retain flag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetainFlag {
    AsPublished,
    Cleared,
}

/// Who published a message, as far as one receiver cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Itself,
    Another,
}

/// One filter.
#[derive(Debug)]
pub(crate) struct Subscribed {
    pub(crate) filter: Filter,
    pub(crate) id: SubscriptionId,
    pub(crate) options: Options,
}

/// All of a session.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    /// By filter: most sessions have one or a few, and a tree of those would be mostly air.
    all: Vec<Subscribed>,
    text_bytes: usize,
    /// The same as a trie, where comparing one by one would take longer.
    trie: Option<Box<Trie>>,
    /// What they made of the last message.
    last: Option<Box<(Looked, Matched)>>,
    /// What looking has cost since the last look, in units of work.
    spent: u64,
}

/// What was looked for.
#[derive(Debug, PartialEq, Eq)]
enum Looked {
    Live(TopicName, From),
    Asked(SubscriptionKey, From),
}

/// How a message is delivered: once, for all filters that match (MQTT5-3.3.4-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matched {
    /// The best that any of them asks for; none matches if there is none.
    pub(crate) qos: Option<Qos>,
    pub(crate) retain: RetainFlag,
    pub(crate) identifiers: Arc<[u32]>,
}

/// What a filter costs besides its place here and its text: its place in the core.
const FILTER_BYTES: usize = 128;
/// More filters than this are looked up in a trie.
const COMPARED_MAX: usize = 16;
/// Comparing a filter, or visiting a node: a cache line or two.
const COMPARE_WORK: u64 = 40;

impl Filters {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Bytes that they occupy.
    pub(crate) fn bytes(&self) -> usize {
        let all = self.all.capacity() * size_of::<Subscribed>() + self.all.len() * FILTER_BYTES;
        all + self.text_bytes + self.trie.as_ref().map_or(0, |trie| trie.bytes())
    }

    /// What looking has cost since this was asked.
    pub(crate) fn take_spent(&mut self) -> u64 {
        std::mem::take(&mut self.spent)
    }

    pub(crate) fn get(&self, filter: &Filter) -> Option<&Subscribed> {
        self.place(filter.as_str()).ok().and_then(|place| self.all.get(place))
    }

    /// Adds a filter, or lets another subscription of the core stand for it, which is returned.
    /// Costs a move of those behind it.
    pub(crate) fn put(
        &mut self,
        filter: Filter,
        id: SubscriptionId,
        options: Options,
    ) -> Option<SubscriptionId> {
        self.last = None;
        let place = match self.place(filter.as_str()) {
            Ok(place) => {
                let known = self.all.get_mut(place)?;
                known.options = options;
                return Some(std::mem::replace(&mut known.id, id));
            }
            Err(place) => place,
        };
        self.text_bytes += filter.as_str().len();
        if let Some(trie) = &mut self.trie {
            trie.insert(&filter);
        }
        if self.all.len() == self.all.capacity() {
            self.all.reserve_exact(1 + self.all.len() / 4); // most sessions have one, or a few
        }
        self.all.insert(place, Subscribed { filter, id, options });
        if self.trie.is_none() && self.all.len() > COMPARED_MAX {
            let mut trie = Box::<Trie>::default();
            for subscribed in &self.all {
                trie.insert(&subscribed.filter);
            }
            self.trie = Some(trie);
        }
        None
    }

    /// Changes how a filter is heard.
    pub(crate) fn set(&mut self, filter: &Filter, options: Options) {
        self.last = None;
        let place = self.place(filter.as_str()).ok();
        if let Some(subscribed) = place.and_then(|place| self.all.get_mut(place)) {
            subscribed.options = options;
        }
    }

    pub(crate) fn remove(&mut self, filter: &Filter) -> Option<SubscriptionId> {
        self.last = None;
        let removed = self.all.remove(self.place(filter.as_str()).ok()?);
        if let Some(trie) = &mut self.trie {
            let known = trie.get(filter);
            known.into_iter().for_each(|id| trie.remove(id));
        }
        if self.all.is_empty() {
            (self.all, self.trie) = (Vec::new(), None);
        }
        self.text_bytes -= filter.as_str().len();
        Some(removed.id)
    }

    /// Where a filter stands, or would.
    fn place(&self, filter: &str) -> Result<usize, usize> {
        self.all.binary_search_by(|subscribed| subscribed.filter.as_str().cmp(filter))
    }

    /// The filter of a subscription. Looks at all of them.
    fn of_key(&self, key: SubscriptionKey) -> Option<&Subscribed> {
        self.all.iter().find(|subscribed| subscribed.id.key == key)
    }

    /// Lets the subscription `before` stand again for the filter that `id` was to stand for, or
    /// takes the filter out if there was none.
    pub(crate) fn give_up(&mut self, id: SubscriptionId, before: Option<SubscriptionId>) {
        let Some(filter) = self.of_key(id.key).map(|subscribed| subscribed.filter.clone()) else { return };
        match before {
            None => drop(self.remove(&filter)),
            Some(before) => {
                let options = self.get(&filter).map(|subscribed| subscribed.options);
                options.map(|options| self.put(filter, before, options));
            }
        }
    }

    /// What they make of a message that was published by `from`. What a subscription asked for is
    /// for that one alone (MQTT5-3.8.4-8); all else costs a comparison per filter, unless it has
    /// the topic of the message before.
    pub(crate) fn matched(
        &mut self,
        topic: &TopicName,
        from: From,
        asked_by: Option<SubscriptionKey>,
    ) -> &Matched {
        let is_last = match (self.last.as_ref().map(|last| &last.0), asked_by) {
            (Some(Looked::Live(last, by)), None) => last == topic && *by == from,
            (Some(Looked::Asked(last, by)), Some(key)) => *last == key && *by == from,
            _ => false,
        };
        if !is_last {
            let matched = match asked_by {
                None => self.compare(topic, from),
                Some(key) => {
                    self.spent += self.all.len() as u64;
                    Self::join(self.of_key(key).into_iter(), from)
                }
            };
            let looked =
                asked_by.map_or_else(|| Looked::Live(topic.clone(), from), |key| Looked::Asked(key, from));
            self.last = Some(Box::new((looked, matched)));
        }
        &self.last.as_ref().expect("it was just put there").1
    }

    fn compare(&mut self, topic: &TopicName, from: From) -> Matched {
        let Some(trie) = &self.trie else {
            self.spent += COMPARE_WORK * self.all.len() as u64;
            return Self::join(self.all.iter().filter(|one| one.filter.matches(topic)), from);
        };
        let mut ids = Vec::new();
        self.spent += COMPARE_WORK * trie.matches(topic, &mut ids) as u64;
        self.spent += COMPARE_WORK * ids.len() as u64;
        Self::join(ids.into_iter().filter_map(|id| self.get(trie.filter(id))), from)
    }

    fn join<'a>(all: impl Iterator<Item = &'a Subscribed>, from: From) -> Matched {
        let (mut qos, mut retain, mut identifiers) = (None, RetainFlag::Cleared, Vec::new());
        for Subscribed { options, .. } in all {
            if from == From::Itself && options.own == OwnMessages::NotHeard {
                continue;
            }
            qos = qos.max(Some(options.qos));
            identifiers.extend(options.identifier);
            if options.retain == RetainFlag::AsPublished {
                retain = RetainFlag::AsPublished;
            }
        }
        Matched { qos, retain, identifiers: identifiers.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use broker::Key;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn options(identifier: u32) -> Options {
        Options {
            qos: Qos::AtLeastOnce,
            own: OwnMessages::Heard,
            retain: RetainFlag::Cleared,
            identifier: Some(identifier),
        }
    }

    proptest! {
        /// However many there are, compared or looked up, those that match are found.
        #[test]
        fn those_that_match_are_found(
            filters in proptest::collection::vec("[ab+]/[abc+]/([ab]|#)", 1..60),
            removed in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
            topics in proptest::collection::vec("[abc]/[abc]/[abc]", 1..10),
        ) {
            let mut all = Filters::default();
            let mut model: BTreeMap<String, u32> = BTreeMap::new();
            for (number, text) in (0..).zip(&filters) {
                let id = SubscriptionId { session: Key::new(0, 0), key: Key::new(number, 0) };
                all.put(Filter::parse(text).unwrap(), id, options(number));
                model.insert(text.clone(), number);
            }
            for index in removed {
                let text = index.get(&filters);
                let known = all.remove(&Filter::parse(text).unwrap()).is_some();
                prop_assert_eq!(known, model.remove(text).is_some());
            }
            for topic in topics {
                let name = TopicName::parse(&topic).unwrap();
                let mut found = all.matched(&name, From::Another, None).identifiers.to_vec();
                found.sort_unstable();
                let matching = model.iter().filter(|(filter, _)| topic::naive::matches(filter, &topic));
                let mut expected: Vec<u32> = matching.map(|(_, number)| *number).collect();
                expected.sort_unstable();
                prop_assert_eq!(found, expected);
            }
            for (text, _) in model {
                all.remove(&Filter::parse(&text).unwrap());
            }
            prop_assert_eq!(all.bytes(), 0);
        }
    }
}
