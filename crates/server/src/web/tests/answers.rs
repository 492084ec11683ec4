//! What is answered: to whom, and whether it is so.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use broker::Use;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Answer, Scene, pair};

fn names(list: &Value, key: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|row| row[key].as_str().unwrap().to_owned()).collect()
}

#[test]
fn status_counts_every_message() {
    let scene = Scene::running();
    let mut subscriber = scene.client(1, "SUBSCRIBER news\n");
    scene.json_once("/api/v1/status", |status| status["subscriptions"] == 1);
    let _publisher = scene.client(0, "PUBLISHER news\none\ntwo\nthree\n");
    let status = scene.json_once("/api/v1/status", |status| status["messages"]["delivered_total"] == 3);
    assert_eq!(status["messages"]["accepted_total"], 3);
    assert_eq!(status["messages"]["lost_total"], 0);
    assert_eq!(status["bytes"]["accepted_payload_total"], 11);
    assert_eq!(status["connections"]["total"], 2);
    let by_protocol = json!({ "text": 2, "mqtt": 0, "http": 0, "websocket": 0, "unknown": 0 });
    assert_eq!(status["connections"]["by_protocol"], by_protocol);
    assert_eq!(status["listeners"], json!(["tcp://127.0.0.1:8071"]));
    let by_use = status["memory"]["by_use"].as_object().unwrap();
    let sum: u64 = by_use.values().filter_map(Value::as_u64).sum();
    assert_eq!(status["memory"]["used_bytes"], sum);
    assert_eq!(status["queued"], json!({ "messages": 0, "bytes": 0 }), "all was delivered");
    let mut heard = [0; 1];
    subscriber.read_exact(&mut heard).unwrap();
    drop(subscriber);
    let status = scene.json_once("/api/v1/status", |status| status["connections"]["subscribers"] == 0);
    assert_eq!(status["closed_total"]["gone"], 1);
}

/// A connection that has not said what it speaks is counted as nothing else, and one that ends is not
/// counted any more.
#[test]
fn connections_are_counted_by_what_they_speak() {
    let scene = Scene::running();
    let spoken = |expected: Value| {
        scene.json_once("/api/v1/status", |status| status["connections"]["by_protocol"] == expected);
    };
    let connect = "\x10\x0f\0\x04MQTT\x04\x02\0\0\0\x03ann";
    let mqtt = scene.client(0, connect);
    let http = scene.client(1, "GET /t/news HTTP/1.1\r\nHost: localhost\r\nAcc");
    let silent = scene.client(1, "");
    spoken(json!({ "text": 0, "mqtt": 1, "http": 1, "websocket": 0, "unknown": 1 }));
    assert_eq!(names(&scene.json("/api/v1/clients?protocol=mqtt")["clients"], "name"), ["ann"]);
    drop((mqtt, http, silent));
    spoken(json!({ "text": 0, "mqtt": 0, "http": 0, "websocket": 0, "unknown": 0 }));
}

