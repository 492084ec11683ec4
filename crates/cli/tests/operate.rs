//! `tidings status`, `clients`, `topics`, `kick` and `check` against answers that a test makes up: what they
//! ask, what they print, how they end.

mod support;

use std::net::TcpListener;

use serde_json::{Value, json};
use support::{Answer, Scripted, check_failure, printed, run};

fn problem(status: u16, detail: &str) -> Answer {
    let body = json!({"type": "about:blank", "title": "x", "status": status, "detail": detail});
    (status, body.to_string())
}

fn client(id: &str, name: Option<&str>, topic: &str) -> Value {
    json!({
        "id": id, "protocol": "text", "role": "subscriber", "name": name, "address": "127.0.0.1:54321",
        "topic": topic, "queued_bytes": 3_000_000, "age_seconds": 151.5, "of_a_newer_server": true,
    })
}

fn clients(rows: &[Value], next: Option<&str>) -> String {
    json!({"clients": rows, "total": 20_000, "complete": true, "next": next, "missing_shards": []})
        .to_string()
}

fn topic(name: &str, payload: &Value) -> Value {
    json!({
        "name": name, "messages_kept": 100, "messages_total": 1_234_567, "bytes": 2048, "shards": [0],
        "last": {"time": "2026-11-26T14:00:01.123Z", "payload": payload},
    })
}

fn topics(rows: &[Value]) -> String {
    json!({"topics": rows, "next": null, "missing_shards": []}).to_string()
}

fn status() -> Value {
    json!({
        "version": "0.1.0", "state": "serving", "uptime_seconds": 7385.2, "started_at": "2026-11-26T12:00:00Z",
        "listeners": ["tcp://127.0.0.1:8071", "mqtt://127.0.0.1:1883"],
        "shards": {"count": 2, "silent": []},
        "connections": {"total": 1203, "publishers": 400, "subscribers": 800, "mqtt": 3, "others": 0,
                        "by_protocol": {"text": 1200, "mqtt": 3, "http": 0}},
        "connections_max": 65536,
        "sockets": {"accepted_total": 2000, "refused_total": 1, "accept_pauses_total": 0},
        "closed_total": {"gone": 3},
        "sessions_absent": 2, "subscriptions": 812, "shared_subscriptions": 3,
        "subscriptions_refused_total": 1,
        "subscriptions_refused_by_reason": {"invalid_filter": 1, "too_many": 0}, "retained_topics": 5,
        "messages": {"accepted_total": 12_345_678, "delivered_total": 987_654_321, "lost_total": 12,
                     "refused_total": 1234, "not_retained_total": 0,
                     "refused_by_reason": {"invalid_topic": 200, "malformed": 0, "too_large": 1034}},
        "queued": {"messages": 54_321, "bytes": 24 << 20},
        "bytes": {"received_total": 1_u64 << 32, "sent_total": 5_u64 << 40, "accepted_payload_total": 1},
        "rates": {"over_seconds": 10.0, "accepted": 1234.4, "delivered": 123_456.7,
                  "received_bytes": 2.5e6, "sent_bytes": 1e9},
        "memory": {"used_bytes": 128_u64 << 20, "max_bytes": 1_u64 << 30, "history_bytes": 64 << 20,
                   "by_use": {"messages": 100 << 20, "queues": 28 << 20, "replays": 0}},
        "pauses_total": 7,
        "web": {"in_progress": 1, "served_total": 2, "refused_total": 0, "cut_off_total": 0},
    })
}

