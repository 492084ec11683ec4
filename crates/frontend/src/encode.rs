//! Deliveries to bytes, once per run and layout.
//!
//! Bytes that several receivers get are made once and shared; bytes that only one gets go
//! straight into its own buffer.

use std::rc::Rc;

use broker::planted::{self, Bug};
use broker::{Delivery, Layout, LocalRun, Run, Slice};
use wire::text::{Format, Frame, Sender, TimeField, gap_line};

use crate::outgoing::{Outgoing, Pool};

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
    frame: Frame,
    pub(crate) pool: Pool,
}

impl Encoder {
    /// Appends the bytes of a delivery for a receiver of `style`.
    pub(crate) fn encode(&mut self, delivery: &Delivery, style: LineStyle, out: &mut Outgoing) {
        match delivery {
            Delivery::Gap(dropped) => out.push(gap_line(style.format, *dropped).into()),
            Delivery::Messages(slice) => self.messages(slice, style, out),
        }
    }

    /// Forgets this turn's bytes: sockets that have not taken them hold their own reference.
    pub(crate) fn end_turn(&mut self) {
        for run in self.made.drain(..) {
            run.forget_encoded();
        }
    }

    fn messages(&mut self, slice: &Slice, style: LineStyle, out: &mut Outgoing) {
        let layout = style.layout();
        if slice.skip == 0
            && let Some(bytes) = slice.run.encoded(layout)
        {
            out.push(bytes);
            return;
        }
        let nobody_else = Rc::strong_count(&slice.run) == 1;
        if slice.skip > 0 || nobody_else {
            out.append(&mut self.pool, |own| lines(own, &mut self.frame, slice.run.run(), slice.skip, style));
            return;
        }
        let mut bytes = Vec::new();
        lines(&mut bytes, &mut self.frame, slice.run.run(), 0, style);
        slice.run.keep_encoded(layout, bytes.into());
        self.made.push(Rc::clone(&slice.run));
        out.push(slice.run.encoded(layout).unwrap_or_default());
    }
}

/// Appends the lines of a run. `frame` is a buffer to work in.
fn lines(out: &mut Vec<u8>, frame: &mut Frame, run: &Run, skip: u32, style: LineStyle) {
    let publisher = run.publisher();
    let sender = Sender {
        topic: run.topic().as_str(),
        addr: publisher.addr,
        name: publisher.name.as_deref(),
        time_ms: run.time().0,
    };
    let payloads = run.payloads(skip);
    frame.set(style.format, style.time, &sender);
    // Escapes are rare, so room for the plain bytes is room enough.
    out.reserve(run.body_bytes() + payloads.len() * frame.bytes());
    for payload in payloads {
        frame.write_line(out, payload);
    }
}
