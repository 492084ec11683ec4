//! `tidings client` as a program: what it takes, what it prints where, and how it ends.

mod support;

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::{Client, PROMPT, Script, Server, Start, python, tidings};

/// A subscriber's client that the server knows.
#[track_caller]
fn subscriber(server: &Server, args: &[&str]) -> Script {
    let known = server.log_count("] Role: SUBSCRIBER");
    let client = Script::client(args);
    wait_for_subscriber(server, known);
    client
}

/// Waits until the server has more subscribers than it has had.
#[track_caller]
fn wait_for_subscriber(server: &Server, known: usize) {
    support::eventually("the client's role", || {
        (server.log_count("] Role: SUBSCRIBER") > known).then_some(())
    });
}

fn place(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port())
}

/// The server's end of a client's connection.
#[track_caller]
fn accept(listener: &TcpListener) -> Client {
    listener.set_nonblocking(true).expect("an option");
    let (stream, _) = support::eventually("the client's connection", || listener.accept().ok());
    stream.set_nonblocking(false).expect("an option");
    Client::accepted(stream)
}

#[test]
fn host_and_port_may_be_one_argument() {
    let server = Server::start(1);
    let client = subscriber(&server, &[&place(&server), "sub", "news"]);
    let mut publisher = server.client("pub news");
    publisher.send("one\n");
    client.wait_for(&format!("Server: [news] ('127.0.0.1', {}): one\n", publisher.port()));
}

#[test]
fn an_ipv6_address_stands_in_brackets() {
    // Not every machine has that address.
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let _client = Script::client(&[&listener.local_addr().expect("a port").to_string(), "sub", "news"]);
    accept(&listener).assert_line("sub:news");
}

#[test]
fn a_place_that_is_none_is_a_usage_error() {
    for (place, complaint) in
        [("localhost", "no port"), ("localhost:x", "invalid port"), ("[::1", "invalid host")]
    {
        let mut client = Script::client(&[place, "sub"]);
        assert_eq!(client.wait().code(), Some(2), "{place}");
        client.wait_for_error(complaint);
    }
}

#[test]
fn a_terminal_hears_that_the_client_is_connected() {
    let Some(interpreter) = python("a_terminal_hears_that_the_client_is_connected") else { return };
    let server = Server::start(1);
    let place = place(&server);
    for (args, purpose) in [
        (&[&place, "sub"][..], "listening to #"),
        (&[&place, "sub", "news/+"], "listening to news/+"),
        (&[&place, "pub"], "publishing to broadcast"),
        (&[&place, "pub", "news"], "publishing to news"),
    ] {
        let client = Script::client_in_terminal(interpreter, args);
        client.wait_for(&format!("connected to {place}, {purpose}\r\n"));
    }
}

#[test]
fn a_terminal_hears_that_nothing_was_heard() {
    let Some(interpreter) = python("a_terminal_hears_that_nothing_was_heard") else { return };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = listener.local_addr().expect("a port").to_string();
    for args in [&[place.as_str(), "sub"][..], &[&place]] {
        let client = Script::client_in_terminal(interpreter, args);
        let _silent = accept(&listener);
        client.wait_for(&format!("nothing heard from {place} yet"));
    }
}

/// A publisher hears nothing of a good server either, until both have said goodbye.
#[test]
fn a_terminal_hears_that_nobody_took_what_was_typed() {
    let Some(interpreter) = python("a_terminal_hears_that_nobody_took_what_was_typed") else { return };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = listener.local_addr().expect("a port").to_string();
    for goodbye in ["terminate\r", "\x04"] {
        let mut client = Script::client_in_terminal(interpreter, &[&place, "pub", "news"]);
        let _silent = accept(&listener);
        client.wait_for("PUB: ");
        client.type_bytes("one\r");
        // Between two prompts the terminal itself would take Ctrl+D.
        support::eventually("the next prompt", || {
            (client.screen().matches("PUB: ").count() > 1).then_some(())
        });
        client.type_bytes(goodbye);
        client.wait_for(&format!("{place} does not answer; what was sent may be lost"));
        assert!(client.wait().success());
    }
}

