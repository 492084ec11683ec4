//! Who says nothing more may still want to hear: clients that close their sending half, and
//! clients that say goodbye and read nothing.

mod support;

use std::thread;
use std::time::{Duration, Instant};

use support::{Client, Server, Start, eventually};

/// The server takes an end for a part of the hello if it comes within this time behind it.
const WITH_HELLO: Duration = Duration::from_millis(250);

/// A client that closes its sending half with its hello. An attempt in which the test itself was
/// held up in between does not count.
#[track_caller]
fn says_and_closes(mut connect: impl FnMut() -> Client, hello: &str) -> Client {
    eventually("an undisturbed attempt", || {
        let mut client = connect();
        let began = Instant::now();
        client.send(hello);
        client.half_close();
        (began.elapsed() < WITH_HELLO).then_some(client)
    })
}

/// `printf 'sub\n' | nc -N`: it closes its sending half with its hello and goes on to hear.
#[test]
fn a_subscriber_that_closes_its_sending_half_with_its_hello_hears() {
    let server = Server::start(2);
    for hello in ["sub", "sub\n", "SUBSCRIBER\n", "sub a\n"] {
        let mut subscriber = says_and_closes(|| server.connect(), hello);
        server.wait_for_role(&subscriber);
        let mut publisher = server.client("pub a ack=1");
        for number in 0..3 {
            publisher.send(format!("{number}\n"));
            publisher.assert_line("OK");
            assert!(subscriber.line().ends_with(&number.to_string()), "after {hello:?}");
        }
        let addr = subscriber.addr();
        drop(subscriber);
        // The first message finds out that nobody is there, the second that the socket is broken.
        eventually("the end of the subscriber", || {
            publisher.send("anyone?\n");
            // Accepted, or the next subscriber would hear it.
            publisher.assert_line("OK");
            (server.log_count(&format!("Client disconnected: {addr}, ")) > 0).then_some(())
        });
    }
}

/// `printf 'sub last=2\n' | nc -N`: what it asked for is the past, and then it is done.
#[test]
fn one_that_asks_for_history_gets_it_and_the_end() {
    for shards in [1, 4] {
        let server = Server::start(shards);
        let mut publisher = server.client("pub a ack=1");
        for number in 0..5 {
            publisher.send(format!("{number}\n"));
            publisher.assert_line("OK");
        }
        for (hello, expected) in [("sub a last=2\n", 2), ("sub # since=1h\n", 5), ("sub b last=2", 0)] {
            let mut subscriber = says_and_closes(|| server.connect(), hello);
            assert_eq!(subscriber.rest_lines().len(), expected, "after {hello:?}");
            server.wait_for_end(&subscriber.addr());
        }
    }
}

/// Answers are owed to a publisher that has closed its sending half and reads slowly. There are
/// more than the kernel keeps for a socket on its way, and the publisher takes only so many that
/// the server sees the end: some still wait for their turn then.
#[test]
fn every_answer_is_given_before_the_end() {
    let server = Server::start(1);
    let mut publisher = Client::connect_with_little_room(server.port());
    let count = 1_200_000;
    publisher.send("pub ack=1\n");
    let mut sender = publisher.sender();
    thread::scope(|scope| {
        let sent = scope.spawn(move || {
            std::io::Write::write_all(&mut sender, "a\n".repeat(count).as_bytes()).expect("it is read");
            sender.shutdown(std::net::Shutdown::Write).expect("an open socket");
        });
        let mut answers = 0;
        while !sent.is_finished() || !server.has_read(&publisher) {
            answers += publisher.lines(500).len();
        }
        assert!(answers < count, "the end was seen too late for this test");
        assert_eq!(answers + publisher.rest_lines().len(), count);
    });
}

/// A connection that has ended and takes nothing is closed after `drain_time` (5 s), not when the
/// kernel gives it up after two minutes.
#[test]
fn one_that_ends_and_reads_nothing_is_closed_soon() {
    let server = Start::with(&["--shards", "1"]).run();
    // Everything is open that stays open once somebody has come and gone.
    let first = server.client("pub");
    let addr = first.addr();
    drop(first);
    server.wait_for_end(&addr);
    let files = server.open_files();
    let mut stuck = server.slow_subscriber("SUBSCRIBER news");
    let mut publisher = server.client("pub news ack=1");
    for _ in 0..100 {
        publisher.send(format!("{}\n", "x".repeat(100_000)));
        publisher.assert_line("OK");
    }
    stuck.send("terminate\n");
    server.wait_for_end(&stuck.addr());
    drop(publisher);
    eventually("the socket is closed", || (server.open_files() <= files).then_some(()));
}

/// A full socket that becomes writable again names the end of the other direction once more: that
/// is no second goodbye (what was queued was lost without a word).
#[test]
fn a_listener_whose_socket_was_full_hears_the_rest() {
    let server = Server::start(1);
    let mut subscriber =
        says_and_closes(|| Client::connect_with_little_room(server.port()), "SUBSCRIBER t\n");
    server.wait_for_role(&subscriber);
    // The subject: an end that is named so late is not a part of the hello any more.
    thread::sleep(WITH_HELLO);
    let mut publisher = server.client("pub t ack=1");
    let (count, text) = (7000, "x".repeat(1000));
    for number in 0..count {
        publisher.send(format!("{number} {text}\n"));
        publisher.assert_line("OK");
    }
    let mut heard = 0;
    while heard < count {
        let line = subscriber.line();
        match line.strip_prefix("[GAP ") {
            Some(gap) => {
                heard += gap.split(' ').next().and_then(|n| n.parse::<u64>().ok()).expect("a number")
            }
            None => {
                assert!(line.contains(&format!("] : {heard} x")), "{heard} is missing: {line:.60}");
                heard += 1;
            }
        }
    }
}

/// Those who listen are bounded, and who has gone leaves no trace there: many short ones end nobody.
#[test]
fn listeners_that_go_do_not_end_one_that_stays() {
    let server = Server::start(1);
    let mut stays = says_and_closes(|| server.connect(), "sub x\n");
    server.wait_for_role(&stays);
    for _ in 0..1200 {
        let mut short = server.connect();
        short.send("sub y last=1\n");
        short.half_close();
        short.assert_end();
    }
    // Not by the log: it leaves out what so many connections make it miss.
    let mut publisher = server.connect();
    publisher.send("pub x ack=1\nhello\n");
    publisher.assert_line("OK");
    assert!(stays.line().ends_with(": hello"));
}
