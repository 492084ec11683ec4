//! One shard's thread: the loop that moves bytes between sockets and a station.
//!
//! A turn: wait for readiness; take mail and orders; read; send mail; do what is due and what
//! waits; write; send mail. Each of these has a budget and leaves the rest for the next turn.
//! How sockets are read and written is in `traffic`. Nothing here decides about messages.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use broker::{ConnId, Instant, Limits, Mail, Now, ShardConfig, ShardId, Slab, Stats};
use frontend::{Action, Census, ClientRow, CloseReason, Handover, Move, Placement, Rules, Station};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::clock::Clock;
use crate::control::Reply;
use crate::listener::{self, Loads};
use crate::mailbox::{Batch, Mailbox};
use crate::report::EventSink;
use crate::socket::{LIGHT_READ_BYTES, ReadBuffer, Socket};
use crate::turn::{ACCEPT, Budget, CLOSE, ReadLines, WriteLines};

/// The token of the waker; sockets have their slots.
pub(crate) const WAKER: Token = Token(usize::MAX);

/// What the control thread tells a shard.
#[derive(Debug)]
pub(crate) enum Order {
    /// A client was accepted by this listener.
    Accepted { stream: TcpStream, addr: SocketAddr, listener: usize },
    /// A publisher comes from another shard.
    Moved { stream: TcpStream, handover: Handover, listener: usize },
    /// Tell what you have, and so many clients.
    Report { clients_max: usize, reply: Reply },
    /// End one connection.
    Kick(ConnId),
    /// Read no more; answer when your mail is out.
    Quiesce(Sender<()>),
    /// Write what is queued, then the last line, then end; answer with how many clients did not get everything.
    Drain { time: Duration, done: Sender<usize> },
}

/// One shard's figures.
#[derive(Debug, Clone)]
pub(crate) struct ShardReport {
    pub(crate) at: Instant,
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
    /// Writes what is left, until then; first it takes all mail.
    Draining {
        until: Instant,
        done: Sender<usize>,
        begun: bool,
    },
}

/// Mail of one sender that is being taken.
#[derive(Debug)]
struct Opened {
    mail: VecDeque<Mail>,
    batch: Batch,
}

