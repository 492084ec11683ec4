//! The same frames, as tungstenite writes and reads them.

use std::io::{self, Read, Write};

use proptest::prelude::*;
use tungstenite::protocol::frame::coding::CloseCode as TheirCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};
use wire::websocket::{CloseCode, Kind, Opcode, Peer, write_close, write_frame};

use crate::any_frames::{any_stream, bytes_of, change, cut};
use crate::run::{Told, play};

/// What they read, and what they wrote.
#[derive(Debug, Default)]
struct Pipe {
    input: io::Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.input.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What they make of the bytes, and whether they refused them.
fn they_read(role: Role, bytes: Vec<u8>) -> (Vec<Told>, bool) {
    let pipe = Pipe { input: io::Cursor::new(bytes), output: Vec::new() };
    let config = WebSocketConfig::default().max_message_size(Some(1 << 20)).max_frame_size(Some(1 << 20));
    let mut socket = WebSocket::from_raw_socket(pipe, role, Some(config));
    let mut told = Vec::new();
    loop {
        match socket.read() {
            Ok(message) => told.push(as_told(message)),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return (told, false),
            Err(Error::ConnectionClosed) => return (told, false),
            Err(_) => return (told, true),
        }
    }
}

fn as_told(message: Message) -> Told {
    match message {
        Message::Text(text) => Told::Message(Kind::Text, text.as_bytes().to_vec()),
        Message::Binary(bytes) => Told::Message(Kind::Binary, bytes.to_vec()),
        Message::Ping(bytes) => Told::Ping(bytes.to_vec()),
        Message::Pong(bytes) => Told::Pong(bytes.to_vec()),
        Message::Close(Some(frame)) => Told::Close(Some(frame.code.into()), frame.reason.to_string()),
        Message::Close(None) => Told::Close(None, String::new()),
        Message::Frame(frame) => panic!("only whole messages are read, not {frame:?}"),
    }
}

fn any_message() -> impl Strategy<Value = Message> {
    let control = || prop::collection::vec(any::<u8>(), 0..=125);
    prop_oneof![
        any::<String>().prop_map(Message::text),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Message::binary),
        (65_530..65_540_usize).prop_map(|length| Message::binary(vec![7; length])),
        control().prop_map(|payload| Message::Ping(payload.into())),
        control().prop_map(|payload| Message::Pong(payload.into())),
    ]
}

fn any_close() -> impl Strategy<Value = (u16, String)> {
    let code = prop_oneof![1000..=1003_u16, 1007..=1013_u16, 3000..=4999_u16];
    (code, "[a-zß€]{0,41}")
}

/// Ours, without what has only begun.
fn finished((told, error): (Vec<Told>, Option<wire::websocket::DecodeError>)) -> (Vec<Told>, bool) {
    (told.into_iter().filter(|told| !matches!(told, Told::Begun(..))).collect(), error.is_some())
}

proptest! {
    #[test]
    fn what_their_client_writes_is_read(
        messages in prop::collection::vec(any_message(), 0..6),
        close in prop::option::of(any_close()),
        cuts in prop::collection::vec(0..200_usize, 0..40),
    ) {
        let mut socket = WebSocket::from_raw_socket(Pipe::default(), Role::Client, None);
        for message in &messages {
            socket.send(message.clone()).expect("a pipe takes everything");
        }
        let mut expected: Vec<Told> = messages.into_iter().map(as_told).collect();
        if let Some((code, reason)) = close {
            let frame = CloseFrame { code: TheirCode::from(code), reason: reason.clone().into() };
            socket.close(Some(frame)).expect("a pipe takes everything");
            expected.push(Told::Close(Some(code), reason));
        }
        let bytes = socket.into_inner().output;
        prop_assert_eq!(play(Peer::Client, cut(&bytes, &cuts)), (expected, None));
    }

    #[test]
    fn what_our_server_writes_is_read_by_their_client(
        messages in prop::collection::vec(any_message(), 0..6),
        close in prop::option::of(any_close()),
    ) {
        let mut bytes = Vec::new();
        for message in &messages {
            let (opcode, payload) = match message {
                Message::Text(text) => (Opcode::Text, text.as_bytes()),
                Message::Binary(payload) => (Opcode::Binary, &payload[..]),
                Message::Ping(payload) => (Opcode::Ping, &payload[..]),
                Message::Pong(payload) => (Opcode::Pong, &payload[..]),
                Message::Close(_) | Message::Frame(_) => continue,
            };
            write_frame(&mut bytes, opcode, payload);
        }
        let mut expected: Vec<Told> = messages.into_iter().map(as_told).collect();
        if let Some((code, reason)) = close {
            write_close(&mut bytes, CloseCode(code), &reason);
            expected.push(Told::Close(Some(code), reason));
        }
        prop_assert_eq!(they_read(Role::Client, bytes), (expected, false));
    }

    #[test]
    fn fragments_are_the_same_to_both(frames in any_stream()) {
        for (peer, role) in [(Peer::Client, Role::Server), (Peer::Server, Role::Client)] {
            let bytes = bytes_of(peer, &frames);
            prop_assert_eq!(they_read(role, bytes.clone()), finished(play(peer, [&bytes[..]])));
        }
    }

    /// Whatever is broken: what is taken here they take for the same, and what they refuse is refused
    /// here. The other way round they take more: lengths in a longer form than need be, and a text that is
    /// no more UTF-8 is told when it ends.
    #[test]
    fn nothing_is_taken_that_they_refuse(
        frames in any_stream(),
        (at, what) in (any::<prop::sample::Index>(), 0..10_u8),
    ) {
        for (peer, role) in [(Peer::Client, Role::Server), (Peer::Server, Role::Client)] {
            let mut bytes = bytes_of(peer, &frames);
            change(&mut bytes, at, what);
            let (ours, is_refused) = finished(play(peer, [&bytes[..]]));
            let (theirs, they_refuse) = they_read(role, bytes);
            if is_refused {
                prop_assert!(theirs.starts_with(&ours), "{:?} {:?}", theirs, ours);
            } else {
                // They judge what comes behind a close frame, too.
                let has_closed = matches!(ours.last(), Some(Told::Close(..)));
                prop_assert!(has_closed || !they_refuse);
                prop_assert_eq!(theirs, ours);
            }
        }
    }
}
