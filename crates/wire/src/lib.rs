//! Bytes to words and back, per protocol; no session, no broker, no socket.
//!
//! Reading order: `sniff` tells protocols apart by their first bytes, `text` is the line protocol, `mqtt` the
//! packets of MQTT, `http` requests and answers, `websocket` its frames, `past` how history is asked for,
//! `printable` makes foreign text safe for a terminal or a log, `json` does so inside of JSON.

#![deny(clippy::indexing_slicing)]

pub mod http;
mod json;
pub mod mqtt;
pub mod past;
pub mod printable;
pub mod sniff;
pub mod text;
pub mod websocket;
