//! What the check of events must notice, as a stream in and a tally out.

use wire::http::{LAST_CHUNK, write_chunk};

use super::super::frames::tests::object;
use super::super::objects::JSON_TAIL;
use super::*;
use crate::bench::ledger::Tally;

fn message(publisher: u16, sequence: u64) -> String {
    format!("id: AX3{sequence}\ndata: {}\n\n", object(publisher, sequence))
}

/// The tally of a stream in chunks of `chunk` bytes, the same however it is cut.
fn check_stream(events: &str, chunk: usize, end: &[u8]) -> anyhow::Result<Tally> {
    let mut bytes = Vec::new();
    events.as_bytes().chunks(chunk).for_each(|data| write_chunk(&mut bytes, data));
    bytes.extend_from_slice(end);
    let in_steps = |step: usize| {
        let senders = Senders { topic: 0, topics: 1, slots: 2, period: u64::MAX };
        let padding = format!("xxxx{JSON_TAIL}").into_bytes();
        let mut check = EventCheck::new(senders, padding.into());
        let mut carry = Vec::new();
        for piece in bytes.chunks(step) {
            carry.extend(piece);
            let used = check.consume(&carry, |_| {})?;
            carry.drain(..used);
        }
        assert!(carry.is_empty(), "the stream ends with a chunk");
        anyhow::Ok(check.ledger().tally().clone())
    };
    let whole = in_steps(bytes.len())?;
    for step in [1, 3, 7, 46, 250] {
        assert_eq!(in_steps(step)?, whole, "{step} bytes at a time");
    }
    Ok(whole)
}

/// The same however the server cuts it into chunks.
fn check(events: &[String]) -> Tally {
    let events = events.concat();
    let whole = check_stream(&events, events.len(), b"").unwrap();
    for chunk in [1, 2, 5, 100, 300] {
        assert_eq!(check_stream(&events, chunk, b"").unwrap(), whole, "chunks of {chunk} bytes");
    }
    whole
}

#[test]
fn messages_of_all_publishers_are_counted() {
    let events = [message(0, 0), message(0, 1), message(1, 0), message(0, 2), message(1, 1), message(1, 2)];
    assert_eq!(check(&events), Tally { received: 6, ..Tally::default() });
}

#[test]
fn what_is_repeated_late_or_missing_is_noticed() {
    let tally = check(&[0, 2, 1, 1, 3, 5].map(|number| message(0, number)));
    assert_eq!(tally, Tally { received: 5, misordered: 1, duplicates: 1, ..Tally::default() });
}

#[test]
fn a_gap_announces_loss_and_a_sign_of_life_is_nothing() {
    let gap = "id: AX\nevent: gap\ndata: {\"lost\":5,\"reason\":\"slow\"}\n\n".to_owned();
    let beats = ":\n\nid: AX\n\n".to_owned();
    let tally = check(&[message(0, 0), gap, beats, message(0, 6)]);
    assert_eq!(tally, Tally { received: 2, announced: 5, ..Tally::default() });
}

#[test]
fn wrong_bytes_are_malformed() {
    for (was, becomes) in [("b00000", "b00001"), ("xxxx", "xxxy"), ("-1\"}", "-2\"}"), ("-1\"}", "-1\"} ")] {
        let wrong = message(0, 1).replace(was, becomes);
        assert_ne!(wrong, message(0, 1));
        let tally = check(&[message(0, 0), wrong.clone(), message(0, 2)]);
        assert_eq!((tally.received, tally.malformed), (2, 1), "{wrong}");
    }
}

#[test]
fn what_is_no_stream_is_an_error() {
    let events = message(0, 0);
    let length = events.len();
    assert!(check_stream(&events, length, LAST_CHUNK).is_err(), "its end");
    assert!(check_stream(&events, length, b"xyz\r\n").is_err(), "a chunk without a size");
    assert!(check_stream(&events, length, b"000001\r\nxyz").is_err(), "a chunk that is longer");
    assert!(
        check_stream(&events.replace("AX30", ""), length - 4, b"").is_err(),
        "a message without a position"
    );
    let end = "event: end\ndata: {\"reason\":\"shutdown\"}\n\n";
    assert!(check_stream(&(events + end), length, b"").is_err(), "the last event");
}
