//! Deliveries to bytes, in parts, once per part and layout.
//!
//! A run is encoded in parts of a bounded size, whatever its lines grow to; a long message is
//! cut inside its line. Parts that several receivers get are made once and shared; what only
//! one gets goes straight into its own buffer.

use std::rc::Rc;

use broker::planted::{self, Bug};
use broker::{Gauge, LocalRun, Origin, Run, WallTime};
use wire::text::{Format, Frame, LinePart, Sender, Source, TimeField};

use crate::delivering::PartSize;
use crate::outgoing::{Outgoing, Pool};
use crate::remembered::Remembered;
use crate::traffic::Sent;
use crate::work;

/// How one receiver's lines look: what makes two receivers' bytes equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineStyle {
    pub(crate) format: Format,
    pub(crate) time: TimeField,
}

/// Where in a run a receiver stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(crate) message: u32,
    /// Within the message's line, if it was begun.
    pub(crate) part: Option<LinePart>,
}

/// What a part is besides its bytes.
#[derive(Debug, Clone, Copy)]
struct Encoded {
    /// Where in the run the next one begins.
    to: Option<Position>,
    /// Messages that end in it, and bytes of their payloads.
    messages: u32,
    payload_bytes: u64,
}

impl Encoded {
    fn new(run: &Run, from: Position, to: Option<Position>) -> Self {
        let end = to.map_or(run.len(), |to| to.message);
        let payload_bytes = run.payload_bytes(from.message, end);
        Self { to, messages: end - from.message, payload_bytes }
    }
}

/// Encodes for the connections of one shard and remembers what it made in this turn.
#[derive(Debug)]
pub(crate) struct Encoder {
    remembered: Remembered<(Position, LineStyle), Encoded>,
    frame: Frame,
    pub(crate) sent: Sent,
    /// What encoding has cost since the last look.
    pub(crate) spent: u64,
}

impl Encoder {
    pub(crate) fn new(gauge: Gauge) -> Self {
        Self { remembered: Remembered::new(gauge), frame: Frame::new(), sent: Sent::default(), spent: 0 }
    }

    /// Appends the part of a run that begins at `from`; returns where the next one begins.
    pub(super) fn encode(
        &mut self,
        run: &Rc<LocalRun>,
        from: Position,
        style: LineStyle,
        size: PartSize,
        out: &mut Outgoing,
        pool: &mut Pool,
    ) -> Option<Position> {
        let any_style = planted::is(Bug::WrongLayout);
        let is_meant = |key: &(Position, LineStyle)| key.0 == from && (key.1 == style || any_style);
        let before = out.bytes();
        let encoded = match self.remembered.find(run, is_meant) {
            Some((encoded, bytes)) => {
                self.spent += work::SHARED_PART;
                out.push(bytes);
                encoded
            }
            None if self.remembered.serves_others(run) => {
                let mut bytes = Vec::new();
                let to = lines(&mut bytes, &mut self.frame, run.run(), from, style, size, &mut self.spent);
                let encoded = Encoded::new(run.run(), from, to);
                out.push(self.remembered.share(run, (from, style), encoded, bytes));
                encoded
            }
            None => {
                let (frame, spent) = (&mut self.frame, &mut self.spent);
                let to = out.append(pool, |own| lines(own, frame, run.run(), from, style, size, spent));
                Encoded::new(run.run(), from, to)
            }
        };
        let Encoded { to, messages, payload_bytes } = encoded;
        self.sent.count(run.run(), messages, payload_bytes, out.bytes() - before);
        to
    }

    /// Forgets this turn's bytes.
    pub(crate) fn forget(&mut self) {
        self.remembered.forget();
    }
}

/// Appends the lines of a run from a position on, until there is a part of `size`; from within
/// a line to its end at most. `frame` is a buffer to work in. Returns where the next part begins.
fn lines(
    out: &mut Vec<u8>,
    frame: &mut Frame,
    run: &Run,
    from: Position,
    style: LineStyle,
    size: PartSize,
    spent: &mut u64,
) -> Option<Position> {
    frame.set(style.format, style.time, &sender(run));
    let payloads = run.payloads(from.message);
    let start = out.len();
    // Escapes are rare, so room for the plain bytes is room enough.
    let line_bytes = run.body_bytes() / run.len() as usize + frame.bytes();
    out.reserve(
        (payloads.len() * line_bytes).min(size.bytes.saturating_add(line_bytes.min(size.payload_bytes))),
    );
    let mut at = from;
    *spent += work::FRAME;
    loop {
        let payloads = run.payloads(at.message);
        if at.part.is_none() {
            let bytes_left = size.bytes.saturating_sub(out.len() - start);
            let number = run.number() + u64::from(at.message);
            at.message += frame.write_lines(out, payloads, number, bytes_left, size.payload_bytes);
        }
        let is_full = out.len() - start >= size.bytes;
        let Some(payload) = run.payloads(at.message).next().filter(|_| !is_full || at.part.is_some()) else {
            break;
        };
        // A long one: in pieces.
        let number = run.number() + u64::from(at.message);
        at.part = frame.write_part(out, payload, number, at.part, size.payload_bytes);
        while at.part.is_some() && out.len() - start < size.bytes {
            at.part = frame.write_part(out, payload, number, at.part, size.payload_bytes);
        }
        if at.part.is_some() {
            break;
        }
        at.message += 1;
        if out.len() - start >= size.bytes || from.part.is_some() {
            break;
        }
    }
    let bytes = (out.len() - start) as u64;
    *spent += work::LINE * u64::from(at.message - from.message) + bytes / work::BYTES_PER_UNIT;
    (at.message < run.len()).then_some(at)
}

