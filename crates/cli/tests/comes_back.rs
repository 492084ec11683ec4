//! The recipe for a subscriber that reconnects, in two languages: nothing missing, nothing twice.

mod support;

use support::{Script, Server, Wire, node, python};

#[track_caller]
fn check(interpreter: &str, script: &str) {
    let server = Server::start(2);
    let wire = Wire::to(server.port());
    let args = ["127.0.0.1", &wire.port().to_string(), "news/#"];
    let client = Script::start(interpreter, script, &args);
    server.wait_for_log("Role: SUBSCRIBER");
    let mut publisher = server.client("pub news/a ack=1");
    let mut publish = |text: &str| {
        publisher.send(format!("{text}\n"));
        publisher.assert_line("OK");
    };
    // Cut before it has heard anything, and again when it has.
    wire.cut();
    publish("one");
    wire.mend();
    client.wait_for("one");
    publish("two");
    client.wait_for("two");
    wire.cut();
    publish("three");
    publish("four");
    wire.mend();
    client.wait_for("four");
    publish("five");
    client.wait_for("five");
    assert_eq!(client.screen_lines(), ["one", "two", "three", "four", "five"]);
}

#[test]
fn the_python_client_misses_nothing() {
    let Some(interpreter) = python("the_python_client_misses_nothing") else { return };
    check(interpreter, "comes_back.py");
}

#[test]
fn the_node_client_misses_nothing() {
    let Some(interpreter) = node("the_node_client_misses_nothing") else { return };
    check(interpreter, "comes_back.mjs");
}
