//! What a client learns from its server, and what may be wrong with it.

use std::fmt;

use thiserror::Error;
use wire::mqtt::{DecodeError, Kind, Properties, Property, QoS, Reason};

use crate::message::Message;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server has accepted the connection.
    Connected(Connected),
    /// A message. Until its receipt is given to `acknowledge` the server counts it as open.
    Message(Message, Receipt),
    /// What became of a published message of QoS 1 or 2.
    Published(Ticket, Outcome),
    /// The answers to a subscription, one for each filter in their order. The server's words, if it
    /// has any, are with the first refusal: it has one set of them for all.
    Subscribed(Ticket, Vec<Goodbye>),
    /// The server does not accept the connection.
    Refused(Goodbye),
    /// The server ends the connection.
    Ended(Goodbye),
}

/// An accepted connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    pub session: SessionState,
    /// The id of this client, which the server may have chosen.
    pub client_id: String,
    /// Where replies to this client may go, if it asked and the server says so.
    pub response_information: Option<String>,
}

/// What the server knows of a client that comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// Everything: what was not acknowledged is sent again.
    Resumed,
    /// Nothing: subscriptions are made again, and what was sent meanwhile is lost.
    New,
}

/// Which publish or subscription an answer belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

/// The place of a received message: it and all before it are acknowledged together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Receipt(pub(crate) u64);

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server has it, at QoS 2 exactly once.
    Accepted,
    Refused(Goodbye),
    /// The server lost the session while a message of QoS 2 was on its way. To send it again might
    /// double it, so nobody did.
    Unsure,
}

/// A reason with the words that the server may have for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goodbye {
    pub reason: Reason,
    pub words: Option<String>,
    /// Another server that the client should use.
    pub elsewhere: Option<String>,
}

impl Goodbye {
    /// A reason without words.
    pub(crate) fn plain(reason: Reason) -> Self {
        Self { reason, words: None, elsewhere: None }
    }

    pub(crate) fn of(reason: Reason, properties: Properties<'_>) -> Self {
        let mut own = Self::plain(reason);
        for property in properties {
            match property {
                Property::ReasonString(words) => own.words = Some(words.to_owned()),
                Property::ServerReference(elsewhere) => own.elsewhere = Some(elsewhere.to_owned()),
                _ => {}
            }
        }
        own
    }

    /// Whether the same may work a little later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(
            self.reason,
            // A DISCONNECT without a cause, as a server of few words sends before it goes.
            Reason::NORMAL_DISCONNECTION
                | Reason::UNSPECIFIED_ERROR
                | Reason::SERVER_UNAVAILABLE
                | Reason::SERVER_BUSY
                | Reason::SERVER_SHUTTING_DOWN
                | Reason::KEEP_ALIVE_TIMEOUT
                | Reason::MESSAGE_RATE_TOO_HIGH
                | Reason::QUOTA_EXCEEDED
                | Reason::CONNECTION_RATE_EXCEEDED
                | Reason::MAXIMUM_CONNECT_TIME
        )
    }
}

impl fmt::Display for Goodbye {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(reason_words(self.reason))?;
        if let Some(words) = &self.words {
            write!(f, " ({words})")?;
        }
        if let Some(elsewhere) = &self.elsewhere {
            write!(f, "; use {elsewhere}")?;
        }
        Ok(())
    }
}

