//! What publishers over the web are answered: each request once, in order, with the ids of its messages;
//! what is said to be accepted was, and what is refused is refused for its own fault.

use std::collections::BTreeSet;

use crate::check::Violation;
use crate::reached::Reached;
use crate::record::{Answer, Fate, PublisherRecord, Record, Request, Stay};

/// Checks the answers on connection `id`.
pub(super) fn check(
    record: &Record,
    id: usize,
    publisher: &PublisherRecord,
    found: &mut Vec<Violation>,
    reached: &mut BTreeSet<Reached>,
) {
    let mut wrong = |what: String| found.push(Violation::new("answers", format!("publisher {id}: {what}")));
    let (requests, answers) = (&publisher.talk.requests, &publisher.talk.answers);
    for (request, answer) in requests.iter().zip(answers) {
        if let Some(what) = misfit(publisher, request, answer) {
            wrong(format!("{what}: {request:?} is answered {answer:?}"));
        }
    }
    if let Some(answer) = answers.get(requests.len()) {
        wrong(format!("an answer to nothing: {answer:?}"));
    }
    let unanswered = requests.get(answers.len()..).unwrap_or_default();
    let is_accepted = |number: usize| publisher.messages[number].accepted.is_some();
    // What a server has not read when it shuts down it does not answer.
    let is_read =
        |request: &Request| !request.messages.is_empty() && request.messages.clone().all(is_accepted);
    let is_owed = |request: &&Request| record.facts.rested || is_read(request);
    if let Some(first) = unanswered.iter().find(is_owed).filter(|_| publisher.stay != Stay::Left) {
        wrong(format!("{} requests are not answered, first {first:?}", unanswered.len()));
    }
    let all_fit = answers.len() == requests.len() && requests.iter().any(|one| !one.messages.is_empty());
    reached.extend(all_fit.then_some(Reached::WebAnswered));
    reached.extend(answers.iter().any(Answer::is_refusal).then_some(Reached::WebRefused));
    let is_known_to_nobody = unanswered.iter().any(|request| request.messages.clone().any(is_accepted));
    reached.extend(is_known_to_nobody.then_some(Reached::WebUnanswered));
}

/// What is wrong with an answer, if something is.
fn misfit(publisher: &PublisherRecord, request: &Request, answer: &Answer) -> Option<&'static str> {
    let is_accepted = |number: usize| publisher.messages[number].accepted.is_some();
    if !request.messages.clone().all(is_accepted) {
        return Some("no station was handed it");
    }
    let count = request.messages.len() as u64;
    match (answer, request.fate) {
        (Answer::Accepted { reference, id, messages }, Fate::Accepted) => {
            let id = id.as_deref();
            let fits = match request.messages.clone().last() {
                Some(last) => id.is_some_and(|id| publisher.is_id(id, last)),
                None => id.is_none(),
            };
            match fits {
                _ if *reference != request.reference => Some("that is another one's"),
                _ if *messages != count => Some("that is another number of messages"),
                false => Some("that is the id of something else"),
                true => None,
            }
        }
        (Answer::Refused { reference, status, before }, Fate::Refused(expected)) => match before {
            _ if *reference != request.reference => Some("that is another one's"),
            _ if *status != expected => Some("that is another status"),
            _ if before.unwrap_or(0) != count => Some("that is another number of messages"),
            _ => None,
        },
        (Answer::Wrong(_), _) => Some("that is no answer"),
        _ => Some("that is the contrary"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A publisher has said three requests: a message, two messages, and one that is to be refused. Returns
    /// which of the answers do not fit.
    fn complaints(stay: Stay, answers: &[&str]) -> String {
        let mut publisher = PublisherRecord { stay, ..PublisherRecord::for_tests(&[0, 1, 0]) };
        let one = |messages, fate| Request { messages, reference: None, fate };
        publisher.talk.requests =
            vec![one(0..1, Fate::Accepted), one(1..3, Fate::Accepted), one(3..3, Fate::Refused(Some(413)))];
        for text in answers {
            let (id, messages) = text.split_once(' ').unwrap_or((text, "1"));
            let answer = match text.parse() {
                Ok(status) => Answer::Refused { reference: None, status: Some(status), before: None },
                Err(_) => Answer::Accepted {
                    reference: None,
                    id: Some(id.to_owned()),
                    messages: messages.parse().unwrap(),
                },
            };
            publisher.talk.answers.push(answer);
        }
        let (mut record, mut found) = (Record::default(), Vec::new());
        record.facts.rested = true;
        check(&record, 0, &publisher, &mut found, &mut BTreeSet::new());
        let words = |one: &Violation| one.detail.split(": ").nth(1).map(str::to_owned);
        found.iter().filter_map(words).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn each_request_has_its_answer() {
        let quiet = |answers: &[&str]| complaints(Stay::UntilQuiet, answers);
        assert_eq!(quiet(&["0-1-0-9-0", "0-1-0-9-2 2", "413"]), "");
        assert_eq!(quiet(&["0-1-0-9-0", "0-1-0-9-2 2", "400"]), "that is another status");
        assert_eq!(quiet(&["0-1-0-9-0", "0-1-0-9-1 2", "413"]), "that is the id of something else");
        assert_eq!(quiet(&["0-1-0-9-0", "0-2-0-9-2 2", "413"]), "that is the id of something else");
        assert_eq!(quiet(&["0-1-0-9-0", "0-1-0-9-2 3", "413"]), "that is another number of messages");
        assert_eq!(
            quiet(&["0-1-0-9-0", "413"]),
            "that is the contrary, 1 requests are not answered, first Request { messages"
        );
        assert_eq!(quiet(&["0-1-0-9-0", "0-1-0-9-2 2", "413", "413"]), "an answer to nothing");
        assert_eq!(complaints(Stay::Left, &["0-1-0-9-0"]), "");
    }
}
