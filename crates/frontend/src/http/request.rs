//! What a request asks for, from its head.

use std::borrow::Cow;

use broker::{Marks, MessageRefusal, Qos, SubscriptionRefusal};
use bytes::Bytes;
use topic::{Filter, TopicName};
use wire::http::{self, Head, Status, Version, best_offer};
use wire::mqtt::{Property, PropertyWriter};
use wire::past::Replay;

use crate::feed::{self, Shape};
use crate::http::answers::{Problem, Unasked, Unpublished};
use crate::http::safety::Asks;
use crate::websocket::Inside;

/// Bytes of a media type: none that is registered comes near.
const CONTENT_TYPE_BYTES_MAX: usize = 256;

/// What a path is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// `/t/…`, with what stands behind it, or `/t`.
    Topic(&'a str),
    /// `/mqtt` or `/ws`.
    WebSocket(Inside),
    /// What the control side serves.
    Elsewhere,
}

impl<'a> Place<'a> {
    pub(super) fn of(path: &'a str) -> Self {
        match path {
            "/mqtt" => return Self::WebSocket(Inside::Mqtt),
            "/ws" => return Self::WebSocket(Inside::Json),
            _ => {}
        }
        match path.strip_prefix("/t") {
            Some("") => Self::Topic(""),
            Some(rest) => rest.strip_prefix('/').map_or(Self::Elsewhere, Self::Topic),
            None => Self::Elsewhere,
        }
    }

    pub(super) fn asks(self) -> Asks {
        match self {
            Self::Topic(_) | Self::WebSocket(_) => Asks::ForMore,
            Self::Elsewhere => Asks::ToLook,
        }
    }
}

/// A request to hear.
#[derive(Debug, Clone)]
pub(super) struct Listen {
    pub(super) filters: Vec<Filter>,
    pub(super) shape: Shape,
    pub(super) replay: Replay,
    /// The position behind which it wants to go on, as the client says it.
    pub(super) after: Option<Vec<u8>>,
    pub(super) ends: Ends,
}

/// When a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Never,
    /// Behind what is kept.
    WithHistory,
}

/// Whether the client may hear what it asks for, and how.
pub(super) fn listen(head: &Head<'_>, named: &str, filters_max: usize) -> Result<Listen, Unasked> {
    let mut listen = Listen {
        filters: Vec::new(),
        shape: Shape::Lines,
        replay: Replay::None,
        after: head.headers.first("last-event-id").filter(|id| !id.is_empty()).map(<[u8]>::to_vec),
        ends: Ends::Never,
    };
    if !named.is_empty() {
        listen.filters.push(filter(&decoded(named)?)?);
    }
    let mut shape = None;
    for pair in http::pairs(head.query.unwrap_or_default()) {
        let (name, value) = pair.map_err(bad_escape)?;
        match name.as_ref() {
            "filter" => listen.filters.push(filter(&value)?),
            "format" => shape = Some(shape_named(&value)?),
            "last" => listen.replay = Replay::Last(number(&name, &value)?),
            "since" => listen.replay = since(&value)?,
            // A browser that comes back says where it stood last, and asks with the address of the page.
            "after" if listen.after.is_some() => {}
            "after" => listen.after = Some(value.as_bytes().to_vec()),
            "poll" if flag(&name, &value)? => listen.ends = Ends::WithHistory,
            "poll" => {}
            _ => return Err(unknown(&name, "filter, format, last, since, after, poll").into()),
        }
    }
    listen.shape = match shape {
        Some(shape) => shape,
        None => accepted(head)?,
    };
    let (why, detail) = match listen.filters.len() {
        0 => {
            let detail = "No topic: ask for /t/TOPIC or /t?filter=FILTER".to_owned();
            (SubscriptionRefusal::InvalidFilter, detail)
        }
        count if count <= filters_max => return Ok(listen),
        _ => (SubscriptionRefusal::TooMany, format!("More than {filters_max} filters")),
    };
    Err(Unasked::new(why, Problem::new(Status::BAD_REQUEST, detail)))
}

/// What a client publishes to a topic, besides the message.
pub(super) fn publish(head: &Head<'_>, named: &str) -> Result<(TopicName, Marks), Unpublished> {
    let mut marks = Marks::default();
    for pair in http::pairs(head.query.unwrap_or_default()) {
        let (name, value) = pair.map_err(bad_escape)?;
        match name.as_ref() {
            "retain" => marks.retain = flag(&name, &value)?,
            "qos" => marks.qos = qos(number(&name, &value)?)?,
            _ => return Err(unknown(&name, "retain, qos").into()),
        }
    }
    marks.properties = head.headers.first("content-type").and_then(content_type);
    Ok((topic(&decoded(named)?)?, marks))
}

