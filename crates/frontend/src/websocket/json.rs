//! JSON over WebSocket: what a client says, and what it hears.

use std::sync::Arc;

use broker::planted::{self, Bug};
use broker::{Delivery, Input, Publisher, Refusal, Resumed, SubscriptionId, SubscriptionRefusal, WallTime};
use serde::Deserialize;
use topic::Filter;
use wire::past::Replay;

use crate::census::RoleName;
use crate::declined::Declined;
use crate::delivering::{Delivered, PartSize};
use crate::env::Env;
use crate::event::CloseReason;
use crate::feed::{self, Feed, Missed, Shape, Style, Unheard, Wish, Wrapping, write_event};
use crate::http::{Answers, Said};
use crate::link::Link;
use crate::text;

/// What a message costs besides its bytes.
const MESSAGE_WORK: u64 = 4000;
const STYLE: Style = Style { shape: Shape::Frames, wrapping: Wrapping::Bare };

/// A client of `/ws`.
#[derive(Debug)]
pub(super) struct Json {
    feed: Feed,
    answers: Answers,
    publisher: Option<Arc<Publisher>>,
    subscriptions: Vec<Subscription>,
    /// Why it does not go on where it wanted to, until it is told.
    missed: Option<Missed>,
}

/// What the client has given a number.
#[derive(Debug)]
struct Subscription {
    number: u64,
    id: SubscriptionId,
    filters: Vec<Filter>,
}

/// A subscription that the core is not asked for, and a sentence about it.
type Unasked = Declined<SubscriptionRefusal, String>;

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
enum Op {
    Subscribe {
        sub: u64,
        filters: Vec<String>,
        last: Option<u32>,
        since: Option<String>,
        after: Option<String>,
    },
    Unsubscribe {
        sub: u64,
    },
    Publish {
        topic: String,
        payload: Option<String>,
        payload_b64: Option<String>,
        #[serde(default)]
        retain: bool,
        #[serde(default)]
        qos: u32,
        content_type: Option<String>,
        #[serde(rename = "ref")]
        reference: Option<u64>,
    },
}

/// What is wrong with what a client wants; the connection goes on.
struct Wrong {
    /// Its `sub` or `ref`, as JSON.
    of: String,
    detail: String,
}

impl Default for Json {
    fn default() -> Self {
        Self {
            feed: Feed::new(STYLE),
            answers: Answers::default(),
            publisher: None,
            subscriptions: Vec::new(),
            missed: None,
        }
    }
}

impl Json {
    /// Takes a whole message.
    ///
    /// # Errors
    /// If it is none: the connection is to end.
    pub(super) fn take(&mut self, link: &mut Link, env: &mut Env, message: &[u8]) -> Result<(), String> {
        env.spent += MESSAGE_WORK + message.len() as u64;
        let op: Op = serde_json::from_slice(message).map_err(|error| error.to_string())?;
        let done = match op {
            Op::Subscribe { sub, filters, last, since, after } => self
                .subscribe(link, env, (sub, &filters), (last, since), after.as_deref())
                .map_err(|detail| Wrong { of: format!("\"sub\":{sub}"), detail }),
            Op::Unsubscribe { sub } => {
                self.unsubscribe(env, sub).map_err(|detail| Wrong { of: format!("\"sub\":{sub}"), detail })
            }
            Op::Publish { topic, payload, payload_b64, retain, qos, content_type, reference } => {
                let said = Said { topic, payload, payload_b64, retain, qos, content_type };
                self.publish(link, env, said, reference).map_err(|detail| Wrong {
                    of: reference.map_or_else(String::new, |number| format!("\"ref\":{number}")),
                    detail,
                })
            }
        };
        if let Err(Wrong { of, detail }) = done {
            let detail = serde_json::to_string(&detail).expect("text is JSON");
            let of = if of.is_empty() { of } else { format!("{of},") };
            self.answer("error", &format!("{of}\"detail\":{detail}"), None);
        }
        if !self.answers.is_empty() {
            link.list_to_write(env);
        }
        Ok(())
    }

