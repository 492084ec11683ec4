//! The matching rules once more, as simply as they can be said: an oracle for tests.
//!
//! Deliberately shares nothing with the rest of the crate, not even the limits, and expects a
//! valid filter and a valid topic. Recursive and allocating: not for use outside tests.

/// Whether `filter` matches `topic`.
#[must_use]
pub fn matches(filter: &str, topic: &str) -> bool {
    let filter: Vec<&str> = filter.split('/').collect();
    let topic: Vec<&str> = topic.split('/').collect();
    let first_is_wild = filter.first() == Some(&"+") || filter.first() == Some(&"#");
    let topic_is_hidden = topic.first().is_some_and(|level| level.starts_with('$'));
    !(first_is_wild && topic_is_hidden) && levels_match(&filter, &topic)
}

fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) | ([], []) => true,
        (["+", filter @ ..], [_, topic @ ..]) => levels_match(filter, topic),
        ([wanted, filter @ ..], [level, topic @ ..]) => wanted == level && levels_match(filter, topic),
        _ => false,
    }
}