#[test]
fn the_status_fits_a_terminal() {
    let server = Scripted::start(|_| (200, status().to_string()));
    let place = server.place();
    let expected = format!(
        "\
tidings 0.1.0 at {place}: serving for 2h03m on 2 shards
Listeners      tcp://127.0.0.1:8071, mqtt://127.0.0.1:1883
Connections    1,203 of 65,536, mqtt 3, others 0, publishers 400,
               subscribers 800
Protocols      text 1,200, mqtt 3
Refused        1 connection, 1234 messages, 1 subscription, not retained 0,
               accepting paused 0 times
  messages     too large 1,034, invalid topic 200
  filters      invalid filter 1
Subscriptions  812, shared 3, absent sessions 2, retained topics 5
Accepted       1234 messages/s, 2.38M/s read, 12,345,678 messages,
               4.00G read since the start
Delivered      123k messages/s, 954M/s written, 987,654,321 messages,
               5.00T written since the start
Overload       queued 54,321 messages of 24.0M, lost by slow subscribers 12,
               publishers paused 7 times
Memory         128M of 1.00G (12 %), messages 100M, queues 28.0M,
               of it history 64.0M
"
    );
    assert_eq!(printed(&place, &["status"]), expected);
    assert_eq!(server.asked(), ["GET /api/v1/status"]);
    let as_json: Value = serde_json::from_str(&printed(&place, &["status", "--json"])).expect("JSON");
    assert_eq!(as_json, status());
}

#[test]
fn a_silent_shard_stands_in_the_status() {
    let server = Scripted::start(|_| {
        let mut status = status();
        status["shards"]["silent"] = json!([1]);
        (200, status.to_string())
    });
    assert!(printed(&server.place(), &["status"]).contains("\nSilent         shard 1 does not answer\n"));
}

#[test]
fn clients_stand_in_columns_and_cannot_drive_the_terminal() {
    let rows = [
        client("0-2-0", Some("alice"), "sports/+"),
        client("0-10-0", Some("\u{1b}]0;x\u{7}\u{202e}evil"), "home/kitchen/temperature/of/the/fridge"),
        client("1-0-0", None, ""),
    ];
    let server = Scripted::start(move |_| (200, clients(&rows, None)));
    assert_eq!(
        printed(&server.place(), &["clients"]),
        "\
ID     PROTO ROLE   AGE QUEUED NAME             ADDRESS         TOPIC
0-2-0  text  sub  2m31s  2.86M alice            127.0.0.1:54321 sports/+
0-10-0 text  sub  2m31s  2.86M \\x1b]0;x\\x07\\u{… 127.0.0.1:54321 home/kitchen/te…
1-0-0  text  sub  2m31s  2.86M -                127.0.0.1:54321 -
"
    );
}

#[test]
fn what_is_asked_for_is_asked_of_the_server() {
    let server = Scripted::start(|asked| match asked.contains("clients") {
        true => (200, clients(&[client("0-2-0", None, "#")], None)),
        false => (200, topics(&[topic("a", &json!({"bytes": 1, "truncated": false, "text": "x"}))])),
    });
    let place = server.place();
    printed(&place, &["clients", "a b&c", "--protocol", "mqtt", "--sort", "queued", "-n", "10"]);
    printed(&place, &["topics", "a/+/#"]);
    printed(&place, &["topics", "--prefix", "ü", "--json"]);
    assert_eq!(
        server.asked(),
        [
            "GET /api/v1/clients?sort=queued&text=a%20b%26c&protocol=mqtt&limit=10",
            "GET /api/v1/topics?filter=a%2F%2B%2F%23&limit=1000",
            "GET /api/v1/topics?prefix=%C3%BC&limit=1000",
        ]
    );
}

/// Three pages of 1000, 1000 and 1 rows.
fn three_pages(asked: &str) -> Answer {
    let page = |rows: usize, next| {
        let rows: Vec<_> = (0..rows).map(|row| client(&format!("0-{row}-0"), None, "#")).collect();
        (200, clients(&rows, next))
    };
    match asked.rsplit_once("cursor=").map(|(_, cursor)| cursor) {
        None => page(1000, Some("one")),
        Some("one") => page(1000, Some("two")),
        Some("two") => page(1, None),
        Some(cursor) => problem(400, &format!("no cursor {cursor}")),
    }
}

