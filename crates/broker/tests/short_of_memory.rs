//! What happens when the whole process fills up: who waits, who loses something, who is spared.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod world;

use broker::{HistoryRequest, Input, Limits};

use world::{World, conn};

const BUDGET: usize = 64 * 1024;
/// Over the budget by so much, nobody is read.
const OVER_MAX: usize = BUDGET / 32;
/// Publishes much.
const HEAVY: u32 = 8;
/// Publishes next to nothing.
const LIGHT: u32 = 9;

fn world() -> World {
    let limits = Limits {
        memory_bytes_max: BUDGET,
        history_messages_max: 20,
        history_bytes_max: BUDGET / 4,
        ..Limits::default()
    };
    let mut world = World::new(1, limits);
    world.input(0, Input::Connected(conn(HEAVY)));
    world.input(0, Input::Connected(conn(LIGHT)));
    world
}

/// A message of 500 bytes that begins with its number.
fn text(number: usize) -> String {
    format!("{number} {:500}", "")
}

/// Publishes until the process is over its budget and the publisher waits; returns how many.
fn fill(world: &mut World, topic: &str) -> usize {
    world.said.clear();
    let mut sent = 0;
    while world.said.is_empty() {
        world.publish(0, HEAVY, topic, &text(sent));
        sent += 1;
        assert!(sent < 1000, "nobody waits");
    }
    assert_eq!(world.said, ["8 paused"]);
    assert!((BUDGET + 1..BUDGET + OVER_MAX).contains(&world.gauge.used()));
    world.said.clear();
    sent
}

/// Lets so much time pass that everything is done and whoever may go on does.
fn pass(world: &mut World) {
    for _ in 0..10 {
        let Some(at) = world.shards[0].poll_timeout() else { return };
        world.now.mono = world.now.mono.max(at);
        world.time_out(0);
    }
}

/// The numbers that somebody hears, and gaps as `-COUNT`.
fn numbers(world: &mut World, slot: u32) -> Vec<i64> {
    let number = |line: String| match line.strip_prefix("gap ") {
        Some(count) => -count.parse::<i64>().unwrap(),
        None => line.split(' ').next().unwrap().parse().unwrap(),
    };
    world.hears(0, slot).into_iter().map(number).collect()
}

#[test]
fn who_publishes_next_to_nothing_waits_last_and_goes_on_first() {
    let mut world = world();
    world.subscribe(0, 0, "#", HistoryRequest::None);
    fill(&mut world, "t");
    world.publish(0, LIGHT, "t", "x");
    assert_eq!(world.said, [""; 0], "the process is over its budget, but hardly");
    while world.said.is_empty() {
        assert!(world.gauge.used() <= BUDGET + OVER_MAX, "further over everyone waits");
        world.publish(0, LIGHT, "t", "x");
    }
    assert_eq!(world.said, ["9 paused"]);
    world.said.clear();
    pass(&mut world);
    assert_eq!(world.said, ["9 resumed", "8 resumed"]);
}

#[test]
fn a_short_queue_is_spared_at_first() {
    let mut world = world();
    world.subscribe(0, 0, "#", HistoryRequest::None);
    world.subscribe(0, 1, "few", HistoryRequest::None);
    for number in 0..5 {
        world.publish(0, LIGHT, "few", &text(number));
    }
    let queued = world.shards[0].queue_bytes(world.sessions[&(0, 1)]);
    assert!((BUDGET / 16 / 2 + 1..4096).contains(&queued), "over a fair share, and short: {queued}");
    let sent = fill(&mut world, "t");
    pass(&mut world);
    assert_eq!(numbers(&mut world, 1), [0, 1, 2, 3, 4]);
    let heard = numbers(&mut world, 0);
    let dropped = usize::try_from(-heard[0]).unwrap();
    assert!(dropped > 0 && dropped + heard.len() - 1 == sent + 5, "{heard:?} of {sent}");
}

#[test]
fn history_that_waits_goes_before_live_messages() {
    let mut world = world();
    for number in 0..10 {
        world.publish(0, LIGHT, "t", &text(number));
    }
    world.subscribe(0, 0, "t", HistoryRequest::Last(10));
    world.time_out(0);
    world.subscribe(0, 1, "big", HistoryRequest::None);
    world.publish(0, LIGHT, "t", &text(10));
    world.publish(0, LIGHT, "t", &text(11));
    fill(&mut world, "big");
    pass(&mut world);
    let heard = numbers(&mut world, 0);
    let dropped = -heard[0];
    assert!((1..10).contains(&dropped), "{heard:?}");
    assert_eq!(heard[1..], (dropped..12).collect::<Vec<_>>(), "the oldest are missing, all of them history");
}

/// Takes one message.
fn take(world: &mut World, slot: u32) {
    let session = world.sessions[&(0, slot)];
    assert!(world.shards[0].poll_delivery(world.now, session, u32::MAX, usize::MAX).is_some());
    world.outputs(0);
}

#[test]
fn publishers_go_on_below_31_parts_in_32() {
    let goes_on_at = BUDGET / 32 * 31;
    for level in [BUDGET, goes_on_at] {
        let mut world = world();
        world.subscribe(0, 0, "#", HistoryRequest::None);
        let sent = fill(&mut world, "t");
        let mut taken = 0;
        while world.gauge.used() > level {
            take(&mut world, 0);
            taken += 1;
        }
        assert_eq!(world.gauge.used() > goes_on_at, level == BUDGET);
        pass(&mut world);
        assert_eq!(world.said, ["8 resumed"]);
        let heard = numbers(&mut world, 0);
        let is_cut = heard[0] < 0;
        assert_eq!(is_cut, level == BUDGET, "{taken} of {sent} were taken");
    }
}
