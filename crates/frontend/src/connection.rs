//! One connection: which state it is in and what its bytes mean there.
//!
//! ```text
//! Hello ──▶ [Topic] ──▶ Publishing ──┐
//!                 └───▶ Subscribing ─┴──▶ Ending (last bytes are written, then closed)
//! ```

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use broker::planted::{self, Bug};
use broker::{Charge, Gauge, HistoryRequest, Instant, Now, Origin, Publisher, Run, SessionId, Slice, Use};
use bytes::{Buf as _, Bytes};
use topic::{Filter, TopicName};
use wire::text::{Hello, LinePart, OK_LINE, WAITING_LINE, begins_terminate, is_terminate, next_line};

use crate::encode::LineStyle;
use crate::event::{CloseReason, Event};
use crate::hello::{First, Framing, HelloState, Rules, farewell};
use crate::outgoing::{Outgoing, Pool};
use crate::publishing::{Acks, Publishing};

/// Bytes of one read, behind what the connection had left over.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The bytes.
    pub bytes: Bytes,
    /// Size of the allocation that they are a part of.
    pub pinned_bytes: usize,
}

impl Chunk {
    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self { bytes: Bytes::new(), pinned_bytes: 0 }
    }
}

/// What stands behind a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadEnd {
    /// The read filled its buffer: there may be more at once.
    More,
    /// Nothing more for now.
    Drained,
    /// The peer has closed its side.
    Closed,
}

/// What a connection asks of the core.
#[derive(Debug)]
pub(crate) enum Command {
    Subscribe {
        filter: Filter,
        history: HistoryRequest,
    },
    Publish(Run),
    /// It is a publisher; what stands behind its hello is to be received where it will live.
    Announce {
        topic: TopicName,
        rest: Chunk,
        read_end: ReadEnd,
    },
}

/// A publisher on its way to another shard.
#[derive(Debug)]
pub struct Handover {
    pub(crate) addr: SocketAddr,
    pub(crate) publishing: Box<Publishing>,
    pub(crate) rest: Chunk,
    pub(crate) read_end: ReadEnd,
}

/// Publisher, subscriber or not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleName {
    /// No hello yet.
    Unknown,
    /// Publishes.
    Publisher,
    /// Subscribes.
    Subscriber,
}

/// A connection as an operator sees it.
#[derive(Debug, Clone)]
pub struct ClientRow {
    /// Its id.
    pub id: Origin,
    /// Where it comes from.
    pub addr: SocketAddr,
    /// Its own name.
    pub name: Option<Box<str>>,
    /// What it is.
    pub role: RoleName,
    /// The topic it publishes to or the filter it hears.
    pub topic: String,
    /// Bytes that wait for it.
    pub queued_bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: Origin,
    pub(crate) addr: SocketAddr,
    pub(crate) out: Outgoing,
    pub(crate) deadline: Option<Instant>,
    /// Bytes of the last chunk that are not done with.
    pub(crate) carry: Vec<u8>,
    /// What a long carry costs.
    pub(crate) unfinished: Option<Unfinished>,
    /// A delivery that is written in the middle of a line.
    pub(crate) begun: Option<Begun>,
    /// The session that it hears.
    pub(crate) session: Option<SessionId>,
    pub(crate) answers: Answers,
    /// What is to be said behind all that.
    last_line: Option<String>,
    /// Whether the core does not want this connection read.
    pub(crate) paused: bool,
    /// Whether it waits for memory to finish its message.
    pub(crate) starved: bool,
    /// Whether it stands in the list of connections to be written.
    pub(crate) listed: bool,
    pub(crate) rules: Rc<Rules>,
    pub(crate) state: State,
}

/// Messages whose publisher wants to hear that they were accepted.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    published: u64,
    accepted: u64,
    written: u64,
}

impl Answers {
    /// Answers that have not been written.
    fn owed(&self) -> usize {
        usize::try_from(self.published - self.written).unwrap_or(usize::MAX)
    }

    /// Those of them that may be.
    pub(crate) fn due(&self) -> usize {
        usize::try_from(self.accepted - self.written).unwrap_or(usize::MAX)
    }
}

/// An unfinished message that is long enough to count.
#[derive(Debug)]
pub(crate) struct Unfinished {
    /// When it began.
    pub(crate) since: Instant,
    charge: Charge,
}

/// What is left over of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leftover {
    /// The same message as before, with more of it.
    GoesOn,
    /// The beginning of another one: what stood before it is done with.
    Begins,
}

/// A message whose line has been written in part.
#[derive(Debug)]
pub(crate) struct Begun {
    /// The run, from that message on.
    pub(crate) slice: Slice,
    pub(crate) part: LinePart,
    pub(crate) style: LineStyle,
}