    fn answer(&mut self, name: &str, says: &str, position: Option<&[u8]>) {
        let mut frame = Vec::new();
        write_event(&mut frame, STYLE, (name, says), position);
        self.answers.whole(frame);
    }

    fn subscribe(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        (number, filters): (u64, &[String]),
        (last, since): (Option<u32>, Option<String>),
        after: Option<&str>,
    ) -> Result<(), String> {
        let wish = self.wish(link, (number, filters), (last, since), after);
        let (filters, replay) = wish.map_err(|declined| declined.counted(env))?;
        let session = link.session.unwrap_or_else(|| {
            let session = env.shard.open(link.id.conn);
            self.missed = env.begin_position(session, after.map(str::as_bytes));
            self.set_beat(link, env);
            session
        });
        link.session = Some(session);
        let id =
            env.hear(session, &Wish { filters: &filters, replay }).map_err(|why| why.words().to_owned())?;
        self.subscriptions.push(Subscription { number, id, filters });
        Ok(())
    }

    /// What a client wants to hear, if it may ask for that.
    fn wish(
        &self,
        link: &Link,
        (number, filters): (u64, &[String]),
        (last, since): (Option<u32>, Option<String>),
        after: Option<&str>,
    ) -> Result<(Vec<Filter>, Replay), Unasked> {
        let limits = &link.rules.limits;
        if self.subscriptions.iter().any(|subscription| subscription.number == number) {
            return Err(malformed("this sub is taken: unsubscribe it before"));
        }
        if self.subscriptions.len() >= limits.ws_subscriptions_max {
            let detail = format!("more than {} subscriptions", limits.ws_subscriptions_max);
            return Err(Unasked::new(SubscriptionRefusal::TooMany, detail));
        }
        let detail = || format!("between one filter and {}", limits.http_filters_max);
        if filters.is_empty() {
            return Err(malformed(detail()));
        }
        if filters.len() > limits.http_filters_max {
            return Err(Unasked::new(SubscriptionRefusal::TooMany, detail()));
        }
        let invalid = |detail| Unasked::new(SubscriptionRefusal::InvalidFilter, detail);
        let filters = filters.iter().map(|text| feed::filter(text).map_err(invalid));
        let filters = filters.collect::<Result<_, _>>()?;
        let replay = match (last, since) {
            (None, None) => Replay::None,
            (Some(count), None) => Replay::Last(count),
            (None, Some(since)) => {
                feed::since(&since).map_err(|detail| malformed(format!("since: {detail}")))?
            }
            (Some(_), Some(_)) => return Err(malformed("either last or since")),
        };
        match (link.session, after) {
            (Some(_), Some(_)) => Err(malformed("after goes with the first subscribe of a connection")),
            _ => Ok((filters, replay)),
        }
    }

    fn unsubscribe(&mut self, env: &mut Env, number: u64) -> Result<(), String> {
        let at = self.subscriptions.iter().position(|subscription| subscription.number == number);
        let at = at.ok_or("no such sub")?;
        let subscription = self.subscriptions.swap_remove(at);
        env.shard.handle(env.now, Input::Unsubscribe(subscription.id));
        self.answer("unsubscribed", &format!("\"sub\":{number}"), None);
        Ok(())
    }

    fn publish(
        &mut self,
        link: &Link,
        env: &mut Env,
        said: Said,
        reference: Option<u64>,
    ) -> Result<(), String> {
        let message = said.message(env).map_err(|declined| declined.counted(env));
        let (topic, payload, marks) = message?;
        let publisher = Arc::clone(self.publisher.get_or_insert_with(|| link.publisher(env.now.wall, None)));
        env.traffic.received += 1;
        let number = self.answers.published;
        env.publish_one(&publisher, &topic, number, payload.into(), marks);
        self.answers.published += 1;
        if let Some(reference) = reference {
            let number = number.saturating_sub(u64::from(planted::is(Bug::AnswerIdBefore)));
            let source = text::source(publisher.origin, publisher.began);
            let says = format!("\"ref\":{reference},\"id\":\"{source}-{number}\"");
            self.answer("published", &says, None);
        }
        Ok(())
    }

