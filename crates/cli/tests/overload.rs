//! Too slow, too much, too many: what is lost is told exactly, and nobody else loses anything.

mod support;

use std::thread;
use std::time::Instant;

use support::{Client, DEADLINE, MESSAGE_MAX, Server, Start, scaled};

/// Reads until `last` has come or is announced as lost, and returns how many messages came and how many were announced as lost;
/// every number is in its place.
fn count_through(client: &mut Client, last: u64) -> (u64, u64) {
    let (mut received, mut announced) = (0, 0);
    loop {
        let line = client.line();
        if let Some(gap) = line.strip_prefix("[GAP ") {
            let count = gap.strip_suffix(" messages dropped: reading too slowly]").expect("the whole line");
            announced += count.parse::<u64>().expect("a number");
            if received + announced > last {
                return (received, announced);
            }
            continue;
        }
        let (_, text) = line.split_once("] : ").expect("a message");
        let number: u64 = text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number");
        assert_eq!(number, received + announced, "each gap stands where its messages would be");
        received += 1;
        if number == last {
            return (received, announced);
        }
    }
}

fn the_gap_is_exact(shards: u8) {
    let server = Server::start(shards);
    let mut stuck = server.slow_subscriber("SUBSCRIBER");
    let mut publisher = server.client("pub ack=1");
    let before = server.memory_kib();
    let sent = scaled(30_000, 200_000) as u64;
    let text = "x".repeat(1000);
    let mut sender = publisher.sender();
    thread::scope(|scope| {
        let text = &text;
        scope.spawn(move || {
            for number in 0..sent {
                let line = format!("{number} {text}\n");
                std::io::Write::write_all(&mut sender, line.as_bytes()).expect("the server reads");
            }
        });
        publisher.lines(sent as usize);
    });
    let grown = server.peak_memory_kib().saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB more for one subscriber that does not read");
    let (received, announced) = count_through(&mut stuck, sent - 1);
    assert_eq!(received + announced, sent);
    assert!(announced > 0, "more was sent than a queue and the kernel hold");
    // It has drained: from now on it loses nothing.
    publisher.send(format!("{sent}\n"));
    stuck.assert_line(format!("[FROM {}] : {sent}", publisher.addr()));
}

#[test]
fn the_gap_is_exact_on_one_shard() {
    the_gap_is_exact(1);
}

#[test]
fn the_gap_is_exact_on_two_shards() {
    the_gap_is_exact(2);
}

#[test]
fn the_gap_is_exact_on_four_shards() {
    the_gap_is_exact(4);
}

#[test]
fn a_gap_has_its_own_form_in_json() {
    let server = Start::with(&["--shards", "1", "--queue-max", "64KiB"]).run();
    let mut stuck = server.slow_subscriber("SUBSCRIBER format=json");
    let mut publisher = server.client("pub ack=1");
    let sent = 200;
    for number in 0..sent {
        publisher.send(format!("{number} {}\n", "x".repeat(100_000)));
        publisher.assert_line("OK");
    }
    let mut next = 0;
    let mut gaps = 0;
    while next < sent {
        let line = stuck.line();
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        if let Some(gap) = value.get("gap") {
            assert_eq!(line, format!("{{\"gap\":{gap}}}"));
            next += gap.as_u64().expect("a number");
            gaps += 1;
        } else {
            let payload = value["payload"].as_str().expect("text");
            assert!(payload.starts_with(&format!("{next} x")), "{next} is missing");
            next += 1;
        }
    }
    assert!(gaps > 0);
}

/// Who keeps up gets everything, whoever else does not.
fn one_stuck_and_twenty_reading(shards: u8) {
    let server = Server::start(shards);
    let mut stuck = server.slow_subscriber("SUBSCRIBER");
    let mut readers: Vec<Client> = (0..20).map(|_| server.client("SUBSCRIBER")).collect();
    let mut publisher = server.client("pub");
    let per_round = 60;
    let rounds = scaled(200, 1000) as u64;
    for round in 0..rounds {
        let first = round * per_round;
        let batch: String =
            (first..first + per_round).map(|n| format!("{n} {}\n", "x".repeat(1000))).collect();
        publisher.send(batch);
        // The readers are the brake: they are never more than one round behind.
        for reader in &mut readers {
            for number in first..first + per_round {
                let line = reader.line();
                assert!(line.contains(&format!("] : {number} x")), "{number} expected: {line:.60}");
            }
        }
    }
    let sent = rounds * per_round;
    let (received, announced) = count_through(&mut stuck, sent - 1);
    assert_eq!(received + announced, sent);
    assert!(announced > 0, "the stuck one was stuck");
}

#[test]
fn one_stuck_and_twenty_reading_on_one_shard() {
    one_stuck_and_twenty_reading(1);
}

