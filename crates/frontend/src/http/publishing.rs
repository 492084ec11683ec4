//! Bodies of requests to runs.
//!
//! A body with a length is left where it lies and published from there, as one run with its neighbours
//! if they are alike. One in chunks is put together first.

use std::ops::Range;
use std::sync::Arc;

use broker::planted::{self, Bug};
use broker::{Marks, MessageRefusal};
use topic::TopicName;
use wire::http::{BodyReader, Framing, Head, Status};

use crate::batch::{Added, Batch};
use crate::env::Env;
use crate::http::answers::{Problem, Then, Unpublished};
use crate::http::lines::Lines;
use crate::http::{Http, State, Step, request};
use crate::link::{Chunk, Link};

/// A run: one look at the interest of all.
const RUN_WORK: u64 = 2000;
/// Runs that are gathered before they are published: only then is known what those who hear them cost.
const RUNS_MAX: usize = 8;

/// A body under way, or whose messages are.
#[derive(Debug)]
pub(super) struct Body {
    what: What,
    /// The origin that may read the answer, if it is another one's page.
    page: Option<Box<str>>,
    then: Then,
    comes: Comes,
}

/// What becomes of it.
#[derive(Debug)]
enum What {
    Message { topic: TopicName, marks: Marks },
    Lines,
}

/// How it comes.
#[derive(Debug)]
enum Comes {
    /// So many bytes, at once.
    Whole(usize),
    /// In pieces, which are put together.
    InPieces(BodyReader, Vec<u8>),
    /// All of it is there: its messages are published one after the other.
    Read(Lines),
}

impl Body {
    /// Whether nothing more of it has to come, and something is still to be done with it.
    pub(super) fn has_come(&self) -> bool {
        match self.comes {
            Comes::Read(_) => true,
            Comes::Whole(bytes) => bytes == 0 && !planted::is(Bug::WaitForNothing),
            Comes::InPieces(..) => false,
        }
    }

    /// Bytes of it that are put together so far.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.comes {
            Comes::InPieces(_, pieces) => pieces.capacity(),
            Comes::Whole(_) | Comes::Read(_) => 0, // what was left over, or charged by itself
        }
    }
}

