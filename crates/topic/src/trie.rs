//! A set of filters that answers which of them match a topic.
//!
//! One node per level that the filters have in common; a final `#` is a mark on its parent, not
//! a node. Nodes and filters live in slabs with free lists and name each other by number, so
//! nothing recurses, also not the drop. Children are ordered maps, not hashed ones: a client
//! cannot choose level names that collide. Same calls, same ids, in every run.
//! A freed node gives its memory back; the slabs keep a pointer for each of their busiest moment.

mod in_order;

use std::collections::BTreeMap;

use crate::shapes::Shapes;
use crate::{Filter, TOPIC_LEVELS_MAX, TopicName};

pub use in_order::InOrder;

/// What a node costs besides its name: its allocation, its place in the slab, and its place
/// among its parent's children.
const NODE_BYTES: usize = size_of::<Node>() + size_of::<Option<Box<Node>>>() + 48;
/// What a filter costs besides its nodes and its text: its place in the slab and its allocation.
const FILTER_BYTES: usize = size_of::<Option<Entry>>() + 16;

/// Dense number of one filter in one trie: below the most filters that the trie has ever held at
/// once. Given to another filter after [`Trie::remove`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilterId(pub u32);

/// Whether [`Trie::insert`] changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// The filter was not in the trie before.
    New,
    /// The filter was there already and keeps its id.
    Existing,
}

