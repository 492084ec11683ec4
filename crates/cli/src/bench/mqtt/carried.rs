//! The same over WebSocket: packets come out of frames, and acknowledgements that are due together go into one.

use wire::websocket::Opcode;

use super::{Carrier, Mqtt};
use crate::bench::frames::{Unframed, put_frame};

/// The frames of one connection, in both directions; none where packets are the bytes of the connection.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    unframed: Option<Unframed>,
    /// Frames to be written.
    due: Vec<u8>,
}

impl Carried {
    pub(crate) fn new(mqtt: Mqtt) -> Carried {
        let unframed = match mqtt.carrier {
            Carrier::Socket => None,
            Carrier::Frames => Some(Unframed::new()),
        };
        Carried { unframed, due: Vec::new() }
    }

    /// Gives whole packets among `bytes` to `take`, and tells how many bytes are done with.
    ///
    /// # Errors
    /// If these are no frames, or `take` fails.
    pub(crate) fn each(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> anyhow::Result<usize>,
    ) -> anyhow::Result<usize> {
        match &mut self.unframed {
            None => take(bytes),
            Some(unframed) => {
                unframed.each(bytes, take)?;
                Ok(bytes.len())
            }
        }
    }

    /// What is to be written of packets that are due.
    pub(crate) fn due<'a>(&'a self, packets: &'a [u8]) -> &'a [u8] {
        if self.unframed.is_none() { packets } else { &self.due }
    }

    /// Puts packets that are due into a frame, where there are frames.
    pub(crate) fn wrap(&mut self, packets: &mut Vec<u8>) {
        if self.unframed.is_some() && !packets.is_empty() {
            put_frame(&mut self.due, Opcode::Binary, packets);
            packets.clear();
        }
    }

    /// The first `count` bytes of what was due are written.
    pub(crate) fn written(&mut self, count: usize, packets: &mut Vec<u8>) {
        let due = if self.unframed.is_none() { packets } else { &mut self.due };
        due.drain(..count.min(due.len()));
    }
}
