//! The filters of a trie one after the other, from any text on: for lists that are read in pages.
//!
//! The order is that of the texts level by level: its end before `#` before `+` before names. So it
//! is the same in every trie, and pages of several tries can be put together ([`Filter::in_order`]).

use std::cmp::Ordering;
use std::ops::Bound;

use super::{Ending, Named, NodeId, ROOT, Trie, path};
use crate::{Filter, FilterId};

/// What [`Trie::in_order`] gives.
#[derive(Debug)]
pub struct InOrder<'t> {
    trie: &'t Trie,
    /// From the root down: nodes, and what comes next in each.
    path: Vec<At<'t>>,
}

#[derive(Debug)]
struct At<'t> {
    node: NodeId,
    next: Next<'t>,
}

#[derive(Debug, Clone, Copy)]
enum Next<'t> {
    Here,
    Rest,
    Any,
    /// The child behind this name, or the first one.
    Named(Option<&'t str>),
}

impl Trie {
    /// The filters behind `after`, which need not be there, or all of them. Beginning costs one map
    /// look-up per level, and so does each filter at most.
    #[must_use]
    pub fn in_order<'t>(&'t self, after: Option<&'t Filter>) -> InOrder<'t> {
        let mut at = At { node: ROOT, next: Next::Here };
        let mut walk = InOrder { trie: self, path: Vec::new() };
        let Some(after) = after else {
            walk.path.push(at);
            return walk;
        };
        for level in path(after) {
            let child = self.child(at.node, level);
            at.next = Next::Named(if level == "+" { None } else { Some(level) });
            walk.path.push(at);
            let Some(node) = child else { return walk };
            at = At { node, next: Next::Here };
        }
        at.next = match Ending::of(after) {
            Ending::Level => Next::Rest,
            Ending::Rest => Next::Any,
        };
        walk.path.push(at);
        walk
    }
}

impl Iterator for InOrder<'_> {
    type Item = FilterId;

    fn next(&mut self) -> Option<FilterId> {
        loop {
            let at = self.path.last_mut()?;
            let node = self.trie.node(at.node);
            let (next, found, child) = match at.next {
                Next::Here => (Next::Rest, node.here, None),
                Next::Rest => (Next::Any, node.rest, None),
                Next::Any => (Next::Named(None), None, node.any),
                Next::Named(before) => match node.named.behind(before) {
                    Some((name, child)) => (Next::Named(Some(name)), None, Some(child)),
                    None => {
                        self.path.pop();
                        continue;
                    }
                },
            };
            at.next = next;
            if let Some(node) = child {
                self.path.push(At { node, next: Next::Here });
            }
            if found.is_some() {
                return found;
            }
        }
    }
}

impl Named {
    /// The child behind a name, or the first one.
    fn behind(&self, before: Option<&str>) -> Option<(&str, NodeId)> {
        match self {
            Self::None => None,
            Self::One(name, child) => {
                before.is_none_or(|before| before < &**name).then_some((&**name, *child))
            }
            Self::Many(children) => {
                let from = before.map_or(Bound::Unbounded, Bound::Excluded);
                let mut behind = children.range::<str, _>((from, Bound::Unbounded));
                behind.next().map(|(name, child)| (&**name, *child))
            }
        }
    }
}

impl Filter {
    /// Which of two filters [`Trie::in_order`] gives first.
    #[must_use]
    pub fn in_order(&self, other: &Self) -> Ordering {
        fn ranked(filter: &Filter) -> impl Iterator<Item = (u8, &str)> {
            filter.as_str().split('/').map(|level| match level {
                "#" => (0, level),
                "+" => (1, level),
                name => (2, name),
            })
        }
        ranked(self).cmp(ranked(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filters(texts: &str) -> Vec<Filter> {
        texts.split_whitespace().map(|text| Filter::parse(text).unwrap()).collect()
    }

    fn trie(filters: &[Filter]) -> Trie {
        let mut trie = Trie::new();
        for filter in filters {
            trie.insert(filter);
        }
        trie
    }

    fn from(trie: &Trie, after: Option<&Filter>) -> Vec<String> {
        trie.in_order(after).map(|id| trie.filter(id).to_string()).collect()
    }

    #[test]
    fn filters_come_level_by_level() {
        let all = filters("a/b a # + a/+ ! !/# a/# a/b/c $x //");
        let trie = trie(&all);
        let expected = ["#", "+", "//", "!", "!/#", "$x", "a", "a/#", "a/+", "a/b", "a/b/c"];
        assert_eq!(from(&trie, None), expected);
        assert_eq!(from(&trie, Some(&all[5])), expected[4..], "behind !");
        // One that is not there.
        assert_eq!(from(&trie, Some(&filters("a/a/a/a")[0])), ["a/b", "a/b/c"]);
        assert!(from(&trie, Some(&filters("b")[0])).is_empty());
    }

    proptest! {
        /// From every text on, whether or not it is in the trie, as sorting them says.
        #[test]
        fn a_walk_is_what_sorting_gives(
            texts in proptest::collection::vec("[a-c+!]?(/([a-c]|\\+|)){0,3}(/#)?", 1..20),
            after in "([a-c!]|\\+)(/([a-c]|\\+|)){0,3}(/#)?",
        ) {
            let mut naive: Vec<Filter> = texts.iter().filter_map(|text| Filter::parse(text).ok()).collect();
            let trie = trie(&naive);
            naive.sort_by(Filter::in_order);
            naive.dedup();
            let after = Filter::parse(&after).unwrap();
            let behind: Vec<String> = naive
                .iter()
                .filter(|filter| filter.in_order(&after) == Ordering::Greater)
                .map(ToString::to_string)
                .collect();
            prop_assert_eq!(from(&trie, Some(&after)), behind);
            prop_assert_eq!(from(&trie, None).len(), naive.len());
        }
    }
}
