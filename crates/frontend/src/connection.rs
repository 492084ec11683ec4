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
use broker::{Charge, Gauge, HistoryRequest, Instant, Now, Origin, Publisher, Run, Use};
use bytes::{Buf as _, Bytes};
use topic::{Filter, TopicName};
use wire::text::{Hello, OK_LINE, WAITING_LINE, begins_terminate, is_terminate, next_line};

use crate::encode::LineStyle;
use crate::event::{CloseReason, Event};
use crate::hello::{First, Framing, HelloState, Rules, farewell};
use crate::outgoing::Outgoing;
use crate::publishing::{Acks, Publishing};

/// The part of the memory budget that long unfinished messages may take.
const UNFINISHED_PART: usize = 8;

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
    unfinished: Option<Charge>,
    /// Whether the core wants this connection read.
    pub(crate) paused: bool,
    /// Whether it stands in the list of connections to be written.
    pub(crate) listed: bool,
    pub(crate) rules: Rc<Rules>,
    pub(crate) state: State,
}

#[derive(Debug)]
pub(crate) enum State {
    Hello(HelloState),
    Topic(Box<AwaitingTopic>),
    Publishing(Box<Publishing>),
    Subscribing(Box<Subscribing>),
    Ending(CloseReason),
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
}

/// What the states need of the world around.
#[derive(Debug)]
pub(crate) struct Env<'a> {
    pub(crate) now: Now,
    pub(crate) gauge: &'a Gauge,
    pub(crate) events: &'a mut Vec<Event>,
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
            paused: false,
            listed: false,
            rules,
            state: State::Hello(HelloState::new(now)),
        }
    }

    /// Takes a chunk: what was left over before, then what was read. Returns what the core has
    /// to do; what is left over this time is in `carry`.
    pub(crate) fn receive(&mut self, env: &mut Env<'_>, chunk: &Chunk, read_end: ReadEnd) -> Option<Command> {
        let rules = Rc::clone(&self.rules);
        let mut rest = chunk.clone();
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
                State::Ending(_) => (before, None),
            };
            rest.bytes.advance(used);
            command = command.or(wanted);
            let may_go_on = used > 0 && !rest.bytes.is_empty();
            match command {
                Some(Command::Announce { topic, .. }) => {
                    self.carry = Vec::new();
                    return Some(Command::Announce { topic, rest, read_end });
                }
                Some(Command::Publish(_)) => break,
                _ if !may_go_on => break,
                _ => {}
            }
        }
        self.keep(env, &rest.bytes);
        if read_end == ReadEnd::Closed {
            self.end(env, CloseReason::Gone);
        }
        command
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
                self.keep(env, carry.get(used..).unwrap_or_default());
                command
            }
            State::Topic(_) => {
                self.end(env, CloseReason::Silent);
                None
            }
            State::Ending(_) => {
                // The peer takes nothing, not even its last line.
                self.out.clear();
                None
            }
            State::Publishing(_) | State::Subscribing(_) => None,
        }
    }

    /// Ends the connection once what waits is written; only the first reason counts.
    pub(crate) fn end(&mut self, env: &mut Env<'_>, reason: CloseReason) {
        if matches!(self.state, State::Ending(_)) {
            return;
        }
        if let Some(line) = farewell(&reason, &self.rules.limits) {
            self.out.push(line.into());
        }
        self.carry = Vec::new();
        self.unfinished = None;
        self.deadline = Some(env.now.mono.after(self.rules.limits.drain_time));
        env.events.push(Event::Closing { id: self.id, addr: self.addr, reason: reason.clone() });
        self.state = State::Ending(reason);
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
            paused: false,
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
        matches!(self.state, State::Ending(_))
    }

    /// Whether its peer has gone: what waits is not worth waiting for.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.state, State::Ending(CloseReason::Gone))
    }

    /// Whether it may be read now.
    pub(crate) fn may_read(&self) -> bool {
        match &self.state {
            State::Publishing(_) => !self.paused && self.out.bytes() <= self.rules.limits.replies_bytes_max,
            State::Ending(_) => false,
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
            self.out.push(OK_LINE.repeat(run.len() as usize).into());
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

    /// Keeps what is left over, within the memory budget.
    fn keep(&mut self, env: &mut Env<'_>, rest: &[u8]) {
        if self.is_ending() {
            return;
        }
        let limits = &self.rules.limits;
        self.unfinished = None;
        if rest.len() > limits.unfinished_bytes_free {
            self.unfinished = Some(env.gauge.charge(Use::Unfinished, rest.len()));
            if env.gauge.used_for(Use::Unfinished) > limits.memory_bytes_max / UNFINISHED_PART {
                self.end(env, CloseReason::OutOfMemory);
                return;
            }
        }
        if planted::is(Bug::LoseCarry) && matches!(self.state, State::Publishing(_)) {
            return;
        }
        self.carry = rest.to_vec();
    }
}
