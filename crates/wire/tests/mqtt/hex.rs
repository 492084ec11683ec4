//! Packets as text.

#[path = "../shared/hex.rs"]
mod shared;

pub(crate) use shared::bytes;

/// Splits a packet into its first byte and its body.
///
/// # Panics
/// If the packet is not whole, or something follows it.
pub(crate) fn split(packet: &[u8]) -> (u8, &[u8]) {
    let frame = wire::mqtt::frame(packet).expect("a good frame").expect("a whole frame");
    assert_eq!(frame.len(), packet.len(), "{packet:x?}");
    (frame.first, packet.get(frame.head_len..).expect("a body behind its head"))
}
