//! Whatever a peer sends, the server lives, everybody else is served, and the offender is told
//! where it can still read.

mod support;

use std::thread;
use std::time::Duration;

use support::{Client, MESSAGE_MAX, Server, eventually, scaled};

/// A subscriber and a publisher that watch over a server while others misbehave.
struct Watch {
    subscriber: Client,
    publisher: Client,
    sent: usize,
}

impl Watch {
    fn new(server: &Server) -> Self {
        let subscriber = server.client("SUBSCRIBER $watch");
        Self { subscriber, publisher: server.client("pub $watch"), sent: 0 }
    }

    /// A message goes through, and nothing else came before it.
    #[track_caller]
    fn check(&mut self) {
        self.sent += 1;
        self.publisher.send(format!("still here {}\n", self.sent));
        let from = self.publisher.addr();
        self.subscriber.assert_line(format!("[$watch | FROM {from}] : still here {}", self.sent));
    }
}

/// A small generator of numbers (xorshift64); the seed is in the test, so a failure can be repeated.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_be_bytes()[0]).collect()
    }
}

#[test]
fn random_bytes() {
    let mut server = Server::start(2);
    let mut watch = Watch::new(&server);
    let mut every = server.client("SUBSCRIBER");
    for round in 0..scaled(200, 2000) as u64 {
        let mut numbers = Numbers(round + 1);
        let count = numbers.next() % 3000;
        let noise = numbers.bytes(count as usize);
        let mut client = server.connect();
        // As it is, or behind a good hello.
        match round % 3 {
            0 => client.try_send(&noise),
            1 => client.try_send([b"pub\n", &noise[..]].concat()),
            _ => client.try_send([b"SUBSCRIBER a\n", &noise[..]].concat()),
        };
        if round % 2 == 0 {
            client.reset();
        }
    }
    watch.check();
    server.assert_alive();
    assert!(server.terminate().success());
    for line in every.rest_lines() {
        assert!(line == "terminate" || line.starts_with("[FROM 127.0.0.1:"), "{line:?}");
        assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{line:?}");
    }
}

#[test]
fn a_hello_that_never_ends() {
    let server = Server::start(2);
    let mut watch = Watch::new(&server);
    for filling in ["x", " ", "sub ", "pub:", "\u{e9}"] {
        let mut client = server.connect();
        client.try_send(filling.repeat(5000));
        client.assert_line("Hello too long: limit is 4096 bytes");
        client.assert_end();
        watch.check();
    }
    let mut client = server.connect();
    client.try_send(format!("sub {}\n", "t".repeat(4000)));
    assert!(client.line().ends_with(": topic is too long"));
    client.assert_end();
}

/// A hello that comes byte by byte is one hello. `SUB` is a whole role, so that its bytes must
/// not be further apart than the settle time of 20 ms; an attempt in which the test or the server
/// was held up for so long does not count.
#[test]
fn a_hello_byte_by_byte() {
    let server = Server::start(2);
    let mut subscriber = eventually("an undisturbed attempt", || {
        let mut client = server.connect();
        for byte in b"SUBSCRIBER sports name=bob\r\n" {
            client.send([*byte]);
        }
        server.wait_for_role(&client);
        let whole = format!("[bob@{}] Role: SUBSCRIBER, topic sports", client.addr());
        (server.log_count(&whole) > 0).then_some(client)
    });
    let mut publisher = server.client("pub sports");
    for byte in "Grüße\r\n".as_bytes() {
        publisher.send([*byte]);
    }
    subscriber.assert_line(format!("[sports | FROM {}] : Grüße", publisher.addr()));
}

