//! Chunked bodies against a naive reader that has all bytes at once, and against what is written here.

use proptest::prelude::*;
use wire::http::{Framing, LAST_CHUNK, write_chunk};

use crate::body::read;
use crate::pieces::cut;

/// Data and length of the body that the bytes begin with; `None` if it is not whole or not good.
fn naive(mut bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (all, mut data) = (bytes.len(), Vec::new());
    loop {
        let (line, rest) = line(bytes)?;
        let text = std::str::from_utf8(line.split(|byte| *byte == b';').next()?).ok()?;
        let digits = if line.contains(&b';') { text.trim_end_matches([' ', '\t']) } else { text };
        if digits.len() > 16 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let size = usize::from_str_radix(digits, 16).ok()?;
        bytes = rest;
        if size == 0 {
            break;
        }
        data.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size..)?.strip_prefix(b"\r\n")?;
    }
    loop {
        let (line, rest) = line(bytes)?;
        bytes = rest;
        if line.is_empty() {
            return Some((data, all - bytes.len()));
        }
    }
}

/// The first line without its end, and the rest.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| matches!(byte, 0..=8 | 10..=31 | 127))?;
    let (line, rest) = bytes.split_at(end);
    Some((line, rest.strip_prefix(b"\r\n")?))
}

fn any_body() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let extension = prop_oneof![4 => Just(""), 1 => Just(";a=b"), 1 => Just(" ;\"x\""), 1 => Just(";")];
    let chunk = (prop::collection::vec(any::<u8>(), 1..40), extension, 0..3_usize);
    let trailer = prop_oneof![3 => Just(""), 1 => Just("A: b\r\n"), 1 => Just("A: b\r\nC:\r\n")];
    (prop::collection::vec(chunk, 0..6), trailer).prop_map(|(chunks, trailer)| {
        let (mut data, mut body) = (Vec::new(), Vec::new());
        for (chunk, extension, zeros) in chunks {
            body.extend(format!("{}{:x}{extension}\r\n", "0".repeat(zeros), chunk.len()).bytes());
            body.extend_from_slice(&chunk);
            body.extend_from_slice(b"\r\n");
            data.extend(chunk);
        }
        body.extend_from_slice(b"0\r\n");
        body.extend_from_slice(trailer.as_bytes());
        body.extend_from_slice(b"\r\n");
        (data, body)
    })
}

proptest! {
    #[test]
    fn data_comes_out_in_any_pieces(
        (data, body) in any_body(),
        more in prop::collection::vec(any::<u8>(), 0..20),
        cuts in prop::collection::vec(0..30_usize, 0..30),
    ) {
        let expected = Ok((data, body.len(), true));
        let bytes = [body, more].concat();
        prop_assert_eq!(&read(Framing::Chunked, 1000, cut(&bytes, &cuts)), &expected);
        prop_assert_eq!(read(Framing::Chunked, 1000, bytes.chunks(1)), expected);
    }

    #[test]
    fn what_is_broken_is_what_the_naive_reader_says(
        (_, mut body) in any_body(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any_byte(), 0..3_u8), 1..3),
        cuts in prop::collection::vec(0..30_usize, 0..30),
    ) {
        for (at, byte, what) in changes {
            let at = at.index(body.len());
            match what {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => { body.remove(at); }
            }
        }
        let found = read(Framing::Chunked, 1000, [&body[..]]);
        prop_assert_eq!(&read(Framing::Chunked, 1000, cut(&body, &cuts)), &found);
        let whole = found.ok().filter(|(_, _, ended)| *ended).map(|(data, used, _)| (data, used));
        prop_assert_eq!(whole, naive(&body).filter(|(data, _)| data.len() <= 1000));
    }

    #[test]
    fn what_is_written_is_read(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6)) {
        let mut body = Vec::new();
        chunks.iter().for_each(|chunk| write_chunk(&mut body, chunk));
        body.extend_from_slice(LAST_CHUNK);
        let expected = (chunks.concat(), body.len());
        prop_assert_eq!(naive(&body), Some(expected.clone()));
        prop_assert_eq!(read(Framing::Chunked, 10_000, [&body[..]]), Ok((expected.0, expected.1, true)));
    }
}

/// Bytes that mean something, more often than others.
fn any_byte() -> impl Strategy<Value = u8> {
    let telling = prop::sample::select(b"\r\n\r\n 0123456789abcdefABCDEFgx;\t\"\0:".to_vec());
    prop_oneof![3 => telling, 1 => any::<u8>()]
}
