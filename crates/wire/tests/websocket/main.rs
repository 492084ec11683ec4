//! WebSocket from outside: golden frames, what is refused, frames in pieces, another implementation.

mod any_frames;
mod autobahn;
mod bounds;
mod foreign;
mod golden;
mod handshake;
#[path = "../shared/hex.rs"]
mod hex;
mod pieces;
mod refused;
mod run;
mod text;
