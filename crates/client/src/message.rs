//! A message with everything that MQTT 5 carries from its publisher to its subscribers.

use std::num::NonZeroU16;

use thiserror::Error;
use wire::mqtt::{
    BODY_BYTES_MAX, DecodeError, Kind, Properties, Property, PropertyWriter, Publish, PublishHead, QoS,
    Version, decode, encode_publish_head, frame,
};

/// One message, as it is published and as it is received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: QoS,
    /// To be kept for later subscribers; of a received one, see `retain_as_published`.
    pub retain: bool,
    pub properties: MessageProperties,
}

/// What a server hands on with a message (MQTT5 3.3.2.3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageProperties {
    pub payload_format: Option<PayloadFormat>,
    /// After so many seconds nobody gets it any more. A received message tells what is left.
    pub expiry_s: Option<u32>,
    pub content_type: Option<String>,
    pub response_topic: Option<String>,
    pub correlation_data: Option<Vec<u8>>,
    /// Names and values in their order; a name may be there more than once.
    pub user: Vec<(String, String)>,
}

/// What the payload is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadFormat {
    Bytes,
    /// UTF-8.
    Text,
}

/// Why a message cannot be a packet, or not one for this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MessageError {
    #[error("{field} has {bytes} bytes, {TEXT_BYTES_MAX} are allowed")]
    TextTooLong { field: &'static str, bytes: usize },
    #[error("the packet would have {bytes} bytes, {max} are allowed")]
    TooLarge { bytes: usize, max: usize },
    #[error("{0}")]
    Malformed(#[from] DecodeError),
    #[error("the server offers no QoS above {}", *.max as u8)]
    QoSNotOffered { max: QoS },
    #[error("the server keeps no retained messages")]
    RetainNotOffered,
}

impl Message {
    /// A message of QoS 0 without properties that is not retained.
    #[must_use]
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: MessageProperties::default(),
        }
    }

    /// The same with this QoS.
    #[must_use]
    pub fn qos(self, qos: QoS) -> Self {
        Self { qos, ..self }
    }

    pub(crate) fn of(publish: &Publish<'_>) -> Self {
        Self {
            topic: publish.topic.to_owned(),
            payload: publish.payload.to_vec(),
            qos: publish.qos,
            retain: publish.retain,
            properties: MessageProperties::of(publish.properties),
        }
    }

    /// About how many bytes of memory it takes besides its own size.
    pub(crate) fn weight(&self) -> usize {
        let properties = &self.properties;
        let texts = [&properties.content_type, &properties.response_topic].into_iter().flatten();
        let user = properties.user.iter().map(|pair| size_of_val(pair) + pair.0.len() + pair.1.len());
        self.topic.len()
            + self.payload.len()
            + properties.correlation_data.as_ref().map_or(0, Vec::len)
            + texts.map(String::len).chain(user).sum::<usize>()
    }

    /// The whole packet. `packet_id` is present if the QoS is not 0.
    ///
    /// # Errors
    /// [`MessageError::TextTooLong`], [`MessageError::TooLarge`] or [`MessageError::Malformed`].
    pub(crate) fn encode(
        &self,
        packet_id: Option<NonZeroU16>,
        packet_bytes_max: usize,
    ) -> Result<Vec<u8>, MessageError> {
        check_length("the topic", self.topic.len())?;
        let properties = self.properties.encode()?;
        let head = PublishHead {
            dup: false,
            qos: self.qos,
            retain: self.retain,
            topic: &self.topic,
            packet_id,
            alias: None,
            expiry: self.properties.expiry_s,
            subscription_ids: &[],
            properties: &properties,
        };
        let bytes = wire::mqtt::publish_len(Version::V5, &head, self.payload.len());
        let max = packet_bytes_max.min(BODY_BYTES_MAX);
        if bytes > max {
            return Err(MessageError::TooLarge { bytes, max });
        }
        let mut packet = Vec::with_capacity(bytes);
        encode_publish_head(&mut packet, Version::V5, &head, self.payload.len());
        packet.extend_from_slice(&self.payload);
        check(&packet)?;
        Ok(packet)
    }
}

impl MessageProperties {
    fn of(properties: Properties<'_>) -> Self {
        let mut own = Self::default();
        for property in properties {
            match property {
                Property::PayloadFormat(true) => own.payload_format = Some(PayloadFormat::Text),
                Property::PayloadFormat(false) => own.payload_format = Some(PayloadFormat::Bytes),
                Property::MessageExpiry(seconds) => own.expiry_s = Some(seconds),
                Property::ContentType(text) => own.content_type = Some(text.to_owned()),
                Property::ResponseTopic(topic) => own.response_topic = Some(topic.to_owned()),
                Property::CorrelationData(bytes) => own.correlation_data = Some(bytes.to_vec()),
                Property::User(name, value) => own.user.push((name.to_owned(), value.to_owned())),
                // The others are between this client and its server.
                _ => {}
            }
        }
        own
    }

