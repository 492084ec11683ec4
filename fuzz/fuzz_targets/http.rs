//! Any bytes as requests with their bodies, one behind the other: heads and bodies are the same in any
//! pieces, and what is written about them begins no line of its own. Input: a byte that tells the length of
//! the pieces, one that tells the bounds, then the stream.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::http::{
    Authority, BodyError, BodyReader, Framing, Head, HeadError, LAST_CHUNK, Origin, Status, best_offer,
    decode, pairs, parse_head, write_chunk, write_problem,
};

fuzz_target!(|bytes: &[u8]| {
    let [piece_len, bounds, stream @ ..] = bytes else { return };
    let piece_len = usize::from(*piece_len).max(1);
    let bytes_max = if bounds & 1 == 0 { 8192 } else { usize::from(*bounds) };
    let data_max = if bounds & 2 == 0 { u64::MAX } else { u64::from(*bounds) };
    let mut rest = stream;
    while let Some(used) = request(rest, piece_len, bytes_max, data_max) {
        assert!(used > 0);
        rest = &rest[used..];
    }
});

/// Bytes of the request that the stream begins with, if it is whole and good and another may follow.
fn request(bytes: &[u8], piece_len: usize, bytes_max: usize, data_max: u64) -> Option<usize> {
    let whole = parse_head(bytes, 0, bytes_max);
    assert_eq!(in_pieces(bytes, piece_len, bytes_max), whole);
    let head = match whole {
        Ok(head) => head?,
        Err(error) => {
            assert!((400..600).contains(&error.status().0));
            check_problem(error.status(), &error.to_string());
            return None;
        }
    };
    check_head(&head, bytes, bytes_max);
    let body = &bytes[head.len..];
    let read = read_body(head.framing, data_max, body, body.len().max(1));
    assert_eq!(read_body(head.framing, data_max, body, piece_len), read);
    let (data, used, ended) = read.ok()?;
    assert!(data.len() as u64 <= data_max && used <= body.len());
    if let Framing::Sized(length) = head.framing {
        assert_eq!((data.len() as u64 == length, used), (ended, data.len()));
    }
    check_written(&data);
    (ended && head.keep_alive).then_some(head.len + used)
}

fn in_pieces(bytes: &[u8], piece_len: usize, bytes_max: usize) -> Result<Option<Head<'_>>, HeadError> {
    let mut end = 0;
    loop {
        let scanned = end;
        end = bytes.len().min(end + piece_len);
        match parse_head(&bytes[..end], scanned, bytes_max) {
            Ok(None) if end < bytes.len() => {}
            verdict => return verdict,
        }
    }
}

fn check_head(head: &Head<'_>, bytes: &[u8], bytes_max: usize) {
    assert!(head.len <= bytes_max);
    assert!(bytes[..head.len].ends_with(b"\r\n\r\n"));
    assert!(head.path.starts_with('/') || head.path == "*");
    let host = head.host.unwrap_or_default();
    let authority = Authority::parse(host.as_bytes());
    assert_eq!(authority.is_some(), !host.is_empty());
    let lengths = head.headers.all("content-length").count();
    let codings = head.headers.all("transfer-encoding").count();
    let expected = match head.framing {
        Framing::None => (0, 0),
        Framing::Sized(_) => (1, 0),
        Framing::Chunked => (0, 1),
    };
    assert_eq!((lengths, codings), expected);
    for (name, value) in head.headers {
        assert!(!name.is_empty() && !value.iter().any(|byte| b"\r\n\0".contains(byte)));
        assert!(head.headers.all(name).any(|found| found == value));
        if let Some(origin) = Origin::parse(value) {
            assert!(origin.is_of(origin.authority));
        }
    }
    if let Ok(path) = decode(head.path) {
        check_problem(Status::NOT_FOUND, &path);
    }
    let query = head.query.unwrap_or_default();
    assert!(pairs(query).count() <= query.len());
    let offers = ["application/json", "text/event-stream", "text/plain"];
    assert!(best_offer(head.headers, &offers).is_none_or(|index| index < offers.len()));
}

type Read = Result<(Vec<u8>, usize, bool), BodyError>;

fn read_body(framing: Framing, data_max: u64, bytes: &[u8], piece_len: usize) -> Read {
    let mut reader = BodyReader::new(framing, data_max)?;
    let (mut data, mut used) = (Vec::new(), 0);
    for mut piece in bytes.chunks(piece_len) {
        while !piece.is_empty() && !reader.is_ended() {
            let part = reader.read(piece)?;
            assert!(part.used > 0 && part.ended == reader.is_ended());
            assert!(part.used == piece.len() || part.ended || !part.data.is_empty());
            data.extend_from_slice(&piece[part.data]);
            piece = &piece[part.used..];
            used += part.used;
        }
    }
    Ok((data, used, reader.is_ended()))
}

fn check_written(data: &[u8]) {
    let mut body = Vec::new();
    data.chunks(7).for_each(|chunk| write_chunk(&mut body, chunk));
    body.extend_from_slice(LAST_CHUNK);
    let read = read_body(Framing::Chunked, u64::MAX, &body, 5);
    assert_eq!(read, Ok((data.to_vec(), body.len(), true)), "what is written is read");
}

/// The answer has the lines that it should have, and a body that says the detail.
fn check_problem(status: Status, detail: &str) {
    let mut out = Vec::new();
    write_problem(&mut out, status, &[("x-detail", detail)], detail);
    let text = String::from_utf8(out).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("an empty line");
    assert_eq!(head.split("\r\n").count(), 4);
    assert_eq!(head.matches(['\r', '\n', '\0']).count(), 6);
    let object: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(object["detail"], detail);
}
