//! What the Autobahn test suite asks of a server, by its case numbers, as a table written by hand. What the
//! suite expects of echoes and of closing is the caller's; here stands what frames mean.

use crate::run::{check, check_bytes, frames, masked};

/// 1: lengths at the borders of their three forms.
#[test]
fn framing() {
    for length in [0, 125, 126, 127, 128, 65535, 65536] {
        for (first, kind) in [(0x81, "text"), (0x82, "binary")] {
            let frame = masked(&[&[first], &b"*".repeat(length)[..]].concat());
            check_bytes(&frame, &format!("{kind}:{}", "*".repeat(length)), "1.x");
        }
    }
}

#[test]
fn pings_and_pongs() {
    check("89", "ping:");
    check("89 'Hello'", "ping:Hello");
    check("89 00ff fefd fc fb 00 ff", "ping:\\x00\\xff\\xfe\\xfd\\xfc\\xfb\\x00\\xff");
    let long = "2a".repeat(125);
    check(&format!("89 {long}"), &format!("ping:{}", "*".repeat(125)));
    check(&format!("89 {long} 2a"), "!1002");
    check("8a", "pong:");
    check("8a 'unasked' | 89 'x'", "pong:unasked ping:x");
    check("89 '1' | 89 '2' | 89 '3'", "ping:1 ping:2 ping:3");
}

/// 3: reserved bits, with what came before still told.
#[test]
fn reserved_bits() {
    check("d1 'x'", "!1002");
    check("81 'Hello' | a1 'Hello' | 89", "text:Hello !1002");
    check("81 'Hello' | b1 'Hello' | 89", "text:Hello !1002");
    check("c2 00ff", "!1002");
    check("d9 'x'", "!1002");
    check("f8", "!1002");
}

/// 4: opcodes 3 to 7 and 11 to 15.
#[test]
fn opcodes() {
    for opcode in (3..=7).chain(11..=15) {
        check(&format!("{:02x}", 0x80 | opcode), "!1002");
        check(&format!("81 'Hello' | {:02x} 'x' | 89", 0x80 | opcode), "text:Hello !1002");
    }
}

/// 5: fragments.
#[test]
fn fragmentation() {
    for (case, bytes, expected) in [
        ("5.1", "09 'a' | 80 'b'", "!1002"),
        ("5.2", "0a 'a' | 80 'b'", "!1002"),
        ("5.3", "01 'a' | 80 'b'", "text:ab"),
        ("5.6", "01 'a' | 89 'ping' | 80 'b'", "ping:ping text:ab"),
        ("5.9", "80 'a' | 81 'Hello'", "!1002"),
        ("5.12", "00 'a' | 81 'Hello'", "!1002"),
        ("5.15", "01 'a' | 80 'b' | 00 'c' | 81 'd'", "text:ab !1002"),
        ("5.16", "00 'a' | 01 'b' | 80 'c'", "!1002"),
        ("5.17", "80 'a' | 01 'b' | 80 'c'", "!1002"),
        ("5.18", "01 'a' | 81 'b'", "!1002"),
        (
            "5.19",
            "01 '1' | 00 '2' | 89 'p1' | 00 '3' | 00 '4' | 89 'p2' | 80 '5'",
            "ping:p1 ping:p2 text:12345",
        ),
        ("5.19, pong", "01 '1' | 8a | 80 '2' | 81 '3'", "pong: text:12 text:3"),
        ("close between", "01 'a' | 88 03e8 | 80 'b'", "close:1000: text:a…"),
    ] {
        check_bytes(&frames(bytes), expected, case);
    }
}

