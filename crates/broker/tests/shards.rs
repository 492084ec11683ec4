//! Shards without sockets: mail is carried by hand, so every interleaving can be chosen.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod world;

use std::time::Duration;

use broker::{Delivery, HistoryRequest, Input, Limits, Marks, Qos, Shard, ShardId};
use topic::TopicName;

use world::{World, conn};

#[test]
fn the_answer_cuts_history_from_live_messages() {
    let mut world = World::new(2, Limits::default());
    world.input(1, Input::Connected(conn(0)));
    world.publish(1, 0, "t", "old");
    world.subscribe(0, 0, "t", HistoryRequest::Last(10));
    assert!(world.said.is_empty(), "not before the other shard has answered");
    world.publish(1, 0, "t", "before the question arrives");
    world.carry(0, 1); // Want
    world.publish(1, 0, "t", "behind the answer");
    assert_eq!(world.hears(0, 0), [""; 0]);
    world.carry(1, 0); // Granted
    assert_eq!(world.said, ["0 subscribed"]);
    assert_eq!(world.hears(0, 0), ["old", "before the question arrives"]);
    world.carry(1, 0);
    assert_eq!(world.hears(0, 0), ["behind the answer"]);
}

#[test]
fn a_second_subscriber_of_the_shard_has_a_cut_of_its_own() {
    let mut world = World::new(2, Limits::default());
    world.input(1, Input::Connected(conn(0)));
    world.subscribe(0, 0, "t", HistoryRequest::None);
    world.settle();
    world.publish(1, 0, "t", "one"); // its mail is under way to the shard
    world.subscribe(0, 1, "t", HistoryRequest::Last(10));
    world.carry(1, 0);
    assert_eq!(world.hears(0, 0), ["one"]);
    world.settle();
    assert_eq!(world.hears(0, 1), ["one"], "from the history, and not a second time as live");
}

#[test]
fn the_interest_stays_until_the_last_one_goes() {
    let mut world = World::new(2, Limits::default());
    world.input(1, Input::Connected(conn(0)));
    world.subscribe(0, 0, "t/#", HistoryRequest::None);
    world.subscribe(0, 1, "t/#", HistoryRequest::None);
    world.settle();
    assert_eq!(world.shards[1].sole_interest(&TopicName::parse("t/a").unwrap()), Some(ShardId(0)));
    world.input(0, Input::Closed(conn(0)));
    world.settle();
    world.publish(1, 0, "t/a", "still heard");
    world.settle();
    assert_eq!(world.hears(0, 1), ["still heard"]);
    world.input(0, Input::Closed(conn(1)));
    world.settle();
    assert_eq!(world.shards[1].sole_interest(&TopicName::parse("t/a").unwrap()), None);
    world.input(1, Input::Closed(conn(0)));
    assert_eq!(world.shards.iter().map(Shard::leftovers).collect::<Vec<_>>(), [[0; 4]; 2]);
}

#[test]
fn a_full_queue_drops_the_oldest_and_counts_them() {
    let limits = Limits { queue_bytes_max: 3000, brake_bytes: 1000, ..Limits::default() };
    let mut world = World::new(1, limits);
    world.input(0, Input::Connected(conn(0)));
    world.subscribe(0, 1, "t", HistoryRequest::None);
    for number in 0..20 {
        world.publish(0, 0, "t", &number.to_string());
    }
    let heard = world.hears(0, 1);
    let dropped: usize = heard[0].strip_prefix("gap ").unwrap().parse().unwrap();
    let expected: Vec<String> = (dropped..20).map(|number| number.to_string()).collect();
    assert_eq!(heard[1..], expected);
    assert_eq!(world.shards[0].stats().dropped as usize, dropped);
}

/// A queue that holds nothing else keeps what came last, or a long message would reach nobody.
#[test]
fn the_newest_run_stays_however_long_it_is() {
    let limits = Limits { queue_bytes_max: 3000, brake_bytes: 1000, ..Limits::default() };
    let mut world = World::new(1, limits);
    world.input(0, Input::Connected(conn(0)));
    world.subscribe(0, 1, "t", HistoryRequest::None);
    world.publish(0, 0, "t", "short");
    let long = "x".repeat(10_000);
    world.publish(0, 0, "t", &long);
    assert_eq!(world.hears(0, 1), ["gap 1", &long]);
}