#[test]
fn all_pages_are_followed_up_to_the_limit() {
    let server = Scripted::start(|asked| match asked.contains("limit=1000&") || !asked.contains("cursor") {
        true => three_pages(asked),
        // Less is left of the limit.
        false => (200, clients(&vec![client("0-0-0", None, "#"); 500], Some("more"))),
    });
    let whole = printed(&server.place(), &["clients", "--json", "-n", "5000"]);
    assert_eq!(whole.lines().count(), 2001);
    for line in whole.lines() {
        let row: Value = serde_json::from_str(line).expect("a line of JSON");
        assert_eq!(row["of_a_newer_server"], true);
    }
    let part = run(&server.place(), &["clients", "-n", "1500"]);
    assert_eq!((part.code, part.output.lines().count()), (Some(0), 1501));
    assert_eq!(part.errors, "1500 clients shown, there are more: --limit N shows N\n");
    // This server gives a thousand, whatever it is asked for.
    let less = run(&server.place(), &["clients", "-n", "700"]);
    assert_eq!((less.code, less.output.lines().count()), (Some(0), 701));
}

#[test]
fn what_is_missing_is_said() {
    let server = Scripted::start(|asked| {
        let mut page: Value = serde_json::from_str(&clients(&[], None)).expect("JSON");
        page["complete"] = json!(!asked.contains("text=late"));
        page["missing_shards"] = json!([1, 3]);
        (200, page.to_string())
    });
    let found = run(&server.place(), &["clients"]);
    assert_eq!((found.code, found.output.as_str()), (Some(0), ""));
    assert_eq!(
        found.errors,
        "nobody is connected\nshard 1 does not answer: its clients are missing\nshard 3 does not \
         answer: its clients are missing\n"
    );
    let found = run(&server.place(), &["clients", "late"]);
    assert!(found.errors.starts_with("no client of 20000 is like that\n"), "{}", found.errors);
    assert!(found.errors.contains("there may be more clients: the server had no time"), "{}", found.errors);
}

