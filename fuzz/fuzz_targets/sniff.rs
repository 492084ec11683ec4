//! Any first bytes: the answer comes soon and never changes when more bytes come.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::sniff::{Sniffed, sniff};

/// The longest HTTP method with its blank.
const UNDECIDED_BYTES_MAX: usize = 8;

fuzz_target!(|bytes: &[u8]| {
    let mut decided = None;
    for end in 0..=bytes.len().min(64) {
        let answer = sniff(&bytes[..end]);
        match decided {
            Some(before) => assert_eq!(answer, before, "changed at {end} bytes"),
            None if answer == Sniffed::Undecided => assert!(end <= UNDECIDED_BYTES_MAX),
            None => decided = Some(answer),
        }
    }
    assert_eq!(sniff(bytes), decided.unwrap_or(Sniffed::Undecided));
});
