//! `tidings status`, `clients`, `topics`, `kick` and `check` against a real server with real clients.

mod support;

use serde_json::Value;
use support::{Client, Script, Server, check_failure, eventually, printed, run};

fn place(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port())
}

/// A server with two subscribers and a publisher over text, whose message both have, and one over MQTT.
struct Scene {
    server: Server,
    alice: Client,
    _others: [Client; 2],
    _mqtt: Script,
}

fn scene() -> Scene {
    let server = Server::start(2);
    let mut alice = server.client("sub sports/+ name=alice");
    let mut evil = server.client("sub # name=\u{1b}[2Jevil");
    let mut bob = server.client("pub sports/football name=bob ack=1");
    bob.send("Goal!\n");
    bob.assert_line("OK");
    for subscriber in [&mut alice, &mut evil] {
        assert!(subscriber.line().ends_with("Goal!"));
    }
    let mqtt =
        Script::tidings(&["sub", "-s", &place(&server), "--id", "thermometer", "sports/#", "--last", "1"]);
    mqtt.wait_for("Goal!");
    Scene { server, alice, _others: [evil, bob], _mqtt: mqtt }
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[test]
fn the_status_counts_who_is_there() {
    let scene = scene();
    let place = place(&scene.server);
    let status = printed(&place, &["status"]);
    for part in [
        format!("tidings {} at {place}: serving for ", env!("CARGO_PKG_VERSION")),
        format!("\nListeners      tcp://{place}\n"),
        "\nConnections    4 of 65,536, mqtt 1, others 0, publishers 1, subscribers 2\n".to_owned(),
        "\nSubscriptions  3, shared 0,".to_owned(),
    ] {
        assert!(status.contains(&part), "{part:?} is not in\n{status}");
    }
    assert!(status.lines().all(|line| line.chars().count() <= 80), "{status}");
    let json = &json_lines(&printed(&place, &["status", "--json"]))[0];
    assert_eq!(json["connections"]["by_protocol"]["text"], 3);
    assert_eq!(json["messages"]["accepted_total"], 1);
}

#[test]
fn clients_are_found_by_what_they_are() {
    let scene = scene();
    let place = place(&scene.server);
    let all = printed(&place, &["clients"]);
    assert_eq!(all.lines().count(), 5, "{all}");
    assert!(!all.contains('\u{1b}') && all.contains("\\x1b[2Jevil"), "{all}");
    for (args, expected) in [
        (&["alice"] as &[&str], vec!["alice"]),
        (&["--protocol", "mqtt"], vec!["thermometer"]),
        (&["football"], vec!["bob"]),
        (&["--sort", "age", "-n", "1"], vec!["alice"]),
        (&[&scene.alice.addr()], vec!["alice"]),
        (&["nobody"], vec![]),
    ] {
        let outcome = run(&place, &[&["clients", "--json"], args].concat());
        assert_eq!(outcome.code, Some(0), "{args:?}: {outcome:?}");
        let clients = json_lines(&outcome.output);
        let names: Vec<_> = clients.iter().map(|client| client["name"].as_str().expect("a name")).collect();
        assert_eq!(names, expected, "{args:?}");
    }
    check_failure(&place, &["clients", "--protocol", "smtp"], 2, "smtp");
}

#[test]
fn topics_are_found_by_filter_and_by_prefix() {
    let scene = scene();
    let place = place(&scene.server);
    let mut sender = scene.server.client("pub kitchen/temperature ack=1");
    sender.send("21.5\n21.6\n");
    sender.lines(2);
    let names = |args: &[&str]| {
        let topics = json_lines(&printed(&place, &[&["topics", "--json"], args].concat()));
        let name = |topic: &Value| topic["name"].as_str().expect("a name").to_owned();
        topics.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["kitchen/temperature", "sports/football"]);
    assert_eq!(names(&["+/football"]), ["sports/football"]);
    assert_eq!(names(&["--prefix", "kit"]), ["kitchen/temperature"]);
    assert_eq!(names(&["x/#"]), [""; 0]);
    let table = printed(&place, &["topics", "kitchen/#"]);
    let row: Vec<_> = table.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!((&row[..3], row.last()), (&["kitchen/temperature", "2", "2"][..], Some(&"21.6")), "{table}");
    check_failure(&place, &["topics", "a/#/b"], 2, "filter");
}

#[test]
fn pages_of_a_real_server_hold_everyone_once() {
    let server = Server::start(2);
    let clients: Vec<_> = (0..7).map(|number| server.client(&format!("sub t/{number}"))).collect();
    let shown = json_lines(&printed(&place(&server), &["clients", "--json"]));
    let mut addresses: Vec<_> = shown.iter().map(|client| client["address"].to_string()).collect();
    addresses.sort();
    let mut expected: Vec<_> = clients.iter().map(|client| format!("{:?}", client.addr())).collect();
    expected.sort();
    assert_eq!(addresses, expected);
    let some = run(&place(&server), &["clients", "-n", "3"]);
    assert_eq!((some.code, some.output.lines().count()), (Some(0), 4));
    assert_eq!(some.errors, "3 clients shown, there are more: --limit N shows N\n");
}

#[test]
fn a_kick_ends_that_connection_and_no_other() {
    let mut scene = scene();
    let place = place(&scene.server);
    let alice = &json_lines(&printed(&place, &["clients", "alice", "--json"]))[0];
    let id = alice["id"].as_str().expect("an id").to_owned();
    let expected = format!("kicked {id}: alice at {}, subscriber sports/+\n", scene.alice.addr());
    assert_eq!(printed(&place, &["kick", &id]), expected);
    scene.alice.assert_line("terminate");
    scene.alice.assert_end();
    eventually("she is off the list", || {
        let all = printed(&place, &["clients"]);
        (!all.contains("alice") && all.lines().count() == 4).then_some(())
    });
    check_failure(&place, &["kick", &id], 7, &format!("nobody has the id {id}"));
    check_failure(&place, &["kick", "alice"], 2, "an id looks like");
}

#[test]
fn a_check_of_a_healthy_server_hears_its_message() {
    let server = Server::start(2);
    for (args, ways) in [
        (&["check"] as &[&str], vec!["HTTP"]),
        (&["check", "--proto", "mqtt"], vec!["MQTT"]),
        (&["check", "--proto", "http,mqtt", "--topic", "a/b"], vec!["HTTP", "MQTT"]),
    ] {
        let line = printed(&place(&server), args);
        let rest = line
            .strip_prefix("ok: ")
            .and_then(|rest| rest.strip_suffix(&format!(" at {}\n", place(&server))));
        let found: Vec<_> = rest.expect("ok").split(", ").filter_map(|way| way.rsplit(' ').next()).collect();
        assert_eq!(found, ways, "{line}");
    }
    let topics = printed(&place(&server), &["topics", "--json"]);
    let names: Vec<_> = json_lines(&topics).iter().map(|topic| topic["name"].to_string()).collect();
    assert_eq!(names, ["\"a/b\"", "\"tidings/check\""]);
}

#[test]
fn checks_that_run_at_once_do_not_take_each_other_s_messages() {
    let server = Server::start(2);
    let checks: Vec<_> = (0..8)
        .map(|_| {
            Script::tidings(&["check", "--proto", "http,mqtt", "--timeout", "30s", "-s", &place(&server)])
        })
        .collect();
    for mut check in checks {
        assert_eq!(check.wait().code(), Some(0), "{}", check.errors());
    }
}

#[test]
fn a_check_of_a_server_that_ends_fails() {
    let mut server = Server::start(1);
    let place = place(&server);
    // Whoever takes nothing keeps it from ending.
    let _slow = server.slow_subscriber("sub #");
    let mut sender = server.client("pub t ack=1");
    for _ in 0..40 {
        sender.send("x".repeat(100_000) + "\n");
        sender.assert_line("OK");
    }
    server.signal("TERM");
    server.wait_for_log("shutting down");
    let outcome = run(&place, &["check"]);
    assert_eq!((outcome.code, outcome.output.as_str()), (Some(1), ""), "{outcome:?}");
    assert_eq!(outcome.errors.lines().count(), 1, "{outcome:?}");
    assert_eq!(server.has_ended(), None, "it was to be checked while it delivers");
    drop(server);
    check_failure(&place, &["check"], 1, "cannot connect to");
}
