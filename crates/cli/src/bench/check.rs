//! The check of one subscriber's stream, in whichever protocol.

use std::sync::Arc;

use super::forms::{EventCheck, FrameCheck, Heard};
use super::framed::FramedCheck;
use super::ledger::{Ledger, Seen, Senders};
use super::mqtt::PacketCheck;
use super::payload::padding;
use super::protocol::Protocol;
use super::verify::StreamCheck;

#[derive(Debug)]
pub(super) enum Check {
    Lines(StreamCheck),
    Packets(PacketCheck),
    Framed(FramedCheck),
    Events(EventCheck),
    Frames(FrameCheck),
}

impl Check {
    pub(super) fn new(protocol: Protocol, senders: Senders, padding: Arc<[u8]>) -> Check {
        match protocol {
            Protocol::Text => Check::Lines(StreamCheck::new(senders, padding)),
            Protocol::Mqtt(mqtt) => Check::Packets(PacketCheck::new(mqtt, senders, padding)),
            Protocol::Framed(framing) => Check::Framed(FramedCheck::new(framing, senders, padding)),
            Protocol::Forms(forms) => match forms.heard {
                Heard::Lines => Check::Lines(StreamCheck::new(senders, padding)),
                Heard::Events => Check::Events(EventCheck::new(senders, padding)),
                Heard::Frames => Check::Frames(FrameCheck::new(senders, padding)),
            },
        }
    }

    pub(super) fn ledger(&self) -> &Ledger {
        match self {
            Check::Lines(check) => check.ledger(),
            Check::Packets(check) => check.ledger(),
            Check::Framed(check) => check.ledger(),
            Check::Events(check) => check.ledger(),
            Check::Frames(check) => check.ledger(),
        }
    }

    /// Whether the server says what it drops.
    pub(super) fn hears_of_loss(&self) -> bool {
        match self {
            Check::Lines(_) | Check::Events(_) | Check::Frames(_) => true,
            Check::Packets(_) | Check::Framed(_) => false,
        }
    }

    /// Checks all whole messages in `bytes` and tells how many bytes they were.
    ///
    /// # Errors
    /// If it can no longer be told where a message begins, or the server ends the connection.
    pub(super) fn consume(&mut self, bytes: &[u8], seen: impl FnMut(Seen)) -> anyhow::Result<usize> {
        match self {
            Check::Lines(check) => Ok(check.consume(bytes, seen)),
            Check::Packets(check) => check.consume(bytes, seen),
            Check::Framed(check) => check.consume(bytes, seen),
            Check::Events(check) => check.consume(bytes, seen),
            Check::Frames(check) => check.consume(bytes, seen),
        }
    }

    /// Acknowledgements to be written.
    pub(super) fn due(&self) -> &[u8] {
        match self {
            Check::Packets(check) => check.due(),
            _ => &[],
        }
    }

    /// The first `count` bytes of what was due are written.
    pub(super) fn written(&mut self, count: usize) {
        if let Check::Packets(check) = self {
            check.written(count);
        }
    }
}

/// The padding that all checks of one thread share.
pub(super) fn shared_padding(protocol: Protocol, payload_bytes: usize) -> Arc<[u8]> {
    padding(payload_bytes, protocol.tail()).into()
}
