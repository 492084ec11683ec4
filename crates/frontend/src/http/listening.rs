//! What a stream shows: messages, gaps, where the client stands, and the end.

use broker::{Delivery, Filters, Refusal, Resumed, RetainedRequest, SessionId, Slice};
use bytes::Bytes;
use wire::http::{Framing, Head, LAST_CHUNK, Status, write_head};
use wire::text::LinePart;

use crate::delivering::{Delivered, PartSize};
use crate::env::Env;
use crate::event::{CloseReason, Event};
use crate::http::answers::{Problem, push_page};
use crate::http::encode::{Cursor, Standing, StreamStyle, Wrapping, write_event, write_heartbeat};
use crate::http::position::{self, From};
use crate::http::request::{self, Ends, Listen, StreamFormat};
use crate::http::{Http, State, Step};
use crate::link::Link;
use crate::station::Action;

/// Bytes that a client may send ahead while it hears what is kept.
const AHEAD_BYTES_MAX: usize = 16 * 1024;

/// A request that is answered by a stream.
#[derive(Debug)]
pub(super) struct Streaming {
    listen: Listen,
    style: StreamStyle,
    page: Option<Box<str>>,
    keep_alive: bool,
    /// Why it does not go on where it wanted to, if it does not.
    missed: Option<&'static str>,
    /// A message that is written in the middle of its line.
    begun: Option<Begun>,
    /// Whether its subscription stands.
    is_open: bool,
    /// What is to be said behind a line that was begun.
    end: Option<&'static str>,
}

#[derive(Debug)]
struct Begun {
    /// The run, from that message on.
    slice: Slice,
    part: LinePart,
    /// Where its receiver stands.
    own: Box<[u64]>,
}

impl Streaming {
    pub(super) fn is_begun(&self) -> bool {
        self.begun.is_some()
    }

    pub(super) fn filters(&self) -> String {
        let filters: Vec<&str> = self.listen.filters.iter().map(topic::Filter::as_str).collect();
        filters.join(" ")
    }

    /// Whoever hears has nothing to say; what stands behind a request that ends is the next one.
    pub(super) fn hears_client(&self, bytes: &[u8], link: &Link) -> Step {
        if self.listen.ends == Ends::Never {
            return Step::Used(bytes.len());
        }
        match bytes.len() > AHEAD_BYTES_MAX.max(link.rules.limits.head_bytes_max) {
            true => Step::Refused(Problem::new(Status::CONTENT_TOO_LARGE, "Too much ahead of an answer")),
            false => Step::Waits,
        }
    }

    /// Whether its position is told.
    fn tells_position(&self) -> bool {
        self.style.format != StreamFormat::Lines
    }
}