/// 6: text. What is invalid is refused in the frame, and at the byte, that makes it so.
#[test]
fn text() {
    for (case, bytes, expected) in [
        ("6.1.1", "81", "text:"),
        ("6.1.2", "01 | 00 | 80", "text:"),
        ("6.1.3", "01 | 00 'middle' | 80", "text:middle"),
        (
            "6.2.2",
            "01 'Hello' c2b5 40 c3 9f c3 b6 | 80 c3a4 'UTF-8!!'",
            r"text:Hello\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4UTF-8!!",
        ),
        ("6.2.3", "01 ce | 00 ba | 00 e1 | 00 bd | 80 b9", r"text:\xce\xba\xe1\xbd\xb9"),
        ("6.3.1", "81 cebae1bdb9cf83cebcceb5 eda080 656469746564", "!1007"),
        ("6.3.2", "01 ce | 00 ba | 00 ed | 00 a0", "!1007"),
        ("6.4.1", "01 cebae1bdb9cf83cebcceb5 | 00 f4908080", "!1007"),
        ("6.4.2", "01 cebae1bdb9cf83cebcceb5f4 | 00 90", "!1007"),
        ("6.6.1", "01 ce", "text:\\xce…"),
        ("6.6.1, ended", "81 ce", "!1007"),
        ("6.6.3", "81 cebae1", "!1007"),
        ("6.6.4", "81 cebae1bd", "!1007"),
        ("6.6.5", "81 cebae1bdb9", r"text:\xce\xba\xe1\xbd\xb9"),
        ("6.7.1", "81 00", r"text:\x00"),
        ("6.7.2", "81 c280", r"text:\xc2\x80"),
        ("6.7.3", "81 e0a080", r"text:\xe0\xa0\x80"),
        ("6.7.4", "81 f0908080", r"text:\xf0\x90\x80\x80"),
        ("6.8.1", "81 f888808080", "!1007"),
        ("6.8.2", "81 fc8480808080", "!1007"),
        ("6.9.1", "81 7f", r"text:\x7f"),
        ("6.9.2", "81 dfbf", r"text:\xdf\xbf"),
        ("6.9.3", "81 efbfbf", r"text:\xef\xbf\xbf"),
        ("6.9.4", "81 f48fbfbf", r"text:\xf4\x8f\xbf\xbf"),
        ("6.10.1", "81 f7bfbfbf", "!1007"),
        ("6.10.3", "81 fdbfbfbfbfbf", "!1007"),
        ("6.11.1", "81 ed9fbf", r"text:\xed\x9f\xbf"),
        ("6.11.2", "81 ee8080", r"text:\xee\x80\x80"),
        ("6.11.3", "81 efbfbd", r"text:\xef\xbf\xbd"),
        ("6.11.5", "81 f4908080", "!1007"),
        ("6.12.1", "81 80", "!1007"),
        ("6.12.3", "81 80bf", "!1007"),
        ("6.13.1", "81 c020c120", "!1007"),
        ("6.14.1", "81 c0", "!1007"),
        ("6.14.6", "81 df", "!1007"),
        ("6.14.7", "81 efbf", "!1007"),
        ("6.14.8", "81 f7bfbf", "!1007"),
        ("6.15.1", "81 c0e080f0808081", "!1007"),
        ("6.16.1", "81 fe", "!1007"),
        ("6.16.2", "81 ff", "!1007"),
        ("6.17.1", "81 c0af", "!1007"),
        ("6.17.2", "81 e080af", "!1007"),
        ("6.17.3", "81 f08080af", "!1007"),
        ("6.18.1", "81 c1bf", "!1007"),
        ("6.18.2", "81 e09fbf", "!1007"),
        ("6.18.3", "81 f08fbfbf", "!1007"),
        ("6.19.1", "81 c080", "!1007"),
        ("6.19.2", "81 e08080", "!1007"),
        ("6.20.1", "81 eda080", "!1007"),
        ("6.20.7", "81 edbfbf", "!1007"),
        ("6.21.1", "81 eda080edb080", "!1007"),
        ("6.22.1", "81 efbfbe", r"text:\xef\xbf\xbe"),
        ("6.22.34", "81 f48fbfbf", r"text:\xf4\x8f\xbf\xbf"),
    ] {
        check_bytes(&frames(bytes), expected, case);
    }
}

/// 6.4.3 and 6.4.4: in the middle of a frame, with the byte that makes it invalid.
#[test]
fn text_fails_inside_of_a_frame() {
    let bytes = frames("81 cebae1bdb9cf83cebcceb5 f4908080 656469746564");
    let head = 6;
    check_bytes(
        &bytes[..head + 12],
        r"text:\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4…",
        "6.4.4, up to f4",
    );
    check_bytes(&bytes[..head + 13], "!1007", "6.4.4, with 90");
}

/// 7: closing.
#[test]
fn closing() {
    check("81 'Hello' | 88 03e8 | 89 'late'", "text:Hello close:1000:");
    check("88 03e8 | 88 03e8", "close:1000:");
    check("01 'a' | 88 03e8", "close:1000: text:a…");
    check("88", "close");
    check("88 00", "!1002");
    check("88 03e8", "close:1000:");
    check("88 03e8 'Hello'", "close:1000:Hello");
    let reason = "2a".repeat(123);
    check(&format!("88 03e8 {reason}"), &format!("close:1000:{}", "*".repeat(123)));
    check(&format!("88 03e8 {reason} 2a"), "!1002");
    check("88 03e8 cebae1bdb9cf83cebcceb5eda080656469746564", "!1007");
    for code in
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        check(&format!("88 {code:04x}"), &format!("close:{code}:"));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        check(&format!("88 {code:04x}"), "!1002");
        check(&format!("88 {code:04x} 'Hello'"), "!1002");
    }
}
