//! One shard's thread: the loop that moves bytes between sockets and a station.
//!
//! A turn: wait for readiness; take mail; read; send mail; do what is due; write; send mail.
//! Nothing here decides about messages.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use broker::{ConnId, Instant, Mail, Now, ShardConfig, ShardId, Stats};
use bytes::Bytes;
use frontend::{Census, Chunk, ClientRow, CloseReason, Handover, Placement, ReadEnd, Rules, Station};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::clock::Clock;
use crate::listener::Loads;
use crate::mailbox::{Batch, Mailbox};
use crate::report::EventSink;
use crate::socket::{Read, ReadBuffer, Socket, Written};

/// The token of the waker; sockets have their slots.
pub(crate) const WAKER: Token = Token(usize::MAX);
/// How long a finished connection may take to read its last line and close.
const LINGER: Duration = Duration::from_secs(1);
/// Rows of a client list per shard.
const ROWS_MAX: usize = 1000;

/// What the control thread tells a shard.
#[derive(Debug)]
pub(crate) enum Order {
    /// A client was accepted by this listener.
    Accepted { stream: TcpStream, addr: SocketAddr, listener: usize },
    /// A publisher comes from another shard.
    Moved { stream: TcpStream, handover: Handover, listener: usize },
    /// Tell what you have.
    Report(Sender<Report>),
    /// End one connection.
    Kick(ConnId),
    /// Read no more; answer when your mail is out.
    Quiesce(Sender<()>),
    /// Write what is queued, then the last line, then end; answer with how many clients did not get everything.
    Drain { time: Duration, done: Sender<usize> },
}

/// One shard's figures.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) shard: ShardId,
    pub(crate) stats: Stats,
    pub(crate) census: Census,
    pub(crate) clients: Vec<ClientRow>,
    pub(crate) history_bytes: usize,
}

/// What a shard's thread is made with.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) config: ShardConfig,
    pub(crate) rules: Vec<Rules>,
    pub(crate) clock: Clock,
    pub(crate) poll: Poll,
    pub(crate) mailboxes: Arc<[Mailbox]>,
    pub(crate) orders: Receiver<Order>,
    pub(crate) events: EventSink,
    /// Where the other shards take orders, to hand publishers over.
    pub(crate) shards: Vec<Sender<Order>>,
    pub(crate) loads: Loads,
}

/// Whether sockets are read in this turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Open,
    Held,
}

/// Whether the shard goes on.
#[derive(Debug)]
enum Phase {
    Serving,
    /// Reads no more.
    Quiet,
    /// Writes what is left, until then.
    Draining {
        until: Instant,
        done: Sender<usize>,
    },
}

#[derive(Debug)]
pub(crate) struct ShardThread {
    own: ShardId,
    station: Station,
    rules: Vec<Rc<Rules>>,
    clock: Clock,
    poll: Poll,
    mailboxes: Arc<[Mailbox]>,
    orders: Receiver<Order>,
    events: EventSink,
    shards: Vec<Sender<Order>>,
    loads: Loads,
    sockets: Vec<Option<Socket>>,
    generations: Vec<u32>,
    free: Vec<u32>,
    buffer: ReadBuffer,
    to_read: VecDeque<ConnId>,
    to_write: VecDeque<ConnId>,
    lingering: VecDeque<(Instant, ConnId)>,
    outbox: Vec<Vec<Mail>>,
    read_turn_bytes_max: usize,
    mail_bytes_max: usize,
    phase: Phase,
}

impl ShardThread {
    pub(crate) fn new(setup: Setup) -> Self {
        let limits = Arc::clone(&setup.config.limits);
        let senders = usize::from(setup.config.shards.saturating_sub(1)).max(1);
        let mail_bytes_max = limits.mail_bytes_max / senders;
        let own = setup.config.own;
        let outbox = (0..setup.config.shards).map(|_| Vec::new()).collect();
        let mut station = Station::new(setup.config);
        station.set_placement(Placement::Offer);
        Self {
            own,
            outbox,
            station,
            rules: setup.rules.into_iter().map(Rc::new).collect(),
            clock: setup.clock,
            poll: setup.poll,
            mailboxes: setup.mailboxes,
            orders: setup.orders,
            events: setup.events,
            shards: setup.shards,
            loads: setup.loads,
            sockets: Vec::new(),
            generations: Vec::new(),
            free: Vec::new(),
            buffer: ReadBuffer::new(limits.read_bytes),
            to_read: VecDeque::new(),
            to_write: VecDeque::new(),
            lingering: VecDeque::new(),
            read_turn_bytes_max: limits.read_turn_bytes_max,
            mail_bytes_max,
            phase: Phase::Serving,
        }
    }

