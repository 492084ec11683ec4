//! Connections of attackers: one peer, a crowd of them, floods, readers, and storms of newcomers.
//!
//! All sockets are nonblocking, and a thread serves thousands of them, so that the attackers cost little of the
//! processor that they share with the broker.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, SockRef, Socket, Type};

/// Where attackers connect, and how many of their connections are open.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    address: SocketAddr,
    open: Arc<Open>,
}

#[derive(Debug, Default)]
struct Open {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// How much the kernel keeps for a connection that does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Usual,
    Tiny,
}

/// How a connection ends when it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goodbye {
    /// What was sent arrives.
    Close,
    /// A reset: at once, and no port stays behind.
    Reset,
}

/// One attacker's connection.
#[derive(Debug)]
pub(crate) struct Peer {
    stream: TcpStream,
    open: Arc<Open>,
}

impl Door {
    pub(crate) fn new(address: SocketAddr) -> Door {
        Door { address, open: Arc::default() }
    }

    /// The most connections that were open at a time.
    pub(crate) fn most_open(&self) -> usize {
        self.open.most.load(Ordering::Relaxed)
    }

    pub(crate) fn connect(&self, room: Room) -> io::Result<Peer> {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None)?;
        if room == Room::Tiny {
            // Before connecting: the window that is offered depends on it.
            socket.set_recv_buffer_size(TINY_BYTES)?;
        }
        socket.connect_timeout(&self.address.into(), CONNECT_TIME_MAX)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let now = self.open.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.open.most.fetch_max(now, Ordering::Relaxed);
        Ok(Peer { stream: TcpStream::from_std(socket.into()), open: Arc::clone(&self.open) })
    }

    /// Connects and says something short.
    pub(crate) fn greet(&self, room: Room, words: &[u8]) -> io::Result<Peer> {
        let mut peer = self.connect(room)?;
        peer.stream.write_all(words)?;
        Ok(peer)
    }

    /// So many connections, each with a hello of its own.
    pub(crate) fn crowd<B: AsRef<[u8]>>(
        &self,
        size: usize,
        room: Room,
        hello: impl Fn(usize) -> B,
    ) -> io::Result<Vec<Peer>> {
        (0..size).map(|number| self.greet(room, hello(number).as_ref())).collect()
    }

    /// Publishes one message to each of so many topics, a connection each, a few hundred at a time.
    pub(crate) fn publish_topics(&self, count: usize, words: impl Fn(usize) -> String) -> io::Result<()> {
        let mut open = Vec::with_capacity(BATCH);
        for number in 0..count {
            open.push(self.greet(Room::Usual, words(number).as_bytes())?);
            if open.len() == BATCH {
                open.clear();
            }
        }
        Ok(())
    }
}

impl Peer {
    /// Sends as much as the kernel takes at once.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stream.write(bytes) {
            Err(error) if is_retry(&error) => Ok(0),
            other => other,
        }
    }

    /// Reads what is there, up to the buffer's size. `None` where nothing is.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.stream.read(buffer) {
            Err(error) if is_retry(&error) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Sends a message and waits for so many bytes of answer. False when the time is up first.
    pub(crate) fn exchange(
        &mut self,
        message: &[u8],
        answer_bytes: usize,
        until: Instant,
    ) -> io::Result<bool> {
        SockRef::from(&self.stream).set_nonblocking(false)?;
        SockRef::from(&self.stream).set_read_timeout(Some(POLL_TIME))?;
        self.stream.write_all(message)?;
        let mut answer = vec![0; answer_bytes];
        let mut filled = 0;
        while filled < answer_bytes && Instant::now() < until {
            match self.receive(&mut answer[filled..])? {
                Some(0) => return Err(ErrorKind::UnexpectedEof.into()),
                other => filled += other.unwrap_or_default(),
            }
        }
        Ok(filled == answer_bytes)
    }

    /// Ends in this way; an error means that it has ended already.
    pub(crate) fn end(self, goodbye: Goodbye) {
        if goodbye == Goodbye::Reset {
            SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).ok();
        }
    }

    fn register(&mut self, poll: &Poll, token: Token) -> io::Result<()> {
        poll.registry().register(&mut self.stream, token, Interest::READABLE)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.open.now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many of a crowd the broker sent away with a line, and the first such line.
pub(crate) fn refusals(crowd: &mut [Peer]) -> (usize, Option<String>) {
    let mut buffer = [0; 512];
    let mut refused = 0;
    let mut line = None;
    for peer in crowd {
        let Ok(Some(length)) = peer.receive(&mut buffer) else { continue };
        // After its line the broker closes; a subscriber that is merely served stays open.
        if length > 0 && matches!(peer.receive(&mut [0; 512]), Ok(Some(0)) | Err(_)) {
            refused += 1;
            let text = || String::from_utf8_lossy(&buffer[..length]).trim().to_owned();
            line.get_or_insert_with(text);
        }
    }
    (refused, line)
}

/// What a flood amounted to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flooded {
    pub(crate) bytes: u64,
    /// Connections that the broker ended.
    pub(crate) ended: usize,
}

