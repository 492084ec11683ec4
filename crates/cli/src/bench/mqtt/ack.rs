//! Acknowledgements without a reason, as nearly all are: four bytes in every version.

use wire::mqtt::Kind;

/// Appends an acknowledgement.
#[inline]
pub(super) fn put_ack(out: &mut Vec<u8>, kind: Kind, id: u16) {
    let [high, low] = id.to_be_bytes();
    out.extend_from_slice(&[first(kind), BODY_BYTES, high, low]);
}

/// The acknowledgement that bytes begin with, and what follows it; `None` for anything else or longer.
#[inline]
pub(super) fn take_ack(bytes: &[u8]) -> Option<(Kind, u16, &[u8])> {
    let (&[first_byte, BODY_BYTES, high, low], after) = bytes.split_first_chunk()? else { return None };
    let kind = match first_byte {
        0x40 => Kind::PubAck,
        0x50 => Kind::PubRec,
        0x62 => Kind::PubRel,
        0x70 => Kind::PubComp,
        _ => return None,
    };
    Some((kind, u16::from_be_bytes([high, low]), after))
}

/// The type, and the flags that the standard fixes (MQTT5 2.1.3).
fn first(kind: Kind) -> u8 {
    let flags = if kind == Kind::PubRel { 0b0010 } else { 0 };
    (kind as u8) << 4 | flags
}

/// A packet id.
const BODY_BYTES: u8 = 2;

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use wire::mqtt::{Ack, Packet, Reason, Version, encode};

    use super::*;

    #[test]
    fn they_are_what_the_codec_writes() {
        let ack = Ack::new(NonZeroU16::new(0x1234).unwrap(), Reason::SUCCESS);
        for version in [Version::V311, Version::V5] {
            for packet in
                [Packet::PubAck(ack), Packet::PubRec(ack), Packet::PubRel(ack), Packet::PubComp(ack)]
            {
                let (mut expected, mut found) = (Vec::new(), Vec::new());
                encode(&mut expected, version, &packet);
                put_ack(&mut found, packet.kind(), 0x1234);
                assert_eq!(found, expected);
                assert_eq!(take_ack(&found), Some((packet.kind(), 0x1234, &[][..])));
            }
        }
    }

    #[test]
    fn nothing_else_is_taken_for_one() {
        for bytes in [&[0x40, 2, 0][..], &[0x40, 3, 0, 1, 0x10], &[0x90, 2, 0, 1], &[0xd0, 0, 0x40, 2], &[]] {
            assert_eq!(take_ack(bytes), None, "{bytes:x?}");
        }
    }
}