#[test]
fn a_pipe_hears_messages_and_nothing_about_the_session() {
    let server = Server::start(1);
    let mut client = subscriber(&server, &[&place(&server), "sub"]);
    let mut publisher = server.client("pub");
    publisher.send("one\n");
    let line = format!("Server: [('127.0.0.1', {})]: one\n", publisher.port());
    client.wait_for(&line);
    client.type_line("terminate");
    assert!(client.wait().success());
    assert_eq!((client.screen(), client.errors()), (line, String::new()));
}

/// What the second document shows a subscriber, and what of it belongs into a log.
#[test]
fn a_subscriber_that_was_asked_is_told_what_it_is_where_a_person_looks() {
    const TOLD: &str = "You are a SUBSCRIBER. Waiting for messages...";
    let name = "a_subscriber_that_was_asked_is_told_what_it_is_where_a_person_looks";
    let Some(interpreter) = python(name) else { return };
    let server = Server::start(1);
    let place = place(&server);
    let mut client = Script::client_in_terminal(interpreter, &[&place]);
    client.wait_for(PROMPT);
    client.type_bytes("SUBSCRIBER\r");
    client.wait_for("Press Ctrl+C to quit.");
    let screen = client.screen();
    let shown: Vec<&str> = screen.lines().skip_while(|line| !line.contains("registered as")).collect();
    let expected = ["registered as SUBSCRIBER", "Waiting for messages...", "", TOLD, "Press Ctrl+C to quit."];
    let shown: Vec<&str> = shown.iter().map(|line| line.trim_start_matches(ERASE)).collect();
    assert_eq!(shown.get(..expected.len()), Some(&expected[..]), "{screen:?}");

    let mut piped = Script::client(&[&place]);
    piped.type_line("SUBSCRIBER");
    piped.wait_for_error("Press Ctrl+C to quit.");
    assert!(!piped.errors().contains(TOLD) && piped.screen().is_empty());
}

#[test]
fn a_server_that_ends_the_session_has_an_exit_status_of_its_own() {
    let server = Server::start(1);
    let mut listener = subscriber(&server, &[&place(&server), "sub"]);
    let mut publisher = Script::client(&[&place(&server), "pub", "news"]);
    server.wait_for_log("] Role: PUBLISHER");
    assert!(server.terminate().success());
    for client in [&mut listener, &mut publisher] {
        assert_eq!(client.wait().code(), Some(6));
        client.wait_for_error("server ended the session");
    }
}

#[test]
fn with_reconnect_a_subscriber_outlives_a_restart() {
    let server = Server::start(1);
    let place = place(&server);
    let client = subscriber(&server, &[&place, "sub", "--reconnect"]);
    assert!(server.terminate().success());
    client.wait_for_error("server ended the session; reconnecting\n");
    let listen = format!("tcp://{place}");
    let server = Start::with(&["--listen", &listen]).run();
    client.wait_for_error("reconnected");
    server.wait_for_log("] Role: SUBSCRIBER");
    server.client("pub").send("back\n");
    client.wait_for("]: back\n");
}

#[test]
fn raw_is_the_payload_and_nothing_else() {
    let server = Server::start(1);
    let place = place(&server);
    let mut client = tidings();
    client.args(["client", &place, "sub", "news", "--raw"]);
    client.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let known = server.log_count("] Role: SUBSCRIBER");
    let client = client.spawn().expect("the client starts");
    wait_for_subscriber(&server, known);
    // What plain lines escape, what JSON escapes, what is no text, and the longest that there may be.
    let mut sent: Vec<u8> =
        b" tab\t\"quoted\" \\n \x1b[31m \xe2\x80\xae \x7f \n\xff\xfe\x00\nlast \n".to_vec();
    sent.extend(vec![1; support::MESSAGE_MAX]);
    sent.push(b'\n');
    let mut publisher = server.client("pub news");
    publisher.send(&sent);
    publisher.send("terminate\n");
    publisher.assert_end();
    // Everything that was accepted before is delivered before the client hears of the end.
    assert!(server.terminate().success());
    let output = client.wait_with_output().expect("our child");
    assert!(output.stdout == sent, "{:?}", String::from_utf8_lossy(&output.stdout[..80]));
}

