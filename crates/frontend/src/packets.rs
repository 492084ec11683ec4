//! MQTT packets as words, for transcripts.
//!
//! ```text
//! CONNECT 5 ann clean keep=30 session-expiry=60 ; will w/t qos=1 will-delay=5 : gone
//! PUBLISH a/b qos=1 #7 user=k:v : the payload
//! SUBSCRIBE #3 sub-id=7 ; a/+ qos=1 ; b nl rap rh=2
//! PUBACK #7 0x10
//! ```
//! What is read is printed in the same words, in the order in which it stands in the packet.

use std::num::NonZeroU16;

use wire::mqtt::{
    Ack, Auth, Connect, Disconnect, FilterNames, Filters, Packet, Place, Properties, Property,
    PropertyWriter, Publish, QoS, Reason, RetainHandling, Subscribe, SubscribeOptions, Unsubscribe, Version,
    Will, decode, encode, frame, put_filter, put_name,
};

/// The words between two `;`, and what stands behind the `:`.
struct Words<'a> {
    plain: Vec<&'a str>,
    properties: Vec<u8>,
    payload: &'a str,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Result<Self, String> {
        let (head, payload) = text.split_once(" : ").unwrap_or((text, ""));
        let (mut plain, mut properties) = (Vec::new(), Vec::new());
        for word in head.split_whitespace() {
            match word.split_once('=') {
                Some((name, value)) if !matches!(name, "qos" | "keep" | "rh" | "name" | "password") => {
                    PropertyWriter::new(&mut properties).put(&property(name, value)?);
                }
                _ => plain.push(word),
            }
        }
        Ok(Self { plain, properties, payload })
    }

    fn has(&self, word: &str) -> bool {
        self.plain.contains(&word)
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.plain.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    fn number(&self, name: &str) -> Result<u8, String> {
        self.value(name).map_or(Ok(0), |text| text.parse().map_err(|_| format!("{name} is a number")))
    }

    fn qos(&self) -> Result<QoS, String> {
        QoS::of(self.number("qos")?).ok_or("no such QoS".to_owned())
    }

    fn packet_id(&self) -> Option<NonZeroU16> {
        self.plain.iter().find_map(|word| word.strip_prefix('#')?.parse().ok())
    }

    fn reason(&self) -> Reason {
        let digits = self.plain.iter().find_map(|word| word.strip_prefix("0x"));
        Reason(digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(0))
    }

    fn properties(&self, place: Place) -> Result<Properties<'_>, String> {
        Properties::parse(place, &self.properties).map_err(|error| error.to_string())
    }
}

fn property<'a>(name: &str, value: &'a str) -> Result<Property<'a>, String> {
    let number = || value.parse::<u32>().map_err(|_| format!("{name} is a number"));
    let short = || value.parse::<u16>().map_err(|_| format!("{name} is a short number"));
    Ok(match name {
        "utf8" => Property::PayloadFormat(value == "1"),
        "expiry" => Property::MessageExpiry(number()?),
        "type" => Property::ContentType(value),
        "reply" => Property::ResponseTopic(value),
        "correlation" => Property::CorrelationData(value.as_bytes()),
        "sub-id" => Property::SubscriptionId(number()?),
        "session-expiry" => Property::SessionExpiry(number()?),
        "auth-method" => Property::AuthMethod(value),
        "problems" => Property::RequestProblemInformation(value == "1"),
        "will-delay" => Property::WillDelay(number()?),
        "responses" => Property::RequestResponseInformation(value == "1"),
        "receive-max" => Property::ReceiveMaximum(short()?),
        "alias-max" => Property::TopicAliasMaximum(short()?),
        "alias" => Property::TopicAlias(short()?),
        "packet-max" => Property::MaximumPacketSize(number()?),
        "user" => {
            let (name, value) = value.split_once(':').ok_or("a user property is name:value")?;
            Property::User(name, value)
        }
        _ => return Err(format!("{name} is no property")),
    })
}

/// The version that a CONNECT names.
pub(crate) fn version_of(text: &str) -> Option<Version> {
    match text.strip_prefix("CONNECT ")?.split(' ').next()? {
        "3.1" => Some(Version::V31),
        "3.1.1" => Some(Version::V311),
        "5" => Some(Version::V5),
        _ => None,
    }
}

