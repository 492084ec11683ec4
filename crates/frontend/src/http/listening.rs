//! What a stream shows: messages, gaps, where the client stands, and the end.

use broker::{Delivery, Instant, Refusal, Resumed, SessionId, Slice};
use bytes::Bytes;
use wire::http::{Framing, Head, LAST_CHUNK, Status, write_head};

use crate::delivering::{Delivered, PartSize};
use crate::env::Env;
use crate::event::CloseReason;
use crate::feed::{Feed, Missed, Shape, Style, Unheard, Wish, Wrapping, write_event, write_line};
use crate::half_closed::HalfClosed;
use crate::http::answers::{Problem, Then, push_page};
use crate::http::request::{self, Ends, Listen};
use crate::http::{Http, State, Step};
use crate::limits::Limits;
use crate::link::Link;
use crate::station::Action;

/// Bytes that a client may send ahead while it hears what is kept.
const AHEAD_BYTES_MAX: usize = 16 * 1024;

/// A request that is answered by a stream.
#[derive(Debug)]
pub(super) struct Streaming {
    listen: Listen,
    feed: Feed,
    page: Option<Box<str>>,
    then: Then,
    /// Why it does not go on where it wanted to, if it does not.
    missed: Option<Missed>,
    /// When it was asked for.
    since: Instant,
    /// Whether its subscription stands.
    is_open: bool,
    /// Where it began to hear, until that is written.
    opening: Option<Vec<u8>>,
    /// What is to be said behind a message that was begun.
    end: Option<&'static str>,
}

impl Streaming {
    /// Whether something is begun or promised.
    pub(super) fn is_begun(&self) -> bool {
        self.feed.is_begun() || self.opening.is_some()
    }

    /// Whether a client that closes its sending half now has only said that it asks for nothing more:
    /// who does so later has gone.
    pub(super) fn goes_on(&self, now: Instant, limits: &Limits) -> bool {
        now.since(self.since) < limits.prompt_delay
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
        let mut listen = request::listen(head, named, link.rules.limits.http_filters_max)
            .map_err(|declined| declined.counted(env))?;
        let after = listen.after.take();
        let wrapping = if request::takes_chunks(head) { Wrapping::Chunks } else { Wrapping::Bare };
        let mut streaming = Streaming {
            feed: Feed::new(Style { shape: listen.shape, wrapping }),
            listen,
            page: page.map(Box::from),
            then: if wrapping == Wrapping::Chunks { Then::of(head) } else { Then::Closes },
            missed: None,
            since: env.now.mono,
            is_open: false,
            opening: None,
            end: None,
        };
        if head.method == "HEAD" {
            let mut out = Vec::new();
            streaming.write_head(&mut out, env.date.at(env.now.wall));
            self.answers.whole(out);
            self.finished(streaming.then);
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
            streaming.missed = streaming.missed.or(Some(Missed::Evicted));
        }
        streaming.is_open = true;
        // Now, since it moves with what is delivered; it is written when the socket is.
        streaming.opening = Some(env.position_text(session).unwrap_or_default());
        link.list_to_write(env);
        link.show_subscriber(env, &streaming.listen.filters);
        self.set_beat(link, env);
    }

    fn set_beat(&self, link: &mut Link, env: &mut Env) {
        let at = env.now.mono.after(link.rules.limits.heartbeat_time);
        link.set_deadline(env, Some(at));
    }

    /// Time for a sign of life; it also tells where the client stands if nothing came for it.
    pub(super) fn beat(&mut self, link: &mut Link, env: &mut Env) {
        self.set_beat(link, env);
        if let State::Streaming(streaming) = &mut self.state
            && streaming.is_open
        {
            streaming.feed.is_due_to_beat(link, env);
        }
    }

