//! All properties of a packet: read as they lie, checked once when the packet is decoded.

use std::fmt;

use super::{Place, Property};
use crate::mqtt::DecodeError;
use crate::mqtt::reader::Reader;
use crate::mqtt::sink::Sink;

/// The properties of one packet or will, well-formed; no bytes before 5.0.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Properties<'a> {
    bytes: &'a [u8],
}

impl<'a> Properties<'a> {
    /// No property.
    pub const EMPTY: Self = Self { bytes: &[] };

    /// Checks bytes without the length in front of them.
    ///
    /// # Errors
    /// Whatever a packet with these properties would be refused for.
    pub fn parse(place: Place, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        // One bit for every identifier: all of them are below 64.
        let (mut seen, mut reader) = (0_u64, Reader::new(bytes));
        while !reader.is_empty() {
            let property = Property::read(&mut reader)?;
            if !place.allows(&property) {
                return Err(DecodeError::MisplacedProperty);
            }
            let bit = 1 << property.id();
            if seen & bit != 0 && !place.repeats(&property) {
                return Err(DecodeError::PropertyTwice);
            }
            seen |= bit;
        }
        let has = |id: u8| seen & 1 << id != 0;
        // MQTT5 3.1.2.11.10, and 3.15.2.2.2: only an AUTH without any property needs no method.
        let needs_method = has(AUTH_DATA) || place == Place::Auth && !bytes.is_empty();
        if needs_method && !has(AUTH_METHOD) {
            return Err(DecodeError::NoAuthMethod);
        }
        Ok(Self { bytes })
    }

    /// The properties that a packet begins with here, their length in front.
    pub(in crate::mqtt) fn take(place: Place, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let count = reader.var_int()?;
        Self::parse(place, reader.bytes(count as usize)?)
    }

    //= MQTT5-2.2.2-1
    #[inline]
    pub(in crate::mqtt) fn write(self, sink: &mut impl Sink) {
        sink.var_int(self.bytes.len());
        sink.bytes(self.bytes);
    }

    /// The properties in their order. Each costs another look at its bytes.
    #[must_use]
    pub fn iter(self) -> PropertyIter<'a> {
        PropertyIter { reader: Reader::new(self.bytes) }
    }

    #[inline]
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// As they lie in the packet, without the length in front of them.
    #[inline]
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }
}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = PropertyIter<'a>;

    fn into_iter(self) -> PropertyIter<'a> {
        self.iter()
    }
}

/// Goes through [`Properties`].
#[derive(Debug, Clone)]
pub struct PropertyIter<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for PropertyIter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        // It ends at the end only: these bytes were read once before.
        Property::read(&mut self.reader).ok()
    }
}

/// Writes properties into a buffer, one behind the other.
#[derive(Debug)]
pub struct PropertyWriter<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
}

impl<'o> PropertyWriter<'o> {
    /// Begins behind what `out` holds.
    #[must_use]
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        let start = out.len();
        Self { out, start }
    }

    /// Appends one property. Whether the packet may have it, and how often, is for the caller to
    /// know; [`Properties::parse`] tells.
    ///
    /// # Panics
    /// If a string has more than 65,535 bytes, or a subscription identifier more than 28 bits.
    pub fn put(&mut self, property: &Property<'_>) -> &mut Self {
        property.write(self.out);
        self
    }

    /// What was written since the beginning, for a packet that is encoded.
    #[must_use]
    pub fn finish(self) -> Properties<'o> {
        let Self { out, start } = self;
        Properties { bytes: out.get(start..).unwrap_or_default() }
    }
}

/// The parts of `properties`, of a PUBLISH or a will, that a server hands on unaltered and in this
/// order: payload format, content type, response topic, correlation data and user properties.
/// Neighbours come as one part, so there is mostly one.
//= MQTT5-3.3.2-18
pub fn forwarded(properties: Properties<'_>) -> impl Iterator<Item = &[u8]> {
    let mut rest = properties.bytes;
    std::iter::from_fn(move || {
        let (_, from_here) = rest.split_at_checked(run(rest, |property| !property.is_forwarded()))?;
        let (part, behind) =
            from_here.split_at_checked(run(from_here, |property| property.is_forwarded()))?;
        rest = behind;
        (!part.is_empty()).then_some(part)
    })
}

/// How many bytes those properties have that `bytes` begin with and that all are `wanted`.
fn run(bytes: &[u8], wanted: impl Fn(&Property<'_>) -> bool) -> usize {
    let mut reader = Reader::new(bytes);
    loop {
        let left = reader.left();
        match Property::read(&mut reader) {
            Ok(property) if wanted(&property) => {}
            _ => return bytes.len() - left,
        }
    }
}

const AUTH_METHOD: u8 = 0x15;
const AUTH_DATA: u8 = 0x16;
