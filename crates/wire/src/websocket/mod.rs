//! WebSocket (RFC 6455): the handshake, and frames to messages and back.
//!
//! `handshake` judges a request that asks for it, `decode` takes frames out of a stream in whatever
//! pieces they come, `encode` writes them. No extension is spoken, so that the reserved bits are zero.
//!
//! Payload goes straight into a buffer of the caller's, who may want whole messages or only the bytes.
//! No connection lives here: who closes when, what text says and which messages are taken is the
//! caller's.

mod close;
mod decode;
mod encode;
mod error;
mod frame;
mod handshake;
mod mask;
mod utf8;

pub use close::CloseCode;
pub use decode::{Decoded, Decoder, Event, Kind};
pub use encode::{write_close, write_frame, write_frame_head, write_masked_frame};
pub use error::DecodeError;
pub use frame::{Opcode, Part, Peer};
pub use handshake::{
    AcceptKey, HandshakeError, VERSION, accept_key, check_handshake, offers_protocol, write_accepted,
};
