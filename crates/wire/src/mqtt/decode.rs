//! One packet out of its body.

use super::reader::Reader;
use super::{
    Ack, Auth, ConnAck, Connect, DecodeError, Disconnect, FilterNames, Filters, Kind, Packet, Place,
    Properties, Property, Publish, QoS, Reason, SubAck, Subscribe, UnsubAck, Unsubscribe, Version, Will,
    topic,
};

/// Decodes one whole packet: `body` is exactly what its frame says, `first` its first byte. A
/// CONNECT says its version itself. One pass; nothing is copied.
///
/// Everything is checked that can be seen in the packet alone, in whichever direction it goes.
///
/// # Errors
/// The first cause found; see [`DecodeError`].
pub fn decode(version: Version, first: u8, body: &[u8]) -> Result<Packet<'_>, DecodeError> {
    let kind = Kind::of(first).ok_or(DecodeError::ReservedType)?;
    if kind == Kind::Publish {
        return publish(version, first, body).map(Packet::Publish);
    }
    if kind == Kind::Connect {
        return decode_connect(first, body).map(Packet::Connect);
    }
    check_flags(version, kind, first)?;
    let mut reader = Reader::new(body);
    Ok(match kind {
        Kind::ConnAck => Packet::ConnAck(conn_ack(version, reader)?),
        Kind::PubAck => Packet::PubAck(ack(version, kind, reader)?),
        Kind::PubRec => Packet::PubRec(ack(version, kind, reader)?),
        Kind::PubRel => Packet::PubRel(ack(version, kind, reader)?),
        Kind::PubComp => Packet::PubComp(ack(version, kind, reader)?),
        Kind::Subscribe => Packet::Subscribe(Subscribe {
            packet_id: reader.packet_id()?,
            properties: properties(version, Place::Subscribe, &mut reader)?,
            filters: Filters::parse(version, reader.rest())?,
        }),
        Kind::SubAck => Packet::SubAck(SubAck {
            packet_id: reader.packet_id()?,
            properties: properties(version, Place::SubAck, &mut reader)?,
            reasons: reasons(version, kind, reader)?,
        }),
        Kind::Unsubscribe => Packet::Unsubscribe(Unsubscribe {
            packet_id: reader.packet_id()?,
            properties: properties(version, Place::Unsubscribe, &mut reader)?,
            filters: FilterNames::parse(version, reader.rest())?,
        }),
        Kind::UnsubAck => Packet::UnsubAck(unsub_ack(version, reader)?),
        Kind::PingReq => {
            reader.end()?;
            Packet::PingReq
        }
        Kind::PingResp => {
            reader.end()?;
            Packet::PingResp
        }
        Kind::Disconnect => Packet::Disconnect(disconnect(version, reader)?),
        Kind::Auth if version == Version::V5 => Packet::Auth(auth(reader)?),
        Kind::Auth | Kind::Publish | Kind::Connect => return Err(DecodeError::ReservedType),
    })
}

/// Decodes a CONNECT, with which every connection begins.
///
/// # Errors
/// The first cause found. [`DecodeError::ProtocolName`] and [`DecodeError::ProtocolLevel`] come
/// before all others but the flags, so that a client of another version is told so.
pub fn decode_connect(first: u8, body: &[u8]) -> Result<Connect<'_>, DecodeError> {
    if first != Kind::Connect.first() {
        return Err(DecodeError::Flags);
    }
    let mut reader = Reader::new(body);
    let version = version(&mut reader)?;
    let flags = reader.u8()?;
    check_connect_flags(version, flags)?;
    let keep_alive = reader.u16()?;
    let properties = properties(version, Place::Connect, &mut reader)?;
    let client_id = reader.str()?;
    let will = if flags & WILL != 0 { Some(will(version, flags, &mut reader)?) } else { None };
    //= MQTT5-3.1.2-16
    //= MQTT5-3.1.2-17
    let user_name = credential(version, flags & USER_NAME, &mut reader, Reader::str)?;
    //= MQTT5-3.1.2-18
    //= MQTT5-3.1.2-19
    let password = credential(version, flags & PASSWORD, &mut reader, Reader::binary)?;
    reader.end()?;
    Ok(Connect {
        version,
        clean_start: flags & CLEAN_START != 0,
        keep_alive,
        client_id,
        will,
        user_name,
        password,
        properties,
    })
}

fn version(reader: &mut Reader<'_>) -> Result<Version, DecodeError> {
    //= MQTT5-3.1.2-1
    //= MQTT311-3.1.2-1
    let name = reader.binary()?;
    let levels: &[(u8, Version)] = match name {
        b"MQTT" => &[(4, Version::V311), (5, Version::V5)],
        b"MQIsdp" => &[(3, Version::V31)],
        _ => return Err(DecodeError::ProtocolName),
    };
    //= MQTT5-3.1.2-2
    //= MQTT311-3.1.2-2
    let level = reader.u8()?;
    let known = levels.iter().find(|(known, _)| *known == level);
    known.map(|(_, version)| *version).ok_or(DecodeError::ProtocolLevel)
}

