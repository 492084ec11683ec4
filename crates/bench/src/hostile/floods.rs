//! Attacks by sending much, or in a shape that costs the broker more than the sender.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::field::Field;
use super::sockets::{Flooded, Peer, Readers, Room, flood, send_once};

/// Four connections flood messages of one byte, and one subscriber wants each as JSON.
pub(crate) fn json(field: &Field<'_>) -> anyhow::Result<()> {
    let readers = Readers::start(field.door.crowd(1, Room::Usual, |_| "sub tiny format=json\n".to_owned())?)?;
    field.until_idle();
    let until = field.begin();
    let publishers = field.door.crowd(4, Room::Usual, |_| "pub tiny\n".to_owned())?;
    let flooded = flood(publishers, "x\n".repeat(512 * 1024).as_bytes(), until);
    field.note(format!("{} messages sent, {} lines read", flooded.bytes / 2, readers.lines()));
    Ok(())
}

/// Eight connections end with `terminate` and go on sending.
pub(crate) fn linger(field: &Field<'_>) -> anyhow::Result<()> {
    let until = field.begin();
    let chunk = "x".repeat(1 << 20);
    let flooded = in_threads(8, || {
        let mut all = Flooded::default();
        while Instant::now() < until {
            let crowd = field.door.crowd(1, Room::Usual, |_| "pub z\nterminate\n".to_owned())?;
            let flooded = flood(crowd, chunk.as_bytes(), until);
            all.bytes += flooded.bytes;
            all.ended += flooded.ended;
        }
        Ok(all)
    })?;
    let bytes: u64 = flooded.iter().map(|flooded| flooded.bytes).sum();
    let ended: usize = flooded.iter().map(|flooded| flooded.ended).sum();
    field.note(format!("{} MiB sent after the end, {ended} connections ended by the broker", bytes >> 20));
    Ok(())
}

/// One subscriber to everything reads nothing, while publishers wait for each answer before they go on.
pub(crate) fn brake(field: &Field<'_>) -> anyhow::Result<()> {
    let mut publishers =
        field.door.crowd(ACKED_PUBLISHERS, Room::Usual, |number| format!("pub acked/{number} ack=1\n"))?;
    let time = field.pick(Duration::from_secs(3), Duration::from_secs(1));
    let free = answers_per_second(&mut publishers, b"x\n", time)?;
    let until = field.begin();
    let _stuck = field.door.crowd(1, Room::Tiny, |_| "sub #\n".to_owned())?;
    fill_queue(&mut publishers, free / 4.0, until)?;
    let braked = answers_per_second(&mut publishers, b"x\n", time)?;
    field.note(format!("{free:.0} answers/s without the stuck subscriber, {braked:.0} with it"));
    Ok(())
}

/// Publishes longer messages until the broker brakes: the kernel takes the first ones off the queue.
fn fill_queue(publishers: &mut [Peer], slow: f64, until: Instant) -> io::Result<()> {
    let message = format!("{}\n", "x".repeat(1000));
    while Instant::now() < until {
        if answers_per_second(publishers, message.as_bytes(), Duration::from_millis(100))? < slow {
            break;
        }
    }
    Ok(())
}

/// Each publisher sends one message after the other, as soon as the one before is answered.
fn answers_per_second(publishers: &mut [Peer], message: &[u8], time: Duration) -> io::Result<f64> {
    let answers = AtomicU64::new(0);
    let began = Instant::now();
    thread::scope(|scope| {
        let talk = |peer: &mut Peer| {
            while began.elapsed() < time && peer.exchange(message, b"OK\n".len(), began + ANSWER_TIME_MAX)? {
                answers.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), io::Error>(())
        };
        let threads: Vec<_> = publishers.iter_mut().map(|peer| scope.spawn(move || talk(peer))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(panicked())))
    })?;
    Ok(answers.into_inner() as f64 / began.elapsed().as_secs_f64())
}

/// 500 subscribers read a byte now and then, under a flood.
pub(crate) fn slow_readers(field: &Field<'_>) -> anyhow::Result<()> {
    let size = field.connections(500);
    let mut crowd = field.door.crowd(size, Room::Tiny, |_| "sub flood\n".to_owned())?;
    field.until_idle();
    let until = field.begin();
    let publishers = field.door.crowd(2, Room::Usual, |_| "pub flood\n".to_owned())?;
    thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(publishers, line_chunk().as_bytes(), until));
        let mut read = 0;
        while Instant::now() < until {
            let next = Instant::now() + Duration::from_millis(50);
            read += crowd.iter_mut().filter_map(|peer| peer.receive(&mut [0]).ok().flatten()).sum::<usize>();
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        let sent = flooding.join().map(|flooded| flooded.bytes).unwrap_or_default();
        field.note(format!("{} KiB sent, {read} bytes read", sent >> 10));
    });
    Ok(())
}

/// One publisher, a few messages a second, and thousands who read each: an honest crowd.
pub(crate) fn crowd(field: &Field<'_>) -> anyhow::Result<()> {
    let size = field.connections(field.pick(4000, 2000));
    let readers = Readers::start(field.door.crowd(size, Room::Usual, |_| "sub news\n".to_owned())?)?;
    field.until_idle();
    let until = field.begin();
    let mut publisher = field.door.crowd(1, Room::Usual, |_| "pub news\n".to_owned())?;
    let mut sent = 0;
    while Instant::now() < until {
        sent += send_once(&mut publisher, b"a word to everyone\n", until);
        thread::sleep(Duration::from_millis(50));
    }
    field.note(format!("{sent} messages to {size} subscribers, {} lines read", readers.lines()));
    Ok(())
}

/// Sixteen messages of nearly 1 MiB are left unfinished and then grow byte by byte.
pub(crate) fn drip(field: &Field<'_>) -> anyhow::Result<()> {
    let until = field.begin();
    let most = vec![b'x'; 1_000_000];
    let mut rounds = 0;
    let mut bytes = 0;
    while Instant::now() < until {
        let mut crowd = field.door.crowd(16, Room::Usual, |_| "pub drip\n".to_owned())?;
        send_once(&mut crowd, &most, until);
        // Ends when they have grown too long.
        bytes += flood(crowd, b"x", until).bytes;
        rounds += 1;
    }
    field.note(format!("{bytes} single bytes in {rounds} rounds"));
    Ok(())
}

/// Runs the same in so many threads.
pub(crate) fn in_threads<T: Send>(
    count: usize,
    work: impl Fn() -> io::Result<T> + Sync,
) -> io::Result<Vec<T>> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(&work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked()))).collect()
    })
}

/// Lines of 100 bytes, as many as one write takes.
pub(crate) fn line_chunk() -> String {
    format!("{}\n", "x".repeat(99)).repeat(600)
}

fn panicked() -> io::Error {
    io::Error::other("an attacker's thread panicked")
}

const ACKED_PUBLISHERS: usize = 4;
/// A broker that takes longer than this for one answer has stalled.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
