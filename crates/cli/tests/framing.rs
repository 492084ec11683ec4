//! Framing: what is one message, however the bytes arrive.

mod support;

use support::{Client, MESSAGE_MAX, Server};

/// A server with one subscriber that shows what publishers send.
struct Scene {
    server: Server,
    subscriber: Client,
}

impl Scene {
    fn new() -> Self {
        let server = Server::start(2);
        let subscriber = server.client("sub");
        Self { server, subscriber }
    }

    /// A publisher whose hello came as these bytes.
    fn publisher(&self, hello: &str) -> Client {
        let mut publisher = self.server.connect();
        publisher.send(hello);
        self.server.wait_for_role(&publisher);
        publisher
    }

    /// The next messages are these, and all of them are from this publisher.
    #[track_caller]
    fn assert_messages(&mut self, from: &Client, texts: &[&str]) {
        for text in texts {
            self.subscriber.assert_line(format!("[('127.0.0.1', {})]: {text}", from.port()));
        }
    }

    /// Nothing else has been delivered.
    #[track_caller]
    fn assert_nothing_more(&mut self) {
        let mut marker = self.publisher("pub\n");
        marker.send("marker\n");
        self.assert_messages(&marker, &["marker"]);
    }
}

#[test]
fn a_newline_ends_a_message_and_a_cr_before_it_is_dropped() {
    let mut scene = Scene::new();
    let mut publisher = scene.publisher("pub\n");
    publisher.send("one\r\ntwo\n three \nfour\r\r\nmid\rdle\n");
    scene.assert_messages(&publisher, &["one", "two", " three ", "four\\r", "mid\\rdle"]);
    scene.assert_nothing_more();
}

#[test]
fn a_framed_message_may_come_in_any_pieces() {
    let mut scene = Scene::new();
    let mut publisher = scene.publisher("pub\r\n");
    for byte in "Grüße\r\n🎉\n".as_bytes() {
        publisher.send([*byte]);
    }
    scene.assert_messages(&publisher, &["Grüße", "🎉"]);
    publisher.send("first\nsec");
    scene.assert_messages(&publisher, &["first"]);
    publisher.send("ond\nthi");
    scene.assert_messages(&publisher, &["second"]);
    publisher.send("rd\n");
    scene.assert_messages(&publisher, &["third"]);
}

#[test]
fn blank_messages_are_ignored() {
    let mut scene = Scene::new();
    let mut publisher = scene.publisher("pub\n");
    publisher.send("\n\r\n   \n\t\none\n\n\n");
    scene.assert_messages(&publisher, &["one"]);
    scene.assert_nothing_more();
    let mut unframed = scene.publisher("pub");
    unframed.send("  ");
    unframed.send("two");
    // Two sends may be one read: what counts is that no blank message comes.
    let line = scene.subscriber.line();
    assert_eq!(line.trim_end().rsplit_once(' ').expect("words").1, "two", "{line}");
}

#[test]
fn a_read_ends_a_message_of_an_unframed_client() {
    let mut scene = Scene::new();
    let mut publisher = scene.publisher("PUBLISHER");
    for text in ["one", "two words", "three"] {
        publisher.send(text);
        scene.assert_messages(&publisher, &[text]);
    }
    publisher.send("four\nfive");
    scene.assert_messages(&publisher, &["four", "five"]);
    publisher.send("six\r\n");
    scene.assert_messages(&publisher, &["six"]);
    scene.assert_nothing_more();
}

#[test]
fn a_role_and_its_newline_in_two_segments_are_framed() {
    for newline in ["\n", "\r\n"] {
        let mut scene = Scene::new();
        let mut publisher = scene.publisher("PUBLISHER");
        publisher.send(newline);
        publisher.send("whole\nhal");
        scene.assert_messages(&publisher, &["whole"]);
        publisher.send("f\n");
        scene.assert_messages(&publisher, &["half"]);
        publisher.send("unfinished");
        let addr = publisher.addr();
        drop(publisher);
        scene.server.wait_for_end(&addr);
        scene.assert_nothing_more();
    }
}

#[test]
fn a_character_split_over_two_sends_is_put_together() {
    let mut scene = Scene::new();
    for (before, character, after) in [("caf", "é", "!"), ("5 ", "€", ""), ("", "🎉", "🎉")] {
        for split in 1..character.len() {
            let mut publisher = scene.publisher("pub");
            let (head, tail) = character.as_bytes().split_at(split);
            publisher.send([before.as_bytes(), head].concat());
            // What came before the character is a message; it says that the rest was read.
            if before.is_empty() {
                publisher.send(tail);
            } else {
                scene.assert_messages(&publisher, &[before]);
                publisher.send(tail);
            }
            let mut got = String::new();
            publisher.send(after);
            while got != format!("{character}{after}") {
                let line = scene.subscriber.line();
                got += line.split_once(")]: ").expect("a message").1;
                assert!(format!("{character}{after}").starts_with(&got), "{line}");
            }
        }
    }
}

