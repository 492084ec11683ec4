//! How an MQTT connection ends: what the client is told, and why.

use wire::mqtt::{ConnAck, Disconnect, Packet, Properties, Reason, Version, encode};

use crate::event::CloseReason;

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

/// What a server's DISCONNECT says (MQTT5-3.14.2.1). Nothing where nobody would read it.
pub(super) fn reason_for(reason: &CloseReason) -> Option<Reason> {
    match reason {
        CloseReason::Violation(violation) => Some(Reason(violation.code)),
        CloseReason::TooLong => Some(Reason::PACKET_TOO_LARGE),
        CloseReason::OutOfMemory => Some(Reason::QUOTA_EXCEEDED),
        CloseReason::Silent => Some(Reason::KEEP_ALIVE_TIMEOUT),
        CloseReason::TakenOver => Some(Reason::SESSION_TAKEN_OVER),
        CloseReason::Kicked => Some(Reason::ADMINISTRATIVE_ACTION),
        CloseReason::Shutdown => Some(Reason::SERVER_SHUTTING_DOWN),
        CloseReason::Refused(_) => Some(Reason::UNSPECIFIED_ERROR),
        CloseReason::Gone
        | CloseReason::Untaken
        | CloseReason::HistoryRead
        | CloseReason::Terminated
        | CloseReason::Foreign(_) => None,
    }
}

/// A DISCONNECT of the server, which only 5.0 has.
pub(super) fn disconnect(version: Version, reason: Reason) -> Option<Vec<u8>> {
    if version != Version::V5 {
        return None;
    }
    let mut bytes = Vec::new();
    encode(
        &mut bytes,
        version,
        &Packet::Disconnect(Disconnect { reason, properties: Properties::default() }),
    );
    Some(bytes)
}

/// A CONNACK that refuses.
pub(super) fn refusal(version: Version, reason: Reason) -> Vec<u8> {
    let mut bytes = Vec::new();
    let connack = ConnAck { session_present: false, reason, properties: Properties::default() };
    encode(&mut bytes, version, &Packet::ConnAck(connack));
    bytes
}
