//! Takes frames out of a stream, and messages out of frames.
//!
//! ```text
//!   Head ──▶ Payload ──▶ Head …    a close frame: ──▶ Closed
//! ```
//!
//! One event per call: how many frames are looked at before somebody else has a turn is the caller's to
//! say. Nothing is allocated for a length that a head claims, only for bytes that came.

use super::close;
use super::frame::{FrameHead, HEAD_BYTES_MAX};
use super::mask;
use super::utf8::Utf8;
use super::{CloseCode, DecodeError, Opcode, Part, Peer};

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8, which was checked as far as it came; a piece may end inside a character.
    Text,
    Binary,
}

/// What a call found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'d> {
    /// Payload of a message was appended, perhaps none; whether it was the last of it. A frame is told in
    /// as many parts as its bytes come in.
    Data(Kind, Part),
    /// To be answered with a pong of the same payload.
    Ping(&'d [u8]),
    Pong(&'d [u8]),
    /// To be answered with a close frame. Whatever comes behind it is passed over.
    Close(Option<CloseCode>, &'d str),
}

/// How far a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded<'d> {
    /// Bytes that are done with.
    pub used: usize,
    /// `None` only if all bytes are used.
    pub event: Option<Event<'d>>,
}

/// One direction of a connection.
#[derive(Debug)]
pub struct Decoder {
    peer: Peer,
    message_bytes_max: u64,
    state: State,
    /// The message that has begun and not ended. Control frames come between.
    message: Option<Message>,
    /// Payload of a control frame; empty memory as long as none came.
    control: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Head(BegunHead),
    Payload(Payload),
    Closed,
}

/// The bytes of a head that is not whole.
#[derive(Debug, Default)]
struct BegunHead {
    bytes: [u8; HEAD_BYTES_MAX],
    len: u8,
}

#[derive(Debug, Clone, Copy)]
struct Payload {
    opcode: Opcode,
    part: Part,
    left: u64,
    /// Turned to fit the next byte.
    mask: [u8; 4],
}

#[derive(Debug, Clone, Copy)]
struct Message {
    kind: Kind,
    /// With all of the frame that has begun.
    bytes: u64,
    utf8: Utf8,
}

impl Decoder {
    /// For what `peer` sends after the handshake. A message that has more than `message_bytes_max`, over
    /// all its frames, is refused at the head that says so.
    #[must_use]
    pub fn new(peer: Peer, message_bytes_max: u64) -> Self {
        Self {
            peer,
            message_bytes_max,
            state: State::Head(BegunHead::default()),
            message: None,
            control: Vec::new(),
        }
    }

    /// Takes the next bytes, up to one event. Payload of messages is appended to `data`, which the caller
    /// may take from at any time.
    ///
    /// # Errors
    /// A [`DecodeError`]; whatever comes behind it is passed over. `data` may have bytes of what was refused.
    pub fn decode(&mut self, bytes: &[u8], data: &mut Vec<u8>) -> Result<Decoded<'_>, DecodeError> {
        // It stays so behind an error.
        let state = std::mem::replace(&mut self.state, State::Closed);
        let (payload, head_len) = match state {
            State::Closed => return Ok(Decoded { used: bytes.len(), event: None }),
            State::Payload(payload) => (payload, 0),
            State::Head(mut begun) => match begun.go_on(bytes, self.peer)? {
                Some((head, used)) => (self.begin(head)?, used),
                None => {
                    self.state = State::Head(begun);
                    return Ok(Decoded { used: bytes.len(), event: None });
                }
            },
        };
        let rest = bytes.get(head_len..).unwrap_or_default();
        let here = usize::try_from(payload.left).map_or(rest.len(), |left| left.min(rest.len()));
        let piece = rest.get(..here).unwrap_or(rest);
        let event = match payload.opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => self.take_control(payload, piece)?,
            Opcode::Continuation | Opcode::Text | Opcode::Binary => self.take_data(payload, piece, data)?,
        };
        Ok(Decoded { used: head_len + here, event })
    }

    /// A frame begins: whether it may, here.
    fn begin(&mut self, head: FrameHead) -> Result<Payload, DecodeError> {
        match (head.opcode, &mut self.message) {
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => self.control.clear(),
            (Opcode::Continuation, None) => return Err(DecodeError::NothingToContinue),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(DecodeError::Unfinished),
            (Opcode::Continuation, Some(message)) => {
                message.bytes = bounded(message.bytes, head.length, self.message_bytes_max)?;
            }
            (Opcode::Text | Opcode::Binary, message @ None) => {
                let kind = if head.opcode == Opcode::Text { Kind::Text } else { Kind::Binary };
                let bytes = bounded(0, head.length, self.message_bytes_max)?;
                *message = Some(Message { kind, bytes, utf8: Utf8::default() });
            }
        }
        Ok(Payload { opcode: head.opcode, part: head.part, left: head.length, mask: head.mask })
    }

    /// A piece of a message.
    fn take_data(
        &mut self,
        mut payload: Payload,
        piece: &[u8],
        data: &mut Vec<u8>,
    ) -> Result<Option<Event<'_>>, DecodeError> {
        let start = data.len();
        payload.take(piece, data);
        let message = self.message.as_mut().expect("a frame with data begins a message or goes on with one");
        let kind = message.kind;
        if kind == Kind::Text {
            message.utf8.take(data.get(start..).unwrap_or_default())?;
        }
        let is_whole = payload.left == 0;
        let part = if is_whole { payload.part } else { Part::More };
        if part == Part::Last {
            message.utf8.end()?;
            self.message = None;
        }
        self.state = payload.next();
        // Of a frame whose head came alone there is nothing to tell.
        Ok((is_whole || !piece.is_empty()).then_some(Event::Data(kind, part)))
    }

    /// A piece of a control frame.
    fn take_control(&mut self, mut payload: Payload, piece: &[u8]) -> Result<Option<Event<'_>>, DecodeError> {
        payload.take(piece, &mut self.control);
        if payload.left > 0 {
            self.state = payload.next();
            return Ok(None);
        }
        let event = match payload.opcode {
            Opcode::Ping => Event::Ping(&self.control),
            Opcode::Pong => Event::Pong(&self.control),
            _ => {
                let (code, reason) = close::parse(&self.control)?;
                return Ok(Some(Event::Close(code, reason)));
            }
        };
        self.state = payload.next();
        Ok(Some(event))
    }
}

