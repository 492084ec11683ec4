//! Any bytes as frames: the same is told in any pieces, and what was told is written and told again.
//! Input: a byte that tells who sends and the length of the pieces, one that tells the bound, then the
//! stream.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::websocket::{
    CloseCode, DecodeError, Decoder, Event, Kind, Opcode, Part, Peer, write_close, write_frame,
    write_masked_frame,
};

fuzz_target!(|bytes: &[u8]| {
    let [choice, bound, stream @ ..] = bytes else { return };
    let peer = if choice & 1 == 0 { Peer::Client } else { Peer::Server };
    let bytes_max = if bound & 1 == 0 { u64::MAX } else { u64::from(*bound) };
    let whole = play(peer, bytes_max, stream, stream.len().max(1));
    assert_eq!(play(peer, bytes_max, stream, usize::from(choice >> 1).max(1)), whole);
    assert_eq!(play(peer, bytes_max, stream, 1), whole);
    if let Some(error) = whole.1 {
        assert!(error.close_code().may_be_sent() && error.to_string().len() <= 123);
    }
    for told in &whole.0 {
        check(told, bytes_max);
    }
    for (peer, mask) in [(Peer::Server, None), (Peer::Client, Some([*choice, 0, *bound, 0xff]))] {
        let mut out = Vec::new();
        whole.0.iter().for_each(|told| write(&mut out, told, mask));
        assert_eq!(play(peer, bytes_max, &out, 3), (whole.0.clone(), None), "what is written is read");
    }
});

#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Message(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<CloseCode>, String),
}

/// What is told of whole messages and of control frames.
fn play(peer: Peer, bytes_max: u64, bytes: &[u8], piece_len: usize) -> (Vec<Told>, Option<DecodeError>) {
    let mut decoder = Decoder::new(peer, bytes_max);
    let (mut told, mut data) = (Vec::new(), Vec::new());
    for mut piece in bytes.chunks(piece_len) {
        while !piece.is_empty() {
            let decoded = match decoder.decode(piece, &mut data) {
                Ok(decoded) => decoded,
                Err(error) => return (told, Some(error)),
            };
            assert!(decoded.used > 0 && (decoded.event.is_some() || decoded.used == piece.len()));
            assert!(data.capacity() <= 2 * bytes.len().max(16), "only bytes that came take memory");
            piece = &piece[decoded.used..];
            match decoded.event {
                None | Some(Event::Data(_, Part::More)) => {}
                Some(Event::Data(kind, Part::Last)) => {
                    told.push(Told::Message(kind, std::mem::take(&mut data)))
                }
                Some(Event::Ping(payload)) => told.push(Told::Ping(payload.to_vec())),
                Some(Event::Pong(payload)) => told.push(Told::Pong(payload.to_vec())),
                Some(Event::Close(code, reason)) => told.push(Told::Close(code, reason.to_string())),
            }
        }
    }
    (told, None)
}

fn check(told: &Told, bytes_max: u64) {
    match told {
        Told::Message(kind, data) => {
            assert!(data.len() as u64 <= bytes_max);
            assert!(*kind == Kind::Binary || std::str::from_utf8(data).is_ok());
        }
        Told::Ping(payload) | Told::Pong(payload) => assert!(payload.len() <= 125),
        Told::Close(code, reason) => {
            assert!(reason.len() <= 123 && code.is_none_or(CloseCode::may_be_sent));
        }
    }
}

fn write(out: &mut Vec<u8>, told: &Told, mask: Option<[u8; 4]>) {
    let (opcode, payload) = match told {
        Told::Message(Kind::Text, data) => (Opcode::Text, data.clone()),
        Told::Message(Kind::Binary, data) => (Opcode::Binary, data.clone()),
        Told::Ping(payload) => (Opcode::Ping, payload.clone()),
        Told::Pong(payload) => (Opcode::Pong, payload.clone()),
        Told::Close(None, _) => (Opcode::Close, Vec::new()),
        Told::Close(Some(code), reason) => {
            let mut frame = Vec::new();
            write_close(&mut frame, *code, reason);
            // Behind a head of two bytes, as short as it is.
            (Opcode::Close, frame.split_off(2))
        }
    };
    match mask {
        Some(mask) => write_masked_frame(out, opcode, Part::Last, mask, &payload),
        None => write_frame(out, opcode, &payload),
    }
}
