//! Streams of frames by chance: good ones, and with a change.

use proptest::prelude::*;
use proptest::sample::Index;
use wire::websocket::{Opcode, Part, Peer, write_frame_head, write_masked_frame};

/// A frame without its coat.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) opcode: Opcode,
    pub(crate) part: Part,
    pub(crate) mask: [u8; 4],
    pub(crate) payload: Vec<u8>,
}

/// Messages in some fragments, with control frames between.
pub(crate) fn any_stream() -> impl Strategy<Value = Vec<Frame>> {
    prop::collection::vec(any_message(), 0..5).prop_map(|messages| messages.concat())
}

pub(crate) fn bytes_of(peer: Peer, frames: &[Frame]) -> Vec<u8> {
    let mut out = Vec::new();
    for frame in frames {
        match peer {
            Peer::Client => {
                write_masked_frame(&mut out, frame.opcode, frame.part, frame.mask, &frame.payload)
            }
            Peer::Server => {
                write_frame_head(&mut out, frame.opcode, frame.part, frame.payload.len());
                out.extend_from_slice(&frame.payload);
            }
        }
    }
    out
}

/// The bytes in pieces of these lengths, and the rest.
pub(crate) fn cut<'a>(mut bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, rest) = bytes.split_at((*length).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

/// Changes a bit, or puts a byte in or takes one out.
pub(crate) fn change(bytes: &mut Vec<u8>, at: Index, what: u8) {
    if bytes.is_empty() {
        return;
    }
    let at = at.index(bytes.len());
    match what {
        0..8 => bytes[at] ^= 1 << what,
        8 => bytes.insert(at, 0),
        _ => {
            bytes.remove(at);
        }
    }
}

fn any_message() -> impl Strategy<Value = Vec<Frame>> {
    let text = (any::<String>(), prop::collection::vec(any::<Index>(), 0..4));
    let binary = (prop::collection::vec(any::<u8>(), 0..200), prop::collection::vec(any::<Index>(), 0..4));
    prop_oneof![
        text.prop_map(|(text, cuts)| fragments(Opcode::Text, text.as_bytes(), &cuts)),
        binary.prop_map(|(bytes, cuts)| fragments(Opcode::Binary, &bytes, &cuts)),
    ]
    .prop_flat_map(|frames| (Just(frames), prop::collection::vec((any::<Index>(), any_control()), 0..3)))
    .prop_map(|(mut frames, controls)| {
        for (at, control) in controls {
            frames.insert(at.index(frames.len() + 1), control);
        }
        frames
    })
    .prop_flat_map(|frames| {
        let masks = prop::collection::vec(any::<[u8; 4]>(), frames.len());
        (Just(frames), masks).prop_map(|(mut frames, masks)| {
            frames.iter_mut().zip(masks).for_each(|(frame, mask)| frame.mask = mask);
            frames
        })
    })
}

fn any_control() -> impl Strategy<Value = Frame> {
    let opcode = prop_oneof![Just(Opcode::Ping), Just(Opcode::Pong)];
    (opcode, prop::collection::vec(any::<u8>(), 0..=125)).prop_map(|(opcode, payload)| Frame {
        opcode,
        part: Part::Last,
        mask: [0; 4],
        payload,
    })
}

fn fragments(opcode: Opcode, payload: &[u8], cuts: &[Index]) -> Vec<Frame> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
    ends.push(payload.len());
    ends.sort_unstable();
    let (mut frames, mut start) = (Vec::new(), 0);
    for (index, end) in ends.iter().enumerate() {
        frames.push(Frame {
            opcode: if index == 0 { opcode } else { Opcode::Continuation },
            part: if index + 1 == ends.len() { Part::Last } else { Part::More },
            mask: [0; 4],
            payload: payload[start..*end].to_vec(),
        });
        start = *end;
    }
    frames
}
