//! The sessions of the two founding documents, with clients written from them, against the server.

mod support;

use support::{PROMPT, Script, Server, python};

const COMMUNICATION: &str = "communication_system.py";
const MULTI: &str = "multi_client.py";

/// The port of the client whose role the server has logged as number `index`.
fn nth_port(server: &Server, role: &str, index: usize) -> String {
    let part = format!("] Role: {role}");
    let lines = support::eventually("a logged role", || {
        let lines = server.log_lines(&part);
        (lines.len() > index).then_some(lines)
    });
    let (_, rest) = lines[index].split_once("[127.0.0.1:").expect("an address");
    rest.split_once(']').expect("an address").0.to_owned()
}

#[test]
fn communication_system_with_its_clients() {
    let Some(interpreter) = python("communication_system_with_its_clients") else { return };
    let server = Server::start(2);
    let port = server.port().to_string();
    let mut subscriber = Script::start(interpreter, COMMUNICATION, &["127.0.0.1", &port, "SUBSCRIBER"]);
    nth_port(&server, "SUBSCRIBER", 0);
    let mut publisher = Script::start(interpreter, COMMUNICATION, &["127.0.0.1", &port, "PUBLISHER"]);
    let from = nth_port(&server, "PUBLISHER", 0);
    for text in ["Hello subscribers!", "This is a test message"] {
        publisher.wait_for("PUB: ");
        publisher.type_line(text);
        subscriber.wait_for(&format!("Server: [('127.0.0.1', {from})]: {text}\n"));
        server.wait_for_log(&format!("[PUBLISHER 127.0.0.1:{from}]: {text}"));
    }
    publisher.type_line("terminate");
    assert!(publisher.wait().success());
    server.wait_for_log(&format!("127.0.0.1:{from}, id "));
    server.wait_for_log("said terminate");
    assert!(server.terminate().success());
    assert!(subscriber.wait().success(), "the server's `terminate` ends the subscriber");
    let expected = [
        format!("Server: [('127.0.0.1', {from})]: Hello subscribers!"),
        format!("Server: [('127.0.0.1', {from})]: This is a test message"),
        "bye".to_owned(),
    ];
    assert_eq!(subscriber.screen_lines(), expected);
}

#[test]
fn multi_client_with_its_clients() {
    let Some(interpreter) = python("multi_client_with_its_clients") else { return };
    let server = Server::start(2);
    let port = server.port().to_string();
    let start = |role: &str, index: usize| {
        let mut client = Script::start(interpreter, MULTI, &["127.0.0.1", &port]);
        client.wait_for(PROMPT);
        client.type_line(role);
        let port = nth_port(&server, role, index);
        (client, port)
    };
    let (mut first, first_port) = start("PUBLISHER", 0);
    let (mut second, second_port) = start("PUBLISHER", 1);
    let (mut reader, _) = start("SUBSCRIBER", 0);
    let (mut other, _) = start("SUBSCRIBER", 1);
    for client in [&reader, &other] {
        client.wait_for("Waiting for messages...\n");
    }
    let breaking = format!("[FROM 127.0.0.1:{first_port}] : Breaking news!");
    let sports = format!("[FROM 127.0.0.1:{second_port}] : Sports update!");
    first.type_line("Breaking news!");
    first.wait_for("message sent");
    reader.wait_for(&breaking);
    other.wait_for(&breaking);
    second.type_line("Sports update!");
    reader.wait_for(&sports);
    other.wait_for(&sports);
    server.wait_for_log(&format!("[PUBLISHER 127.0.0.1:{first_port}]: Breaking news!"));
    server.wait_for_log(&format!("[PUBLISHER 127.0.0.1:{second_port}]: Sports update!"));

    first.type_line("terminate");
    assert!(first.wait().success());
    reader.interrupt();
    assert!(reader.wait().success(), "Ctrl+C in a subscriber");
    second.type_line("still here");
    other.wait_for(&format!("[FROM 127.0.0.1:{second_port}] : still here\n"));
    let expected =
        [PROMPT, "registered as SUBSCRIBER", "Waiting for messages...", &breaking, &sports, "leaving"];
    assert_eq!(reader.screen_lines(), expected);
    assert!(server.terminate().success());
    assert!(other.wait().success());
    assert_eq!(other.screen_lines().last().map(String::as_str), Some("connection closed"));
}

#[test]
fn the_documents_clients_understand_each_other() {
    let Some(interpreter) = python("the_documents_clients_understand_each_other") else { return };
    let server = Server::start(4);
    let port = server.port().to_string();
    let subscriber = Script::start(interpreter, COMMUNICATION, &["127.0.0.1", &port, "SUBSCRIBER"]);
    nth_port(&server, "SUBSCRIBER", 0);
    let mut prompted = Script::start(interpreter, MULTI, &["127.0.0.1", &port]);
    prompted.wait_for(PROMPT);
    prompted.type_line("subscriber");
    prompted.wait_for("Waiting for messages...\n");
    let mut publisher = Script::start(interpreter, COMMUNICATION, &["127.0.0.1", &port, "PUBLISHER"]);
    let from = nth_port(&server, "PUBLISHER", 0);
    publisher.type_line("Grüße 🎉");
    subscriber.wait_for(&format!("Server: [('127.0.0.1', {from})]: Grüße 🎉\n"));
    prompted.wait_for(&format!("[FROM 127.0.0.1:{from}] : Grüße 🎉\n"));
}

/// The same without an interpreter: exactly these bytes, in these reads.
#[test]
fn both_sessions_on_bare_sockets() {
    let server = Server::start(2);
    let mut short = server.connect();
    short.send("sub");
    server.wait_for_role(&short);
    let mut long = server.connect();
    long.assert_bytes(PROMPT);
    long.send("SUBSCRIBER");
    long.assert_line("Waiting for messages...");
    let mut publisher = server.connect();
    publisher.assert_bytes(PROMPT);
    publisher.send("PUBLISHER");
    server.wait_for_role(&publisher);
    let from = publisher.port();
    for text in ["Breaking news!", "Sports update!"] {
        publisher.send(text);
        // Nothing came before the first message: this is the first line.
        short.assert_line(format!("[('127.0.0.1', {from})]: {text}"));
        long.assert_line(format!("[FROM 127.0.0.1:{from}] : {text}"));
        server.wait_for_log(&format!("INFO [PUBLISHER 127.0.0.1:{from}]: {text}"));
    }
    publisher.send("terminate");
    publisher.assert_end();
    server.wait_for_log(&format!("Client disconnected: 127.0.0.1:{from}, "));
    assert!(server.terminate().success());
    for mut client in [short, long] {
        client.assert_line("terminate");
        client.assert_end();
    }
}
