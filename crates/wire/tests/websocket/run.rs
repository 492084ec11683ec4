//! Plays bytes to a decoder in pieces and writes down what it tells.

use wire::websocket::{DecodeError, Decoder, Event, Kind, Part, Peer};

use crate::hex;

pub(crate) const MESSAGE_BYTES_MAX: u64 = 1 << 20;

/// What was told, without how the bytes came: a message stands where its last part was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Message(Kind, Vec<u8>),
    /// What there is of a message that has not ended.
    Begun(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

/// Everything that is told about the pieces, and the error if there is one. With an error, what has
/// begun is not told: how much of it was seen before depends on the pieces.
pub(crate) fn play<'a>(
    peer: Peer,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Told>, Option<DecodeError>) {
    let mut decoder = Decoder::new(peer, MESSAGE_BYTES_MAX);
    let (mut told, mut data, mut begun) = (Vec::new(), Vec::new(), None);
    for mut piece in pieces {
        while !piece.is_empty() {
            let before = data.len();
            let decoded = match decoder.decode(piece, &mut data) {
                Ok(decoded) => decoded,
                Err(error) => return (told, Some(error)),
            };
            assert!(decoded.used > 0, "every call goes on");
            assert!(
                decoded.event.is_some() || decoded.used == piece.len(),
                "without an event all bytes are used"
            );
            piece = piece.get(decoded.used..).expect("no more is used than there is");
            let is_data = matches!(decoded.event, Some(Event::Data(..)));
            let event = decoded.event.map(owned);
            assert!(is_data || data.len() == before, "data is told of");
            match event {
                Some(Told::Begun(kind, _)) => begun = Some(kind),
                Some(Told::Message(kind, _)) => {
                    assert!(begun.is_none_or(|begun| begun == kind));
                    begun = None;
                    told.push(Told::Message(kind, std::mem::take(&mut data)));
                }
                Some(event) => told.push(event),
                None => {}
            }
        }
    }
    told.extend(begun.map(|kind| Told::Begun(kind, data)));
    (told, None)
}

fn owned(event: Event<'_>) -> Told {
    match event {
        Event::Data(kind, Part::More) => Told::Begun(kind, Vec::new()),
        Event::Data(kind, Part::Last) => Told::Message(kind, Vec::new()),
        Event::Ping(payload) => Told::Ping(payload.to_vec()),
        Event::Pong(payload) => Told::Pong(payload.to_vec()),
        Event::Close(code, reason) => Told::Close(code.map(|code| code.0), reason.to_string()),
    }
}

/// Frames of a client: `81 'Hello' | 89`, each its first byte and its payload.
pub(crate) fn frames(text: &str) -> Vec<u8> {
    text.split('|').flat_map(|frame| masked(&hex::bytes(frame))).collect()
}

/// One frame of a client, from its first byte and its payload.
pub(crate) fn masked(frame: &[u8]) -> Vec<u8> {
    let (first, payload) = frame.split_first().expect("a frame has a first byte");
    let mut out = vec![*first];
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    // Not the same after a turn, and one byte of it is 0.
    let mask = [0x37, 0x00, 0xff, 0x3d];
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

/// What is told, in words: `text:Hello ping:x close:1000:bye`, and the close code of the error.
pub(crate) fn words((told, error): &(Vec<Told>, Option<DecodeError>)) -> String {
    let mut words: Vec<String> = told.iter().map(word).collect();
    words.extend(error.map(|error| format!("!{}", error.close_code().0)));
    words.join(" ")
}

fn word(told: &Told) -> String {
    match told {
        Told::Message(kind, bytes) => format!("{}:{}", name(*kind), bytes.escape_ascii()),
        Told::Begun(kind, bytes) => format!("{}:{}…", name(*kind), bytes.escape_ascii()),
        Told::Ping(bytes) => format!("ping:{}", bytes.escape_ascii()),
        Told::Pong(bytes) => format!("pong:{}", bytes.escape_ascii()),
        Told::Close(Some(code), reason) => format!("close:{code}:{reason}"),
        Told::Close(None, _) => "close".to_string(),
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Binary => "binary",
    }
}

/// The frames are told in these words, in one piece and byte for byte.
pub(crate) fn check(text: &str, expected: &str) {
    check_bytes(&frames(text), expected, text);
}

pub(crate) fn check_bytes(bytes: &[u8], expected: &str, label: &str) {
    assert_eq!(words(&play(Peer::Client, [bytes])), expected, "{label}");
    assert_eq!(words(&play(Peer::Client, bytes.chunks(1))), expected, "{label}, byte for byte");
}
