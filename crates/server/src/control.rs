//! The control thread: starts the shards, accepts, obeys the operator, shuts down in order.
//!
//! Shutting down: accept no more; every shard stops reading and hands out its mail; then, with
//! all mail delivered, every shard writes what is queued and the last line, and ends.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use broker::{Gauge, Origin};
use frontend::Handover;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use rustix::io::Errno;
use sd_notify::NotifyState;
use tokio::sync::watch;

use crate::announcement;
use crate::clock::Clock;
use crate::config::{self, ConfigError, ListenerSettings, Settings};
use crate::console::{self, Typed};
use crate::error::ServeError;
use crate::last_words;
use crate::listener::{self, Balance, Loads};
use crate::mailbox::{self, Mailbox};
use crate::newcomers::Newcomers;
use crate::parcel::{HandOff, Order, Parcel, Reply, ShardReport};
use crate::rates::SAMPLE_TIME;
use crate::report::{self, EventSink, Level, Note, Screen, SharedFormat};
use crate::roster;
use crate::shard_thread::WAKER;
use crate::shards::{self, Boxes, Shared};
use crate::signals;
use crate::status::{self, Sought};
use crate::sys::SystemTopics;
use crate::web;

/// Rows of a client list per shard.
const ROWS_MAX: usize = 1000;
/// Connections accepted from one listener before the others get their turn.
const ACCEPTS_MAX: usize = 64;
/// How long to wait for file descriptors or memory before accepting again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a shard may take to answer a question.
const ANSWER_TIME: Duration = Duration::from_secs(1);

/// Reads the configuration again, on SIGHUP.
pub type Reload = Box<dyn Fn() -> Result<Settings, ConfigError>>;

/// What the control thread is told.
#[derive(Debug)]
pub(crate) enum Control {
    End,
    Reload,
    Typed(Typed),
}

/// Tells the control thread, from any thread.
#[derive(Debug, Clone)]
pub(crate) struct ControlSender {
    sender: Sender<Control>,
    waker: Arc<Waker>,
    /// When the server was told to end.
    ending: Arc<OnceLock<Instant>>,
}

/// Whether the server was told to end before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Now,
    /// It was, so long ago.
    Already(Duration),
}

impl ControlSender {
    pub(crate) fn send(&self, control: Control) {
        // Both fail only once the control thread has ended, and with it the process.
        drop(self.sender.send(control));
        drop(self.waker.wake());
    }

    /// Tells the server to end.
    pub(crate) fn end(&self) -> Ending {
        let now = Instant::now();
        if self.ending.set(now).is_err() {
            let since = self.ending.get().map(|first| now.saturating_duration_since(*first));
            return Ending::Already(since.unwrap_or_default());
        }
        self.send(Control::End);
        Ending::Now
    }
}

/// What an operator has asked and the shards have not all answered.
#[derive(Debug)]
struct Question {
    typed: Typed,
    asked: Instant,
    answers: Receiver<ShardReport>,
    reports: Vec<ShardReport>,
}

struct Server {
    settings: Settings,
    /// The same for the web thread.
    in_force: watch::Sender<Settings>,
    reload: Reload,
    poll: Poll,
    control: Receiver<Control>,
    clock: Clock,
    listeners: Vec<Listener>,
    /// By shard.
    mailboxes: Arc<[Mailbox]>,
    balance: Balance,
    loads: Loads,
    events: EventSink,
    format: SharedFormat,
    printer: JoinHandle<()>,
    gauge: Gauge,
    status: status::Status,
    waker: Arc<Waker>,
    /// In the order in which they were typed, and are answered.
    questions: VecDeque<Question>,
    /// Only where there is a console: nobody else asks.
    sampling: Option<Sampling>,
    system: Option<SystemTopics>,
    newcomers: Newcomers,
    accept_again: Option<Instant>,
}

