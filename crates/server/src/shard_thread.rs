//! One shard's thread: the loop that moves bytes between sockets and a station.
//!
//! A turn: wait for readiness; take what other threads sent; read; send mail; do what is due and
//! what waits; write; send mail. Each of these has a budget and leaves the rest for the next turn.
//! How sockets are read and written is in `traffic`. Nothing here decides about messages.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use broker::{ConnId, Instant, Now, ShardId, Slab};
use frontend::{Action, CloseReason, MayStay, Offer, Placement, Released, Rules, Station, StationConfig};
use mio::{Events, Interest, Poll, Token};

use crate::clock::Clock;
use crate::closings::Closings;
use crate::limits::Limits;
use crate::listener::{self, Loads};
use crate::mailbox::{Batch, Mailbox, Sender};
use crate::pages::Pages;
use crate::parcel::{HandOff, Order, Parcel, ShardReport, SocketBytes};
use crate::report::EventSink;
use crate::socket::{LIGHT_READ_BYTES, Socket};
use crate::transport::{ReadBuffer, Transport};
use crate::turn::{ACCEPT, Budget, CLOSE, ReadLines, WriteLines};
use crate::turn_times::TurnTimes;
use crate::web;

/// The token of the waker; sockets have their slots.
pub(crate) const WAKER: Token = Token(usize::MAX);

/// What a shard's thread is made with.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) config: StationConfig,
    pub(crate) limits: Arc<Limits>,
    pub(crate) rules: Vec<Rules>,
    pub(crate) clock: Clock,
    pub(crate) poll: Poll,
    pub(crate) mailboxes: Arc<[Mailbox]>,
    pub(crate) events: EventSink,
    pub(crate) loads: Loads,
    pub(crate) web: web::Sender,
}

/// Whether sockets are read in this turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Open,
    Held,
}

/// Whether another turn follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    Stop,
}

/// How far the shard is on its way to its end.
#[derive(Debug)]
enum Phase {
    Serving,
    /// Reads no more.
    Quiet,
    /// Writes what is left, until then; first it takes all mail.
    Draining {
        until: Instant,
        done: mpsc::Sender<usize>,
        begun: bool,
    },
}

/// A batch of one sender that is being taken.
#[derive(Debug)]
struct Opened {
    parcels: VecDeque<Parcel>,
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
    events: EventSink,
    loads: Loads,
    web: web::Sender,
    /// Gives out the ids of connections.
    pub(crate) sockets: Slab<ConnId, Socket>,
    pub(crate) buffer: ReadBuffer,
    pub(crate) light_buffer: ReadBuffer,
    pub(crate) short_buffer: ReadBuffer,
    pub(crate) to_read: ReadLines,
    pub(crate) to_write: WriteLines,
    pub(crate) pages: Pages,
    pub(crate) lingering: VecDeque<(Instant, ConnId)>,
    /// Of all sockets that were ever here.
    pub(crate) bytes: SocketBytes,
    turns: TurnTimes,
    closed: Closings,
    /// Empty, between turns: to be filled again.
    batches: Vec<Batch>,
    /// What was sent and is not taken: a line and a budget each, so that those who come in
    /// thousands do not hold mail up, nor mail them.
    from_shards: VecDeque<Opened>,
    from_control: VecDeque<Opened>,
    /// By shard.
    outbox: Vec<Vec<Parcel>>,
    /// Who waits to hear that this shard is quiet.
    quiet_told: Vec<mpsc::Sender<()>>,
    pub(crate) limits: Arc<Limits>,
    mail_bytes_max: usize,
    phase: Phase,
}

impl ShardThread {
    pub(crate) fn new(setup: Setup) -> Self {
        let limits = setup.limits;
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
            events: setup.events,
            loads: setup.loads,
            web: setup.web,
            sockets: Slab::default(),
            buffer: ReadBuffer::new(limits.station.core.read_bytes),
            light_buffer: ReadBuffer::new(limits.station.core.read_bytes.min(LIGHT_READ_BYTES)),
            short_buffer: ReadBuffer::new(limits.station.unfinished_bytes_free),
            to_read: ReadLines::default(),
            to_write: WriteLines::default(),
            pages: Pages::new(limits.pages_bytes_max),
            lingering: VecDeque::new(),
            bytes: SocketBytes::default(),
            turns: TurnTimes::default(),
            closed: Closings::default(),
            batches: Vec::new(),
            from_shards: VecDeque::new(),
            from_control: VecDeque::new(),
            quiet_told: Vec::new(),
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
        while self.turn(&mut ready)? == Then::GoOn {}
        Ok(())
    }