impl Http {
    /// The head of a request to publish is there.
    pub(super) fn begin_body(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        batch: &mut Batch,
        (head, named, page): (&Head<'_>, &str, Option<&str>),
        (chunk, at): (&Chunk, usize),
    ) -> Result<usize, Unpublished> {
        let what = match named {
            "" if request::is_lines(head) => What::Lines,
            "" => {
                let detail = "No topic: publish to /t/TOPIC, or several messages as NDJSON";
                let problem = Problem::new(Status::BAD_REQUEST, detail);
                return Err(Unpublished::new(MessageRefusal::InvalidTopic, problem));
            }
            _ => self.message(env, batch, (head, named), chunk)?,
        };
        let bytes_max = link.rules.limits.message_bytes_max;
        let reader = BodyReader::new(head.framing, bytes_max as u64)?;
        let comes = match head.framing {
            Framing::Chunked => Comes::InPieces(reader, Vec::new()),
            Framing::Sized(bytes) => Comes::Whole(usize::try_from(bytes).unwrap_or(usize::MAX)),
            Framing::None => Comes::Whole(0),
        };
        let begin = at + head.len;
        if let (Comes::Whole(bytes), What::Message { topic, marks }) = (&comes, &what)
            && chunk.bytes.len() - begin >= *bytes
        {
            let (topic, marks) = (topic.clone(), marks.clone());
            self.add(link, env, batch, (topic, marks), (chunk, begin..begin + bytes));
            self.answers.published(1, page, Then::of(head));
            self.finished(Then::of(head));
            return Ok(head.len + bytes);
        }
        if head.expects_continue {
            self.answers.whole(CONTINUE.into());
        }
        let until = env.now.mono.after(link.rules.limits.body_time);
        link.set_deadline(env, Some(until));
        let page = page.map(Box::from);
        self.state = State::Body(Box::new(Body { what, page, then: Then::of(head), comes }));
        Ok(head.len)
    }

    /// What the head says of the message.
    fn message(
        &mut self,
        env: &mut Env,
        batch: &mut Batch,
        (head, named): (&Head<'_>, &str),
        chunk: &Chunk,
    ) -> Result<What, Unpublished> {
        let is_plain = head.query.is_none() && head.headers.first("content-type").is_none();
        if let Some((last, topic)) = &self.last
            && is_plain
            && **last == *named
        {
            return Ok(What::Message { topic: topic.clone(), marks: Marks::default() });
        }
        let (topic, marks) = request::publish(head, named)?;
        if marks.retain {
            // What is in front of it may take the last place.
            self.flush(env, batch, chunk);
            if !env.shard.may_retain(&topic) {
                let detail = "No room to retain another message";
                let problem = Problem::new(Status::INSUFFICIENT_STORAGE, detail);
                return Err(Unpublished::new(MessageRefusal::RetainedFull, problem));
            }
        }
        self.last = Some((named.into(), topic.clone()));
        Ok(What::Message { topic, marks })
    }

    /// Adds a message that lies in the chunk.
    fn add(
        &mut self,
        link: &Link,
        env: &mut Env,
        batch: &mut Batch,
        (topic, marks): (TopicName, Marks),
        (chunk, payload): (&Chunk, Range<usize>),
    ) {
        self.publisher(link, env);
        if planted::is(Bug::AnswerUnpublished) && self.answers.bytes() > link.rules.limits.replies_bytes_max {
            return;
        }
        env.traffic.received += 1;
        env.spent += match batch.add(topic, marks, payload) {
            Added::GoesOn => 0,
            Added::Begins => RUN_WORK,
        };
        self.answers.published += 1;
        if batch.runs() >= RUNS_MAX {
            self.flush(env, batch, chunk);
        }
    }

    /// Goes on with a body.
    pub(super) fn body(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        batch: &mut Batch,
        (chunk, at): (&Chunk, usize),
    ) -> Step {
        let State::Body(body) = &mut self.state else { return Step::Waits };
        let bytes = chunk.bytes.get(at..).unwrap_or_default();
        match &mut body.comes {
            Comes::Whole(len) => match bytes.get(..*len) {
                Some(_) => self.whole(link, env, batch, (chunk, at)),
                None => Step::Waits,
            },
            Comes::InPieces(reader, pieces) => match reader.read(bytes) {
                Ok(part) => {
                    pieces.extend_from_slice(bytes.get(part.data).unwrap_or_default());
                    if planted::is(Bug::RepeatLine) && matches!(body.what, What::Lines) {
                        repeat_line(pieces);
                    }
                    if part.ended {
                        let pieces = std::mem::take(pieces);
                        // What was asked for before it goes first, and its number is its own.
                        if !planted::is(Bug::OvertakePipelined) {
                            self.flush(env, batch, chunk);
                        }
                        self.put_together(link, env, pieces);
                    } else if part.used == 0 {
                        return Step::Waits;
                    }
                    Step::Used(part.used)
                }
                Err(error) => Step::Refused(Unpublished::from(error).counted(env)),
            },
            Comes::Read(_) => self.publish_lines(link, env),
        }
    }

    /// All of a body with a length is there.
    fn whole(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        batch: &mut Batch,
        (chunk, at): (&Chunk, usize),
    ) -> Step {
        let State::Body(mut body) = std::mem::replace(&mut self.state, State::Head) else {
            return Step::Waits;
        };
        let Comes::Whole(len) = body.comes else { return Step::Waits };
        match body.what {
            What::Message { topic, marks } => {
                self.add(link, env, batch, (topic, marks), (chunk, at..at + len));
                self.answers.published(1, body.page.as_deref(), body.then);
                self.finished(body.then);
            }
            What::Lines => {
                self.flush(env, batch, chunk);
                let bytes = chunk.bytes.get(at..at + len).unwrap_or_default();
                body.comes = Comes::Read(Lines::new(bytes.to_vec(), &env.gauge));
                self.state = State::Body(body);
            }
        }
        link.set_deadline(env, None);
        Step::Used(len)
    }

    /// All pieces of a body are there.
    fn put_together(&mut self, link: &mut Link, env: &mut Env, bytes: Vec<u8>) {
        let State::Body(mut body) = std::mem::replace(&mut self.state, State::Head) else { return };
        match body.what {
            What::Message { topic, marks } => {
                let publisher = Arc::clone(self.publisher(link, env));
                env.traffic.received += 1;
                env.spent += RUN_WORK;
                env.publish_one(&publisher, &topic, self.answers.published, bytes.into(), marks);
                self.answers.published += 1;
                self.answers.published(1, body.page.as_deref(), body.then);
                self.finished(body.then);
            }
            What::Lines => {
                body.comes = Comes::Read(Lines::new(bytes, &env.gauge));
                self.state = State::Body(body);
            }
        }
        link.set_deadline(env, None);
    }

    /// Publishes the next messages of a body that holds several.
    fn publish_lines(&mut self, link: &mut Link, env: &mut Env) -> Step {
        let State::Body(mut body) = std::mem::replace(&mut self.state, State::Head) else {
            return Step::Waits;
        };
        let Comes::Read(lines) = &mut body.comes else { return Step::Waits };
        let publisher = Arc::clone(self.publisher(link, env));
        match lines.publish_some(env, &publisher, &mut self.answers.published) {
            Ok(None) => {
                self.state = State::Body(body);
                Step::Again
            }
            Ok(Some(messages)) => {
                self.answers.published(messages, body.page.as_deref(), body.then);
                self.finished(body.then);
                Step::Used(0)
            }
            Err(problem) => Step::Refused(problem),
        }
    }
}

/// A planted bug: the line that ends here once more.
fn repeat_line(pieces: &mut Vec<u8>) {
    if let Some(lines) = pieces.strip_suffix(b"\n") {
        let begin = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        pieces.extend_from_within(begin..);
    }
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
