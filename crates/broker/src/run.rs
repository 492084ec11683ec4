//! Runs: consecutive messages of one connection with the same topic.
//!
//! The run is what travels between shards, sits in queues and is encoded at once, so
//! everything that costs per message elsewhere costs per run here.

use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use topic::TopicName;

use crate::group::GroupName;
use crate::ids::Origin;
use crate::memory::{Charge, Gauge, Use};
use crate::planted::{self, Bug};
use crate::time::{Instant, WallTime};

/// Bytes that a run costs besides its body and spans (allocations, queue entries).
pub const RUN_OVERHEAD_BYTES: usize = 256;

/// Who published; shared by all runs of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    pub origin: Origin,
    /// Where it comes from; nowhere, if it is the broker itself.
    pub addr: Option<SocketAddr>,
    /// The name that it gave itself.
    pub name: Option<Box<str>>,
    /// When it began: no other publisher of this id began then, also not in another life of the
    /// server, unless its clock was set back.
    pub began: WallTime,
    pub introduced: Introduced,
}

impl Publisher {
    /// Whether the broker itself publishes, as it does under `$SYS`.
    #[inline]
    #[must_use]
    pub fn is_broker(&self) -> bool {
        self.addr.is_none()
    }
}

#[cfg(test)]
impl Publisher {
    /// A nameless one with this connection.
    pub(crate) fn for_tests(origin: Origin) -> Arc<Self> {
        let addr = Some(([127, 0, 0, 1], 1).into());
        Arc::new(Self { origin, addr, name: None, began: WallTime(0), introduced: Introduced::ByBroker })
    }
}

/// Who tells receivers of messages with properties who published them, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Introduced {
    /// The broker: the messages are payloads and nothing else.
    ByBroker,
    /// The publisher, in the properties of its messages, if it wants to.
    ByItself,
}

/// Where one payload lies in the body of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

/// How sure a publisher wants to be that a message arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Qos {
    #[default]
    AtMostOnce,
    AtLeastOnce,
    ExactlyOnce,
}

/// What a publisher says of its messages besides their topic: the same for all of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    pub qos: Qos,
    /// Whether the last one is to be kept for whoever subscribes later; an empty one is to be
    /// forgotten with what was kept.
    pub retain: bool,
    /// When they are worth nothing any more.
    pub expires: Option<Instant>,
    /// What the publisher's protocol hands on to receivers that understand it: opaque here.
    pub properties: Option<Bytes>,
}

/// Consecutive messages with one topic, publisher, time and marks. Immutable.
#[derive(Debug)]
pub struct Run {
    topic: TopicName,
    publisher: Arc<Publisher>,
    time: WallTime,
    /// Messages of this publisher before the first one here.
    number: u64,
    /// Messages that its shard accepted before the first one here.
    place: u64,
    body: Bytes,
    spans: Spans,
    payload_bytes: usize,
    exact: bool,
    marks: Marks,
    cost: usize,
    charge: Charge,
}

/// One message needs no allocation for its span.
#[derive(Debug)]
enum Spans {
    One(Span),
    Many(Vec<Span>),
}

impl Run {
    #[must_use]
    pub fn topic(&self) -> &TopicName {
        &self.topic
    }

    #[must_use]
    pub fn publisher(&self) -> &Arc<Publisher> {
        &self.publisher
    }

    /// When it was accepted.
    #[must_use]
    pub fn time(&self) -> WallTime {
        self.time
    }

    /// Which one of its publisher's messages the first one is, from 0.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many messages its shard accepted before this one of it. What the broker itself publishes has
    /// no such number.
    #[must_use]
    pub fn place_of(&self, message: u32) -> u64 {
        self.place + u64::from(message)
    }

    /// Its shard has accepted so many messages before it.
    pub(crate) fn set_place(&mut self, place: u64) {
        self.place = place;
    }

    /// How many messages it holds: one at least.
    #[inline]
    #[must_use]
    pub fn len(&self) -> u32 {
        match &self.spans {
            Spans::One(_) => 1,
            Spans::Many(spans) => u32::try_from(spans.len()).expect("a body is under 4 GiB"),
        }
    }

    /// Never: a run holds a message. Here because `len` is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Whether nobody wants it any more.
    #[inline]
    #[must_use]
    pub fn is_expired(&self, now: Instant) -> bool {
        self.marks.expires.is_some_and(|at| at <= now) && !planted::is(Bug::IgnoreExpiry)
    }

    /// Whether the last message is empty: of a retained one that means to forget.
    #[must_use]
    pub fn ends_empty(&self) -> bool {
        self.spans().last().is_none_or(|span| span.start == span.end)
    }

    /// The same run with these marks; their properties are charged with it.
    #[must_use]
    pub fn marked(mut self, marks: Marks) -> Self {
        self.cost += marks.properties.as_ref().map_or(0, Bytes::len);
        self.charge.set(self.cost);
        self.marks = marks;
        self
    }

