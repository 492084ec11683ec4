//! The text protocol on one connection (docs/protocol/text.md): from bytes to the core and back.
//!
//! ```text
//! Hello ──▶ [Topic] ──▶ Publishing
//!                 └───▶ Subscribing
//! ```
//! Reading order: `hello` (what the first bytes amount to) and `greeting` (what is done about
//! it), `publishing` (bytes to runs), `hearing` (what a subscriber gets), `encode` (runs to
//! bytes, in parts, once per style), `farewell` (last lines).

mod encode;
mod farewell;
mod greeting;
mod hearing;
mod hello;
mod publishing;

use broker::planted::{self, Bug};
use broker::{Instant, MessageRefusal, Origin};
use topic::Filter;
use wire::text::{OK_LINE, is_terminate, next_line};

pub(crate) use encode::{Encoder, sender, source};
pub(crate) use farewell::{bad_filter, farewell_line};
pub(crate) use hello::First;
pub use hello::TopicPrompt;
pub(crate) use publishing::Publishing;
pub(crate) use wire::text::ROLE_PROMPT as PROMPT;
// A feed of the web shows messages as text's JSON does.
pub(crate) use wire::text::{Format, Frame, LinePart, TimeField, gap_line};

use crate::census::RoleName;
use crate::connection::{Next, Taken};
use crate::env::Env;
use crate::event::{CloseReason, Event};
use crate::half_closed::HalfClosed;
use crate::limits::Limits;
use crate::link::{Chunk, Link, ReadEnd};
use encode::LineStyle;
use greeting::AwaitingTopic;
use hearing::Begun;
use hello::HelloState;
use publishing::{Acks, Parsed};

/// One connection that speaks the text protocol.
#[derive(Debug)]
pub(crate) struct Text {
    state: State,
    /// A delivery that is written in the middle of a line.
    begun: Option<Begun>,
    answers: Answers,
    /// What is to be said behind all that.
    last_line: Option<String>,
}

#[derive(Debug)]
enum State {
    Hello(HelloState),
    Topic(Box<AwaitingTopic>),
    Publishing(Box<Publishing>),
    Subscribing(Box<Subscribing>),
}

/// A connection that hears.
#[derive(Debug)]
struct Subscribing {
    style: LineStyle,
    first: First,
    name: Option<Box<str>>,
    filter: Filter,
    since: Instant,
    wants_history: bool,
}

/// Messages whose publisher wants to hear that they were accepted.
#[derive(Debug, Default)]
struct Answers {
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
    fn due(&self) -> usize {
        usize::try_from(self.accepted - self.written).unwrap_or(usize::MAX)
    }
}

impl Text {
    pub(crate) fn new(first: First, opened: Instant) -> Self {
        Self {
            state: State::Hello(HelloState::new(first, opened)),
            begun: None,
            answers: Answers::default(),
            last_line: None,
        }
    }

    /// A publisher that comes from another shard and has this id here.
    pub(crate) fn adopted(id: Origin, mut publishing: Box<Publishing>) -> Self {
        publishing.adopted(id);
        Self {
            state: State::Publishing(publishing),
            begun: None,
            answers: Answers::default(),
            last_line: None,
        }
    }