#[derive(Debug)]
pub(crate) enum State {
    Hello(HelloState),
    Topic(Box<AwaitingTopic>),
    Publishing(Box<Publishing>),
    Subscribing(Box<Subscribing>),
    Ending,
}

#[derive(Debug)]
pub(crate) struct AwaitingTopic {
    pub(crate) hello: Hello,
    pub(crate) framing: Framing,
    pub(crate) first: First,
}

#[derive(Debug)]
pub(crate) struct Subscribing {
    pub(crate) style: LineStyle,
    pub(crate) first: First,
    pub(crate) name: Option<Box<str>>,
    pub(crate) filter: Filter,
    pub(crate) since: Instant,
    pub(crate) hearing: Hearing,
    pub(crate) wants_history: bool,
}

/// What a subscriber goes on to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// It may still say something.
    Open,
    /// It has closed its sending half with its hello and hears what it asked for.
    Listening,
    /// The same, and it asked for history: that is all that it hears.
    HistoryOnly,
}

/// What the states need of the world around.
#[derive(Debug)]
pub(crate) struct Env<'a> {
    pub(crate) now: Now,
    pub(crate) gauge: &'a Gauge,
    pub(crate) events: &'a mut Vec<Event>,
    pub(crate) pool: &'a mut Pool,
}

impl Connection {
    pub(crate) fn new(now: Instant, id: Origin, addr: SocketAddr, rules: Rc<Rules>) -> Self {
        Self {
            id,
            addr,
            out: Outgoing::default(),
            deadline: Some(now.after(rules.limits.prompt_delay)),
            carry: Vec::new(),
            unfinished: None,
            begun: None,
            session: None,
            answers: Answers::default(),
            last_line: None,
            paused: false,
            starved: false,
            listed: false,
            rules,
            state: State::Hello(HelloState::new(now)),
        }
    }

    /// Takes a chunk: what was left over before, then what was read. Returns what the core has
    /// to do; what is left over this time is in `carry`.
    pub(crate) fn receive(&mut self, env: &mut Env<'_>, chunk: Chunk, read_end: ReadEnd) -> Option<Command> {
        let rules = Rc::clone(&self.rules);
        let mut rest = chunk;
        let mut command = None;
        // A hello and messages may come in one chunk: each state takes its part.
        loop {
            let before = rest.bytes.len();
            let (used, wanted) = match &mut self.state {
                State::Hello(_) => self.receive_hello(env, &rest.bytes, read_end),
                State::Topic(_) => self.receive_topic(env, &rest.bytes, read_end),
                State::Publishing(publishing) => {
                    let taken = publishing.take(env.now, &rest, read_end, &rules.limits, env.gauge);
                    self.published(env, &taken.run, taken.end);
                    (taken.used, taken.run.map(Command::Publish))
                }
                State::Subscribing(_) => (self.receive_from_subscriber(env, &rest.bytes, read_end), None),
                State::Ending => (before, None),
            };
            rest.bytes.advance(used);
            command = command.or(wanted);
            let may_go_on = used > 0 && !rest.bytes.is_empty();
            match command {
                Some(Command::Announce { topic, .. }) => {
                    // What is left over is received where it will live, and counts there.
                    self.carry = Vec::new();
                    self.unfinished = None;
                    self.starved = false;
                    return Some(Command::Announce { topic, rest, read_end });
                }
                Some(Command::Publish(_)) => break,
                _ if !may_go_on => break,
                _ => {}
            }
        }
        let leftover = if command.is_some() { Leftover::Begins } else { Leftover::GoesOn };
        self.keep(env, rest, leftover);
        if read_end == ReadEnd::Closed {
            self.read_closed(env);
        }
        command
    }

    /// The peer sends nothing more. A subscriber that says so together with its hello wants to
    /// hear what it asked for; anyone else who says it has gone, as far as anyone can tell.
    fn read_closed(&mut self, env: &mut Env<'_>) {
        if self.hearing() != Hearing::Open {
            return; // it has said so before
        }
        if let State::Subscribing(subscribing) = &mut self.state
            && env.now.mono.since(subscribing.since) < self.rules.limits.prompt_delay
        {
            subscribing.hearing =
                if subscribing.wants_history { Hearing::HistoryOnly } else { Hearing::Listening };
            return;
        }
        self.end(env, CloseReason::Gone);
    }

    /// The core says that the subscription stands.
    pub(crate) fn subscribed(&mut self, events: &mut Vec<Event>) {
        let State::Subscribing(subscribing) = &self.state else { return };
        if subscribing.first == First::Server {
            self.out.push(Bytes::from_static(WAITING_LINE.as_bytes()));
        }
        events.push(Event::Subscriber {
            id: self.id,
            addr: self.addr,
            name: subscribing.name.clone(),
            filter: subscribing.filter.clone(),
        });
    }

