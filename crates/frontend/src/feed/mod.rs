//! What a client of the web hears: messages with the position behind each, gaps, signs of life.
//!
//! The same for a stream over HTTP and for JSON over WebSocket; `encode` makes the bytes, once for all
//! who get the same, `position` says where a client stands.

mod encode;
mod position;

use broker::{Filters, Refusal, RetainedRequest, SessionId, Slice, SubscriptionRefusal};
use topic::Filter;
use wire::past::Replay;

use crate::delivering::PartSize;
use crate::env::Env;
use crate::link::Link;
use crate::text::{Format, LinePart, gap_line};
use encode::{Cursor, Standing, write_heartbeat};
use position::From;

pub(crate) use encode::{Encoder, Shape, Style, Wrapping, write_event};

/// What one connection hears, as it is written.
#[derive(Debug)]
pub(crate) struct Feed {
    style: Style,
    /// A message that is written in part.
    begun: Option<Begun>,
    /// Whether a sign of life is due.
    beats: bool,
}

#[derive(Debug)]
struct Begun {
    /// The run, from that message on.
    slice: Slice,
    part: LinePart,
    /// Where its receiver stands, and whether the message moves it.
    own: Box<[u64]>,
    moves: Moves,
}

/// Whether a message moves the position of its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moves {
    Yes,
    No,
}

/// Why a client does not go on where it wanted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missed {
    /// Something is not kept any more.
    Evicted,
    /// It stood in another life of the server: all that this one keeps follows.
    Restarted,
    /// What it says is no position: nothing of the past follows.
    Unknown,
}

impl Missed {
    /// What the gap says of it.
    pub(crate) fn says(self) -> String {
        let reason = match self {
            Self::Evicted => "evicted",
            Self::Restarted => "restarted",
            Self::Unknown => "unknown",
        };
        format!("\"lost\":null,\"reason\":\"{reason}\"")
    }
}

impl Feed {
    pub(crate) fn new(style: Style) -> Self {
        Self { style, begun: None, beats: false }
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// Whether a message is written in part.
    pub(crate) fn is_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Gives a message up that is written in part.
    pub(crate) fn give_up(&mut self) {
        self.begun = None;
    }

    /// Whether its position is told.
    pub(crate) fn tells_position(&self) -> bool {
        self.style.shape != Shape::Lines
    }

    /// Says something of the broker's own.
    pub(crate) fn say(&self, link: &mut Link, env: &mut Env, says: (&str, &str), position: Option<&[u8]>) {
        link.out.append(&mut env.pool, |own| write_event(own, self.style, says, position));
        link.list_to_write(env);
    }

    /// Says how many messages were dropped here.
    pub(crate) fn say_gap(&self, link: &mut Link, env: &mut Env, session: SessionId, lost: u64) {
        if self.style.shape == Shape::Lines {
            let line = gap_line(Format::From, lost);
            return link.out.append(&mut env.pool, |own| write_line(own, self.style, &line));
        }
        let position = env.position_text(session);
        let says = format!("\"lost\":{lost},\"reason\":\"slow\"");
        self.say(link, env, ("gap", &says), position.as_deref());
    }

    /// Time for a sign of life, once nothing else is to be said.
    pub(crate) fn is_due_to_beat(&mut self, link: &mut Link, env: &mut Env) {
        // Whoever does not take what waits is not sent more.
        if link.out.is_empty() && !link.ending {
            self.beats = true;
            link.list_to_write(env);
        }
    }

    /// Gives a sign of life if one is due; it also tells where the client stands, behind all that came.
    pub(crate) fn beat(&mut self, link: &mut Link, env: &mut Env, session: SessionId) -> bool {
        if !std::mem::take(&mut self.beats) {
            return false;
        }
        let position = if self.tells_position() { env.caught_up_text(session) } else { None };
        link.out.append(&mut env.pool, |own| write_heartbeat(own, self.style, position.as_deref()));
        true
    }

    /// Encodes the next part of a run, and puts back what is left of it.
    pub(crate) fn encode(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        session: SessionId,
        mut slice: Slice,
        size: PartSize,
    ) {
        let own = env.shard.position(session).unwrap_or_default();
        let shard = usize::from(slice.run.run().publisher().origin.shard.0);
        let standing = match slice.run.noted() {
            Some(noted) if slice.asked_by.is_none() && is_alike(noted, own, shard) => {
                Standing::AsNoted(noted)
            }
            _ if env.shard.moves_position(session, &slice) => Standing::Own(own),
            _ => Standing::Still(own),
        };
        let from = Cursor { message: slice.skip, part: None };
        let outgoing = (&mut link.out, &mut env.pool);
        let Some(to) = env.streams.encode(&slice.run, from, self.style, (standing, size), outgoing) else {
            return;
        };
        slice.skip = to.message;
        let mut rest = slice.clone();
        if let Some(part) = to.part {
            let moves = if matches!(standing, Standing::Still(_)) { Moves::No } else { Moves::Yes };
            let own = own.into();
            self.begun = Some(Begun { slice, part, own, moves });
            rest.skip += 1;
        }
        // The rest is the core's again, but for a message that is written in part.
        if !rest.is_empty() {
            env.shard.put_back(session, rest);
        }
    }

    /// Encodes more of a message that was begun; false if there is none.
    pub(crate) fn go_on(&mut self, link: &mut Link, env: &mut Env, size: PartSize) -> bool {
        let Some(Begun { slice, part, own, moves }) = self.begun.take() else { return false };
        let from = Cursor { message: slice.skip, part: Some(part) };
        let standing = if moves == Moves::Yes { Standing::Own(&own) } else { Standing::Still(&own) };
        let outgoing = (&mut link.out, &mut env.pool);
        let to = env.streams.encode(&slice.run, from, self.style, (standing, size), outgoing);
        if let Some(part) = to.and_then(|to| to.part) {
            self.begun = Some(Begun { slice, part, own, moves });
        }
        true
    }
}

/// A line of its own, in its chunk.
pub(crate) fn write_line(out: &mut Vec<u8>, style: Style, line: &str) {
    match style.wrapping {
        Wrapping::Chunks => wire::http::write_chunk(out, line.as_bytes()),
        Wrapping::Bare => out.extend_from_slice(line.as_bytes()),
    }
}

/// Whether two positions say the same of all shards but one.
fn is_alike(noted: &[u64], own: &[u64], shard: usize) -> bool {
    noted.len() == own.len()
        && noted.iter().zip(own).enumerate().all(|(index, (noted, own))| index == shard || noted == own)
}

/// A filter that may be heard over the web.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub(crate) fn filter(text: &str) -> Result<Filter, String> {
    if text.starts_with("$share/") {
        return Err("Shared subscriptions are for MQTT".to_owned());
    }
    Filter::parse(text).map_err(|error| format!("Invalid filter \"{text}\": {error}"))
}

