//! The words that clients use: roles, topics, filters, names and texts.

use crate::rng::Rng;

pub(super) const ROLE_PROMPT: &[u8] = b"Enter your role (PUBLISHER/SUBSCRIBER) : ";
pub(super) const TOPIC_PROMPT: &[u8] = b"Enter topic : ";

const TOPICS: [&str; 9] = ["a", "a/b", "a/c", "a/b/c", "b", "sports", "b//x", "$sys/x", "é/news"];
const FILTERS: [&str; 14] =
    ["#", "+", "a/#", "a/+", "+/b", "a/b", "a/b/#", "a/+/c", "b", "sports", "b/#", "$sys/#", "é/+", "+/+/#"];
const NAMES: [&str; 4] = ["alice", "bob", "é-é", "x\u{202e}y"];

/// Whether a role is spelt in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    Long,
    Short,
}

/// A role word in some letter case.
pub(super) fn role(rng: &mut Rng, long: &str, short: &str) -> (String, Spelling) {
    let spelling = rng.pick(&[Spelling::Long, Spelling::Short]);
    let word = if spelling == Spelling::Long { long } else { short };
    let word = match rng.below(3) {
        0 => word.to_lowercase(),
        1 => word.to_uppercase(),
        _ => word.chars().map(|c| if rng.percent(50) { c.to_ascii_uppercase() } else { c }).collect(),
    };
    (word, spelling)
}

pub(super) fn separator(rng: &mut Rng) -> &'static str {
    rng.pick(&[" ", ":", ",", "|", "  ", " : "])
}

pub(crate) fn topic(rng: &mut Rng) -> String {
    // A few topics that nobody else has make cached routes come and go.
    if rng.percent(10) { format!("z/{}", rng.below(40)) } else { (rng.pick(&TOPICS)).to_owned() }
}

pub(super) fn filter(rng: &mut Rng) -> String {
    if rng.percent(10) { format!("z/{}", rng.below(40)) } else { (rng.pick(&FILTERS)).to_owned() }
}

pub(super) fn name(rng: &mut Rng) -> String {
    (rng.pick(&NAMES)).to_owned()
}

/// A line end, or the word `terminate` in one of its shapes.
pub(super) fn line_end(rng: &mut Rng) -> &'static [u8] {
    rng.pick(&[&b"\n"[..], b"\n", b"\r\n"])
}

pub(super) fn terminate(rng: &mut Rng) -> &'static [u8] {
    rng.pick(&[&b"terminate"[..], b"TERMINATE", b"Terminate", b" terminate\t"])
}

/// Text of about `length` bytes without line ends or `#`, which marks a message's number.
pub(crate) fn filler(rng: &mut Rng, length: usize) -> Vec<u8> {
    const PARTS: [&str; 12] =
        ["x", "word ", "é", "€", "🎉", "\t", "\u{1b}[2J", "\u{202e}", "\\", "\"", "\u{85}", "<b>"];
    let mut text = Vec::with_capacity(length);
    let plain = rng.percent(60);
    if !plain && length > 0 && rng.percent(10) {
        text.push(0xff); // not UTF-8
    }
    while text.len() < length {
        let part = if plain { "abcdefgh" } else { rng.pick(&PARTS) };
        if text.len() + part.len() > length {
            text.resize(length, b'.');
        } else {
            text.extend_from_slice(part.as_bytes());
        }
    }
    text
}