#[test]
fn a_growing_queue_brakes_its_publisher_for_ten_milliseconds_or_until_half_empty() {
    let limits = Limits { queue_bytes_max: 1_000_000, brake_bytes: 1000, ..Limits::default() };
    let brake_time = limits.brake_time;
    let mut world = World::new(2, limits);
    world.input(1, Input::Connected(conn(7)));
    world.subscribe(0, 0, "t", HistoryRequest::None);
    world.settle();
    world.said.clear();
    let text = "x".repeat(64 * 1024);
    let push = |world: &mut World| {
        world.publish(1, 7, "t", &text);
        world.settle();
    };
    push(&mut world);
    assert_eq!(world.said, ["7 paused"]);
    world.hears(0, 0);
    world.settle();
    assert_eq!(world.said, ["7 paused", "7 resumed"], "half empty");
    push(&mut world);
    assert_eq!(world.shards[1].poll_timeout(), Some(world.now.mono.after(brake_time)));
    world.now.mono = world.now.mono.after(brake_time);
    world.input(1, Input::Timeout);
    assert_eq!(world.said.last().unwrap(), "7 resumed", "whatever the queue says");
    world.input(0, Input::Closed(conn(0)));
    world.settle();
    world.input(1, Input::Closed(conn(7)));
    assert_eq!(world.shards.iter().map(Shard::leftovers).collect::<Vec<_>>(), [[0; 4]; 2]);
}

#[test]
fn a_process_over_its_budget_cuts_queues_and_lets_publishers_go_on() {
    let limits = Limits { memory_bytes_max: 40_000, history_messages_max: 0, ..Limits::default() };
    let mut world = World::new(2, limits);
    world.input(1, Input::Connected(conn(0)));
    world.subscribe(0, 0, "#", HistoryRequest::None);
    world.settle();
    world.said.clear();
    let mut sent = 0;
    while world.said.is_empty() {
        world.publish(1, 0, "t", &sent.to_string());
        world.settle();
        sent += 1;
    }
    assert_eq!(world.said, ["0 paused"]);
    // The publisher's shard tells the one with the long queue.
    for _ in 0..3 {
        for shard in [1, 0] {
            if let Some(at) = world.shards[shard].poll_timeout() {
                world.now.mono = world.now.mono.max(at);
                world.input(shard, Input::Timeout);
            }
            world.settle();
        }
    }
    assert_eq!(world.said, ["0 paused", "0 resumed"]);
    let heard = world.hears(0, 0);
    let dropped: usize = heard[0].strip_prefix("gap ").unwrap().parse().unwrap();
    assert_eq!(dropped + heard.len() - 1, sent);
}

/// The pause is in proportion to what was read, so that many small messages are slowed no more
/// than a few large ones: each used to cost ten milliseconds.
#[test]
fn a_publisher_of_small_messages_is_hardly_slowed() {
    let limits = Limits { queue_bytes_max: 10_000_000, brake_bytes: 1000, ..Limits::default() };
    let brake_time = limits.brake_time;
    let mut world = World::new(1, limits);
    world.input(0, Input::Connected(conn(7)));
    world.subscribe(0, 0, "t", HistoryRequest::None);
    world.said.clear();
    let text = "x".repeat(100);
    let messages = 2000;
    let mut paused = Duration::ZERO;
    for _ in 0..messages {
        world.publish(0, 7, "t", &text);
        world.settle();
        // Somebody takes a little: it is slow, not stuck.
        let session = world.sessions[&(0, 0)];
        assert!(world.shards[0].poll_delivery(world.now, session, u32::MAX, usize::MAX).is_some());
        world.publish(0, 7, "t", &text);
        world.settle();
        if world.said.pop().is_some() {
            let until = world.shards[0].poll_timeout().unwrap();
            paused += until.since(world.now.mono);
            world.now.mono = until;
            world.time_out(0);
            assert_eq!(world.said.pop().unwrap(), "7 resumed");
        }
    }
    let reads = f64::from(2 * messages) * text.len() as f64 / (16.0 * 1024.0);
    let most = brake_time.mul_f64(reads + 1.0);
    assert!(!paused.is_zero() && paused <= most, "paused for {paused:?}, at most {most:?} is fair");
}

