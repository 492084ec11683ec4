//! Runs to what a stream shows, in parts, once for all who get the same.

use std::io::Write as _;
use std::rc::Rc;

use broker::{Gauge, LocalRun};
use wire::websocket::{Opcode, Part, write_frame_head};

use crate::delivering::PartSize;
use crate::feed::position::{self, Epoch};
use crate::outgoing::{Outgoing, Pool};
use crate::remembered::Remembered;
use crate::text::{Format, Frame, LinePart, TimeField, sender};
use crate::traffic::Sent;
use crate::work;

/// What makes two feeds' bytes equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Style {
    pub(crate) shape: Shape,
    pub(crate) wrapping: Wrapping,
}

/// How a feed looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    /// A payload per line.
    Lines,
    /// A JSON object per line.
    Ndjson,
    /// Server-Sent Events.
    Events,
    /// A JSON object per message of a WebSocket.
    Frames,
}

/// Whether what is written at once is a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrapping {
    Chunks,
    /// What is written says itself where it ends, or the connection's end does.
    Bare,
}

/// Where a part of a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) message: u32,
    /// Within the line of that message.
    pub(super) part: Option<LinePart>,
}

/// What a receiver has got of the other shards, if it is not what the run was noted with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Standing<'a> {
    /// The same as all others who get this run.
    AsNoted(&'a [u64]),
    Own(&'a [u64]),
    /// The same, and this run does not move it.
    Still(&'a [u64]),
}

/// Encodes for all streams of a station.
#[derive(Debug)]
pub(crate) struct Encoder {
    remembered: Remembered<(Cursor, Style), Encoded>,
    frame: Frame,
    pub(crate) epoch: Epoch,
    pub(crate) sent: Sent,
    pub(crate) spent: u64,
}

#[derive(Debug, Clone, Copy)]
struct Encoded {
    to: Option<Cursor>,
    messages: u32,
    payload_bytes: u64,
}

impl Encoder {
    pub(crate) fn new(gauge: Gauge, epoch: u64) -> Self {
        Self {
            remembered: Remembered::new(gauge),
            frame: Frame::new(),
            epoch: Epoch::new(epoch),
            sent: Sent::default(),
            spent: 0,
        }
    }

    /// Appends the part of a run that begins at `from`; returns where the next one begins.
    pub(super) fn encode(
        &mut self,
        run: &Rc<LocalRun>,
        from: Cursor,
        style: Style,
        (standing, size): (Standing<'_>, PartSize),
        (out, pool): (&mut Outgoing, &mut Pool),
    ) -> Option<Cursor> {
        let before = out.bytes();
        // Lines tell nobody's position.
        let is_shared = style.shape == Shape::Lines || matches!(standing, Standing::AsNoted(_));
        let found = match is_shared {
            true => self.remembered.find(run, |key| *key == (from, style)),
            false => None,
        };
        let encoded = match found {
            Some((encoded, bytes)) => {
                self.spent += work::SHARED_PART;
                out.push(bytes);
                encoded
            }
            None if is_shared && self.remembered.serves_others(run) => {
                let mut bytes = Vec::new();
                let encoded = self.part(&mut bytes, run, from, style, (standing, size));
                out.push(self.remembered.share(run, (from, style), encoded, bytes));
                encoded
            }
            None => out.append(pool, |own| Some(self.part(own, run, from, style, (standing, size))))?,
        };
        self.sent.count(run.run(), encoded.messages, encoded.payload_bytes, out.bytes() - before);
        encoded.to
    }

    fn part(
        &mut self,
        out: &mut Vec<u8>,
        run: &LocalRun,
        from: Cursor,
        style: Style,
        (standing, size): (Standing<'_>, PartSize),
    ) -> Encoded {
        let run = run.run();
        let format = if style.shape == Shape::Lines { Format::Payload } else { Format::Json };
        self.frame.set(format, TimeField::Hidden, &sender(run));
        self.spent += work::FRAME;
        let (whole, epoch) = (out.len(), self.epoch);
        let begins = begin_chunk(out, style.wrapping);
        let start = out.len();
        let mut at = from;
        let shard = usize::from(run.publisher().origin.shard.0);
        while let Some(payload) = run.payloads(at.message).next() {
            let number = run.number() + u64::from(at.message);
            let place = run.place_of(at.message + 1);
            let own = (!run.publisher().is_broker()).then_some((shard, place));
            let id = |out: &mut Vec<u8>| write_position(out, epoch, standing, own);
            let (piece, is_first) = (out.len(), at.part.is_none());
            if is_first && style.shape == Shape::Events {
                out.extend_from_slice(b"id: ");
                id(out);
                out.extend_from_slice(b"\ndata: ");
            }
            at.part = self.frame.write_part(out, payload, number, at.part, size.payload_bytes);
            if at.part.is_none() {
                at.message += 1;
                end_message(out, style.shape, id);
            }
            if style.shape == Shape::Frames {
                let part = if at.part.is_none() { Part::Last } else { Part::More };
                frame_from(out, piece, if is_first { Opcode::Text } else { Opcode::Continuation }, part);
            }
            // What goes on from within a line is one receiver's matter, and ends with the line.
            if out.len() - start >= size.bytes || (from.part.is_some() && at.part.is_none()) {
                break;
            }
        }
        end_chunk(out, begins);
        let messages = at.message - from.message;
        let bytes = (out.len() - whole) as u64;
        self.spent += POSITION_WORK * u64::from(messages) + bytes / work::BYTES_PER_UNIT;
        Encoded {
            to: (at.message < run.len()).then_some(at),
            messages,
            payload_bytes: run.payload_bytes(from.message, at.message),
        }
    }

    /// Forgets this turn's bytes.
    pub(crate) fn forget(&mut self) {
        self.remembered.forget();
    }
}

/// Ends a message behind its line, which ends with a newline.
fn end_message(out: &mut Vec<u8>, shape: Shape, id: impl Fn(&mut Vec<u8>)) {
    match shape {
        Shape::Lines => {}
        Shape::Events => out.push(b'\n'),
        Shape::Ndjson | Shape::Frames => {
            out.truncate(out.len() - LINE_END.len());
            out.extend_from_slice(b",\"position\":\"");
            id(out);
            out.extend_from_slice(if shape == Shape::Ndjson { b"\"}\n" } else { b"\"}" });
        }
    }
}

/// Makes what stands in `out` from a place on the payload of a frame.
fn frame_from(out: &mut Vec<u8>, start: usize, opcode: Opcode, part: Part) {
    let mut head = Vec::with_capacity(10);
    write_frame_head(&mut head, opcode, part, out.len() - start);
    out.splice(start..start, head);
}

/// What JSON's lines end with.
const LINE_END: &[u8] = b"}\n";
/// A message with its position, besides its bytes.
const POSITION_WORK: u64 = 150;

/// Where a receiver stands behind a message of a shard that has accepted so many with it; what the broker
/// tells of itself does not count.
fn write_position(out: &mut Vec<u8>, epoch: Epoch, standing: Standing<'_>, own: Option<(usize, u64)>) {
    let (places, own) = match standing {
        Standing::AsNoted(places) | Standing::Own(places) => (places, own),
        Standing::Still(places) => (places, None),
    };
    let place = |(index, at): (usize, &u64)| match own {
        Some((shard, place)) if shard == index => place,
        _ => *at,
    };
    position::write(out, epoch, places.iter().enumerate().map(place));
}

/// An event of the broker's own, as a whole chunk: what it is called, what it says as JSON without
/// braces, and where the receiver stands behind it.
pub(crate) fn write_event(
    out: &mut Vec<u8>,
    style: Style,
    (name, says): (&str, &str),
    position: Option<&[u8]>,
) {
    let begins = begin_chunk(out, style.wrapping);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let position = position.map(text);
    let written = match style.shape {
        Shape::Lines => Ok(()),
        Shape::Ndjson | Shape::Frames => {
            let mut all = format!("{{\"event\":\"{name}\"");
            for part in
                [says.to_owned(), position.map_or_else(String::new, |p| format!("\"position\":\"{p}\""))]
            {
                if !part.is_empty() {
                    all.push(',');
                    all.push_str(&part);
                }
            }
            let start = out.len();
            let end = if style.shape == Shape::Ndjson { "}\n" } else { "}" };
            let written = write!(out, "{all}{end}");
            if style.shape == Shape::Frames {
                frame_from(out, start, Opcode::Text, Part::Last);
            }
            written
        }
        Shape::Events => {
            position.into_iter().for_each(|position| {
                writeln!(out, "id: {position}").expect("a Vec takes every write");
            });
            write!(out, "event: {name}\ndata: {{{says}}}\n\n")
        }
    };
    written.expect("a Vec takes every write");
    end_chunk(out, begins);
}

/// Says nothing, so that the connection is seen to live; the client notes where it stands.
pub(super) fn write_heartbeat(out: &mut Vec<u8>, style: Style, position: Option<&[u8]>) {
    let begins = begin_chunk(out, style.wrapping);
    match (style.shape, position) {
        (Shape::Lines, _) => {}
        (Shape::Events, Some(position)) => {
            out.extend_from_slice(b"id: ");
            out.extend_from_slice(position);
            out.extend_from_slice(b"\n\n");
        }
        (Shape::Events, None) => out.extend_from_slice(b":\n\n"),
        (Shape::Ndjson | Shape::Frames, position) => {
            out.truncate(begins.map_or(out.len(), |at| at));
            return write_event(out, style, ("keepalive", ""), position);
        }
    }
    end_chunk(out, begins);
}

/// Leaves room for the size of a chunk; where it stands.
fn begin_chunk(out: &mut Vec<u8>, wrapping: Wrapping) -> Option<usize> {
    (wrapping == Wrapping::Chunks).then(|| {
        let at = out.len();
        out.extend_from_slice(b"000000\r\n");
        at
    })
}

fn end_chunk(out: &mut Vec<u8>, begins: Option<usize>) {
    let Some(at) = begins else { return };
    let size = out.len() - at - b"000000\r\n".len();
    if size == 0 {
        return out.truncate(at); // an empty chunk would be the end
    }
    for (digit, shift) in out.iter_mut().skip(at).take(6).zip([20, 16, 12, 8, 4, 0]) {
        let value = u8::try_from(size >> shift & 15).unwrap_or_default();
        *digit = if value < 10 { b'0' + value } else { b'a' + value - 10 };
    }
    out.extend_from_slice(b"\r\n");
}
