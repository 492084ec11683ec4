//! Starting and stopping: ports, signals, what is queued, and the last line.

mod support;

use std::process::Stdio;
use std::thread;

use support::{Client, PROMPT, Server, Start, eventually, scaled, tidings};

#[test]
fn sigterm_says_terminate_to_everyone_and_exits_with_zero() {
    for (shards, name) in [(1, "TERM"), (2, "INT"), (4, "TERM")] {
        let mut server = Server::start(shards);
        let mut clients =
            vec![server.client("sub"), server.client("SUBSCRIBER a format=json"), server.client("pub")];
        let mut silent = server.connect();
        silent.assert_bytes(PROMPT);
        let mut prompted = server.connect();
        prompted.assert_bytes(PROMPT);
        prompted.send("SUBSCRIBER");
        prompted.assert_line("Waiting for messages...");
        clients.extend([silent, prompted]);
        server.signal(name);
        for client in &mut clients {
            client.assert_line("terminate");
            client.assert_end();
        }
        assert_eq!(server.wait().code(), Some(0), "SIG{name}");
        server.wait_for_log("INFO shutting down");
        server.wait_for_log("INFO stopped");
    }
}

/// Everything that the server has accepted reaches subscribers that read slowly.
fn what_is_queued_is_delivered(shards: u8) {
    let shards = shards.to_string();
    let mut server = Start::with(&["--shards", &shards, "--queue-max", "64MiB"]).run();
    // Three times what the kernel keeps for a socket on its way: the rest is queued.
    let count = 4000;
    let text = "x".repeat(1000);
    let slow: Vec<Client> = (0..4).map(|_| server.slow_subscriber("SUBSCRIBER")).collect();
    let publishers: Vec<Client> = (0..3).map(|_| server.client("pub ack=1")).collect();
    thread::scope(|scope| {
        for publisher in publishers {
            let text = &text;
            scope.spawn(move || {
                let mut publisher = publisher;
                for number in 0..count {
                    publisher.send(format!("{number} {text}\n"));
                }
                publisher.lines(count);
            });
        }
    });
    server.signal("TERM");
    server.wait_for_log("shutting down");
    thread::scope(|scope| {
        for mut client in slow {
            scope.spawn(move || {
                let lines = client.rest_lines();
                assert_eq!(lines.len(), 3 * count + 1);
                assert_eq!(lines.last().map(String::as_str), Some("terminate"));
            });
        }
    });
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn what_is_queued_is_delivered_on_one_shard() {
    what_is_queued_is_delivered(1);
}

#[test]
fn what_is_queued_is_delivered_on_two_shards() {
    what_is_queued_is_delivered(2);
}

#[test]
fn what_is_queued_is_delivered_on_four_shards() {
    what_is_queued_is_delivered(4);
}

/// A message that was acknowledged just before the signal crosses shards in time.
#[test]
fn the_last_acknowledged_message_is_delivered() {
    for _ in 0..scaled(5, 20) {
        let mut server = Server::start(4);
        let mut subscribers: Vec<Client> = (0..4).map(|_| server.client("sub")).collect();
        let mut publisher = server.client("pub ack=1");
        publisher.send("last words\n");
        publisher.assert_line("OK");
        server.signal("TERM");
        for client in &mut subscribers {
            client.assert_line(format!("[('127.0.0.1', {})]: last words", publisher.port()));
            client.assert_line("terminate");
        }
        assert!(server.wait().success());
    }
}

/// The end comes while a publisher sends all that it can: no shard ends before the others have
/// stopped accepting, or subscribers there would miss what a publisher was told is accepted.
#[test]
fn whatever_was_acknowledged_is_delivered() {
    for _ in 0..scaled(3, 10) {
        let mut server = Server::start(4);
        let subscribers: Vec<Client> = (0..4).map(|_| server.client("sub")).collect();
        let mut publisher = server.client("pub ack=1");
        let mut sender = publisher.sender();
        thread::scope(|scope| {
            let hear = |mut client: Client| scope.spawn(move || client.rest_lines());
            let hearing: Vec<_> = subscribers.into_iter().map(hear).collect();
            scope.spawn(move || {
                let text = "x\n".repeat(10_000);
                while std::io::Write::write_all(&mut sender, text.as_bytes()).is_ok() {}
            });
            publisher.lines(1000);
            server.signal("TERM");
            let answers = publisher.rest_lines();
            let accepted = 1000 + answers.iter().filter(|line| *line == "OK").count();
            for heard in hearing {
                let lines = heard.join().expect("a subscriber");
                assert_eq!(lines.last().map(String::as_str), Some("terminate"));
                let gaps = lines.iter().filter_map(|line| line.strip_prefix("[GAP ")?.split(' ').next());
                let missed: usize = gaps.map(|count| count.parse::<usize>().expect("a number")).sum();
                let received = lines.iter().filter(|line| line.ends_with(": x")).count();
                assert!(received + missed >= accepted, "{received} + {missed} of {accepted}");
            }
        });
        assert!(server.wait().success());
    }
}

#[test]
fn a_client_that_never_reads_does_not_stop_the_end() {
    let mut server = Server::start(2);
    let stuck = server.slow_subscriber("sub");
    let mut publisher = server.client("pub ack=1");
    // More than the kernel keeps for a socket on its way, which is 4 MiB by default.
    let text = "x".repeat(100_000);
    for _ in 0..120 {
        publisher.send(format!("{text}\n"));
        publisher.assert_line("OK");
    }
    server.signal("TERM");
    publisher.assert_line("terminate");
    assert_eq!(server.wait().code(), Some(0));
    server.wait_for_log("WARN 1 clients did not take everything");
    drop(stuck);
}

#[test]
fn a_second_signal_does_not_wait() {
    let mut server = Server::start(1);
    let stuck = server.slow_subscriber("sub");
    let mut publisher = server.client("pub ack=1");
    // More than the kernel keeps for a socket on its way, which is 4 MiB by default.
    let text = "x".repeat(100_000);
    for _ in 0..120 {
        publisher.send(format!("{text}\n"));
        publisher.assert_line("OK");
    }
    server.signal("TERM");
    server.wait_for_log("shutting down");
    // As someone who sees that it takes its time: what comes at once is the same request.
    let end = eventually("the end", || {
        server.signal("TERM");
        server.has_ended()
    });
    assert_eq!(end.code(), Some(128 + 15));
    drop(stuck);
}

/// GNU `timeout` signals the process and then its group: that is one request to end.
#[test]
fn two_signals_at_once_are_one() {
    for names in [["TERM", "TERM"], ["INT", "TERM"], ["INT", "INT"]] {
        let mut server = Start::with(&["--shards", "1", "--queue-max", "64MiB"]).run();
        let mut slow = server.slow_subscriber("sub");
        let mut publisher = server.client("pub ack=1");
        // More than the kernel keeps for a socket on its way: the first signal finds work to do.
        let text = "x".repeat(100_000);
        for _ in 0..120 {
            publisher.send(format!("{text}\n"));
            publisher.assert_line("OK");
        }
        for name in names {
            server.signal(name);
        }
        publisher.assert_line("terminate");
        let lines = slow.rest_lines();
        assert_eq!(lines.len(), 121, "{names:?}");
        assert_eq!(lines.last().map(String::as_str), Some("terminate"));
        assert_eq!(server.wait().code(), Some(0), "{names:?}");
    }
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let server = Server::start(1);
    let port = server.port().to_string();
    let second = tidings().args(["server", &port]).output().expect("a second server");
    let stderr = String::from_utf8(second.stderr).expect("text");
    assert!(
        stderr.starts_with(&format!("tidings: cannot listen on 127.0.0.1:{port}: the port is in use")),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(second.stdout.is_empty());
    assert!(second.status.code().is_some_and(|code| code != 0));
    let mut subscriber = server.client("sub");
    server.client("pub").send("the first one lives\n");
    assert!(subscriber.line().ends_with("the first one lives"));
}

#[test]
fn a_port_is_free_again_at_once() {
    let server = Server::start(1);
    let port = server.port().to_string();
    let mut client = server.client("pub");
    assert!(server.terminate().success());
    client.assert_line("terminate");
    let mut second = tidings()
        .args(["server", &port])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a second server");
    let connected = eventually("the second server", || {
        assert_eq!(second.try_wait().expect("our child"), None, "it does not start");
        std::net::TcpStream::connect(format!("127.0.0.1:{port}")).ok()
    });
    drop(connected);
    drop(second.kill());
    drop(second.wait());
}

#[test]
fn an_unattended_server_serves_whatever_its_input_is() {
    let server = Start::default().run();
    let mut subscriber = server.client("sub");
    server.client("pub").send("served\n");
    assert!(subscriber.line().ends_with("served"));
}
