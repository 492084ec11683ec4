//! The recipe for a subscriber that reconnects, in two languages: nothing missing, nothing twice.

mod support;

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::{io, thread};

use support::{Script, Server, node, python};

/// A wire between client and server that can be cut.
struct Wire {
    port: u16,
    /// Both ends of everything that is connected; `None` while it is cut.
    ends: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Wire {
    fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let ends = Arc::new(Mutex::new(Some(Vec::new())));
        let wire = Self { port, ends: Arc::clone(&ends) };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut ends = ends.lock().expect("nobody panics");
                let Some(ends) = ends.as_mut() else { continue };
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (mut from, mut to) = (copy_of(from), copy_of(to));
                    thread::spawn(move || io::copy(&mut from, &mut to));
                }
                ends.extend([client, server]);
            }
        });
        wire
    }

    fn cut(&self) {
        for end in self.ends.lock().expect("nobody panics").take().into_iter().flatten() {
            end.shutdown(Shutdown::Both).ok(); // the other side may have been faster
        }
    }

    fn mend(&self) {
        *self.ends.lock().expect("nobody panics") = Some(Vec::new());
    }
}

fn copy_of(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a file descriptor")
}

#[track_caller]
fn check(interpreter: &str, script: &str) {
    let server = Server::start(2);
    let wire = Wire::to(server.port());
    let args = ["127.0.0.1", &wire.port.to_string(), "news/#"];
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
