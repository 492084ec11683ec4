//! A client that comes back to a session in which messages of QoS 1 are waiting: how soon the first of them is there, and
//! how fast they all come.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use wire::mqtt::{Ack, Packet, QoS, Reason, Version, decode, encode, frame};

use super::arrivals::{ANSWER_TIME_MAX, DISCONNECT, KEEP_ALIVE_SECONDS, SESSION_SECONDS};
use super::scenario::{NUMBER_BYTES, Waiting};
use crate::outcome::{ResumeReport, median};
use crate::packets::{self, Client, Message};

/// Comes back again and again for so long, at least a few times.
///
/// # Errors
/// If a message is lost, out of order or repeated, or the session is.
pub(super) fn run(
    waiting: Waiting,
    time: Duration,
    version: Version,
    address: SocketAddr,
) -> anyhow::Result<ResumeReport> {
    let mut first = Talk::start(address, version, SUBSCRIBER)?;
    let mut subscribe = Vec::new();
    packets::subscribe(&mut subscribe, version, &[TOPIC], QoS::AtLeastOnce);
    first.stream.write_all(&subscribe)?;
    first.hear(|packet, _| match packet {
        Packet::SubAck(ack) if ack.reasons == [QoS::AtLeastOnce as u8] => Ok(ControlFlow::Break(())),
        other => bail!("SUBSCRIBE was answered with {other:?}"),
    })?;
    first.end()?;
    let mut publisher = Talk::start(address, version, PUBLISHER)?;
    let (mut first_ms, mut per_second) = (Vec::new(), Vec::new());
    let start = Instant::now();
    while first_ms.len() < RESUMES_MIN || start.elapsed() < time {
        publish(&mut publisher, waiting)?;
        let (first, all) = resume(waiting.messages, version, address)?;
        first_ms.push(first.as_secs_f64() * 1000.0);
        per_second.push(waiting.messages as f64 / all.as_secs_f64());
    }
    Ok(ResumeReport {
        resumes: first_ms.len(),
        messages: waiting.messages,
        first_message_ms: median(first_ms).context("nothing was resumed")?,
        messages_per_second: median(per_second).context("nothing was resumed")?,
    })
}

/// Publishes all of them, some at a time, and waits for their acknowledgements.
fn publish(publisher: &mut Talk, waiting: Waiting) -> anyhow::Result<()> {
    for first in (0..waiting.messages).step_by(UNACKED_MAX) {
        let numbers = first..waiting.messages.min(first + UNACKED_MAX);
        let mut bytes = Vec::new();
        let mut open = numbers.len();
        for number in numbers {
            let mut payload = format!("{number:0NUMBER_BYTES$}").into_bytes();
            payload.resize(waiting.size, b'x');
            let id = u16::try_from(number + 1)?;
            let message = Message { topic: TOPIC, id: Some(id), payload: &payload, ..Message::PLAIN };
            packets::publish(&mut bytes, publisher.version, &message);
        }
        publisher.stream.write_all(&bytes)?;
        publisher.hear(|packet, _| {
            let Packet::PubAck(ack) = packet else { bail!("a publisher was sent {packet:?}") };
            ensure!(!ack.reason.is_error(), "a message was refused: reason {:#04x}", ack.reason.0);
            open -= 1;
            Ok(if open == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
    }
    Ok(())
}

/// How long it took until the first message and until the last, from before the connection was made.
fn resume(messages: usize, version: Version, address: SocketAddr) -> anyhow::Result<(Duration, Duration)> {
    let mut subscriber = Talk::greet(address, version, SUBSCRIBER)?;
    let since = subscriber.since;
    let (mut first, mut next) = (None, 0);
    subscriber.hear(|packet, answer| {
        let publish = match packet {
            Packet::Publish(publish) => publish,
            Packet::ConnAck(ack) if ack.session_present => return Ok(ControlFlow::Continue(())),
            other => bail!("who comes back is sent {other:?}"),
        };
        first.get_or_insert_with(|| since.elapsed());
        ensure!(number(publish.payload) == Some(next), "message {next} is missing, late or repeated");
        next += 1;
        let id = publish.packet_id.context("a message without a packet id")?;
        encode(answer, version, &Packet::PubAck(Ack::new(id, Reason::SUCCESS)));
        Ok(if next == messages { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    let all = since.elapsed();
    subscriber.end()?;
    Ok((first.unwrap_or(all), all))
}

fn number(payload: &[u8]) -> Option<usize> {
    std::str::from_utf8(payload.get(..NUMBER_BYTES)?).ok()?.parse().ok()
}

/// A client that waits for what it is told.
#[derive(Debug)]
struct Talk {
    stream: TcpStream,
    version: Version,
    /// What was read, of which the end of a packet may be missing.
    heard: Vec<u8>,
    buffer: Vec<u8>,
    /// Just before the connection was made.
    since: Instant,
}

impl Talk {
    /// Connects and says so.
    fn greet(address: SocketAddr, version: Version, id: &str) -> anyhow::Result<Talk> {
        let buffer = vec![0; READ_BYTES];
        let since = Instant::now();
        let mut stream = TcpStream::connect(address).context("connecting")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        let client =
            Client { id, session_seconds: SESSION_SECONDS, keep_alive: KEEP_ALIVE_SECONDS, will_topic: None };
        stream.write_all(&packets::connect(version, &client))?;
        Ok(Talk { stream, version, heard: Vec::new(), buffer, since })
    }

    /// Connects and is let in.
    fn start(address: SocketAddr, version: Version, id: &str) -> anyhow::Result<Talk> {
        let mut talk = Talk::greet(address, version, id)?;
        talk.hear(|packet, _| match packet {
            Packet::ConnAck(ack) if !ack.reason.is_error() => Ok(ControlFlow::Break(())),
            other => bail!("CONNECT was answered with {other:?}"),
        })?;
        Ok(talk)
    }

    /// Takes packets until one is the last, and after each read writes what they call for.
    fn hear(
        &mut self,
        mut take: impl FnMut(&Packet<'_>, &mut Vec<u8>) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        let mut answer = Vec::new();
        let mut flow = ControlFlow::Continue(());
        while flow.is_continue() {
            let count = self.stream.read(&mut self.buffer).context("waiting for the server")?;
            ensure!(count > 0, "the server closed the connection");
            self.heard.extend_from_slice(self.buffer.get(..count).unwrap_or_default());
            let mut rest = self.heard.as_slice();
            while let Some(found) = frame(rest)? {
                let Some((packet, after)) = rest.split_at_checked(found.len()) else { break };
                let body = packet.get(found.head_len..).unwrap_or_default();
                flow = take(&decode(self.version, found.first, body)?, &mut answer)?;
                rest = after;
                if flow.is_break() {
                    break;
                }
            }
            let used = self.heard.len() - rest.len();
            self.heard.drain(..used);
            self.stream.write_all(&answer)?;
            answer.clear();
        }
        Ok(())
    }

    /// Leaves, and waits until the server knows: what is published from now on must be queued.
    fn end(mut self) -> anyhow::Result<()> {
        self.stream.write_all(DISCONNECT)?;
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).context("waiting for the server to close")?;
        Ok(())
    }
}

const SUBSCRIBER: &str = "resume";
const PUBLISHER: &str = "resumePublisher";
const TOPIC: &str = "resume";
/// Of the publisher; its time is not measured.
const UNACKED_MAX: usize = 100;
const RESUMES_MIN: usize = 5;
const READ_BYTES: usize = 256 * 1024;
