//! Attacks on memory: much that waits, is remembered or is written out longer than it came in.

use std::thread;
use std::time::{Duration, Instant};

use super::field::Field;
use super::filters::LEVELS_MAX;
use super::floods::line_chunk;
use super::sockets::{Goodbye, Peer, Readers, Room, flood, send_once};

/// Messages of two bytes on a topic of 1,020 brackets become lines of 4 KiB, for 30 subscribers who do not read and
/// three who do.
pub(crate) fn long_lines(field: &Field<'_>) -> anyhow::Result<()> {
    let topic = "]".repeat(1020);
    let hello = |_| format!("sub {topic}\n");
    let _stuck = field.door.crowd(30, Room::Tiny, hello)?;
    let readers = Readers::start(field.door.crowd(3, Room::Usual, hello)?)?;
    field.until_idle();
    let until = field.begin();
    let publishers = field.door.crowd(2, Room::Usual, |_| format!("pub {topic}\n"))?;
    let flooded = flood(publishers, "a\n".repeat(16 * 1024).as_bytes(), until);
    field.note(format!("{} KiB sent, {} MiB read", flooded.bytes >> 10, readers.bytes() >> 20));
    Ok(())
}

/// 1,000 subscribers do not read, under a flood of ordinary lines; each has a topic of its own, so that no two share
/// the bytes that are made for them.
pub(crate) fn stuck_many(field: &Field<'_>) -> anyhow::Result<()> {
    let size = field.connections(1000);
    let _stuck = field.door.crowd(size, Room::Tiny, |number| format!("sub s/{number}\n"))?;
    field.until_idle();
    let until = field.begin();
    let publishers = field.door.crowd(size, Room::Usual, |number| format!("pub s/{number}\n"))?;
    let flooded = flood(publishers, line_chunk().as_bytes(), until);
    field.note(format!("{} MiB sent to {size} stuck subscribers", flooded.bytes >> 20));
    Ok(())
}

/// 1,500 JSON subscribers come one after the other, want the last message, and do not read: 1 MiB that JSON writes six
/// times as long. More such messages follow.
pub(crate) fn stuck_json(field: &Field<'_>) -> anyhow::Result<()> {
    let size = field.connections(field.pick(1500, 300));
    let mut message = vec![1; MESSAGE_BYTES_MAX];
    message.push(b'\n');
    let mut publisher = field.door.crowd(1, Room::Usual, |_| "pub j\n".to_owned())?;
    send_once(&mut publisher, &message, Instant::now() + Duration::from_secs(1));
    field.until_idle();
    let until = field.begin();
    let _stuck = field.door.crowd(size, Room::Tiny, |_| "sub j format=json last=1\n".to_owned())?;
    let flooded = flood(publisher, &message, until);
    field.note(format!("{} MiB sent to {size} stuck subscribers", flooded.bytes >> 20));
    Ok(())
}

/// 3,000 publishers leave a message of 65,000 bytes unfinished.
pub(crate) fn unfinished(field: &Field<'_>) -> anyhow::Result<()> {
    let size = field.connections(3000);
    let until = field.begin();
    let mut crowd = field.door.crowd(size, Room::Usual, |_| "pub u\n".to_owned())?;
    let sent = send_once(&mut crowd, &vec![b'x'; 65_000], until);
    field.note(format!("{sent} of {size} messages sent"));
    rest(until);
    field.note_refusals(&mut crowd);
    Ok(())
}

/// 4,000 subscribers have filters of 64 levels that share none, and then leave.
pub(crate) fn filters(field: &Field<'_>) -> anyhow::Result<()> {
    let size = field.connections(field.pick(4000, 2000));
    let until = field.begin();
    let mut crowd =
        field.door.crowd(size, Room::Usual, |number| format!("sub {}/#\n", lonely_levels(number)))?;
    field.until_idle();
    field.note_refusals(&mut crowd);
    rest(until);
    Ok(())
}

/// 8,192 filters match each of 4,096 topics.
pub(crate) fn routes(field: &Field<'_>) -> anyhow::Result<()> {
    let size = field.connections(field.pick(8192, 4096));
    let mut crowd = field.door.crowd(size, Room::Tiny, |number| format!("sub {}#\n", always(number)))?;
    field.until_idle();
    field.note_refusals(&mut crowd);
    let until = field.begin();
    let trunk = "a/".repeat(MIXED_LEVELS);
    let mut topics = 0;
    while topics < ROUTED_TOPICS * field.shards && Instant::now() < until {
        // The hello alone asks for the route; a message would make 8,192 deliveries of it.
        field.door.greet(Room::Usual, format!("pub {trunk}{topics}\n").as_bytes())?;
        topics += 1;
    }
    field.note(format!("{topics} topics × {size} filters"));
    field.until_idle();
    Ok(())
}

/// 1,000 publishers want an answer to each of very many messages and read none.
pub(crate) fn answers(field: &Field<'_>) -> anyhow::Result<()> {
    let size = field.connections(1000);
    let until = field.begin();
    let crowd = field.door.crowd(size, Room::Tiny, |number| format!("pub q/{number} ack=1\n"))?;
    let flooded = flood(crowd, "x\n".repeat(16 * 1024).as_bytes(), until);
    field.note(format!("{} messages sent, {} connections ended", flooded.bytes / 2, flooded.ended));
    Ok(())
}

/// Publishers of ever new topics of 1,020 bytes come with a message of one byte; 2,000 of them stay.
pub(crate) fn topics(field: &Field<'_>) -> anyhow::Result<()> {
    let keep = field.connections(2000);
    let until = field.begin();
    let tail = "x".repeat(1010);
    let mut kept: Vec<Peer> = Vec::new();
    let mut hellos = 0;
    while Instant::now() < until {
        let peer = field.door.greet(Room::Usual, format!("pub {hellos}/{tail}\nx\n").as_bytes())?;
        match kept.len() < keep {
            true => kept.push(peer),
            false => peer.end(Goodbye::Close),
        }
        hellos += 1;
    }
    field.note(format!("{hellos} topics"));
    Ok(())
}

/// 63 levels that no other number has.
fn lonely_levels(number: usize) -> String {
    let level = |at: usize| format!("{:015x}", scatter((number * LEVELS_MAX + at) as u64) >> 4);
    (0..LEVELS_MAX - 1).map(level).collect::<Vec<_>>().join("/")
}

/// Thirteen levels of `a` or `+`, different for each number below 8,192; all match `a/a/a/…`.
fn always(number: usize) -> String {
    let level = |at: usize| if (number >> at) & 1 == 1 { "+/" } else { "a/" };
    (0..MIXED_LEVELS).map(level).collect()
}

/// Spreads numbers over all bits (the finalizer of splitmix64).
fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn rest(until: Instant) {
    thread::sleep(until.saturating_duration_since(Instant::now()));
}

/// What one message may have.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// 2^13 filters of as many levels.
const MIXED_LEVELS: usize = 13;
const ROUTED_TOPICS: usize = 4000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn lonely_filters_share_no_level_and_are_allowed() {
        let filters: Vec<String> = (0..200).map(lonely_levels).collect();
        let levels: HashSet<&str> = filters.iter().flat_map(|filter| filter.split('/')).collect();
        assert_eq!(levels.len(), 200 * (LEVELS_MAX - 1));
        assert!(filters.iter().all(|filter| filter.len() + "/#".len() <= 1024));
    }

    #[test]
    fn every_number_has_a_filter_of_its_own() {
        let filters: HashSet<String> = (0..1 << MIXED_LEVELS).map(always).collect();
        assert_eq!(filters.len(), 1 << MIXED_LEVELS);
    }
}