/// From a queue nothing is taken for a tenth of a second: it holds nobody up until it has drained.
#[test]
fn a_stuck_subscriber_brakes_nobody() {
    let limits = Limits { queue_bytes_max: 100_000_000, brake_bytes: 1000, ..Limits::default() };
    let mut world = World::new(1, limits);
    world.input(0, Input::Connected(conn(7)));
    world.subscribe(0, 0, "t", HistoryRequest::None);
    let text = "x".repeat(64 * 1024);
    world.publish(0, 7, "t", &text);
    world.settle();
    world.said.clear();
    world.now.mono = world.now.mono.after(Duration::from_millis(100));
    world.time_out(0);
    world.said.clear();
    for _ in 0..10 {
        world.publish(0, 7, "t", &text);
        world.settle();
    }
    assert_eq!(world.said, [""; 0], "not paused");
    assert_eq!(world.hears(0, 0).len(), 11, "nothing was dropped either");
    world.publish(0, 7, "t", &text);
    world.settle();
    assert_eq!(world.said, ["7 paused"], "it keeps up again");
}

/// What filters may take is bounded, in memory and in what they make a route cost; who holds a
/// filter already is not concerned, nor is anyone who comes when there is room again.
#[test]
fn filters_have_bounds() {
    let limits = Limits { filter_bytes_max: 3000, filter_shapes_max: 5, ..Limits::default() };
    let mut world = World::new(1, limits);
    let mut slot = 0;
    let mut subscribe = |world: &mut World, filter: &str| {
        slot += 1;
        world.subscribe(0, slot, filter, HistoryRequest::None);
        world.said.pop().unwrap()
    };
    for filter in ["+/b", "+/+", "a/+"] {
        assert!(subscribe(&mut world, filter).ends_with("subscribed"));
    }
    assert!(subscribe(&mut world, "a/+/+/+").ends_with("refused: FilterShapes"));
    assert!(subscribe(&mut world, "b/+").ends_with("subscribed"), "the same shape");
    let mut number = 0;
    while subscribe(&mut world, &format!("t{number}")).ends_with("subscribed") {
        number += 1;
        assert!(number < 100);
    }
    assert!(subscribe(&mut world, "one/more").ends_with("refused: FilterMemory"));
    assert!(subscribe(&mut world, "t0").ends_with("subscribed"), "it is there already");
    for left in 1..=slot {
        world.input(0, Input::Closed(conn(left)));
    }
    world.subscribe(0, 0, "one/more", HistoryRequest::None);
    assert_eq!(world.said.pop().unwrap(), "0 subscribed");
    world.input(0, Input::Closed(conn(0)));
    assert_eq!(world.shards[0].leftovers(), [0; 4]);
    assert_eq!(world.gauge.used(), 0);
}

