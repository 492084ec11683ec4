//! Attacks on and with history: storms of reconnecting subscribers who want the past, and what crowds it out.

use std::thread;
use std::time::{Duration, Instant};

use super::field::Field;
use super::sockets::{Goodbye, Peer, Readers, Room, Stay, Storm, send_once};

/// 200 subscribers reconnect with `last=1` over all of 60,000 topics, again and again.
pub(crate) fn replay_one(field: &Field<'_>) -> anyhow::Result<()> {
    let topics = field.pick(60_000, 20_000);
    field.door.publish_topics(topics, |number| format!("pub t{number}\nx\n"))?;
    let stay = Stay::UntilHeard(Duration::from_secs(1));
    storm(field, 200, stay, |number| match number % 2 {
        0 => "sub # last=1\n".to_owned(),
        _ => "sub:# last=1\n".to_owned(),
    })
}

/// 1,500 subscribers reconnect with `since=1h` over 15,000 topics and read what comes.
pub(crate) fn replay_since(field: &Field<'_>) -> anyhow::Result<()> {
    let topics = field.pick(15_000, 5_000);
    field.door.publish_topics(topics, |number| format!("pub t{number}\nx\n"))?;
    let size = field.connections(field.pick(1500, 500));
    storm(field, size, Stay::UntilQuiet(Duration::from_secs(3)), |_| "sub # since=1h\n".to_owned())
}

/// 200 subscribers ask 60,000 topics of three levels for history that none of them has.
pub(crate) fn replay_wild(field: &Field<'_>) -> anyhow::Result<()> {
    let topics = field.pick(60_000, 20_000);
    field.door.publish_topics(topics, |number| format!("pub a/t{number}/y\nx\n"))?;
    let stay = Stay::UntilHeard(Duration::from_millis(50));
    storm(field, 200, stay, |_| "sub +/+/x last=10\n".to_owned())
}

fn storm(field: &Field<'_>, size: usize, stay: Stay, hello: impl Fn(u64) -> String) -> anyhow::Result<()> {
    field.until_idle();
    let until = field.begin();
    let storm = Storm { size, stay, goodbye: Goodbye::Close };
    let stormed = storm.run(&field.door, until, hello)?;
    field.note(format!(
        "{} hellos, {} KiB of history read, {} connects failed",
        stormed.hellos,
        stormed.bytes >> 10,
        stormed.failed
    ));
    Ok(())
}

/// Publishers send 32,768 messages in one write and, when those have been cut to what is kept, two more, which must not
/// crowd out the history of others.
pub(crate) fn spans(field: &Field<'_>) -> anyhow::Result<()> {
    field.door.publish_topics(KEPT_TOPICS, |number| format!("pub keep/{number}\nx\n"))?;
    field.until_idle();
    let until = field.begin();
    let many = "a\n".repeat(SPANS);
    let mut runs = 0;
    while Instant::now() + WAVE_TIME < until {
        let hello = |number| format!("pub spans/{}\n", runs + number);
        let mut wave = field.door.crowd(WAVE, Room::Usual, hello)?;
        // The hello is to be read before, so that a read holds nothing but messages.
        thread::sleep(APART);
        send_once(&mut wave, many.as_bytes(), until);
        thread::sleep(COMPACTED);
        runs += send_once(&mut wave, b"b\nb\n", until);
    }
    let left = history_left(field)?;
    field.note(format!("{runs} runs of two; history of {left} of {KEPT_TOPICS} quiet topics is left"));
    Ok(())
}

/// How many quiet topics a latecomer still hears of.
fn history_left(field: &Field<'_>) -> anyhow::Result<u64> {
    let hello = format!("sub keep/+ last={}\n", 2 * KEPT_TOPICS);
    let late: Vec<Peer> = field.door.crowd(1, Room::Usual, |_| hello.clone())?;
    let readers = Readers::start(late)?;
    thread::sleep(Duration::from_secs(1));
    Ok(readers.lines())
}

const KEPT_TOPICS: usize = 1000;
/// So few that the long runs alone fit the history until they are cut.
const WAVE: usize = 14;
/// When a topic's runs have been cut to what is kept.
const COMPACTED: Duration = Duration::from_millis(1200);
const WAVE_TIME: Duration = Duration::from_millis(1350);
/// Messages of two bytes in one read of 64 KiB.
const SPANS: usize = 32_768;
/// Long enough that what is sent before and after is read in two reads.
const APART: Duration = Duration::from_millis(100);