/// The filters of one shard. Holds each filter once and does not count who wants it.
#[derive(Debug, Clone)]
pub struct Trie {
    nodes: Vec<Option<Box<Node>>>,
    nodes_free: Vec<NodeId>,
    filters: Vec<Option<Entry>>,
    filters_free: Vec<FilterId>,
    shapes: Shapes,
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NodeId(u32);

#[derive(Debug, Clone)]
struct Node {
    parent: NodeId,
    /// The filter that ends in this level.
    here: Option<FilterId>,
    /// The filter that goes on with `#`.
    rest: Option<FilterId>,
    /// The child `+`.
    any: Option<NodeId>,
    /// The children with a name, the empty one included.
    named: Named,
}

/// Children by name. Most nodes have one at most, and a map of one costs as much as one of ten.
#[derive(Debug, Clone)]
enum Named {
    None,
    One(Box<str>, NodeId),
    Many(BTreeMap<Box<str>, NodeId>),
}

#[derive(Debug, Clone)]
struct Entry {
    filter: Filter,
    node: NodeId,
}

impl Trie {
    /// An empty trie: the root, no filter.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nodes: vec![Some(Box::new(Node::below(ROOT)))],
            nodes_free: Vec::new(),
            filters: Vec::new(),
            filters_free: Vec::new(),
            shapes: Shapes::default(),
            bytes: 0,
        }
    }

    /// Adds a filter, or finds it. One map look-up per level; allocates for what is new.
    pub fn insert(&mut self, filter: &Filter) -> (FilterId, Inserted) {
        let mut node = ROOT;
        for level in path(filter) {
            node = match self.child(node, level) {
                Some(child) => child,
                None => self.add_child(node, level),
            };
        }
        if let Some(id) = *self.mark(node, filter) {
            return (id, Inserted::Existing);
        }
        let id = self.add_entry(Entry { filter: filter.clone(), node });
        *self.mark(node, filter) = Some(id);
        self.shapes.add(filter);
        self.bytes += FILTER_BYTES + filter.as_str().len();
        (id, Inserted::New)
    }

    /// Bytes that nodes and filters occupy, as a budget counts them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The most nodes that one walk may visit besides those of the topic's own path, if `filter`
    /// is there as well; see [`Trie::matches`].
    #[must_use]
    pub fn walk_max_with(&self, filter: &Filter) -> usize {
        self.shapes.len() + self.shapes.missing(filter)
    }

    /// The id of a filter, if it is in the trie. One map look-up per level.
    #[must_use]
    pub fn get(&self, filter: &Filter) -> Option<FilterId> {
        let mut node = ROOT;
        for level in path(filter) {
            node = self.child(node, level)?;
        }
        match Ending::of(filter) {
            Ending::Level => self.node(node).here,
            Ending::Rest => self.node(node).rest,
        }
    }

    /// The filter behind an id.
    ///
    /// # Panics
    /// If the trie has no such filter (any more): the caller's books are wrong.
    #[must_use]
    pub fn filter(&self, id: FilterId) -> &Filter {
        let entry = self.filters.get(id.0 as usize).and_then(Option::as_ref);
        &entry.expect("the id of a filter in this trie").filter
    }

    /// Takes a filter out, and with it every node that no other filter needs.
    /// One map look-up per freed node.
    ///
    /// # Panics
    /// If the trie has no such filter (any more): the caller's books are wrong.
    pub fn remove(&mut self, id: FilterId) {
        let slot = self.filters.get_mut(id.0 as usize).and_then(Option::take);
        let Entry { filter, node } = slot.expect("the id of a filter in this trie");
        self.filters_free.push(id);
        self.shapes.remove(&filter);
        self.bytes -= FILTER_BYTES + filter.as_str().len();
        let mark = self.mark(node, &filter).take();
        assert_eq!(mark, Some(id), "a filter's node points back at it");
        self.prune(node, &filter);
    }

    /// Appends the ids of all filters that match `topic`, each once, in an order that only
    /// depends on the filters and their ids.
    ///
    /// Allocates nothing beyond `out`. Returns how many nodes it visited: each at most once, and
    /// only those that match the topic's beginning. Which of their levels are `+` tells these
    /// apart, so they are at most the topic's own path and one for each shape that any filter
    /// begins with. [`Trie::walk_max_with`] counts the shapes: whoever bounds that bounds this.
    pub fn matches(&self, topic: &TopicName, out: &mut Vec<FilterId>) -> usize {
        // On the stack: this runs for every topic that has no route, and must not allocate.
        let mut levels = [""; TOPIC_LEVELS_MAX];
        let mut levels_len = 0;
        for (slot, level) in levels.iter_mut().zip(topic.as_str().split('/')) {
            *slot = level;
            levels_len += 1;
        }
        let levels = &levels[..levels_len];
        let mut pending = Pending::new();
        pending.push(Visit { node: ROOT, depth: 0 });
        let mut visited = 0;
        while let Some(Visit { node, depth }) = pending.pop() {
            visited += 1;
            let node = self.node(node);
            //= MQTT5-4.7.2-1
            let wildcards_count = depth > 0 || !topic.is_hidden();
            if wildcards_count {
                out.extend(node.rest);
            }
            let Some(level) = levels.get(usize::from(depth)) else {
                out.extend(node.here);
                continue;
            };
            let any = node.any.filter(|_| wildcards_count);
            let named = node.named.get(level);
            for node in any.into_iter().chain(named) {
                pending.push(Visit { node, depth: depth + 1 });
            }
        }
        visited
    }

    /// Number of filters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.filters.len() - self.filters_free.len()
    }

    /// Whether there is no filter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of nodes in use, the root included: 1 when the trie is empty.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len() - self.nodes_free.len()
    }

    fn node(&self, id: NodeId) -> &Node {
        self.nodes[id.0 as usize].as_ref().expect("a node is freed when nothing names it")
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes[id.0 as usize].as_mut().expect("a node is freed when nothing names it")
    }

    fn child(&self, node: NodeId, level: &str) -> Option<NodeId> {
        let node = self.node(node);
        if level == "+" { node.any } else { node.named.get(level) }
    }

    /// Where the id of `filter`, whose path ends in `node`, is kept.
    fn mark(&mut self, node: NodeId, filter: &Filter) -> &mut Option<FilterId> {
        let node = self.node_mut(node);
        match Ending::of(filter) {
            Ending::Level => &mut node.here,
            Ending::Rest => &mut node.rest,
        }
    }

    fn add_child(&mut self, parent: NodeId, level: &str) -> NodeId {
        let child = self.add_node(Node::below(parent));
        self.bytes += NODE_BYTES + level.len();
        let parent = self.node_mut(parent);
        if level == "+" {
            parent.any = Some(child);
        } else {
            parent.named.insert(level.into(), child);
        }
        child
    }

    fn add_node(&mut self, node: Node) -> NodeId {
        let node = Some(Box::new(node));
        if let Some(id) = self.nodes_free.pop() {
            self.nodes[id.0 as usize] = node;
            return id;
        }
        let id = u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes fit in memory");
        self.nodes.push(node);
        NodeId(id)
    }

    fn add_entry(&mut self, entry: Entry) -> FilterId {
        if let Some(id) = self.filters_free.pop() {
            self.filters[id.0 as usize] = Some(entry);
            return id;
        }
        let id = u32::try_from(self.filters.len()).expect("fewer than 2^32 filters fit in memory");
        self.filters.push(Some(entry));
        FilterId(id)
    }

    /// Frees nodes from `node`, where the path of `filter` ends, up to the first one in use.
    fn prune(&mut self, mut node: NodeId, filter: &Filter) {
        for level in path(filter).rev() {
            if self.node(node).is_needed() {
                return;
            }
            let parent = self.node(node).parent;
            let siblings = self.node_mut(parent);
            let unlinked = if level == "+" { siblings.any.take() } else { siblings.named.remove(level) };
            assert_eq!(unlinked, Some(node), "a parent knows its child by the child's level");
            self.bytes -= NODE_BYTES + level.len();
            self.nodes[node.0 as usize] = None;
            self.nodes_free.push(node);
            node = parent;
        }
        assert_eq!(node, ROOT, "a path begins at the root");
    }
}