    /// Encodes the next thing: answers, the rest of a line, or what the core has.
    pub(crate) fn deliver(&mut self, link: &mut Link, env: &mut Env, size: PartSize) -> Delivered {
        if self.answers.is_due() {
            let publisher = (link.id, self.began());
            let date = env.date.at(env.now.wall);
            link.out.append(&mut env.pool, |own| self.answers.write(own, size.bytes, publisher, date));
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
        if let Some(position) = streaming.opening.take() {
            let date = env.date.at(env.now.wall);
            link.out.append(&mut env.pool, |own| streaming.write_opening(own, date, &position));
            streaming.say_end(link, env);
            return Delivered::Something;
        }
        if streaming.feed.go_on(link, env, size) {
            streaming.say_end(link, env);
            return Delivered::Something;
        }
        let Some(session) = link.session.filter(|_| !link.ending) else { return Delivered::Nothing };
        match env.shard.poll_delivery(env.now, session, u32::MAX, usize::MAX) {
            Some(Delivery::Messages(slice)) if streaming.is_behind_history(&slice) => {
                self.end_of_history(link, env, session)
            }
            Some(Delivery::Messages(slice)) => {
                streaming.feed.encode(link, env, session, slice, size);
                Delivered::Something
            }
            Some(Delivery::Gap(lost)) => {
                streaming.feed.say_gap(link, env, session, lost);
                Delivered::Something
            }
            None if env.shard.is_asking(session) => Delivered::Nothing,
            None if streaming.listen.ends == Ends::WithHistory => self.end_of_history(link, env, session),
            None if env.draining => Delivered::End(CloseReason::Shutdown),
            None if streaming.feed.beat(link, env, session) => Delivered::Something,
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
        if streaming.feed.style().wrapping == Wrapping::Chunks {
            link.out.push(Bytes::from_static(LAST_CHUNK));
        }
        if streaming.then == Then::Closes || link.half_closed != HalfClosed::No {
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
            CloseReason::BadRequest { .. } => {
                let mut out = Vec::new();
                let date = env.date.at(env.now.wall);
                self.problem.take().into_iter().for_each(|problem| problem.write(&mut out, date));
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
        let problem = unheard(Unheard::Refused(why));
        let reason = CloseReason::BadRequest { status: problem.status.0, detail: problem.detail.clone() };
        (self.state, self.problem) = (State::Over, Some(problem));
        reason
    }
}

impl Streaming {
    fn subscribe(&mut self, env: &mut Env, session: SessionId, after: Option<&[u8]>) -> Result<(), Problem> {
        if self.feed.tells_position() || after.is_some() {
            self.missed = env.begin_position(session, after);
        }
        let wish = Wish { filters: &self.listen.filters, replay: self.listen.replay };
        env.hear(session, &wish).map(drop).map_err(unheard)
    }

    fn write_head(&self, out: &mut Vec<u8>, date: &str) {
        let mut fields = vec![
            ("date", date),
            ("content-type", request::content_type_of(self.feed.style().shape)),
            ("cache-control", "no-store"),
            ("x-accel-buffering", "no"),
        ];
        push_page(&mut fields, self.page.as_deref());
        if self.then == Then::Closes {
            fields.push(("connection", "close"));
        }
        let framing = match self.feed.style().wrapping {
            Wrapping::Chunks => Framing::Chunked,
            Wrapping::Bare => Framing::None,
        };
        write_head(out, Status::OK, &fields, framing);
    }

    /// What stands before the first message.
    fn write_opening(&self, out: &mut Vec<u8>, date: &str, position: &[u8]) {
        self.write_head(out, date);
        let style = self.feed.style();
        if style.shape == Shape::Lines {
            if self.missed.is_some() {
                write_line(out, style, "[GAP some messages are not kept any more]\n");
            }
            return;
        }
        let mut says = String::new();
        if style.shape == Shape::Events {
            write_line(out, style, "retry: 1000\n");
            // Their id says it as well, but not to whoever reads the data alone.
            says = format!("\"position\":\"{}\"", String::from_utf8_lossy(position));
        }
        write_event(out, style, ("open", &says), Some(position));
        if let Some(missed) = self.missed {
            write_event(out, style, ("gap", &missed.says()), Some(position));
        }
    }

    /// Whether everything that was kept stands before this, and that is all it wants.
    fn is_behind_history(&self, slice: &Slice) -> bool {
        self.listen.ends == Ends::WithHistory && slice.asked_by.is_none()
    }

    /// Says that it ends, unless a message stands before that.
    fn say_end(&mut self, link: &mut Link, env: &mut Env) {
        if self.is_begun() {
            return;
        }
        let Some(says) = self.end.take() else { return };
        self.feed.say(link, env, ("end", says), None);
        if self.feed.style().wrapping == Wrapping::Chunks {
            link.out.push(Bytes::from_static(LAST_CHUNK));
        }
    }
}

fn unheard(why: Unheard) -> Problem {
    match why {
        Unheard::SystemBesides => Problem::new(Status::BAD_REQUEST, why.words()),
        Unheard::Refused(_) => {
            Problem::new(Status::SERVICE_UNAVAILABLE, why.words()).with_fields(&[("retry-after", "1")])
        }
    }
}