fn check_connect_flags(version: Version, flags: u8) -> Result<(), DecodeError> {
    //= MQTT5-3.1.2-3
    //= MQTT311-3.1.2-3
    if flags & 1 != 0 {
        return Err(DecodeError::ReservedFlag);
    }
    //= MQTT5-3.1.2-11
    //= MQTT5-3.1.2-13
    //= MQTT311-3.1.2-13
    //= MQTT311-3.1.2-15
    if flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0 {
        return Err(DecodeError::WillFlags);
    }
    //= MQTT311-3.1.2-22
    if version != Version::V5 && flags & PASSWORD != 0 && flags & USER_NAME == 0 {
        return Err(DecodeError::PasswordAlone);
    }
    Ok(())
}

fn will<'a>(version: Version, flags: u8, reader: &mut Reader<'a>) -> Result<Will<'a>, DecodeError> {
    Ok(Will {
        //= MQTT5-3.1.2-12
        //= MQTT311-3.1.2-14
        qos: QoS::of((flags & WILL_QOS) >> 3).ok_or(DecodeError::QoS)?,
        retain: flags & WILL_RETAIN != 0,
        //= MQTT5-3.1.2-9
        properties: properties(version, Place::Will, reader)?,
        //= MQTT5-3.1.3-11
        topic: Some(reader.str()?).filter(|name| topic::is_name(name)).ok_or(DecodeError::TopicName)?,
        payload: reader.binary()?,
    })
}

/// User name or password, if its flag is set.
fn credential<'a, T>(
    version: Version,
    flag: u8,
    reader: &mut Reader<'a>,
    read: impl Fn(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    // A server of 3.1 must put up with a flag whose field is missing at the end (3.1 of MQTT 3.1).
    let is_missing = version == Version::V31 && reader.is_empty();
    if flag == 0 || is_missing { Ok(None) } else { read(reader).map(Some) }
}

fn conn_ack(version: Version, mut reader: Reader<'_>) -> Result<ConnAck<'_>, DecodeError> {
    let flags = reader.u8()?;
    //= MQTT5-3.2.2-1
    if flags > 1 {
        return Err(DecodeError::ReservedFlag);
    }
    let code = reader.u8()?;
    let reason = match version {
        Version::V5 => Some(Reason(code)).filter(|reason| reason.is_one_of(version, Kind::ConnAck)),
        Version::V31 | Version::V311 => Reason::of_return_code(code),
    };
    let reason = reason.ok_or(DecodeError::ReasonCode)?;
    // In 3.1 the byte is "reserved" and says nothing.
    let session_present = flags == 1 && version != Version::V31;
    //= MQTT5-3.2.2-6
    //= MQTT311-3.2.2-4
    if session_present && reason != Reason::SUCCESS {
        return Err(DecodeError::SessionPresent);
    }
    let properties = properties(version, Place::ConnAck, &mut reader)?;
    reader.end()?;
    Ok(ConnAck { session_present, reason, properties })
}

#[inline]
fn publish(version: Version, first: u8, body: &[u8]) -> Result<Publish<'_>, DecodeError> {
    //= MQTT5-3.3.1-4
    //= MQTT311-3.3.1-4
    let qos = QoS::of(first >> 1 & 0b11).ok_or(DecodeError::QoS)?;
    let dup = first & DUP != 0;
    //= MQTT5-3.3.1-2
    //= MQTT311-3.3.1-2
    if dup && qos == QoS::AtMostOnce {
        return Err(DecodeError::DupAtQoS0);
    }
    let mut reader = Reader::new(body);
    //= MQTT5-3.3.2-1
    let topic = reader.str()?;
    //= MQTT5-2.2.1-2
    let packet_id = if qos == QoS::AtMostOnce { None } else { Some(reader.packet_id()?) };
    let properties = properties(version, Place::Publish, &mut reader)?;
    if topic.is_empty() && version == Version::V5 {
        // MQTT5 3.3.2.1: an alias stands for the name.
        if !properties.iter().any(|property| matches!(property, Property::TopicAlias(_))) {
            return Err(DecodeError::NoTopic);
        }
    } else if !topic::is_name(topic) {
        return Err(DecodeError::TopicName);
    }
    let payload = reader.rest();
    let payload_start = body.len() - payload.len();
    Ok(Publish { dup, qos, retain: first & 1 != 0, topic, packet_id, properties, payload, payload_start })
}

