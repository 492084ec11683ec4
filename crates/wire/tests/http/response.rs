//! What is written, byte for byte.

use proptest::prelude::*;
use wire::http::{
    Framing, LAST_CHUNK, PROBLEM_JSON, Status, write_chunk, write_head, write_problem, write_problem_body,
};

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = b"before|".to_vec();
    write(&mut out);
    String::from_utf8(out.split_off(7)).expect("text")
}

#[test]
fn heads() {
    let check = |status, headers: &[(&str, &str)], framing, expected: &str| {
        assert_eq!(written(|out| write_head(out, status, headers, framing)), expected);
    };
    check(Status::OK, &[], Framing::Sized(0), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    check(Status::CONTINUE, &[], Framing::None, "HTTP/1.1 100 Continue\r\n\r\n");
    check(
        Status::OK,
        &[("content-type", "text/event-stream"), ("vary", "accept")],
        Framing::Chunked,
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nvary: accept\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    check(
        Status(599),
        &[("x", "")],
        Framing::Sized(u64::MAX),
        "HTTP/1.1 599 Unknown\r\nx: \r\ncontent-length: 18446744073709551615\r\n\r\n",
    );
}

#[test]
fn a_value_begins_no_line() {
    let head = written(|out| {
        write_head(out, Status::FOUND, &[("location", "/a\r\nset-cookie: b\n\rc\0d\x1be\tf")], Framing::None);
    });
    assert_eq!(head, "HTTP/1.1 302 Found\r\nlocation: /a  set-cookie: b  c d e f\r\n\r\n");
}

#[test]
fn a_name_that_is_none_is_a_mistake_of_ours() {
    for name in ["", "a b", "a:", "a\r\n", "ü"] {
        let written = std::panic::catch_unwind(|| {
            write_head(&mut Vec::new(), Status::OK, &[(name, "x")], Framing::None);
        });
        assert!(written.is_err(), "{name:?}");
    }
}

#[test]
fn chunks() {
    assert_eq!(written(|out| write_chunk(out, b"hello")), "5\r\nhello\r\n");
    assert_eq!(written(|out| write_chunk(out, &[b'x'; 26])), format!("1a\r\n{}\r\n", "x".repeat(26)));
    assert_eq!(written(|out| write_chunk(out, b"")), "", "an empty chunk would end the body");
    assert_eq!(LAST_CHUNK, b"0\r\n\r\n");
}

#[test]
fn problems() {
    assert_eq!(
        written(|out| write_problem(
            out,
            Status::NOT_FOUND,
            &[("connection", "close")],
            "No \"topic\" here."
        )),
        "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\nconnection: close\r\ncontent-length: 86\r\n\r\n\
         {\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":\"No \\\"topic\\\" here.\"}\n"
    );
    assert_eq!(PROBLEM_JSON, "application/problem+json");
}

/// Every status that has a name has one of its own.
#[test]
fn titles() {
    let mut titles: Vec<&str> =
        (100..600).map(|code| Status(code).title()).filter(|title| *title != "Unknown").collect();
    let count = titles.len();
    titles.sort_unstable();
    titles.dedup();
    assert_eq!(titles.len(), count);
    assert_eq!(Status::HEADER_FIELDS_TOO_LARGE, Status(431));
    assert_eq!(Status(431).title(), "Request Header Fields Too Large");
}

proptest! {
    #[test]
    fn details_are_read_back(detail in any::<String>(), code in 400..600_u16) {
        let body = written(|out| write_problem_body(out, Status(code), &detail));
        prop_assert!(body.ends_with('\n') && body.lines().count() == 1);
        let object: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        prop_assert_eq!(&object["type"], "about:blank");
        prop_assert_eq!(&object["title"], Status(code).title());
        prop_assert_eq!(&object["status"], code);
        prop_assert_eq!(&object["detail"], &detail);
        prop_assert_eq!(object.as_object().map(serde_json::Map::len), Some(4));
    }
}