impl Http {
    /// The head of a request to hear is there.
    pub(super) fn listen(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        (head, named, page): (&Head<'_>, &str, Option<&str>),
    ) -> Result<usize, Problem> {
        if head.framing != Framing::None && head.framing != Framing::Sized(0) {
            return Err(Problem::new(Status::BAD_REQUEST, "A request to hear has no body"));
        }
        let mut listen = request::listen(head, named, link.rules.limits.http_filters_max)?;
        let after = listen.after.take();
        let wrapping = if request::takes_chunks(head) { Wrapping::Chunks } else { Wrapping::Bare };
        let mut streaming = Streaming {
            style: StreamStyle { format: listen.format, wrapping },
            listen,
            page: page.map(Box::from),
            keep_alive: head.keep_alive && wrapping == Wrapping::Chunks,
            missed: None,
            begun: None,
            is_open: false,
            end: None,
        };
        if head.method == "HEAD" {
            let mut out = Vec::new();
            streaming.write_head(&mut out);
            self.answers.whole(out);
            self.finished(streaming.keep_alive);
            return Ok(head.len);
        }
        let session = env.shard.open(link.id.conn);
        link.session = Some(session);
        streaming.subscribe(env, session, after.as_deref())?;
        link.set_deadline(env, None);
        self.state = State::Streaming(Box::new(streaming));
        Ok(head.len)
    }

    /// The core says that the subscription stands.
    pub(crate) fn subscribed(&mut self, link: &mut Link, env: &mut Env, resumed: Resumed) {
        let State::Streaming(streaming) = &mut self.state else { return };
        let Some(session) = link.session else { return };
        if resumed == Resumed::Short {
            streaming.missed = streaming.missed.or(Some("evicted"));
        }
        streaming.is_open = true;
        let position = env.position_text(session);
        link.out.append(&mut env.pool, |own| streaming.write_opening(own, position.as_deref()));
        link.list_to_write(env);
        if let Some(filter) = streaming.listen.filters.first() {
            let (id, addr, filter) = (link.id, link.addr, filter.clone());
            env.events.push(Event::Subscriber { id, addr, name: None, filter });
        }
        self.set_beat(link, env);
    }

    fn set_beat(&self, link: &mut Link, env: &mut Env) {
        let at = env.now.mono.after(link.rules.limits.heartbeat_time);
        link.set_deadline(env, Some(at));
    }

    /// Time for a sign of life; it also tells where the client stands if nothing came for it.
    pub(super) fn beat(&mut self, link: &mut Link, env: &mut Env) {
        self.set_beat(link, env);
        let State::Streaming(streaming) = &self.state else { return };
        let Some(session) = link.session.filter(|_| streaming.is_open && !link.ending) else { return };
        // Whoever does not take what waits is not sent more.
        if !link.out.is_empty() || streaming.is_begun() {
            return;
        }
        let position = if streaming.tells_position() { env.caught_up_text(session) } else { None };
        let style = streaming.style;
        link.out.append(&mut env.pool, |own| write_heartbeat(own, style, position.as_deref()));
        link.list_to_write(env);
    }

    /// Encodes the next thing: answers, the rest of a line, or what the core has.
    pub(crate) fn deliver(&mut self, link: &mut Link, env: &mut Env, size: PartSize) -> Delivered {
        if self.answers.is_due() {
            let publisher = (link.id, self.began());
            link.out.append(&mut env.pool, |own| self.answers.write(own, size.bytes, publisher));
            if self.answers.is_empty() && std::mem::take(&mut self.is_held) {
                env.actions.push_back(Action::Again(link.id.conn));
            }
            return Delivered::Something;
        }
        let streaming = match &mut self.state {
            State::Streaming(streaming) if streaming.is_open => streaming,
            State::Over if self.answers.is_empty() && !link.ending => {
                return Delivered::End(CloseReason::Terminated);
            }
            _ => return Delivered::Nothing,
        };
        if let Some(begun) = streaming.begun.take() {
            streaming.go_on(link, env, begun, size);
            return Delivered::Something;
        }
        let Some(session) = link.session.filter(|_| !link.ending) else { return Delivered::Nothing };
        match env.shard.poll_delivery(env.now, session, u32::MAX, usize::MAX) {
            Some(Delivery::Messages(slice)) if streaming.is_behind_history(&slice) => {
                self.end_of_history(link, env, session)
            }
            Some(Delivery::Messages(slice)) => {
                streaming.encode(link, env, session, slice, size);
                Delivered::Something
            }
            Some(Delivery::Gap(lost)) => {
                streaming.write_gap(link, env, session, lost);
                Delivered::Something
            }
            None if env.shard.is_asking(session) => Delivered::Nothing,
            None if streaming.listen.ends == Ends::WithHistory => self.end_of_history(link, env, session),
            None if env.draining => Delivered::End(CloseReason::Shutdown),
            None => Delivered::Nothing,
        }
    }

    /// What was kept is written: the next request may come.
    fn end_of_history(&mut self, link: &mut Link, env: &mut Env, session: SessionId) -> Delivered {
        let State::Streaming(streaming) = std::mem::replace(&mut self.state, State::Head) else {
            return Delivered::Nothing;
        };
        link.session = None;
        env.shard.detach(session);
        env.shard.close(session);
        link.set_deadline(env, None);
        if streaming.style.wrapping == Wrapping::Chunks {
            link.out.push(Bytes::from_static(LAST_CHUNK));
        }
        if !streaming.keep_alive {
            self.state = State::Over;
            return Delivered::End(CloseReason::HistoryRead);
        }
        // What it has said meanwhile is its next request.
        env.actions.push_back(Action::Again(link.id.conn));
        Delivered::Something
    }

    /// Says why it ends, in the form of what it was sent so far.
    pub(crate) fn farewell(&mut self, link: &mut Link, env: &mut Env, reason: &CloseReason) {
        let says = match reason {
            CloseReason::BadRequest { status, detail } => {
                let mut out = Vec::new();
                Problem::new(Status(*status), detail.as_str()).write(&mut out, None);
                return self.answers.whole(out);
            }
            CloseReason::Shutdown => "\"reason\":\"shutdown\"",
            CloseReason::Kicked => "\"reason\":\"kicked\"",
            _ => return,
        };
        let State::Streaming(streaming) = &mut self.state else { return };
        if streaming.is_open {
            streaming.end = Some(says);
            streaming.say_end(link, env);
        }
    }

    /// The core has given the subscription up.
    pub(crate) fn refused(&mut self, why: Refusal) -> CloseReason {
        let Problem { status, detail, .. } = unavailable(why);
        self.state = State::Over;
        CloseReason::BadRequest { status: status.0, detail }
    }
}

impl Streaming {
    fn subscribe(&mut self, env: &mut Env, session: SessionId, after: Option<&[u8]>) -> Result<(), Problem> {
        let filters = Filters::new(&self.listen.filters);
        let is_system = self.listen.filters.iter().any(topic::Filter::is_system);
        if is_system && matches!(filters, Filters::Several(_)) {
            let detail = "A filter under $SYS stands alone: what the broker tells of itself is no history";
            return Err(Problem::new(Status::BAD_REQUEST, detail));
        }
        let from = match after {
            Some(after) => Some(position::parse(after, env.streams.epoch, usize::from(env.shards))),
            None => None,
        };
        let nothing = vec![0; usize::from(env.shards)];
        let from = match &from {
            None => None,
            Some(From::Here(places)) => Some(&places[..]),
            // Everything that is kept was accepted since the client was last here.
            Some(From::Foreign) => {
                self.missed = Some("restarted");
                Some(&nothing[..])
            }
            Some(From::Unknown) => {
                self.missed = Some("unknown");
                None
            }
        };
        if self.tells_position() || from.is_some() {
            env.shard.keep_position(session, from);
        }
        let retained = if is_system { RetainedRequest::All } else { RetainedRequest::None };
        let history = env.history(self.listen.replay);
        let subscribed = env.shard.subscribe(env.now, session, &filters, history, retained);
        subscribed.map(drop).map_err(unavailable)
    }