fn ack(version: Version, kind: Kind, mut reader: Reader<'_>) -> Result<Ack<'_>, DecodeError> {
    let packet_id = reader.packet_id()?;
    let place = Place::of(kind).expect("every acknowledgement has properties");
    let (reason, properties) = reason_and_properties(version, kind, place, reader)?;
    Ok(Ack { packet_id, reason, properties })
}

fn unsub_ack(version: Version, mut reader: Reader<'_>) -> Result<UnsubAck<'_>, DecodeError> {
    let packet_id = reader.packet_id()?;
    let properties = properties(version, Place::UnsubAck, &mut reader)?;
    // Before 5.0 there is no payload (MQTT311 3.11.3).
    let reasons = match version {
        Version::V5 => reasons(version, Kind::UnsubAck, reader)?,
        Version::V31 | Version::V311 => {
            reader.end()?;
            &[]
        }
    };
    Ok(UnsubAck { packet_id, properties, reasons })
}

fn disconnect(version: Version, reader: Reader<'_>) -> Result<Disconnect<'_>, DecodeError> {
    let (reason, properties) = reason_and_properties(version, Kind::Disconnect, Place::Disconnect, reader)?;
    Ok(Disconnect { reason, properties })
}

fn auth(mut reader: Reader<'_>) -> Result<Auth<'_>, DecodeError> {
    // MQTT5 3.15.2.1: reason and properties are left out together or not at all.
    if reader.is_empty() {
        return Ok(Auth { reason: Reason::SUCCESS, properties: Properties::EMPTY });
    }
    let reason = reason(Version::V5, Kind::Auth, &mut reader)?;
    let properties = Properties::take(Place::Auth, &mut reader)?;
    reader.end()?;
    if reason != Reason::SUCCESS && properties.is_empty() {
        return Err(DecodeError::NoAuthMethod);
    }
    Ok(Auth { reason, properties })
}

/// The end of an acknowledgement or a DISCONNECT of 5.0, of which the properties may be left out,
/// or both (MQTT5 3.4.2.1, 3.4.2.2.1, 3.14.2.1, 3.14.2.2.1). Before 5.0 there is nothing.
fn reason_and_properties(
    version: Version,
    kind: Kind,
    place: Place,
    mut reader: Reader<'_>,
) -> Result<(Reason, Properties<'_>), DecodeError> {
    let (mut code, mut properties) = (Reason::SUCCESS, Properties::EMPTY);
    if version == Version::V5 && !reader.is_empty() {
        code = reason(version, kind, &mut reader)?;
        if !reader.is_empty() {
            properties = Properties::take(place, &mut reader)?;
        }
    }
    reader.end()?;
    Ok((code, properties))
}

fn reason(version: Version, kind: Kind, reader: &mut Reader<'_>) -> Result<Reason, DecodeError> {
    let reason = Reason(reader.u8()?);
    if reason.is_one_of(version, kind) { Ok(reason) } else { Err(DecodeError::ReasonCode) }
}

/// The reasons that a SUBACK or UNSUBACK ends with.
fn reasons(version: Version, kind: Kind, reader: Reader<'_>) -> Result<&[u8], DecodeError> {
    let codes = reader.rest();
    if codes.is_empty() {
        return Err(DecodeError::EmptyPayload);
    }
    let known = codes.iter().all(|code| Reason(*code).is_one_of(version, kind));
    if known { Ok(codes) } else { Err(DecodeError::ReasonCode) }
}

#[inline]
fn properties<'a>(
    version: Version,
    place: Place,
    reader: &mut Reader<'a>,
) -> Result<Properties<'a>, DecodeError> {
    match version {
        Version::V5 => Properties::take(place, reader),
        Version::V31 | Version::V311 => Ok(Properties::EMPTY),
    }
}

fn check_flags(version: Version, kind: Kind, first: u8) -> Result<(), DecodeError> {
    // MQTT 3.1 sends these three again with DUP set, as it does with a PUBLISH (3.1, 2.1).
    let ignored = match (version, kind) {
        (Version::V31, Kind::PubRel | Kind::Subscribe | Kind::Unsubscribe) => DUP,
        _ => 0,
    };
    //= MQTT5-2.1.3-1
    //= MQTT5-3.6.1-1
    //= MQTT5-3.8.1-1
    //= MQTT5-3.10.1-1
    //= MQTT5-3.14.1-1
    //= MQTT5-3.15.1-1
    //= MQTT311-2.2.2-2
    if first & !ignored == kind.first() { Ok(()) } else { Err(DecodeError::Flags) }
}

const DUP: u8 = 0b1000;

pub(super) const CLEAN_START: u8 = 1 << 1;
pub(super) const WILL: u8 = 1 << 2;
pub(super) const WILL_QOS: u8 = 0b11 << 3;
pub(super) const WILL_RETAIN: u8 = 1 << 5;
pub(super) const PASSWORD: u8 = 1 << 6;
pub(super) const USER_NAME: u8 = 1 << 7;
