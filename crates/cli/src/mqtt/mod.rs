//! `tidings pub`, `sub` and `req`: MQTT 5 from a shell, against any broker.
//!
//! `args` is what they share on the command line, `session` a connection with the manners of a
//! command (signals, words on standard error, exit codes), `shape` and `json` what a message looks like,
//! `records` what is read from standard input. The protocol is the crate `client`'s.

mod args;
mod json;
mod publish;
mod records;
mod request;
mod session;
mod shape;
mod signals;
mod subscribe;

pub(crate) use args::duration;
pub(crate) use publish::{PubArgs, run as publish};
pub(crate) use request::{ReqArgs, run as request};
pub(crate) use subscribe::{SubArgs, run as subscribe};
