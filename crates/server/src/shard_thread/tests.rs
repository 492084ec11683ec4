//! Shards' threads without threads: their turns are taken by the test, in the order that it wants.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use broker::{Gauge, Stats};
use frontend::{Handover, Spoken, TopicPrompt};
use mio::Waker;

use super::*;
use crate::turn::READ_CALL;

/// Two shards that share one account.
struct Pair {
    shards: [ShardThread; 2],
    mailboxes: Arc<[Mailbox]>,
    ready: Events,
    clock: Clock,
}

impl Pair {
    fn new(limits: Limits) -> Self {
        let (limits, station_limits) = (Arc::new(limits.clone()), Arc::new(limits.station));
        let polls = [0, 1].map(|_| Poll::new().unwrap());
        let mailboxes: Arc<[Mailbox]> =
            polls.iter().map(|poll| Mailbox::new(Waker::new(poll.registry(), WAKER).unwrap(), 2)).collect();
        let (events, _) = EventSink::new(100);
        let (clock, gauge, loads) = (Clock::new(), Gauge::new(), Loads::new(2));
        let web = web::Sender::to_nobody();
        let mut own = 0..;
        let shards = polls.map(|poll| {
            ShardThread::new(Setup {
                config: StationConfig {
                    own: ShardId(own.next().unwrap()),
                    shards: 2,
                    limits: Arc::clone(&station_limits),
                    seed: 1,
                    home_seed: 1,
                    epoch: 1,
                    web: Arc::default(),
                    gauge: gauge.clone(),
                },
                limits: Arc::clone(&limits),
                rules: vec![Rules {
                    limits: Arc::clone(&station_limits),
                    spoken: Spoken::AnyProtocol,
                    topic_prompt: TopicPrompt::Off,
                }],
                clock,
                poll,
                mailboxes: Arc::clone(&mailboxes),
                events: events.clone(),
                loads: loads.clone(),
                web: web.clone(),
            })
        });
        Self { shards, mailboxes, ready: Events::with_capacity(64), clock }
    }

    fn send(&self, shard: usize, parcel: Parcel) {
        self.mailboxes[shard].push(Sender::Control, vec![parcel]);
    }

    /// A client of this shard that has said `hello`.
    fn connect(&mut self, shard: usize, hello: &str) -> Client {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.write_all(hello.as_bytes()).unwrap();
        let (accepted, addr) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        let hand_off = HandOff {
            stream: mio::net::TcpStream::from_std(accepted),
            listener: 0,
            handover: Handover::accepted(addr, self.clock.now().mono),
        };
        // As accepting counts it.
        self.shards[shard].loads.began(shard);
        self.send(shard, Parcel::Connection(Box::new(hand_off)));
        Client { stream, heard: String::new() }
    }

    /// One turn, which does not wait.
    fn turn(&mut self, shard: usize) -> Then {
        self.mailboxes[shard].wake();
        self.shards[shard].turn(&mut self.ready).unwrap()
    }

    /// Some turns of a shard that is not to end in them.
    fn turns(&mut self, shard: usize, count: usize) {
        for _ in 0..count {
            assert_eq!(self.turn(shard), Then::GoOn);
        }
    }

    /// Turns of both until it is so.
    fn turn_until(&mut self, mut is_so: impl FnMut(&Self) -> bool) {
        for _ in 0..10_000 {
            if is_so(self) {
                return;
            }
            self.turn(0);
            self.turn(1);
        }
        panic!("it is never so");
    }

    fn stats(&self, shard: usize) -> Stats {
        self.shards[shard].station.shard().stats()
    }

    /// Whether the only client of this shard is a subscriber whose subscription stands.
    fn stands(&self, shard: usize) -> bool {
        let ShardThread { station, sockets, .. } = &self.shards[shard];
        let subscribed = station.shard().stats().subscriptions == 1;
        subscribed && sockets.iter().all(|(conn, _)| !station.is_asking(conn))
    }

    /// A subscriber of shard 1 and a publisher of shard 0, to one topic.
    fn subscriber_and_publisher(&mut self) -> (Client, Client) {
        // The first one, that nobody hears: a publisher moves to the shard that hears it.
        let publisher = self.connect(0, "PUBLISHER news\nunheard\n");
        self.turn_until(|pair| pair.stats(0).accepted == 1);
        let subscriber = self.connect(1, "SUBSCRIBER news time=0\n");
        self.turn_until(|pair| pair.stands(1));
        (subscriber, publisher)
    }
}

struct Client {
    stream: TcpStream,
    heard: String,
}

impl Client {
    fn say(&mut self, line: &str) {
        self.stream.write_all(line.as_bytes()).unwrap();
    }

