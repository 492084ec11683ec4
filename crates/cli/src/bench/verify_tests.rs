//! What the check of a stream must notice, as lines in and a tally out.

use super::super::ledger::Tally;
use super::super::payload::{NEWLINE, PROBE_END_PUBLISHER, PROBE_PUBLISHER, padding};
use super::*;

fn padding_of_16() -> Arc<[u8]> {
    padding(16, NEWLINE).into()
}

/// Feeds the text to a subscriber of topic 0 of 1 with two publishers and 16-byte payloads, `step` bytes at a time.
fn check_in_steps(text: &str, step: usize) -> (Tally, Vec<Seen>) {
    let senders = Senders { topic: 0, topics: 1, slots: 2, period: u64::MAX };
    let mut check = StreamCheck::new(senders, padding_of_16());
    let mut seen = Vec::new();
    let mut carry = Vec::new();
    for piece in text.as_bytes().chunks(step) {
        carry.extend(piece);
        let used = check.consume(&carry, |one| seen.push(one));
        carry.drain(..used);
    }
    assert!(carry.is_empty(), "every test text ends with a newline");
    (check.ledger().tally().clone(), seen)
}

fn check(text: &str) -> Tally {
    let whole = check_in_steps(text, text.len().max(1)).0;
    for step in [1, 7, 46] {
        assert_eq!(check_in_steps(text, step).0, whole, "the same however the stream is cut");
    }
    whole
}

fn lines(numbers: &[(u16, u64)]) -> String {
    numbers
        .iter()
        .map(|&(publisher, sequence)| format!("[b0 | P{publisher}] : {publisher:04x}{sequence:012x}\n"))
        .collect()
}

#[test]
fn messages_in_order_are_received() {
    let tally = check(&lines(&[(0, 0), (0, 1), (0, 2), (0, 3)]));
    assert_eq!(tally, Tally { received: 4, ..Tally::default() });
}

#[test]
fn publishers_may_interleave_in_any_way() {
    let tally = check(&lines(&[(0, 0), (1, 0), (1, 1), (0, 1), (1, 2), (0, 2)]));
    assert_eq!(tally, Tally { received: 6, ..Tally::default() });
}

#[test]
fn a_missing_message_is_missing_from_the_count() {
    let tally = check(&lines(&[(0, 0), (0, 1), (0, 3)]));
    assert_eq!(tally, Tally { received: 3, ..Tally::default() });
}

#[test]
fn a_missing_first_message_is_missing_too() {
    assert_eq!(check(&lines(&[(0, 1)])).received, 1);
}

#[test]
fn a_repeated_message_is_a_duplicate() {
    let tally = check(&lines(&[(0, 0), (0, 1), (0, 1), (0, 2)]));
    assert_eq!(tally, Tally { received: 3, duplicates: 1, ..Tally::default() });
}

#[test]
fn a_late_message_is_misordered_and_its_repetition_a_duplicate() {
    let tally = check(&lines(&[(0, 0), (0, 2), (0, 1), (0, 1), (0, 3)]));
    assert_eq!(tally, Tally { received: 4, misordered: 1, duplicates: 1, ..Tally::default() });
}

#[test]
fn a_gap_line_announces_loss_and_is_no_message() {
    let text = lines(&[(0, 0)]) + "[GAP 120 messages dropped: reading too slowly]\n" + &lines(&[(0, 121)]);
    let tally = check(&text);
    assert_eq!(tally, Tally { received: 2, announced: 120, ..Tally::default() });
}

#[test]
fn announced_loss_is_attributed_when_the_numbers_jump() {
    let senders = Senders { topic: 0, topics: 1, slots: 1, period: u64::MAX };
    let mut check = StreamCheck::new(senders, padding_of_16());
    check.consume(b"[GAP 3 messages dropped: reading too slowly]\n", |_| {});
    assert_eq!(check.ledger().unattributed(), 3);
    check.consume(lines(&[(0, 3)]).as_bytes(), |_| {});
    assert_eq!(check.ledger().unattributed(), 0);
    assert_eq!(check.ledger().next(0), 4);
}

#[test]
fn wrong_bytes_are_malformed() {
    let good = lines(&[(0, 0)]);
    for wrong in ["terminate\n", "\n", "[b0 | P0] : 000000000000000g\n", "[b0 | P9] : 0000000000000001\n"] {
        let tally = check(&(good.clone() + wrong));
        assert_eq!((tally.received, tally.malformed), (1, 1), "{wrong:?}");
        assert_eq!(tally.malformed_example.as_deref(), Some(wrong.trim_end()));
    }
}

#[test]
fn a_publisher_of_another_topic_is_malformed() {
    let senders = Senders { topic: 1, topics: 2, slots: 1, period: u64::MAX };
    let mut check = StreamCheck::new(senders, padding_of_16());
    check.consume(lines(&[(1, 0), (0, 0), (3, 0)]).as_bytes(), |_| {});
    assert_eq!((check.ledger().tally().received, check.ledger().tally().malformed), (1, 2));
}

#[test]
fn probes_are_told_apart_and_not_counted() {
    let (tally, seen) = check_in_steps(&lines(&[(PROBE_PUBLISHER, 4), (PROBE_END_PUBLISHER, 5)]), 1000);
    assert_eq!(tally, Tally::default());
    assert_eq!(seen, [Seen::Probe, Seen::ProbesEnded]);
}

#[test]
fn runs_cover_every_message_once() {
    let (_, seen) = check_in_steps(&lines(&[(0, 0), (0, 1), (0, 2), (1, 0), (0, 3)]), 1000);
    let mut next = [0, 0];
    for one in seen {
        let Seen::Run { slot, first, next: end } = one else { panic!("only messages were sent") };
        assert_eq!(first, next[slot]);
        next[slot] = end;
    }
    assert_eq!(next, [4, 1]);
}

#[test]
fn numbers_start_over_at_the_period() {
    let senders = Senders { topic: 0, topics: 1, slots: 1, period: 3 };
    let mut check = StreamCheck::new(senders, padding_of_16());
    check.consume(lines(&[(0, 0), (0, 1), (0, 2), (0, 0), (0, 1), (0, 2), (0, 0)]).as_bytes(), |_| {});
    assert_eq!(check.ledger().tally(), &Tally { received: 7, ..Tally::default() });
    check.consume(lines(&[(0, 2)]).as_bytes(), |_| {});
    assert_eq!(check.ledger().tally().received, 8);
    assert_eq!(check.ledger().next(0), 0);
}