/// What a line says of its publisher.
pub(crate) fn sender(run: &Run) -> Sender<'_> {
    let publisher = run.publisher();
    Sender {
        topic: run.topic().as_str(),
        addr: publisher.addr,
        name: publisher.name.as_deref(),
        time_ms: run.time().0,
        source: source(publisher.origin, publisher.began),
    }
}

/// What the ids of a publisher's messages begin with, if it began then.
pub(crate) fn source(origin: Origin, began: WallTime) -> Source {
    let Origin { shard, conn } = origin;
    Source([shard.0.into(), conn.slot.into(), conn.generation.into(), began.0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use broker::{About, Body, ConnId, Introduced, Origin, Publisher, RunBuilder, ShardId, WallTime};
    use proptest::prelude::*;
    use std::sync::Arc;
    use topic::TopicName;

    fn run(payloads: &[Vec<u8>]) -> Rc<LocalRun> {
        let origin = Origin { shard: ShardId(0), conn: ConnId { slot: 0, generation: 0 } };
        let publisher = Publisher {
            origin,
            addr: Some("127.0.0.1:1".parse().unwrap()),
            name: None,
            began: WallTime(0),
            introduced: Introduced::ByBroker,
        };
        let (mut body, mut spans) = (Vec::new(), RunBuilder::default());
        for payload in payloads {
            let start = body.len();
            body.extend_from_slice(payload);
            spans.push(start..body.len());
        }
        let topic = TopicName::parse("t]").unwrap();
        let body = Body::exact(body.into());
        let about = About { topic: &topic, publisher: &Arc::new(publisher), time: WallTime(7), number: 8 };
        LocalRun::new(spans.finish(about, body, &Gauge::new()).into())
    }

    fn bytes_of(out: &mut Outgoing) -> Vec<u8> {
        let mut all = Vec::new();
        while !out.is_empty() {
            let mut slices = [std::io::IoSlice::new(&[])];
            let filled = out.slices(&mut slices);
            let bytes: Vec<u8> = slices.iter().take(filled).flat_map(|slice| slice.iter().copied()).collect();
            out.advance(bytes.len());
            all.extend(bytes);
        }
        all
    }

    proptest! {
        /// However a run is cut into parts, shared or not, each receiver gets the same lines, and
        /// no part is longer than its size, one line's ends and one piece of an escaped payload.
        #[test]
        fn parts_put_together_are_the_lines(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..60), 1..20),
            bytes in 1usize..200,
            payload_bytes in 4usize..70,
            is_json: bool,
        ) {
            let format = if is_json { Format::Json } else { Format::FromTopic };
            let style = LineStyle { format, time: TimeField::Shown };
            let run = run(&payloads);
            let whole = PartSize { bytes: usize::MAX, payload_bytes: usize::MAX };
            let size = PartSize { bytes, payload_bytes };
            let gauge = Gauge::new();
            let (mut encoder, mut pool) = (Encoder::new(gauge.clone()), Pool::default());
            let start = Position { message: 0, part: None };
            let mut expected = Outgoing::default();
            prop_assert_eq!(encoder.encode(&run, start, style, whole, &mut expected, &mut pool), None);
            let expected = bytes_of(&mut expected);
            let others = Rc::clone(&run);
            let mut outs = [Outgoing::default(), Outgoing::default()];
            let mut positions = [Some(start), Some(start)];
            while positions.iter().any(Option::is_some) {
                for (out, position) in outs.iter_mut().zip(&mut positions) {
                    let Some(from) = *position else { continue };
                    let before = out.bytes();
                    *position = encoder.encode(&run, from, style, size, out, &mut pool);
                    let most = bytes + 200 + 6 * payload_bytes;
                    prop_assert!(out.bytes() - before <= most, "{} of {most}", out.bytes() - before);
                }
            }
            for out in &mut outs {
                prop_assert_eq!(bytes_of(out), expected.clone());
            }
            encoder.forget();
            drop((others, outs));
            prop_assert_eq!(gauge.used(), 0, "what was encoded is given back");
        }
    }
}
