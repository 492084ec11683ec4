//! Clients that connect and subscribe, many at a time: to stay and cost memory, or to leave at once.
//!
//! Everything that a client has to say goes out in one write, in MQTT behind the CONNECT without waiting for its answer,
//! and it has arrived when the subscription is acknowledged.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use cli::bench::idle::IdleReport;
use cli::bench::{CpuWatch, Role, subscriber_hello};
use socket2::{Domain, Socket, Type};
use wire::mqtt::{Packet, QoS, Version, decode, frame};

use super::kinds::Speaks;
use super::peer::RunningPeer;
use super::scenario::{Idle, Session, Topics};
use crate::outcome::VisitsReport;
use crate::packets::{self, Client};

/// What a client says, how it knows that it was heard, and what it says last.
#[derive(Debug)]
struct Greeting {
    says: Vec<u8>,
    answer: Answer,
    goodbye: &'static [u8],
}

#[derive(Debug)]
enum Answer {
    /// The subscription of an MQTT client is acknowledged.
    SubAck(Version, QoS),
    /// Bytes that end so.
    Ends(String),
}

/// Connections per second, and what each client costs in memory while it says nothing.
///
/// # Errors
/// If one of them cannot connect.
pub(super) fn idle(
    idle: Idle,
    speaks: Speaks,
    version: Version,
    running: &RunningPeer,
) -> anyhow::Result<IdleReport> {
    let greet = |number| greeting(idle, speaks, version, number);
    // The first connection may set up what all share; it is none of those that are counted.
    let _first = arrive(running.address, idle.clients..idle.clients + 1, &greet)?;
    thread::sleep(SETTLE_TIME);
    let before = running.resident_bytes();
    let start = Instant::now();
    let mut streams = Vec::with_capacity(idle.clients);
    for first in (0..idle.clients).step_by(AT_ONCE) {
        let batch = arrive(running.address, first..idle.clients.min(first + AT_ONCE), &greet)?;
        streams.extend(batch.into_iter().map(|(stream, _)| stream));
    }
    let elapsed = start.elapsed();
    thread::sleep(SETTLE_TIME);
    let grown = before.zip(running.resident_bytes()).map(|(before, after)| after.saturating_sub(before));
    for stream in &streams {
        ensure!(is_open(stream), "the server closed the connection of an idle client");
    }
    Ok(IdleReport {
        subscribers: idle.clients,
        connects_per_second: idle.clients as f64 / elapsed.as_secs_f64(),
        server_bytes_each: grown.map(|bytes| bytes as f64 / idle.clients as f64),
    })
}

/// How many clients connect, subscribe and leave in a second, measured for so long.
///
/// # Errors
/// If one of them cannot connect.
pub(super) fn visits(
    time: Duration,
    speaks: Speaks,
    version: Version,
    running: &RunningPeer,
) -> anyhow::Result<VisitsReport> {
    let client = Idle { clients: 1, filters: 1, topics: Topics::Shared, session: Session::Ends };
    let greet = |number| greeting(client, speaks, version, number);
    let (left, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let share = |thread: usize| {
            let (greet, left, stop) = (&greet, &left, &stop);
            move || {
                let mut first = thread * AT_ONCE;
                while !stop.load(Ordering::Relaxed) {
                    leave(arrive(running.address, first..first + AT_ONCE, greet)?)?;
                    left.fetch_add(AT_ONCE, Ordering::Relaxed);
                    first += THREADS * AT_ONCE;
                }
                anyhow::Ok(())
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(share(thread))).collect();
        thread::sleep(WARMUP);
        let watch = CpuWatch::start(Some(running.pid()));
        let (start, before) = (Instant::now(), left.load(Ordering::Relaxed));
        thread::sleep(time);
        let clients = left.load(Ordering::Relaxed) - before;
        let per_second = clients as f64 / start.elapsed().as_secs_f64();
        let report = VisitsReport { clients, per_second, used: watch.so_far() };
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().map_err(|_| anyhow!("a connecting thread panicked"))??;
        }
        Ok(report)
    })
}

/// All of a batch speak before the first is waited for, so that the server has something to do.
fn arrive(
    address: SocketAddr,
    numbers: std::ops::Range<usize>,
    greet: &impl Fn(usize) -> Greeting,
) -> anyhow::Result<Vec<(TcpStream, Greeting)>> {
    let mut arrived = Vec::with_capacity(numbers.len());
    for number in numbers {
        let mut stream = connect(address).context("connecting")?;
        let greeting = greet(number);
        stream.write_all(&greeting.says)?;
        arrived.push((stream, greeting));
    }
    for (stream, greeting) in &mut arrived {
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        greeting.answer.wait(stream)?;
    }
    Ok(arrived)
}

/// Connects from an address and port that no other connection came from: the system would look for a free port longer and
/// longer, and have none left after some 28,000, since each stays taken for a minute.
fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        match socket.bind(&SocketAddr::from(source(number)).into()) {
            // Somebody listens there on all addresses.
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
            Ok(()) => {
                socket.connect(&address.into())?;
                return Ok(socket.into());
            }
        }
    }
}

/// Where a connection of this number comes from: ports in turn, of addresses of this machine in turn. Programs that run
/// one after the other have addresses of their own.
fn source(number: u32) -> SocketAddrV4 {
    let of_program = (process::id() & 0x7fff) << 8;
    let address = SOURCES + of_program + number / PORTS % 0x100;
    let port = u16::try_from(PORT_MIN + number % PORTS).expect("a port is below 65,536");
    SocketAddrV4::new(Ipv4Addr::from_bits(address), port)
}

