//! What a session has sent and its client has not acknowledged.
//!
//! ```text
//! QoS 1: sent ──PUBACK──▶ done
//! QoS 2: sent ──PUBREC──▶ released ──PUBCOMP──▶ done
//! ```
//! Packet ids are a session's, not a connection's: what is sent again after a reconnect has the
//! id that it had, in the order that it had (MQTT5-4.4.0-1, MQTT5-4.6.0-1).

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use broker::planted::{self, Bug};
use broker::{Qos, Slice};

/// The messages under way to one client.
#[derive(Debug, Default)]
pub(crate) struct Window {
    sent: BTreeMap<NonZeroU16, Sent>,
    last_id: u16,
    /// Counts what was sent or released: the order in which it is sent again.
    sequence: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Sent {
    sequence: u64,
    state: Unacked,
}

/// How far one message is.
#[derive(Debug, Clone)]
pub(crate) enum Unacked {
    /// It was sent: one message, at this quality of service, as retained or not.
    Publish { slice: Slice, qos: Qos, retain: Retain },
    /// The client has it and was told that its id is free again, and has not confirmed that.
    Release,
}

/// The retain flag of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retain {
    Set,
    Clear,
}

/// Whether an acknowledgement was for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Yes,
    No,
}

impl Window {
    /// How many messages are under way.
    pub(crate) fn len(&self) -> usize {
        self.sent.len()
    }

    /// Bytes of the runs that they keep alive.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// One message is sent: gives it an id.
    ///
    /// # Panics
    /// If all ids are taken: the caller keeps to a smaller bound.
    pub(crate) fn send(&mut self, slice: Slice, qos: Qos, retain: Retain) -> NonZeroU16 {
        assert!(self.sent.len() < usize::from(u16::MAX), "a window is smaller than there are ids");
        let id = loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let id = NonZeroU16::new(self.last_id).unwrap_or(NonZeroU16::MIN);
            // Taken: its client has not acknowledged it for 65,535 messages.
            if !self.sent.contains_key(&id) {
                break id;
            }
        };
        self.bytes += slice.run.run().cost();
        self.sequence += 1;
        let state = Unacked::Publish { slice, qos, retain };
        self.sent.insert(id, Sent { sequence: self.sequence, state });
        id
    }

    /// PUBACK: a message of QoS 1 is done.
    pub(crate) fn acknowledged(&mut self, id: NonZeroU16) -> Known {
        self.finish_if(id, |state| matches!(state, Unacked::Publish { qos: Qos::AtLeastOnce, .. }))
    }

    /// PUBREC: the client has a message of QoS 2. It is to be told PUBREL in any case, since it may
    /// not have heard it before.
    pub(crate) fn received(&mut self, id: NonZeroU16) -> Known {
        let Some(sent) = self.sent.get_mut(&id) else { return Known::No };
        match &sent.state {
            Unacked::Publish { slice, qos: Qos::ExactlyOnce, .. } => {
                self.bytes -= slice.run.run().cost();
                self.sequence += 1;
                *sent = Sent { sequence: self.sequence, state: Unacked::Release };
                Known::Yes
            }
            Unacked::Publish { .. } => Known::No,
            Unacked::Release => Known::Yes,
        }
    }

    /// PUBREC with an error: the client will not have it.
    pub(crate) fn declined(&mut self, id: NonZeroU16) -> Known {
        self.finish_if(id, |state| matches!(state, Unacked::Publish { qos: Qos::ExactlyOnce, .. }))
    }

    /// PUBCOMP: a message of QoS 2 is done.
    pub(crate) fn completed(&mut self, id: NonZeroU16) -> Known {
        self.finish_if(id, |state| matches!(state, Unacked::Release))
    }

    /// What is to be sent again on a new connection, in order.
    pub(crate) fn unacked(&self) -> Vec<NonZeroU16> {
        let mut ids: Vec<(u64, NonZeroU16)> =
            self.sent.iter().map(|(id, sent)| (sent.sequence, *id)).collect();
        ids.sort_unstable();
        if planted::is(Bug::ResendBackwards) {
            ids.reverse();
        }
        ids.into_iter().map(|(_, id)| id).collect()
    }

    /// One of them, unless it was acknowledged meanwhile.
    pub(crate) fn get(&self, id: NonZeroU16) -> Option<&Unacked> {
        self.sent.get(&id).map(|sent| &sent.state)
    }

    fn finish_if(&mut self, id: NonZeroU16, is_meant: impl FnOnce(&Unacked) -> bool) -> Known {
        if !self.sent.get(&id).is_some_and(|sent| is_meant(&sent.state)) {
            return Known::No;
        }
        if let Some(Sent { state: Unacked::Publish { slice, .. }, .. }) = self.sent.remove(&id) {
            self.bytes -= slice.run.run().cost();
        }
        Known::Yes
    }
}