/// Reading history of many topics takes several steps. What is published meanwhile is neither
/// missing nor heard twice, and who leaves while it waits leaves nothing behind.
#[test]
fn history_is_read_in_steps() {
    let mut world = World::new(2, Limits::default());
    world.input(1, Input::Connected(conn(0)));
    let topics = 30_000;
    for number in 0..topics {
        world.publish(1, 0, &format!("{number}/a/x"), &number.to_string());
    }
    let most_work = world.shards[1].take_work() / topics * 10;
    world.subscribe(0, 0, "+/+/x", HistoryRequest::Last(40_000));
    world.subscribe(0, 1, "+/b/x", HistoryRequest::Last(1));
    world.settle();
    assert!(world.shards[1].take_work() < most_work.max(100_000), "asking costs little");
    let mut steps = 0;
    world.said.clear();
    while world.shards[1].has_work() {
        if steps == 3 {
            world.publish(1, 0, "new/a/x", "meanwhile");
            world.input(0, Input::Closed(conn(1)));
            world.settle();
        }
        world.shards[1].step(world.now);
        assert!(world.shards[1].take_work() < 2_500_000, "one step of many");
        world.outputs(1);
        steps += 1;
    }
    assert!(steps > 3, "{steps} steps");
    world.settle();
    assert_eq!(world.said, ["0 subscribed"]);
    world.publish(1, 0, "new/a/x", "live");
    world.settle();
    let heard = world.hears(0, 0);
    assert_eq!(heard[heard.len() - 3..], [(topics - 1).to_string(), "meanwhile".into(), "live".into()]);
    world.input(0, Input::Closed(conn(0)));
    world.settle();
    world.input(1, Input::Closed(conn(0)));
    assert_eq!(world.shards.iter().map(Shard::leftovers).collect::<Vec<_>>(), [[0; 4]; 2]);
}

#[test]
fn a_long_topic_is_read_in_steps_and_its_end_at_once() {
    let limits = Limits { history_messages_max: 10_000, ..Limits::default() };
    let mut world = World::new(1, limits);
    (0..9_000).for_each(|number| world.publish(0, 9, "long", &number.to_string()));
    (0..10).for_each(|number| world.publish(0, 9, "short", &number.to_string()));
    world.shards[0].take_work();
    for (slot, filter) in ["long", "long/#", "#"].into_iter().enumerate() {
        world.subscribe(0, u32::try_from(slot).unwrap(), filter, HistoryRequest::Last(2));
        world.time_out(0);
    }
    let [named, like, all] = [0, 1, 2].map(|slot| world.hears(0, slot));
    assert_eq!([named, like, all], [["8998", "8999"], ["8998", "8999"], ["8", "9"]]);
    assert!(world.shards[0].take_work() < 100_000, "no more was looked at than was wanted");
    world.subscribe(0, 3, "long", HistoryRequest::Last(9_000));
    assert!(world.shards[0].has_work(), "it is in line");
    assert!(world.shards[0].take_work() < 100_000, "and has cost next to nothing");
    world.time_out(0);
    let heard = world.hears(0, 3);
    assert_eq!((heard.len(), heard[0].as_str(), heard[8_999].as_str()), (9_000, "0", "8999"));
}

/// History under way has a part of the memory: who takes none of it while others wait loses it,
/// is told how much, and the others get theirs.
#[test]
fn who_takes_no_history_does_not_keep_others_from_theirs() {
    let limits = Limits { replays_bytes_max: 100, ..Limits::default() };
    let mut world = World::new(1, limits);
    world.input(0, Input::Connected(conn(9)));
    for number in 0..20 {
        world.publish(0, 9, "t", &number.to_string());
    }
    world.subscribe(0, 0, "t", HistoryRequest::Last(20));
    world.subscribe(0, 1, "t", HistoryRequest::Last(20));
    assert_eq!(world.said, ["0 subscribed"], "there is no room for both");
    while world.said.len() < 2 {
        world.now.mono = world.shards[0].poll_timeout().expect("somebody looks again");
        world.time_out(0);
    }
    assert_eq!(world.hears(0, 0), ["gap 20"]);
    assert_eq!(world.hears(0, 1).len(), 20);
}

#[test]
fn who_gets_what_few_get_does_not_stand_behind_a_crowd() {
    let mut world = World::new(1, Limits::default());
    (0..100).for_each(|slot| world.subscribe(0, slot, "crowd", HistoryRequest::None));
    (100..110).for_each(|slot| world.subscribe(0, slot, "few", HistoryRequest::None));
    world.publish(0, 200, "crowd", "to many");
    world.publish(0, 201, "few", "to ten");
    let named: Vec<u32> = std::iter::from_fn(|| world.shards[0].poll_ready()).map(|conn| conn.slot).collect();
    assert_eq!(named.len(), 110, "everyone is named once");
    let (few, crowd): (Vec<u32>, Vec<u32>) = named[..20].iter().partition(|slot| **slot >= 100);
    assert_eq!(few, Vec::from_iter(100..110), "they take turns with the crowd, in order");
    assert_eq!(crowd, Vec::from_iter(0..10), "which does not stand behind them either");
}

