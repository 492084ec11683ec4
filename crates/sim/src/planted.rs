//! Looks for every planted bug until some seed shows it: a checker that finds nothing where
//! there is something is no checker.

use broker::planted::{Bug, plant};

use crate::{Keep, run};

/// What it took to find one bug.
#[derive(Debug, Clone)]
pub struct Caught {
    /// The bug.
    pub bug: Bug,
    /// The first seed that showed it, with the checkers that did; `None` if none did.
    pub by: Option<(u64, Vec<&'static str>)>,
}

/// Plants each bug in turn and runs seeds from `from` until one fails, at most `seeds_max`.
#[must_use]
pub fn hunt(from: u64, seeds_max: u64) -> Vec<Caught> {
    std::thread::scope(|scope| {
        let hunts: Vec<_> =
            Bug::ALL.into_iter().map(|bug| scope.spawn(move || hunt_one(bug, from, seeds_max))).collect();
        hunts.into_iter().map(|hunt| hunt.join().expect("a seed's panics are caught")).collect()
    })
}

/// Bugs are planted per thread, so each hunt has its own.
fn hunt_one(bug: Bug, from: u64, seeds_max: u64) -> Caught {
    plant(Some(bug));
    let by = (from..from.saturating_add(seeds_max)).find_map(|seed| {
        let mut checkers: Vec<&str> = run(seed, Keep::Last).violations.iter().map(|(by, _)| *by).collect();
        checkers.sort_unstable();
        checkers.dedup();
        (!checkers.is_empty()).then_some((seed, checkers))
    });
    plant(None);
    Caught { bug, by }
}