impl Default for Trie {
    fn default() -> Self {
        Self::new()
    }
}

impl Node {
    fn below(parent: NodeId) -> Self {
        Self { parent, here: None, rest: None, any: None, named: Named::None }
    }

    fn is_needed(&self) -> bool {
        self.here.is_some() || self.rest.is_some() || self.any.is_some() || !self.named.is_empty()
    }
}

impl Named {
    fn get(&self, level: &str) -> Option<NodeId> {
        match self {
            Self::None => None,
            Self::One(name, child) => (**name == *level).then_some(*child),
            Self::Many(children) => children.get(level).copied(),
        }
    }

    fn insert(&mut self, level: Box<str>, child: NodeId) {
        match std::mem::replace(self, Self::None) {
            Self::None => *self = Self::One(level, child),
            Self::One(name, first) => *self = Self::Many([(name, first), (level, child)].into()),
            Self::Many(mut children) => {
                children.insert(level, child);
                *self = Self::Many(children);
            }
        }
    }

    fn remove(&mut self, level: &str) -> Option<NodeId> {
        match self {
            Self::None => None,
            Self::One(name, _) if **name != *level => None,
            Self::One(_, child) => {
                let child = *child;
                *self = Self::None;
                Some(child)
            }
            Self::Many(children) => {
                let child = children.remove(level);
                if children.len() == 1
                    && let Some((name, last)) = children.pop_first()
                {
                    *self = Self::One(name, last);
                }
                child
            }
        }
    }

    fn is_empty(&self) -> bool {
        // A map never shrinks below two without becoming one name.
        matches!(self, Self::None)
    }
}

/// Which of its last node's two marks a filter has.
enum Ending {
    Level,
    Rest,
}

impl Ending {
    /// A `#` in a valid filter is its last level.
    fn of(filter: &Filter) -> Self {
        if filter.as_str().ends_with('#') { Self::Rest } else { Self::Level }
    }
}

/// The levels of a filter that have a node, from the root down.
fn path(filter: &Filter) -> impl DoubleEndedIterator<Item = &str> {
    filter.as_str().split('/').filter(|level| *level != "#")
}

/// A node still to visit, with the number of levels above it.
#[derive(Clone, Copy)]
struct Visit {
    node: NodeId,
    depth: u8,
}

/// The stack of a walk. A visit takes one place and leaves at most two, one level further down,
/// so a topic of n levels needs at most n + 1 places.
struct Pending {
    visits: [Visit; PENDING_MAX],
    len: usize,
}

impl Pending {
    fn new() -> Self {
        Self { visits: [Visit { node: ROOT, depth: 0 }; PENDING_MAX], len: 0 }
    }

