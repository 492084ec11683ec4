//! Each bound of the interface is hit once.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::{Answer, Scene};
use crate::limits::Limits;

const REQUEST: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

fn web(&(served, refused, cut_off): &(u64, u64, u64)) -> impl Fn(&serde_json::Value) -> bool {
    move |status| {
        let web = &status["web"];
        // Of those who ask now none is counted yet.
        web["served_total"].as_u64() >= Some(served)
            && web["refused_total"] == refused
            && web["cut_off_total"] == cut_off
    }
}

#[test]
fn who_finds_no_place_is_told_so_and_counted() {
    let scene = Scene::new(Limits { web_connections_max: 2, ..Limits::default() }, 2);
    let mut waits = [scene.hand_over("GET "), scene.hand_over("")];
    let answer = Answer::of(scene.hand_over(REQUEST));
    assert_eq!((answer.status(), answer.field("retry-after")), (503, Some("1")), "{answer:?}");
    assert_eq!(answer.json()["status"], 503);
    // One of them goes on, and its place is another's.
    waits[0].write_all(b"/healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let [first, _second] = waits;
    assert_eq!(Answer::of(first).status(), 200);
    let status = scene.get_once_there_is_a_place("/api/v1/status");
    assert!(status.json()["web"]["refused_total"].as_u64() >= Some(1));
}

impl Scene {
    /// A place is free a moment after its connection was closed.
    fn get_once_there_is_a_place(&self, path: &str) -> Answer {
        let until = Instant::now() + super::PATIENCE;
        loop {
            let answer = self.get(path);
            if answer.status() == 200 {
                return answer;
            }
            assert!(Instant::now() < until, "there is never a place: {answer:?}");
        }
    }
}

#[test]
fn who_is_slow_loses_its_place() {
    let scene = Scene::new(Limits { web_time: Duration::from_millis(100), ..Limits::default() }, 2);
    let silent = scene.hand_over("");
    let slow = scene.hand_over("GET /healthz HTTP/1.1\r\nHo");
    let body = scene.hand_over("GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx");
    for client in [silent, slow, body] {
        assert_eq!(Answer::of(client).head, "", "closed without an answer");
    }
    scene.json_once("/api/v1/status", web(&(0, 0, 3)));
}

#[test]
fn a_head_and_a_body_have_bounds() {
    let scene = Scene::running();
    let long = "x".repeat(scene.in_force.borrow().limits.web_head_bytes_max);
    let client = scene.hand_over(&format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"));
    assert_eq!(Answer::of(client).status(), 431);
    let body = "x".repeat(scene.in_force.borrow().limits.web_body_bytes_max);
    let request = |length: usize, body: &str| {
        format!("GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    assert_eq!(Answer::of(scene.hand_over(&request(body.len(), &body))).status(), 200, "as much as may be");
    let answer = Answer::of(scene.hand_over(&request(body.len() + 1, &(body + "x"))));
    assert_eq!((answer.status(), answer.json()["status"].as_u64()), (413, Some(413)));
}

#[test]
fn a_page_has_a_bound_and_so_have_the_lists_at_once() {
    let limits = Limits {
        web_rows_max: 7,
        web_lists_max: 0,
        web_time: Duration::from_millis(100),
        ..Limits::default()
    };
    let scene = Scene::new(limits, 2);
    for path in ["clients", "topics", "subscriptions"] {
        for limit in ["8", "0", "-1", "x"] {
            let answer = scene.get(&format!("/api/v1/{path}?limit={limit}"));
            assert_eq!(answer.status(), 400, "{path} {limit}: {answer:?}");
        }
        // No list has a place; other answers need none.
        assert_eq!(scene.get(&format!("/api/v1/{path}?limit=7")).status(), 0);
        assert_eq!(scene.get("/api/v1/status").status(), 200);
    }
}

/// A shard that hangs is named, and is not sent more and more questions.
#[test]
fn a_silent_shard_is_missing_and_holds_nobody_up() {
    let limits = Limits { answer_time: Duration::from_millis(30), inquiries_max: 1, ..Limits::default() };
    let scene = Scene::new(limits, 1);
    let _subscriber = scene.client(0, "SUBSCRIBER news\n");
    let listed = scene.json_once("/api/v1/subscriptions", |list| list["subscriptions"][0]["sessions"] == 1);
    assert_eq!(listed["missing_shards"], serde_json::json!([1]));
    for path in ["/api/v1/clients", "/api/v1/topics"] {
        assert_eq!(scene.json(path)["missing_shards"], serde_json::json!([1]), "{path}");
    }
    let status = scene.json("/api/v1/status");
    assert_eq!(
        (&status["shards"]["silent"], &status["connections"]["total"]),
        (&serde_json::json!([1]), &1.into())
    );
    assert_eq!(scene.ask("DELETE", "/api/v1/clients/1-0-0").status(), 503);
    let mut batches = Vec::new();
    scene.mailboxes[1].take(&mut batches);
    let parcels: usize = batches.iter().map(|batch| batch.mail.len()).sum();
    // What other shards say to it is theirs.
    let asked = batches.iter().filter(|batch| batch.from == crate::mailbox::Sender::Control);
    assert_eq!(asked.map(|batch| batch.mail.len()).sum::<usize>(), 1, "of {parcels}");
}

#[test]
fn looking_ends_in_time_and_says_so() {
    let scene = Scene::new(Limits { web_walk_time: Duration::ZERO, ..Limits::default() }, 2);
    for sort in ["id", "queued"] {
        let clients = scene.json(&format!("/api/v1/clients?sort={sort}"));
        assert_eq!(clients["complete"], false, "{clients}");
    }
}