#[test]
fn topics_stand_in_columns() {
    let rows = [
        topic("sports/football", &json!({"bytes": 5, "truncated": false, "text": "Goal!\r\n\u{1b}[2J"})),
        topic("binary", &json!({"bytes": 3, "truncated": false, "base64": "/wD+"})),
        topic("long", &json!({"bytes": 9999, "truncated": true, "text": "x".repeat(256)})),
    ];
    let server = Scripted::start(move |_| (200, topics(&rows)));
    assert_eq!(
        printed(&server.place(), &["topics"]),
        "\
TOPIC           KEPT TOTAL BYTES LAST           PAYLOAD
sports/football  100 1.23M 2.00K 11-26 14:00:01 Goal!\\r\\n\\x1b[2J
binary           100 1.23M 2.00K 11-26 14:00:01 (3 bytes, no text)
long             100 1.23M 2.00K 11-26 14:00:01 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
"
    );
}

#[test]
fn a_kick_says_whom_it_met() {
    let server = Scripted::start(|asked| match asked {
        "DELETE /api/v1/clients/0-2-0" => (202, json!({"id": "0-2-0"}).to_string()),
        "DELETE /api/v1/clients/0%2F9" => problem(400, "an id looks like 0-17-0"),
        "DELETE /api/v1/clients/0-3-0" => problem(403, "only from this machine"),
        asked if asked.starts_with("DELETE") => problem(404, "nobody has the id 0-9-0"),
        // Another one's topic holds it as well.
        _ => {
            let rows = [client("0-1-0", Some("eve"), "0-2-0"), client("0-2-0", Some("alice"), "sports/+")];
            (200, clients(&rows, None))
        }
    });
    let place = server.place();
    let alice = "kicked 0-2-0: alice at 127.0.0.1:54321, subscriber sports/+\n";
    assert_eq!(printed(&place, &["kick", "0-2-0"]), alice);
    check_failure(&place, &["kick", "0-9-0"], 7, "nobody has the id 0-9-0");
    check_failure(&place, &["kick", "0-3-0"], 4, "only from this machine");
    check_failure(&place, &["kick", "0/9"], 2, "an id looks like 0-17-0");
    let both = run(&place, &["kick", "0-9-0", "0-2-0"]);
    assert_eq!((both.code, both.output.as_str()), (Some(7), alice));
}

#[test]
fn every_way_to_fail_has_its_exit_code() {
    let commands: [&[&str]; 4] = [&["status"], &["clients"], &["topics"], &["kick", "0-1-0"]];
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it is bound");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent_place = silent.local_addr().expect("it is bound").to_string();
    let page = Scripted::saying(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nNot Found");
    let moved =
        Scripted::saying(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    let other = Scripted::saying(b"SSH-2.0-OpenSSH_9.6\r\n");
    let hasty = Scripted::saying(b"");
    let broken = Scripted::start(|_| problem(500, "it is broken"));
    for command in commands {
        check_failure(&free.to_string(), command, 3, "cannot connect to 127.0.0.1:");
        let hurried = [command, &["--timeout", "100ms"]].concat();
        check_failure(&silent_place, &hurried, 1, "has not answered for 0.1 s");
        for server in [&page, &moved, &other, &hasty] {
            check_failure(&server.place(), command, 1, "is no Tidings server");
        }
        check_failure(&broken.place(), command, 1, "it is broken");
    }
    let wrong = Scripted::start(|_| (200, json!({"version": 3}).to_string()));
    check_failure(&wrong.place(), &["status"], 1, "is no Tidings server, or one of another version");
    let strict = Scripted::start(|_| problem(400, "unknown variant `mqqt`"));
    check_failure(&strict.place(), &["clients", "--protocol", "mqqt"], 2, "unknown variant `mqqt`");
}

#[test]
fn wrong_arguments_are_usage_errors() {
    for args in [
        &["status", "x"] as &[&str],
        &["clients", "--sort", "size"],
        &["clients", "-n", "0"],
        &["topics", "a", "--prefix", "b"],
        &["kick"],
        &["check", "--proto", "smtp"],
        &["check", "--topic", "a b"],
        &["check", "--timeout", "soon"],
    ] {
        assert_eq!(run("localhost", args).code, Some(2), "{args:?}");
    }
    for place in ["https://localhost", "mqtt://localhost", "localhost:0", "http://a/b"] {
        let outcome = run(place, &["status"]);
        assert_eq!(outcome.code, Some(2), "{place}");
        assert!(outcome.errors.contains("invalid value"), "{}", outcome.errors);
    }
}

#[test]
fn a_check_of_what_does_not_serve_fails_with_a_sentence() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it is bound");
    check_failure(&free.to_string(), &["check"], 1, "cannot connect to 127.0.0.1:");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = silent.local_addr().expect("it is bound").to_string();
    check_failure(&place, &["check", "--timeout", "100ms"], 1, "has not answered");
    let draining = Scripted::start(|_| {
        let reasons = json!([
            {"code": "draining", "detail": "it delivers what is queued"},
            {"code": "shard_silent", "detail": "shard 1 does not answer"},
        ]);
        (503, json!({"ready": false, "reasons": reasons}).to_string())
    });
    let words = "does not serve: it delivers what is queued; shard 1 does not answer";
    check_failure(&draining.place(), &["check"], 1, words);
    let other = Scripted::saying(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes");
    check_failure(&other.place(), &["check"], 1, "is no Tidings server");
}

/// Ready, it says, and then a message does not come back.
#[test]
fn a_check_believes_only_a_message_that_comes() {
    let deaf = Scripted::start(|asked| match asked {
        "GET /readyz" => (200, json!({"ready": true, "reasons": []}).to_string()),
        "GET /t/tidings/check?format=ndjson" => {
            (200, "{\"event\":\"open\"}\n{\"payload\":\"tidings-check-of-another\"}\n".to_owned())
        }
        _ => (200, "{}".to_owned()),
    });
    check_failure(&deaf.place(), &["check"], 1, "ended the stream before the message came");
    let lost = Scripted::start_with_stream("GET /t/", |asked| match asked {
        "GET /readyz" => (200, json!({"ready": true, "reasons": []}).to_string()),
        _ => (200, "{\"event\":\"open\"}\n".to_owned()),
    });
    let words = "accepted a message over HTTP, and it was not heard in time";
    check_failure(&lost.place(), &["check", "--timeout", "300ms"], 1, words);
    let full = Scripted::start(|asked| match asked {
        "GET /readyz" => (200, json!({"ready": true, "reasons": []}).to_string()),
        asked if asked.starts_with("GET") => (200, String::new()),
        _ => problem(507, "no room"),
    });
    check_failure(&full.place(), &["check"], 1, "no room");
}