/// Sends the chunk over and over from all peers, each as fast as it is taken, until the time is up.
pub(crate) fn flood(peers: Vec<Peer>, chunk: &[u8], until: Instant) -> Flooded {
    let mut flooded = Flooded::default();
    let mut flooders: Vec<(Peer, usize)> = peers.into_iter().map(|peer| (peer, 0)).collect();
    while Instant::now() < until && !flooders.is_empty() {
        let mut taken = 0;
        flooders.retain_mut(|(peer, at)| match peer.send(&chunk[*at..]) {
            Ok(bytes) => {
                *at = (*at + bytes) % chunk.len();
                taken += bytes;
                true
            }
            Err(_) => {
                flooded.ended += 1;
                false
            }
        });
        flooded.bytes += taken as u64;
        if taken == 0 {
            thread::sleep(FULL_PAUSE);
        }
    }
    flooded
}

/// Sends the whole of `bytes` from every peer once, as far as it is taken before the time is up.
pub(crate) fn send_once(peers: &mut [Peer], bytes: &[u8], until: Instant) -> usize {
    let mut left: Vec<(&mut Peer, usize)> = peers.iter_mut().map(|peer| (peer, 0)).collect();
    let mut done = 0;
    while Instant::now() < until && !left.is_empty() {
        let before = left.len();
        left.retain_mut(|(peer, at)| {
            let Ok(taken) = peer.send(&bytes[*at..]) else { return false };
            *at += taken;
            done += usize::from(*at == bytes.len());
            *at < bytes.len()
        });
        if left.len() == before {
            thread::sleep(FULL_PAUSE);
        }
    }
    done
}

/// A crowd that reads whatever comes, in a thread of its own, until this is dropped.
#[derive(Debug)]
pub(crate) struct Readers {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    bytes: AtomicU64,
    lines: AtomicU64,
}