#[test]
fn clients_are_listed_in_pages_in_any_order() {
    let scene = Scene::running();
    let _clients: Vec<_> = (0..5).map(|n| scene.client(n % 2, format!("SUBSCRIBER room/{n}\n"))).collect();
    scene.json_once("/api/v1/clients", |list| {
        list["clients"]
            .as_array()
            .is_some_and(|rows| rows.iter().filter(|row| row["role"] == "subscriber").count() == 5)
    });
    for sort in ["id", "age", "queued"] {
        let (mut topics, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let list = scene.json(&format!("/api/v1/clients?limit=2&sort={sort}{cursor}"));
            assert_eq!((&list["total"], &list["complete"]), (&json!(5), &json!(true)));
            topics.extend(names(&list["clients"], "topic"));
            pages += 1;
            let Some(next) = list["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        topics.sort();
        assert_eq!(topics, ["room/0", "room/1", "room/2", "room/3", "room/4"], "by {sort}");
        assert_eq!(pages, 3, "by {sort}");
    }
    let found = scene.json("/api/v1/clients?text=ROOM/3");
    assert_eq!(names(&found["clients"], "topic"), ["room/3"]);
    assert_eq!(scene.json("/api/v1/clients?protocol=mqtt")["clients"], json!([]));
    assert_eq!(scene.get("/api/v1/clients?protocol=none").status(), 400);
    assert_eq!(scene.get("/api/v1/clients?colour=red").status(), 400, "a slip is no filter for everything");
}

#[test]
fn a_client_is_ended_once() {
    let scene = Scene::running();
    let client = scene.client(0, "SUBSCRIBER news\n");
    let list = scene.json_once("/api/v1/clients", |list| list["clients"][0]["role"] == "subscriber");
    let path = format!("/api/v1/clients/{}", list["clients"][0]["id"].as_str().unwrap());
    assert_eq!(scene.ask("DELETE", &path).status(), 202);
    assert!(Answer::of(client).head.ends_with("terminate\n"), "its last line says so");
    assert_eq!(scene.ask("DELETE", &path).status(), 404);
    assert_eq!(scene.ask("DELETE", "/api/v1/clients/9-0-0").status(), 404, "no such shard");
    assert_eq!(scene.ask("DELETE", "/api/v1/clients/eve").status(), 400);
    assert_eq!(scene.json("/api/v1/status")["closed_total"]["kicked"], 1);
}

#[test]
fn only_this_machine_may_administer() {
    let scene = Scene::running();
    let from = |peer: &str, request: &str| {
        let (client, server, _) = pair();
        scene.web.serve(server, peer.parse().unwrap(), Bytes::copy_from_slice(request.as_bytes()));
        Answer::of(client)
    };
    for (method, path) in [("GET", "/api/v1/config"), ("DELETE", "/api/v1/clients/0-0-0")] {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = from("192.0.2.7:5", &request);
        assert_eq!(answer.status(), 403, "{path}");
        assert!(answer.body.contains("192.0.2.7"), "{answer:?}");
        assert_ne!(from("127.0.0.1:5", &request).status(), 403);
    }
    assert_eq!(from("192.0.2.7:5", "GET /api/v1/status HTTP/1.1\r\nHost: a\r\n\r\n").status(), 200);
}

#[test]
fn topics_of_all_shards_stand_in_one_order() {
    let scene = Scene::running();
    let _publishers: Vec<_> = (0..6)
        .map(|n| scene.client(n % 2, format!("PUBLISHER room/{}\nfrom {n}\n", n / 2)))
        .chain([scene.client(0, "PUBLISHER other\nx\n")])
        .collect();
    scene.json_once("/api/v1/topics", |list| {
        let total = list["topics"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|row| row["messages_kept"].as_u64())
            .sum::<u64>();
        total == 7
    });
    let first = scene.json("/api/v1/topics?limit=3");
    assert_eq!(names(&first["topics"], "name"), ["other", "room/0", "room/1"]);
    let rest = scene.json(&format!("/api/v1/topics?limit=3&cursor={}", first["next"].as_str().unwrap()));
    assert_eq!((names(&rest["topics"], "name"), &rest["next"]), (vec!["room/2".to_owned()], &Value::Null));
    let both = &rest["topics"][0];
    assert_eq!((&both["messages_kept"], &both["shards"]), (&json!(2), &json!([0, 1])));
    let text = both["last"]["payload"]["text"].as_str().unwrap();
    assert!(text == "from 4" || text == "from 5", "{text}");
    assert_eq!(names(&scene.json("/api/v1/topics?prefix=room/")["topics"], "name").len(), 3);
    assert_eq!(names(&scene.json("/api/v1/topics?filter=%2B/1")["topics"], "name"), ["room/1"]);
    for wrong in ["filter=a/%23/b", "filter=a&prefix=b", "cursor=%23"] {
        assert_eq!(scene.get(&format!("/api/v1/topics?{wrong}")).status(), 400, "{wrong}");
    }
}

#[test]
fn it_is_ready_unless_it_says_why_not() {
    let scene = Scene::running();
    let codes = || names(&scene.get("/readyz").json()["reasons"], "code");
    assert_eq!((scene.get("/readyz").status(), codes()), (200, vec![]));
    scene.newcomers.pause();
    assert_eq!(codes(), ["no_file_descriptors"]);
    scene.newcomers.go_on();
    let charge = scene.gauge.charge(Use::Runs, 2 << 30);
    assert_eq!(codes(), ["memory_over_budget"]);
    drop(charge);
    scene.ending.set(Instant::now()).unwrap();
    assert_eq!((scene.get("/readyz").status(), codes()), (503, vec!["draining".to_owned()]));
    assert_eq!(scene.json("/api/v1/status")["state"], "draining");
    assert_eq!(scene.get("/healthz").status(), 200);
}

#[test]
fn a_hanging_shard_is_a_reason() {
    let limits = crate::Limits { answer_time: Duration::from_millis(30), ..crate::Limits::default() };
    let scene = Scene::new(limits, 1);
    let answer = scene.get("/readyz");
    assert_eq!(
        (answer.status(), names(&answer.json()["reasons"], "code")),
        (503, vec!["shard_silent".to_owned()])
    );
}

#[test]
fn the_configuration_is_the_one_in_force() {
    let scene = Scene::running();
    let shards = |config: &Value| {
        let values = config["values"].as_array().unwrap();
        values.iter().find(|value| value["key"] == "shards").unwrap()["value"].clone()
    };
    assert_eq!(shards(&scene.json("/api/v1/config")), "2");
    scene.in_force.send_modify(|settings| settings.shards = 7);
    assert_eq!(shards(&scene.json("/api/v1/config")), "7");
}

#[test]
fn the_page_is_sent_once_and_runs_nothing_of_others() {
    let scene = Scene::running();
    let page = scene.get("/");
    assert_eq!((page.status(), page.field("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(page.field("cache-control"), Some("no-cache"));
    let tag = page.field("etag").unwrap();
    let again = format!("GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: {tag}\r\n\r\n");
    let again = Answer::of(scene.hand_over(&again));
    assert_eq!((again.status(), again.body.as_str(), again.field("etag")), (304, "", Some(tag)));
    let changed = "GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"0\"\r\n\r\n";
    assert_eq!(Answer::of(scene.hand_over(changed)).status(), 200);
    for path in ["/", "/app.js", "/api/v1/status", "/nothing"] {
        let answer = scene.get(path);
        let policy = answer.field("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{path}: {policy}");
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.field("referrer-policy"), Some("no-referrer"), "{path}");
    }
    let head = scene.ask("HEAD", "/style.css");
    assert_eq!((head.status(), head.body.as_str()), (200, ""));
}

#[test]
fn what_is_not_there_is_a_problem_that_helps() {
    let scene = Scene::running();
    let answer = scene.get("/ap/v1");
    assert_eq!((answer.status(), answer.field("content-type")), (404, Some("application/problem+json")));
    let hint = answer.json()["hint"].as_str().unwrap().to_owned();
    assert!(["/ is", "/t/", "/api/v1/"].iter().all(|part| hint.contains(part)), "{hint}");
    assert_eq!(scene.ask("POST", "/api/v1/status").status(), 405);
    // What is no request is not answered as one.
    let mut client = scene.hand_over("GET /healthz SMTP\r\n");
    client.write_all(b"\r\n").unwrap();
    assert_eq!(Answer::of(client).status(), 400);
}
