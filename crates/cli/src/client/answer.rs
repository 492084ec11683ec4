//! What a server that asks for roles means by what it says next.

use wire::text::{TOPIC_PROMPT, WAITING_LINE};

use super::hello::Side;
use crate::visible::visible;

/// What the server makes of a typed role.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It accepts; these bytes came already.
    Accepted(Vec<u8>),
    /// It accepts a subscriber and says so.
    Waiting(Vec<u8>),
    /// It asks for a topic.
    AsksTopic(String),
    Refused(String),
}

/// What these words mean, if they are complete.
pub(super) fn judge(said: &[u8], side: Option<Side>) -> Option<Answer> {
    let line = said.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_line = line.len() < said.len();
    if is_line && (side.is_none() || line.starts_with(b"Invalid ")) {
        return Some(Answer::Refused(visible(line.trim_ascii_end())));
    }
    if said.trim_ascii().eq_ignore_ascii_case(TOPIC_PROMPT.trim().as_bytes()) {
        return Some(Answer::AsksTopic(visible(said)));
    }
    // A server that leaves the newline out is understood, too.
    if let Some(rest) = said.strip_prefix(WAITING_LINE.trim_end().as_bytes()) {
        let rest = rest.strip_prefix(b"\r").unwrap_or(rest);
        return Some(Answer::Waiting(rest.strip_prefix(b"\n").unwrap_or(rest).to_vec()));
    }
    is_line.then(|| Answer::Accepted(said.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_a_role() {
        let (publisher, subscriber) = (Some(Side::Publisher), Some(Side::Subscriber));
        for (said, side, answer) in [
            ("Waiting for mess", subscriber, None),
            ("Waiting for messages...\n", subscriber, Some(Answer::Waiting(vec![]))),
            ("Waiting for messages...\n[FROM", subscriber, Some(Answer::Waiting(b"[FROM".to_vec()))),
            ("Waiting for messages...", subscriber, Some(Answer::Waiting(vec![]))),
            ("[FROM a:1]: b\n", subscriber, Some(Answer::Accepted(b"[FROM a:1]: b\n".to_vec()))),
            ("Enter topic : ", publisher, Some(Answer::AsksTopic("Enter topic : ".to_owned()))),
            ("Enter top", publisher, None),
            ("Invalid role", None, None),
            (
                "Invalid topic \"\x1b\": no\n",
                publisher,
                Some(Answer::Refused("Invalid topic \"\\x1b\": no".to_owned())),
            ),
            ("Unknown role\n", None, Some(Answer::Refused("Unknown role".to_owned()))),
        ] {
            assert_eq!(judge(said.as_bytes(), side), answer, "{said}");
        }
    }
}