    fn turn(&mut self, ready: &mut Events) -> io::Result<Then> {
        let reading = self.reading();
        self.wait(ready, reading)?;
        let now = self.clock.now();
        self.note_readiness(ready);
        self.take_parcels(now);
        if reading == Reading::Open {
            self.read_all(now);
            self.send_mail(now);
        }
        self.do_what_is_due(now, ready)?;
        self.write_all(now);
        self.station.end_turn();
        self.end_lingering(now);
        self.send_mail(now);
        self.tell_quiet(now);
        let events = self.station.take_events();
        self.closed.note(&events);
        self.events.send(events);
        self.turns.note(self.clock.now().mono.since(now.mono));
        Ok(if self.has_drained(now) { Then::Stop } else { Then::GoOn })
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
        let unread = |conn: ConnId| sockets.get(conn).is_some_and(|socket| socket.is_readable());
        self.station.timeout(now, self.phase().left(), unread);
        self.act(now);
        let mut budget = self.phase();
        budget.spend(self.station.take_work());
        // What a step finds is mailed, and as much of it as others take.
        while self.station.has_work() && !budget.is_over() && self.reading() == Reading::Open {
            self.station.step(now);
            budget.spend(self.station.take_work());
            self.send_mail(now);
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
        let to_read = reading == Reading::Open && (!self.to_read.is_empty() || self.station.has_work());
        let to_write = !self.to_write.is_empty() || self.station.has_writes();
        let to_take = !self.from_shards.is_empty() || !self.from_control.is_empty();
        let busy = to_read || to_write || to_take;
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
            let (reads, writes) = socket.transport.note(event);
            if writes {
                self.list_to_write(conn);
            }
            if reads {
                self.list_to_read(conn);
            }
        }
    }

    /// Takes what other threads sent.
    fn take_parcels(&mut self, now: Now) {
        let mailboxes = Arc::clone(&self.mailboxes);
        let own = &mailboxes[usize::from(self.own.0)];
        let mut batches = std::mem::take(&mut self.batches);
        own.take(&mut batches);
        for mut batch in batches.drain(..) {
            let parcels = VecDeque::from(std::mem::take(&mut batch.mail));
            let line = match batch.from {
                Sender::Shard(_) => &mut self.from_shards,
                Sender::Control => &mut self.from_control,
            };
            line.push_back(Opened { parcels, batch });
        }
        self.batches = batches;
        self.take_from_shards(now, &mailboxes);
        self.take_from_control(now);
        if self.from_shards.is_empty() {
            self.begin_to_drain(now);
        }
    }

    /// Takes what shards sent in order, as much as the budget allows: it goes to queues, and they
    /// must be written before the rest is taken.
    fn take_from_shards(&mut self, now: Now, mailboxes: &[Mailbox]) {
        let (mut budget, bytes_max) = (self.phase(), self.limits.station.mail_turn_bytes_max);
        let mut taken = 0;
        while let Some(opened) = self.from_shards.front_mut() {
            let next = opened.parcels.front().map_or(0, Parcel::cost);
            if budget.is_over() || (taken > 0 && taken + next > bytes_max) {
                return;
            }
            if let Some(parcel) = opened.parcels.pop_front() {
                taken += next;
                let from = opened.batch.from;
                self.unpack(now, from, parcel);
                budget.spend(self.station.take_work());
                continue;
            }
            let own = &mailboxes[usize::from(self.own.0)];
            if let Some(sender) = own.done(&opened.batch, self.mail_bytes_max) {
                mailboxes[usize::from(sender.0)].wake();
            }
            self.from_shards.pop_front();
        }
    }

    fn take_from_control(&mut self, now: Now) {
        let mut budget = self.phase();
        while !budget.is_over()
            && let Some(opened) = self.from_control.front_mut()
        {
            let Some(parcel) = opened.parcels.pop_front() else {
                self.from_control.pop_front();
                continue;
            };
            self.unpack(now, Sender::Control, parcel);
            budget.spend(ACCEPT + self.station.take_work());
        }
    }

    fn unpack(&mut self, now: Now, from: Sender, parcel: Parcel) {
        match (from, parcel) {
            (Sender::Shard(from), Parcel::Mail(mail)) => self.station.take_mail(now, from, mail),
            (Sender::Control, Parcel::Mail(_)) => unreachable!("the control thread has no core"),
            (_, Parcel::Connection(hand_off)) => self.adopt(now, *hand_off),
            (_, Parcel::Order(order)) => self.obey(now, order),
        }
    }

