//! Writes answers: heads, chunks, and errors as JSON (RFC 9457).

use std::io::Write as _;

use super::{Framing, Status};
use crate::json;

/// The media type of what [`write_problem_body`] writes.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The end of a body in chunks.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends a whole head: status line, `headers`, the field that says where the body ends, empty line. A
/// control character in a value becomes a blank, so that nothing which a client said can begin a line.
///
/// # Panics
/// If the name of a header is empty or none.
pub fn write_head(out: &mut Vec<u8>, status: Status, headers: &[(&str, &str)], framing: Framing) {
    push(out, format_args!("HTTP/1.1 {} {}\r\n", status.0, status.title()));
    for (name, value) in headers {
        assert!(is_name(name), "{name:?} is no name of a header field");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend(value.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
        out.extend_from_slice(b"\r\n");
    }
    match framing {
        Framing::None => {}
        Framing::Sized(length) => push(out, format_args!("content-length: {length}\r\n")),
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends `data` as one chunk. No data is no chunk: an empty one would end the body.
pub fn write_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    push(out, format_args!("{:x}\r\n", data.len()));
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Appends a whole answer that says what is wrong, as problem details. `detail` is a sentence for whoever
/// reads it, and may repeat what the client said.
pub fn write_problem(out: &mut Vec<u8>, status: Status, headers: &[(&str, &str)], detail: &str) {
    let mut body = Vec::new();
    write_problem_body(&mut body, status, detail);
    let mut all = vec![("content-type", PROBLEM_JSON)];
    all.extend_from_slice(headers);
    write_head(out, status, &all, Framing::Sized(body.len() as u64));
    out.extend_from_slice(&body);
}

/// Appends problem details: `{"type":"about:blank","title":…,"status":…,"detail":…}` and a newline, so
/// that a terminal shows it as a line.
pub fn write_problem_body(out: &mut Vec<u8>, status: Status, detail: &str) {
    out.extend_from_slice(b"{\"type\":\"about:blank\",\"title\":\"");
    json::escape_into(out, status.title());
    push(out, format_args!("\",\"status\":{},\"detail\":\"", status.0));
    json::escape_into(out, detail);
    out.extend_from_slice(b"\"}\n");
}

/// A token (RFC 9110 5.6.2).
fn is_name(name: &str) -> bool {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_of_token)
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes every write");
}
