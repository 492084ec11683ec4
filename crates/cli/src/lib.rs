//! The load generator of `tidings bench`, for those who measure with it from another program.
//!
//! Everything else of the binary belongs to the binary.

pub mod bench;