/// What a reason means, in the words of the standard (MQTT5 2.4).
#[must_use]
pub fn reason_words(reason: Reason) -> &'static str {
    match reason {
        Reason::SUCCESS => "success",
        Reason::GRANTED_QOS_1 => "granted QoS 1",
        Reason::GRANTED_QOS_2 => "granted QoS 2",
        Reason::NO_MATCHING_SUBSCRIBERS => "no matching subscribers",
        Reason::UNSPECIFIED_ERROR => "unspecified error",
        Reason::MALFORMED_PACKET => "malformed packet",
        Reason::PROTOCOL_ERROR => "protocol error",
        Reason::IMPLEMENTATION_SPECIFIC_ERROR => "implementation specific error",
        Reason::UNSUPPORTED_PROTOCOL_VERSION => "the server does not speak MQTT 5",
        Reason::CLIENT_IDENTIFIER_NOT_VALID => "client identifier not valid",
        Reason::BAD_USER_NAME_OR_PASSWORD => "bad user name or password",
        Reason::NOT_AUTHORIZED => "not authorized",
        Reason::SERVER_UNAVAILABLE => "server unavailable",
        Reason::SERVER_BUSY => "server busy",
        Reason::BANNED => "banned",
        Reason::SERVER_SHUTTING_DOWN => "server shutting down",
        Reason::BAD_AUTHENTICATION_METHOD => "bad authentication method",
        Reason::KEEP_ALIVE_TIMEOUT => "keep alive timeout",
        Reason::SESSION_TAKEN_OVER => "session taken over by another client with the same id",
        Reason::TOPIC_FILTER_INVALID => "topic filter invalid",
        Reason::TOPIC_NAME_INVALID => "topic name invalid",
        Reason::PACKET_ID_IN_USE => "packet identifier in use",
        Reason::PACKET_ID_NOT_FOUND => "packet identifier not found",
        Reason::RECEIVE_MAXIMUM_EXCEEDED => "receive maximum exceeded",
        Reason::TOPIC_ALIAS_INVALID => "topic alias invalid",
        Reason::PACKET_TOO_LARGE => "packet too large",
        Reason::MESSAGE_RATE_TOO_HIGH => "message rate too high",
        Reason::QUOTA_EXCEEDED => "quota exceeded",
        Reason::ADMINISTRATIVE_ACTION => "administrative action",
        Reason::PAYLOAD_FORMAT_INVALID => "payload format invalid",
        Reason::RETAIN_NOT_SUPPORTED => "retain not supported",
        Reason::QOS_NOT_SUPPORTED => "QoS not supported",
        Reason::USE_ANOTHER_SERVER => "use another server",
        Reason::SERVER_MOVED => "server moved",
        Reason::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED => "shared subscriptions not supported",
        Reason::CONNECTION_RATE_EXCEEDED => "connection rate exceeded",
        Reason::MAXIMUM_CONNECT_TIME => "maximum connect time",
        Reason::SUBSCRIPTION_IDS_NOT_SUPPORTED => "subscription identifiers not supported",
        Reason::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED => "wildcard subscriptions not supported",
        _ => "a reason that MQTT 5 does not know",
    }
}

/// What a server did that it may not do. The connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProtocolError {
    #[error("a malformed packet: {0}")]
    Malformed(#[from] DecodeError),
    #[error("no MQTT: it answers CONNECT with something else")]
    NotMqtt,
    #[error("a packet that has no place here: {0:?}")]
    Unexpected(Kind),
    #[error("a packet of {bytes} bytes, {max} were allowed")]
    TooLarge { bytes: usize, max: usize },
    #[error("more than {max} messages that are not acknowledged")]
    TooManyMessages { max: u16 },
    #[error("a topic alias, which was not allowed")]
    TopicAlias,
    #[error("{answers} answers to {filters} filters")]
    Answers { answers: usize, filters: usize },
    #[error("an acknowledgement of QoS {} for a message of QoS {}", *.got as u8, *.sent as u8)]
    WrongAck { got: QoS, sent: QoS },
}

impl ProtocolError {
    /// What the DISCONNECT says about it.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Malformed(error) => error.reason(),
            Self::NotMqtt | Self::Unexpected(_) | Self::Answers { .. } | Self::WrongAck { .. } => {
                Reason::PROTOCOL_ERROR
            }
            Self::TooLarge { .. } => Reason::PACKET_TOO_LARGE,
            Self::TooManyMessages { .. } => Reason::RECEIVE_MAXIMUM_EXCEEDED,
            Self::TopicAlias => Reason::TOPIC_ALIAS_INVALID,
        }
    }
}