#[test]
fn what_a_connection_publishes_is_accepted() {
    let mut world = World::new(1, Limits::default());
    world.input(0, Input::Connected(conn(0)));
    world.input(0, Input::Connected(conn(1)));
    world.publish(0, 0, "t", "one");
    world.publish(0, 1, "t", "another's");
    world.publish(0, 0, "t", "two");
    assert_eq!(world.accepted, [(0, 1), (1, 1), (0, 2)]);
}

/// A session holds any number of subscriptions, each with a cut of its own: what another one of
/// the session hears meanwhile comes behind the history, and nothing is lost or heard twice.
#[test]
fn a_session_holds_several_subscriptions() {
    let mut world = World::new(2, Limits::default());
    world.input(1, Input::Connected(conn(9)));
    world.publish(1, 9, "b", "old b");
    world.subscribe(0, 0, "a", HistoryRequest::None);
    world.settle();
    world.subscribe_also(0, 0, "b/#", HistoryRequest::Last(10));
    world.publish(1, 9, "a", "a while b is asked for");
    world.publish(1, 9, "b", "b before the question");
    world.carry(0, 1); // Want
    world.publish(1, 9, "b", "b behind the answer");
    world.carry(1, 0); // what a hears
    assert_eq!(world.hears(0, 0), [""; 0], "held back until the history is there");
    world.settle();
    let (b, a) = (["old b", "b before the question"], ["a while b is asked for", "b behind the answer"]);
    assert_eq!(world.hears(0, 0), [b, a].concat());
    assert_eq!(world.shards[0].stats().subscriptions, 2);

    world.input(0, Input::Unsubscribe(world.subscriptions[&(0, 0)]));
    world.settle();
    world.publish(1, 9, "b", "not heard any more");
    world.publish(1, 9, "a", "still heard");
    world.settle();
    assert_eq!(world.hears(0, 0), ["still heard"]);
    world.input(0, Input::Closed(conn(0)));
    world.settle();
    world.input(1, Input::Closed(conn(9)));
    assert_eq!(world.shards.iter().map(Shard::leftovers).collect::<Vec<_>>(), [[0; 4]; 2]);
}

/// Who was named and could give nothing, since another filter was asked for, is named again.
#[test]
fn who_was_named_while_it_asked_is_named_again() {
    for is_given_up in [false, true] {
        let mut world = World::new(2, Limits::default());
        world.input(1, Input::Connected(conn(9)));
        world.subscribe(0, 0, "a", HistoryRequest::None);
        world.settle();
        world.publish(1, 9, "a", "before");
        world.carry(1, 0);
        world.subscribe_also(0, 0, "b", HistoryRequest::Last(1));
        assert_eq!(world.shards[0].poll_ready(), Some(conn(0)));
        assert_eq!(world.hears(0, 0), [""; 0], "it asks");
        if is_given_up {
            world.input(0, Input::Unsubscribe(world.subscriptions[&(0, 0)]));
        } else {
            world.settle();
        }
        assert_eq!(world.shards[0].poll_ready(), Some(conn(0)));
        assert_eq!(world.hears(0, 0), ["before"]);
    }
}

/// Giving up the one subscription that has not been answered sets the others free.
#[test]
fn a_question_that_is_given_up_holds_nothing_back() {
    let mut world = World::new(2, Limits::default());
    world.input(1, Input::Connected(conn(9)));
    world.subscribe(0, 0, "a", HistoryRequest::None);
    world.subscribe(0, 1, "a", HistoryRequest::None);
    world.settle();
    world.subscribe_also(0, 0, "b", HistoryRequest::Last(1));
    world.publish(1, 9, "a", "one");
    world.carry(1, 0);
    assert_eq!(world.hears(0, 0), [""; 0]);
    assert_eq!(world.shards[0].poll_ready(), Some(conn(1)), "the other session is not concerned");
    world.input(0, Input::Unsubscribe(world.subscriptions[&(0, 0)]));
    assert_eq!(world.shards[0].poll_ready(), Some(conn(0)));
    assert_eq!(world.hears(0, 0), ["one"]);
    world.settle(); // the late answer meets nobody
    assert_eq!(world.said, ["0 subscribed", "1 subscribed"]);
}

