//! Runs to PUBLISH packets: the head once per slice, and at QoS 0 the packets once per turn for
//! everyone who gets the same.

use std::num::NonZeroU16;
use std::rc::Rc;
use std::sync::Arc;

use broker::{Gauge, LocalRun, Run, Slice};
use bytes::Bytes;
use wire::mqtt::{PublishFrame, PublishHead, Version};

use crate::outgoing::{Outgoing, Pool};
use crate::remembered::Remembered;
use crate::traffic::Sent;
use crate::work;

/// A longer payload is not copied for one receiver: its packet refers to it.
const COPIED_BYTES: usize = 2 * 1024;

/// What makes the packets of two receivers of a run equal, at QoS 0 and without properties that
/// are one receiver's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) version: Version,
    pub(super) retain: bool,
}

/// Messages of a run, from one to before another, in a style.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    from: u32,
    end: u32,
    style: Style,
}

/// Encodes for the connections of one shard.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// With the bytes of the payloads.
    remembered: Remembered<Part, u64>,
    frame: PublishFrame,
    pub(crate) sent: Sent,
    /// What encoding has cost since the last look.
    pub(crate) spent: u64,
}

impl Encoder {
    pub(crate) fn new(gauge: Gauge) -> Self {
        Self {
            remembered: Remembered::new(gauge),
            frame: PublishFrame::default(),
            sent: Sent::default(),
            spent: 0,
        }
    }

    /// Sets the head of the packets that follow; their ids are not looked at.
    pub(super) fn set(&mut self, version: Version, head: &PublishHead<'_>) {
        self.spent += work::FRAME;
        self.frame.set(version, head);
    }

    /// Bytes of a packet under that head.
    pub(super) fn packet_len(&self, payload_len: usize) -> usize {
        self.frame.packet_len(payload_len)
    }

    /// What was encoded for another receiver of the same messages in the same style, if anything: it
    /// is sent.
    pub(super) fn find(&mut self, slice: &Slice, style: Style) -> Option<Bytes> {
        let wanted = Part { from: slice.skip, end: slice.end, style };
        let (payload_bytes, bytes) = self.remembered.find(&slice.run, |part| *part == wanted)?;
        self.spent += work::SHARED_PART;
        self.sent.count(slice.run.run(), slice.end - slice.skip, payload_bytes, bytes.len());
        Some(bytes)
    }

    /// Appends all messages of a slice at QoS 0, for others as well if they get the same.
    pub(super) fn all(&mut self, slice: &Slice, style: Option<Style>, out: &mut Outgoing, pool: &mut Pool) {
        match style.filter(|_| self.remembered.serves_others(&slice.run)) {
            Some(style) => {
                let run: &LocalRun = &slice.run;
                let (mut bytes, mut payload_bytes) = (Vec::new(), 0);
                let body = run.run().body_bytes() / run.run().len() as usize;
                bytes.reserve(self.frame.packet_len(body) * (slice.end - slice.skip) as usize);
                for index in slice.skip..slice.end {
                    let payload = run.run().payload(index);
                    self.charge(payload);
                    self.frame.write(&mut bytes, None, payload.len());
                    bytes.extend_from_slice(payload);
                    payload_bytes += payload.len() as u64;
                }
                let part = Part { from: slice.skip, end: slice.end, style };
                self.sent.count(run.run(), slice.end - slice.skip, payload_bytes, bytes.len());
                out.push(self.remembered.share(&slice.run, part, payload_bytes, bytes));
            }
            None => {
                for index in slice.skip..slice.end {
                    self.one(&slice.run, index, None, out, pool);
                }
            }
        }
    }

    /// Appends one message.
    pub(super) fn one(
        &mut self,
        run: &Rc<LocalRun>,
        index: u32,
        packet_id: Option<NonZeroU16>,
        out: &mut Outgoing,
        pool: &mut Pool,
    ) {
        let payload = run.run().payload(index);
        self.charge(payload);
        let (is_copied, before) = (payload.len() <= COPIED_BYTES, out.bytes());
        out.append(pool, |own| {
            self.frame.write(own, packet_id, payload.len());
            own.extend_from_slice(if is_copied { payload } else { &[] });
        });
        if !is_copied {
            out.push(shared(run.run(), index));
        }
        self.sent.count(run.run(), 1, payload.len() as u64, out.bytes() - before);
    }

    fn charge(&mut self, payload: &[u8]) {
        self.spent += work::LINE + payload.len() as u64 / work::BYTES_PER_UNIT;
    }

    /// Forgets this turn's bytes.
    pub(crate) fn forget(&mut self) {
        self.remembered.forget();
    }
}

/// A payload as it lies in its run, which it keeps alive.
fn shared(run: &Arc<Run>, index: u32) -> Bytes {
    struct Payload(Arc<Run>, u32);
    impl AsRef<[u8]> for Payload {
        fn as_ref(&self) -> &[u8] {
            self.0.payload(self.1)
        }
    }
    Bytes::from_owner(Payload(Arc::clone(run), index))
}