    /// Runs until the shard has drained.
    ///
    /// # Errors
    /// If the operating system's readiness queue fails.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut ready = Events::with_capacity(1024);
        let mut batches = Vec::new();
        loop {
            let reading = self.reading();
            self.wait(&mut ready, reading)?;
            let now = self.clock.now();
            self.note_readiness(&ready);
            self.take_mail(now, &mut batches);
            self.take_orders(now, &mut batches);
            if reading == Reading::Open {
                self.read_all(now);
                self.send_mail();
            }
            self.station.timeout(now);
            self.move_publishers(now);
            self.write_all(now);
            self.station.end_turn();
            self.send_mail();
            self.end_lingering(now);
            self.note_resumed();
            self.events.send(self.station.take_events());
            if self.has_drained(now) {
                return Ok(());
            }
        }
    }

    /// Waits for something to do; not at all while there is something.
    fn wait(&mut self, ready: &mut Events, reading: Reading) -> io::Result<()> {
        let mailbox = &self.mailboxes[usize::from(self.own.0)];
        let to_read = reading == Reading::Open && !self.to_read.is_empty();
        let busy = to_read || !self.to_write.is_empty();
        let timeout = match self.next_deadline() {
            _ if busy || !mailbox.may_sleep() => Some(Duration::ZERO),
            // One nanosecond more than due, so that a rounded wait does not end too early.
            Some(at) => Some(at.since(self.clock.now().mono) + Duration::from_nanos(1)),
            None => None,
        };
        let polled = self.poll.poll(ready, timeout);
        mailbox.awake();
        match polled {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let lingering = self.lingering.front().map(|(at, _)| *at);
        let draining = match &self.phase {
            Phase::Draining { until, .. } => Some(*until),
            _ => None,
        };
        [self.station.poll_timeout(), lingering, draining].into_iter().flatten().min()
    }

    /// Held while another shard has not taken enough of this one's mail.
    fn reading(&self) -> Reading {
        let full = |mailbox: &Mailbox| mailbox.is_full(self.own, self.mail_bytes_max);
        match self.mailboxes.iter().any(full) {
            true => Reading::Held,
            false => Reading::Open,
        }
    }

    fn note_readiness(&mut self, ready: &Events) {
        for event in ready {
            let Some(Some(socket)) = self.sockets.get_mut(event.token().0) else { continue };
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                socket.readable = true;
                socket.read_closed |= event.is_read_closed() || event.is_error();
                if !socket.listed {
                    socket.listed = true;
                    self.to_read.push_back(socket.conn);
                }
            }
            if event.is_writable() && socket.blocked {
                socket.blocked = false;
                self.to_write.push_back(socket.conn);
            }
        }
    }

    fn take_mail(&mut self, now: Now, batches: &mut Vec<Batch>) {
        let mailboxes = Arc::clone(&self.mailboxes);
        let own = &mailboxes[usize::from(self.own.0)];
        own.take(batches);
        for mut batch in batches.drain(..) {
            for mail in batch.mail.drain(..) {
                self.station.take_mail(now, batch.from, mail);
            }
            if let Some(sender) = own.done(&batch, self.mail_bytes_max) {
                mailboxes[usize::from(sender.0)].wake();
            }
        }
    }

    fn send_mail(&mut self) {
        while let Some((to, mail)) = self.station.poll_mail() {
            self.outbox[usize::from(to.0)].push(mail);
        }
        for (mailbox, mail) in self.mailboxes.iter().zip(&mut self.outbox) {
            if !mail.is_empty() {
                mailbox.push(self.own, std::mem::take(mail));
            }
        }
    }

    fn take_orders(&mut self, now: Now, batches: &mut Vec<Batch>) {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Accepted { stream, addr, listener } => {
                    if let Some(conn) = self.add_socket(stream, listener) {
                        self.station.connect(now, conn, addr, &self.rules[listener]);
                    }
                }
                Order::Moved { stream, handover, listener } => {
                    if let Some(conn) = self.add_socket(stream, listener) {
                        self.station.adopt(now, conn, handover, &self.rules[listener]);
                    }
                }
                Order::Report(reply) => {
                    // Whoever asked may have stopped waiting.
                    drop(reply.send(self.report()));
                }
                Order::Kick(conn) => self.station.end(now, conn, CloseReason::Kicked),
                Order::Quiesce(reply) => {
                    self.phase = Phase::Quiet;
                    self.send_mail();
                    reply.send(()).ok();
                }
                Order::Drain { time, done } => {
                    // Everyone's last mail was sent before anyone was told to drain.
                    self.take_mail(now, batches);
                    self.phase = Phase::Draining { until: now.mono.after(time), done };
                    self.station.drain(now);
                }
            }
        }
    }

    fn report(&mut self) -> Report {
        Report {
            shard: self.own,
            stats: self.station.shard().stats(),
            census: self.station.census(),
            clients: self.station.clients(ROWS_MAX),
            history_bytes: self.station.shard().history_bytes(),
        }
    }

    /// Registers a socket and gives it a slot.
    fn add_socket(&mut self, stream: TcpStream, listener: usize) -> Option<ConnId> {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.sockets.push(None);
            self.generations.push(0);
            u32::try_from(self.sockets.len() - 1).expect("connections are bounded")
        });
        let index = slot as usize;
        let conn = ConnId { slot, generation: self.generations[index] };
        let mut socket = Socket::new(conn, stream, listener);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(socket.stream(), Token(index), interest).is_err() {
            self.free.push(slot);
            self.loads.ended(usize::from(self.own.0));
            return None;
        }
        socket.listed = true;
        self.sockets[index] = Some(socket);
        self.to_read.push_back(conn);
        Some(conn)
    }

    /// Hands publishers to the shards that hear them, as far as the balance bears it.
    fn move_publishers(&mut self, now: Now) {
        while let Some(offer) = self.station.poll_move() {
            let (conn, own, to) = (offer.conn, usize::from(self.own.0), usize::from(offer.to.0));
            if !self.loads.may_move(own, to) {
                self.station.stay(now, &offer);
                continue;
            }
            // None of them: the connection has ended since it was offered.
            let Some(handover) = self.station.hand_over(now, offer) else { continue };
            let Some(socket) = self.sockets[conn.slot as usize].take() else { continue };
            let listener = socket.listener;
            let stream = socket.into_stream(self.poll.registry());
            self.release_slot(conn);
            self.loads.moved(own, to);
            // A shard that has ended takes no orders: the socket closes with it.
            self.shards[to].send(Order::Moved { stream, handover, listener }).ok();
            self.mailboxes[to].nudge();
        }
    }

    fn release_slot(&mut self, conn: ConnId) {
        let generation = &mut self.generations[conn.slot as usize];
        *generation = generation.wrapping_add(1);
        self.free.push(conn.slot);
    }

    /// Lists the connections that may be read again; at the end of a turn, so that the next one
    /// does not wait for anything else.
    fn note_resumed(&mut self) {
        while let Some(conn) = self.station.poll_read() {
            self.list_to_read(conn);
        }
    }

    /// Reads from everyone in turn, once each, until nothing is left or the turn is over.
    fn read_all(&mut self, now: Now) {
        self.note_resumed();
        let mut bytes_left = self.read_turn_bytes_max;
        while bytes_left > 0 {
            let Some(conn) = self.to_read.pop_front() else { break };
            bytes_left = bytes_left.saturating_sub(self.read(now, conn));
        }
    }

    /// Reads once from a connection, unless it may not be read. Returns how much there was.
    fn read(&mut self, now: Now, conn: ConnId) -> usize {
        let Some(socket) = socket(&mut self.sockets, conn) else { return 0 };
        socket.listed = false;
        if socket.lingers_until.is_some() {
            if !socket.discard(&mut self.buffer) {
                self.close(now, conn);
            } else {
                self.list_to_read(conn);
            }
            return 0;
        }
        let serving = matches!(self.phase, Phase::Serving);
        if !socket.readable || !serving || !self.station.may_read(conn) {
            return 0;
        }
        match socket.read(&mut self.buffer, self.station.carry(conn)) {
            Read::Chunk(chunk, read_end) => {
                self.station.receive(now, conn, &chunk, read_end);
                // Before anything else is read: what was read is to be published first.
                self.move_publishers(now);
                self.list_to_read(conn);
                chunk.bytes.len()
            }
            Read::Nothing => {
                // The read before may have filled its buffer to the byte: now it was the last one.
                let carry = Bytes::copy_from_slice(self.station.carry(conn));
                if !carry.is_empty() {
                    let chunk = Chunk { pinned_bytes: carry.len(), bytes: carry };
                    self.station.receive(now, conn, &chunk, ReadEnd::Drained);
                }
                0
            }
            Read::Broken => {
                self.close(now, conn);
                0
            }
        }
    }

    fn list_to_read(&mut self, conn: ConnId) {
        let Some(socket) = socket(&mut self.sockets, conn) else { return };
        if socket.readable && !socket.listed {
            socket.listed = true;
            self.to_read.push_back(conn);
        }
    }

    fn write_all(&mut self, now: Now) {
        for _ in 0..self.to_write.len() {
            let Some(conn) = self.to_write.pop_front() else { break };
            self.write(now, conn);
        }
        while let Some(conn) = self.station.poll_write() {
            self.write(now, conn);
        }
    }

    /// Writes to one connection until nothing is left or its socket is full.
    fn write(&mut self, now: Now, conn: ConnId) {
        let Some(socket) = socket(&mut self.sockets, conn) else { return };
        if socket.blocked || socket.lingers_until.is_some() {
            return;
        }
        loop {
            let Some(out) = self.station.fill(now, conn) else { return };
            if out.is_empty() {
                break;
            }
            match socket.write(out) {
                Written::All => {}
                Written::Blocked => break,
                Written::Broken => {
                    self.close(now, conn);
                    return;
                }
            }
        }
        self.station.wrote(conn);
        if self.station.is_over(conn) {
            self.finish(now, conn);
        }
    }

    /// Everything is said: gives the peer a moment to read it before the socket closes.
    fn finish(&mut self, now: Now, conn: ConnId) {
        let Some(socket) = socket(&mut self.sockets, conn) else { return };
        self.station.remove(now, conn);
        if socket.read_to_end || socket.finish_writing().is_err() {
            self.close(now, conn);
            return;
        }
        let until = now.mono.after(LINGER);
        socket.lingers_until = Some(until);
        socket.readable = true;
        self.lingering.push_back((until, conn));
        self.list_to_read(conn);
    }

    fn end_lingering(&mut self, now: Now) {
        while self.lingering.front().is_some_and(|(until, _)| *until <= now.mono) {
            let Some((_, conn)) = self.lingering.pop_front() else { break };
            self.close(now, conn);
        }
    }

    /// Closes a socket and gives its slot back.
    fn close(&mut self, now: Now, conn: ConnId) {
        let index = conn.slot as usize;
        if socket(&mut self.sockets, conn).is_none() {
            return;
        }
        self.sockets[index] = None;
        self.station.remove(now, conn);
        self.release_slot(conn);
        self.loads.ended(usize::from(self.own.0));
    }

    /// After a drain: whether everyone has gone or the time is up.
    fn has_drained(&mut self, now: Now) -> bool {
        let Phase::Draining { until, done } = &self.phase else { return false };
        let left = self.sockets.iter().flatten().count();
        if left > 0 && now.mono < *until {
            return false;
        }
        let given_up = self.station.clients(usize::MAX).iter().filter(|row| row.queued_bytes > 0).count();
        done.send(given_up).ok();
        true
    }
}

fn socket(sockets: &mut [Option<Socket>], conn: ConnId) -> Option<&mut Socket> {
    sockets.get_mut(conn.slot as usize)?.as_mut().filter(|socket| socket.conn == conn)
}
