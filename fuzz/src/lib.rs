//! What the fuzz targets share.
//!
//! `line` says what a delivered line may look like, written without a look at the code that
//! makes the lines. `driver` is a shard's thread in miniature: it moves bytes between pretended
//! sockets and a station, on a clock that only the input moves.

pub mod driver;
pub mod line;