#[derive(Debug)]
pub(crate) struct ShardThread {
    own: ShardId,
    pub(crate) station: Station,
    rules: Vec<Rc<Rules>>,
    clock: Clock,
    poll: Poll,
    mailboxes: Arc<[Mailbox]>,
    orders: Receiver<Order>,
    events: EventSink,
    shards: Vec<Sender<Order>>,
    loads: Loads,
    /// Gives out the ids of connections.
    pub(crate) sockets: Slab<ConnId, Socket>,
    pub(crate) buffer: ReadBuffer,
    pub(crate) light_buffer: ReadBuffer,
    pub(crate) short_buffer: ReadBuffer,
    pub(crate) to_read: ReadLines,
    pub(crate) to_write: WriteLines,
    pub(crate) lingering: VecDeque<(Instant, ConnId)>,
    inbox: VecDeque<Opened>,
    orders_left: bool,
    outbox: Vec<Vec<Mail>>,
    pub(crate) limits: Arc<Limits>,
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
            sockets: Slab::default(),
            buffer: ReadBuffer::new(limits.read_bytes),
            light_buffer: ReadBuffer::new(limits.read_bytes.min(LIGHT_READ_BYTES)),
            short_buffer: ReadBuffer::new(limits.unfinished_bytes_free),
            to_read: ReadLines::default(),
            to_write: WriteLines::default(),
            lingering: VecDeque::new(),
            inbox: VecDeque::new(),
            orders_left: false,
            limits,
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
            self.take_orders(now);
            if reading == Reading::Open {
                self.read_all(now);
                self.send_mail(now);
            }
            self.do_what_is_due(now, &mut ready)?;
            self.write_all(now);
            self.station.end_turn();
            self.end_lingering(now);
            self.send_mail(now);
            self.events.send(self.station.take_events());
            if self.has_drained(now) {
                return Ok(());
            }
        }
    }

    /// What one phase of a turn may cost.
    pub(crate) fn phase(&self) -> Budget {
        Budget::new(u64::try_from(self.limits.phase_work_max.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Timers, but none before what was said and not read; then work that waits.
    fn do_what_is_due(&mut self, now: Now, ready: &mut Events) -> io::Result<()> {
        if self.station.is_greeting_due(now.mono) {
            // The thread may have slept since it waited: what was said meanwhile was said in time.
            self.poll_again(ready)?;
        }
        let sockets = &self.sockets;
        let unread = |conn: ConnId| sockets.get(conn).is_some_and(|socket| socket.readable);
        self.station.timeout(now, self.phase().left(), unread);
        self.act(now);
        let mut budget = self.phase();
        budget.spend(self.station.take_work());
        while self.station.has_work() && !budget.is_over() {
            self.station.step(now);
            budget.spend(self.station.take_work());
        }
        Ok(())
    }

    /// Looks for readiness without waiting.
    fn poll_again(&mut self, ready: &mut Events) -> io::Result<()> {
        match self.poll.poll(ready, Some(Duration::ZERO)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => self.note_readiness(ready),
        }
        Ok(())
    }

    /// Waits for something to do; not at all while there is something.
    fn wait(&mut self, ready: &mut Events, reading: Reading) -> io::Result<()> {
        let mailbox = &self.mailboxes[usize::from(self.own.0)];
        let to_read = reading == Reading::Open && !self.to_read.is_empty();
        let to_write = !self.to_write.is_empty() || self.station.has_writes();
        let to_take = !self.inbox.is_empty() || self.orders_left;
        let busy = to_read || to_write || to_take || self.station.has_work() || self.is_about_to_drain();
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
            // A slot is as good as an id: no socket has closed since this was asked for.
            let Ok(slot) = u32::try_from(event.token().0) else { continue };
            let Some((conn, socket)) = self.sockets.in_slot(slot) else { continue };
            if event.is_writable() && socket.blocked {
                socket.blocked = false;
                self.list_to_write(conn);
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                let Some(socket) = self.sockets.get_mut(conn) else { continue };
                // Each edge names the end again; it has been read. A reset is an error.
                socket.readable |= !socket.read_to_end || event.is_error();
                socket.read_closed |= event.is_read_closed() || event.is_error();
                self.list_to_read(conn);
            }
        }
    }

    /// Takes mail in order, as much as the budget allows: what is taken goes to queues, and they
    /// must be written before the rest is taken.
    fn take_mail(&mut self, now: Now, batches: &mut Vec<Batch>) {
        let mailboxes = Arc::clone(&self.mailboxes);
        let own = &mailboxes[usize::from(self.own.0)];
        own.take(batches);
        self.inbox.extend(batches.drain(..).map(|mut batch| {
            let mail = VecDeque::from(std::mem::take(&mut batch.mail));
            Opened { mail, batch }
        }));
        let (mut budget, bytes_max) = (self.phase(), self.limits.mail_turn_bytes_max);
        let mut taken = 0;
        while let Some(opened) = self.inbox.front_mut() {
            let next = opened.mail.front().map_or(0, Mail::cost);
            if budget.is_over() || (taken > 0 && taken + next > bytes_max) {
                return;
            }
            if let Some(mail) = opened.mail.pop_front() {
                taken += next;
                self.station.take_mail(now, opened.batch.from, mail);
                budget.spend(self.station.take_work());
                continue;
            }
            if let Some(sender) = own.done(&opened.batch, self.mail_bytes_max) {
                mailboxes[usize::from(sender.0)].wake();
            }
            self.inbox.pop_front();
        }
        self.begin_to_drain(now);
    }

    /// Does what the station has to say.
    pub(crate) fn act(&mut self, now: Now) {
        while let Some(action) = self.station.poll_action() {
            match action {
                Action::Mail { to, mail } => self.outbox[usize::from(to.0)].push(mail),
                Action::Read(conn) => self.list_to_read(conn),
                Action::Place(offer) => self.place(now, offer),
                Action::Watch(conn) => {
                    // Who has closed the sending half may have gone: the kernel asks.
                    if let Some(socket) = self.sockets.get_mut(conn) {
                        listener::watch_closely(socket.stream());
                    }
                }
            }
        }
    }

    fn send_mail(&mut self, now: Now) {
        self.act(now);
        for (mailbox, mail) in self.mailboxes.iter().zip(&mut self.outbox) {
            if !mail.is_empty() {
                mailbox.push(self.own, std::mem::take(mail));
            }
        }
    }

    fn take_orders(&mut self, now: Now) {
        let mut budget = self.phase();
        self.orders_left = false;
        while let Ok(order) = self.orders.try_recv() {
            self.obey(now, order);
            budget.spend(ACCEPT + self.station.take_work());
            if budget.is_over() {
                self.orders_left = true; // there may be more
                return;
            }
        }
    }

    fn obey(&mut self, now: Now, order: Order) {
        match order {
            Order::Accepted { stream, addr, listener } => {
                if let Some(conn) = self.add_socket(stream, listener) {
                    self.station.connect(now, conn, addr, &self.rules[listener]);
                    self.list_to_read(conn);
                }
            }
            Order::Moved { stream, handover, listener } => {
                if let Some(conn) = self.add_socket(stream, listener) {
                    self.station.adopt(now, conn, handover, &self.rules[listener]);
                    self.list_to_read(conn);
                }
            }
            Order::Report { clients_max, reply } => {
                reply.send(self.report(now, clients_max));
            }
            Order::Kick(conn) => self.station.end(now, conn, CloseReason::Kicked),
            Order::Quiesce(reply) => {
                self.phase = Phase::Quiet;
                self.send_mail(now);
                reply.send(()).ok();
            }
            Order::Drain { time, done } => {
                self.phase = Phase::Draining { until: now.mono.after(time), done, begun: false };
            }
        }
    }

    fn is_about_to_drain(&self) -> bool {
        matches!(self.phase, Phase::Draining { begun: false, .. })
    }

    /// All mail is taken. Everyone's last mail was sent before anyone was told to drain, so what
    /// is in the queues now is all that there will be.
    fn begin_to_drain(&mut self, now: Now) {
        if let Phase::Draining { begun, .. } = &mut self.phase
            && !std::mem::replace(begun, true)
        {
            self.station.drain(now);
        }
    }

    fn report(&self, now: Now, clients_max: usize) -> ShardReport {
        ShardReport {
            at: now.mono,
            shard: self.own,
            stats: self.station.shard().stats(),
            census: self.station.census(),
            clients: self.station.clients(clients_max),
            history_bytes: self.station.shard().history_bytes(),
        }
    }

    /// Registers a socket and gives it a slot.
    fn add_socket(&mut self, stream: TcpStream, listener: usize) -> Option<ConnId> {
        let mut socket = Socket::new(stream, listener);
        let token = Token(self.sockets.next_key().slot as usize);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(socket.stream(), token, interest).is_err() {
            self.loads.ended(usize::from(self.own.0));
            return None;
        }
        Some(self.sockets.insert(socket))
    }

    /// Hands a publisher to the shard that hears it, if the balance bears it.
    fn place(&mut self, now: Now, offer: Move) {
        let (conn, own, to) = (offer.conn, usize::from(self.own.0), usize::from(offer.to.0));
        if !self.loads.may_move(own, to) {
            return self.station.stay(now, &offer);
        }
        // None of them: the connection has ended since it was offered.
        let Some(handover) = self.station.hand_over(now, offer) else { return };
        let Some(socket) = self.sockets.remove(conn) else { return };
        let listener = socket.listener;
        let stream = socket.into_stream(self.poll.registry());
        self.loads.moved(own, to);
        // A shard that has ended takes no orders: the socket closes with it.
        self.shards[to].send(Order::Moved { stream, handover, listener }).ok();
        self.mailboxes[to].nudge();
    }

    /// Closes a socket and gives its slot back.
    pub(crate) fn close(&mut self, now: Now, conn: ConnId, reason: CloseReason) {
        if self.sockets.remove(conn).is_none() {
            return;
        }
        self.station.remove(now, conn, reason);
        self.loads.ended(usize::from(self.own.0));
    }

    fn end_lingering(&mut self, now: Now) {
        let mut budget = self.phase();
        while self.lingering.front().is_some_and(|(until, _)| *until <= now.mono) && !budget.is_over() {
            let Some((_, conn)) = self.lingering.pop_front() else { break };
            self.close(now, conn, CloseReason::Gone);
            budget.spend(CLOSE + self.station.take_work());
        }
    }

    /// Whether what clients send is taken.
    pub(crate) fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Serving)
    }

    /// After a drain: whether everyone has gone or the time is up.
    fn has_drained(&mut self, now: Now) -> bool {
        let Phase::Draining { until, done, begun } = &self.phase else { return false };
        // Subscribers of other shards may still wait for an answer of this one.
        let left = !begun || self.station.shard().is_asked() || !self.sockets.is_empty();
        if left && now.mono < *until {
            return false;
        }
        let given_up = self.station.clients(usize::MAX).iter().filter(|row| row.queued_bytes > 0).count();
        done.send(given_up).ok();
        true
    }
}
