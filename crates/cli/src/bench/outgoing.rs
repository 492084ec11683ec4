//! What one publisher sends besides its payloads: heads, and its part of the acknowledgements.

use std::num::NonZeroU16;
use std::time::Instant;

use hdrhistogram::Histogram;
use wire::mqtt::QoS;

use super::forms::{Answers, Forms, Phase};
use super::head::{Head, Ids};
use super::mqtt::{Mqtt, Unacked};
use super::payload::Stamp;

#[derive(Debug)]
pub(super) struct Outgoing {
    head: Head,
    /// `None` where nothing is acknowledged.
    acks: Option<Acks>,
}

/// What the server has said of the messages so far.
#[derive(Debug)]
pub(super) enum Acks {
    /// By packet id, in any order.
    Packets(Unacked),
    /// One after the other.
    Answers(Answers),
}

impl Outgoing {
    pub(super) fn packets(
        mqtt: Mqtt,
        topic: &str,
        payload_bytes: usize,
        receive_max: NonZeroU16,
    ) -> Outgoing {
        let is_acknowledged = mqtt.qos != QoS::AtMostOnce;
        Outgoing {
            head: mqtt.published_head(topic, payload_bytes),
            acks: is_acknowledged.then(|| Acks::Packets(Unacked::new(mqtt, receive_max))),
        }
    }

    /// Messages with this head, which nobody acknowledges.
    pub(super) fn framed(head: Head) -> Outgoing {
        Outgoing { head, acks: None }
    }

    pub(super) fn forms(forms: Forms, topic: &str, payload_bytes: usize) -> Outgoing {
        let head = forms.published_head(topic, payload_bytes);
        Outgoing { head, acks: Answers::new(forms).map(Acks::Answers) }
    }

    pub(super) fn acks(&self) -> Option<&Acks> {
        self.acks.as_ref()
    }

    pub(super) fn acks_mut(&mut self) -> Option<&mut Acks> {
        self.acks.as_mut()
    }

    /// Makes this publisher's next messages of the first `count` in a batch.
    pub(super) fn stamp(
        &self,
        batch: &mut [u8],
        message_bytes: usize,
        count: usize,
        stamp: Stamp,
        sequence: u64,
    ) {
        let ids = match &self.acks {
            Some(Acks::Packets(unacked)) => unacked.ids_from(sequence),
            Some(Acks::Answers(_)) | None => Ids::NONE,
        };
        self.head.stamp(batch, message_bytes, count, stamp, ids);
    }
}

impl Acks {
    /// How many messages may follow the first `sent`.
    pub(super) fn free(&self, sent: u64) -> u64 {
        match self {
            Acks::Packets(unacked) => unacked.free(sent),
            Acks::Answers(answers) => answers.free(sent),
        }
    }

    /// Of the first `sent` messages, those that are not acknowledged.
    pub(super) fn open(&self, sent: u64) -> u64 {
        match self {
            Acks::Packets(unacked) => unacked.open(sent),
            Acks::Answers(answers) => answers.open(sent),
        }
    }

    /// What is to be written besides messages.
    pub(super) fn due(&self) -> &[u8] {
        match self {
            Acks::Packets(unacked) => unacked.due(),
            Acks::Answers(_) => &[],
        }
    }

    /// The first `count` bytes of what was due are written.
    pub(super) fn written(&mut self, count: usize) {
        match self {
            Acks::Packets(unacked) => unacked.written(count),
            Acks::Answers(_) => {}
        }
    }

    /// The messages before `upto` that were not told yet are written; the write began `at` that time.
    pub(super) fn sent(&mut self, upto: u64, at: Instant, phase: Phase) {
        match self {
            Acks::Packets(_) => {}
            Acks::Answers(answers) => answers.sent(upto, at, phase),
        }
    }

    /// Takes what was read from the server, when the first `sent` messages were written, and, where messages are answered
    /// in their order, how long they took.
    ///
    /// # Errors
    /// If the server says anything that does not acknowledge one of them.
    pub(super) fn hear(
        &mut self,
        bytes: &[u8],
        sent: u64,
        times_ns: &mut Histogram<u64>,
    ) -> anyhow::Result<()> {
        match self {
            Acks::Packets(unacked) => unacked.hear(bytes, sent),
            Acks::Answers(answers) => answers.hear(bytes, sent, times_ns),
        }
    }
}