    fn push(&mut self, visit: Visit) {
        self.visits[self.len] = visit;
        self.len += 1;
    }

    fn pop(&mut self) -> Option<Visit> {
        self.len = self.len.checked_sub(1)?;
        self.visits.get(self.len).copied()
    }
}

const ROOT: NodeId = NodeId(0);
const PENDING_MAX: usize = TOPIC_LEVELS_MAX + 1;
const _: () = assert!(TOPIC_LEVELS_MAX <= u8::MAX as usize, "a depth fits in Visit::depth");

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Filter {
        Filter::parse(text).unwrap()
    }

    fn trie(filters: &str) -> Trie {
        let mut trie = Trie::new();
        for text in filters.split_whitespace() {
            trie.insert(&filter(text));
        }
        trie
    }

    /// The filters that match, sorted by text, separated by blanks.
    fn matches(trie: &Trie, topic: &str) -> String {
        let mut ids = Vec::new();
        trie.matches(&TopicName::parse(topic).unwrap(), &mut ids);
        let mut texts: Vec<&str> = ids.iter().map(|id| trie.filter(*id).as_str()).collect();
        texts.sort_unstable();
        texts.join(" ")
    }

    fn check(filters: &str, topic: &str, expected: &str) {
        assert_eq!(matches(&trie(filters), topic), expected, "{filters} : {topic}");
    }

    #[test]
    //= MQTT5-4.7.1-1
    //= MQTT5-4.7.1-2
    //= MQTT311-4.7.1-2
    //= MQTT311-4.7.1-3
    //= type=test
    fn every_matching_filter_is_found_once() {
        check("# + a a/# a/+ a/b +/b +/# +/+ b", "a", "# + +/# a a/#");
        check("# + a a/# a/+ a/b +/b +/# +/+ b", "a/b", "# +/# +/+ +/b a/# a/+ a/b");
        check("a/b/# a/+/# a/# a/b/c", "a/b", "a/# a/+/# a/b/#");
        check("/ /# +/ /+ // +/+", "/", "+/ +/+ / /# /+");
        check("", "a", "");
    }

    #[test]
    //= MQTT5-4.7.2-1
    //= MQTT311-4.7.2-1
    //= type=test
    fn a_dollar_topic_passes_by_wildcards_in_front() {
        check("# + +/# +/a $x $x/# $x/+ $x/a", "$x", "$x $x/#");
        check("# + +/# +/a $x $x/# $x/+ $x/a", "$x/a", "$x/# $x/+ $x/a");
        check("# +/+ /+ /#", "/$x", "# +/+ /# /+");
    }

    #[test]
    fn matches_appends() {
        let mut ids = vec![FilterId(7)];
        trie("a").matches(&TopicName::parse("a").unwrap(), &mut ids);
        assert_eq!(ids, [FilterId(7), FilterId(0)]);
    }

    #[test]
    fn ids_are_dense_and_reused() {
        let mut trie = Trie::new();
        assert_eq!(trie.insert(&filter("a")), (FilterId(0), Inserted::New));
        assert_eq!(trie.insert(&filter("a/#")), (FilterId(1), Inserted::New));
        assert_eq!(trie.insert(&filter("a")), (FilterId(0), Inserted::Existing));
        assert_eq!(trie.insert(&filter("a/#")), (FilterId(1), Inserted::Existing));
        assert_eq!(trie.get(&filter("a/+")), None);
        trie.remove(FilterId(0));
        assert_eq!(trie.get(&filter("a")), None);
        assert_eq!(trie.get(&filter("a/#")), Some(FilterId(1)));
        assert_eq!(trie.insert(&filter("b")), (FilterId(0), Inserted::New));
        assert_eq!(trie.filter(FilterId(0)).as_str(), "b");
        assert_eq!(trie.len(), 2);
    }

    #[test]
    fn remove_frees_only_what_nothing_needs() {
        let mut trie = trie("a/b/c a a/b/# a/+/c");
        assert_eq!(trie.node_count(), 6, "root, a, a/b, a/b/c, a/+, a/+/c");
        for (removed, nodes_left) in [("a/b/c", 5), ("a", 5), ("a/b/#", 4), ("a/+/c", 1)] {
            trie.remove(trie.get(&filter(removed)).unwrap());
            assert_eq!(trie.node_count(), nodes_left, "without {removed}");
        }
        assert!(trie.is_empty());
        assert_eq!((trie.bytes(), trie.shapes.len()), (0, 0), "all memory is given back");
        trie.insert(&filter("x/y"));
        assert_eq!(trie.nodes.len(), 6, "freed nodes are used again");
    }

    #[test]
    #[should_panic(expected = "the id of a filter in this trie")]
    fn removing_twice_is_our_fault() {
        let mut trie = trie("a b");
        trie.remove(FilterId(0));
        trie.remove(FilterId(0));
    }

    #[test]
    fn all_mixtures_of_names_and_wildcards_match() {
        const LEVELS: usize = 8;
        let mut trie = Trie::new();
        for mixture in 0..1_u32 << LEVELS {
            let levels = (0..LEVELS).map(|bit| if mixture >> bit & 1 == 0 { "a" } else { "+" });
            trie.insert(&filter(&levels.collect::<Vec<_>>().join("/")));
        }
        let mut ids = Vec::new();
        trie.matches(&TopicName::parse(&["a"; LEVELS].join("/")).unwrap(), &mut ids);
        ids.sort_unstable();
        assert_eq!(ids, (0..1 << LEVELS).map(FilterId).collect::<Vec<_>>());
    }

    /// No topic makes a walk visit more than its own path and the shapes, however the filters
    /// mix names and wildcards, and the mixtures that cost most reach that bound.
    #[test]
    fn a_walk_is_bounded_by_the_shapes() {
        const LEVELS: usize = 8;
        let mut trie = Trie::new();
        let mut bound = 0;
        for mixture in 0..1_u32 << LEVELS {
            let levels = (0..LEVELS).map(|bit| if mixture >> bit & 1 == 0 { "a" } else { "+" });
            let filter = filter(&levels.collect::<Vec<_>>().join("/"));
            bound = trie.walk_max_with(&filter);
            trie.insert(&filter);
            assert_eq!(trie.shapes.len(), bound, "what was asked for is what came");
        }
        let mut ids = Vec::new();
        let visited = trie.matches(&TopicName::parse(&["a"; LEVELS].join("/")).unwrap(), &mut ids);
        assert_eq!(visited, 1 + LEVELS + bound, "the root, the own path, and every shape");
        // A thousand names with the same shapes cost a walk nothing.
        for number in 0..1000 {
            let text = format!("{number}/+/a");
            assert!(trie.walk_max_with(&filter(&text)) <= bound, "{text}");
            trie.insert(&filter(&text));
        }
        ids.clear();
        assert!(trie.matches(&TopicName::parse("7/x/a").unwrap(), &mut ids) <= 1 + 3 + bound);
    }

    /// A `+` beside every name of the longest topic fills the stack of the walk to its last
    /// place, and the thread's stack is small enough that recursion would show.
    #[test]
    fn the_deepest_topic_matches_on_a_small_stack() {
        let deepest = || {
            let mut trie = Trie::new();
            for depth in 0..TOPIC_LEVELS_MAX {
                trie.insert(&filter(&("a/".repeat(depth) + "+")));
            }
            let topic = ["a"; TOPIC_LEVELS_MAX].join("/");
            let parent = "a/".repeat(TOPIC_LEVELS_MAX - 1);
            let all_plus = ["+"; TOPIC_LEVELS_MAX].join("/");
            for text in [&topic, &(parent.clone() + "#"), &all_plus, "#"] {
                trie.insert(&filter(text));
            }
            let expected = format!("# {all_plus} {parent}# {parent}+ {topic}");
            assert_eq!(matches(&trie, &topic), expected);
            for id in 0..trie.len() {
                trie.remove(FilterId(u32::try_from(id).unwrap()));
            }
            assert_eq!(trie.node_count(), 1);
        };
        let thread = std::thread::Builder::new().stack_size(64 * 1024).spawn(deepest).unwrap();
        thread.join().unwrap();
    }
}