    /// The lines that have come.
    fn lines(&mut self) -> Vec<&str> {
        let mut bytes = Vec::new();
        if let Err(error) = self.stream.read_to_end(&mut bytes) {
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
        }
        self.heard += std::str::from_utf8(&bytes).unwrap();
        self.heard.lines().map(|line| line.rsplit("] : ").next().unwrap()).collect()
    }
}

/// A publisher sends `count` messages, each of them mail of its own that nobody takes.
fn publish(pair: &mut Pair, publisher: &mut Client, count: u64) {
    let before = pair.stats(0).accepted;
    for number in 0..count {
        publisher.say(&format!("{number}\n"));
        for _ in 0..10_000 {
            if pair.stats(0).accepted > before + number {
                break;
            }
            pair.turn(0);
        }
    }
    assert_eq!(pair.stats(0).accepted, before + count);
}

fn one_mail_per_turn() -> Limits {
    let mut limits = Limits::default();
    limits.station.mail_turn_bytes_max = 1;
    limits
}

#[test]
fn a_shard_is_quiet_once_it_has_taken_what_was_sent() {
    let mut pair = Pair::new(one_mail_per_turn());
    let (mut subscriber, mut publisher) = pair.subscriber_and_publisher();
    publish(&mut pair, &mut publisher, 10);
    let (quiet, told) = mpsc::channel();
    pair.send(1, Parcel::Order(Order::Quiesce(quiet)));
    let mut turns = 0;
    while told.try_recv().is_err() {
        turns += 1;
        assert!(turns < 100, "it is told in the end");
        pair.turn(1);
    }
    assert_eq!(subscriber.lines().len(), 10, "after {turns} turns");
}

/// What it was asked by another shard, in the same turn, is answered before it is quiet.
#[test]
fn a_shard_is_quiet_once_its_mail_is_out() {
    let mut pair = Pair::new(Limits::default());
    let _subscriber = pair.connect(1, "SUBSCRIBER news\n");
    pair.turn(1); // asks
    let (quiet, told) = mpsc::channel();
    pair.send(0, Parcel::Order(Order::Quiesce(quiet)));
    pair.turn(0); // asserts that it has sent what it has
    told.try_recv().expect("it had little to do");
    assert!(!pair.stands(1), "it has not taken the answer");
    pair.turn(1);
    assert!(pair.stands(1));
}

#[test]
fn a_subscriber_is_told_if_a_shard_does_not_answer() {
    let mut limits = Limits::default();
    limits.station.core.grant_time = Duration::ZERO;
    let mut pair = Pair::new(limits);
    let mut subscriber = pair.connect(1, "SUBSCRIBER news\n");
    pair.turns(1, 2);
    assert_eq!(subscriber.lines(), ["No answer to the subscription in time: try again later"]);
}

#[test]
fn a_quiet_shard_reads_nothing() {
    let mut pair = Pair::new(Limits::default());
    let (_subscriber, mut publisher) = pair.subscriber_and_publisher();
    let (quiet, told) = mpsc::channel();
    pair.send(0, Parcel::Order(Order::Quiesce(quiet)));
    publisher.say("late\n");
    pair.turns(0, 10);
    told.try_recv().expect("it had nothing to do");
    assert_eq!(pair.stats(0).accepted, 1);
}

#[test]
fn a_drain_begins_when_all_mail_is_taken() {
    let mut pair = Pair::new(one_mail_per_turn());
    let (mut subscriber, mut publisher) = pair.subscriber_and_publisher();
    publish(&mut pair, &mut publisher, 10);
    let (done, given_up) = mpsc::channel();
    pair.send(1, Parcel::Order(Order::Drain { time: Duration::from_secs(60), done }));
    pair.turns(1, 30);
    let numbers = (0..10).map(|number| number.to_string()).chain(["terminate".to_owned()]);
    assert_eq!(subscriber.lines(), numbers.collect::<Vec<_>>());
    drop(subscriber);
    while pair.turn(1) == Then::GoOn {}
    assert_eq!(given_up.try_recv(), Ok(0));
}

/// A publisher that was handed over just before is with the mail: a shard that is told to be quiet
/// has taken it first, and so has one that is told to drain.
#[test]
fn a_publisher_on_its_way_comes_before_the_order() {
    let mut pair = Pair::new(Limits::default());
    let mut subscriber = pair.connect(1, "SUBSCRIBER news time=0\n");
    pair.turn_until(|pair| pair.stands(1));
    let _publisher = pair.connect(0, "PUBLISHER news\nHello\n");
    for _ in 0..10_000 {
        if !pair.shards[0].sockets.is_empty() {
            break;
        }
        pair.turn(0);
    }
    pair.turn(0);
    assert!(pair.shards[0].sockets.is_empty(), "it is on its way");
    let (quiet, _told) = mpsc::channel();
    pair.send(1, Parcel::Order(Order::Quiesce(quiet)));
    let (done, _given_up) = mpsc::channel();
    pair.send(1, Parcel::Order(Order::Drain { time: Duration::from_secs(60), done }));
    pair.turns(1, 10);
    assert_eq!(subscriber.lines(), ["Hello", "terminate"]);
}

