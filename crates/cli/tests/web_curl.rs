//! Topics with curl, as people type it.

mod support;

use support::{Curl, MESSAGE_MAX, Server};

/// A server, a text subscriber to everything, and curl.
fn scene(test: &str) -> Option<(Server, support::Client, Curl)> {
    let server = Server::start(2);
    let curl = Curl::to(server.port(), test)?;
    let subscriber = server.client("sub # format=json");
    Some((server, subscriber, curl))
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[track_caller]
fn assert_heard(subscriber: &mut support::Client, topic: &str, payload: &str) -> String {
    let told = json(&subscriber.line());
    assert_eq!((&told["topic"], &told["payload"]), (&topic.into(), &payload.into()));
    told["id"].as_str().expect("text").to_owned()
}

#[test]
fn what_is_published_is_heard_and_named() {
    let Some((_server, mut subscriber, curl)) = scene("what_is_published_is_heard_and_named") else { return };
    let got = curl.run("/t/sports", &["-d", "Goal!"]);
    assert_eq!((got.status, &*got.content_type), (200, "application/json"));
    let id = assert_heard(&mut subscriber, "sports", "Goal!");
    assert_eq!(json(&got.body)["id"], *id);
    curl.run("/t/caf%C3%A9/%20", &["-d", ""]);
    assert_heard(&mut subscriber, "café/ ", "");
    let lines = "{\"topic\":\"a\",\"payload\":\"1\"}\n{\"topic\":\"b\",\"payload\":\"2\"}\n";
    let got = curl.feed(
        "/t",
        &["-H", "content-type: application/x-ndjson", "--data-binary", "@-"],
        lines.as_bytes(),
    );
    assert_eq!(json(&got.body)["accepted"], 2);
    assert_heard(&mut subscriber, "a", "1");
    assert_heard(&mut subscriber, "b", "2");
}

/// curl cuts what it reads from a pipe into chunks, as it does not know how long it is.
#[test]
fn an_upload_from_a_pipe_is_one_message() {
    let Some((_server, mut subscriber, curl)) = scene("an_upload_from_a_pipe_is_one_message") else { return };
    let text = "word ".repeat(60_000);
    let got = curl.feed("/t/piped", &["-v", "-T", "-"], text.as_bytes());
    assert!(got.errors.contains("> Transfer-Encoding: chunked"), "{}", got.errors);
    assert_eq!(got.status, 200);
    assert_heard(&mut subscriber, "piped", &text);
}

#[test]
fn who_asks_whether_to_go_on_is_told() {
    let Some((_server, mut subscriber, curl)) = scene("who_asks_whether_to_go_on_is_told") else { return };
    let args = ["-v", "-H", "Expect: 100-continue", "--data-binary", "@-"];
    let longest = "x".repeat(MESSAGE_MAX);
    let got = curl.feed("/t/long", &args, longest.as_bytes());
    assert!(got.errors.contains("< HTTP/1.1 100 Continue"), "{}", got.errors);
    assert_eq!(got.status, 200);
    assert_heard(&mut subscriber, "long", &longest);
    let got = curl.feed("/t/long", &args, format!("{longest}x").as_bytes());
    assert!(!got.errors.contains("100 Continue"), "{}", got.errors);
    assert_eq!((got.status, &*got.content_type), (413, "application/problem+json"));
}

#[test]
fn listeners_in_every_form() {
    let Some((server, _, curl)) = scene("listeners_in_every_form") else { return };
    let lines = curl.listen("/t/sports", &[]);
    let ndjson = curl.listen("/t?filter=sports&filter=%23&format=ndjson", &[]);
    ndjson.wait_for("\"open\"");
    let events = curl.listen("/t/sports/%23", &["-H", "accept: text/event-stream"]);
    events.wait_for("event: open");
    server.client("pub:sports").send("Goal!\ntwo\\words\n");
    lines.wait_for("words");
    assert_eq!(lines.screen(), "Goal!\ntwo\\words\n");
    ndjson.wait_for("words");
    let told: Vec<_> = ndjson.screen_lines().iter().map(|line| json(line)).collect();
    let [open, first, second] = &told[..] else { panic!("{told:?}") };
    assert_eq!(
        (&open["event"], &first["payload"], &second["payload"]),
        (&"open".into(), &"Goal!".into(), &"two\\words".into())
    );
    events.wait_for("words");
    let last = events.screen();
    let last = last.trim_end().rsplit("\n\n").next().expect("an event");
    let (id, data) = last.split_once("\ndata: ").expect("an id, and data");
    assert_eq!(json(data)["topic"], "sports");
    assert_eq!(id.strip_prefix("id: "), second["position"].as_str());
}

#[test]
fn what_is_kept_is_asked_for_once() {
    let Some((_server, mut subscriber, curl)) = scene("what_is_kept_is_asked_for_once") else { return };
    for payload in ["1", "2", "3"] {
        curl.run("/t/a", &["-d", payload]);
        assert_heard(&mut subscriber, "a", payload);
    }
    assert_eq!(curl.run("/t/a?last=2&poll=1", &[]).body, "2\n3\n");
    assert_eq!(curl.run("/t/a?since=1h&poll", &[]).body, "1\n2\n3\n");
    assert_eq!(curl.run("/t/nothing?last=2&poll=1", &[]).body, "");
    // Asked for again and again from where it ended, nothing comes twice.
    let mut position = "nonsense".to_owned();
    let mut payloads = Vec::new();
    for round in ["4", "5", "6"] {
        let got = curl.run(&format!("/t/a?format=ndjson&poll=1&after={position}"), &[]);
        let told: Vec<_> = got.body.lines().map(json).collect();
        payloads.extend(told.iter().filter_map(|said| said["payload"].as_str().map(str::to_owned)));
        position = told.last().expect("where it stands")["position"].as_str().expect("text").to_owned();
        curl.run("/t/a", &["-d", round]);
        assert_heard(&mut subscriber, "a", round);
    }
    assert_eq!(payloads, ["4", "5"]);
}

#[test]
fn what_is_refused_is_said_as_a_problem() {
    let Some((_server, mut subscriber, curl)) = scene("what_is_refused_is_said_as_a_problem") else { return };
    let cases: [(&str, &[&str], u16, &str); 9] = [
        ("/t/a%23", &["-d", "x"], 400, "Invalid topic"),
        ("/t/$SYS/broker/uptime", &["-d", "x"], 403, "Only the broker"),
        ("/t/a?qos=2", &["-d", "x"], 400, "exactly once"),
        ("/t/a?colour=red", &["-d", "x"], 400, "colour"),
        ("/t/a%", &["-d", "x"], 400, "percent"),
        ("/t/a", &["-X", "DELETE"], 405, "DELETE"),
        ("/t/a", &["-H", "accept: image/png"], 406, "text/event-stream"),
        ("/t", &[], 400, "No topic"),
        ("/ws", &[], 426, ""),
    ];
    for (path, args, status, words) in cases {
        let got = curl.run(path, args);
        assert_eq!((got.status, &*got.content_type), (status, "application/problem+json"), "{path}");
        let problem = json(&got.body);
        assert_eq!(problem["status"], status, "{path}");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains(words), "{path}: {detail}");
    }
    curl.run("/t/a", &["-d", "the first that was heard"]);
    assert_heard(&mut subscriber, "a", "the first that was heard");
}