    pub(super) fn accepted(&mut self, link: &mut Link, env: &mut Env, upto: u64) {
        self.answers.accepted(upto);
        if self.answers.is_due() {
            link.list_to_write(env);
        }
    }

    pub(super) fn subscribed(
        &mut self,
        link: &mut Link,
        env: &mut Env,
        id: SubscriptionId,
        resumed: Resumed,
    ) {
        let Some(subscription) = self.subscriptions.iter().find(|subscription| subscription.id == id) else {
            return;
        };
        let says = format!("\"sub\":{}", subscription.number);
        link.show_subscriber(env, &subscription.filters);
        let position = link.session.and_then(|session| env.position_text(session));
        self.answer("subscribed", &says, position.as_deref());
        let missed = self.missed.take();
        if let Some(missed) = missed.or((resumed == Resumed::Short).then_some(Missed::Evicted)) {
            self.answer("gap", &missed.says(), position.as_deref());
        }
        link.list_to_write(env);
    }

    pub(super) fn refused(&mut self, link: &mut Link, env: &mut Env, id: SubscriptionId, why: Refusal) {
        let at = self.subscriptions.iter().position(|subscription| subscription.id == id);
        let Some(at) = at else { return };
        let number = self.subscriptions.swap_remove(at).number;
        let detail = Unheard::Refused(why).words();
        self.answer("error", &format!("\"sub\":{number},\"detail\":\"{detail}\""), None);
        link.list_to_write(env);
    }

    fn set_beat(&self, link: &mut Link, env: &mut Env) {
        let at = env.now.mono.after(link.rules.limits.heartbeat_time);
        link.set_deadline(env, Some(at));
    }

    /// Time for a sign of life.
    pub(super) fn beat(&mut self, link: &mut Link, env: &mut Env) {
        self.set_beat(link, env);
        self.feed.is_due_to_beat(link, env);
    }

    pub(super) fn deliver(&mut self, link: &mut Link, env: &mut Env, size: PartSize) -> Delivered {
        // Frames of others do not stand between those of one message.
        if self.feed.go_on(link, env, size) {
            return Delivered::Something;
        }
        if self.answers.is_due() {
            let publisher = (link.id, WallTime::default());
            let date = env.date.at(env.now.wall);
            link.out.append(&mut env.pool, |own| self.answers.write(own, size.bytes, publisher, date));
            return Delivered::Something;
        }
        let Some(session) = link.session.filter(|_| !link.ending) else {
            return match env.draining && !link.ending {
                true => Delivered::End(CloseReason::Shutdown),
                false => Delivered::Nothing,
            };
        };
        match env.shard.poll_delivery(env.now, session, u32::MAX, usize::MAX) {
            Some(Delivery::Messages(slice)) => self.feed.encode(link, env, session, slice, size),
            Some(Delivery::Gap(lost)) => self.feed.say_gap(link, env, session, lost),
            None if env.shard.is_asking(session) => return Delivered::Nothing,
            None if env.draining => return Delivered::End(CloseReason::Shutdown),
            None if self.feed.beat(link, env, session) => {}
            None => return Delivered::Nothing,
        }
        Delivered::Something
    }

    pub(super) fn give_up(&mut self) {
        self.feed.give_up();
        self.answers = Answers::default();
    }

    pub(super) fn is_said(&self) -> bool {
        self.answers.is_empty() && !self.feed.is_begun()
    }

    pub(super) fn owed_bytes(&self) -> usize {
        self.answers.bytes()
    }

    pub(super) fn role(&self) -> RoleName {
        match self.subscriptions.is_empty() {
            true => RoleName::Publisher,
            false => RoleName::Subscriber,
        }
    }

    pub(super) fn filters(&self) -> String {
        let filters = self.subscriptions.iter().flat_map(|subscription| &subscription.filters);
        let some: Vec<&str> = filters.map(Filter::as_str).take(SHOWN).collect();
        some.join(" ")
    }
}

fn malformed(detail: impl Into<String>) -> Unasked {
    Unasked::new(SubscriptionRefusal::Malformed, detail)
}

/// Filters that an operator is shown of one client.
const SHOWN: usize = 8;