impl Readers {
    pub(crate) fn start(mut crowd: Vec<Peer>) -> io::Result<Readers> {
        let poll = Poll::new()?;
        for (number, peer) in crowd.iter_mut().enumerate() {
            peer.register(&poll, Token(number))?;
        }
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = thread::spawn(move || own.read_all(crowd, poll));
        Ok(Readers { shared, thread: Some(thread) })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn lines(&self) -> u64 {
        self.shared.lines.load(Ordering::Relaxed)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Its figures are shared; a panic has printed itself.
        self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn read_all(&self, mut crowd: Vec<Peer>, mut poll: Poll) {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; READ_BYTES];
        while !self.stop.load(Ordering::Relaxed) {
            if poll.poll(&mut events, Some(POLL_TIME)).is_err() {
                continue;
            }
            for event in &events {
                let Some(peer) = crowd.get_mut(event.token().0) else { continue };
                self.read_one(peer, &mut buffer);
            }
        }
    }

    /// Until nothing is left, since readiness is told only once.
    fn read_one(&self, peer: &mut Peer, buffer: &mut [u8]) {
        while let Ok(Some(length @ 1..)) = peer.receive(buffer) {
            let lines = buffer[..length].iter().filter(|byte| **byte == b'\n').count();
            self.bytes.fetch_add(length as u64, Ordering::Relaxed);
            self.lines.fetch_add(lines as u64, Ordering::Relaxed);
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

/// Newcomers who connect, say hello, wait a while, leave, and come again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storm {
    /// How many are there at a time.
    pub(crate) size: usize,
    pub(crate) stay: Stay,
    pub(crate) goodbye: Goodbye,
}

/// How long a newcomer stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stay {
    /// Until something comes, but no longer than this.
    UntilHeard(Duration),
    /// Until nothing has come for so long.
    UntilQuiet(Duration),
    /// So long, whatever comes.
    For(Duration),
}

/// What a storm amounted to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stormed {
    pub(crate) hellos: u64,
    pub(crate) bytes: u64,
    /// Connections that could not be made.
    pub(crate) failed: u64,
}

#[derive(Debug)]
struct Newcomer {
    peer: Peer,
    leaves: Instant,
}

impl Storm {
    /// Runs it in this thread until the time is up.
    pub(crate) fn run<B: AsRef<[u8]>>(
        &self,
        door: &Door,
        until: Instant,
        hello: impl Fn(u64) -> B,
    ) -> io::Result<Stormed> {
        let mut poll = Poll::new()?;
        let mut events = Events::with_capacity(1024);
        let mut slots: Vec<Option<Newcomer>> = (0..self.size).map(|_| None).collect();
        let mut stormed = Stormed::default();
        let mut buffer = vec![0; READ_BYTES];
        while Instant::now() < until {
            self.refill(&mut slots, door, &poll, until, &hello, &mut stormed);
            poll.poll(&mut events, Some(STORM_TICK))?;
            for event in &events {
                let Some(slot) = slots.get_mut(event.token().0) else { continue };
                stormed.bytes += self.hear(slot, &mut buffer);
            }
            let now = Instant::now();
            for slot in &mut slots {
                if slot.as_ref().is_some_and(|newcomer| newcomer.leaves <= now) {
                    slot.take().into_iter().for_each(|newcomer| newcomer.peer.end(self.goodbye));
                }
            }
        }
        Ok(stormed)
    }

    fn refill<B: AsRef<[u8]>>(
        &self,
        slots: &mut [Option<Newcomer>],
        door: &Door,
        poll: &Poll,
        until: Instant,
        hello: &impl Fn(u64) -> B,
        stormed: &mut Stormed,
    ) {
        for (number, slot) in slots.iter_mut().enumerate().filter(|(_, slot)| slot.is_none()) {
            if Instant::now() >= until {
                return;
            }
            match self.come(door, poll, Token(number), hello(stormed.hellos).as_ref()) {
                Ok(newcomer) => {
                    *slot = Some(newcomer);
                    stormed.hellos += 1;
                }
                // The next round tries again.
                Err(_) => stormed.failed += 1,
            }
        }
    }

    fn come(&self, door: &Door, poll: &Poll, token: Token, hello: &[u8]) -> io::Result<Newcomer> {
        let mut peer = door.greet(Room::Usual, hello)?;
        peer.register(poll, token)?;
        let (Stay::UntilHeard(time) | Stay::UntilQuiet(time) | Stay::For(time)) = self.stay;
        Ok(Newcomer { peer, leaves: Instant::now() + time })
    }

    /// Reads what came, and decides how long to stay on.
    fn hear(&self, slot: &mut Option<Newcomer>, buffer: &mut [u8]) -> u64 {
        let Some(newcomer) = slot else { return 0 };
        let mut bytes = 0;
        loop {
            match newcomer.peer.receive(buffer) {
                Ok(Some(length @ 1..)) => bytes += length as u64,
                Ok(None) => break,
                // The broker has ended it.
                Ok(Some(0)) | Err(_) => {
                    newcomer.leaves = Instant::now();
                    return bytes;
                }
            }
        }
        if bytes > 0 {
            newcomer.leaves = match self.stay {
                Stay::UntilHeard(_) => Instant::now(),
                Stay::UntilQuiet(time) => Instant::now() + time,
                Stay::For(_) => newcomer.leaves,
            };
        }
        bytes
    }
}

fn is_retry(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// The kernel makes the least of it that it allows.
const TINY_BYTES: usize = 2048;
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);
/// Connections of [`Door::publish_topics`] that are open at a time.
const BATCH: usize = 500;
const FULL_PAUSE: Duration = Duration::from_micros(300);
const READ_BYTES: usize = 64 * 1024;
const POLL_TIME: Duration = Duration::from_millis(50);
const STORM_TICK: Duration = Duration::from_millis(5);
