//! HTTP/1.1 on one connection (docs/protocol/http.md), as far as topics go: from requests to the core
//! and back. What is asked of anything else is handed to the control side, socket and bytes.
//!
//! ```text
//!           ┌──────────────────────────────┐
//!           ▼                              │
//!   Head ───┬──POST, PUT──▶ Body ──────────┤
//!           ├──GET──▶ Streaming ──poll ends┘
//!           └──elsewhere──▶ Leaving
//! ```
//! Reading order: `request` (what a head asks for), `safety` (who may ask from a browser), `publishing`
//! (bodies to runs), `lines` (several messages in a body), `listening` (a `feed` as an answer), `answers`.

mod answers;
mod date;
mod lines;
mod listening;
mod publishing;
mod request;
mod safety;
mod said;

use std::sync::Arc;

use broker::{Instant, Publisher};
use topic::TopicName;
use wire::http::{Framing, Head, HeadError, Status, parse_head, write_head};
use wire::websocket::{check_handshake, offers_protocol, write_accepted};

use crate::batch::Batch;
use crate::census::RoleName;
use crate::connection::{Next, Taken};
use crate::env::Env;
use crate::event::CloseReason;
use crate::half_closed::HalfClosed;
use crate::limits::Limits;
use crate::link::{Chunk, Link, ReadEnd};
use crate::websocket::Inside;
use answers::{Problem, Then};
use listening::Streaming;
use publishing::Body;
use request::Place;

pub(crate) use answers::Answers;
pub(crate) use date::Date;
pub use safety::WebAccess;
pub(crate) use said::Said;

/// What one call may cost, about, in nanoseconds of a slow core.
const WORK_MAX: u64 = 100_000;
/// A request: its head, and the answer to it.
const REQUEST_WORK: u64 = 1500;

/// One connection that speaks HTTP.
#[derive(Debug)]
pub(crate) struct Http {
    state: State,
    answers: Answers,
    publisher: Option<Arc<Publisher>>,
    /// Most requests name the topic of the one before.
    last: Option<(Box<str>, TopicName)>,
    /// Bytes at the front of the next chunk that were searched for the end of a head.
    scanned: usize,
    /// Whether a request was understood.
    is_greeted: bool,
    /// Whether the next request waits for the answers to those before it.
    is_held: bool,
    /// What is wrong with the last request.
    problem: Option<Problem>,
}

#[derive(Debug)]
enum State {
    /// Before a request, or in its head.
    Head,
    Body(Box<Body>),
    Streaming(Box<Streaming>),
    /// The control side is to have it, once what was promised is written.
    Leaving,
    /// What follows is frames of a WebSocket.
    Upgraded(Inside),
    /// It ends.
    Over,
}

/// What one step took.
enum Step {
    /// So many bytes are done with; there may be more in the chunk.
    Used(usize),
    /// The rest needs more bytes.
    Waits,
    /// The rest is for another call.
    Again,
    /// This ends the connection.
    Refused(Problem),
}