    /// Bytes that it occupies, as bounds and budgets count them.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.cost
    }

    /// Bytes of the payloads from message `from` to before `end`. For all of them it costs nothing.
    #[must_use]
    pub fn payload_bytes(&self, from: u32, end: u32) -> u64 {
        if from == 0 && end == self.len() {
            return self.payload_bytes as u64;
        }
        let spans = self.spans().get(from as usize..end as usize).unwrap_or_default();
        spans.iter().map(|span| u64::from(span.end - span.start)).sum()
    }

    /// Bytes of the body, line ends included.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.body.len()
    }

    /// Whether the body keeps no more memory alive than it shows.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// The payloads, without the first `skip`.
    pub fn payloads(&self, skip: u32) -> impl ExactSizeIterator<Item = &[u8]> {
        let spans = self.spans().get(skip as usize..).unwrap_or_default();
        spans.iter().map(|span| &self.body[span.start as usize..span.end as usize])
    }

    /// One payload.
    ///
    /// # Panics
    /// If there are not so many.
    #[must_use]
    pub fn payload(&self, index: u32) -> &[u8] {
        let span = self.spans()[index as usize];
        &self.body[span.start as usize..span.end as usize]
    }

    /// What so many of its messages cost: all of them together what the run does.
    #[must_use]
    pub fn cost_of(&self, messages: u32) -> usize {
        match messages == self.len() {
            true => self.cost,
            false => (self.cost as u64 * u64::from(messages) / u64::from(self.len())) as usize,
        }
    }

    /// Bytes from the payload `skip` to the payload `end`, or to the end of the last one: what
    /// follows each other adds up.
    ///
    /// # Panics
    /// If there are not so many.
    #[must_use]
    pub fn bytes_between(&self, skip: u32, end: u32) -> usize {
        let spans = self.spans();
        let last = || spans.last().map_or(0, |span| span.end);
        let start = |index: u32| spans.get(index as usize).map_or_else(last, |span| span.start);
        (start(end) - start(skip)) as usize
    }

    /// Where a delivery ends that begins behind `skip` messages and has no more messages and
    /// payload bytes than so many, or one message. Costs a binary search.
    #[must_use]
    pub fn end_of(&self, skip: u32, messages_max: u32, bytes_max: usize) -> u32 {
        let most = skip.saturating_add(messages_max.max(1)).min(self.len());
        // Nearly always: most receivers have no window, and most runs fit one.
        if self.body.len() <= bytes_max || most <= skip + 1 {
            return most;
        }
        let spans = &self.spans()[skip as usize..most as usize];
        let start = spans.first().map_or(0, |span| span.start as usize);
        let fitting = spans.partition_point(|span| span.end as usize - start <= bytes_max);
        skip + u32::try_from(fitting).unwrap_or(u32::MAX).max(1)
    }

    fn spans(&self) -> &[Span] {
        match &self.spans {
            Spans::One(span) => std::slice::from_ref(span),
            Spans::Many(spans) => spans.as_slice(),
        }
    }

    /// The same messages without the first `skip`, in an allocation of their exact size.
    #[must_use]
    pub fn compacted(&self, skip: u32, gauge: &Gauge) -> Self {
        let bytes = self.payloads(skip).map(<[u8]>::len).sum();
        let mut body = Vec::with_capacity(bytes);
        let mut spans = RunBuilder::with_capacity(self.payloads(skip).len());
        for payload in self.payloads(skip) {
            let start = body.len();
            body.extend_from_slice(payload);
            spans.push(start..body.len());
        }
        let number = self.number + u64::from(skip);
        let about = About { topic: &self.topic, publisher: &self.publisher, time: self.time, number };
        let mut run = spans.finish(about, Body::exact(body.into()), gauge).marked(self.marks.clone());
        run.place = self.place_of(skip);
        run
    }
}

/// The bytes of a run and what they keep alive.
#[derive(Debug, Clone)]
pub struct Body {
    /// The bytes; spans point into them.
    pub bytes: Bytes,
    /// Size of the allocation that `bytes` is a part of.
    pub pinned_bytes: usize,
}

impl Body {
    /// Bytes that are all of their allocation.
    #[must_use]
    pub fn exact(bytes: Bytes) -> Self {
        let pinned_bytes = bytes.len();
        Self { bytes, pinned_bytes }
    }
}

/// What a run is besides its messages.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub topic: &'a TopicName,
    pub publisher: &'a Arc<Publisher>,
    /// When it was accepted.
    pub time: WallTime,
    /// Messages of this publisher before it.
    pub number: u64,
}

/// Gathers the spans of a run while its messages are found.
#[derive(Debug, Default)]
pub struct RunBuilder {
    spans: Vec<Span>,
    payload_bytes: usize,
}

impl RunBuilder {
    /// A builder with room for `messages` spans.
    #[must_use]
    pub fn with_capacity(messages: usize) -> Self {
        Self { spans: Vec::with_capacity(messages), payload_bytes: 0 }
    }

    /// Adds the message that lies at `range` of the body.
    ///
    /// # Panics
    /// If the body is over 4 GiB; reads are far smaller.
    #[inline]
    pub fn push(&mut self, range: Range<usize>) {
        self.payload_bytes += range.len();
        let offset = |at: usize| u32::try_from(at).expect("a body is under 4 GiB");
        self.spans.push(Span { start: offset(range.start), end: offset(range.end) });
    }

