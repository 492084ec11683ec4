//! What is taken for an answer, and what is not.

use std::num::NonZeroU16;
use std::time::Duration;

use wire::websocket::{Opcode, write_frame};

use super::super::Heard;
use super::*;

const FORMS: [Published; 3] = [Published::AckedLines, Published::Posts, Published::Frames];

fn answers(published: Published, max: u16) -> Answers {
    let unanswered_max = NonZeroU16::new(max).unwrap();
    Answers::new(Forms { heard: Heard::Lines, published, unanswered_max }).unwrap()
}

fn answer(published: Published, number: u64) -> Vec<u8> {
    let id = format!("0-17-3-1795348800000-{number}");
    match published {
        Published::Lines | Published::AckedLines => b"OK\n".to_vec(),
        Published::Posts => {
            let body = format!("{{\"id\":\"{id}\"}}\n");
            let length = body.len();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
            format!("{head}{length}\r\n\r\n{body}").into_bytes()
        }
        Published::Frames => {
            let mut frame = Vec::new();
            let json = format!("{{\"event\":\"published\",\"ref\":1,\"id\":\"{id}\"}}");
            write_frame(&mut frame, Opcode::Text, json.as_bytes());
            frame
        }
    }
}

fn times() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).unwrap()
}

#[test]
fn answers_are_counted_however_they_are_cut() {
    for form in FORMS {
        let bytes: Vec<u8> = (0..12).flat_map(|number| answer(form, number)).collect();
        for step in 1..=bytes.len() {
            let mut one = answers(form, 20);
            for piece in bytes.chunks(step) {
                one.hear(piece, 13, &mut times()).unwrap();
            }
            assert_eq!((one.open(13), one.free(13)), (1, 19), "{form:?}, {step} bytes at a time");
        }
    }
}

#[test]
fn only_so_many_may_be_unanswered() {
    for form in FORMS {
        let mut one = answers(form, 2);
        assert_eq!([0, 1, 2].map(|sent| one.free(sent)), [2, 1, 0]);
        one.hear(&answer(form, 0), 2, &mut times()).unwrap();
        assert_eq!((one.open(2), one.free(2)), (1, 1));
    }
}

#[test]
fn the_answer_to_another_message_is_an_error() {
    for form in FORMS {
        let mut one = answers(form, 9);
        one.hear(&answer(form, 0), 2, &mut times()).unwrap();
        if form != Published::AckedLines {
            assert!(one.hear(&answer(form, 2), 3, &mut times()).is_err(), "{form:?}: one is left out");
        }
        assert!(
            answers(form, 9).hear(&answer(form, 0), 0, &mut times()).is_err(),
            "{form:?}: nothing was sent"
        );
    }
}

#[test]
fn a_refusal_is_an_error() {
    let mut refused = Vec::new();
    let json = "{\"event\":\"error\",\"ref\":1,\"detail\":\"no\"}";
    write_frame(&mut refused, Opcode::Text, json.as_bytes());
    for (form, wrong) in [
        (Published::AckedLines, &b"Message too long: limit is 1 bytes\n"[..]),
        (Published::Posts, b"HTTP/1.1 507 No\r\ncontent-length: 0\r\n\r\n"),
        (Published::Posts, b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}\n"),
        (Published::Posts, b"HTTP/1.1 200 OK\r\n\r\n"),
        (Published::Frames, &refused),
    ] {
        assert!(answers(form, 9).hear(wrong, 1, &mut times()).is_err(), "{form:?}");
    }
}

#[test]
fn only_messages_of_the_measurement_are_timed() {
    let mut one = answers(Published::AckedLines, 9);
    let ago = |millis| Instant::now().checked_sub(Duration::from_millis(millis)).unwrap();
    one.sent(2, ago(9000), Phase::Around);
    one.sent(5, ago(5000), Phase::Measured);
    let mut found = times();
    one.hear(b"OK\nOK\nOK\n", 5, &mut found).unwrap();
    assert_eq!(found.len(), 1, "the third is the first that counts");
    one.hear(b"OK\nOK\n", 5, &mut found).unwrap();
    assert_eq!(found.len(), 3);
    // The least of what it may stand for: it keeps three digits.
    assert!((4_990_000_000..8_900_000_000).contains(&found.min()), "{}", found.min());
}
