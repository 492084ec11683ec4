//! Writes frames: plain ones as a server does, masked ones as a client does.

use super::frame::{self, CONTROL_BYTES_MAX, MASK_BIT};
use super::mask;
use super::{CloseCode, Opcode, Part};

/// Appends the head of a server's frame; `length` bytes of payload are to follow.
///
/// # Panics
/// If a control frame is to be fragmented or longer than 125 bytes.
#[inline]
pub fn write_frame_head(out: &mut Vec<u8>, opcode: Opcode, part: Part, length: usize) {
    assert_control(opcode, part, length);
    frame::write(out, opcode, part, length, 0);
}

/// Appends a server's frame that is a whole message, a ping or a pong.
///
/// # Panics
/// If a control frame is longer than 125 bytes; what a peer sent in a ping is not.
pub fn write_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    write_frame_head(out, opcode, Part::Last, payload.len());
    out.extend_from_slice(payload);
}

/// Appends a server's close frame. Of a long reason only the beginning is said.
///
/// # Panics
/// If no frame may say `code`.
pub fn write_close(out: &mut Vec<u8>, code: CloseCode, reason: &str) {
    assert!(code.may_be_sent(), "{code:?} stands in no frame");
    let mut said = reason.len().min(usize::from(CONTROL_BYTES_MAX) - 2);
    said = reason.floor_char_boundary(said);
    let reason = reason.as_bytes().get(..said).unwrap_or_default();
    write_frame_head(out, Opcode::Close, Part::Last, 2 + reason.len());
    out.extend_from_slice(&code.0.to_be_bytes());
    out.extend_from_slice(reason);
}

/// Appends a client's frame. Who talks to strangers' proxies takes a `mask` that nobody can foretell.
///
/// # Panics
/// As [`write_frame_head`].
pub fn write_masked_frame(out: &mut Vec<u8>, opcode: Opcode, part: Part, mask: [u8; 4], payload: &[u8]) {
    assert_control(opcode, part, payload.len());
    frame::write(out, opcode, part, payload.len(), MASK_BIT);
    out.extend_from_slice(&mask);
    mask::append(out, payload, &mut { mask });
}

fn assert_control(opcode: Opcode, part: Part, length: usize) {
    if opcode.is_control() {
        assert_eq!(part, Part::Last, "a control frame is not fragmented");
        assert!(length <= usize::from(CONTROL_BYTES_MAX), "{length} bytes in a control frame");
    }
}
