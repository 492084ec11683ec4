//! Connecting: whoever hears JSON is told that its subscription stands, and is live then.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use wire::websocket::Opcode;

use super::{Forms, Heard, Published};
use crate::bench::frames::{ExactFrames, put_frame, upgrade, upgrade_request};
use crate::bench::target::Role;

/// Says hello and waits for the answer, where there is one.
///
/// # Errors
/// If it is not the one that is hoped for, or there is none within ten seconds.
pub(crate) fn greet(stream: &mut TcpStream, forms: Forms, role: Role, topic: &str) -> anyhow::Result<()> {
    stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    match role {
        Role::Publisher => match forms.published {
            Published::Lines => say(stream, &format!("PUBLISHER {topic}\n")),
            Published::AckedLines => say(stream, &format!("PUBLISHER {topic} ack=1\n")),
            // A request says all itself.
            Published::Posts => Ok(()),
            Published::Frames => upgrade(stream, "/ws", None),
        },
        Role::Subscriber => match forms.heard {
            Heard::Lines => say(stream, &format!("SUBSCRIBER {topic}\n")),
            Heard::Events => hear_events(stream, topic),
            Heard::Frames => hear_frames(stream, topic),
        },
    }
}

/// What a subscriber says first, all at once, and what the answer to that ends with.
#[must_use]
pub fn subscriber_hello(heard: Heard, topic: &str) -> (Vec<u8>, &'static str) {
    match heard {
        Heard::Lines => (format!("SUBSCRIBER {topic}\n").into_bytes(), ""),
        Heard::Events => (events_request(topic).into_bytes(), EVENT_END),
        Heard::Frames => {
            let mut says = upgrade_request("/ws", None).into_bytes();
            put_frame(&mut says, Opcode::Text, subscribe(topic).as_bytes());
            (says, "\"}")
        }
    }
}

fn say(stream: &mut TcpStream, hello: &str) -> anyhow::Result<()> {
    stream.write_all(hello.as_bytes()).context("greeting the server")
}

fn events_request(topic: &str) -> String {
    format!("GET /t/{topic}?format=sse HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// Reads as far as the event that says that the stream is open; nobody publishes yet.
fn hear_events(stream: &mut TcpStream, topic: &str) -> anyhow::Result<()> {
    say(stream, &events_request(topic))?;
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    let is_open = |heard: &[u8]| {
        memchr::memmem::find(heard, b"event: open").is_some() && heard.ends_with(EVENT_END.as_bytes())
    };
    while !is_open(&heard) {
        let shown = || format!("it answered {:?}", String::from_utf8_lossy(&heard));
        let count = stream.read(&mut buffer).with_context(shown)?;
        ensure!(count > 0 && heard.len() <= ANSWER_BYTES_MAX, shown());
        heard.extend(buffer.iter().take(count));
    }
    let shown = || format!("it answered {:?}", String::from_utf8_lossy(&heard));
    ensure!(heard.starts_with(b"HTTP/1.1 200 "), shown());
    ensure!(memchr::memmem::find(&heard, b"transfer-encoding: chunked\r\n").is_some(), shown());
    Ok(())
}

fn hear_frames(stream: &mut TcpStream, topic: &str) -> anyhow::Result<()> {
    upgrade(stream, "/ws", None)?;
    let mut frames = ExactFrames::new(stream, Opcode::Text);
    frames.write_all(subscribe(topic).as_bytes())?;
    let answer = frames.message().context("waiting for an answer to subscribe")?;
    let is_right = answer.starts_with(b"{\"event\":\"subscribed\",\"sub\":1,");
    ensure!(is_right, "it answered {:?}", String::from_utf8_lossy(&answer));
    Ok(())
}

fn subscribe(topic: &str) -> String {
    format!("{{\"op\":\"subscribe\",\"sub\":1,\"filters\":[\"{topic}\"]}}")
}

/// An event that ends with an object, and its chunk.
const EVENT_END: &str = "\"}\n\n\r\n";
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 64 * 1024;