    /// Does what the station has to say.
    pub(crate) fn act(&mut self, now: Now) {
        while let Some(action) = self.station.poll_action() {
            match action {
                Action::Mail { to, mail } => self.outbox[usize::from(to.0)].push(Parcel::Mail(mail)),
                Action::Read(conn) => self.list_to_read(conn),
                Action::Again(conn) => {
                    if let Some(socket) = self.sockets.get_mut(conn) {
                        socket.read_again();
                    }
                    self.list_to_read(conn);
                }
                Action::Offer(offer) => self.hand_over_or_stay(now, offer),
                Action::Serve(conn) => self.serve_elsewhere(now, conn),
                Action::Watch(conn) => {
                    // Who has closed the sending half may have gone: the kernel asks.
                    if let Some(socket) = self.sockets.get_mut(conn) {
                        listener::watch_closely(socket.transport.stream());
                    }
                }
            }
        }
    }

    fn send_mail(&mut self, now: Now) {
        self.act(now);
        for (mailbox, parcels) in self.mailboxes.iter().zip(&mut self.outbox) {
            if !parcels.is_empty() {
                mailbox.push(Sender::Shard(self.own), std::mem::take(parcels));
            }
        }
    }

    fn obey(&mut self, now: Now, order: Order) {
        match order {
            Order::Report { clients_max, reply } => reply.send(self.report(now, clients_max)),
            Order::Tell(news) => {
                for (topic, text) in news {
                    self.station.tell(now, &topic, text.into());
                }
            }
            Order::Inquire(inquiry) => self.answer(now, inquiry),
            Order::Kick(conn) => self.station.end(now, conn, CloseReason::Kicked),
            Order::Quiesce(reply) => {
                self.phase = Phase::Quiet;
                self.quiet_told.push(reply);
            }
            Order::Drain { time, done } => {
                self.phase = Phase::Draining { until: now.mono.after(time), done, begun: false };
            }
        }
    }

    /// At the end of a turn: everything that had been sent before the order is taken, and what
    /// came of it is out.
    fn tell_quiet(&mut self, now: Now) {
        if self.from_shards.is_empty() && !self.quiet_told.is_empty() {
            self.act(now);
            assert!(self.outbox.iter().all(Vec::is_empty), "who is quiet has sent what it had");
            // Whoever asked may have stopped waiting.
            for told in self.quiet_told.drain(..) {
                told.send(()).ok();
            }
        }
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

    pub(crate) fn report(&self, now: Now, clients_max: usize) -> ShardReport {
        ShardReport {
            at: now.mono,
            shard: self.own,
            stats: self.station.shard().stats(),
            census: self.station.census(),
            traffic: self.station.traffic(),
            bytes: self.bytes,
            retained: self.station.shard().retained_messages(),
            clients: self.station.clients(clients_max),
            history_bytes: self.station.shard().history_bytes(),
            turns: self.turns,
            closed: self.closed,
        }
    }

    /// A client comes: registers its socket and gives it a slot.
    fn adopt(&mut self, now: Now, hand_off: HandOff) {
        let HandOff { stream, listener, handover } = hand_off;
        let mut transport = Transport::new(stream);
        let token = Token(self.sockets.next_key().slot as usize);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(transport.stream(), token, interest).is_err() {
            self.loads.ended(usize::from(self.own.0));
            return;
        }
        let conn = self.sockets.insert(Socket::new(transport, listener));
        self.station.adopt(now, conn, handover, &self.rules[listener]);
        self.list_to_read(conn);
    }

    /// Hands a publisher to the shard that hears it, if the balance bears it.
    fn hand_over_or_stay(&mut self, now: Now, offer: Offer) {
        let (conn, own, to) = (offer.conn, usize::from(self.own.0), usize::from(offer.to.0));
        if offer.may_stay == MayStay::Yes && !self.loads.may_move(own, to) {
            return self.station.stay(now, &offer);
        }
        // None of them: the connection has ended since it was offered.
        let Some(handover) = self.station.hand_over(now, offer) else { return };
        let Some(Socket { transport, listener, .. }) = self.sockets.remove(conn) else { return };
        let stream = transport.into_stream(self.poll.registry());
        self.loads.moved(own, to);
        let hand_off = HandOff { stream, listener, handover };
        self.outbox[to].push(Parcel::Connection(Box::new(hand_off)));
    }

    /// A connection asks for what the control side serves.
    fn serve_elsewhere(&mut self, now: Now, conn: ConnId) {
        let Some(released) = self.station.release(now, conn) else { return };
        let Some(Socket { transport, .. }) = self.sockets.remove(conn) else { return };
        self.loads.ended(usize::from(self.own.0));
        let Released { addr, bytes } = released;
        self.web.serve(transport.into_stream(self.poll.registry()), addr, bytes);
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

#[cfg(test)]
mod tests;