#[test]
fn ten_thousand_connects_and_disconnects() {
    let mut server = Server::start(2);
    let mut watch = Watch::new(&server);
    watch.check();
    let files = server.open_files();
    let round = |count: usize| {
        thread::scope(|scope| {
            for worker in 0..4 {
                let server = &server;
                scope.spawn(move || {
                    for number in 0..count / 4 {
                        let mut client = server.connect();
                        match (number + worker) % 5 {
                            0 => {}
                            1 => client.send("sub"),
                            2 => client.send("pub a\nhello\n"),
                            3 => client.send("SUBSCRIBER a/b last=3\n"),
                            _ => client.send("pub a\nhalf"),
                        }
                        // Half of them leave no TIME_WAIT behind. A subscriber that closes at once
                        // may still listen, as far as the server can tell.
                        let is_subscriber = (number + worker) % 5 == 1;
                        if number % 2 == 0 || is_subscriber { client.reset() } else { drop(client) }
                    }
                });
            }
        });
    };
    round(scaled(1000, 2000));
    let before = server.memory_kib();
    round(scaled(2000, 8000));
    eventually("all files closed", || (server.open_files() <= files).then_some(()));
    let after = server.memory_kib();
    assert!(after < before + 16 * 1024, "memory grew from {before} to {after} KiB");
    watch.check();
    server.assert_alive();
}

#[test]
fn a_reset_in_the_middle_of_a_message() {
    let server = Server::start(4);
    let mut watch = Watch::new(&server);
    let mut subscriber = server.client("SUBSCRIBER");
    let mut ends = Vec::new();
    for round in 0..20 {
        let mut publisher = server.client("pub ack=1");
        publisher.send(format!("whole {round}\n"));
        publisher.assert_line("OK");
        publisher.send("half of a mess");
        ends.push((round, publisher.addr()));
        publisher.reset();
        watch.check();
    }
    for (round, from) in ends {
        server.wait_for_end(&from);
        // Each was acknowledged before the next publisher came.
        subscriber.assert_line(format!("[FROM {from}] : whole {round}"));
    }
    let mut marker = server.client("pub");
    marker.send("marker\n");
    subscriber.assert_line(format!("[FROM {}] : marker", marker.addr()));
}

#[test]
fn a_subscriber_that_is_reset_in_the_middle_of_its_messages() {
    let mut server = Server::start(2);
    let mut steady = server.client("sub");
    let mut publisher = server.client("pub ack=1");
    for number in 0..50 {
        let leaver = server.slow_subscriber("SUBSCRIBER");
        publisher.send(format!("{number} {}\n", "x".repeat(200_000)));
        publisher.assert_line("OK");
        leaver.reset();
        assert!(steady.line().contains(&format!("]: {number} x")));
    }
    server.assert_alive();
}

#[test]
fn cr_and_lf_tricks() {
    let server = Server::start(2);
    let mut subscriber = server.client("sub format=json");
    let mut publisher = server.connect();
    publisher.send(b"\r\n\r\n pub \r\n\r\r\n\n\r\na\rb\r\n\rc\n");
    for expected in ["a\rb", "\rc"] {
        let value: serde_json::Value = serde_json::from_str(&subscriber.line()).expect("JSON");
        assert_eq!(value["payload"], expected);
    }
    publisher.send("\rterminate\r\n");
    publisher.assert_end();
}

#[test]
fn many_messages_over_the_limit_at_once() {
    let mut server = Server::start(2);
    let mut watch = Watch::new(&server);
    let before = server.memory_kib();
    thread::scope(|scope| {
        for _ in 0..8 {
            let server = &server;
            scope.spawn(move || {
                for _ in 0..scaled(3, 10) {
                    let mut client = server.client("pub");
                    client.try_send(vec![b'x'; 3 * MESSAGE_MAX]);
                    client.assert_line(format!("Message too long: limit is {MESSAGE_MAX} bytes"));
                    client.assert_end();
                }
            });
        }
    });
    watch.check();
    let after = server.memory_kib();
    assert!(after < before + 64 * 1024, "memory grew from {before} to {after} KiB");
    server.assert_alive();
}

/// Nothing to do, nothing done: no timer runs for clients that are silent.
#[test]
fn an_idle_server_uses_no_cpu() {
    let server = Server::start(4);
    let clients: Vec<Client> = (0..100).map(|_| server.client("sub")).collect();
    // What is left of the beginning (history, log) is over when two looks are alike.
    eventually("a quiet second", || {
        let before = server.cpu_ticks();
        // The subject: time that passes.
        thread::sleep(Duration::from_secs(1));
        (server.cpu_ticks() - before <= 2).then_some(())
    });
    drop(clients);
}
