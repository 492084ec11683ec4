//! Properties of 5.0 (MQTT5 2.2.2): one of them here, `properties` for all of a packet, `place` for
//! what may stand where.

use super::reader::Reader;
use super::sink::Sink;
use super::{DecodeError, QoS};

mod place;
mod properties;

pub use place::Place;
pub use properties::{Properties, PropertyIter, PropertyWriter, forwarded};

/// One property. The variants are in the order of their identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property<'a> {
    /// Whether the payload is UTF-8 text.
    PayloadFormat(bool),
    /// Seconds.
    MessageExpiry(u32),
    ContentType(&'a str),
    ResponseTopic(&'a str),
    CorrelationData(&'a [u8]),
    /// Not 0, and at most 268,435,455.
    SubscriptionId(u32),
    /// Seconds; the greatest value means never.
    SessionExpiry(u32),
    AssignedClientId(&'a str),
    /// Seconds.
    ServerKeepAlive(u16),
    AuthMethod(&'a str),
    AuthData(&'a [u8]),
    RequestProblemInformation(bool),
    /// Seconds.
    WillDelay(u32),
    RequestResponseInformation(bool),
    ResponseInformation(&'a str),
    ServerReference(&'a str),
    ReasonString(&'a str),
    /// Not 0.
    ReceiveMaximum(u16),
    TopicAliasMaximum(u16),
    /// Not 0.
    TopicAlias(u16),
    /// Never [`QoS::ExactlyOnce`], which is what a server without this property offers.
    MaximumQoS(QoS),
    RetainAvailable(bool),
    /// A name and a value; the only property that may be there more than once in every packet.
    User(&'a str, &'a str),
    /// Bytes, not 0.
    MaximumPacketSize(u32),
    WildcardSubscriptionAvailable(bool),
    SubscriptionIdAvailable(bool),
    SharedSubscriptionAvailable(bool),
}

impl<'a> Property<'a> {
    /// The number that the standard gives it.
    #[must_use]
    pub fn id(&self) -> u8 {
        match self {
            Self::PayloadFormat(_) => 0x01,
            Self::MessageExpiry(_) => 0x02,
            Self::ContentType(_) => 0x03,
            Self::ResponseTopic(_) => 0x08,
            Self::CorrelationData(_) => 0x09,
            Self::SubscriptionId(_) => 0x0b,
            Self::SessionExpiry(_) => 0x11,
            Self::AssignedClientId(_) => 0x12,
            Self::ServerKeepAlive(_) => 0x13,
            Self::AuthMethod(_) => 0x15,
            Self::AuthData(_) => 0x16,
            Self::RequestProblemInformation(_) => 0x17,
            Self::WillDelay(_) => 0x18,
            Self::RequestResponseInformation(_) => 0x19,
            Self::ResponseInformation(_) => 0x1a,
            Self::ServerReference(_) => 0x1c,
            Self::ReasonString(_) => 0x1f,
            Self::ReceiveMaximum(_) => 0x21,
            Self::TopicAliasMaximum(_) => 0x22,
            Self::TopicAlias(_) => 0x23,
            Self::MaximumQoS(_) => 0x24,
            Self::RetainAvailable(_) => 0x25,
            Self::User(..) => 0x26,
            Self::MaximumPacketSize(_) => 0x27,
            Self::WildcardSubscriptionAvailable(_) => 0x28,
            Self::SubscriptionIdAvailable(_) => 0x29,
            Self::SharedSubscriptionAvailable(_) => 0x2a,
        }
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        // An identifier is a variable byte integer; those that exist have one byte (MQTT5 2.2.2.2).
        Ok(match reader.var_int()? {
            0x01 => Self::PayloadFormat(boolean(reader)?),
            0x02 => Self::MessageExpiry(reader.u32()?),
            0x03 => Self::ContentType(reader.str()?),
            0x08 => Self::ResponseTopic(response_topic(reader)?),
            0x09 => Self::CorrelationData(reader.binary()?),
            0x0b => match reader.var_int()? {
                0 => return Err(DecodeError::SubscriptionIdZero),
                id => Self::SubscriptionId(id),
            },
            0x11 => Self::SessionExpiry(reader.u32()?),
            0x12 => Self::AssignedClientId(reader.str()?),
            0x13 => Self::ServerKeepAlive(reader.u16()?),
            0x15 => Self::AuthMethod(reader.str()?),
            0x16 => Self::AuthData(reader.binary()?),
            0x17 => Self::RequestProblemInformation(boolean(reader)?),
            0x18 => Self::WillDelay(reader.u32()?),
            0x19 => Self::RequestResponseInformation(boolean(reader)?),
            0x1a => Self::ResponseInformation(reader.str()?),
            0x1c => Self::ServerReference(reader.str()?),
            0x1f => Self::ReasonString(reader.str()?),
            0x21 => match reader.u16()? {
                0 => return Err(DecodeError::ReceiveMaximumZero),
                count => Self::ReceiveMaximum(count),
            },
            0x22 => Self::TopicAliasMaximum(reader.u16()?),
            0x23 => match reader.u16()? {
                //= MQTT5-3.3.2-8
                0 => return Err(DecodeError::TopicAliasZero),
                alias => Self::TopicAlias(alias),
            },
            0x24 if boolean(reader)? => Self::MaximumQoS(QoS::AtLeastOnce),
            0x24 => Self::MaximumQoS(QoS::AtMostOnce),
            0x25 => Self::RetainAvailable(boolean(reader)?),
            //= MQTT5-1.5.7-1
            0x26 => Self::User(reader.str()?, reader.str()?),
            0x27 => match reader.u32()? {
                0 => return Err(DecodeError::MaximumPacketSizeZero),
                bytes => Self::MaximumPacketSize(bytes),
            },
            0x28 => Self::WildcardSubscriptionAvailable(boolean(reader)?),
            0x29 => Self::SubscriptionIdAvailable(boolean(reader)?),
            0x2a => Self::SharedSubscriptionAvailable(boolean(reader)?),
            _ => return Err(DecodeError::UnknownProperty),
        })
    }

    #[inline]
    pub(super) fn write(&self, sink: &mut impl Sink) {
        sink.u8(self.id());
        match *self {
            Self::PayloadFormat(is)
            | Self::RequestProblemInformation(is)
            | Self::RequestResponseInformation(is)
            | Self::RetainAvailable(is)
            | Self::WildcardSubscriptionAvailable(is)
            | Self::SubscriptionIdAvailable(is)
            | Self::SharedSubscriptionAvailable(is) => sink.u8(is.into()),
            Self::MaximumQoS(qos) => sink.u8(qos as u8),
            Self::ServerKeepAlive(value)
            | Self::ReceiveMaximum(value)
            | Self::TopicAliasMaximum(value)
            | Self::TopicAlias(value) => sink.u16(value),
            Self::MessageExpiry(value)
            | Self::SessionExpiry(value)
            | Self::WillDelay(value)
            | Self::MaximumPacketSize(value) => sink.u32(value),
            Self::SubscriptionId(id) => sink.var_int(id as usize),
            Self::CorrelationData(bytes) | Self::AuthData(bytes) => sink.binary(bytes),
            Self::ContentType(text)
            | Self::ResponseTopic(text)
            | Self::AssignedClientId(text)
            | Self::AuthMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => sink.binary(text.as_bytes()),
            Self::User(name, value) => {
                sink.binary(name.as_bytes());
                sink.binary(value.as_bytes());
            }
        }
    }

    /// Whether a server hands it on with a message as it came. The others it takes out, counts down
    /// or makes its own.
    fn is_forwarded(&self) -> bool {
        //= MQTT5-3.3.2-4
        //= MQTT5-3.3.2-15
        //= MQTT5-3.3.2-16
        //= MQTT5-3.3.2-17
        //= MQTT5-3.3.2-20
        matches!(
            self,
            Self::PayloadFormat(_)
                | Self::ContentType(_)
                | Self::ResponseTopic(_)
                | Self::CorrelationData(_)
                | Self::User(..)
        )
    }
}

fn boolean(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::Boolean),
    }
}

fn response_topic<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    //= MQTT5-3.3.2-13
    //= MQTT5-3.3.2-14
    Some(reader.str()?).filter(|name| super::topic::is_name(name)).ok_or(DecodeError::ResponseTopic)
}