    /// All but the expiry, which has a place of its own in a [`PublishHead`].
    fn encode(&self) -> Result<Vec<u8>, MessageError> {
        let mut bytes = Vec::new();
        let mut writer = PropertyWriter::new(&mut bytes);
        if let Some(format) = self.payload_format {
            writer.put(&Property::PayloadFormat(format == PayloadFormat::Text));
        }
        if let Some(text) = &self.content_type {
            check_length("the content type", text.len())?;
            writer.put(&Property::ContentType(text));
        }
        if let Some(topic) = &self.response_topic {
            check_length("the response topic", topic.len())?;
            writer.put(&Property::ResponseTopic(topic));
        }
        if let Some(data) = &self.correlation_data {
            check_length("the correlation data", data.len())?;
            writer.put(&Property::CorrelationData(data));
        }
        put_user(&mut writer, &self.user)?;
        Ok(bytes)
    }
}

/// Appends user properties.
pub(crate) fn put_user(
    writer: &mut PropertyWriter<'_>,
    user: &[(String, String)],
) -> Result<(), MessageError> {
    for (name, value) in user {
        check_length("a user property", name.len().max(value.len()))?;
        writer.put(&Property::User(name, value));
    }
    Ok(())
}

pub(crate) fn check_length(field: &'static str, bytes: usize) -> Result<(), MessageError> {
    if bytes > TEXT_BYTES_MAX { Err(MessageError::TextTooLong { field, bytes }) } else { Ok(()) }
}

/// Reads what was written: the decoder knows everything that may be wrong with a packet.
fn check(packet: &[u8]) -> Result<(), DecodeError> {
    let frame = frame(packet)?.ok_or(DecodeError::Truncated)?;
    assert_eq!(frame.kind(), Kind::Publish, "it was encoded as one");
    decode(Version::V5, frame.first, packet.get(frame.head_len..).unwrap_or_default())?;
    Ok(())
}

/// The longest string of MQTT.
const TEXT_BYTES_MAX: usize = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(message: &Message) -> Result<Message, MessageError> {
        let packet =
            message.encode(NonZeroU16::new(7).filter(|_| message.qos != QoS::AtMostOnce), 1 << 20)?;
        let frame = frame(&packet).unwrap().unwrap();
        match decode(Version::V5, frame.first, packet.get(frame.head_len..).unwrap()).unwrap() {
            wire::mqtt::Packet::Publish(publish) => Ok(Message::of(&publish)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everything_comes_back() {
        let user = vec![("b".into(), "1".into()), ("a".into(), String::new()), ("b".into(), "2".into())];
        let full = Message {
            retain: true,
            properties: MessageProperties {
                payload_format: Some(PayloadFormat::Bytes),
                expiry_s: Some(0),
                content_type: Some(String::new()),
                response_topic: Some("r".into()),
                correlation_data: Some(vec![0, 255]),
                user,
            },
            ..Message::new("a/b", [0xff, 0]).qos(QoS::ExactlyOnce)
        };
        assert_eq!(round_trip(&full), Ok(full));
        let bare = Message::new("/", []);
        assert_eq!(round_trip(&bare), Ok(bare));
    }

    #[test]
    fn what_no_server_could_take_is_not_encoded() {
        let with = |change: fn(&mut Message)| {
            let mut message = Message::new("a", "b");
            change(&mut message);
            round_trip(&message).unwrap_err()
        };
        assert_eq!(with(|m| m.topic = "a/#".into()), DecodeError::TopicName.into());
        assert_eq!(with(|m| m.topic.clear()), DecodeError::NoTopic.into());
        assert_eq!(with(|m| m.topic = "\0".into()), DecodeError::Nul.into());
        assert_eq!(
            with(|m| m.properties.response_topic = Some("+".into())),
            DecodeError::ResponseTopic.into()
        );
        let (field, bytes) = ("a user property", 65_536);
        assert_eq!(
            with(|m| m.properties.user = vec![(String::new(), "x".repeat(65_536))]),
            MessageError::TextTooLong { field, bytes }
        );
        let (bytes, max) = ((1 << 20) + 8, 1 << 20);
        assert_eq!(with(|m| m.payload = vec![0; 1 << 20]), MessageError::TooLarge { bytes, max });
    }
}