#[test]
fn a_count_ends_the_client() {
    let server = Server::start(1);
    let place = place(&server);
    let mut clients = [&["--raw"][..], &[]]
        .map(|more| subscriber(&server, &[&[&place, "sub", "--count", "2"], more].concat()));
    let mut publisher = server.client("pub");
    publisher.send("one\ntwo\nthree\n");
    for client in &mut clients {
        assert_eq!(client.wait().code(), Some(0));
        client.wait_for("two\n");
        assert!(!client.screen().contains("three"));
        assert_eq!(client.errors(), "");
    }
    assert_eq!(clients[0].screen(), "one\ntwo\n");
}

#[test]
fn a_count_goes_on_after_a_loss() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = listener.local_addr().expect("a port").to_string();
    let mut client = Script::client(&[&place, "sub", "news", "--count", "2"]);
    for text in ["one", "two"] {
        let mut server = accept(&listener);
        server.assert_line("sub:news");
        server.send(format!("[news] ('a', 1): {text}\n"));
        client.wait_for(text);
    }
    assert_eq!(client.wait().code(), Some(0));
}

#[test]
fn a_confirmed_publisher_ends_well_when_everything_was_accepted() {
    let server = Server::start(1);
    let mut listener = server.client("sub news");
    let mut client = Script::client(&[&place(&server), "pub", "news", "--ack"]);
    let count = 3000;
    client.type_bytes("message\n\n".repeat(count));
    client.end_input();
    assert_eq!(client.wait().code(), Some(0));
    assert_eq!(client.errors(), "");
    assert!(listener.lines(count).iter().all(|line| line.ends_with(": message")));
}

#[test]
fn a_confirmed_publisher_tells_what_was_not_accepted() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = listener.local_addr().expect("a port").to_string();
    // The input ends, or the user ends it, before the server is gone.
    for input in ["one\ntwo\n", "one\ntwo\nterminate\n"] {
        let mut client = Script::client(&[&place, "pub", "news", "--ack"]);
        let mut server = accept(&listener);
        server.assert_line("pub:news ack=1");
        client.type_bytes(input);
        client.end_input();
        server.assert_line("one");
        server.assert_line("two");
        server.send("OK\n");
        server.half_close();
        assert_eq!(client.wait().code(), Some(1), "{input}");
        // The end of the input may come later than that of the server.
        client.wait_for_error("; 1 of 2 lines were confirmed");
    }
}

/// Pastes come between the terminal's marks, or as if the keys had been pressed.
#[test]
fn tabs_of_a_paste_arrive() {
    let Some(interpreter) = python("tabs_of_a_paste_arrive") else { return };
    let server = Server::start(1);
    let mut listener = server.client("sub news");
    let mut client = Script::client_in_terminal(interpreter, &[&place(&server), "pub", "news"]);
    client.wait_for("PUB: ");
    for paste in ["\x1b[200~col1\tcol2\t\x1b[201~\r", "col1\tcol2\t\r"] {
        client.type_bytes(paste);
        let line = listener.line();
        assert!(line.ends_with(": col1\tcol2\t"), "{paste:?}: {line:?}");
    }
}

#[test]
fn a_long_paste_does_not_take_a_pause_for_each_line() {
    let Some(interpreter) = python("a_long_paste_does_not_take_a_pause_for_each_line") else { return };
    let server = Server::start(1);
    let mut listener = server.client("sub");
    let mut client = Script::client_in_terminal(interpreter, &[&place(&server), "pub"]);
    client.wait_for("PUB: ");
    let lines: Vec<String> = (0..1000).map(|number| format!("line {number}")).collect();
    for paste in [format!("\x1b[200~{}\x1b[201~\r", lines.join("\n")), lines.join("\r") + "\r"] {
        let begin = Instant::now();
        client.type_bytes(paste);
        for line in &lines {
            assert!(listener.line().ends_with(&format!(": {line}")));
        }
        // With 20 ms for each it would be 20 s, however fast the machine.
        assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    }
    client.type_bytes("terminate\r");
    assert!(client.wait().success());
}

/// How the line editor clears its line before something is printed above it.
const ERASE: &str = "\r\x1b[K";
