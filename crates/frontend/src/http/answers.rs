//! What a client gets for its requests, in their order.

use std::collections::VecDeque;
use std::io::Write as _;

use broker::{MessageRefusal, Origin, SubscriptionRefusal, WallTime};
use wire::http::{BodyError, Framing, Head, Status, write_head, write_problem};

use crate::declined::Declined;
use crate::text;

/// An answer to one published message, about.
const ANSWER_BYTES: usize = 200;

/// What follows an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The next request.
    GoesOn,
    /// The end of the connection.
    Closes,
}

impl Then {
    /// As the head of a request says.
    pub(super) fn of(head: &Head<'_>) -> Self {
        if head.keep_alive { Self::GoesOn } else { Self::Closes }
    }
}

/// What is wrong with a request. The connection ends with it: what stands behind it may not be what it
/// looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: Status,
    pub(crate) detail: String,
    /// Fields that the status asks for.
    fields: &'static [(&'static str, &'static str)],
    /// The origin whose page may read it.
    page: Option<Box<str>>,
}

/// A message that is not let in.
pub(super) type Unpublished = Declined<MessageRefusal, Problem>;
/// A subscription that the core is not asked for.
pub(super) type Unasked = Declined<SubscriptionRefusal, Problem>;

/// Whatever is wrong with it that has no reason of its own.
impl From<Problem> for Unpublished {
    fn from(problem: Problem) -> Self {
        Self::new(MessageRefusal::Malformed, problem)
    }
}

/// Whatever is wrong with it that has no reason of its own.
impl From<Problem> for Unasked {
    fn from(problem: Problem) -> Self {
        Self::new(SubscriptionRefusal::Malformed, problem)
    }
}

impl From<BodyError> for Unpublished {
    fn from(error: BodyError) -> Self {
        let why = match error {
            BodyError::TooLarge => MessageRefusal::TooLarge,
            _ => MessageRefusal::Malformed,
        };
        Self::new(why, Problem::new(error.status(), error.to_string()))
    }
}

impl Problem {
    pub(super) fn new(status: Status, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), fields: &[], page: None }
    }

    pub(super) fn with_fields(self, fields: &'static [(&'static str, &'static str)]) -> Self {
        Self { fields, ..self }
    }

    pub(super) fn for_page(self, page: Option<&str>) -> Self {
        Self { page: page.map(Box::from), ..self }
    }

    /// As a whole answer, behind which nothing comes.
    pub(super) fn write(&self, out: &mut Vec<u8>, date: &str) {
        let mut fields = vec![("date", date), ("connection", "close")];
        fields.extend_from_slice(self.fields);
        push_page(&mut fields, self.page.as_deref());
        write_problem(out, self.status, &fields, &self.detail);
    }
}

/// Adds what lets a page of another origin read an answer.
pub(super) fn push_page<'a>(fields: &mut Vec<(&'a str, &'a str)>, page: Option<&'a str>) {
    if let Some(page) = page {
        fields.push(("access-control-allow-origin", page));
        fields.push(("vary", "origin"));
    }
}

/// An answer.
#[derive(Debug)]
enum Answer {
    /// To a message or several: the number of the last one among its publisher's, and how many.
    Published { number: u64, messages: u32, page: Option<Box<str>>, then: Then },
    /// As it goes out.
    Whole(Box<[u8]>),
}

/// The answers that one connection owes.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// By how many messages have to be accepted before.
    waiting: VecDeque<(u64, Answer)>,
    bytes: usize,
    /// Messages that were published, and how many of them are accepted.
    pub(crate) published: u64,
    accepted: u64,
}

impl Answers {
    /// So many messages were published by a request.
    pub(crate) fn published(&mut self, messages: u32, page: Option<&str>, then: Then) {
        let number = self.published.saturating_sub(1);
        let answer = Answer::Published { number, messages, page: page.map(Box::from), then };
        self.bytes += ANSWER_BYTES;
        self.waiting.push_back((self.published, answer));
    }

    /// An answer that is known already.
    pub(crate) fn whole(&mut self, bytes: Vec<u8>) {
        self.bytes += bytes.len();
        self.waiting.push_back((self.published, Answer::Whole(bytes.into())));
    }

    pub(crate) fn accepted(&mut self, upto: u64) {
        self.accepted = upto;
    }

    /// Whether the next one may be given.
    pub(crate) fn is_due(&self) -> bool {
        self.waiting.front().is_some_and(|(count, _)| *count <= self.accepted)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes of all of them, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes those that are due, until there are so many bytes.
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        bytes_max: usize,
        publisher: (Origin, WallTime),
        date: &str,
    ) {
        let full = out.len().saturating_add(bytes_max);
        while self.is_due() && out.len() < full {
            let Some((_, answer)) = self.waiting.pop_front() else { return };
            match answer {
                Answer::Whole(bytes) => {
                    self.bytes -= bytes.len();
                    out.extend_from_slice(&bytes);
                }
                Answer::Published { number, messages, page, then } => {
                    self.bytes -= ANSWER_BYTES;
                    write_published(out, (number, messages), page.as_deref(), then, publisher, date);
                }
            }
        }
        if self.waiting.is_empty() && self.waiting.capacity() > 64 {
            self.waiting = VecDeque::new();
        }
    }
}

fn write_published(
    out: &mut Vec<u8>,
    (number, messages): (u64, u32),
    page: Option<&str>,
    then: Then,
    (origin, began): (Origin, WallTime),
    date: &str,
) {
    let source = text::source(origin, began);
    let mut body = [0; 160];
    let mut room = &mut body[..];
    let written = match messages {
        0 => writeln!(room, "{{\"accepted\":0}}"),
        1 => writeln!(room, "{{\"id\":\"{source}-{number}\"}}"),
        _ => writeln!(room, "{{\"id\":\"{source}-{number}\",\"accepted\":{messages}}}"),
    };
    written.expect("six numbers fit");
    let left = room.len();
    let body = body.get(..body.len() - left).unwrap_or_default();
    if page.is_none() && then == Then::GoesOn {
        // Nearly always, and the fastest way that there is.
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\ndate: ");
        out.extend_from_slice(date.as_bytes());
        out.extend_from_slice(b"\r\ncontent-type: application/json\r\ncontent-length: ");
        write!(out, "{}\r\n\r\n", body.len()).expect("a Vec takes every write");
    } else {
        let mut fields = vec![("date", date), ("content-type", "application/json")];
        push_page(&mut fields, page);
        if then == Then::Closes {
            fields.push(("connection", "close"));
        }
        write_head(out, Status::OK, &fields, Framing::Sized(body.len() as u64));
    }
    out.extend_from_slice(body);
}
