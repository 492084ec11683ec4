//! The testing checklist of the document "Multi-Client Pub/Sub", with many clients of mixed kinds.

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use support::{Client, PROMPT, Server, scaled};

const PUBLISHERS: usize = 20;
const SUBSCRIBERS: usize = 20;

/// Who speaks first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Client,
    Server,
}

/// One way to publish.
struct PublisherKind {
    hello: &'static str,
    first: First,
    topic: &'static str,
    name: Option<&'static str>,
}

const PUBLISHER_KINDS: [PublisherKind; 5] = [
    PublisherKind { hello: "PUBLISHER\n", first: First::Client, topic: "broadcast", name: None },
    PublisherKind { hello: "pub", first: First::Client, topic: "broadcast", name: None },
    PublisherKind { hello: "PUBLISHER", first: First::Server, topic: "broadcast", name: None },
    PublisherKind { hello: "pub:sports\r\n", first: First::Client, topic: "sports", name: None },
    PublisherKind {
        hello: "PUBLISHER news name=alice ack=1\n",
        first: First::Client,
        topic: "news",
        name: Some("alice"),
    },
];

/// One way to subscribe, and how a line of it looks.
struct SubscriberKind {
    hello: &'static str,
    first: First,
    only: Option<&'static str>,
    line: fn(&Sent) -> String,
}

/// A publisher as its messages tell it, and one message.
struct Sent {
    topic: &'static str,
    name: String,
    port: u16,
    text: String,
}

const SUBSCRIBER_KINDS: [SubscriberKind; 5] = [
    SubscriberKind {
        hello: "SUBSCRIBER\n",
        first: First::Client,
        only: None,
        line: |s| format!("[FROM {}127.0.0.1:{}] : {}", s.name, s.port, s.text),
    },
    SubscriberKind {
        hello: "sub",
        first: First::Client,
        only: None,
        line: |s| format!("[('{}127.0.0.1', {})]: {}", s.name, s.port, s.text),
    },
    SubscriberKind {
        hello: "SUBSCRIBER",
        first: First::Server,
        only: None,
        line: |s| format!("[FROM {}127.0.0.1:{}] : {}", s.name, s.port, s.text),
    },
    SubscriberKind {
        hello: "sub:sports\n",
        first: First::Client,
        only: Some("sports"),
        line: |s| format!("[{}] ('{}127.0.0.1', {}): {}", s.topic, s.name, s.port, s.text),
    },
    SubscriberKind {
        hello: "sub name=bob format=json\r\n",
        first: First::Client,
        only: None,
        line: |s| {
            let name = s.name.strip_suffix('@');
            serde_json::json!({
                "topic": s.topic, "payload": s.text, "publisher": format!("127.0.0.1:{}", s.port), "name": name
            })
            .to_string()
        },
    },
];

/// A JSON line without time and id and with a name in any case, as [`SUBSCRIBER_KINDS`] writes it.
fn comparable(line: &str) -> String {
    if !line.starts_with('{') {
        return line.to_owned();
    }
    let mut value: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let object = value.as_object_mut().expect("an object");
    object.remove("time").expect("a time");
    object.remove("id").expect("an id");
    object.entry("name").or_insert(serde_json::Value::Null);
    value.to_string()
}

fn open(server: &Server, hello: &str, first: First) -> Client {
    let mut client = server.connect();
    if first == First::Server {
        client.assert_bytes(PROMPT);
    }
    client.send(hello);
    server.wait_for_role(&client);
    if first == First::Server && hello.starts_with("SUB") {
        client.assert_line("Waiting for messages...");
    }
    client
}

/// Sends `count` messages; an unframed client waits for `heard`, so that each is one read.
fn publish(mut client: Client, kind: &PublisherKind, count: usize) -> Client {
    for number in 0..count {
        let text = format!("message {number} of {}", client.port());
        let framed = kind.hello.ends_with('\n');
        client.send(if framed { format!("{text}\n") } else { format!("{text}\r\n") });
    }
    if kind.hello.contains("ack=1") {
        assert!(client.lines(count).iter().all(|line| line == "OK"));
    }
    client
}

/// The lines that this kind of subscriber gets from all publishers, by publisher and in order.
fn expected(
    kind: &SubscriberKind,
    publishers: &[(u16, &PublisherKind)],
    count: usize,
) -> BTreeMap<u16, Vec<String>> {
    let heard = publishers.iter().filter(|(_, p)| kind.only.is_none_or(|topic| topic == p.topic));
    let lines = heard.map(|(port, p)| {
        let line = |number| {
            let name = p.name.map_or_else(String::new, |name| format!("{name}@"));
            let text = format!("message {number} of {port}");
            comparable(
                &(kind.line)(&Sent { topic: p.topic, name, port: *port, text })
                    .replace("}", ",\"time\":0,\"id\":0}"),
            )
        };
        (*port, (0..count).map(line).collect())
    });
    lines.collect()
}

/// Whose message a line is: the text of each ends with its publisher's port.
fn port_of(line: &str) -> u16 {
    let (_, rest) = line.split_once(" of ").expect("a message of this test");
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().expect("a port")
}

