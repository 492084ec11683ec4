//! Every bug that is planted is found: `cargo test --release -p sim --features planted`.
#![cfg(feature = "planted")]

#[test]
fn every_planted_bug_is_caught() {
    for caught in sim::planted::hunt(1, 1000) {
        let (seed, checkers) = caught.by.unwrap_or_else(|| panic!("nobody saw {:?}", caught.bug));
        assert!(checkers.iter().any(|by| *by != "panic"), "{:?} only panics, seed {seed}", caught.bug);
    }
}