/// Figures for rates, asked for now and then without waiting for the answers.
#[derive(Debug)]
struct Sampling {
    next: Instant,
    /// Who has not answered yet is not asked again, so that a shard that hangs gets one order.
    asked: Option<(Instant, Receiver<ShardReport>)>,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    ready: bool,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Serves until told to end. A panic in any thread of the process ends it from now on.
///
/// # Errors
/// If the server cannot start, with one line that says why.
pub fn serve(settings: Settings, reload: Reload) -> Result<(), ServeError> {
    last_words::abort_on_panic();
    raise_file_limit();
    let poll = Poll::new().map_err(ServeError::Poll)?;
    let listeners = bind_all(&settings, &poll)?;
    let (sender, control) = channel();
    let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(ServeError::Poll)?);
    let ending = Arc::default();
    let sender = ControlSender { sender, waker: Arc::clone(&waker), ending: Arc::clone(&ending) };
    let (events, notes) = EventSink::new(settings.limits.events_max);
    // Before anyone is told that it listens: whoever waits for that line may send a signal.
    signals::watch(sender.clone()).map_err(ServeError::Signals)?;
    let bound = bound(&settings, &listeners);
    announcement::print(&bound);
    let format = SharedFormat::new(settings.log_format);
    let output = open_output(&settings, sender, &events, &format);
    let sampling = match output {
        Screen::Console(_) => Some(Sampling { next: Instant::now(), asked: None }),
        Screen::Log(_) => None,
    };
    let loads = Loads::new(usize::from(settings.shards));
    let online = loads.clone();
    let printer = spawn("printer", move || {
        give_way();
        report::print(&notes, output, &online);
    })?;
    let gauge = Gauge::new();
    let clock = Clock::new();
    let boxes = Boxes::new(settings.shards)?;
    let mailboxes = Arc::clone(&boxes.mailboxes);
    let (newcomers, limits) = (Newcomers::default(), Arc::new(settings.limits.clone()));
    let (in_force, settings_seen) = watch::channel(settings.clone());
    let web = web::start(web::Setup {
        mailboxes: Arc::clone(&mailboxes),
        gauge: gauge.clone(),
        newcomers: newcomers.clone(),
        limits: Arc::clone(&limits),
        listeners: bound.iter().map(config::url).collect(),
        ending,
        settings: settings_seen,
    })?;
    let (events_of_shards, loads_of_shards) = (events.clone(), loads.clone());
    let shared =
        Shared { limits, clock, loads: loads_of_shards, gauge: gauge.clone(), events: events_of_shards, web };
    shards::start(&settings, &shared, boxes)?;
    let server = Server {
        reload,
        poll,
        control,
        clock,
        listeners,
        mailboxes,
        balance: Balance::new(loads.clone()),
        loads,
        events,
        format,
        printer,
        gauge,
        status: status::Status::new(settings.shards),
        waker,
        questions: VecDeque::new(),
        sampling,
        system: SystemTopics::new(settings.sys_interval, usize::from(settings.shards), Instant::now()),
        newcomers,
        in_force,
        accept_again: None,
        settings,
    };
    // Without systemd there is nobody to notify.
    drop(sd_notify::notify(&[NotifyState::Ready]));
    let outcome = server.run();
    console::restore();
    outcome
}

fn bind_all(settings: &Settings, poll: &Poll) -> Result<Vec<Listener>, ServeError> {
    let mut listeners = Vec::new();
    for (index, listener) in settings.listeners.iter().enumerate() {
        let bind = |source| ServeError::Bind { addr: listener.addr, source };
        let mut socket = listener::bind(listener.addr).map_err(bind)?;
        poll.registry().register(&mut socket, Token(index), Interest::READABLE).map_err(bind)?;
        listeners.push(Listener { socket, ready: true });
    }
    Ok(listeners)
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, ServeError> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(ServeError::Thread)
}

/// Lets this thread run when the shards leave time: woken by an event, it would take the processor
/// from the shard that told of it.
fn give_way() {
    // Elsewhere this would be said of the whole process. Without permission it is as before.
    #[cfg(target_os = "linux")]
    rustix::process::nice(10).ok();
}

/// Where it listens, with the ports that it got.
fn bound(settings: &Settings, listeners: &[Listener]) -> Vec<ListenerSettings> {
    let bound = settings.listeners.iter().zip(listeners);
    let bound = bound.map(|(settings, listener)| {
        let addr = listener.socket.local_addr().unwrap_or(settings.addr);
        ListenerSettings { addr, ..*settings }
    });
    bound.collect()
}

fn open_output(
    settings: &Settings,
    sender: ControlSender,
    events: &EventSink,
    format: &SharedFormat,
) -> Screen {
    if settings.log_format == config::LogFormat::Text && console::is_attended() {
        match console::open(sender, events.clone()) {
            Ok(printer) => return Screen::Console(printer),
            Err(error) => events.line(Level::Warn, format!("no console: {error}")),
        }
    }
    Screen::Log(format.clone())
}

/// As many open files as the operator allows: the soft limit is a relic of `select`.
fn raise_file_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    // If it is refused, accepting pauses at the old limit.
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).ok();
}

