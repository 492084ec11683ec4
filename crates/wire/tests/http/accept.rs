//! What a client wants most.

use wire::http::{best_offer, parse_head};

const OFFERS: [&str; 4] = ["application/x-ndjson", "application/json", "text/event-stream", "text/plain"];

/// The field, its lines behind each other, gets this type.
fn check(field: &str, expected: Option<&str>) {
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", field.replace('|', "\r\nAccept: "));
    let head = parse_head(request.as_bytes(), 0, 8192).expect("a good head").expect("a whole head");
    let found = best_offer(head.headers, &OFFERS).map(|index| OFFERS[index]);
    assert_eq!(found, expected, "{field}");
}

#[test]
fn the_best_of_those_offered() {
    let check = |value: &str, expected| check(&format!("Accept: {value}"), expected);
    check("text/event-stream", Some("text/event-stream"));
    check("TEXT/Event-Stream", Some("text/event-stream"));
    check("application/json", Some("application/json"));
    check("text/plain, application/json", Some("application/json"));
    check("image/png", None);
    check("image/png, */*", Some("application/x-ndjson"));
    check("*/*", Some("application/x-ndjson"));
    check("", Some("application/x-ndjson"));
    check("text/*", Some("text/event-stream"));
    check("text/*|application/json;q=0.9", Some("text/event-stream"));
    check("text/html, application/json;q=0.9, */*;q=0.8", Some("application/json"));
}

#[test]
fn no_field_is_every_type() {
    check("X: y", Some("application/x-ndjson"));
}

#[test]
fn the_more_exact_range_wins() {
    let check = |value: &str, expected| check(&format!("Accept: {value}"), expected);
    check("*/*, text/event-stream", Some("text/event-stream"));
    check("*/*, text/*", Some("text/event-stream"));
    check("*/*, text/*, text/plain", Some("text/plain"));
    check("text/plain;q=0.5, text/*;q=0.1, */*;q=0.2", Some("text/plain"));
    check("text/plain;q=0.1, text/*;q=0.5", Some("text/event-stream"));
    check("application/x-ndjson;q=0, */*", Some("application/json"));
    check("application/*;q=0, text/event-stream;q=0, */*;q=0.1", Some("text/plain"));
    check("*/*;q=0", None);
}

#[test]
fn weights() {
    let check = |value: &str, expected| check(&format!("Accept: {value}"), expected);
    check("application/json;q=0.2, text/plain;q=0.3", Some("text/plain"));
    check("application/json;q=0.299, text/plain;q=0.3", Some("text/plain"));
    check("application/json;q=0.301, text/plain;q=0.3", Some("application/json"));
    check("application/json;q=1., text/plain;q=1.000", Some("application/json"));
    check("application/json ; charset=utf-8 ; Q=0.1, text/plain;q=0.2", Some("text/plain"));
    check("text/plain;q=0.000", None);
    check("text/plain;q=0.001", Some("text/plain"));
    check("text/plain;charset=utf-8", Some("text/plain"));
    // What is no weight is no wish.
    for weight in ["", "2", "1.001", "-1", "0.1234", ".5", "0,5", "x", "0.x", "1e0"] {
        check(&format!("text/plain;q={weight}"), None);
    }
}

#[test]
fn what_is_no_range_is_passed_over() {
    let check = |value: &str, expected| check(&format!("Accept: {value}"), expected);
    for range in ["*", "text", "*/plain", "text/p*", "te*", "/", "text/", ";q=1", ",,"] {
        check(range, None);
        check(&format!("{range}, text/plain"), Some("text/plain"));
    }
}

#[test]
fn nothing_offered_is_nothing_wanted() {
    let head = parse_head(b"GET / HTTP/1.0\r\n\r\n", 0, 100).expect("a good head").expect("a whole head");
    assert_eq!(best_offer(head.headers, &[]), None);
}
