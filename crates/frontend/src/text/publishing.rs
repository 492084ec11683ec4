//! A publisher's bytes to runs: one run per read.

use std::sync::Arc;

use broker::planted::{self, Bug};
use broker::{About, Body, Gauge, Now, Origin, Publisher, Run, RunBuilder};
use topic::TopicName;
use wire::text::{is_blank, is_terminate, next_line, utf8_tail};

use crate::event::CloseReason;
use crate::limits::Limits;
use crate::link::{Chunk, ReadEnd};
use crate::text::hello::Framing;

/// A connection that publishes.
#[derive(Debug)]
pub(crate) struct Publishing {
    pub(super) publisher: Arc<Publisher>,
    pub(super) topic: TopicName,
    pub(super) framing: Framing,
    pub(super) acks: Acks,
    /// Bytes at the front of the next chunk that hold no newline.
    scanned: usize,
    /// Messages of the last run: the next one is likely to need as much room.
    messages_hint: usize,
    /// Messages that it has published.
    published: u64,
}

/// Whether each accepted message is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acks {
    Wanted,
    None,
}

/// What a chunk amounts to.
#[derive(Debug)]
pub(super) struct Parsed {
    /// Bytes of the chunk that are done with; the rest comes again with the next chunk.
    pub(super) used: usize,
    pub(super) run: Option<Run>,
    pub(super) end: Option<CloseReason>,
}

impl Publishing {
    pub(super) fn new(publisher: Arc<Publisher>, topic: TopicName, framing: Framing, acks: Acks) -> Self {
        Self { publisher, topic, framing, acks, scanned: 0, messages_hint: 0, published: 0 }
    }

    /// It lives on another shard now, under another id.
    pub(super) fn adopted(&mut self, id: Origin) {
        let publisher = Publisher { origin: id, ..self.publisher.as_ref().clone() };
        self.publisher = Arc::new(publisher);
    }

    /// Finds the messages of a chunk.
    pub(super) fn parse(
        &mut self,
        now: Now,
        chunk: &Chunk,
        read_end: ReadEnd,
        limits: &Limits,
        gauge: &Gauge,
    ) -> Parsed {
        // Growing while it is filled would copy it several times per read.
        let mut spans = RunBuilder::with_capacity(self.messages_hint);
        let (used, end) = self.find(&chunk.bytes, read_end, limits, &mut spans);
        self.messages_hint = spans.len();
        // A long message that comes in pieces is searched once, not once per piece.
        self.scanned = chunk.bytes.len() - used;
        let run = (!spans.is_empty()).then(|| {
            let body = Body { bytes: chunk.bytes.clone(), pinned_bytes: chunk.pinned_bytes };
            let number = self.published;
            self.published += spans.len() as u64;
            let about = About { topic: &self.topic, publisher: &self.publisher, time: now.wall, number };
            spans.finish(about, body, gauge)
        });
        Parsed { used, run, end }
    }

    fn find(
        &mut self,
        bytes: &[u8],
        read_end: ReadEnd,
        limits: &Limits,
        spans: &mut RunBuilder,
    ) -> (usize, Option<CloseReason>) {
        let mut start = self.settle_framing(bytes);
        let mut from = self.scanned.max(start);
        while let Some(line) = next_line(bytes, start, from) {
            if let Some(end) = add(bytes, start, line.end, limits, spans) {
                return (bytes.len(), Some(end));
            }
            start = line.next;
            from = start;
        }
        if self.framing != Framing::Framed && read_end != ReadEnd::More {
            let rest = bytes.get(start..).unwrap_or_default();
            // At the end of everything an unfinished character will not be finished.
            let kept_back = if read_end == ReadEnd::Closed { 0 } else { utf8_tail(rest) };
            let stop = bytes.len() - kept_back;
            if let Some(end) = add(bytes, start, stop, limits, spans) {
                return (bytes.len(), Some(end));
            }
            start = stop;
        }
        if read_end == ReadEnd::Closed && planted::is(Bug::PublishUnfinished) {
            add(bytes, start, bytes.len(), limits, spans);
        }
        // The line end may have come half: its CR does not count.
        let carriage_return = usize::from(bytes.last() == Some(&b'\r'));
        let too_long = bytes.len() - start > limits.message_bytes_max + carriage_return;
        if too_long || (planted::is(Bug::RefuseLongest) && bytes.len() - start == limits.message_bytes_max) {
            return (bytes.len(), Some(CloseReason::TooLong));
        }
        (start, None)
    }

    /// A newline right behind an unframed hello belongs to it and makes the client framed.
    fn settle_framing(&mut self, bytes: &[u8]) -> usize {
        if self.framing != Framing::Fresh || bytes.is_empty() {
            return 0;
        }
        let newline = match bytes {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => 0,
        };
        self.framing = if newline > 0 { Framing::Framed } else { Framing::Unframed };
        newline
    }
}

/// Adds one message to the run unless it is blank; says why the connection ends, if it does.
#[inline]
fn add(
    bytes: &[u8],
    start: usize,
    end: usize,
    limits: &Limits,
    spans: &mut RunBuilder,
) -> Option<CloseReason> {
    let message = bytes.get(start..end).unwrap_or_default();
    if message.len() > limits.message_bytes_max {
        return Some(CloseReason::TooLong);
    }
    if is_terminate(message) && !planted::is(Bug::BroadcastTerminate) {
        return Some(CloseReason::Terminated);
    }
    if !is_blank(message) {
        spans.push(start..end);
    }
    None
}
