//! Frames as bytes and as events.

use wire::websocket::{
    CloseCode, Opcode, Part, Peer, write_close, write_frame, write_frame_head, write_masked_frame,
};

use crate::hex;
use crate::run::{Told, play, words};

/// The bytes are told in these words; no beginning of them is refused, or tells more.
fn check(peer: Peer, text: &str, expected: &str) {
    let bytes = hex::bytes(text);
    let (whole, error) = play(peer, [&bytes[..]]);
    assert_eq!(words(&(whole.clone(), error)), expected, "{text}");
    for end in 0..bytes.len() {
        let (told, error) = play(peer, [bytes.get(..end).unwrap_or_default()]);
        assert_eq!(error, None, "{end} bytes of {text}");
        let told: Vec<Told> = told.into_iter().filter(|told| !matches!(told, Told::Begun(..))).collect();
        assert!(whole.starts_with(&told) && told.len() < whole.len(), "{end} bytes of {text}: {told:?}");
    }
}

/// RFC 6455 5.7, as it stands there.
#[test]
fn the_examples_of_the_standard() {
    check(Peer::Server, "81 05 48 65 6c 6c 6f", "text:Hello");
    check(Peer::Client, "81 85 37fa213d 7f 9f 4d 51 58", "text:Hello");
    check(Peer::Server, "01 03 48 65 6c  80 02 6c 6f", "text:Hello");
    check(Peer::Server, "89 05 48 65 6c 6c 6f", "ping:Hello");
    check(Peer::Client, "8a 85 37fa213d 7f 9f 4d 51 58", "pong:Hello");
    let mut bytes = hex::bytes("82 7e 0100");
    bytes.resize(bytes.len() + 256, b'x');
    assert_eq!(words(&play(Peer::Server, [&bytes[..]])), format!("binary:{}", "x".repeat(256)));
    let mut bytes = hex::bytes("82 7f 0000000000010000");
    bytes.resize(bytes.len() + 65536, b'x');
    assert_eq!(words(&play(Peer::Server, [&bytes[..]])), format!("binary:{}", "x".repeat(65536)));
}

#[test]
fn frames_of_every_kind() {
    check(Peer::Client, "81 80 01020304", "text:");
    check(Peer::Client, "82 81 ff000000 00", "binary:\\xff");
    check(Peer::Client, "89 80 01020304", "ping:");
    check(Peer::Client, "88 80 01020304", "close");
    check(Peer::Server, "88 02 03e8", "close:1000:");
    check(Peer::Server, "88 05 0fa0 'bye'", "close:4000:bye");
    check(Peer::Server, "01 00 80 00", "text:");
    check(Peer::Server, "02 01 'a' 00 01 'b' 8a 00 80 01 'c'", "pong: binary:abc");
}

#[test]
fn what_is_written() {
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = b"before".to_vec();
        write(&mut out);
        out.split_off(6)
    };
    let check = |write: &dyn Fn(&mut Vec<u8>), expected: &str| {
        assert_eq!(written(write), hex::bytes(expected), "{expected}");
    };
    check(&|out| write_frame(out, Opcode::Text, b"Hello"), "81 05 'Hello'");
    check(&|out| write_frame(out, Opcode::Ping, b""), "89 00");
    check(&|out| write_frame(out, Opcode::Pong, b"x"), "8a 01 'x'");
    check(&|out| write_frame_head(out, Opcode::Binary, Part::Last, 125), "82 7d");
    check(&|out| write_frame_head(out, Opcode::Binary, Part::Last, 126), "82 7e 007e");
    check(&|out| write_frame_head(out, Opcode::Text, Part::More, 65535), "01 7e ffff");
    check(&|out| write_frame_head(out, Opcode::Continuation, Part::Last, 65536), "80 7f 0000000000010000");
    check(&|out| write_close(out, CloseCode::GOING_AWAY, ""), "88 02 03e9");
    check(&|out| write_close(out, CloseCode::MESSAGE_TOO_BIG, "no"), "88 04 03f1 'no'");
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    check(
        &|out| write_masked_frame(out, Opcode::Text, Part::Last, mask, b"Hello"),
        "81 85 37fa213d 7f 9f 4d 51 58",
    );
    check(&|out| write_masked_frame(out, Opcode::Binary, Part::More, mask, b""), "02 80 37fa213d");
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    for (reason, said) in
        [("x".repeat(123), 123), ("x".repeat(124), 123), ("€".repeat(60), 123), ("é".repeat(62), 122)]
    {
        let mut out = Vec::new();
        write_close(&mut out, CloseCode::NORMAL, &reason);
        let (told, error) = play(Peer::Server, [&out[..]]);
        assert_eq!(error, None);
        let said = reason.get(..said).expect("between characters").to_string();
        assert_eq!(told, [Told::Close(Some(1000), said)]);
    }
}

#[test]
fn codes_that_no_frame_says_are_a_mistake_of_ours() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
        assert!(!CloseCode(code).may_be_sent());
        let written = std::panic::catch_unwind(|| write_close(&mut Vec::new(), CloseCode(code), ""));
        assert!(written.is_err(), "{code}");
    }
}