/// A topic that a client may publish to.
pub(super) fn topic(name: &str) -> Result<TopicName, Unpublished> {
    let topic = TopicName::parse(name).map_err(|error| {
        let detail = format!("Invalid topic \"{name}\": {error}");
        Unpublished::new(MessageRefusal::InvalidTopic, Problem::new(Status::BAD_REQUEST, detail))
    })?;
    match topic.is_system() {
        true => {
            let problem = Problem::new(Status::FORBIDDEN, "Only the broker publishes under $SYS");
            Err(Unpublished::new(MessageRefusal::ReservedTopic, problem))
        }
        false => Ok(topic),
    }
}

pub(super) fn qos(number: u32) -> Result<Qos, Problem> {
    match number {
        0 => Ok(Qos::AtMostOnce),
        1 => Ok(Qos::AtLeastOnce),
        _ => Err(Problem::new(Status::BAD_REQUEST, "qos is 0 or 1: nothing here happens exactly once")),
    }
}

/// The property that says what a message is. What curl and forms say if nobody says anything is nothing.
pub(super) fn content_type(value: &[u8]) -> Option<Bytes> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let is_default = text.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if text.is_empty() || is_default || text.len() > CONTENT_TYPE_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() + 3);
    PropertyWriter::new(&mut bytes).put(&Property::ContentType(text));
    Some(bytes.into())
}

/// Whether several messages come in one request.
pub(super) fn is_lines(head: &Head<'_>) -> bool {
    let value = head.headers.first("content-type").unwrap_or_default();
    let media = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    [&b"application/x-ndjson"[..], b"application/json", b"application/jsonl"]
        .iter()
        .any(|known| media.eq_ignore_ascii_case(known))
}

/// Whether an answer may be cut into chunks.
pub(super) fn takes_chunks(head: &Head<'_>) -> bool {
    head.version == Version::Http11
}

/// What a stream is, for whoever reads it.
pub(super) fn content_type_of(shape: Shape) -> &'static str {
    match shape {
        Shape::Lines => "text/plain; charset=utf-8",
        Shape::Ndjson | Shape::Frames => "application/x-ndjson",
        Shape::Events => "text/event-stream",
    }
}

fn accepted(head: &Head<'_>) -> Result<Shape, Problem> {
    let offers = ["text/plain", "text/event-stream", "application/x-ndjson", "application/json"];
    match best_offer(head.headers, &offers) {
        Some(0) => Ok(Shape::Lines),
        Some(1) => Ok(Shape::Events),
        Some(_) => Ok(Shape::Ndjson),
        None => {
            let detail = "A stream is text/plain, application/x-ndjson or text/event-stream";
            Err(Problem::new(Status::NOT_ACCEPTABLE, detail))
        }
    }
}

fn shape_named(name: &str) -> Result<Shape, Problem> {
    match name {
        "lines" => Ok(Shape::Lines),
        "ndjson" | "json" => Ok(Shape::Ndjson),
        "sse" => Ok(Shape::Events),
        _ => Err(Problem::new(Status::BAD_REQUEST, format!("format={name}: it is lines, ndjson or sse"))),
    }
}

fn filter(text: &str) -> Result<Filter, Unasked> {
    let problem = feed::filter(text).map_err(|detail| Problem::new(Status::BAD_REQUEST, detail));
    problem.map_err(|problem| Unasked::new(SubscriptionRefusal::InvalidFilter, problem))
}

fn decoded(text: &str) -> Result<Cow<'_, str>, Problem> {
    http::decode(text).map_err(bad_escape)
}

fn bad_escape(error: http::PercentError) -> Problem {
    Problem::new(Status::BAD_REQUEST, error.to_string())
}

fn since(value: &str) -> Result<Replay, Problem> {
    feed::since(value).map_err(|detail| Problem::new(Status::BAD_REQUEST, format!("since={value}: {detail}")))
}

fn number(name: &str, value: &str) -> Result<u32, Problem> {
    value.parse().map_err(|_| Problem::new(Status::BAD_REQUEST, format!("{name}={value}: it is a number")))
}

fn flag(name: &str, value: &str) -> Result<bool, Problem> {
    match value {
        "" | "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(Problem::new(Status::BAD_REQUEST, format!("{name}={value}: it is 1 or 0"))),
    }
}

fn unknown(name: &str, known: &str) -> Problem {
    Problem::new(Status::BAD_REQUEST, format!("Unknown parameter {name}: there are {known}"))
}
