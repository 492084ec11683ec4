//! Heads by chance: whole or in pieces, good or broken, the verdict is the same; and the fields that are
//! found are those that httparse finds.

use proptest::prelude::*;
use wire::http::{HEADERS_MAX, HeadError, parse_head};

/// The bytes in pieces of these lengths, and the rest.
pub(crate) fn cut<'a>(mut bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, rest) = bytes.split_at((*length).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

/// The verdict when the bytes come in these pieces: the first that is one.
fn verdict(bytes: &[u8], cuts: &[usize], bytes_max: usize) -> Option<Result<String, HeadError>> {
    let (mut end, mut scanned) = (0, 0);
    for piece in cut(bytes, cuts) {
        end += piece.len();
        match parse_head(&bytes[..end], scanned, bytes_max) {
            Ok(None) => scanned = end,
            Ok(Some(head)) => return Some(Ok(format!("{head:?}"))),
            Err(error) => return Some(Err(error)),
        }
    }
    None
}

fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "GET / HTTP/1.1",
        "POST /a?b=c HTTP/1.1",
        "PUT /%41 HTTP/1.0",
        "OPTIONS * HTTP/1.1",
        "GET http://b:1/x HTTP/1.1",
    ]);
    let field = prop::sample::select(vec![
        "Host: a",
        "Host: a",
        "Host: [::1]:80",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Connection: close",
        "Connection: keep-alive, Upgrade",
        "Upgrade: websocket",
        "Expect: 100-continue",
        "X: y",
        "X:",
        "X:\t y \t",
        "X-Long: a b, c\t;d",
    ]);
    let front = prop_oneof![5 => Just(""), 1 => Just("\r\n")];
    (front, line, prop::collection::vec(field, 0..5)).prop_map(|(front, line, fields)| {
        let mut request = format!("{front}{line}\r\n");
        fields.iter().for_each(|field| request.extend([field, "\r\n"]));
        request.push_str("\r\n");
        request.into_bytes()
    })
}

/// Bytes that mean something, more often than others.
fn any_byte() -> impl Strategy<Value = u8> {
    let telling = prop::sample::select(b"\r\n\r\n\r\n \t:,/?#%*@[]\0\x0b\x7f\xc3\xbc0159aHT".to_vec());
    prop_oneof![4 => telling, 1 => any::<u8>()]
}

/// Good requests and broken ones, with something behind them.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any_byte(), 0..3_u8), 0..3);
    let more = prop::collection::vec(any_byte(), 0..10);
    (any_request(), changes, more).prop_map(|(mut request, changes, more)| {
        for (at, byte, what) in changes {
            let at = at.index(request.len());
            match what {
                0 => request[at] = byte,
                1 => request.insert(at, byte),
                _ => {
                    request.remove(at);
                }
            }
        }
        request.extend(more);
        request
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_verdict_is_the_same_in_any_pieces(
        bytes in any_bytes(),
        cuts in prop::collection::vec(0..30_usize, 0..20),
        bytes_max in prop_oneof![Just(8192_usize), 1..200_usize],
    ) {
        let whole = verdict(&bytes, &[], bytes_max);
        prop_assert_eq!(&verdict(&bytes, &cuts, bytes_max), &whole);
        prop_assert_eq!(&verdict(&bytes, &vec![1; bytes.len()], bytes_max), &whole);
    }

    /// Another reader, from whose table of fields ours is found again; and what it leaves to us is refused:
    /// a whole head ends with two line ends of CR LF, has no other CR or LF, and no other control character
    /// than a tab.
    #[test]
    fn what_is_taken_is_what_httparse_takes(bytes in any_bytes()) {
        let Ok(Some(head)) = parse_head(&bytes, 0, 8192) else { return Ok(()) };
        let mut storage = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut storage);
        prop_assert_eq!(request.parse(&bytes), Ok(httparse::Status::Complete(head.len)));
        let fields: Vec<_> = request.headers.iter().map(|header| (header.name, header.value)).collect();
        prop_assert_eq!(head.headers.iter().collect::<Vec<_>>(), fields);
        prop_assert_eq!(request.method, Some(head.method));
        let text = &bytes[..head.len];
        prop_assert!(text.ends_with(b"\r\n\r\n"));
        let lines = text.split(|byte| *byte == b'\n');
        let is_good = |line: &[u8]| !line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
        for line in lines.filter(|line| !line.is_empty()) {
            prop_assert!(line.strip_suffix(b"\r").is_some_and(is_good), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn any_bytes_are_judged_alike(bytes in prop::collection::vec(any_byte(), 0..80)) {
        let whole = verdict(&bytes, &[], 60);
        prop_assert_eq!(&verdict(&bytes, &vec![1; bytes.len()], 60), &whole);
    }
}
