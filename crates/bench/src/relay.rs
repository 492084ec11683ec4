//! The bare relay, the yardstick for brokers: it copies whole lines from a topic's publishers to its subscribers and
//! does nothing else. One process, N threads with a poll each; a topic lives on the thread of its number.
//!
//! Hello: `PUB n` or `SUB n` and a newline, where n is the topic's number.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use cli::bench::Role;
use mio::{Poll, Waker};

use crate::relay_worker::{Joined, WAKER, Worker};

#[derive(Debug, Args)]
pub(crate) struct RelayArgs {
    #[arg(long, default_value = "1", value_name = "N")]
    threads: NonZeroUsize,
}

/// Serves until standard input ends.
pub(crate) fn run(args: &RelayArgs) -> anyhow::Result<ExitCode> {
    let threads = args.threads;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(io::stdout(), "relay listening on {}", listener.local_addr()?)?;
    let mut doors = Vec::with_capacity(threads.get());
    for id in 0..threads.get() {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (joining, joined) = channel();
        let worker = Worker::new(poll, joined);
        thread::Builder::new().name(format!("relay-{id}")).spawn(move || worker.run())?;
        doors.push(Door { joining, waker });
    }
    thread::Builder::new().name("relay-accept".to_owned()).spawn(move || accept_all(&listener, &doors))?;
    io::copy(&mut io::stdin(), &mut io::sink()).context("waiting for the end of standard input")?;
    Ok(ExitCode::SUCCESS)
}

/// Where the acceptor hands connections to a thread.
#[derive(Debug)]
struct Door {
    joining: Sender<Joined>,
    waker: Arc<Waker>,
}

fn accept_all(listener: &TcpListener, doors: &[Door]) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept()?;
        // A client that does not greet is dropped; it can only be something that is not the generator.
        let Ok((role, topic)) = read_hello(&stream) else { continue };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let Some(door) = doors.get(topic % doors.len()) else { continue };
        let joined =
            Joined { stream: mio::net::TcpStream::from_std(stream), role, topic: topic / doors.len() };
        if door.joining.send(joined).is_ok() {
            door.waker.wake()?;
        }
    }
}

/// Reads byte by byte, as what follows the first line is for the thread.
fn read_hello(mut stream: &TcpStream) -> io::Result<(Role, usize)> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < HELLO_BYTES_MAX {
        stream.read_exact(&mut byte)?;
        match byte {
            [b'\n'] => return parse_hello(&line).ok_or_else(|| ErrorKind::InvalidData.into()),
            [other] => line.push(other),
        }
    }
    Err(ErrorKind::InvalidData.into())
}

fn parse_hello(line: &[u8]) -> Option<(Role, usize)> {
    let (role, topic) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let topic = topic.parse().ok().filter(|topic| *topic < TOPICS_MAX)?;
    match role {
        "PUB" => Some((Role::Publisher, topic)),
        "SUB" => Some((Role::Subscriber, topic)),
        _ => None,
    }
}

const HELLO_BYTES_MAX: usize = 32;
const TOPICS_MAX: usize = 0x1_0000;
