//! What worlds reach: promises that were really judged, and every way in which a connection ends.
//!
//! A checker that excuses too much, or that nothing ever comes to, is green and proves nothing.
//! So each world says what it reached, and a test holds up the share of worlds that do.

use std::collections::BTreeMap;

use frontend::CloseReason;

/// Something that not every world comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    /// Someone who keeps up heard live messages, so that nothing might be dropped for it.
    KeepsUp,
    /// Someone asked for history, and it was known which messages had to come.
    History,
    /// The same with `since=`, after the wall clock had jumped.
    SinceAfterJump,
    /// A connection that its client ended.
    Gone,
    /// One that had closed its sending half and heard the history.
    HistoryRead,
    /// One that said `terminate`.
    Terminated,
    /// A hello that was refused.
    Refused,
    /// Nobody said a role in time.
    Silent,
    /// Somebody said a role and then no topic in time, where the listener wants one.
    SilentTopic,
    /// A message over the limit.
    TooLong,
    /// No memory for the rest of a message.
    OutOfMemory,
    /// Another protocol.
    Foreign,
    BadRequest,
    /// A reader over the web went on where it stood.
    WebResumed,
    /// One was told that something is gone, and it was.
    WebMissed,
    /// A publisher over the web was answered for all that it said on a connection.
    WebAnswered,
    /// Something that one said was wrong, and it was told.
    WebRefused,
    /// One broke its connection before it was answered for what was accepted.
    WebUnanswered,
    /// An operator ended it.
    Kicked,
    /// The server shut down.
    Shutdown,
    /// An MQTT client had to hear messages of QoS 1 or 2, and it is known which.
    MqttHeard,
    /// The same with some of QoS 2.
    MqttExactlyOnce,
    /// The same over several connections.
    MqttResumed,
    /// Several clients shared messages, and it is known that none was missing.
    Shared,
    /// One of these messages came to more than one of them.
    SharedAgain,
    /// A connection lost its client id to another one.
    TakenOver,
    /// A client broke the rules of MQTT.
    Violation,
    /// Someone looked at what was retained, and it is known what that is.
    Retained,
    /// Someone looked for a will that had to be there.
    Will,
}

impl Reached {
    /// All of them.
    pub const ALL: [Self; 29] = [
        Self::KeepsUp,
        Self::History,
        Self::SinceAfterJump,
        Self::Gone,
        Self::HistoryRead,
        Self::Terminated,
        Self::Refused,
        Self::Silent,
        Self::SilentTopic,
        Self::TooLong,
        Self::OutOfMemory,
        Self::Foreign,
        Self::BadRequest,
        Self::WebResumed,
        Self::WebMissed,
        Self::WebAnswered,
        Self::WebRefused,
        Self::WebUnanswered,
        Self::Kicked,
        Self::Shutdown,
        Self::MqttHeard,
        Self::MqttExactlyOnce,
        Self::MqttResumed,
        Self::Shared,
        Self::SharedAgain,
        Self::TakenOver,
        Self::Violation,
        Self::Retained,
        Self::Will,
    ];

    /// The ending with this reason; `None` if only a kernel can cause it.
    pub(crate) fn ending(reason: &CloseReason) -> Option<Self> {
        match reason {
            CloseReason::Gone => Some(Self::Gone),
            CloseReason::Untaken => None,
            CloseReason::Violation(_) => Some(Self::Violation),
            CloseReason::TakenOver => Some(Self::TakenOver),
            CloseReason::HistoryRead => Some(Self::HistoryRead),
            CloseReason::Terminated => Some(Self::Terminated),
            CloseReason::Refused(_) => Some(Self::Refused),
            CloseReason::Silent => Some(Self::Silent),
            CloseReason::TooLong => Some(Self::TooLong),
            CloseReason::OutOfMemory => Some(Self::OutOfMemory),
            CloseReason::Foreign(_) => Some(Self::Foreign),
            CloseReason::BadRequest { .. } | CloseReason::BadFrame { .. } => Some(Self::BadRequest),
            CloseReason::Kicked => Some(Self::Kicked),
            CloseReason::Shutdown => Some(Self::Shutdown),
        }
    }
}

/// How many worlds reached what.
pub type Shares = BTreeMap<Reached, u64>;