/// How far back a client wants to hear.
///
/// # Errors
/// What it would have to be.
pub(crate) fn since(text: &str) -> Result<Replay, &'static str> {
    let span = wire::past::span(text).map(Replay::Since);
    let since = span.or_else(|| wire::past::time(text).map(Replay::SinceTime));
    since.ok_or("it is a span as 5m, or a time as 2026-11-22T12:00:00Z")
}

/// What a client wants to hear.
#[derive(Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) filters: &'a [Filter],
    pub(crate) replay: Replay,
}

/// Why it does not get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unheard {
    /// A filter under `$SYS` beside others.
    SystemBesides,
    Refused(Refusal),
}

impl Unheard {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::SystemBesides => {
                "A filter under $SYS stands alone: what the broker tells of itself is no history"
            }
            Self::Refused(Refusal::FilterMemory) => "Out of memory for subscriptions: try again later",
            Self::Refused(Refusal::Unanswered) => "No answer to the subscription in time: try again later",
            Self::Refused(Refusal::FilterShapes) => {
                "Too many ways to mix names and + in filters: use fewer levels"
            }
        }
    }
}

impl Env {
    /// A session wants to know where it stands from now on, and to go on where its client says that it
    /// stood. Returns why it does not.
    pub(crate) fn begin_position(&mut self, session: SessionId, after: Option<&[u8]>) -> Option<Missed> {
        let nothing = vec![0; usize::from(self.shards)];
        let from = after.map(|after| position::parse(after, self.streams.epoch, nothing.len()));
        let (from, missed) = match &from {
            None => (None, None),
            Some(From::Here(places)) => (Some(&places[..]), None),
            // Everything that is kept was accepted since the client was last here.
            Some(From::Foreign) => (Some(&nothing[..]), Some(Missed::Restarted)),
            Some(From::Unknown) => (None, Some(Missed::Unknown)),
        };
        self.shard.keep_position(session, from);
        missed
    }

    /// A session subscribes to one filter or several at once. Who does not get it is counted.
    pub(crate) fn hear(
        &mut self,
        session: SessionId,
        wish: &Wish<'_>,
    ) -> Result<broker::SubscriptionId, Unheard> {
        let filters = Filters::new(wish.filters);
        let is_system = wish.filters.iter().any(Filter::is_system);
        if is_system && matches!(filters, Filters::Several(_)) {
            self.shard.refuse_subscription(SubscriptionRefusal::InvalidFilter);
            return Err(Unheard::SystemBesides);
        }
        let retained = if is_system { RetainedRequest::All } else { RetainedRequest::None };
        let history = self.history(wish.replay);
        let subscribed = self.shard.subscribe(self.now, session, &filters, history, retained);
        subscribed.map_err(Unheard::Refused)
    }

    /// Where a session stands behind its last delivery, as its client keeps it.
    pub(crate) fn position_text(&self, session: SessionId) -> Option<Vec<u8>> {
        let places = self.shard.position(session)?;
        let mut text = Vec::new();
        position::write(&mut text, self.streams.epoch, places.iter().copied());
        Some(text)
    }

    /// The same for a session for which nothing waits, behind all that came.
    fn caught_up_text(&mut self, session: SessionId) -> Option<Vec<u8>> {
        let places = self.shard.caught_up(self.now, session)?.to_vec();
        let mut text = Vec::new();
        position::write(&mut text, self.streams.epoch, places.into_iter());
        Some(text)
    }
}
