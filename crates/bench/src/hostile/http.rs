//! Attacks over HTTP: requests that are slow, huge or many, and readers that never read or come back again and again.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::field::Field;
use super::floods::line_chunk;
use super::sockets::{Goodbye, Peer, Readers, Room, Stay, Storm, flood, send_once};

/// Thousands of connections send a head or a body byte by byte.
pub(crate) fn slow(field: &Field<'_>) -> anyhow::Result<()> {
    let size = field.connections(field.pick(4000, 2000));
    let until = field.begin();
    let mut crowd = field.door.crowd(size, Room::Usual, |number| match number % 2 {
        0 => "GET /t/a HTTP/1.1\r\nHost: localhost\r\nX: ".to_owned(),
        _ => "POST /t/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n".to_owned(),
    })?;
    let mut bytes = 0;
    while Instant::now() < until {
        bytes += send_once(&mut crowd, b"x", until);
        thread::sleep(DRIP_PAUSE);
    }
    field.note(format!("{bytes} single bytes from {size} connections"));
    Ok(())
}

/// Newcomers send heads of 64 KiB: one long line, very many fields, or fields without end.
pub(crate) fn heads(field: &Field<'_>) -> anyhow::Result<()> {
    let heads = [
        format!("GET /t/{} HTTP/1.1\r\n", "a".repeat(HEAD_BYTES)),
        format!("GET /t/a HTTP/1.1\r\nHost: localhost\r\n{}", "a:\r\n".repeat(HEAD_BYTES / 4)),
        format!("GET /t/a HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(HEAD_BYTES)),
        format!("GET /t?{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "filter=%23&".repeat(1400)),
    ];
    let until = field.begin();
    let storm =
        Storm { size: 100, stay: Stay::UntilQuiet(Duration::from_millis(20)), goodbye: Goodbye::Reset };
    let stormed = storm.run(&field.door, until, |number| &heads[number as usize % heads.len()])?;
    field.note(format!("{} heads, {} KiB of answers", stormed.hellos, stormed.bytes >> 10));
    Ok(())
}

/// Bodies that come in chunks of a byte each, to a subscriber who reads.
pub(crate) fn chunks(field: &Field<'_>) -> anyhow::Result<()> {
    let readers = Readers::start(field.door.crowd(1, Room::Usual, |_| "sub chunks\n".to_owned())?)?;
    let until = field.begin();
    let head = "POST /t/chunks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let requests = format!("{head}{}0\r\n\r\n", "1\r\nx\r\n".repeat(50_000));
    let flooded = flood(field.door.crowd(4, Room::Usual, |_| "")?, requests.as_bytes(), until);
    field.note(format!("{} chunks sent, {} messages read", flooded.bytes / 6, readers.lines()));
    Ok(())
}

/// Requests for 10,000 topics, one behind the other; half of the clients read the answers.
pub(crate) fn pipelined(field: &Field<'_>) -> anyhow::Result<()> {
    let until = field.begin();
    let request = |number: usize| {
        format!("POST /t/many/{number} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx")
    };
    let requests: String = (0..PIPELINED).map(request).collect();
    let (mut rounds, mut bytes) = (0, 0);
    while Instant::now() < until {
        let mut crowd = field.door.crowd(8, Room::Usual, |_| "")?;
        send_once(&mut crowd, requests.as_bytes(), until);
        let patience = until.min(Instant::now() + Duration::from_millis(500));
        bytes += read(&mut crowd[..4], 4 * PIPELINED * ANSWER_BYTES, patience);
        rounds += 1;
    }
    field.note(format!("{rounds} rounds of 8 times {PIPELINED} requests, {} KiB of answers", bytes >> 10));
    Ok(())
}

/// Reads so many bytes together, or what comes before the time is up.
fn read(crowd: &mut [Peer], bytes_max: usize, until: Instant) -> usize {
    let (mut bytes, mut buffer) = (0, vec![0; HEAD_BYTES]);
    while bytes < bytes_max && Instant::now() < until {
        let came: usize = crowd.iter_mut().filter_map(|peer| peer.receive(&mut buffer).ok().flatten()).sum();
        bytes += came;
        if came == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    bytes
}

/// Bodies of 1 MiB hold as many messages as fit, each to a topic of its own or all to one.
pub(crate) fn ndjson(field: &Field<'_>) -> anyhow::Result<()> {
    let readers = Readers::start(field.door.crowd(1, Room::Usual, |_| "sub #\n".to_owned())?)?;
    let until = field.begin();
    let request = |line: &dyn Fn(usize) -> String| {
        let lines: String = (0..30_000).map(line).collect();
        let head =
            "POST /t HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: ";
        format!("{head}{}\r\n\r\n{lines}", lines.len())
    };
    let one = request(&|_| "{\"topic\":\"a\",\"payload\":\"\"}\n".to_owned());
    let many = request(&|number| format!("{{\"topic\":\"{number}\",\"payload\":\"\"}}\n"));
    let flooded = flood(field.door.crowd(8, Room::Usual, |_| "")?, (one + &many).as_bytes(), until);
    field.note(format!("{} MiB sent, {} messages read", flooded.bytes >> 20, readers.lines()));
    Ok(())
}

/// 1,000 readers of streams in every form never read, under a flood.
pub(crate) fn unread(field: &Field<'_>) -> anyhow::Result<()> {
    let size = field.connections(1000);
    let _stuck = field.door.crowd(size, Room::Tiny, |number| {
        let form = ["sse", "ndjson", "lines"][number % 3];
        listen(&format!("/t/s/{}/%23?format={form}", number % 10), "")
    })?;
    field.until_idle();
    let until = field.begin();
    let publishers = field.door.crowd(10, Room::Usual, |number| format!("pub s/{number}/x\n"))?;
    let flooded = flood(publishers, line_chunk().as_bytes(), until);
    field.note(format!("{} MiB sent to {size} stuck readers", flooded.bytes >> 20));
    Ok(())
}

/// Readers come back again and again: with the first position of all, with one that is ahead of everything, and
/// with nonsense of every length.
pub(crate) fn resume(field: &Field<'_>) -> anyhow::Result<()> {
    let first = position(field).context("the position of a new stream")?;
    let topics = field.pick(20_000, 5_000);
    field.door.publish_topics(topics, |number| format!("pub t{number}\nx\n"))?;
    field.until_idle();
    let until = field.begin();
    let size = field.connections(field.pick(500, 200));
    let storm = Storm { size, stay: Stay::UntilQuiet(Duration::from_millis(200)), goodbye: Goodbye::Reset };
    let ahead: String = first.chars().take(10).collect();
    let stormed = storm.run(&field.door, until, |number| {
        let id = match number % 4 {
            0 | 1 => first.clone(),
            2 => format!("{ahead}{}", "____".repeat(1 + number as usize % 10)),
            _ => "A".repeat(1 + number as usize % 8000),
        };
        listen("/t/%23?format=sse", &format!("Last-Event-ID: {id}\r\n"))
    })?;
    field.note(format!("{} readers came back and got {} MiB", stormed.hellos, stormed.bytes >> 20));
    Ok(())
}

/// Requests for what the control side serves, with thousands of clients to list.
pub(crate) fn control(field: &Field<'_>) -> anyhow::Result<()> {
    let size = field.connections(field.pick(8000, 4000));
    let _crowd = field.door.crowd(size, Room::Usual, |number| format!("sub listed/{number}\n"))?;
    field.until_idle();
    let until = field.begin();
    let paths = [
        "/metrics",
        "/api/v1/clients?limit=1000",
        "/api/v1/clients?filter=nobody",
        "/api/v1/topics?limit=1000",
        "/",
        "/nothing",
    ];
    let storm =
        Storm { size: 200, stay: Stay::UntilQuiet(Duration::from_millis(100)), goodbye: Goodbye::Reset };
    let stormed = storm.run(&field.door, until, |number| listen(paths[number as usize % paths.len()], ""))?;
    field.note(format!("{} requests, {} MiB of answers", stormed.hellos, stormed.bytes >> 20));
    Ok(())
}

/// A request without a body.
fn listen(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
}

/// Where a stream stands that begins now.
fn position(field: &Field<'_>) -> anyhow::Result<String> {
    let mut peer = field.door.greet(Room::Usual, listen("/t/%23?format=sse", "").as_bytes())?;
    let until = Instant::now() + Duration::from_secs(5);
    let (mut text, mut buffer) = (String::new(), [0; 1024]);
    while Instant::now() < until {
        let length = peer.receive(&mut buffer)?.unwrap_or_default();
        text += &String::from_utf8_lossy(&buffer[..length]);
        if let Some((id, _)) = text.split_once("\nid: ").and_then(|(_, rest)| rest.split_once('\n')) {
            return Ok(id.to_owned());
        }
    }
    anyhow::bail!("no position in {text:?}")
}

const DRIP_PAUSE: Duration = Duration::from_millis(50);
const HEAD_BYTES: usize = 64 * 1024;
const PIPELINED: usize = 10_000;
/// An answer to one of them has more.
const ANSWER_BYTES: usize = 100;