/// A monitor and an open page ask every second.
#[test]
fn who_asks_the_control_side_is_no_line_in_the_log() {
    let test = "who_asks_the_control_side_is_no_line_in_the_log";
    let Some((server, _subscriber, curl)) = scene(test) else { return };
    for path in ["/healthz", "/metrics", "/"] {
        assert_eq!(curl.run(path, &[]).status, 200, "{path}");
    }
    curl.run("/t/a", &["-d", "x"]);
    curl.run("/t/a", &["-d", "y", "-H", "host: example.org"]);
    server.wait_for_log(": refused: 421 ");
    // The subscriber, and the two who wanted to publish.
    assert_eq!(server.log_count("Client connected: "), 3);
    server.wait_for_log("closed by the client");
    assert_eq!(server.log_count("Client disconnected: "), 2);
}

#[test]
fn one_connection_serves_several_requests() {
    let Some((_server, mut subscriber, curl)) = scene("one_connection_serves_several_requests") else {
        return;
    };
    let (first, second) = (curl.url("/t/a"), curl.url("/t/b"));
    let post = ["-w", "%{num_connects}\n", "-d", "1", &first, &second];
    let poll = ["--next", "-s", "-v", "--noproxy", "*"];
    let got = curl.run("/t/a?last=1&poll=1", &[&post[..], &poll].concat());
    let lines: Vec<&str> = got.body.lines().collect();
    let [first_id, made, second_id, also_made, polled] = lines[..] else { panic!("{lines:?}") };
    assert!(first_id.starts_with("{\"id\":") && second_id.starts_with("{\"id\":"), "{lines:?}");
    assert_eq!((made, also_made, polled), ("1", "0", "1"), "one connection for two, and the poll");
    assert!(got.errors.contains("Re-using existing connection"), "{}", got.errors);
    assert_heard(&mut subscriber, "a", "1");
    assert_heard(&mut subscriber, "b", "1");
}

#[test]
fn http_1_0_is_read_to_the_end() {
    let Some((server, mut subscriber, curl)) = scene("http_1_0_is_read_to_the_end") else { return };
    let got = curl.run("/t/a", &["-v", "--http1.0", "-d", "old"]);
    assert!(got.errors.contains("< connection: close"), "{}", got.errors);
    assert_heard(&mut subscriber, "a", "old");
    let got = curl.run("/t/a?last=1&poll=1", &["-v", "--http1.0"]);
    assert!(!got.errors.to_lowercase().contains("transfer-encoding"), "{}", got.errors);
    assert_eq!(got.body, "old\n");
    let listener = curl.listen("/t/a", &["--http1.0"]);
    server.client("pub a").send("new\n");
    listener.wait_for("new\n");
    assert_eq!(listener.screen(), "new\n");
}

/// A listener gets the end of its answer when the server ends, so that curl ends well.
#[test]
fn a_shutdown_ends_the_answer() {
    let Some((server, _, curl)) = scene("a_shutdown_ends_the_answer") else { return };
    let mut events = curl.listen("/t/a", &["-H", "accept: text/event-stream"]);
    events.wait_for("event: open");
    assert!(server.terminate().success());
    assert!(events.wait().success(), "{}", events.screen());
    assert!(
        events.screen().ends_with("event: end\ndata: {\"reason\":\"shutdown\"}\n\n"),
        "{}",
        events.screen()
    );
}
