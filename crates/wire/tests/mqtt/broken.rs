//! One change to a packet, by chance.

use proptest::prelude::*;
use proptest::sample::Index;

/// A byte is changed, put in or taken out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    First(u8),
    Byte(Index, u8),
    Bit(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    CutAt(Index),
}

pub(crate) fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<u8>().prop_map(Change::First),
        any::<(Index, u8)>().prop_map(|(at, byte)| Change::Byte(at, byte)),
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Change::Bit(at, bit)),
        any::<(Index, u8)>().prop_map(|(at, byte)| Change::Insert(at, byte)),
        any::<Index>().prop_map(Change::Remove),
        any::<Index>().prop_map(Change::CutAt),
    ]
}

impl Change {
    /// The first byte and the body with the change.
    pub(crate) fn apply(self, first: u8, body: &[u8]) -> (u8, Vec<u8>) {
        let mut body = body.to_vec();
        if let Self::First(byte) = self {
            return (byte, body);
        }
        if body.is_empty() {
            body.push(0);
            return (first, body);
        }
        let length = body.len();
        match self {
            Self::First(_) => {}
            Self::Byte(at, byte) => body[at.index(length)] = byte,
            Self::Bit(at, bit) => body[at.index(length)] ^= 1 << bit,
            Self::Insert(at, byte) => body.insert(at.index(length + 1), byte),
            Self::Remove(at) => {
                body.remove(at.index(length));
            }
            Self::CutAt(at) => body.truncate(at.index(length)),
        }
        (first, body)
    }
}
