//! Any bytes as MQTT. What decodes is written again, and that decodes to the same. Input: a byte that
//! tells the version of what is not a CONNECT, then packets.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::mqtt::{
    Packet, Place, Properties, Version, decode, encode, encoded_len, forwarded, frame, share_name,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, mut rest)) = bytes.split_first() else { return };
    let mut version = [Version::V31, Version::V311, Version::V5][usize::from(*choice) % 3];
    while let Some(next) = frame(rest).unwrap_or_default() {
        assert!((2..=5).contains(&next.head_len));
        assert_eq!(frame(&rest[..next.head_len]), Ok(Some(next)), "the head alone tells as much");
        // A packet that is cut off at the end is looked at as well.
        let end = next.len().min(rest.len());
        let body = &rest[next.head_len..end];
        match decode(version, next.first, body) {
            Ok(packet) => {
                check(version, &packet, body);
                if let Packet::Connect(connect) = packet {
                    version = connect.version;
                }
            }
            Err(error) => assert!(error.reason().is_error()),
        }
        rest = &rest[end..];
    }
});

fn check(version: Version, packet: &Packet<'_>, body: &[u8]) {
    let mut out = Vec::new();
    encode(&mut out, version, packet);
    assert_eq!(encoded_len(version, packet), out.len());
    let frame = frame(&out).expect("a good head").expect("a whole head");
    assert_eq!((frame.len(), frame.kind()), (out.len(), packet.kind()));
    assert!(frame.body_len <= body.len(), "only the shortest form is written");
    let again = decode(version, frame.first, &out[frame.head_len..]).expect("what is written is read");
    assert_eq!(&again, packet);
    match packet {
        Packet::Publish(publish) => {
            assert_eq!(&body[publish.payload_start..], publish.payload);
            check_forwarded(publish.properties);
        }
        Packet::Subscribe(subscribe) => {
            assert!(subscribe.filters.iter().count() > 0);
            for (filter, _) in subscribe.filters.iter() {
                assert!(version != Version::V5 || share_name(filter).is_ok());
            }
        }
        Packet::Connect(connect) => {
            if let Some(will) = connect.will {
                check_forwarded(will.properties);
            }
        }
        _ => {}
    }
}

/// What is handed on are properties again, all of them the kind that is handed on.
fn check_forwarded(properties: Properties<'_>) {
    let kept = forwarded(properties).collect::<Vec<_>>().concat();
    assert!(kept.len() <= properties.bytes().len());
    let kept = Properties::parse(Place::Publish, &kept).expect("whole properties");
    assert_eq!(forwarded(kept).collect::<Vec<_>>().concat(), kept.bytes());
    let is_kept = |id: u8| matches!(id, 0x01 | 0x03 | 0x08 | 0x09 | 0x26);
    let expected = properties.iter().filter(|property| is_kept(property.id()));
    assert!(kept.iter().eq(expected));
}
