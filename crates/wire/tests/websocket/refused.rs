//! What must be refused, each with its cause.

use DecodeError::{
    CloseCode, CloseLength, CloseReason, ControlFragmented, ControlTooLong, LengthForm, LengthTopBit, Masked,
    MessageTooLong, NotMasked, NothingToContinue, Opcode, ReservedBits, Unfinished, Utf8,
};
use wire::websocket::{CloseCode as Code, DecodeError, Peer};

use crate::hex;
use crate::run::play;

/// The bytes are refused for this cause with their last byte, and not before.
fn check(peer: Peer, text: &str, expected: DecodeError) {
    let bytes = hex::bytes(text);
    let (_, error) = play(peer, [&bytes[..]]);
    assert_eq!(error, Some(expected), "{text}");
    let (_, error) = play(peer, bytes.chunks(1));
    assert_eq!(error, Some(expected), "{text}, byte for byte");
    let (last, before) = bytes.split_last().expect("there is a last byte");
    let (_, error) = play(peer, [before]);
    assert_eq!(error, None, "{text} without {last:x}");
}

#[test]
fn heads() {
    for bit in [0x10, 0x20, 0x40, 0x70] {
        check(Peer::Client, &format!("{:02x}", 0x81 | bit), ReservedBits);
        check(Peer::Server, &format!("{:02x}", 0x09 | bit), ReservedBits);
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        check(Peer::Client, &format!("{:02x}", 0x80 | opcode), Opcode);
        check(Peer::Client, &format!("{opcode:02x}"), Opcode);
    }
    for opcode in [8, 9, 10] {
        check(Peer::Client, &format!("{opcode:02x}"), ControlFragmented);
        for length in [126, 127] {
            check(Peer::Client, &format!("{:02x} {:02x}", 0x80 | opcode, 0x80 | length), ControlTooLong);
            check(Peer::Server, &format!("{:02x} {length:02x}", 0x80 | opcode), ControlTooLong);
        }
    }
    check(Peer::Client, "81 00", NotMasked);
    check(Peer::Client, "82 7e", NotMasked);
    check(Peer::Client, "89 7d", NotMasked);
    check(Peer::Server, "81 80", Masked);
    check(Peer::Server, "88 82", Masked);
}

#[test]
fn lengths() {
    check(Peer::Client, "81 fe 0000", LengthForm);
    check(Peer::Client, "81 fe 007d", LengthForm);
    check(Peer::Client, "82 ff 0000000000000000", LengthForm);
    check(Peer::Client, "82 ff 000000000000ffff", LengthForm);
    check(Peer::Server, "82 7f 0000000000000005", LengthForm);
    check(Peer::Client, "82 ff 8000000000000000", LengthTopBit);
    check(Peer::Client, "82 ff ffffffffffffffff", LengthTopBit);
}

/// The bound of these tests is a mebibyte.
#[test]
fn messages_over_their_bound() {
    check(Peer::Server, "82 7f 0000000000100001", MessageTooLong);
    check(Peer::Client, "82 ff 0000000000100001 00000000", MessageTooLong);
    check(Peer::Server, "81 7f 7fffffffffffffff", MessageTooLong);
    check(Peer::Server, "02 01 'a' 80 7f 0000000000100000", MessageTooLong);
    check(Peer::Server, "02 01 'a' 8a 00 80 7f 7fffffffffffffff", MessageTooLong);
}

#[test]
fn fragments_out_of_order() {
    check(Peer::Server, "80 00", NothingToContinue);
    check(Peer::Server, "00 01", NothingToContinue);
    check(Peer::Server, "81 00 80 00", NothingToContinue);
    check(Peer::Server, "01 00 80 00 80 00", NothingToContinue);
    check(Peer::Server, "01 00 81 00", Unfinished);
    check(Peer::Server, "01 00 89 00 02 00", Unfinished);
    check(Peer::Server, "02 00 00 00 82 05", Unfinished);
}

#[test]
fn text_that_is_none() {
    check(Peer::Server, "81 01 ff", Utf8);
    check(Peer::Server, "01 01 ff", Utf8);
    check(Peer::Server, "81 05 'a' f490", Utf8);
    check(Peer::Server, "01 01 c3 00 00 80 01 'a'", Utf8);
    // Nothing wrong but that it ends.
    check(Peer::Server, "81 02 e282", Utf8);
    check(Peer::Server, "01 02 e282 80 00", Utf8);
}

#[test]
fn close_frames() {
    check(Peer::Server, "88 01 03", CloseLength);
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        check(Peer::Server, &format!("88 02 {code:04x}"), CloseCode);
    }
    check(Peer::Server, "88 03 03e8 ff", CloseReason);
    check(Peer::Server, "88 04 03e8 e282", CloseReason);
}

#[test]
fn what_the_close_frame_says() {
    for error in [
        ReservedBits,
        Opcode,
        ControlFragmented,
        ControlTooLong,
        NotMasked,
        Masked,
        LengthForm,
        LengthTopBit,
        NothingToContinue,
        Unfinished,
        CloseLength,
        CloseCode,
    ] {
        assert_eq!(error.close_code(), Code::PROTOCOL_ERROR, "{error:?}");
    }
    assert_eq!(MessageTooLong.close_code(), Code::MESSAGE_TOO_BIG);
    assert_eq!(Utf8.close_code(), Code::INVALID_PAYLOAD);
    assert_eq!(CloseReason.close_code(), Code::INVALID_PAYLOAD);
}
