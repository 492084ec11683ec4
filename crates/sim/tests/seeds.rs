//! Fixed seeds hold every promise, and a seed is one world.

use sim::{Keep, run, run_many};

#[test]
fn sixty_four_seeds_keep_every_promise() {
    let failed = run_many(1, 64).failed;
    let shown: Vec<_> = failed.iter().map(|outcome| (outcome.seed, &outcome.violations)).collect();
    assert!(failed.is_empty(), "cargo run --release -p sim -- --seed N for {shown:#?}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 2, 3, 50, 99, 1_000_003, u64::MAX] {
        let (first, second) = (run(seed, Keep::All), run(seed, Keep::All));
        assert!(first.events > 0);
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn another_seed_gives_another_trace() {
    assert_ne!(run(1, Keep::Last).trace_hash, run(2, Keep::Last).trace_hash);
}

#[test]
fn how_much_is_kept_changes_nothing() {
    let (last, all) = (run(7, Keep::Last), run(7, Keep::All));
    assert_eq!((last.trace_hash, last.events), (all.trace_hash, all.events));
    assert!(all.trace.ends_with(&last.trace) && all.trace.len() > last.trace.len());
}
