//! What a client is told about its own packets, in the order that the standard asks for.

use std::collections::VecDeque;
use std::num::NonZeroU16;

use wire::mqtt::{Ack, Packet, Reason, Version, encode};

/// Answers for which no places are kept.
const FEW: u64 = 16;
/// Bytes of most answers.
const ANSWER_BYTES: usize = 4;

/// One answer.
#[derive(Debug)]
pub(super) enum Answer {
    PubAck(NonZeroU16, Reason),
    PubRec(NonZeroU16, Reason),
    PubRel(NonZeroU16, Reason),
    PubComp(NonZeroU16, Reason),
    Pong,
    /// A packet that is encoded.
    Whole(Box<[u8]>),
}

/// The answers of one connection.
#[derive(Debug, Default)]
pub(super) struct Answers {
    due: VecDeque<Answer>,
    /// By how many messages must be accepted before they may be given.
    waiting: VecDeque<(u64, Answer)>,
    waiting_pubacks: usize,
    /// Bytes of all of them.
    bytes: usize,
    /// Messages that were published, and how many of them are accepted.
    pub(super) published: u64,
    accepted: u64,
}

impl Answers {
    /// To be given behind everything that is due.
    pub(super) fn give(&mut self, answer: Answer) {
        self.bytes += answer.bytes();
        self.due.push_back(answer);
    }

    /// To be given once everything that was published so far is accepted (MQTT5-4.6.0-2,
    /// MQTT5-4.6.0-3).
    pub(super) fn give_when_accepted(&mut self, answer: Answer) {
        if self.waiting.is_empty() && self.accepted >= self.published {
            return self.give(answer);
        }
        self.bytes += answer.bytes();
        self.waiting_pubacks += usize::from(matches!(answer, Answer::PubAck(..)));
        self.waiting.push_back((self.published, answer));
    }

    /// The core has accepted the first `upto` messages.
    pub(super) fn accepted(&mut self, upto: u64) {
        self.accepted = upto;
        while let Some((_, answer)) = self.waiting.pop_front_if(|(count, _)| *count <= upto) {
            self.waiting_pubacks -= usize::from(matches!(answer, Answer::PubAck(..)));
            self.due.push_back(answer);
        }
    }

    /// Messages of QoS 1 that wait for the core.
    pub(super) fn waiting_pubacks(&self) -> usize {
        self.waiting_pubacks
    }

    /// Whether none may be given now.
    pub(super) fn is_idle(&self) -> bool {
        self.due.is_empty()
    }

    /// Whether none is promised.
    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty() && self.waiting.is_empty()
    }

    /// Bytes that are promised.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends about `bytes_max` of them; returns how many.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, version: Version, bytes_max: usize) -> u64 {
        let (start, mut written) = (out.len(), 0);
        while let Some(answer) = self.due.pop_front() {
            self.bytes -= answer.bytes();
            answer.write(out, version);
            written += 1;
            if out.len() - start >= bytes_max {
                break;
            }
        }
        // Who has had a handful may be idle for years; who has had many will have many again.
        if self.is_empty() && written <= FEW {
            (self.due, self.waiting) = Default::default();
        }
        written
    }
}

impl Answer {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            _ => ANSWER_BYTES,
        }
    }

    fn write(self, out: &mut Vec<u8>, version: Version) {
        let packet = match self {
            Self::Whole(bytes) => return out.extend_from_slice(&bytes),
            Self::Pong => Packet::PingResp,
            Self::PubAck(id, reason) => Packet::PubAck(Ack::new(id, reason)),
            Self::PubRec(id, reason) => Packet::PubRec(Ack::new(id, reason)),
            Self::PubRel(id, reason) => Packet::PubRel(Ack::new(id, reason)),
            Self::PubComp(id, reason) => Packet::PubComp(Ack::new(id, reason)),
        };
        encode(out, version, &packet);
    }
}