    fn write_head(&self, out: &mut Vec<u8>) {
        let mut fields = vec![
            ("content-type", self.style.format.content_type()),
            ("cache-control", "no-store"),
            ("x-accel-buffering", "no"),
        ];
        push_page(&mut fields, self.page.as_deref());
        if !self.keep_alive {
            fields.push(("connection", "close"));
        }
        let framing = match self.style.wrapping {
            Wrapping::Chunks => Framing::Chunked,
            Wrapping::Bare => Framing::None,
        };
        write_head(out, Status::OK, &fields, framing);
    }

    /// What stands before the first message.
    fn write_opening(&self, out: &mut Vec<u8>, position: Option<&[u8]>) {
        self.write_head(out);
        if self.style.format == StreamFormat::Lines {
            if self.missed.is_some() {
                self.write_line(out, "[GAP some messages are not kept any more]\n");
            }
            return;
        }
        if self.style.format == StreamFormat::Events {
            self.write_line(out, "retry: 1000\n");
        }
        let text = position.map(String::from_utf8_lossy).unwrap_or_default();
        // Events have it as their id as well; in both forms it is found in the same place.
        let (says, id) = match self.style.format {
            StreamFormat::Events => (format!("\"position\":\"{text}\""), position),
            _ => (String::new(), position),
        };
        write_event(out, self.style, ("open", &says), id);
        if let Some(reason) = self.missed {
            let says = format!("\"lost\":null,\"reason\":\"{reason}\"");
            write_event(out, self.style, ("gap", &says), position);
        }
    }

