//! Whether the messages that one subscriber is sent over WebSocket are what was published.

use std::sync::Arc;

use anyhow::{Context, bail};
use wire::websocket::{Decoder, Event, Part, Peer};

use super::objects::{End, ObjectCheck};
use crate::bench::ledger::{Ledger, Seen, Senders};

/// Messages in frames, nearly always one in each.
#[derive(Debug)]
pub(crate) struct FrameCheck {
    objects: ObjectCheck,
    decoder: Decoder,
    /// The start of a message whose end has not arrived.
    data: Vec<u8>,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Between,
    /// The decoder has the start of a frame or of a message.
    Within,
}

impl FrameCheck {
    pub(crate) fn new(senders: Senders, padding: Arc<[u8]>) -> FrameCheck {
        FrameCheck {
            objects: ObjectCheck::new(End::Position, senders, padding),
            decoder: Decoder::new(Peer::Server, u64::MAX),
            data: Vec::new(),
            place: Place::Between,
        }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        self.objects.ledger()
    }

    /// Checks all whole messages in `bytes` and keeps what is left.
    ///
    /// # Errors
    /// If these are no frames, or the server says that something is wrong or closes the connection.
    pub(crate) fn consume(&mut self, bytes: &[u8], mut seen: impl FnMut(Seen)) -> anyhow::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.place == Place::Between {
                rest = self.objects.expected_run(rest, |bytes, _| split_frame(bytes), &mut seen);
                if let Some((message, after)) = split_frame(rest) {
                    enter(&mut self.objects, message, &mut seen)?;
                    rest = after;
                    continue;
                }
            }
            rest = self.decode(rest, &mut seen)?;
        }
        Ok(bytes.len())
    }

    /// Takes a part of what does not lie there whole, in one frame; returns what is left.
    fn decode<'a>(&mut self, bytes: &'a [u8], seen: &mut impl FnMut(Seen)) -> anyhow::Result<&'a [u8]> {
        let decoded = self.decoder.decode(bytes, &mut self.data).context("in a server's frame")?;
        let rest = bytes.get(decoded.used..).unwrap_or_default();
        self.place = match decoded.event {
            Some(Event::Close(code, why)) => bail!("the server closes a WebSocket: {code:?} {why}"),
            Some(Event::Data(_, Part::Last)) => {
                enter(&mut self.objects, &self.data, seen)?;
                self.data.clear();
                Place::Between
            }
            Some(Event::Ping(_) | Event::Pong(_)) if self.data.is_empty() => Place::Between,
            _ => Place::Within,
        };
        Ok(rest)
    }
}

/// Enters one message.
fn enter(objects: &mut ObjectCheck, message: &[u8], seen: &mut impl FnMut(Seen)) -> anyhow::Result<()> {
    if message.starts_with(b"{\"event\":") {
        return objects.own_event(None, message);
    }
    objects.enter(message, seen);
    Ok(())
}

/// The message that bytes begin with, if it is one frame and all of it is there, and what follows.
#[inline]
fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[TEXT_FRAME, length], rest) = bytes.split_first_chunk()? else { return None };
    match length {
        ..126 => rest.split_at_checked(usize::from(length)),
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
        }
        _ => {
            let (length, rest) = rest.split_first_chunk()?;
            rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)
        }
    }
}

/// The whole message, as text.
const TEXT_FRAME: u8 = 0x81;

#[cfg(test)]
#[path = "frames_tests.rs"]
pub(super) mod tests;
