//! The filters of SUBSCRIBE and UNSUBSCRIBE: read as they lie, checked once.

use std::fmt;

use super::reader::Reader;
use super::sink::Sink;
use super::{DecodeError, QoS, Version, topic};

/// What a subscriber wants to know of retained messages (MQTT5 3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum RetainHandling {
    /// They are sent with every SUBSCRIBE; the only way before 5.0.
    #[default]
    Send,
    /// Only if the subscription is a new one.
    SendIfNew,
    Never,
}

/// What goes with one filter of a SUBSCRIBE. Before 5.0 that is the QoS, and the others have their
/// defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// The highest QoS that messages are sent with.
    pub qos: QoS,
    /// Not what this client published itself.
    pub no_local: bool,
    /// Messages keep the retain flag that they were published with.
    pub retain_as_published: bool,
    pub retain_handling: RetainHandling,
}

impl SubscribeOptions {
    /// The options that a SUBSCRIBE before 5.0 can tell.
    #[must_use]
    pub fn of_qos(qos: QoS) -> Self {
        Self { qos, no_local: false, retain_as_published: false, retain_handling: RetainHandling::Send }
    }

    fn read(version: Version, byte: u8) -> Result<Self, DecodeError> {
        let reserved = if version == Version::V5 { 0b1100_0000 } else { 0b1111_1100 };
        //= MQTT5-3.8.3-5
        //= MQTT311-3.8.3-4
        if byte & reserved != 0 {
            return Err(DecodeError::SubscribeBits);
        }
        Ok(Self {
            qos: QoS::of(byte & 0b11).ok_or(DecodeError::SubscribeQoS)?,
            no_local: byte & NO_LOCAL != 0,
            retain_as_published: byte & RETAIN_AS_PUBLISHED != 0,
            retain_handling: match byte >> 4 & 0b11 {
                0 => RetainHandling::Send,
                1 => RetainHandling::SendIfNew,
                2 => RetainHandling::Never,
                _ => return Err(DecodeError::RetainHandling),
            },
        })
    }

    fn byte(self) -> u8 {
        self.qos as u8
            | (u8::from(self.no_local) * NO_LOCAL)
            | (u8::from(self.retain_as_published) * RETAIN_AS_PUBLISHED)
            | (self.retain_handling as u8) << 4
    }
}

const NO_LOCAL: u8 = 0b0100;
const RETAIN_AS_PUBLISHED: u8 = 0b1000;

/// The filters of a SUBSCRIBE with their options, at least one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Filters<'a> {
    bytes: &'a [u8],
}

impl<'a> Filters<'a> {
    /// Checks bytes as they stand in the packet, or as [`put_filter`] wrote them. One pass.
    ///
    /// # Errors
    /// Whatever a packet with these filters would be refused for.
    pub fn parse(version: Version, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        //= MQTT5-3.8.3-2
        //= MQTT311-3.8.3-3
        if bytes.is_empty() {
            return Err(DecodeError::EmptyPayload);
        }
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            //= MQTT5-3.8.3-1
            topic::check_filter(version, reader.str()?)?;
            SubscribeOptions::read(version, reader.u8()?)?;
        }
        Ok(Self { bytes })
    }

    /// The filters in their order, which is that of the answers (MQTT5-3.9.3-1).
    pub fn iter(self) -> impl Iterator<Item = (&'a str, SubscribeOptions)> {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || {
            let filter = reader.str().ok()?;
            // What is reserved before 5.0 was found to be zero, so that 5.0 reads the same.
            let options = SubscribeOptions::read(Version::V5, reader.u8().ok()?).ok()?;
            Some((filter, options))
        })
    }

    /// As they lie in the packet.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }
}

impl fmt::Debug for Filters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The filters of an UNSUBSCRIBE, at least one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FilterNames<'a> {
    bytes: &'a [u8],
}

impl<'a> FilterNames<'a> {
    /// Checks bytes as they stand in the packet, or as [`put_name`] wrote them. One pass.
    ///
    /// # Errors
    /// Whatever a packet with these filters would be refused for.
    pub fn parse(version: Version, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        //= MQTT5-3.10.3-2
        //= MQTT311-3.10.3-2
        if bytes.is_empty() {
            return Err(DecodeError::EmptyPayload);
        }
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            //= MQTT5-3.10.3-1
            topic::check_filter(version, reader.str()?)?;
        }
        Ok(Self { bytes })
    }

    /// The filters in their order, which is that of the answers (MQTT5-3.11.3-1).
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || reader.str().ok())
    }

    /// As they lie in the packet.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }
}

impl fmt::Debug for FilterNames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Appends one filter of a SUBSCRIBE, for [`Filters::parse`].
///
/// # Panics
/// If the filter has more than 65,535 bytes.
pub fn put_filter(out: &mut Vec<u8>, filter: &str, options: SubscribeOptions) {
    out.binary(filter.as_bytes());
    out.u8(options.byte());
}

/// Appends one filter of an UNSUBSCRIBE, for [`FilterNames::parse`].
///
/// # Panics
/// If the filter has more than 65,535 bytes.
pub fn put_name(out: &mut Vec<u8>, filter: &str) {
    out.binary(filter.as_bytes());
}