fn everyone_hears_everything(shards: u8) {
    let server = Server::start(shards);
    let count = scaled(50, 1000);
    let subscribers: Vec<_> = SUBSCRIBER_KINDS.iter().cycle().take(SUBSCRIBERS).collect();
    let publishers: Vec<_> = PUBLISHER_KINDS.iter().cycle().take(PUBLISHERS).collect();
    let (mut listening, sending): (Vec<Client>, Vec<Client>) = thread::scope(|scope| {
        let server = &server;
        let open = |hello, first| scope.spawn(move || open(server, hello, first));
        let listening: Vec<_> = subscribers.iter().map(|kind| open(kind.hello, kind.first)).collect();
        let sending: Vec<_> = publishers.iter().map(|kind| open(kind.hello, kind.first)).collect();
        let all = |threads: Vec<thread::ScopedJoinHandle<'_, Client>>| {
            threads.into_iter().map(|thread| thread.join().expect("a client")).collect()
        };
        (all(listening), all(sending))
    });
    let ports: Vec<_> = sending.iter().map(Client::port).zip(publishers.iter().copied()).collect();
    thread::scope(|scope| {
        for (client, kind) in sending.into_iter().zip(&publishers) {
            // The client comes back and closes only then.
            scope.spawn(move || publish(client, kind, count));
        }
        for (client, kind) in listening.iter_mut().zip(&subscribers) {
            let expected = expected(kind, &ports, count);
            scope.spawn(move || {
                let mut got: BTreeMap<u16, Vec<String>> = BTreeMap::new();
                for _ in 0..expected.values().map(Vec::len).sum() {
                    let line = comparable(&client.line());
                    got.entry(port_of(&line)).or_default().push(line);
                }
                assert_eq!(got, expected, "{}", kind.hello);
            });
        }
    });
    assert!(server.terminate().success());
    for mut client in listening {
        assert_eq!(client.rest_lines(), ["terminate"], "nothing twice, nothing more");
    }
}

#[test]
fn everyone_hears_everything_on_one_shard() {
    everyone_hears_everything(1);
}

#[test]
fn everyone_hears_everything_on_two_shards() {
    everyone_hears_everything(2);
}

#[test]
fn everyone_hears_everything_on_four_shards() {
    everyone_hears_everything(4);
}

/// A publisher may send its hello and a lot behind it before the server has read anything; where
/// the server puts it must not show. It is on the subscriber's shard in one of two rounds.
#[test]
fn a_burst_behind_the_hello_keeps_its_order() {
    let server = Server::start(2);
    let count = 40_000;
    for round in 0..8 {
        let mut subscriber = server.client(&format!("SUBSCRIBER t{round}"));
        let mut publisher = server.connect();
        let mut text = format!("pub t{round}\n");
        text.extend((0..count).map(|number| format!("{number:08}\n")));
        text += "terminate\n";
        publisher.send(text);
        let head = format!("[t{round} | FROM {}] : ", publisher.addr());
        for number in 0..count {
            subscriber.assert_line(format!("{head}{number:08}"));
        }
        publisher.assert_end();
    }
}

/// Subscribers and publishers that come, go, break off and reset while others talk, as long as
/// they do so.
fn disconnects_harm_nobody(shards: u8) {
    let server = Server::start(shards);
    let mut steady: Vec<Client> = (0..3).map(|_| server.client("SUBSCRIBER news")).collect();
    let publishers: Vec<Client> = (0..3).map(|_| server.client("pub news ack=1")).collect();
    let ports: Vec<u16> = publishers.iter().map(Client::port).collect();
    let others = AtomicUsize::new(2);
    thread::scope(|scope| {
        for mut publisher in publishers {
            let others = &others;
            scope.spawn(move || {
                let mut say = |what: &str| {
                    publisher.send(format!("{what} of {}\n", publisher.port()));
                    publisher.assert_line("OK");
                };
                (0..).take_while(|_| others.load(Ordering::Relaxed) > 0).for_each(|n| say(&n.to_string()));
                say("end");
                publisher.send("terminate\n");
                publisher.assert_end();
            });
        }
        for kind in 0..2 {
            let (server, others) = (&server, &others);
            scope.spawn(move || {
                let _over = Over(others);
                restless(server, kind);
            });
        }
        for client in &mut steady {
            let ports = &ports;
            scope.spawn(move || {
                let mut next: BTreeMap<u16, usize> = ports.iter().map(|port| (*port, 0)).collect();
                while !next.is_empty() {
                    let line = client.line();
                    let port = port_of(&line);
                    let head = format!("[news | FROM 127.0.0.1:{port}] : ");
                    let number = next.get_mut(&port).expect("one of the three");
                    if line == format!("{head}end of {port}") {
                        next.remove(&port);
                        continue;
                    }
                    assert_eq!(line, format!("{head}{number} of {port}"));
                    *number += 1;
                }
            });
        }
    });
    assert!(server.terminate().success());
    for mut client in steady {
        assert_eq!(client.rest_lines(), ["terminate"]);
    }
}

/// One less, also if its thread panics.
struct Over<'a>(&'a AtomicUsize);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Clients that end in every way, in the middle of everything.
fn restless(server: &Server, kind: usize) {
    for round in 0..scaled(40, 200) {
        let mut subscriber = server.connect();
        subscriber.send(if kind == 0 { "sub\n" } else { "SUBSCRIBER news last=10\n" });
        let mut publisher = server.connect();
        publisher.send("pub elsewhere\nwhole\nhalf a mess");
        match round % 4 {
            0 => drop((subscriber, publisher)),
            1 => {
                subscriber.reset();
                publisher.reset();
            }
            2 => {
                subscriber.send("terminate\n");
                publisher.half_close();
                publisher.rest();
            }
            _ => {
                subscriber.half_close();
                publisher.send("age\n");
                publisher.reset();
            }
        }
    }
}

#[test]
fn disconnects_harm_nobody_on_one_shard() {
    disconnects_harm_nobody(1);
}

#[test]
fn disconnects_harm_nobody_on_four_shards() {
    disconnects_harm_nobody(4);
}
