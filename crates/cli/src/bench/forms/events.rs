//! Whether the Server-Sent Events of one subscriber are what was published.

use std::sync::Arc;

use anyhow::{Context, ensure};

use super::objects::{End, ObjectCheck};
use crate::bench::ledger::{Ledger, Seen, Senders};

/// Events in chunks, wherever these end.
#[derive(Debug)]
pub(crate) struct EventCheck {
    objects: ObjectCheck,
    /// Bytes of the chunk that has begun, with the line end behind it.
    left: usize,
    /// The start of an event whose end has not arrived.
    begun: Vec<u8>,
}

impl EventCheck {
    pub(crate) fn new(senders: Senders, padding: Arc<[u8]>) -> EventCheck {
        EventCheck { objects: ObjectCheck::new(End::Brace, senders, padding), left: 0, begun: Vec::new() }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        self.objects.ledger()
    }

    /// Checks all whole events in `bytes` and tells how many bytes are done with.
    ///
    /// # Errors
    /// If these are no chunks or no events, or the server ends the stream.
    pub(crate) fn consume(&mut self, bytes: &[u8], mut seen: impl FnMut(Seen)) -> anyhow::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.left == 0 {
                let Some((size, after)) = chunk_size(rest)? else { break };
                ensure!(size > 0, "the server ends a subscriber's stream");
                (self.left, rest) = (size + LINE_END.len(), after);
            }
            let here = self.left.min(rest.len());
            let (piece, after) = rest.split_at(here);
            let data = here.min(self.left.saturating_sub(LINE_END.len()));
            let (data, end) = piece.split_at(data);
            self.take(data, &mut seen)?;
            ensure!(end.iter().all(|byte| LINE_END.contains(byte)), "a chunk is longer than it says");
            self.left -= here;
            rest = after;
        }
        Ok(bytes.len() - rest.len())
    }

    /// Takes what a chunk carries.
    fn take(&mut self, mut data: &[u8], seen: &mut impl FnMut(Seen)) -> anyhow::Result<()> {
        if !self.begun.is_empty() {
            let end = memchr::memmem::find(data, EVENT_END).map_or(data.len(), |at| at + EVENT_END.len());
            let mut begun = std::mem::take(&mut self.begun);
            begun.extend_from_slice(data.get(..end).unwrap_or_default());
            let used = self.events(&begun, seen)?;
            begun.drain(..used);
            self.begun = begun;
            data = data.get(end..).unwrap_or_default();
        }
        let used = self.events(data, seen)?;
        self.begun.extend_from_slice(data.get(used..).unwrap_or_default());
        Ok(())
    }

    /// Checks whole events and tells how many bytes they were.
    fn events(&mut self, bytes: &[u8], seen: &mut impl FnMut(Seen)) -> anyhow::Result<usize> {
        let mut rest = bytes;
        loop {
            // The next subscriber's place is nearly always as long as the last one.
            let mut id_bytes = 0;
            let split = |bytes, object_bytes| split_event_of(bytes, &mut id_bytes, object_bytes);
            rest = self.objects.expected_run(rest, split, seen);
            let Some(end) = memchr::memmem::find(rest, EVENT_END) else { break };
            let (event, after) = rest.split_at(end + EVENT_END.len());
            match split_event(event) {
                Some((object, _)) => self.objects.enter(object, seen),
                None => self.own_event(event)?,
            }
            rest = after;
        }
        Ok(bytes.len() - rest.len())
    }

    /// An event that is no message, or a sign of life.
    fn own_event(&mut self, event: &[u8]) -> anyhow::Result<()> {
        let field = |name: &[u8]| event.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name));
        match (field(b"event: "), field(b"data: ")) {
            (None, None) => Ok(()),
            (name, data) => {
                let name = name.map(String::from_utf8_lossy).unwrap_or_default();
                self.objects.own_event(Some(&name), data.unwrap_or_default())
            }
        }
    }
}

/// The object of the event that bytes begin with, if that is a message and whole, and what follows.
fn split_event(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let id = bytes.strip_prefix(ID)?;
    let data = data(id, memchr::memchr(b'\n', id)?)?;
    split_data(data, memchr::memchr(b'\n', data)?)
}

/// The same if the object has this length; the id may have the length of the last one.
#[inline]
fn split_event_of<'a>(
    bytes: &'a [u8],
    id_bytes: &mut usize,
    object_bytes: usize,
) -> Option<(&'a [u8], &'a [u8])> {
    let id = bytes.strip_prefix(ID)?;
    let Some(data) = data(id, *id_bytes) else {
        *id_bytes = memchr::memchr(b'\n', id)?;
        return split_data(data(id, *id_bytes)?, object_bytes);
    };
    split_data(data, object_bytes)
}

/// What follows the id, which is not empty.
#[inline]
fn data(id: &[u8], id_bytes: usize) -> Option<&[u8]> {
    id.get(id_bytes..).filter(|_| id_bytes > 0)?.strip_prefix(b"\ndata: ")
}

#[inline]
fn split_data(data: &[u8], object_bytes: usize) -> Option<(&[u8], &[u8])> {
    let (object, rest) = data.split_at_checked(object_bytes)?;
    Some((object, rest.strip_prefix(EVENT_END)?))
}

/// The size that a chunk begins with, and what follows it; `None` if it is not whole.
fn chunk_size(bytes: &[u8]) -> anyhow::Result<Option<(usize, &[u8])>> {
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        ensure!(bytes.len() <= SIZE_BYTES_MAX, "a chunk without a size");
        return Ok(None);
    };
    let (line, after) = bytes.split_at(end + 1);
    let size = line.strip_suffix(LINE_END).and_then(|size| std::str::from_utf8(size).ok());
    let size = size.context("a chunk without a size")?;
    let size = usize::from_str_radix(size, 16).with_context(|| format!("a chunk of size {size:?}"))?;
    Ok(Some((size, after)))
}

const LINE_END: &[u8] = b"\r\n";
const ID: &[u8] = b"id: ";
const EVENT_END: &[u8] = b"\n\n";
const SIZE_BYTES_MAX: usize = 18;

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
