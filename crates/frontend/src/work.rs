//! What a front end's work costs, in the units of `broker`'s own: nanoseconds of a slow core,
//! estimated.

/// A chunk received: the calls around it.
pub(crate) const CHUNK: u64 = 500;
/// A message found in a chunk.
pub(crate) const MESSAGE: u64 = 12;
/// A part that was encoded for another receiver.
pub(crate) const SHARED_PART: u64 = 100;
/// The ends of a run's lines.
pub(crate) const FRAME: u64 = 400;
/// A line written.
pub(crate) const LINE: u64 = 15;
/// Bytes written or looked through per unit.
pub(crate) const BYTES_PER_UNIT: u64 = 4;
/// A deadline that has come.
pub(crate) const DEADLINE: u64 = 500;
/// A connection shown to an operator.
pub(crate) const ROW: u64 = 400;