/// The bytes of a packet that is written in words.
pub(crate) fn packet(version: Version, text: &str) -> Result<Vec<u8>, String> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut parts = rest.split(" ; ").map(|part| part.trim_start_matches("; "));
    let words = Words::of(parts.next().unwrap_or_default())?;
    let mut bytes = Vec::new();
    let mut put = |packet: &Packet<'_>| encode(&mut bytes, version, packet);
    let id = || words.packet_id().ok_or("it has a packet id".to_owned());
    let ack = |place| {
        let properties = words.properties(place)?;
        Ok::<_, String>(Ack { packet_id: id()?, reason: words.reason(), properties })
    };
    match kind {
        "CONNECT" => {
            let will_words = parts.next().map(Words::of).transpose()?;
            let properties = words.properties(Place::Connect)?;
            let will = will_words.as_ref().map(will).transpose()?;
            put(&Packet::Connect(Connect {
                version,
                clean_start: words.has("clean"),
                keep_alive: u16::from(words.number("keep")?),
                client_id: words.plain.get(1).filter(|id| **id != "-").copied().unwrap_or(""),
                will,
                user_name: words.value("name"),
                password: words.value("password").map(str::as_bytes),
                properties,
            }));
        }
        "PUBLISH" => put(&Packet::Publish(Publish {
            dup: words.has("dup"),
            qos: words.qos()?,
            retain: words.has("retain"),
            topic: words.plain.first().filter(|topic| **topic != "-").copied().unwrap_or(""),
            packet_id: words.packet_id(),
            properties: words.properties(Place::Publish)?,
            payload: words.payload.as_bytes(),
            payload_start: 0,
        })),
        "PUBACK" => put(&Packet::PubAck(ack(Place::PubAck)?)),
        "PUBREC" => put(&Packet::PubRec(ack(Place::PubRec)?)),
        "PUBREL" => put(&Packet::PubRel(ack(Place::PubRel)?)),
        "PUBCOMP" => put(&Packet::PubComp(ack(Place::PubComp)?)),
        "SUBSCRIBE" => {
            let mut filters = Vec::new();
            for part in parts {
                let words = Words::of(part)?;
                let filter = words.plain.first().ok_or("a filter")?;
                put_filter(&mut filters, filter, options(&words)?);
            }
            let filters = Filters::parse(version, &filters).map_err(|error| error.to_string())?;
            let properties = words.properties(Place::Subscribe)?;
            put(&Packet::Subscribe(Subscribe { packet_id: id()?, properties, filters }));
        }
        "UNSUBSCRIBE" => {
            let mut filters = Vec::new();
            parts.for_each(|filter| put_name(&mut filters, filter.trim()));
            let filters = FilterNames::parse(version, &filters).map_err(|error| error.to_string())?;
            let properties = words.properties(Place::Unsubscribe)?;
            put(&Packet::Unsubscribe(Unsubscribe { packet_id: id()?, properties, filters }));
        }
        "PINGREQ" => put(&Packet::PingReq),
        "DISCONNECT" => put(&Packet::Disconnect(Disconnect {
            reason: words.reason(),
            properties: words.properties(Place::Disconnect)?,
        })),
        "AUTH" => {
            put(&Packet::Auth(Auth { reason: words.reason(), properties: words.properties(Place::Auth)? }));
        }
        _ => return Err(format!("{kind} is no packet of a client")),
    }
    Ok(bytes)
}

fn will<'a>(words: &'a Words<'a>) -> Result<Will<'a>, String> {
    Ok(Will {
        qos: words.qos()?,
        retain: words.has("retain"),
        topic: words.plain.get(1).ok_or("a will has a topic")?,
        payload: words.payload.as_bytes(),
        properties: words.properties(Place::Will)?,
    })
}

fn options(words: &Words<'_>) -> Result<SubscribeOptions, String> {
    Ok(SubscribeOptions {
        no_local: words.has("nl"),
        retain_as_published: words.has("rap"),
        retain_handling: match words.number("rh")? {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            _ => RetainHandling::Never,
        },
        ..SubscribeOptions::of_qos(words.qos()?)
    })
}

