//! However the bytes come, the same is told.

use proptest::prelude::*;
use wire::websocket::{Kind, Opcode, Part, Peer};

use crate::any_frames::{Frame, any_stream, bytes_of, change, cut};
use crate::run::{Told, play};

/// The messages and control frames, from the frames before they were written.
fn expected(frames: &[Frame]) -> Vec<Told> {
    let (mut told, mut kind, mut message) = (Vec::new(), Kind::Binary, Vec::new());
    for frame in frames {
        match frame.opcode {
            Opcode::Ping => told.push(Told::Ping(frame.payload.clone())),
            Opcode::Pong => told.push(Told::Pong(frame.payload.clone())),
            Opcode::Close => {}
            Opcode::Text => kind = Kind::Text,
            Opcode::Binary => kind = Kind::Binary,
            Opcode::Continuation => {}
        }
        if !frame.opcode.is_control() {
            message.extend_from_slice(&frame.payload);
            if frame.part == Part::Last {
                told.push(Told::Message(kind, std::mem::take(&mut message)));
            }
        }
    }
    told
}

fn any_peer() -> impl Strategy<Value = Peer> {
    prop_oneof![Just(Peer::Client), Just(Peer::Server)]
}

proptest! {
    #[test]
    fn what_is_written_is_read_in_any_pieces(
        peer in any_peer(),
        frames in any_stream(),
        cuts in prop::collection::vec(0..50_usize, 0..40),
    ) {
        let bytes = bytes_of(peer, &frames);
        let expected = (expected(&frames), None);
        prop_assert_eq!(&play(peer, [&bytes[..]]), &expected);
        prop_assert_eq!(&play(peer, bytes.chunks(1)), &expected);
        prop_assert_eq!(&play(peer, cut(&bytes, &cuts)), &expected);
    }

    #[test]
    fn what_is_broken_is_judged_alike_in_any_pieces(
        peer in any_peer(),
        frames in any_stream(),
        (at, what) in (any::<prop::sample::Index>(), 0..10_u8),
        cuts in prop::collection::vec(0..50_usize, 0..40),
    ) {
        let mut bytes = bytes_of(peer, &frames);
        change(&mut bytes, at, what);
        let whole = play(peer, [&bytes[..]]);
        prop_assert_eq!(&play(peer, bytes.chunks(1)), &whole);
        prop_assert_eq!(&play(peer, cut(&bytes, &cuts)), &whole);
    }

    #[test]
    fn any_bytes_are_judged_alike_in_any_pieces(
        peer in any_peer(),
        bytes in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        prop_assert_eq!(play(peer, bytes.chunks(1)), play(peer, [&bytes[..]]));
    }
}
