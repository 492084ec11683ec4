//! One thread of the bare relay. Reads a publisher, cuts at the last line end, writes the piece to each subscriber of
//! the topic. What a full socket does not take waits in that subscriber's backlog, and while a backlog is above its
//! bound no publisher of the topic is read, so that what is in flight stays the size of a cache.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::mpsc::Receiver;

use cli::bench::Role;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// A connection that has said hello.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) stream: TcpStream,
    pub(crate) role: Role,
    /// Its number among this thread's topics.
    pub(crate) topic: usize,
}

#[derive(Debug)]
pub(crate) struct Worker {
    poll: Poll,
    joined: Receiver<Joined>,
    topics: Vec<Topic>,
    /// By token: where a connection is kept. Places are not reused; the process lives for one run.
    places: Vec<Place>,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    topic: usize,
    role: Role,
    index: usize,
}

#[derive(Debug, Default)]
struct Topic {
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    /// Subscribers whose backlog is above the bound.
    braking: usize,
}

#[derive(Debug)]
struct Publisher {
    stream: TcpStream,
    input: Input,
    /// The start of a line whose end has not arrived.
    carry: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// Nothing to read until the next event.
    Empty,
    /// There may be more.
    Waiting,
    Closed,
}

#[derive(Debug)]
struct Subscriber {
    stream: TcpStream,
    output: Output,
    /// Bytes the socket had no room for, from `sent` on.
    backlog: Vec<u8>,
    sent: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Open,
    /// Backlog above the bound: holds up the topic's publishers.
    Braking,
    Closed,
}

impl Worker {
    pub(crate) fn new(poll: Poll, joined: Receiver<Joined>) -> Worker {
        Worker { poll, joined, topics: Vec::new(), places: Vec::new(), buffer: vec![0; 2 * READ_BYTES] }
    }

    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                if event.token() == WAKER {
                    self.admit()?;
                } else {
                    self.on_event(event);
                }
            }
        }
    }

    fn admit(&mut self) -> io::Result<()> {
        while let Ok(Joined { mut stream, role, topic: number }) = self.joined.try_recv() {
            if self.topics.len() <= number {
                self.topics.resize_with(number + 1, Topic::default);
            }
            let Some(topic) = self.topics.get_mut(number) else { continue };
            let (index, interest) = match role {
                Role::Publisher => (topic.publishers.len(), Interest::READABLE),
                Role::Subscriber => (topic.subscribers.len(), Interest::WRITABLE),
            };
            self.poll.registry().register(&mut stream, Token(self.places.len()), interest)?;
            self.places.push(Place { topic: number, role, index });
            match role {
                Role::Publisher => {
                    topic.publishers.push(Publisher { stream, input: Input::Empty, carry: Vec::new() });
                }
                Role::Subscriber => {
                    topic.subscribers.push(Subscriber {
                        stream,
                        output: Output::Open,
                        backlog: Vec::new(),
                        sent: 0,
                    });
                }
            }
        }
        Ok(())
    }

    fn on_event(&mut self, event: &Event) {
        let Some(place) = self.places.get(event.token().0) else { return };
        let Some(topic) = self.topics.get_mut(place.topic) else { return };
        match place.role {
            Role::Publisher => {
                if let Some(publisher) = topic.publishers.get_mut(place.index)
                    && publisher.input != Input::Closed
                {
                    publisher.input = Input::Waiting;
                }
                topic.relay(place.index, &mut self.buffer);
            }
            Role::Subscriber => {
                let was_braking = topic.braking > 0;
                if let Some(subscriber) = topic.subscribers.get_mut(place.index) {
                    topic.braking -= subscriber.brakes();
                    subscriber.flush();
                    topic.braking += subscriber.brakes();
                }
                if was_braking && topic.braking == 0 {
                    (0..topic.publishers.len()).for_each(|index| topic.relay(index, &mut self.buffer));
                }
            }
        }
    }
}

impl Topic {
    /// Passes on what a publisher has sent, until there is no more or a subscriber is too slow.
    fn relay(&mut self, index: usize, buffer: &mut [u8]) {
        let Topic { publishers, subscribers, braking } = self;
        let Some(publisher) = publishers.get_mut(index) else { return };
        while publisher.input == Input::Waiting && *braking == 0 {
            let bytes = publisher.read(buffer);
            let end = memchr::memrchr(b'\n', bytes).map_or(0, |last| last + 1);
            let (lines, rest) = bytes.split_at(end);
            publisher.carry.clear();
            publisher.carry.extend(rest);
            if lines.is_empty() {
                continue;
            }
            for subscriber in &mut *subscribers {
                *braking -= subscriber.brakes();
                subscriber.send(lines);
                *braking += subscriber.brakes();
            }
        }
    }
}

impl Publisher {
    /// One read behind what was left over.
    fn read<'a>(&mut self, buffer: &'a mut [u8]) -> &'a [u8] {
        let carried = self.carry.len();
        let Some((start, space)) = buffer.split_at_mut_checked(carried) else {
            self.input = Input::Closed;
            return &[];
        };
        start.copy_from_slice(&self.carry);
        let room = space.len().min(READ_BYTES);
        let count = match self.stream.read(space.get_mut(..room).unwrap_or_default()) {
            Ok(count) if count > 0 => {
                if count < room {
                    self.input = Input::Empty;
                }
                count
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.input = Input::Empty;
                0
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            // End of stream, an error, or a line longer than the buffer.
            Ok(_) | Err(_) => {
                self.input = Input::Closed;
                0
            }
        };
        buffer.get(..carried + count).unwrap_or_default()
    }
}

impl Subscriber {
    /// 1 if this subscriber holds up its publishers.
    fn brakes(&self) -> usize {
        usize::from(self.output == Output::Braking)
    }

    fn send(&mut self, bytes: &[u8]) {
        if self.output == Output::Closed {
            return;
        }
        let written = if self.backlog.is_empty() { self.write(bytes) } else { 0 };
        self.backlog.extend(bytes.iter().skip(written));
        self.set_output();
    }

    fn flush(&mut self) {
        let backlog = std::mem::take(&mut self.backlog);
        self.sent += self.write(backlog.get(self.sent..).unwrap_or_default());
        self.backlog = backlog;
        if self.sent == self.backlog.len() {
            self.backlog.clear();
            self.sent = 0;
        } else if self.sent > BACKLOG_BYTES_MAX {
            self.backlog.drain(..self.sent);
            self.sent = 0;
        }
        self.set_output();
    }

    fn set_output(&mut self) {
        if self.output != Output::Closed {
            let waiting = self.backlog.len() - self.sent;
            self.output = if waiting > BACKLOG_BYTES_MAX { Output::Braking } else { Output::Open };
        }
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.output = Output::Closed;
                    break;
                }
            }
        }
        written
    }
}

/// Finds the waker's event among those of connections.
pub(crate) const WAKER: Token = Token(usize::MAX);
const READ_BYTES: usize = 64 * 1024;
const BACKLOG_BYTES_MAX: usize = 256 * 1024;