/// The first packet of what a client was sent, in words, and its length.
pub(crate) fn first(version: Version, bytes: &[u8]) -> Result<(String, usize), String> {
    let head = frame(bytes).map_err(|error| error.to_string())?.ok_or("nothing")?;
    let body = bytes.get(head.head_len..head.len()).ok_or("a part of a packet")?;
    let packet = decode(version, head.first, body).map_err(|error| format!("{error}: {body:?}"))?;
    Ok((shown(&packet), head.len()))
}

fn shown(packet: &Packet<'_>) -> String {
    let ack = |name: &str, ack: &Ack<'_>| {
        let reason = if ack.reason == Reason::SUCCESS { String::new() } else { code(ack.reason) };
        name.to_owned() + &format!(" #{}", ack.packet_id) + &reason + &all(ack.properties)
    };
    let codes = |reasons: &[u8]| reasons.iter().map(|reason| code(Reason(*reason))).collect::<String>();
    match packet {
        Packet::ConnAck(connack) => {
            let session = if connack.session_present { " resumed" } else { "" };
            format!("CONNACK{session}{}{}", code(connack.reason), all(connack.properties))
        }
        Packet::Publish(publish) => {
            let mut text = format!("PUBLISH {}", if publish.topic.is_empty() { "-" } else { publish.topic });
            for (is, word) in [(publish.dup, " dup"), (publish.retain, " retain")] {
                text += if is { word } else { "" };
            }
            if let Some(id) = publish.packet_id {
                text += &format!(" qos={} #{id}", publish.qos as u8);
            }
            text + &all(publish.properties) + " : " + &publish.payload.escape_ascii().to_string()
        }
        Packet::PubAck(packet) => ack("PUBACK", packet),
        Packet::PubRec(packet) => ack("PUBREC", packet),
        Packet::PubRel(packet) => ack("PUBREL", packet),
        Packet::PubComp(packet) => ack("PUBCOMP", packet),
        Packet::SubAck(suback) => {
            format!("SUBACK #{}{}{}", suback.packet_id, codes(suback.reasons), all(suback.properties))
        }
        Packet::UnsubAck(unsuback) => {
            format!("UNSUBACK #{}{}{}", unsuback.packet_id, codes(unsuback.reasons), all(unsuback.properties))
        }
        Packet::PingResp => "PINGRESP".to_owned(),
        Packet::Disconnect(disconnect) => {
            format!("DISCONNECT{}{}", code(disconnect.reason), all(disconnect.properties))
        }
        other => format!("{other:?}"),
    }
}

fn code(reason: Reason) -> String {
    format!(" 0x{:02x}", reason.0)
}

fn all(properties: Properties<'_>) -> String {
    properties.iter().map(|property| format!(" {}", word(&property))).collect()
}

fn word(property: &Property<'_>) -> String {
    match property {
        Property::PayloadFormat(is) => format!("utf8={}", u8::from(*is)),
        Property::MessageExpiry(seconds) => format!("expiry={seconds}"),
        Property::ContentType(text) => format!("type={text}"),
        Property::ResponseTopic(text) => format!("reply={text}"),
        Property::CorrelationData(bytes) => format!("correlation={}", bytes.escape_ascii()),
        Property::SubscriptionId(id) => format!("sub-id={id}"),
        Property::SessionExpiry(seconds) => format!("session-expiry={seconds}"),
        Property::AssignedClientId(id) => format!("assigned={id}"),
        Property::ServerKeepAlive(seconds) => format!("keep={seconds}"),
        Property::ReasonString(text) => format!("why={}", text.replace(' ', "_")),
        Property::ResponseInformation(text) => format!("responses={text}"),
        Property::ReceiveMaximum(count) => format!("receive-max={count}"),
        Property::TopicAliasMaximum(count) => format!("alias-max={count}"),
        Property::TopicAlias(alias) => format!("alias={alias}"),
        Property::MaximumPacketSize(bytes) => format!("packet-max={bytes}"),
        Property::User(name, value) => format!("user={name}:{value}"),
        other => format!("{other:?}"),
    }
}