impl Server {
    fn run(mut self) -> Result<(), ServeError> {
        let mut ready = Events::with_capacity(64);
        loop {
            let accepting = self.listeners.iter().any(|listener| listener.ready);
            let timeout = match self.accept_again {
                None if accepting => Some(Duration::ZERO),
                again => {
                    let sample = self.sampling.as_ref().map(|sampling| sampling.next);
                    let system = self.system.as_ref().and_then(SystemTopics::poll_timeout);
                    let answer = self.questions.front().map(|question| question.asked + ANSWER_TIME);
                    let at = again.into_iter().chain(sample).chain(system).chain(answer).min();
                    at.map(|at| at.saturating_duration_since(Instant::now()))
                }
            };
            match self.poll.poll(&mut ready, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(ServeError::Poll(error));
                }
                _ => {}
            }
            for event in &ready {
                if let Some(listener) = self.listeners.get_mut(event.token().0) {
                    listener.ready = true;
                }
            }
            while let Ok(control) = self.control.try_recv() {
                match control {
                    Control::End => return self.shut_down(),
                    Control::Reload => self.reload(),
                    Control::Typed(typed) => self.ask_shards(typed),
                }
            }
            self.answer_questions();
            self.sample();
            self.tell();
            self.accept_all();
        }
    }

    fn sample(&mut self) {
        let now = Instant::now();
        let Some(sampling) = self.sampling.as_mut().filter(|sampling| sampling.next <= now) else { return };
        sampling.next = now + SAMPLE_TIME;
        if let Some((asked, answers)) = &sampling.asked {
            loop {
                match answers.try_recv() {
                    Ok(report) => drop(self.status.note(*asked, &report)),
                    Err(TryRecvError::Empty) => return,
                    Err(TryRecvError::Disconnected) => break,
                }
            }
        }
        let (sender, answers) = channel();
        sampling.asked = Some((now, answers));
        self.order_reports(0, sender);
    }

    /// Tells clients of the broker, if it is time and the shards have said how they are.
    fn tell(&mut self) {
        let Some(system) = &mut self.system else { return };
        let news = system.take_news(self.newcomers.accepted(), &self.gauge);
        if let Some(sender) = system.ask(Instant::now()) {
            self.order_reports(0, sender);
        }
        if !news.is_empty() {
            self.order(0, Order::Tell(news));
        }
    }

    fn order_reports(&self, clients_max: usize, sender: Sender<ShardReport>) {
        let reply = Reply { sender, waker: Arc::clone(&self.waker) };
        for shard in 0..self.mailboxes.len() {
            self.order(shard, Order::Report { clients_max, reply: reply.clone() });
        }
    }

    fn accept_all(&mut self) {
        if self.accept_again.is_some_and(|at| at > Instant::now()) {
            return;
        }
        self.accept_again = None;
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPTS_MAX {
                if !self.listeners[index].ready || self.accept_again.is_some() {
                    break;
                }
                self.accept(index);
            }
        }
    }

    fn accept(&mut self, index: usize) {
        match self.listeners[index].socket.accept() {
            Ok((stream, addr)) => {
                self.newcomers.accept();
                self.newcomers.go_on();
                if self.loads.connections() >= self.settings.limits.connections_max {
                    self.refuse();
                    return;
                }
                // Options that cannot be set are no reason to turn a client away.
                drop(listener::tune(&stream, self.settings.limits.untaken_time));
                let shard = self.balance.place();
                let handover = Handover::accepted(addr, self.clock.now().mono);
                let hand_off = HandOff { stream, listener: index, handover };
                self.send(shard, Parcel::Connection(Box::new(hand_off)));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.listeners[index].ready = false;
                self.newcomers.go_on();
            }
            Err(error) => {
                let errno = Errno::from_io_error(&error);
                if let Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) = errno {
                    self.accept_later(&error);
                }
                // Else the client was gone before it was accepted (accept(2) lists such errors).
            }
        }
    }

    /// No file descriptor or no memory: clients wait in the kernel's queue meanwhile.
    fn accept_later(&mut self, error: &io::Error) {
        self.accept_again = Some(Instant::now() + ACCEPT_PAUSE);
        let pauses = self.newcomers.pause();
        if pauses.is_power_of_two() {
            let text = format!("cannot accept, trying again: {error}; pauses so far: {pauses}");
            self.events.line(Level::Warn, text);
        }
    }

    fn refuse(&mut self) {
        let refused = self.newcomers.refuse();
        if refused.is_power_of_two() {
            let text = format!(
                "{} connections: no more are accepted (connections_max); refused so far: {refused}",
                self.settings.limits.connections_max
            );
            self.events.line(Level::Warn, text);
        }
    }

    fn order(&self, shard: usize, order: Order) {
        self.send(shard, Parcel::Order(order));
    }

    fn send(&self, shard: usize, parcel: Parcel) {
        self.mailboxes[shard].push(mailbox::Sender::Control, vec![parcel]);
    }

    /// Asks every shard. A shard that does not answer in time is missing from the answers.
    fn ask<T>(&self, order: impl Fn(Sender<T>) -> Order, time: Duration) -> Vec<T> {
        let (sender, receiver) = channel();
        for shard in 0..self.mailboxes.len() {
            self.order(shard, order(sender.clone()));
        }
        drop(sender);
        let until = Instant::now() + time;
        let mut answers = Vec::new();
        while let Ok(answer) = receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
            answers.push(answer);
        }
        answers
    }

    /// Every command needs what the shards know. Accepting goes on until they have said it.
    fn ask_shards(&mut self, typed: Typed) {
        let (sender, answers) = channel();
        self.order_reports(ROWS_MAX, sender);
        self.questions.push_back(Question { typed, asked: Instant::now(), answers, reports: Vec::new() });
    }

    /// Answers what every shard has reported for, or what has waited long enough for those that
    /// have not.
    fn answer_questions(&mut self) {
        while let Some(question) = self.questions.front_mut() {
            question.reports.extend(question.answers.try_iter());
            let is_whole = question.reports.len() == self.mailboxes.len();
            if !is_whole && question.asked.elapsed() < ANSWER_TIME {
                return;
            }
            if let Some(question) = self.questions.pop_front() {
                let answer = self.answer(&question);
                self.events.note(Note::Answer(answer));
            }
        }
    }

    fn answer(&mut self, question: &Question) -> String {
        let (reports, shards) = (&question.reports, self.settings.shards);
        match &question.typed {
            Typed::Kick(id) => self.kick(id, reports),
            Typed::Clients => roster::clients(reports, shards),
            Typed::Topics => status::topics(reports, shards),
            Typed::Status => self.status.describe(question.asked, reports, &self.gauge),
        }
    }

    fn kick(&self, id: &str, reports: &[ShardReport]) -> String {
        let Some(Origin { shard, conn }) = status::id(id) else {
            return "an ID looks like 0-17-0; `clients` shows them".to_owned();
        };
        let (sought, answer) = status::seek(reports, Origin { shard, conn }, self.settings.shards);
        if sought == Sought::Possible {
            self.order(usize::from(shard.0), Order::Kick(conn));
        }
        answer
    }

    fn reload(&mut self) {
        drop(sd_notify::notify(&[NotifyState::Reloading]));
        match (self.reload)() {
            Ok(settings) => {
                let changes = config::changes(&self.settings, &settings);
                self.format.set(settings.log_format);
                self.settings.take_over(&settings);
                self.in_force.send_replace(self.settings.clone());
                let text = match changes.is_empty() {
                    true => "configuration read again: nothing changed".to_owned(),
                    false => format!("configuration read again: {}", changes.join("; ")),
                };
                self.events.line(Level::Info, text);
            }
            Err(error) => {
                self.events.line(Level::Error, format!("configuration kept as it was: {error}"));
            }
        }
        drop(sd_notify::notify(&[NotifyState::Ready]));
    }

    fn shut_down(mut self) -> Result<(), ServeError> {
        drop(sd_notify::notify(&[NotifyState::Stopping]));
        self.events.line(Level::Info, "shutting down: delivering what is queued");
        self.listeners.clear();
        // Twice. The first round stops every shard's reading, and with it the moving of publishers,
        // but for one whose hello settles just then and that has published nothing. One that was
        // handed over just before may have come to a shard that had answered already; the second
        // round stands behind it, so that what it had sent is published, and mailed, before anyone
        // is told to drain.
        self.ask(Order::Quiesce, ANSWER_TIME);
        self.ask(Order::Quiesce, ANSWER_TIME);
        let drain_time = self.settings.limits.station.drain_time;
        let left: Vec<usize> =
            self.ask(|done| Order::Drain { time: drain_time, done }, drain_time + ANSWER_TIME);
        let given_up: usize = left.iter().sum();
        if given_up > 0 {
            let text = format!("{given_up} clients did not take everything that was queued for them");
            self.events.line(Level::Warn, text);
        }
        self.events.line(Level::Info, "stopped");
        let (flushed, wait) = channel();
        self.events.note(Note::Flush(flushed));
        // A terminal that takes nothing must not keep the process alive.
        wait.recv_timeout(ANSWER_TIME).ok();
        drop(self.printer);
        Ok(())
    }
}