impl Payload {
    /// Appends a piece of it, without its mask.
    fn take(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        mask::append(out, piece, &mut self.mask);
        self.left -= piece.len() as u64;
    }

    /// What comes behind such a piece.
    fn next(self) -> State {
        if self.left == 0 { State::Head(BegunHead::default()) } else { State::Payload(self) }
    }
}

impl BegunHead {
    /// The head that ends in `bytes`, and how many of them are its; `None` if all of them are and it has
    /// not ended.
    #[inline]
    fn go_on(&mut self, bytes: &[u8], peer: Peer) -> Result<Option<(FrameHead, usize)>, DecodeError> {
        if self.len == 0
            && let Some(found) = FrameHead::parse(bytes, peer)?
        {
            return Ok(Some(found));
        }
        for (at, byte) in bytes.iter().enumerate() {
            let place = self.bytes.get_mut(usize::from(self.len)).expect("14 bytes are a whole head");
            *place = *byte;
            self.len += 1;
            let begun = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
            if let Some((head, _)) = FrameHead::parse(begun, peer)? {
                return Ok(Some((head, at + 1)));
            }
        }
        Ok(None)
    }
}

fn bounded(before: u64, more: u64, bytes_max: u64) -> Result<u64, DecodeError> {
    let bytes = before.checked_add(more).filter(|bytes| *bytes <= bytes_max);
    bytes.ok_or(DecodeError::MessageTooLong)
}