fn leave(clients: Vec<(TcpStream, Greeting)>) -> anyhow::Result<()> {
    for (mut stream, greeting) in clients {
        if !greeting.goodbye.is_empty() {
            stream.write_all(greeting.goodbye)?;
        }
    }
    Ok(())
}

fn greeting(idle: Idle, speaks: Speaks, version: Version, number: usize) -> Greeting {
    let topic = |index: usize| match idle.topics {
        Topics::Shared => format!("idle/{index}"),
        Topics::Own => format!("idle/{number}/{index}"),
    };
    match speaks {
        Speaks::Mqtt => {
            let (session_seconds, qos) = match idle.session {
                Session::Ends => (0, QoS::AtMostOnce),
                Session::Stays => (SESSION_SECONDS, QoS::AtLeastOnce),
            };
            let id = format!("idle{number}");
            let client =
                Client { id: &id, session_seconds, keep_alive: KEEP_ALIVE_SECONDS, will_topic: None };
            let mut says = packets::connect(version, &client);
            let topics: Vec<String> = (0..idle.filters).map(topic).collect();
            let filters: Vec<&str> = topics.iter().map(String::as_str).collect();
            packets::subscribe(&mut says, version, &filters, qos);
            Greeting { says, answer: Answer::SubAck(version, qos), goodbye: DISCONNECT }
        }
        Speaks::Framed(framing) => {
            let (says, answer) = framing.hello(Role::Subscriber, &topic(0));
            Greeting { says: says.into_bytes(), answer: Answer::Ends(answer), goodbye: b"" }
        }
        Speaks::Forms(heard, _) => {
            let (says, answer) = subscriber_hello(heard, &topic(0));
            Greeting { says, answer: Answer::Ends(answer.to_owned()), goodbye: b"" }
        }
        Speaks::Text | Speaks::MqttWs => unreachable!("what has no answer that is known here takes no part"),
    }
}

impl Answer {
    fn wait(&self, stream: &mut TcpStream) -> anyhow::Result<()> {
        let mut heard = Vec::new();
        let mut buffer = [0; 1024];
        loop {
            let count = stream.read(&mut buffer).context("waiting for an answer")?;
            ensure!(count > 0, "the server closed the connection of a client that subscribes");
            heard.extend(buffer.iter().take(count));
            if self.is_in(&heard)? {
                return Ok(());
            }
        }
    }

    /// Whether this is the whole answer.
    fn is_in(&self, heard: &[u8]) -> anyhow::Result<bool> {
        let (version, qos) = match self {
            Answer::Ends(end) => return Ok(heard.ends_with(end.as_bytes())),
            Answer::SubAck(version, qos) => (*version, *qos),
        };
        let mut rest = heard;
        while let Some(found) = frame(rest)? {
            let Some((packet, after)) = rest.split_at_checked(found.len()) else { return Ok(false) };
            match decode(version, found.first, packet.get(found.head_len..).unwrap_or_default())? {
                Packet::ConnAck(ack) if !ack.reason.is_error() => {}
                Packet::SubAck(ack) => {
                    let granted = ack.reasons.iter().all(|reason| *reason == qos as u8);
                    ensure!(granted, "it granted {:?}", ack.reasons);
                    return Ok(true);
                }
                other => bail!("a client that subscribes was sent a {:?}", other.kind()),
            }
            rest = after;
        }
        Ok(false)
    }
}

fn is_open(stream: &TcpStream) -> bool {
    let nothing = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    // What is there is a ping of the server.
    !matches!(nothing, Ok(0))
}

/// In 3.1.1 and 5.0.
pub(super) const DISCONNECT: &[u8] = &[0xe0, 0];
/// Longer than any run: nobody has to ping. Not 0, which some servers take for "at once".
pub(super) const KEEP_ALIVE_SECONDS: u16 = 7200;
pub(super) const SESSION_SECONDS: u32 = 3600;
/// Fewer than the hundred that some servers let wait to be accepted, all threads together.
const AT_ONCE: usize = 32;
const THREADS: usize = 2;
/// Before visits are counted.
const WARMUP: Duration = Duration::from_millis(500);
/// 127.1.0.0
const SOURCES: u32 = 0x7f01_0000;
const PORT_MIN: u32 = 10_000;
const PORTS: u32 = 50_000;
/// For buffers that the server frees a little later.
const SETTLE_TIME: Duration = Duration::from_secs(1);
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_mqtt_is_a_connack_and_a_suback_that_grants_all() {
        let answer = Answer::SubAck(Version::V311, QoS::AtLeastOnce);
        let granted = [0x20, 2, 0, 0, 0x90, 4, 0, 1, 1, 1];
        assert!(answer.is_in(&granted).unwrap());
        for cut in 0..granted.len() {
            assert!(!answer.is_in(granted.get(..cut).unwrap()).unwrap(), "{cut} bytes");
        }
        for refused in [&[0x20, 2, 0, 5][..], &[0x20, 2, 0, 0, 0x90, 4, 0, 1, 1, 0x80]] {
            assert!(answer.is_in(refused).is_err(), "{refused:x?}");
        }
    }

    #[test]
    fn sources_do_not_come_round_soon() {
        assert!(source(0).ip().is_loopback() && source(u32::MAX).ip().is_loopback());
        assert_eq!(source(PORTS - 1).port(), 59_999);
        assert_ne!(source(PORTS).ip(), source(0).ip());
        assert_eq!(source(PORTS).port(), source(0).port());
    }

    #[test]
    fn other_answers_are_known_by_their_end() {
        let answer = Answer::Ends("PONG\r\n".to_owned());
        assert!(answer.is_in(b"INFO {}\r\nPONG\r\n").unwrap());
        assert!(!answer.is_in(b"INFO {}\r\nPONG\r").unwrap());
    }
}
