//! What the check of frames with JSON must notice, as messages in and a tally out.

use wire::websocket::{Opcode, write_frame, write_frame_head};

use super::super::objects::JSON_TAIL;
use super::*;
use crate::bench::ledger::Tally;

/// As the server shows a message, of one of two publishers of topic 0, and 20-byte payloads.
pub(in crate::bench::forms) fn object(publisher: u16, sequence: u64) -> String {
    let (port, millis) = (50_000 + publisher, sequence % 1000);
    format!(
        "{{\"topic\":\"b00000\",\"payload\":\"{publisher:04x}{sequence:012x}xxxx\",\"time\":\"2026-11-22T12:00:00.{millis:03}Z\",\
         \"publisher\":\"127.0.0.1:{port}\",\"id\":\"0-{publisher}-3-1795348800000-{sequence}\"}}"
    )
}

fn message(publisher: u16, sequence: u64) -> String {
    let object = object(publisher, sequence);
    format!("{},\"position\":\"AX3{sequence}\"}}", object.strip_suffix('}').unwrap())
}

fn frames(messages: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    messages.iter().for_each(|message| write_frame(&mut bytes, Opcode::Text, message.as_bytes()));
    bytes
}

/// The tally, the same however the bytes are cut.
fn check_bytes(bytes: &[u8]) -> anyhow::Result<Tally> {
    let in_steps = |step: usize| {
        let senders = Senders { topic: 0, topics: 1, slots: 2, period: u64::MAX };
        let padding = format!("xxxx{JSON_TAIL}").into_bytes();
        let mut check = FrameCheck::new(senders, padding.into());
        for piece in bytes.chunks(step) {
            assert_eq!(check.consume(piece, |_| {})?, piece.len());
        }
        anyhow::Ok(check.ledger().tally().clone())
    };
    let whole = in_steps(bytes.len())?;
    for step in [1, 3, 7, 46, 250] {
        assert_eq!(in_steps(step)?, whole, "{step} bytes at a time");
    }
    Ok(whole)
}

fn check(messages: &[String]) -> Tally {
    check_bytes(&frames(messages)).unwrap()
}

#[test]
fn messages_of_all_publishers_are_counted_in_any_mixture() {
    // Beyond ten and a hundred, where numbers get longer.
    let of_one = (0..120).map(|number| message(0, number));
    let both: Vec<_> =
        of_one.chain((0..3).map(|number| message(1, number))).chain([message(0, 120)]).collect();
    assert_eq!(check(&both), Tally { received: 124, ..Tally::default() });
}

#[test]
fn what_is_repeated_late_or_missing_is_noticed() {
    let tally = check(&[0, 2, 1, 1, 3, 5].map(|number| message(0, number)));
    assert_eq!(tally, Tally { received: 5, misordered: 1, duplicates: 1, ..Tally::default() });
}

#[test]
fn a_gap_announces_loss_and_a_sign_of_life_is_nothing() {
    let gap = r#"{"event":"gap","lost":5,"reason":"slow","position":"AX"}"#.to_owned();
    let beat = r#"{"event":"keepalive","position":"AX"}"#.to_owned();
    let tally = check(&[message(0, 0), gap, beat, message(0, 6)]);
    assert_eq!(tally, Tally { received: 2, announced: 5, ..Tally::default() });
}

#[test]
fn wrong_bytes_are_malformed() {
    let good = message(0, 0);
    for (was, becomes) in [
        ("b00000", "b00001"),
        ("xxxx", "xxxy"),
        ("0000000000000001", "0002000000000001"),
        ("12:00", "12x00"),
        ("00.001Z", "00.0001"),
        ("50000", "50001"),
        ("-1\"", "-2\""),
        ("-1\"", "-01\""),
        ("AX31", ""),
        ("\",\"position\":\"AX31", ""),
    ] {
        let wrong = message(0, 1).replace(was, becomes);
        assert_ne!(wrong, message(0, 1), "{was}");
        let tally = check(&[good.clone(), wrong.clone(), message(0, 2)]);
        // The time of day is not looked at, only its form.
        let malformed = u64::from(was != "12:00");
        assert_eq!((tally.received, tally.malformed), (3 - malformed, malformed), "{wrong}");
    }
}

#[test]
fn a_message_may_come_in_several_frames() {
    let mut bytes = frames(&[message(0, 0)]);
    let second = message(0, 1);
    let (start, end) = second.as_bytes().split_at(30);
    write_frame_head(&mut bytes, Opcode::Text, Part::More, start.len());
    bytes.extend_from_slice(start);
    write_frame(&mut bytes, Opcode::Ping, b"?");
    write_frame_head(&mut bytes, Opcode::Continuation, Part::Last, end.len());
    bytes.extend_from_slice(end);
    bytes.extend(frames(&[message(0, 2)]));
    assert_eq!(check_bytes(&bytes).unwrap(), Tally { received: 3, ..Tally::default() });
}

#[test]
fn an_error_or_the_end_is_no_message() {
    for wrong in [r#"{"event":"error","detail":"no"}"#, r#"{"event":"gap","lost":null,"reason":"evicted"}"#] {
        assert!(check_bytes(&frames(&[message(0, 0), wrong.to_owned()])).is_err(), "{wrong}");
    }
    let mut bytes = frames(&[message(0, 0)]);
    write_frame(&mut bytes, Opcode::Close, &1001_u16.to_be_bytes());
    assert!(check_bytes(&bytes).is_err());
}
