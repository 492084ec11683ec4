//! Attacks by subscribing and leaving: what a change of filters, or a topic with many near misses, costs others.

use std::thread;
use std::time::{Duration, Instant};

use super::field::Field;
use super::sockets::{Goodbye, Peer, Room};

/// One client subscribes and leaves over and over with filters of 64 levels, while every shard has cached some 4,000
/// topics as deep.
pub(crate) fn churn(field: &Field<'_>) -> anyhow::Result<()> {
    let trunk = "a/".repeat(LEVELS_MAX - 1);
    field.door.publish_topics(CACHED_TOPICS * field.shards, |number| format!("pub {trunk}{number}\nx\n"))?;
    field.until_idle();
    let until = field.begin();
    let stem = "+/".repeat(LEVELS_MAX - 1);
    let mut rounds = 0;
    while Instant::now() < until {
        field.door.greet(Room::Usual, format!("sub {stem}z{rounds}\n").as_bytes())?.end(Goodbye::Close);
        rounds += 1;
        thread::sleep(CHURN_PAUSE);
    }
    field.note(format!("{rounds} times subscribed and left"));
    Ok(())
}

/// Thousands of subscribers with `dev/<id>/#` lose their connection at once, after every shard has cached
/// 4,000 of their topics.
pub(crate) fn leave_together(field: &Field<'_>) -> anyhow::Result<()> {
    let size = field.connections(field.pick(8000, 4000));
    let crowd = field.door.crowd(size, Room::Usual, |number| format!("sub dev/{number}/#\n"))?;
    field
        .door
        .publish_topics(CACHED_TOPICS * field.shards, |number| format!("pub dev/{number}/state\nx\n"))?;
    field.until_idle();
    field.begin();
    reset(crowd);
    Ok(())
}

/// 4,096 filters of 64 levels mix `a` and `+` and match nothing, and publishers of ever new topics of 64 levels `a`
/// come and go; then the subscribers leave.
pub(crate) fn deep(field: &Field<'_>) -> anyhow::Result<()> {
    let size = field.connections(4096);
    let mut crowd = field.door.crowd(size, Room::Usual, |number| format!("sub {}\n", near_miss(number)))?;
    field.until_idle();
    field.note_refusals(&mut crowd);
    let until = field.begin();
    let trunk = "a/".repeat(LEVELS_MAX - 1);
    let mut hellos = 0;
    while Instant::now() < until {
        // Now and then the same topic: it alone would be looked up once and then cached.
        let last = if hellos % 8 == 0 { "a".to_owned() } else { format!("a{hellos}") };
        field.door.greet(Room::Usual, format!("pub {trunk}{last}\nx\n").as_bytes())?.end(Goodbye::Close);
        hellos += 1;
        thread::sleep(HELLO_PAUSE);
    }
    field.note(format!("{hellos} publisher hellos"));
    reset(crowd);
    Ok(())
}

/// A filter of 64 levels, different for each number, that fails on its last level only.
fn near_miss(number: usize) -> String {
    let level = |at: usize| if (number >> (at % NUMBER_BITS)) & 1 == 1 { "+/" } else { "a/" };
    let trunk: String = (0..LEVELS_MAX - 1).map(level).collect();
    format!("{trunk}b")
}

/// As after a failure of the network: all at once.
fn reset(crowd: Vec<Peer>) {
    for peer in crowd {
        peer.end(Goodbye::Reset);
    }
}

/// What a topic may have.
pub(crate) const LEVELS_MAX: usize = 64;
/// Just below what a shard caches.
const CACHED_TOPICS: usize = 4000;
/// Numbers below 4,096 differ in these.
const NUMBER_BITS: usize = 12;
/// One client alone is faster than this.
const CHURN_PAUSE: Duration = Duration::from_micros(500);
/// About 400 a second.
const HELLO_PAUSE: Duration = Duration::from_micros(2_400);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_near_miss_differs_and_has_all_levels() {
        let filters: HashSet<String> = (0..1 << NUMBER_BITS).map(near_miss).collect();
        assert_eq!(filters.len(), 1 << NUMBER_BITS);
        assert!(filters.iter().all(|filter| filter.split('/').count() == LEVELS_MAX));
    }
}
