//! Two byte pipes per connection, with latency, bounds and splits at any byte.

mod down;
mod up;

pub(crate) use down::{BOTTOMLESS, Down};
pub(crate) use up::{Cut, Read, Up, UpEnd};
