//! The environment fails: no file descriptors, a full disk under the log, too many connections.

mod support;

use support::{Client, LogTo, Start, eventually};

/// Publisher and subscriber that are connected already understand each other.
#[track_caller]
fn check(subscriber: &mut Client, publisher: &mut Client, text: &str) {
    publisher.send(format!("{text}\n"));
    subscriber.assert_line(format!("[FROM {}] : {text}", publisher.addr()));
}

#[test]
fn no_file_descriptors_left() {
    // Soft and hard limit: the server raises the soft one.
    let mut server = Start::with(&["--shards", "2"]).shell("ulimit -n 64").run();
    let mut subscriber = server.client("SUBSCRIBER");
    let mut publisher = server.client("pub");
    check(&mut subscriber, &mut publisher, "before");
    let mut waiting: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    server.wait_for_log("WARN cannot accept");
    check(&mut subscriber, &mut publisher, "meanwhile");
    // Those that were not accepted wait in the kernel and get their turn.
    let mut last = waiting.pop().expect("a client");
    last.send("sub\n");
    drop(waiting);
    server.wait_for_role(&last);
    publisher.send("after\n");
    last.assert_line(format!("[('127.0.0.1', {})]: after", publisher.port()));
    subscriber.assert_line(format!("[FROM {}] : after", publisher.addr()));
    assert!(server.log_count("cannot accept") < 20, "one line says it, not one per attempt");
    server.assert_alive();
    assert!(server.terminate().success());
}

#[test]
fn no_file_descriptors_and_no_idling_either() {
    let server = Start::with(&["--shards", "1"]).shell("ulimit -n 40").run();
    let waiting: Vec<Client> = (0..60).map(|_| server.connect()).collect();
    server.wait_for_log("WARN cannot accept");
    let before = server.cpu_ticks();
    // The subject: time that passes.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let used = server.cpu_ticks() - before;
    assert!(used < 30, "{used} ticks of 10 ms in a second of waiting");
    drop(waiting);
}

#[test]
fn a_full_disk_under_the_log() {
    let mut server = Start::with(&["--shards", "2"]).log_to(LogTo::FullDisk).run();
    let mut subscriber = server.connect();
    subscriber.assert_bytes(support::PROMPT);
    subscriber.send("SUBSCRIBER");
    subscriber.assert_line("Waiting for messages...");
    let mut publisher = server.connect();
    publisher.send("pub\n");
    for number in 0..3000 {
        check(&mut subscriber, &mut publisher, &number.to_string());
    }
    server.assert_alive();
    assert!(server.terminate().success());
    subscriber.assert_line("terminate");
}

#[test]
fn a_log_that_nobody_reads() {
    let mut server = Start::with(&["--shards", "2"]).log_to(LogTo::Unread).run();
    let mut subscriber = server.connect();
    subscriber.assert_bytes(support::PROMPT);
    subscriber.send("SUBSCRIBER");
    subscriber.assert_line("Waiting for messages...");
    let mut publisher = server.connect();
    publisher.send("pub\n");
    // Far more lines than a pipe and the server's queue of them hold.
    for number in 0..3000 {
        server.connect().send("pub\nterminate\n");
        check(&mut subscriber, &mut publisher, &number.to_string());
    }
    server.assert_alive();
    assert!(server.terminate().success());
    subscriber.assert_line("terminate");
}

#[test]
fn more_connections_than_are_allowed() {
    let server = Start::with(&["--shards", "2", "--connections-max", "10"]).run();
    let mut subscriber = server.client("SUBSCRIBER");
    let mut publisher = server.client("pub");
    let others: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = server.connect();
            client.assert_bytes(support::PROMPT);
            client
        })
        .collect();
    let mut refused = server.connect();
    refused.assert_end();
    server.wait_for_log("WARN 10 connections: no more are accepted (connections_max)");
    check(&mut subscriber, &mut publisher, "those inside are served");
    drop(others);
    let mut next = eventually("a free place", || {
        let mut client = server.connect();
        client.hears_anything().then_some(client)
    });
    next.assert_bytes(support::PROMPT);
    next.send("sub");
    next.assert_line("Waiting for messages...");
    publisher.send("one more\n");
    next.assert_line(format!("[('127.0.0.1', {})]: one more", publisher.port()));
}
