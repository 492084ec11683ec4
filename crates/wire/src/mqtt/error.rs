//! Why a packet was refused. Always the peer's fault.

use thiserror::Error;

use super::Reason;

/// One variant per cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Type 0, or AUTH before 5.0.
    #[error("packet type is reserved")]
    ReservedType,
    /// A remaining length that does not end with its fourth byte.
    #[error("remaining length is malformed")]
    RemainingLength,
    /// Flags of the first byte that this packet may not have.
    #[error("flags of the fixed header are reserved")]
    Flags,
    /// The packet ends before what its fields and lengths claim.
    #[error("packet ends too early")]
    Truncated,
    /// Bytes behind the last field.
    #[error("packet has bytes behind its end")]
    TrailingBytes,
    /// A variable byte integer that does not end with its fourth byte.
    #[error("variable byte integer is malformed")]
    VarInt,
    /// A variable byte integer in more bytes than it needs.
    #[error("variable byte integer is longer than it need be")]
    OverlongVarInt,
    #[error("string is not UTF-8")]
    Utf8,
    #[error("string has a U+0000")]
    Nul,
    /// Neither `MQTT` nor `MQIsdp`.
    #[error("protocol name is unknown")]
    ProtocolName,
    /// A protocol level that this name does not have.
    #[error("protocol level is unknown")]
    ProtocolLevel,
    /// A reserved bit of the flags in CONNECT or CONNACK.
    #[error("flag is reserved")]
    ReservedFlag,
    /// QoS or retain of a will that is not there.
    #[error("will flags without a will")]
    WillFlags,
    /// Only in 5.0 may a password stand alone.
    #[error("password without a user name")]
    PasswordAlone,
    /// QoS 3 in a PUBLISH or a will.
    #[error("QoS is 3")]
    QoS,
    #[error("DUP is set at QoS 0")]
    DupAtQoS0,
    #[error("packet identifier is 0")]
    PacketIdZero,
    /// A session that is present though the connection is refused.
    #[error("session is present though the connection is refused")]
    SessionPresent,
    /// An empty topic name, or one with a wildcard.
    #[error("topic name is invalid")]
    TopicName,
    /// No topic name and no alias for one.
    #[error("neither a topic name nor a topic alias")]
    NoTopic,
    /// An empty filter, a misplaced wildcard, or a share without a good name and a filter.
    #[error("topic filter is invalid")]
    Filter,
    /// A SUBSCRIBE or UNSUBSCRIBE without a filter, an answer to one without a reason code.
    #[error("payload is empty")]
    EmptyPayload,
    /// Reserved bits of subscription options.
    #[error("subscription options are reserved")]
    SubscribeBits,
    /// QoS 3 in a SUBSCRIBE.
    #[error("QoS of a subscription is 3")]
    SubscribeQoS,
    #[error("retain handling is 3")]
    RetainHandling,
    /// A reason code that this packet may not have.
    #[error("reason code is not one of this packet")]
    ReasonCode,
    #[error("property is unknown")]
    UnknownProperty,
    #[error("property is not one of this packet")]
    MisplacedProperty,
    #[error("property is there twice")]
    PropertyTwice,
    /// A property that says yes or no with something else than 0 or 1.
    #[error("property is neither 0 nor 1")]
    Boolean,
    #[error("receive maximum is 0")]
    ReceiveMaximumZero,
    #[error("maximum packet size is 0")]
    MaximumPacketSizeZero,
    #[error("subscription identifier is 0")]
    SubscriptionIdZero,
    #[error("topic alias is 0")]
    TopicAliasZero,
    /// An empty response topic, or one with a wildcard.
    #[error("response topic is invalid")]
    ResponseTopic,
    /// Authentication data without a method, or an AUTH with properties and no method.
    #[error("authentication method is missing")]
    NoAuthMethod,
}

impl DecodeError {
    /// What a CONNACK or DISCONNECT of 5.0 says about it.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::ReservedType
            | Self::RemainingLength
            | Self::Flags
            | Self::Truncated
            | Self::TrailingBytes
            | Self::VarInt
            | Self::OverlongVarInt
            | Self::Utf8
            | Self::Nul
            | Self::ReservedFlag
            | Self::WillFlags
            | Self::PasswordAlone
            | Self::QoS
            | Self::DupAtQoS0
            | Self::SubscribeBits
            // MQTT5 2.2.2.2 calls both of these malformed, and what is twice an error of protocol.
            | Self::UnknownProperty
            | Self::MisplacedProperty => Reason::MALFORMED_PACKET,
            Self::PacketIdZero
            | Self::SessionPresent
            | Self::NoTopic
            | Self::EmptyPayload
            | Self::SubscribeQoS
            | Self::RetainHandling
            | Self::ReasonCode
            | Self::PropertyTwice
            | Self::Boolean
            | Self::ReceiveMaximumZero
            | Self::MaximumPacketSizeZero
            | Self::SubscriptionIdZero
            | Self::ResponseTopic
            | Self::NoAuthMethod => Reason::PROTOCOL_ERROR,
            Self::ProtocolName | Self::ProtocolLevel => Reason::UNSUPPORTED_PROTOCOL_VERSION,
            Self::TopicName => Reason::TOPIC_NAME_INVALID,
            Self::Filter => Reason::TOPIC_FILTER_INVALID,
            Self::TopicAliasZero => Reason::TOPIC_ALIAS_INVALID,
        }
    }
}
