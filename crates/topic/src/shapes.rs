//! Counts the shapes of filters: which of their levels are `+`.
//!
//! A walk of the trie for one topic meets at most one node per depth and shape, since the names
//! are the topic's. So the number of different beginnings of shapes bounds the walk, however
//! many filters there are: names alone are one shape, and all filters of up to ten levels
//! together have fewer than 2,048.

use std::collections::BTreeMap;

use crate::Filter;

/// The beginnings of shapes that hold a `+`, with how many filters begin so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shapes(BTreeMap<Shape, u32>);

/// The first `depth` levels of a filter: bit n is set where level n is `+`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    plus: u64,
    depth: u8,
}

const _: () = assert!(crate::TOPIC_LEVELS_MAX <= 64, "a shape is one word");

impl Shapes {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many `filter` would add.
    pub(crate) fn missing(&self, filter: &Filter) -> usize {
        beginnings(filter).filter(|shape| !self.0.contains_key(shape)).count()
    }

    pub(crate) fn add(&mut self, filter: &Filter) {
        for shape in beginnings(filter) {
            *self.0.entry(shape).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, filter: &Filter) {
        for shape in beginnings(filter) {
            let count = self.0.get_mut(&shape).expect("a filter was added before it is removed");
            *count -= 1;
            if *count == 0 {
                self.0.remove(&shape);
            }
        }
    }
}

/// Every beginning of the filter's shape from its first `+` on.
fn beginnings(filter: &Filter) -> impl Iterator<Item = Shape> {
    let levels = filter.as_str().split('/').filter(|level| *level != "#");
    levels
        .scan(Shape { plus: 0, depth: 0 }, |shape, level| {
            shape.plus |= u64::from(level == "+") << shape.depth;
            shape.depth += 1;
            Some(*shape)
        })
        .filter(|shape| shape.plus != 0)
}
