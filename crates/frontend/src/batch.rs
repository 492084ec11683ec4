//! The messages of one chunk, on their way to runs: a chunk's messages of one topic that are alike become one.

use std::ops::Range;
use std::sync::Arc;

use broker::{About, Body, Marks, Publisher, Run, RunBuilder};
use topic::TopicName;

use crate::env::Env;
use crate::link::Chunk;

/// The messages of one chunk, until they are published.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    runs: Vec<Gathered>,
    /// Whether others of the same chunk were published before these.
    is_rest: bool,
}

/// Consecutive messages that are one run.
#[derive(Debug)]
struct Gathered {
    topic: TopicName,
    marks: Marks,
    spans: RunBuilder,
}

/// What a message is among those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// One more of a run that was begun.
    GoesOn,
    /// The first of a run.
    Begins,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many runs were begun and not published.
    pub(crate) fn runs(&self) -> usize {
        self.runs.len()
    }

    /// How many messages were added and not published.
    pub(crate) fn messages(&self) -> u64 {
        self.runs.iter().map(|run| run.spans.len() as u64).sum()
    }

    /// Adds the message that lies at `payload` of the chunk.
    pub(crate) fn add(&mut self, topic: TopicName, marks: Marks, payload: Range<usize>) -> Added {
        let goes_on = |run: &Gathered| run.topic == topic && run.marks == marks;
        if let Some(run) = self.runs.last_mut().filter(|run| goes_on(run)) {
            run.spans.push(payload);
            return Added::GoesOn;
        }
        let mut spans = RunBuilder::default();
        spans.push(payload);
        self.runs.push(Gathered { topic, marks, spans });
        Added::Begins
    }

    /// Publishes what was gathered, and goes on: `published` counts the publisher's messages.
    pub(crate) fn flush(
        &mut self,
        env: &mut Env,
        publisher: &Arc<Publisher>,
        published: &mut u64,
        chunk: &Chunk,
    ) {
        let is_one = self.runs.len() == 1 && !self.is_rest;
        self.is_rest |= !self.is_empty();
        for Gathered { topic, marks, spans } in self.runs.drain(..) {
            let number = *published;
            *published += spans.len() as u64;
            let body = Body { bytes: chunk.bytes.clone(), pinned_bytes: chunk.pinned_bytes };
            let about = About { topic: &topic, publisher, time: env.now.wall, number };
            let run = spans.finish(about, body, &env.gauge);
            // One run may have the read for itself; several would each be charged for all of it.
            let run: Run = if is_one { run } else { run.compacted(0, &env.gauge) };
            env.publish(run.marked(marks));
        }
    }
}
