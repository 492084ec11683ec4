//! Topic names, filters and the subscription trie: who wants which topic.
//!
//! The matching rules are MQTT's (version 5, section 4.7). A name or a filter exists only if it
//! is valid, so nobody checks it again. Nothing here knows a subscriber, a session or a shared
//! subscription: a trie maps filters to small ids, and the caller keeps what belongs to an id.

mod error;
mod filter;
#[doc(hidden)]
pub mod naive;
mod name;
mod shapes;
mod trie;

pub use error::TopicError;
pub use filter::Filter;
pub use name::TopicName;
pub use trie::{FilterId, InOrder, Inserted, Trie};

/// Longest topic name or filter, in bytes of UTF-8. MQTT allows 65,535; nobody needs them, and
/// every subscription and every cached route pays for its text.
pub const TOPIC_BYTES_MAX: usize = 1024;

/// Most levels of a topic name or filter. It bounds the stack that [`Trie::matches`] keeps.
pub const TOPIC_LEVELS_MAX: usize = 64;
