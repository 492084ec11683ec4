//! A position as clients keep it: `id:` of an event, `Last-Event-ID`, `?after=`.
//!
//! Base64url of a byte with the version of this form, six bytes that no other life of the server has,
//! and a number per shard, seven bits to a byte: 20 characters with two shards. Clients hand it back as
//! it is, and whatever they hand back is taken as anybody's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

/// Where a client wants to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    /// By shard: so many of its messages are done with.
    Here(Box<[u64]>),
    /// It is of another life of the server, or of another server.
    Foreign,
    /// It is no position.
    Unknown,
}

/// What tells this life of the server from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch([u8; EPOCH_BYTES]);

impl Epoch {
    /// The low 48 bits count.
    pub(crate) fn new(epoch: u64) -> Self {
        let [a, b, c, d, e, f, ..] = epoch.to_le_bytes();
        Self([a, b, c, d, e, f])
    }
}

/// Appends a position.
pub(crate) fn write(out: &mut Vec<u8>, epoch: Epoch, places: impl Iterator<Item = u64>) {
    let (mut bytes, mut len) = ([0; POSITION_BYTES_MAX], 0);
    let mut push = |byte: u8| {
        if let Some(place) = bytes.get_mut(len) {
            *place = byte;
            len += 1;
        }
    };
    push(VERSION);
    epoch.0.into_iter().for_each(&mut push);
    for place in places {
        let mut rest = place;
        while rest >= 0x80 {
            push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        push(rest as u8);
    }
    let start = out.len();
    out.resize(start + (len * 4).div_ceil(3), 0);
    let room = out.get_mut(start..).unwrap_or_default();
    let written = BASE64.encode_slice(bytes.get(..len).unwrap_or_default(), room);
    out.truncate(start + written.expect("four characters hold three bytes"));
}

/// Reads what a client has kept.
pub(crate) fn parse(text: &[u8], epoch: Epoch, shards: usize) -> From {
    if text.len() > TEXT_BYTES_MAX {
        return From::Unknown;
    }
    let Ok(bytes) = BASE64.decode(text) else { return From::Unknown };
    let Some((&[VERSION, a, b, c, d, e, f], rest)) = bytes.split_first_chunk() else { return From::Unknown };
    if [a, b, c, d, e, f] != epoch.0 {
        return From::Foreign;
    }
    match numbers(rest) {
        Some(places) if places.len() == shards => From::Here(places.into()),
        _ => From::Unknown,
    }
}

fn numbers(bytes: &[u8]) -> Option<Vec<u64>> {
    let (mut numbers, mut number, mut shift) = (Vec::new(), 0_u64, 0);
    for byte in bytes {
        let digits = u64::from(byte & 0x7f);
        if shift >= 63 && digits > 1 {
            return None;
        }
        number |= digits << shift;
        if byte & 0x80 != 0 {
            shift += 7;
            if shift > 63 {
                return None;
            }
            continue;
        }
        numbers.push(number);
        (number, shift) = (0, 0);
    }
    (shift == 0).then_some(numbers)
}

const VERSION: u8 = 1;
const EPOCH_BYTES: usize = 6;
/// Ten bytes for the largest number of each of 64 shards.
const POSITION_BYTES_MAX: usize = 1 + EPOCH_BYTES + 64 * 10;
const TEXT_BYTES_MAX: usize = (POSITION_BYTES_MAX * 4).div_ceil(3);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(epoch: u64, places: &[u64]) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, Epoch::new(epoch), places.iter().copied());
        out
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(epoch: u64, places in proptest::collection::vec(any::<u64>(), 1..64)) {
            let text = text(epoch, &places);
            let shards = places.len();
            prop_assert_eq!(parse(&text, Epoch::new(epoch), shards), From::Here(places.into()));
            prop_assert_eq!(parse(&text, Epoch::new(epoch ^ 1), shards), From::Foreign);
            prop_assert_eq!(parse(&text, Epoch::new(epoch), shards + 1), From::Unknown);
            for len in 0..text.len() {
                let cut = parse(text.get(..len).unwrap(), Epoch::new(epoch), shards);
                prop_assert_eq!(cut, From::Unknown, "the first {} characters", len);
            }
        }

        #[test]
        fn anything_may_be_handed_back(text in proptest::collection::vec(any::<u8>(), 0..1200)) {
            prop_assert_eq!(parse(&text, Epoch::new(7), 2), From::Unknown);
        }
    }

    #[test]
    fn it_is_short() {
        assert_eq!(text(7, &[1_000_000, 3_000_000]), b"AQcAAAAAAMCEPcCNtwE");
        let too_large = BASE64.encode([&[VERSION, 7, 0, 0, 0, 0, 0][..], &[0xff; 9], &[2]].concat());
        assert_eq!(parse(too_large.as_bytes(), Epoch::new(7), 1), From::Unknown);
    }
}