/// A shard that does not answer keeps nobody waiting for ever, nor anything of whoever asked.
#[test]
fn a_question_that_is_not_answered_in_time_is_given_up() {
    let mut world = World::new(2, Limits::default());
    let grant_time = Limits::default().grant_time;
    world.subscribe(0, 0, "a", HistoryRequest::None);
    world.settle();
    world.now.mono = world.now.mono.after(Duration::from_secs(1));
    let asked = world.now.mono;
    world.subscribe_also(0, 0, "b", HistoryRequest::Last(1));
    world.publish(0, 9, "a", "one");
    assert_eq!(world.hears(0, 0), [""; 0]);
    world.now.mono = asked.after(grant_time - Duration::from_nanos(1));
    world.time_out(0);
    assert_eq!(world.hears(0, 0), [""; 0]);
    assert_eq!(world.shards[0].poll_timeout(), Some(asked.after(grant_time)));
    world.now.mono = asked.after(grant_time);
    world.time_out(0);
    assert_eq!(world.said, ["0 subscribed", "0 refused: Unanswered"]);
    assert_eq!(world.hears(0, 0), ["one"], "what it has subscribed to before");
    let mail: Vec<String> = world.mail[0][1].iter().map(|mail| format!("{mail:?}")).collect();
    assert_eq!(mail.len(), 3, "{mail:?}");
    assert!(mail[1].starts_with("Cancel") && mail[2].starts_with("Unwant"), "{mail:?}");
    world.settle(); // the late answer meets nobody
    world.input(0, Input::Closed(conn(0)));
    world.settle();
    assert_eq!(world.shards.iter().map(Shard::leftovers).collect::<Vec<_>>(), [[0; 4]; 2]);
}

/// A session that lives on without its connection keeps what it is promised and nothing else, slows
/// nobody down, and gives it to the connection that takes it over.
#[test]
fn a_session_waits_for_its_next_connection() {
    let limits = Limits { brake_bytes: 1000, queue_bytes_max: 100_000, ..Limits::default() };
    let mut world = World::new(2, limits);
    world.input(1, Input::Connected(conn(9)));
    world.subscribe(0, 0, "t", HistoryRequest::None);
    world.settle();
    world.publish(1, 9, "t", "heard by nobody in time");
    world.settle();
    let session = world.sessions[&(0, 0)];
    world.detach(0, 0);
    world.input(0, Input::Closed(conn(0)));
    assert_eq!(world.shards[0].poll_ready(), None, "nobody is there to hear it");
    let sure = || Marks { qos: Qos::AtLeastOnce, ..Marks::default() };
    world.publish_marked(1, 9, "t", "one", sure());
    world.publish(1, 9, "t", "worth nothing later");
    world.publish_marked(1, 9, "t", &"x".repeat(2000), sure());
    world.settle();
    assert_eq!(world.said, ["0 subscribed"], "its queue brakes nobody");
    world.input(0, Input::Connected(conn(4)));
    world.shards[0].attach(session, conn(4));
    assert_eq!(world.shards[0].poll_ready(), Some(conn(4)));
    assert_eq!(world.hears(0, 0), ["heard by nobody in time", "one", &"x".repeat(2000)]);
    world.publish(1, 9, "t", "live");
    world.settle();
    assert_eq!(world.hears(0, 0), ["live"]);
    world.detach(0, 0);
    world.input(0, Input::Closed(conn(4)));
    world.shards[0].close(session);
    world.outputs(0);
    world.input(1, Input::Closed(conn(9)));
    world.settle();
    assert_eq!(world.shards.iter().map(Shard::leftovers).collect::<Vec<_>>(), [[0; 4]; 2]);
}

