//! Listeners for clients that send role and topic as two messages (`topic_prompt`).

mod support;

use support::{Client, PROMPT, Server, Start};

const TOPIC_PROMPT: &str = "Enter topic : ";

fn start() -> Server {
    Start::with(&["--shards", "2", "--topic-prompt"]).run()
}

/// The client hears `sports` and nothing else, in lines like `expected`.
#[track_caller]
fn check(server: &Server, client: &mut Client, expected: &str) {
    server.wait_for_role(client);
    server.client("pub news").send("not this\n");
    let mut publisher = server.client("pub sports");
    publisher.send("goal\n");
    client.assert_line(expected.replace("PORT", &publisher.port().to_string()));
}

#[test]
fn a_prompted_subscriber_is_asked_twice_and_then_waits() {
    let server = start();
    let mut client = server.connect();
    client.assert_bytes(PROMPT);
    client.send("SUBSCRIBER");
    client.assert_bytes(TOPIC_PROMPT);
    client.send("sports");
    client.assert_line("Waiting for messages...");
    check(&server, &mut client, "[sports | FROM 127.0.0.1:PORT] : goal");
}

#[test]
fn whoever_speaks_first_is_not_asked() {
    let server = start();
    let mut framed = server.connect();
    framed.send("sub\r\nsports\r\n");
    check(&server, &mut framed, "[sports] ('127.0.0.1', PORT): goal");
    let mut split = server.connect();
    split.send("SUBSCRIBER\n");
    split.send("\n sports \n");
    check(&server, &mut split, "[sports | FROM 127.0.0.1:PORT] : goal");
}

#[test]
fn a_hello_with_a_topic_is_whole() {
    let server = start();
    let mut client = server.connect();
    client.assert_bytes(PROMPT);
    client.send("sub:sports");
    client.assert_line("Waiting for messages...");
    check(&server, &mut client, "[sports] ('127.0.0.1', PORT): goal");
}

#[test]
fn a_publisher_names_its_topic_and_then_publishes() {
    let server = start();
    let mut subscriber = server.client("SUBSCRIBER #");
    let mut prompted = server.connect();
    prompted.assert_bytes(PROMPT);
    prompted.send("PUBLISHER");
    prompted.assert_bytes(TOPIC_PROMPT);
    prompted.send("news");
    server.wait_for_role(&prompted);
    prompted.send("breaking");
    subscriber.assert_line(format!("[news | FROM {}] : breaking", prompted.addr()));
    let mut first = server.connect();
    first.send("pub name=eve\nsports\ngoal\nterminate\n");
    first.assert_end();
    subscriber.assert_line(format!("[sports | FROM eve@{}] : goal", first.addr()));
}

#[test]
fn a_topic_that_is_none_is_refused() {
    let server = start();
    let mut client = server.connect();
    client.assert_bytes(PROMPT);
    client.send("PUBLISHER");
    client.assert_bytes(TOPIC_PROMPT);
    client.send("a/#");
    client.assert_line("Invalid topic \"a/#\": topic name has a wildcard");
    client.assert_end();
}

#[test]
fn it_is_a_setting_of_one_listener() {
    let server =
        Start::with(&["--listen", "tcp://127.0.0.1:0", "--listen", "tcp://127.0.0.1:0?topic_prompt=1"]).run();
    // The port that the support knows is the first one's.
    let mut client = server.connect();
    client.assert_bytes(PROMPT);
    client.send("SUBSCRIBER");
    client.assert_line("Waiting for messages...");
}
