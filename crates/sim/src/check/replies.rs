//! What a publisher gets: nothing, unless it was prompted or asked for acknowledgements.

use crate::check::Violation;
use crate::record::{PublisherRecord, Stay};

const ROLE_PROMPT: &[u8] = b"Enter your role (PUBLISHER/SUBSCRIBER) : ";
const TOPIC_PROMPT: &[u8] = b"Enter topic : ";
const TOO_LONG: &str = "Message too long: limit is ";
/// How the one line begins that a publisher may get when it is closed.
const FAREWELLS: [&str; 4] = ["terminate", TOO_LONG, "No role within ", "Out of memory for messages"];

/// Checks the answers that publisher `id` got.
pub(super) fn check(id: usize, publisher: &PublisherRecord, found: &mut Vec<Violation>) {
    let mut wrong = |what: String| found.push(Violation::new("replies", format!("publisher {id}: {what}")));
    let received = publisher.received.as_slice();
    let rest = received.strip_prefix(ROLE_PROMPT).unwrap_or(received);
    let rest = rest.strip_prefix(TOPIC_PROMPT).unwrap_or(rest);
    if ROLE_PROMPT.starts_with(rest) || TOPIC_PROMPT.starts_with(rest) {
        return;
    }
    let mut lines: Vec<&[u8]> = rest.split(|byte| *byte == b'\n').collect();
    let unfinished = lines.pop().unwrap_or_default();
    if !unfinished.is_empty() && publisher.stay != Stay::Left {
        wrong(format!("an unfinished line: {:?}", unfinished.escape_ascii().to_string()));
    }
    let acks = lines.iter().take_while(|line| **line == b"OK").count();
    let accepted = publisher.messages.iter().filter(|message| message.accepted.is_some()).count();
    let expected = if publisher.acks { accepted } else { 0 };
    if acks > expected || (acks < expected && publisher.stay != Stay::Left) {
        wrong(format!("{accepted} messages were accepted, {expected} OK expected, {acks} received"));
    }
    if !publisher.too_long && lines.iter().any(|line| line.starts_with(TOO_LONG.as_bytes())) {
        wrong("was told that a message is too long, and none was".to_owned());
    }
    match lines.get(acks..).unwrap_or_default() {
        [] => {}
        [line] if FAREWELLS.iter().any(|begin| line.starts_with(begin.as_bytes())) => {
            if !publisher.heard_end {
                wrong("was told to go, but not closed".to_owned());
            }
        }
        [line, ..] => wrong(format!("was told {:?}", line.escape_ascii().to_string())),
    }
}
