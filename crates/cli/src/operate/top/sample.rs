//! A server that tests look at.

use serde_json::{Value, json};

use super::super::clients::Sort;
use super::fetch::{Fetched, Rows, View};

/// The status so many seconds after the start, with a thousand messages accepted in each.
pub(super) fn status(seconds: u32) -> Value {
    let accepted = u64::from(seconds) * 1000;
    json!({
        "version": "0.1.0", "state": "serving", "uptime_seconds": f64::from(seconds),
        "started_at": "2026-11-26T12:00:00Z",
        "listeners": ["tcp://127.0.0.1:8071"],
        "shards": {"count": 2, "silent": []},
        "connections": {"total": 1203, "publishers": 400, "subscribers": 800, "mqtt": 3, "others": 0,
                        "by_protocol": {"text": 1200, "mqtt": 3, "http": 0}},
        "connections_max": 65536,
        "sockets": {"refused_total": 1, "accept_pauses_total": 0},
        "sessions_absent": 2, "subscriptions": 812, "shared_subscriptions": 3, "retained_topics": 5,
        "messages": {"accepted_total": accepted, "delivered_total": accepted * 250, "lost_total": 12,
                     "refused_total": 0, "not_retained_total": 0},
        "bytes": {"received_total": accepted * 100, "sent_total": accepted * 25_000},
        "rates": {"accepted": 900.0, "delivered": 200_000.0, "received_bytes": 90_000.0, "sent_bytes": 2e7},
        "memory": {"used_bytes": 256_u64 << 20, "max_bytes": 1_u64 << 30, "history_bytes": 64 << 20,
                   "by_use": {"messages": 200 << 20, "queues": 56 << 20, "replays": 0}},
        "pauses_total": 7,
    })
}

/// So many clients; every third one has a name that would drive a terminal.
pub(super) fn clients(count: u32) -> Value {
    let roles = ["publisher", "subscriber", "client"];
    let names = [json!("alice"), json!(null), json!("\u{1b}[31mred")];
    let client = |number: u32| {
        let of_three = number as usize % 3;
        json!({
            "id": format!("{}-{number}-0", number % 2), "protocol": if number % 4 == 3 { "mqtt" } else { "text" },
            "role": roles[of_three],
            "name": names[of_three],
            "address": format!("192.0.2.{number}:5{number:04}"), "topic": "sports/football",
            "queued_bytes": number * 1000, "age_seconds": f64::from(number) * 100.0,
        })
    };
    json!({
        "clients": (0..count).map(client).collect::<Vec<_>>(), "total": 1203, "complete": true,
        "next": "x", "missing_shards": [],
    })
}

pub(super) fn topics(messages_total: u64) -> Value {
    let topic = |name: &str, total: u64, payload: Value| {
        json!({
            "name": name, "messages_kept": 100, "messages_total": total, "bytes": 2048,
            "last": {"time": "2026-11-26T14:00:01.123Z", "payload": payload},
        })
    };
    let text = |text: &str| json!({"bytes": text.len(), "truncated": false, "text": text});
    let topics = [
        topic("kitchen/temperature", messages_total, text("21.5")),
        topic("sports/日本/サッカー", 2 * messages_total, text("ゴール!\r\n")),
        topic("video", 50, json!({"bytes": 3, "truncated": false, "base64": "/wD+"})),
    ];
    json!({"topics": topics, "next": null, "missing_shards": [1]})
}

pub(super) fn shards(seconds: u32) -> Value {
    let shard = |number: u32, answers: bool| {
        json!({
            "shard": number, "answers": answers, "connections": {"total": 600},
            "subscriptions": 400, "messages": status(seconds)["messages"],
            "history_bytes": 32 << 20, "mail_waiting_bytes": 0,
            "turns": {"count": 1000, "seconds_total": f64::from(seconds) / 4.0},
        })
    };
    json!([shard(0, true), shard(1, false)])
}

pub(super) fn client_view() -> View {
    View::Clients { sort: Sort::Id, text: String::new() }
}

pub(super) fn with_clients(seconds: u32, count: u32) -> Fetched {
    let page = serde_json::from_value(clients(count)).unwrap();
    Fetched {
        status: serde_json::from_value(status(seconds)).unwrap(),
        rows: Rows::Clients(client_view(), page),
    }
}

pub(super) fn with_topics(seconds: u32) -> Fetched {
    let page = serde_json::from_value(topics(u64::from(seconds) * 10)).unwrap();
    let view = View::Topics { text: String::new() };
    Fetched { status: serde_json::from_value(status(seconds)).unwrap(), rows: Rows::Topics(view, page) }
}

pub(super) fn with_shards(seconds: u32) -> Fetched {
    let rows = Rows::Shards(serde_json::from_value(shards(seconds)).unwrap());
    Fetched { status: serde_json::from_value(status(seconds)).unwrap(), rows }
}