#[test]
fn one_stuck_and_twenty_reading_on_four_shards() {
    one_stuck_and_twenty_reading(4);
}

/// A publisher that was braked is read again without anybody else's help (it used to wait for
/// whatever woke its shard next, about a second for each read).
#[test]
fn a_braked_publisher_is_resumed() {
    let server = Start::with(&["--shards", "1", "--history-last", "0"]).run();
    let began = Instant::now();
    for _ in 0..4 {
        let stuck = server.slow_subscriber("SUBSCRIBER");
        let mut publisher = server.client("pub ack=1");
        let count = 20_000;
        let mut sender = publisher.sender();
        thread::scope(|scope| {
            scope.spawn(move || {
                let text = format!("{}\n", "x".repeat(500)).repeat(count);
                std::io::Write::write_all(&mut sender, text.as_bytes()).expect("the server reads");
            });
            publisher.lines(count);
        });
        drop(stuck);
    }
    // With a second for each read it would be ten minutes.
    assert!(began.elapsed() < DEADLINE, "{:?} for 80,000 messages", began.elapsed());
}

/// A publisher that does not read its answers is not read; it cannot make the server keep them.
#[test]
fn answers_that_wait_for_room_are_all_given() {
    let server = Server::start(1);
    let mut publisher = Client::connect_with_little_room(server.port());
    publisher.send("pub ack=1\n");
    server.wait_for_role(&publisher);
    let count = scaled(2_000_000, 5_000_000);
    let mut sender = publisher.sender();
    let writer = thread::spawn(move || {
        let text = "a\n".repeat(count);
        std::io::Write::write_all(&mut sender, text.as_bytes()).is_ok()
    });
    // Long before that many answers fit the socket the server stops reading and the writer waits.
    let mut subscriber = server.client("SUBSCRIBER b");
    server.client("pub b").send("others are served\n");
    assert!(subscriber.line().ends_with("others are served"));
    for _ in 0..count {
        publisher.assert_line("OK");
    }
    assert!(writer.join().expect("the writer"));
}

/// Fifty queues could hold 200 MiB; the budget is 16.
#[test]
fn the_memory_budget_holds_for_queues() {
    let server = Start::with(&["--shards", "2", "--memory-max", "16MiB"]).run();
    let before = server.memory_kib();
    let topics = scaled(25, 50);
    let mut stuck: Vec<Client> =
        (0..topics).map(|topic| server.slow_subscriber(&format!("SUBSCRIBER t{topic}"))).collect();
    let count = 60;
    thread::scope(|scope| {
        for topic in 0..topics {
            let server = &server;
            scope.spawn(move || {
                let mut publisher = server.client(&format!("pub t{topic} ack=1"));
                for number in 0..count {
                    publisher.send(format!("{number} {}\n", "x".repeat(100_000)));
                    publisher.assert_line("OK");
                }
            });
        }
    });
    let grown = server.peak_memory_kib().saturating_sub(before) / 1024;
    assert!(grown < 64, "{grown} MiB more with a budget of 16 MiB");
    let mut announced = 0;
    for subscriber in &mut stuck {
        let (received, lost) = count_through(subscriber, count - 1);
        assert_eq!(received + lost, count);
        announced += lost;
    }
    assert!(announced > 0, "less was sent than fits");
}

/// A hundred unfinished messages of almost a MiB each; the budget is 16 MiB, and two of it are for
/// them. Half of them never end and are refused; the others wait for that and end.
#[test]
fn the_memory_budget_holds_for_unfinished_messages() {
    let mut server = Start::with(&["--shards", "2", "--memory-max", "16MiB"]).run();
    let before = server.memory_kib();
    let mut endless: Vec<Client> = (0..50).map(|_| server.client("pub ack=1")).collect();
    let mut others: Vec<Client> = (0..50).map(|_| server.client("pub ack=1")).collect();
    for client in endless.iter_mut().chain(&mut others) {
        client.try_send("x".repeat(MESSAGE_MAX - 1));
    }
    for client in &mut others {
        client.send("\n");
    }
    let mut refused = 0;
    for client in &mut others {
        match client.line().as_str() {
            "OK" => {}
            "Out of memory for messages: try again later" => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert!(refused < 25, "{refused} of 50 that were whole were refused");
    endless[0].assert_line("Out of memory for messages: try again later");
    let grown = server.peak_memory_kib().saturating_sub(before) / 1024;
    assert!(grown < 64, "{grown} MiB more with a budget of 16 MiB");
    drop((endless, others));
    let mut subscriber = server.client("SUBSCRIBER news");
    server.client("pub news").send("served as before\n");
    assert!(subscriber.line().ends_with("served as before"));
    server.assert_alive();
}
