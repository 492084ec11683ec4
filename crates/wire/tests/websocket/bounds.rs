//! What a peer can make grow, and how far.

use wire::websocket::{Decoder, Event, Kind, Part, Peer};

use crate::hex;
use crate::run::{frames, masked};

#[test]
fn a_claimed_length_allocates_nothing() {
    for claim in ["82 ff 7fffffffffffffff 00000000", "82 ff 0000000100000000 01020304", "81 fe ffff 00000000"]
    {
        let (mut decoder, mut data) = (Decoder::new(Peer::Client, u64::MAX), Vec::new());
        let head = hex::bytes(claim);
        let decoded = decoder.decode(&head, &mut data).expect("the bound is high");
        assert_eq!((decoded.used, decoded.event), (head.len(), None));
        assert_eq!(data.capacity(), 0, "{claim}");
        decoder.decode(b"x", &mut data).expect("a byte of it");
        assert!(data.len() == 1 && data.capacity() < 64, "{claim}");
    }
}

#[test]
fn a_message_may_be_as_long_as_its_bound() {
    for bound in [0_usize, 1, 125, 126, 65_536] {
        let is_taken = |bytes: &[u8]| {
            let (mut decoder, mut data) = (Decoder::new(Peer::Client, bound as u64), Vec::new());
            let mut rest = bytes;
            while !rest.is_empty() {
                match decoder.decode(rest, &mut data) {
                    Ok(decoded) => rest = &rest[decoded.used..],
                    Err(_) => return false,
                }
            }
            data.len() == bound
        };
        let payload = vec![b'x'; bound + 1];
        assert!(is_taken(&masked(&[&[0x82], &payload[1..]].concat())), "{bound}");
        assert!(!is_taken(&masked(&[&[0x82], &payload[..]].concat())), "{bound}");
        let mut fragments = masked(&[0x02]);
        payload[1..].iter().for_each(|byte| fragments.extend(masked(&[0x00, *byte])));
        assert!(is_taken(&[&fragments[..], &masked(&[0x80])].concat()), "{bound} in fragments");
        assert!(!is_taken(&[&fragments[..], &masked(&[0x80, 0])].concat()), "{bound} in fragments");
    }
}

/// The bound is each message's own.
#[test]
fn messages_are_bounded_one_by_one() {
    let (mut decoder, mut data) = (Decoder::new(Peer::Client, 3), Vec::new());
    let bytes = frames("82 'abc' | 01 'ab' | 80 'c' | 82 'abc'");
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let used = decoder.decode(rest, &mut data).expect("each is short").used;
        rest = &rest[used..];
    }
    assert_eq!(data, b"abcabcabc");
}

/// A call looks at one frame: whoever has a budget of frames can stop.
#[test]
fn a_call_tells_one_event() {
    let bytes = frames("89 'a' | 8a | 02 | 00 | 80 | 81 'x' | 88");
    let (mut decoder, mut data) = (Decoder::new(Peer::Client, 9), Vec::new());
    let (mut rest, mut events) = (&bytes[..], 0);
    while !rest.is_empty() {
        let decoded = decoder.decode(rest, &mut data).expect("good frames");
        assert!(decoded.event.is_some() && decoded.used <= 7);
        events += 1;
        rest = &rest[decoded.used..];
    }
    assert_eq!(events, 7);
}

/// The caller may take the bytes as they come: a stream over frames.
#[test]
fn data_may_be_taken_between_calls() {
    let bytes = frames("01 'Gr' c3 | 89 | 00 bc 'ß' e2 | 80 8280");
    let (mut decoder, mut stream) = (Decoder::new(Peer::Client, 100), Vec::new());
    for byte in &bytes {
        let mut data = Vec::new();
        decoder.decode(&[*byte], &mut data).expect("good frames");
        stream.append(&mut data);
    }
    assert_eq!(stream, "Grüß\u{2080}".as_bytes());
}

#[test]
fn a_part_of_a_frame_is_told_at_once() {
    let (mut decoder, mut data) = (Decoder::new(Peer::Server, 100), b"before ".to_vec());
    let decoded = decoder.decode(b"\x82\x05ab", &mut data).expect("a good frame");
    assert_eq!((decoded.used, decoded.event), (4, Some(Event::Data(Kind::Binary, Part::More))));
    let decoded = decoder.decode(b"cde\x81\x00", &mut data).expect("a good frame");
    assert_eq!((decoded.used, decoded.event), (3, Some(Event::Data(Kind::Binary, Part::Last))));
    assert_eq!(data, b"before abcde");
}

#[test]
fn what_comes_behind_a_close_frame_is_passed_over() {
    let bytes = [&frames("88 03e8")[..], b"\xff\xff anything"].concat();
    let (mut decoder, mut data) = (Decoder::new(Peer::Client, 100), Vec::new());
    let used = decoder.decode(&bytes, &mut data).expect("a good frame").used;
    assert_eq!(used, 8);
    let decoded = decoder.decode(&bytes[used..], &mut data).expect("it is not looked at");
    assert_eq!((decoded.used, decoded.event), (bytes.len() - 8, None));
    assert!(data.is_empty());
}

#[test]
fn what_comes_behind_an_error_is_passed_over() {
    for wrong in [
        &b"\xff"[..],
        b"\x80\x80\x00\x00\x00\x00",
        b"\x81\x81\x00\x00\x00\x00\xff",
        b"\x88\x81\x00\x00\x00\x00\x03",
    ] {
        for piece_len in [1, wrong.len()] {
            let (mut decoder, mut data) = (Decoder::new(Peer::Client, 100), Vec::new());
            assert!(
                wrong.chunks(piece_len).any(|piece| decoder.decode(piece, &mut data).is_err()),
                "{wrong:x?}"
            );
            data.clear();
            for piece in [&frames("81 'Hello'")[..], b"\xff"] {
                let decoded = decoder.decode(piece, &mut data).expect("it is not looked at");
                assert_eq!((decoded.used, decoded.event), (piece.len(), None));
            }
            assert!(data.is_empty());
        }
    }
}

/// There may be as many of these as connections.
#[test]
fn a_decoder_is_small() {
    assert!(size_of::<Decoder>() <= 112, "{} bytes", size_of::<Decoder>());
}