    fn write_line(&self, out: &mut Vec<u8>, line: &str) {
        match self.style.wrapping {
            Wrapping::Chunks => wire::http::write_chunk(out, line.as_bytes()),
            Wrapping::Bare => out.extend_from_slice(line.as_bytes()),
        }
    }

    fn write_gap(&self, link: &mut Link, env: &mut Env, session: SessionId, lost: u64) {
        if self.style.format == StreamFormat::Lines {
            let line = wire::text::gap_line(wire::text::Format::From, lost);
            return link.out.append(&mut env.pool, |own| self.write_line(own, &line));
        }
        let position = env.position_text(session);
        let says = format!("\"lost\":{lost},\"reason\":\"slow\"");
        link.out.append(&mut env.pool, |own| {
            write_event(own, self.style, ("gap", &says), position.as_deref());
        });
    }

    /// Whether everything that was kept stands before this, and that is all it wants.
    fn is_behind_history(&self, slice: &Slice) -> bool {
        self.listen.ends == Ends::WithHistory && slice.asked_by.is_none()
    }

    /// Encodes the next part of a run, and puts back what is left of it.
    fn encode(
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
            _ => Standing::Own(own),
        };
        let from = Cursor { message: slice.skip, part: None };
        let outgoing = (&mut link.out, &mut env.pool);
        let Some(to) = env.streams.encode(&slice.run, from, self.style, (standing, size), outgoing) else {
            return;
        };
        slice.skip = to.message;
        let mut rest = slice.clone();
        if let Some(part) = to.part {
            let own = own.into();
            self.begun = Some(Begun { slice, part, own });
            rest.skip += 1;
        }
        // The rest is the core's again, but for a line that is written in part.
        if !rest.is_empty() {
            env.shard.put_back(session, rest);
        }
    }

    /// Encodes more of a line that was begun.
    fn go_on(&mut self, link: &mut Link, env: &mut Env, begun: Begun, size: PartSize) {
        let Begun { slice, part, own } = begun;
        let from = Cursor { message: slice.skip, part: Some(part) };
        let (standing, outgoing) = (Standing::Own(&own), (&mut link.out, &mut env.pool));
        let to = env.streams.encode(&slice.run, from, self.style, (standing, size), outgoing);
        match to.and_then(|to| to.part) {
            Some(part) => self.begun = Some(Begun { slice, part, own }),
            None => self.say_end(link, env),
        }
    }

    /// Says that it ends, unless a line stands before that.
    fn say_end(&mut self, link: &mut Link, env: &mut Env) {
        if self.is_begun() {
            return;
        }
        let Some(says) = self.end.take() else { return };
        let style = self.style;
        link.out.append(&mut env.pool, |own| write_event(own, style, ("end", says), None));
        if style.wrapping == Wrapping::Chunks {
            link.out.push(Bytes::from_static(LAST_CHUNK));
        }
    }
}

/// Whether two positions say the same of all shards but one.
fn is_alike(noted: &[u64], own: &[u64], shard: usize) -> bool {
    noted.len() == own.len()
        && noted.iter().zip(own).enumerate().all(|(index, (noted, own))| index == shard || noted == own)
}

fn unavailable(why: Refusal) -> Problem {
    let detail = match why {
        Refusal::FilterMemory => "Out of memory for subscriptions: try again later",
        Refusal::Unanswered => "No answer to the subscription in time: try again later",
        Refusal::FilterShapes => "Too many ways to mix names and + in filters: use fewer levels",
    };
    Problem::new(Status::SERVICE_UNAVAILABLE, detail).with_field("retry-after", "1")
}

impl Env {
    /// Where a session stands behind its last delivery, as its client keeps it.
    fn position_text(&self, session: SessionId) -> Option<Vec<u8>> {
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
