//! Bodies: their data, in whatever pieces they come, and what is refused.

use Framing::{Chunked, Sized};
use wire::http::{BodyError, BodyReader, Framing};

const DATA_MAX: u64 = 1000;

/// What the pieces come to: data, bytes used, whether the body has ended; or why it is refused.
pub(crate) fn read<'a>(
    framing: Framing,
    data_max: u64,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Vec<u8>, usize, bool), BodyError> {
    let mut reader = BodyReader::new(framing, data_max)?;
    let (mut data, mut used) = (Vec::new(), 0);
    for mut piece in pieces {
        while !piece.is_empty() && !reader.is_ended() {
            let part = reader.read(piece)?;
            assert!(part.used > 0, "every call goes on");
            assert!(part.data.end == part.used || part.data.is_empty(), "data is what comes last");
            assert!(
                part.used == piece.len() || part.ended || !part.data.is_empty(),
                "all is used that can be"
            );
            assert_eq!(part.ended, reader.is_ended());
            data.extend_from_slice(&piece[part.data]);
            piece = &piece[part.used..];
            used += part.used;
        }
    }
    Ok((data, used, reader.is_ended()))
}

/// The body has this data; no beginning of it has ended or is refused, and what follows is not its.
fn check(framing: Framing, body: &[u8], expected: &[u8]) {
    let label = body.escape_ascii();
    let whole = Ok((expected.to_vec(), body.len(), true));
    assert_eq!(read(framing, DATA_MAX, [body]), whole, "{label}");
    assert_eq!(read(framing, DATA_MAX, body.chunks(1)), whole, "{label}, byte for byte");
    let more = [body, b"GET / HTTP/1.1\r\n"].concat();
    assert_eq!(read(framing, DATA_MAX, [&more[..]]), whole, "{label} and more");
    for end in 0..body.len() {
        let (first, second) = body.split_at(end);
        assert_eq!(read(framing, DATA_MAX, [first, second]), whole, "{label} cut at {end}");
        let (data, used, ended) = read(framing, DATA_MAX, [first]).expect("it is not refused");
        assert!(expected.starts_with(&data), "{end} bytes of {label}");
        assert_eq!((used, ended), (end, false), "{end} bytes of {label}");
    }
}

/// Refused for this cause with the last byte, and not before.
fn check_refused(body: &[u8], expected: BodyError, status: u16) {
    let label = body.escape_ascii();
    assert_eq!(read(Chunked, DATA_MAX, [body]), Err(expected), "{label}");
    assert_eq!(read(Chunked, DATA_MAX, body.chunks(1)), Err(expected), "{label}, byte for byte");
    let before = body.get(..body.len() - 1).unwrap_or_default();
    read(Chunked, DATA_MAX, [before]).expect("the last byte is the wrong one");
    assert_eq!(expected.status().0, status);
    assert!(expected.to_string().ends_with('.'), "a sentence: {expected}");
}

#[test]
fn bodies_of_a_known_length() {
    check(Sized(5), b"hello", b"hello");
    check(Sized(1), b"\n", b"\n");
    check(Sized(0), b"", b"");
    check(Framing::None, b"", b"");
}

#[test]
fn chunks() {
    check(Chunked, b"0\r\n\r\n", b"");
    check(Chunked, b"5\r\nhello\r\n0\r\n\r\n", b"hello");
    check(
        Chunked,
        b"4\r\nWiki\r\n5\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n0\r\n\r\n",
        b"Wikipedia in\r\n\r\nchunks.",
    );
    check(Chunked, b"a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n", b"01234567890123456789");
    check(Chunked, b"0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n", b"abc");
}

#[test]
fn extensions_are_passed_over() {
    check(Chunked, b"1;a\r\nx\r\n0;a=b\r\n\r\n", b"x");
    check(Chunked, b"1 ; a = \"b;c\" ;d\r\nx\r\n0\t;\r\n\r\n", b"x");
    check(Chunked, b"1;gr\xc3\xbcn\r\nx\r\n0\r\n\r\n", b"x");
}

#[test]
fn the_trailer_is_passed_over() {
    check(Chunked, b"0\r\nX: y\r\n\r\n", b"");
    check(Chunked, b"1\r\nx\r\n0;a\r\nX: y\r\nContent-Length: 5\r\n\r\n", b"x");
}

#[test]
fn sizes_that_are_none() {
    use BodyError::{ChunkSize, ChunkSizeOverflow};
    for body in [
        &b"\r"[..],
        b"\n",
        b" ",
        b"x",
        b"-",
        b"+",
        b"g",
        b"\"",
        b";",
        b"0x",
        b"1x",
        b"1.",
        b"1,",
        b"1 2",
        b"1 \r",
        b"1\t\r",
        b"1\0",
        b"1_",
        b"1\r\nx\r\n\r",
        b"1\r\nx\r\n\n",
        b"5\r\nhello\r\n ",
        b"\xff",
    ] {
        check_refused(body, ChunkSize, 400);
    }
    check_refused(b"ffffffffffffffff0", ChunkSizeOverflow, 400);
    check_refused(b"00000000000000000", ChunkSizeOverflow, 400);
}

#[test]
fn line_ends() {
    use BodyError::LineEnd;
    for body in [
        &b"1\n"[..],
        b"1;a\n",
        b"1\rx",
        b"1\r\r",
        b"1;a\rb",
        b"1\r\nx\n",
        b"1\r\nx\rx",
        b"1\r\nxy",
        b"1\r\nx0",
        b"1\r\nx\r\r",
        b"0\n",
        b"0\r\n\n",
        b"0\r\n\rx",
        b"0\r\n\r\r",
        b"0\r\nX: y\n",
        b"0\r\nX: y\rz",
        b"0\r\nX: y\r\r",
        b"0\r\nX: y\r\n\n",
    ] {
        check_refused(body, LineEnd, 400);
    }
}

#[test]
fn control_characters() {
    use BodyError::Control;
    for body in
        [&b"1;\0"[..], b"1;a\x0b", b"1;\x1b", b"1;\x7f", b"0\r\n\0", b"0\r\nX: \x01", b"0\r\nX: y\x7f"]
    {
        check_refused(body, Control, 400);
    }
}