    /// Whether no message was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Messages added so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Makes the run and charges it to `gauge`.
    ///
    /// # Panics
    /// If there is no message, or if a span lies outside of the body.
    #[must_use]
    pub fn finish(mut self, about: About<'_>, body: Body, gauge: &Gauge) -> Run {
        let About { topic, publisher, time, number } = about;
        let last = self.spans.last().expect("a run holds a message");
        assert!(last.end as usize <= body.bytes.len(), "spans lie in the body");
        // The room was a guess from the run before: a small run must not keep a large one's.
        if self.spans.capacity() > self.spans.len() + self.spans.len() / 4 + 8 {
            self.spans.shrink_to_fit();
        }
        // What it keeps alive, not what it shows: three bytes out of a read buffer cost the buffer.
        let cost = body.pinned_bytes + self.spans.capacity() * size_of::<Span>() + RUN_OVERHEAD_BYTES;
        let spans = match self.spans.as_slice() {
            [one] => Spans::One(*one),
            _ => Spans::Many(self.spans),
        };
        Run {
            topic: topic.clone(),
            publisher: Arc::clone(publisher),
            time,
            number,
            place: 0,
            exact: body.pinned_bytes == body.bytes.len(),
            body: body.bytes,
            spans,
            payload_bytes: self.payload_bytes,
            marks: Marks::default(),
            cost,
            charge: gauge.charge(Use::Runs, cost),
        }
    }
}

/// A run as one shard holds it: all queues of the shard share it.
#[derive(Debug)]
pub struct LocalRun {
    run: Arc<Run>,
    group: Option<Arc<GroupName>>,
    /// By shard: how many of its messages had come when this came, if anyone wants to know.
    noted: Option<Rc<[u64]>>,
}

impl LocalRun {
    /// Takes a run into this shard.
    #[must_use]
    pub fn new(run: Arc<Run>) -> Rc<Self> {
        Self::noted_with(run, None)
    }

    /// The same, with what had come of every shard.
    pub(crate) fn noted_with(run: Arc<Run>, noted: Option<Rc<[u64]>>) -> Rc<Self> {
        Rc::new(Self { run, group: None, noted })
    }

    /// The same for what a group has given to one of its members here.
    #[must_use]
    pub fn given_by(group: Arc<GroupName>, run: Arc<Run>) -> Rc<Self> {
        Rc::new(Self { run, group: Some(group), noted: None })
    }

    /// The group that gave it, which has it back if it is not delivered.
    #[must_use]
    pub fn group(&self) -> Option<&Arc<GroupName>> {
        self.group.as_ref()
    }

    #[must_use]
    pub fn run(&self) -> &Arc<Run> {
        &self.run
    }

    /// By shard: how many of its messages had come when this came, as far as anyone here hears them.
    /// Only where a session keeps its position, and not for history.
    #[must_use]
    pub fn noted(&self) -> Option<&[u64]> {
        self.noted.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ConnId, ShardId};

    #[test]
    fn a_run_charges_and_compacts() {
        let gauge = Gauge::new();
        let origin = Origin { shard: ShardId(0), conn: ConnId { slot: 0, generation: 0 } };
        let publisher = Publisher::for_tests(origin);
        let mut spans = RunBuilder::default();
        for range in [0..3, 4..7, 9..10] {
            spans.push(range);
        }
        let body = Body { bytes: Bytes::from_static(b"one\ntwo\r\n3tail"), pinned_bytes: 4096 };
        let topic = TopicName::parse("t").unwrap();
        let about = About { topic: &topic, publisher: &publisher, time: WallTime(7), number: 5 };
        let run = spans.finish(about, body, &gauge);
        assert_eq!(run.payloads(0).collect::<Vec<_>>(), [&b"one"[..], b"two", b"3"]);
        assert!(gauge.used() >= 4096 && gauge.used() == run.cost());
        for (from, end, bytes) in [(0, 3, 7), (0, 2, 6), (1, 3, 4), (2, 2, 0)] {
            assert_eq!(run.payload_bytes(from, end), bytes, "of {from}..{end}");
        }

        // Room for many messages is not kept by a few.
        let mut roomy = RunBuilder::with_capacity(32_768);
        roomy.push(0..1);
        roomy.push(1..2);
        let two = roomy.finish(about, Body::exact(Bytes::from_static(b"ab")), &gauge);
        assert!(two.cost() < 1024, "{} bytes for two messages of one byte", two.cost());
        drop(two);

        let small = run.compacted(1, &gauge);
        assert_eq!(small.payloads(0).collect::<Vec<_>>(), [&b"two"[..], b"3"]);
        assert_eq!((small.time(), small.is_exact(), run.is_exact()), (WallTime(7), true, false));
        assert!(small.cost() < 1024);
        assert_eq!((run.number(), small.number()), (5, 6));
        drop((run, small));
        assert_eq!(gauge.used(), 0);
    }
}
