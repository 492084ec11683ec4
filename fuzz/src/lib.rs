//! What the fuzz targets share.
//!
//! `line` says what a delivered line may look like, written without a look at the code that
//! makes the lines; `web` the same of answers over HTTP and of frames.

pub mod line;
pub mod web;
