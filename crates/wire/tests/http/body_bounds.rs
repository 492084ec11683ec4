//! How much of a body is taken, and how much beside its data.

use Framing::{Chunked, Sized};
use wire::http::{BodyError, BodyReader, Framing};

use crate::body::read;

#[test]
fn data_has_a_bound() {
    assert_eq!(read(Sized(11), 10, []), Err(BodyError::TooLarge));
    assert_eq!(read(Sized(u64::MAX), 10, []), Err(BodyError::TooLarge));
    assert_eq!(BodyError::TooLarge.status().0, 413);
    assert!(read(Sized(10), 10, []).is_ok());
    let of_ten = b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n";
    assert_eq!(read(Chunked, 10, [&of_ten[..]]), Ok((b"helloworld".to_vec(), of_ten.len(), true)));
    // At the line that says so, before any of its data.
    for too_much in
        [&b"5\r\nhello\r\n6\r\n"[..], b"b\r\n", b"ffffffffffffffff\r\n", b"5\r\nhello\r\n5\r\nworld\r\n1\r\n"]
    {
        assert_eq!(read(Chunked, 10, [too_much]), Err(BodyError::TooLarge));
        assert!(read(Chunked, 10, [&too_much[..too_much.len() - 1]]).is_ok());
    }
}

#[test]
fn extensions_and_trailer_have_a_bound_together() {
    let ended = |extension: &str, trailer: &str| {
        read(Chunked, 10, [format!("1{extension}\r\nx\r\n0\r\n{trailer}\r\n").as_bytes()])
            .map(|(data, ..)| data)
    };
    let extension = |length: usize| format!(";{}", "e".repeat(length - 1));
    let trailer = |length: usize| format!("{}\r\n", "t".repeat(length));
    assert_eq!(ended(&extension(8192), ""), Ok(b"x".to_vec()));
    assert_eq!(ended(&extension(8193), ""), Err(BodyError::ExtensionsTooLong));
    assert_eq!(ended("", &trailer(8192)), Ok(b"x".to_vec()));
    assert_eq!(ended("", &trailer(8193)), Err(BodyError::TrailerTooLong));
    assert_eq!(ended(&extension(8000), &trailer(192)), Ok(b"x".to_vec()));
    assert_eq!(ended(&extension(8000), &trailer(193)), Err(BodyError::TrailerTooLong));
    assert_eq!(BodyError::TrailerTooLong.status().0, 431);
    // Many short ones are as long as a long one.
    let many = "1;e\r\nx\r\n".repeat(4097);
    assert_eq!(read(Chunked, 10_000, [many.as_bytes()]), Err(BodyError::ExtensionsTooLong));
}

/// A chunk of one byte costs 20 bytes at most around it, so that tiny chunks are no way to send much that
/// is no data.
#[test]
fn what_is_no_data_is_a_bounded_multiple_of_it() {
    let fattest = "0000000000000001\r\nx\r\n";
    let body = format!("{}0\r\n\r\n", fattest.repeat(500));
    assert_eq!(read(Chunked, 500, [body.as_bytes()]), Ok((vec![b'x'; 500], body.len(), true)));
    assert_eq!(fattest.len() - 1, 20);
    assert_eq!(read(Chunked, 500, [format!("0{fattest}").as_bytes()]), Err(BodyError::ChunkSizeOverflow));
}

#[test]
fn a_reader_is_small_whatever_is_claimed() {
    assert!(size_of::<BodyReader>() <= 48);
    let mut reader = BodyReader::new(Chunked, u64::MAX).expect("no length is claimed");
    let part = reader.read(b"ffffffffffffffff\r\nxyz").expect("the bound is high");
    assert_eq!((part.used, part.data), (21, 18..21));
}

#[test]
fn what_follows_is_not_looked_at() {
    let mut reader = BodyReader::new(Sized(2), 10).expect("it is short");
    let part = reader.read(b"abcd").expect("it is whole");
    assert_eq!((part.used, part.data, part.ended), (2, 0..2, true));
    let part = reader.read(b"cd").expect("it has ended");
    assert_eq!((part.used, part.data, part.ended), (0, 0..0, true));
}
