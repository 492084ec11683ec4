//! The mask over what clients send (RFC 6455 5.3).

/// Appends `payload` with `mask` taken off or put on, which is the same, and turns `mask` so that it fits
/// what comes next.
#[inline]
pub(super) fn append(out: &mut Vec<u8>, payload: &[u8], mask: &mut [u8; 4]) {
    let start = out.len();
    out.extend_from_slice(payload);
    if *mask != [0; 4] {
        apply(out.get_mut(start..).unwrap_or_default(), *mask);
    }
    mask.rotate_left(payload.len() % 4);
}

/// Eight bytes at a time; the compiler makes more of it.
fn apply(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_masked_as_the_whole(
            payload in prop::collection::vec(any::<u8>(), 0..100),
            mask in any::<[u8; 4]>(),
            cuts in prop::collection::vec(0..40_usize, 0..8),
        ) {
            let expected: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
            let (mut out, mut turned, mut rest) = (b"before".to_vec(), mask, &payload[..]);
            for cut in cuts {
                let (piece, behind) = rest.split_at(cut.min(rest.len()));
                append(&mut out, piece, &mut turned);
                rest = behind;
            }
            append(&mut out, rest, &mut turned);
            prop_assert_eq!(out.strip_prefix(b"before"), Some(&expected[..]));
        }
    }
}
