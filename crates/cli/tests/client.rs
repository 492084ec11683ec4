//! `tidings client` as a program: what it takes, what it prints where, and how it ends.

mod support;

use std::net::TcpListener;

use support::{Client, Script, Server};

/// A subscriber's client that the server knows.
#[track_caller]
fn subscriber(server: &Server, args: &[&str]) -> Script {
    let known = server.log_count("] Role: SUBSCRIBER");
    let client = Script::client(args);
    support::eventually("the client's role", || {
        (server.log_count("] Role: SUBSCRIBER") > known).then_some(())
    });
    client
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
