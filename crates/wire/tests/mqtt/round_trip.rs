//! Packets by chance: what was written is read again, and nothing that is broken harms.

use proptest::prelude::*;
use wire::mqtt::{Packet, Version, decode, encode, encoded_len, frame};

use crate::any_packet::any_parts;
use crate::broken::any_change;
use crate::hex;

proptest! {
    #[test]
    fn what_is_written_is_read_again(parts in any_parts()) {
        let mut buffer = Vec::new();
        let packet = parts.packet(&mut buffer);
        let mut out = Vec::new();
        encode(&mut out, parts.version, &packet);
        prop_assert_eq!(encoded_len(parts.version, &packet), out.len());
        let (first, body) = hex::split(&out);
        prop_assert_eq!(decode(parts.version, first, body), Ok(packet));
    }

    /// What is still a packet is written and read as the same packet, and its payload lies where
    /// it says.
    #[test]
    fn what_is_broken_is_refused_or_another_packet(parts in any_parts(), change in any_change()) {
        let (mut buffer, mut out) = (Vec::new(), Vec::new());
        encode(&mut out, parts.version, &parts.packet(&mut buffer));
        let (first, body) = hex::split(&out);
        let (first, body) = change.apply(first, body);
        let Ok(packet) = decode(parts.version, first, &body) else { return Ok(()) };
        if let Packet::Publish(publish) = &packet {
            prop_assert_eq!(body.get(publish.payload_start..), Some(publish.payload));
        }
        let mut again = Vec::new();
        encode(&mut again, parts.version, &packet);
        let (first, body) = hex::split(&again);
        prop_assert_eq!(decode(parts.version, first, body), Ok(packet));
    }

    #[test]
    fn any_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let Ok(Some(frame)) = frame(&bytes) else { return Ok(()) };
        prop_assert!(frame.head_len <= 5);
        let body = bytes.get(frame.head_len..).unwrap_or_default();
        for version in [Version::V31, Version::V311, Version::V5] {
            let _ = decode(version, frame.first, body);
        }
    }
}
