//! Text is refused at the first byte that cannot be UTF-8, and never before.

use wire::websocket::{DecodeError, Peer};

use crate::run::{masked, play};

/// Bytes that lie at a border of what UTF-8 allows.
const BORDERS: [u8; 24] = [
    0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed,
    0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff,
];

/// Naive: whether some bytes behind these make text of it. Three continuation bytes are the most that a
/// character lacks; one of each range that standards tell apart is tried.
fn may_become_text(bytes: &[u8]) -> bool {
    let mut ends = vec![Vec::new()];
    for _ in 0..3 {
        let longer = ends.iter().flat_map(|end| [0x80, 0x90, 0xa0].map(|byte| [&end[..], &[byte]].concat()));
        ends = [Vec::new()].into_iter().chain(longer).collect();
    }
    ends.iter().any(|end| std::str::from_utf8(&[bytes, end].concat()).is_ok())
}

/// All sequences of up to four bytes at the borders: where the decoder refuses and where the naive
/// model does, byte for byte, in one frame and in one frame per byte.
#[test]
fn every_short_text() {
    let mut texts = vec![Vec::new()];
    for _ in 0..4 {
        texts = texts
            .iter()
            .flat_map(|text: &Vec<u8>| BORDERS.map(|byte| [&text[..], &[byte]].concat()))
            .collect();
        // What was refused once is no text with more behind it either.
        texts.retain(|text| check(text));
    }
    assert!(texts.len() > 5_000, "{} texts of four bytes", texts.len());
}

/// Whether the bytes may be text; asserts that the decoder thinks so, too.
fn check(text: &[u8]) -> bool {
    let may_be = may_become_text(text);
    let refused = (!may_be).then_some(DecodeError::Utf8);
    let begun = masked(&[&[0x01], text].concat());
    assert_eq!(play(Peer::Client, [&begun[..]]).1, refused, "{text:x?}");
    let fragments: Vec<u8> = (0_u8..)
        .zip(text)
        .flat_map(|(index, byte)| masked(&[if index == 0 { 0x01 } else { 0x00 }, *byte]))
        .collect();
    assert_eq!(play(Peer::Client, [&fragments[..]]).1, refused, "{text:x?} in fragments");
    let ended = [fragments, masked(&[0x80])].concat();
    let is_text = std::str::from_utf8(text).is_ok();
    let refused = (!is_text).then_some(DecodeError::Utf8);
    assert_eq!(play(Peer::Client, [&ended[..]]).1, refused, "{text:x?}, ended");
    may_be
}

#[test]
fn binary_is_not_looked_at() {
    let frame = masked(&[0x82, 0xff, 0xc0]);
    assert_eq!(play(Peer::Client, [&frame[..]]).1, None);
}
