//! What the fuzz targets share.
//!
//! `line` says what a delivered line may look like, written without a look at the code that
//! makes the lines.

pub mod line;