/// Newcomers stand in the line of those who send much; who has been read a few times and sent
/// little stands in the other one.
#[test]
fn a_turn_ends_when_its_budget_is_spent() {
    const PUBLISHERS: u64 = 40;
    let limits = Limits { phase_work_max: Duration::from_nanos(4 * READ_CALL), ..Limits::default() };
    let mut pair = Pair::new(limits);
    let mut publishers: Vec<Client> = (0..PUBLISHERS).map(|_| pair.connect(0, "PUBLISHER\nx\n")).collect();
    pair.turn_until(|pair| pair.stats(0).accepted == PUBLISHERS);
    for round in 2..10 {
        publishers.iter_mut().for_each(|publisher| publisher.say("y\n"));
        let mut turns = 0;
        while pair.stats(0).accepted < round * PUBLISHERS {
            let before = pair.stats(0).accepted;
            pair.turn(0);
            let read = pair.stats(0).accepted - before;
            assert!(read <= 4, "{read} were read in one turn of round {round}");
            turns += 1;
            assert!(turns < 10_000, "somebody is never read");
        }
    }
}

#[test]
fn a_shard_whose_mail_is_not_taken_stops_reading() {
    let limits = Limits { mail_bytes_max: 10_000, ..Limits::default() };
    let mut pair = Pair::new(limits);
    let (mut subscriber, mut publisher) = pair.subscriber_and_publisher();
    let mut sent = 0;
    let mut accepted = u64::MAX;
    while std::mem::replace(&mut accepted, pair.stats(0).accepted) != pair.stats(0).accepted {
        publisher.say(&format!("{}\n", "x".repeat(1000)));
        sent += 1;
        pair.turns(0, 20);
        assert!(sent < 20, "it reads on and on");
    }
    assert!(sent > 8, "it has stopped after {sent} KB");
    pair.turn_until(|pair| pair.stats(0).accepted == 1 + sent);
    pair.turn(1);
    assert_eq!(subscriber.lines().len() as u64, sent);
}

/// An operator's word about a client that has gone is not about the one that has its place now.
#[test]
fn a_slot_s_next_client_has_another_id() {
    let mut pair = Pair::new(Limits::default());
    let mut goes = pair.connect(0, "SUBSCRIBER\n");
    pair.turn_until(|pair| pair.stands(0));
    let only = |pair: &Pair| pair.shards[0].sockets.iter().map(|(conn, _)| conn).collect::<Vec<_>>();
    let old = only(&pair)[0];
    goes.say("terminate\n");
    drop(goes);
    pair.turn_until(|pair| pair.shards[0].sockets.is_empty());
    let mut stays = pair.connect(0, "SUBSCRIBER\n");
    pair.turn_until(|pair| pair.stands(0));
    let new = only(&pair)[0];
    assert_eq!(new.slot, old.slot, "the slot is used again");
    pair.send(0, Parcel::Order(Order::Kick(old)));
    pair.turns(0, 5);
    assert_eq!(stays.lines(), [""; 0]);
    pair.send(0, Parcel::Order(Order::Kick(new)));
    pair.turns(0, 5);
    assert_eq!(stays.lines(), ["terminate"]);
}

/// Its socket goes with what was said, and the shard has no part in it any more. This web thread has
/// no place for anyone, and says so.
#[test]
fn a_request_of_operators_is_handed_on() {
    let mut pair = Pair::new(Limits::default());
    let mut client = pair.connect(0, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n");
    pair.turn_until(|pair| pair.shards[0].loads.connections() == 0);
    assert_eq!(pair.shards[0].sockets.len(), 0);
    assert!(client.lines()[0].starts_with("HTTP/1.1 503 "));
    let report = pair.shards[0].report(pair.clock.now(), 0);
    assert_eq!((report.census, report.closed), (frontend::Census::default(), Closings::default()));
}

#[test]
fn every_turn_and_every_ending_is_counted() {
    let mut pair = Pair::new(Limits::default());
    let client = pair.connect(0, "PUBLISHER news\n");
    pair.turn_until(|pair| pair.shards[0].station.census().publishers == 1);
    let before = pair.shards[0].report(pair.clock.now(), 0);
    drop(client);
    pair.turns(0, 7);
    let after = pair.shards[0].report(pair.clock.now(), 0);
    assert_eq!(after.turns.count() - before.turns.count(), 7);
    assert!(after.turns.sum_nanos > before.turns.sum_nanos);
    let ended = |report: &ShardReport| report.closed.by_reason().map(|(_, count)| count).sum::<u64>();
    assert_eq!((ended(&before), ended(&after)), (0, 1));
}
