//! What a shard holds in pages, for operators: each costs a bounded amount of work, whatever there is.

use topic::Filter;

/// Some rows of a list.
#[derive(Debug)]
pub struct Page<Row, Key> {
    pub rows: Vec<Row>,
    /// Where the next page begins, if there may be more: behind this, which may be no row itself.
    pub more_behind: Option<Key>,
    /// What it cost, in nanoseconds of a slow core, estimated.
    pub work: u64,
}

/// A filter that sessions of this shard hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterRow {
    pub filter: Filter,
    /// Those of this shard; a shared subscription is one.
    pub sessions: usize,
}