    /// The time in `deadline` has come.
    pub(crate) fn timeout(&mut self, env: &mut Env<'_>) -> Option<Command> {
        self.deadline = None;
        match &mut self.state {
            State::Hello(hello) => {
                let carry = std::mem::take(&mut self.carry);
                let progress = hello.timeout(env.now.mono, &carry, &self.rules.limits);
                let (used, command) = self.hello_progress(env, progress);
                let rest = Bytes::copy_from_slice(carry.get(used..).unwrap_or_default());
                let rest = Chunk { pinned_bytes: rest.len(), bytes: rest };
                self.keep(env, rest, Leftover::GoesOn);
                command
            }
            State::Topic(_) => {
                self.end(env, CloseReason::Silent);
                None
            }
            State::Ending => {
                // The peer takes nothing, not even its last line.
                self.out.clear();
                self.begun = None;
                self.answers = Answers::default();
                self.last_line = None;
                None
            }
            State::Publishing(_) | State::Subscribing(_) => None,
        }
    }

    /// Ends the connection once what waits is written; only the first reason counts.
    pub(crate) fn end(&mut self, env: &mut Env<'_>, reason: CloseReason) {
        if matches!(self.state, State::Ending) {
            return;
        }
        match farewell(&reason, &self.rules.limits) {
            Some(line) if self.begun.is_some() || self.answers.owed() > 0 => self.last_line = Some(line),
            Some(line) => self.out.append(env.pool, |own| own.extend_from_slice(line.as_bytes())),
            None => {}
        }
        self.carry = Vec::new();
        self.unfinished = None;
        self.deadline = Some(env.now.mono.after(self.rules.limits.drain_time));
        env.events.push(Event::Closing { id: self.id, addr: self.addr, reason });
        self.state = State::Ending;
    }

    /// The line that was begun is whole, or all answers are given.
    pub(crate) fn line_ended(&mut self, pool: &mut Pool) {
        if let Some(line) = self.last_line.take() {
            self.out.append(pool, |own| own.extend_from_slice(line.as_bytes()));
        }
    }

    /// Waits a moment longer: what it waits for may have come already and not been read.
    pub(crate) fn postpone(&mut self, until: Instant) {
        self.deadline = Some(until);
    }

    /// Whether a deadline is there to see what the client says.
    pub(crate) fn is_greeting(&self) -> bool {
        matches!(self.state, State::Hello(_) | State::Topic(_))
    }

    /// A publisher has found its place.
    pub(crate) fn announce(&self, events: &mut Vec<Event>) {
        let State::Publishing(publishing) = &self.state else { return };
        let name = publishing.publisher.name.clone();
        let topic = publishing.topic.clone();
        events.push(Event::Publisher { id: self.id, addr: self.addr, name, topic });
    }

    /// Takes a publisher apart that has published nothing yet, for another shard. `None` for
    /// anyone else.
    pub(crate) fn into_handover(self, rest: Chunk, read_end: ReadEnd) -> Option<Handover> {
        let State::Publishing(publishing) = self.state else { return None };
        Some(Handover { addr: self.addr, publishing, rest, read_end })
    }

    /// A publisher that comes from another shard.
    pub(crate) fn adopted(id: Origin, handover: Handover, rules: Rc<Rules>) -> Self {
        let mut publishing = handover.publishing;
        let publisher = Publisher { origin: id, ..publishing.publisher.as_ref().clone() };
        publishing.publisher = Arc::new(publisher);
        Self {
            id,
            addr: handover.addr,
            out: Outgoing::default(),
            deadline: None,
            carry: Vec::new(),
            unfinished: None,
            begun: None,
            session: None,
            answers: Answers::default(),
            last_line: None,
            paused: false,
            starved: false,
            listed: false,
            rules,
            state: State::Publishing(publishing),
        }
    }

    /// How deliveries look to this connection; `None` if it gets none (any more).
    pub(crate) fn style(&self) -> Option<LineStyle> {
        match &self.state {
            State::Subscribing(subscribing) => Some(subscribing.style),
            _ => None,
        }
    }