#[test]
fn a_session_that_missed_nothing_is_not_behind() {
    let mut world = World::new(1, Limits::default());
    world.subscribe(0, 0, "t", HistoryRequest::None);
    world.settle();
    let session = world.sessions[&(0, 0)];
    world.detach(0, 0);
    world.input(0, Input::Closed(conn(0)));
    world.input(0, Input::Connected(conn(4)));
    world.shards[0].attach(session, conn(4));
    assert!(!world.shards[0].queue_state(session).unwrap().is_behind, "it brakes as everyone does");
}

#[test]
fn filters_that_overlap_bring_one_copy() {
    let mut world = World::new(2, Limits::default());
    world.subscribe(0, 0, "a/b", HistoryRequest::None);
    for filter in ["a/#", "a/+", "c"] {
        world.subscribe_also(0, 0, filter, HistoryRequest::None);
    }
    world.settle();
    for shard in [0, 1] {
        world.publish(shard, 9, "a/b", "one");
        world.publish(shard, 9, "c", "two");
    }
    world.settle();
    assert_eq!(world.hears(0, 0), ["one", "two", "one", "two"]);
}

#[test]
fn a_delivery_keeps_to_its_budget() {
    let mut world = World::new(1, Limits::default());
    world.subscribe(0, 0, "t", HistoryRequest::None);
    for text in ["one", "two", "three"] {
        world.publish(0, 9, "t", text);
    }
    let session = world.sessions[&(0, 0)];
    let delivery = world.shards[0].poll_delivery(world.now, session, 1, 0);
    let Some(Delivery::Messages(slice)) = delivery else { panic!("one message at least: {delivery:?}") };
    assert_eq!(slice.len(), 1);
    assert_eq!(world.hears(0, 0), ["two", "three"]);
    assert_eq!(world.shards[0].stats().delivered, 3);
}

/// A message waits once in each queue, until it is delivered for good or its session goes.
#[test]
fn what_waits_is_counted_in_each_queue() {
    let mut world = World::new(1, Limits::default());
    world.subscribe(0, 0, "t", HistoryRequest::None);
    world.subscribe(0, 1, "#", HistoryRequest::None);
    for text in ["one", "two", "three"] {
        world.publish(0, 9, "t", text);
    }
    let waiting = |world: &World| {
        world.check_queued(0);
        let queued = world.shards[0].stats().queued;
        assert_eq!(queued.bytes == 0, queued.messages == 0);
        queued.messages
    };
    assert_eq!(waiting(&world), 6);
    let session = world.sessions[&(0, 0)];
    let delivery = world.shards[0].poll_delivery(world.now, session, 1, 0);
    assert_eq!(waiting(&world), 5);
    let Some(Delivery::Messages(slice)) = delivery else { panic!("a message: {delivery:?}") };
    world.shards[0].put_back(session, slice);
    assert_eq!(waiting(&world), 6);
    assert_eq!(world.hears(0, 0), ["one", "two", "three"]);
    assert_eq!(waiting(&world), 3);
    world.input(0, Input::Closed(conn(1)));
    assert_eq!(waiting(&world), 0);
}

/// What the broker tells of itself is heard by whoever asks for it by name, on any shard, and is
/// neither counted nor kept as history.
#[test]
fn the_broker_tells_and_does_not_count_it() {
    let mut world = World::new(2, Limits::default());
    world.subscribe(1, 0, "$SYS/#", HistoryRequest::None);
    world.subscribe(1, 1, "#", HistoryRequest::None);
    world.settle();
    world.tell(0, "$SYS/broker/uptime", "1 seconds");
    world.publish(0, 9, "news", "four");
    world.settle();
    assert_eq!(world.hears(1, 0), ["1 seconds"]);
    assert_eq!(world.hears(1, 1), ["four"]);
    let stats = world.shards[0].stats();
    assert_eq!((stats.accepted, stats.accepted_bytes), (1, 4));
    world.subscribe(1, 2, "$SYS/#", HistoryRequest::Last(10));
    world.settle();
    assert_eq!(world.hears(1, 2), [""; 0]);
}