    /// A publisher that goes to another shard; `None` if it is none.
    pub(crate) fn into_publishing(self) -> Option<Box<Publishing>> {
        match self.state {
            State::Publishing(publishing) => Some(publishing),
            _ => None,
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
        match &mut self.state {
            State::Hello(_) => self.receive_hello(link, env, &chunk.bytes, read_end),
            State::Topic(_) => self.receive_topic(link, env, &chunk.bytes, read_end),
            State::Publishing(publishing) => {
                let Parsed { used, run, end } =
                    publishing.parse(env.now, chunk, read_end, &link.rules.limits, &env.gauge);
                let mut next = Next::GoOn;
                if let Some(run) = run {
                    env.traffic.received += u64::from(run.len());
                    self.answers.published += match publishing.acks {
                        Acks::Wanted => u64::from(run.len()),
                        Acks::None => 0,
                    };
                    env.publish(run);
                    next = Next::Published;
                }
                if end == Some(CloseReason::TooLong) {
                    env.shard.refuse(MessageRefusal::TooLarge);
                }
                // A `terminate` behind the messages ends the connection after them.
                Taken { used, next: end.map_or(next, Next::End) }
            }
            State::Subscribing(_) => from_subscriber(&chunk.bytes, read_end),
        }
    }

    /// The time of the deadline has come.
    pub(crate) fn timeout(&mut self, link: &mut Link, env: &mut Env, carry: &[u8]) -> Taken {
        match &mut self.state {
            State::Hello(_) => self.hello_progress(link, env, HelloState::timeout(carry)),
            State::Topic(_) => Taken { used: 0, next: Next::End(CloseReason::Silent) },
            State::Publishing(_) | State::Subscribing(_) => Taken::nothing(),
        }
    }

    /// The peer has closed its sending half. A subscriber that does so together with its hello
    /// goes on to hear what it asked for.
    pub(crate) fn goes_on_to_hear(&self, now: Instant, limits: &Limits) -> Option<HalfClosed> {
        let State::Subscribing(subscribing) = &self.state else { return None };
        let with_hello = now.since(subscribing.since) < limits.prompt_delay;
        let half_closed =
            if subscribing.wants_history { HalfClosed::HearsHistory } else { HalfClosed::Hears };
        with_hello.then_some(half_closed)
    }

    /// The core has accepted the first `upto` messages that it published.
    pub(crate) fn accepted(&mut self, link: &mut Link, env: &mut Env, upto: u64) {
        // Who wants no answers has published nothing, as far as they go.
        self.answers.accepted = upto.min(self.answers.published);
        if self.answers.due() > 0 {
            link.list_to_write(env);
        }
    }

    /// Writes the next answers that are due, at most `bytes_max` of them or one.
    fn answer(&mut self, link: &mut Link, env: &mut Env, bytes_max: usize) {
        // In parts, like anything that is written: a million of them are owed as easily as one.
        let count = self.answers.due().min((bytes_max / OK_LINE.len()).max(1));
        self.answers.written += count as u64;
        link.out.append(&mut env.pool, |own| {
            (0..count).for_each(|_| own.extend_from_slice(OK_LINE.as_bytes()));
        });
        self.say_last_line(link, env);
    }

    /// Its socket takes nothing: what was begun or promised is given up.
    pub(crate) fn give_up(&mut self) {
        self.begun = None;
        self.answers = Answers::default();
        self.last_line = None;
    }

    /// Whether nothing is begun or promised.
    pub(crate) fn is_said(&self) -> bool {
        self.begun.is_none() && self.answers.owed() == 0
    }

    /// Bytes that are promised.
    pub(crate) fn owed_bytes(&self) -> usize {
        self.answers.owed() * OK_LINE.len()
    }

    /// Whether a deadline is there to see what the client says.
    pub(crate) fn is_greeting(&self) -> bool {
        let says_topic = matches!(self.state, State::Topic(_)) && !planted::is(Bug::TimerBeforeTopic);
        says_topic || matches!(self.state, State::Hello(_))
    }

    pub(crate) fn role(&self) -> RoleName {
        match &self.state {
            State::Publishing(_) => RoleName::Publisher,
            State::Subscribing(_) => RoleName::Subscriber,
            State::Hello(_) | State::Topic(_) => RoleName::Unknown,
        }
    }

    /// What an operator is told of a publisher that has found its place.
    pub(crate) fn announcement(&self, link: &Link) -> Option<Event> {
        let State::Publishing(publishing) = &self.state else { return None };
        let (name, topic) = (publishing.publisher.name.clone(), publishing.topic.clone());
        Some(Event::Publisher { id: link.id, addr: link.addr, name, topic })
    }

    pub(crate) fn name_and_topic(&self) -> (Option<Box<str>>, String) {
        match &self.state {
            State::Publishing(p) => (p.publisher.name.clone(), p.topic.to_string()),
            State::Subscribing(s) => (s.name.clone(), s.filter.to_string()),
            State::Hello(_) | State::Topic(_) => (None, String::new()),
        }
    }
}

/// A subscriber has nothing to say but `terminate`; whatever else it sends is dropped.
fn from_subscriber(bytes: &[u8], read_end: ReadEnd) -> Taken {
    let ends = Taken { used: bytes.len(), next: Next::End(CloseReason::Terminated) };
    let mut start = 0;
    while let Some(line) = next_line(bytes, start, start) {
        if bytes.get(start..line.end).is_some_and(is_terminate) {
            return ends;
        }
        start = line.next;
    }
    let rest = bytes.get(start..).unwrap_or_default();
    if read_end != ReadEnd::More && is_terminate(rest) {
        return ends;
    }
    // The word may come in pieces; nothing else is worth keeping.
    let used = if wire::text::begins_terminate(rest) { start } else { bytes.len() };
    Taken { used, next: Next::GoOn }
}
