//! How an MQTT connection ends: what the client is told, and why.

use wire::mqtt::{ConnAck, Disconnect, Packet, Properties, Reason, Version};

use crate::event::CloseReason;
use crate::mqtt::refusing::with_words;

/// What a client did that ends its connection: for the client a reason code, for the operator
/// a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What the client is told, if its version can be told.
    pub code: u8,
    pub what: String,
}

impl Violation {
    pub(super) fn new(reason: Reason, what: impl Into<String>) -> Self {
        Self { code: reason.0, what: what.into() }
    }
}

impl From<wire::mqtt::DecodeError> for Violation {
    fn from(error: wire::mqtt::DecodeError) -> Self {
        Self::new(error.reason(), error.to_string())
    }
}

/// What a server's DISCONNECT says (MQTT5-3.14.2.1), with words where the code does not say all.
/// Nothing where nobody would read it.
fn reason_for(reason: &CloseReason) -> Option<(Reason, Option<&str>)> {
    Some(match reason {
        CloseReason::Violation(violation) => (Reason(violation.code), Some(&violation.what)),
        CloseReason::TooLong => (Reason::PACKET_TOO_LARGE, None),
        CloseReason::OutOfMemory => (Reason::QUOTA_EXCEEDED, Some("no memory for the rest of a message")),
        CloseReason::Silent => (Reason::KEEP_ALIVE_TIMEOUT, None),
        CloseReason::TakenOver => (Reason::SESSION_TAKEN_OVER, None),
        CloseReason::Kicked => (Reason::ADMINISTRATIVE_ACTION, None),
        CloseReason::Shutdown => (Reason::SERVER_SHUTTING_DOWN, None),
        CloseReason::Refused(_) => (Reason::UNSPECIFIED_ERROR, None),
        CloseReason::BadRequest { .. }
        | CloseReason::BadFrame { .. }
        | CloseReason::Gone
        | CloseReason::Untaken
        | CloseReason::HistoryRead
        | CloseReason::Terminated
        | CloseReason::Foreign(_) => return None,
    })
}

/// A DISCONNECT of the server, which only 5.0 has. It has words also for a client that asks for no
/// Request Problem Information: that is about other packets.
pub(super) fn disconnect(version: Version, packet_bytes_max: usize, reason: &CloseReason) -> Option<Vec<u8>> {
    let (reason, words) = reason_for(reason).filter(|_| version == Version::V5)?;
    let packet = Packet::Disconnect(Disconnect { reason, properties: Properties::EMPTY });
    Some(with_words(version, packet_bytes_max, packet, words))
}

/// A CONNACK that refuses; nothing if the client takes none.
pub(super) fn refusal(version: Version, packet_bytes_max: usize, reason: Reason, words: &str) -> Vec<u8> {
    let connack = ConnAck { session_present: false, reason, properties: Properties::EMPTY };
    let bytes = with_words(version, packet_bytes_max, Packet::ConnAck(connack), Some(words));
    //= MQTT5-3.1.2-24
    if bytes.len() > packet_bytes_max { Vec::new() } else { bytes }
}
