//! Deliveries to bytes, once per run and layout.

use std::rc::Rc;

use broker::planted::{self, Bug};
use broker::{Delivery, Layout, LocalRun, Run, Slice};
use bytes::Bytes;
use wire::text::{Format, Sender, TimeField, gap_line, write_head, write_line};

/// How one receiver's lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineStyle {
    pub(crate) format: Format,
    pub(crate) time: TimeField,
}

impl LineStyle {
    fn layout(self) -> Layout {
        if planted::is(Bug::WrongLayout) {
            return Layout(0);
        }
        Layout(self.format as u16 * 2 + u16::from(self.time == TimeField::Shown))
    }
}

/// Encodes for the connections of one shard and remembers what it made in this turn.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    made: Vec<Rc<LocalRun>>,
}

impl Encoder {
    /// The bytes of a delivery for receivers of `style`.
    pub(crate) fn encode(&mut self, delivery: &Delivery, style: LineStyle) -> Bytes {
        match delivery {
            Delivery::Gap(dropped) => gap_line(style.format, *dropped).into(),
            Delivery::Messages(slice) => self.messages(slice, style),
        }
    }

    /// Forgets this turn's bytes: sockets that have not taken them hold their own reference.
    pub(crate) fn end_turn(&mut self) {
        for run in self.made.drain(..) {
            run.forget_encoded();
        }
    }

    fn messages(&mut self, slice: &Slice, style: LineStyle) -> Bytes {
        if slice.skip > 0 {
            return lines(slice.run.run(), slice.skip, style);
        }
        let layout = style.layout();
        if let Some(bytes) = slice.run.encoded(layout) {
            return bytes;
        }
        let bytes = lines(slice.run.run(), 0, style);
        slice.run.keep_encoded(layout, bytes.clone());
        self.made.push(Rc::clone(&slice.run));
        bytes
    }
}

fn lines(run: &Run, skip: u32, style: LineStyle) -> Bytes {
    let publisher = run.publisher();
    let sender = Sender {
        topic: run.topic().as_str(),
        addr: publisher.addr,
        name: publisher.name.as_deref(),
        time_ms: run.time().0,
    };
    let payloads = run.payloads(skip);
    let mut head = Vec::with_capacity(128);
    write_head(&mut head, style.format, style.time, &sender);
    // Escapes are rare, so room for the plain bytes is room enough.
    let mut out = Vec::with_capacity(run.body_bytes() + payloads.len() * (head.len() + 1));
    for payload in payloads {
        write_line(&mut out, style.format, &head, payload, &sender);
    }
    out.into()
}