impl Http {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Head,
            answers: Answers::default(),
            publisher: None,
            last: None,
            scanned: 0,
            is_greeted: false,
            is_held: false,
            problem: None,
        }
    }

    /// Takes its part of a chunk.
    pub(crate) fn receive(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        chunk: &Chunk,
        read_end: ReadEnd,
    ) -> Taken {
        let (mut batch, mut used) = (Batch::default(), 0);
        let (spent_max, published) = (env.spent + WORK_MAX, self.answers.published);
        let next = loop {
            if (used == chunk.bytes.len() && !self.has_work()) || self.upgraded().is_some() {
                break Next::GoOn;
            }
            if env.spent >= spent_max {
                break Next::Again;
            }
            match self.step(link, env, &mut batch, (chunk, used)) {
                Step::Used(bytes) => used += bytes,
                Step::Waits => break Next::GoOn,
                Step::Again => break Next::Again,
                Step::Refused(problem) => break self.refuse(problem),
            }
        };
        self.flush(env, &mut batch, chunk);
        if !self.answers.is_empty() {
            link.list_to_write(env);
        }
        if matches!(self.state, State::Head) && read_end != ReadEnd::Closed {
            wait_for_head(link, env, chunk.bytes.len() - used);
        }
        match next {
            Next::GoOn if self.answers.published > published => Taken { used, next: Next::Published },
            next => Taken { used, next },
        }
    }

    fn step(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        batch: &mut Batch,
        (chunk, at): (&Chunk, usize),
    ) -> Step {
        let bytes = chunk.bytes.get(at..).unwrap_or_default();
        match &self.state {
            State::Head => {
                let scanned = std::mem::take(&mut self.scanned);
                match parse_head(bytes, scanned, link.rules.limits.head_bytes_max) {
                    Ok(Some(head)) => {
                        env.spent += REQUEST_WORK + head.len as u64 / 2;
                        self.request(link, env, batch, (&head, chunk, at))
                    }
                    Ok(None) => {
                        self.scanned = bytes.len();
                        Step::Waits
                    }
                    Err(error) => Step::Refused(bad_head(error)),
                }
            }
            State::Body(_) => self.body(link, env, batch, (chunk, at)),
            State::Streaming(streaming) => streaming.hears_client(bytes, link),
            State::Leaving | State::Upgraded(_) => Step::Waits,
            State::Over => Step::Used(bytes.len()),
        }
    }

    /// Whether there is something to do without more bytes.
    fn has_work(&self) -> bool {
        matches!(&self.state, State::Body(body) if body.has_come())
    }

    /// A whole head is there.
    fn request(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        batch: &mut Batch,
        (head, chunk, at): (&Head<'_>, &Chunk, usize),
    ) -> Step {
        let place = Place::of(head.path);
        let page = match safety::check(head, &env.web, place.asks()) {
            Ok(page) => page,
            Err(problem) => return Step::Refused(problem),
        };
        let owes = !self.answers.is_empty() || !batch.is_empty();
        if owes && head.method == "GET" && place != Place::Elsewhere {
            // A stream says its own head, and not before what was asked for first.
            self.is_held = true;
            return Step::Waits;
        }
        let named = match place {
            Place::Topic(named) => named,
            Place::WebSocket(inside) => {
                link.show(env);
                return self.upgrade(link, env, head, inside);
            }
            Place::Elsewhere => {
                self.flush(env, batch, chunk);
                self.state = State::Leaving;
                link.set_deadline(env, None);
                link.list_to_write(env); // nothing may be owed
                return Step::Waits;
            }
        };
        link.show(env);
        self.is_greeted = true;
        let done = match head.method {
            "POST" | "PUT" => self
                .begin_body(link, env, batch, (head, named, page), (chunk, at))
                .map_err(|declined| declined.counted(env)),
            "GET" | "HEAD" => self.listen(link, env, (head, named, page)),
            "OPTIONS" => self.options(env, head, page),
            _ => {
                let detail = format!("{} means nothing here", head.method);
                Err(Problem::new(Status::METHOD_NOT_ALLOWED, detail).with_fields(&[("allow", ALLOW)]))
            }
        };
        match done {
            Ok(used) => Step::Used(used),
            Err(problem) => Step::Refused(problem.for_page(page)),
        }
    }

    /// A handshake: what follows is frames.
    fn upgrade(&mut self, link: &mut Link, env: &mut Env, head: &Head<'_>, inside: Inside) -> Step {
        let accept = match check_handshake(head) {
            Ok(accept) => accept,
            Err(error) => {
                let problem = Problem::new(error.status(), error.to_string());
                return Step::Refused(problem.with_fields(error.headers()));
            }
        };
        let protocol = match inside {
            Inside::Mqtt => ["mqtt", "mqttv3.1"].into_iter().find(|name| offers_protocol(head.headers, name)),
            Inside::Json => None,
        };
        link.out.append(&mut env.pool, |own| write_accepted(own, &accept, protocol));
        if inside == Inside::Mqtt {
            let until = env.now.mono.after(link.rules.limits.connect_time);
            link.set_deadline(env, Some(until));
            link.out.begin_frames();
        } else {
            link.set_deadline(env, None);
        }
        link.list_to_write(env);
        self.state = State::Upgraded(inside);
        Step::Used(head.len)
    }

    /// What follows a handshake that was the last thing here.
    pub(crate) fn upgraded(&self) -> Option<Inside> {
        match self.state {
            State::Upgraded(inside) => Some(inside),
            _ => None,
        }
    }

    /// Says what may be done, also to a page of another origin that asks before it does it.
    fn options(&mut self, env: &mut Env, head: &Head<'_>, page: Option<&str>) -> Result<usize, Problem> {
        if head.framing != Framing::None {
            return Err(Problem::new(Status::BAD_REQUEST, "OPTIONS has no body"));
        }
        let mut fields = vec![("date", env.date.at(env.now.wall)), ("allow", ALLOW)];
        if page.is_some() {
            answers::push_page(&mut fields, page);
            fields.push(("access-control-allow-methods", ALLOW));
            fields.push(("access-control-allow-headers", "content-type, last-event-id"));
            fields.push(("access-control-max-age", "600"));
        }
        let mut out = Vec::new();
        if !head.keep_alive {
            fields.push(("connection", "close"));
        }
        write_head(&mut out, Status::NO_CONTENT, &fields, Framing::None);
        self.answers.whole(out);
        self.finished(Then::of(head));
        Ok(head.len)
    }

    /// A request is answered, or will be: the next one may come, if there is one.
    fn finished(&mut self, then: Then) {
        self.state = if then == Then::GoesOn { State::Head } else { State::Over };
    }

    fn refuse(&mut self, problem: Problem) -> Next {
        self.state = State::Over;
        let reason = CloseReason::BadRequest { status: problem.status.0, detail: problem.detail.clone() };
        self.problem = Some(problem);
        Next::End(reason)
    }

    /// The time of the deadline has come.
    pub(crate) fn timeout(&mut self, link: &mut Link, env: &mut Env, carry: &[u8]) -> Taken {
        let next = match &mut self.state {
            State::Head if carry.is_empty() => Next::End(CloseReason::Silent),
            State::Head | State::Body(_) => {
                self.refuse(Problem::new(Status::REQUEST_TIMEOUT, "The request did not come in time"))
            }
            State::Streaming(_) => {
                self.beat(link, env);
                Next::GoOn
            }
            State::Leaving | State::Upgraded(_) | State::Over => Next::GoOn,
        };
        Taken { used: 0, next }
    }

    /// The core has accepted the first `upto` messages that it published.
    pub(crate) fn accepted(&mut self, link: &mut Link, env: &mut Env, upto: u64) {
        self.answers.accepted(upto);
        if self.answers.is_due() {
            link.list_to_write(env);
        }
    }

    /// Its socket takes nothing: what was begun or promised is given up.
    pub(crate) fn give_up(&mut self) {
        self.answers = Answers::default();
        self.state = State::Over;
    }

    /// Whether nothing is begun or promised.
    pub(crate) fn is_said(&self) -> bool {
        self.answers.is_empty() && !matches!(&self.state, State::Streaming(streaming) if streaming.is_begun())
    }

    /// Bytes that are promised.
    pub(crate) fn owed_bytes(&self) -> usize {
        self.answers.bytes()
    }

    /// Bytes that are put together of a body.
    pub(crate) fn held_bytes(&self) -> usize {
        match &self.state {
            State::Body(body) => body.held_bytes(),
            _ => 0,
        }
    }

    /// The peer has closed its sending half: whether it goes on to hear.
    pub(crate) fn goes_on_to_hear(&self, now: Instant, limits: &Limits) -> Option<HalfClosed> {
        let State::Streaming(streaming) = &self.state else { return None };
        streaming.goes_on(now, limits).then_some(HalfClosed::Hears)
    }

    /// Whether the control side is to have it.
    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self.state, State::Leaving)
    }

    /// Whether a deadline is there to see what the client says.
    pub(crate) fn is_greeting(&self) -> bool {
        matches!(self.state, State::Head | State::Body(_))
    }

    /// Whether what it sends is messages.
    pub(crate) fn publishes(&self) -> bool {
        self.is_greeted && matches!(self.state, State::Head | State::Body(_))
    }

    pub(crate) fn role(&self) -> RoleName {
        match &self.state {
            State::Streaming(_) => RoleName::Subscriber,
            State::Head | State::Body(_) if self.is_greeted => RoleName::Publisher,
            _ => RoleName::Unknown,
        }
    }

    /// The topic that it has published to last, or the filters that it hears.
    pub(crate) fn topic(&self) -> String {
        match (&self.state, &self.last) {
            (State::Streaming(streaming), _) => streaming.filters(),
            (_, Some((_, topic))) => topic.to_string(),
            (_, None) => String::new(),
        }
    }

    fn flush(&mut self, env: &mut Env, batch: &mut Batch, chunk: &Chunk) {
        if batch.is_empty() {
            return;
        }
        if let Some(publisher) = &self.publisher {
            // They were counted when they were added, for the numbers in their answers.
            let mut number = self.answers.published - batch.messages();
            batch.flush(env, publisher, &mut number, chunk);
        }
    }

    /// Who publishes on this connection.
    fn publisher(&mut self, link: &Link, env: &Env) -> &Arc<Publisher> {
        self.publisher.get_or_insert_with(|| link.publisher(env.now.wall, None))
    }

    /// When it began to publish, for the ids of its messages.
    fn began(&self) -> broker::WallTime {
        self.publisher.as_ref().map_or_else(broker::WallTime::default, |publisher| publisher.began)
    }
}

/// The next request has its time, and more of it before it begins.
pub(crate) fn wait_for_head(link: &mut Link, env: &mut Env, begun_bytes: usize) {
    let (limits, has_begun) = (&link.rules.limits, begun_bytes > 0);
    let until = env.now.mono.after(if has_begun { limits.head_time } else { limits.http_idle_time });
    // A head that comes byte by byte has the time of one that comes at once.
    let until = link.deadline.filter(|at| has_begun && *at <= until).unwrap_or(until);
    link.set_deadline(env, Some(until));
}

fn bad_head(error: HeadError) -> Problem {
    Problem::new(error.status(), error.to_string())
}

/// What may be done with a topic.
const ALLOW: &str = "GET, HEAD, POST, PUT, OPTIONS";