    /// Whether the connection ends once `out` is written.
    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending)
    }

    /// Whether everything is said that is to be said before the connection closes.
    pub(crate) fn is_over(&self) -> bool {
        self.is_ending() && self.is_written() && self.begun.is_none()
    }

    /// Whether nothing waits for its socket but deliveries.
    pub(crate) fn is_written(&self) -> bool {
        self.out.is_empty() && self.answers.owed() == 0
    }

    /// Whether something could be written to its socket now, besides deliveries.
    pub(crate) fn has_writes(&self) -> bool {
        !self.out.is_empty() || self.answers.due() > 0
    }

    /// Bytes that wait for its socket, besides deliveries.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        self.out.bytes() + self.answers.owed() * OK_LINE.len()
    }

    /// The core has accepted the first `upto` messages that it published.
    pub(crate) fn accepted(&mut self, upto: u64) {
        // Who wants no answers has published nothing, as far as they go.
        self.answers.accepted = upto.min(self.answers.published);
    }

    /// Writes the next answers that are due, at most `bytes_max` of them or one.
    pub(crate) fn answer(&mut self, pool: &mut Pool, bytes_max: usize) {
        let count = self.answers.due().min((bytes_max / OK_LINE.len()).max(1));
        self.answers.written += count as u64;
        self.out.append(pool, |own| (0..count).for_each(|_| own.extend_from_slice(OK_LINE.as_bytes())));
        if self.answers.owed() == 0 {
            self.line_ended(pool);
        }
    }

    /// Whether it has closed its sending half and goes on to hear.
    pub(crate) fn hearing(&self) -> Hearing {
        match &self.state {
            State::Subscribing(subscribing) => subscribing.hearing,
            _ => Hearing::Open,
        }
    }

    /// Whether it may be read now.
    pub(crate) fn may_read(&self) -> bool {
        match &self.state {
            State::Publishing(_) if self.starved => false,
            State::Publishing(_) => {
                !self.paused && self.unwritten_bytes() <= self.rules.limits.replies_bytes_max
            }
            State::Ending => false,
            _ => true,
        }
    }

    pub(crate) fn role(&self) -> RoleName {
        match &self.state {
            State::Publishing(_) => RoleName::Publisher,
            State::Subscribing(_) => RoleName::Subscriber,
            _ => RoleName::Unknown,
        }
    }

    /// The row that an operator sees; the station adds what the core knows.
    pub(crate) fn row(&self) -> ClientRow {
        let (name, topic) = match &self.state {
            State::Publishing(p) => (p.publisher.name.clone(), p.topic.to_string()),
            State::Subscribing(s) => (s.name.clone(), s.filter.to_string()),
            _ => (None, String::new()),
        };
        ClientRow {
            id: self.id,
            addr: self.addr,
            name,
            role: self.role(),
            topic,
            queued_bytes: self.out.bytes(),
        }
    }

    /// A chunk was taken: answers what was accepted and ends where it says so.
    fn published(&mut self, env: &mut Env<'_>, run: &Option<Run>, end: Option<CloseReason>) {
        if let (Some(run), State::Publishing(publishing)) = (run, &self.state)
            && publishing.acks == Acks::Wanted
        {
            self.answers.published += u64::from(run.len());
        }
        if let Some(reason) = end {
            self.end(env, reason);
        }
    }

    /// A subscriber has nothing to say but `terminate`; whatever else it sends is dropped.
    fn receive_from_subscriber(&mut self, env: &mut Env<'_>, bytes: &[u8], read_end: ReadEnd) -> usize {
        let mut start = 0;
        while let Some(line) = next_line(bytes, start, start) {
            if bytes.get(start..line.end).is_some_and(is_terminate) {
                self.end(env, CloseReason::Terminated);
                return bytes.len();
            }
            start = line.next;
        }
        let rest = bytes.get(start..).unwrap_or_default();
        if read_end != ReadEnd::More && is_terminate(rest) {
            self.end(env, CloseReason::Terminated);
        }
        // The word may come in pieces; nothing else is worth keeping.
        if begins_terminate(rest) { start } else { bytes.len() }
    }

    /// Keeps what is left over; a long one is counted. One that fills most of its allocation keeps
    /// that, so that a long message which comes byte by byte is not copied each time.
    fn keep(&mut self, env: &mut Env<'_>, rest: Chunk, leftover: Leftover) {
        if self.is_ending() {
            return;
        }
        if planted::is(Bug::LoseCarry) && matches!(self.state, State::Publishing(_)) {
            return;
        }
        let fills = rest.bytes.len() * 2 >= rest.pinned_bytes;
        self.carry = if fills { rest.bytes.into() } else { rest.bytes.to_vec() };
        let rest = &self.carry;
        // A hello is bounded by itself.
        let counts = matches!(self.state, State::Publishing(_));
        if !counts || rest.len() <= self.rules.limits.unfinished_bytes_free {
            self.unfinished = None;
            return;
        }
        match &mut self.unfinished {
            Some(unfinished) => {
                unfinished.charge.set(rest.capacity());
                if leftover == Leftover::Begins {
                    unfinished.since = env.now.mono;
                }
            }
            None => {
                let charge = env.gauge.charge(Use::Unfinished, rest.capacity());
                self.unfinished = Some(Unfinished { since: env.now.mono, charge });
            }
        }
    }
}