#[test]
fn an_unfinished_framed_message_is_dropped_and_an_unframed_one_is_delivered() {
    let mut scene = Scene::new();
    let mut framed = scene.publisher("pub\n");
    framed.send("whole\nunfinished");
    let from = framed.addr();
    scene.assert_messages(&framed, &["whole"]);
    drop(framed);
    scene.server.wait_for_end(&from);
    scene.assert_nothing_more();
    let mut unframed = scene.publisher("pub");
    unframed.send("last words");
    unframed.half_close();
    unframed.assert_end();
    scene.assert_messages(&unframed, &["last words"]);
    // The beginning of a character waits for the rest, and no longer than until the end.
    let mut unframed = scene.publisher("pub");
    unframed.send(b"\xc3");
    unframed.half_close();
    unframed.assert_end();
    scene.assert_messages(&unframed, &["\\xc3"]);
}

#[test]
fn terminate_counts_only_alone_in_its_message() {
    let mut scene = Scene::new();
    let mut publisher = scene.publisher("pub\n");
    publisher.send("please terminate\nterminated\nterminate now\n\"terminate\"\n");
    scene.assert_messages(&publisher, &["please terminate", "terminated", "terminate now", "\"terminate\""]);
    publisher.send(" TerMinate \r\n");
    publisher.assert_end();
    scene.assert_nothing_more();
}

#[test]
fn terminate_ends_both_roles_in_any_case_framed_or_not() {
    let mut scene = Scene::new();
    for hello in ["pub\n", "pub", "sub\n", "SUBSCRIBER", "SUBSCRIBER sports\n"] {
        for word in ["terminate", "TERMINATE", "Terminate\n", "terminate\r\n"] {
            if hello.ends_with('\n') && !word.ends_with('\n') && hello.starts_with("pub") {
                continue;
            }
            let mut client = scene.publisher(hello);
            client.send(word);
            client.assert_end();
            let logged = scene.server.wait_for_end(&client.addr());
            assert!(logged.ends_with(": said terminate"), "{logged}");
        }
    }
    scene.assert_nothing_more();
}

#[test]
fn everything_before_terminate_is_delivered() {
    let mut scene = Scene::new();
    let count = 5000;
    let mut publisher = scene.publisher("pub\n");
    let mut text: String = (0..count).map(|number| format!("{number}\n")).collect();
    text += "terminate\nafter\n";
    publisher.send(text);
    publisher.assert_end();
    for number in 0..count {
        scene.assert_messages(&publisher, &[&number.to_string()]);
    }
    scene.assert_nothing_more();
}

/// A client may close as soon as it has sent.
#[test]
fn everything_before_a_close_is_delivered() {
    let mut scene = Scene::new();
    let count = 5000;
    let mut publisher = scene.publisher("pub\n");
    let port = publisher.port();
    publisher.send((0..count).map(|number| format!("{number}\n")).collect::<String>());
    drop(publisher);
    for number in 0..count {
        scene.subscriber.assert_line(format!("[('127.0.0.1', {port})]: {number}"));
    }
    scene.assert_nothing_more();
}

#[test]
fn the_longest_message_is_delivered() {
    let mut scene = Scene::new();
    let longest = "x".repeat(MESSAGE_MAX);
    let mut publisher = scene.publisher("pub\n");
    publisher.send(format!("{longest}\n{longest}\r\nshort\n"));
    scene.assert_messages(&publisher, &[&longest, &longest, "short"]);
}

#[test]
fn a_longer_one_gets_its_line_and_nothing_of_it_is_delivered() {
    let mut scene = Scene::new();
    for (extra, newline) in [(1, "\n"), (500_000, "\n"), (4 * MESSAGE_MAX, "")] {
        let mut publisher = scene.publisher("pub ack=1\n");
        publisher.send("before\n");
        publisher.assert_line("OK");
        // The server may close before it has taken everything.
        publisher.try_send(format!("{}{newline}after\n", "x".repeat(MESSAGE_MAX + extra)));
        publisher.assert_line(format!("Message too long: limit is {MESSAGE_MAX} bytes"));
        publisher.assert_end();
        let logged = scene.server.wait_for_end(&publisher.addr());
        assert!(logged.ends_with(": message over the limit"), "{logged}");
        scene.assert_messages(&publisher, &["before"]);
    }
    scene.assert_nothing_more();
}
