//! The engine with a socket and a clock: calls that wait.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Waker;
use thiserror::Error;

use crate::address::Address;
use crate::engine::{Engine, SessionEnd, TakeError};
use crate::event::{Connected, Event, Goodbye, ProtocolError, Receipt, Ticket};
use crate::limits::{ANSWER_TIME, FAREWELL_TIME, KEPT_BYTES_MAX};
use crate::message::{Message, MessageError};
use crate::options::ConnectOptions;
use crate::pauses::{Pauses, random};
use crate::socket::{Socket, Waiting};
use crate::subscription::Subscription;

/// A client of one server, used by one thread. It comes back to a lost server by itself, as far as
/// [`Reconnect`] allows, and then sends again whatever was not acknowledged.
#[derive(Debug)]
pub struct Client {
    engine: Engine,
    address: Address,
    reconnect: Reconnect,
    waiting: Waiting,
    line: Line,
    /// Until the server has accepted.
    attempts: Option<Attempts>,
    kept: Kept,
}

/// What to do when the server is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconnect {
    Never,
    /// For so long.
    Within(Duration),
    Always,
}

/// Something that a client learns while it waits.
#[derive(Debug)]
pub enum News {
    Event(Event),
    /// The connection is lost; the client is already trying to come back.
    Lost(Loss),
}

/// Why a connection is gone.
#[derive(Debug, Error)]
pub enum Loss {
    #[error("closed by the server")]
    Closed,
    #[error("{0}")]
    Broken(#[from] io::Error),
    #[error("no answer from the server")]
    Silent,
    #[error("{0}")]
    Ended(Goodbye),
}

/// Why a client cannot go on, or not with what it was asked for.
#[derive(Debug, Error)]
pub enum Error {
    #[error("cannot connect to {address}: {cause}")]
    Unreachable { address: Address, cause: Loss },
    /// By a CONNACK.
    #[error("{address} refuses the connection: {goodbye}")]
    Refused { address: Address, goodbye: Goodbye },
    /// And it is not to be restored.
    #[error("connection to {address} lost: {loss}")]
    Lost { address: Address, loss: Loss },
    #[error("{address} breaks the protocol: {cause}")]
    Protocol { address: Address, cause: ProtocolError },
    #[error("{address} has not answered for {} s", .time.as_secs())]
    NoAnswer { address: Address, time: Duration },
    #[error("{0}")]
    Message(#[from] MessageError),
    #[error("{0}")]
    NotTaken(TakeError),
    /// More than [`KEPT_BYTES_MAX`] came while something else was waited for.
    #[error("messages came that nobody took")]
    Unread,
    #[error("cannot wait for the network: {0}")]
    System(io::Error),
}

#[derive(Debug)]
enum Line {
    Open(Socket),
    /// The next attempt is at that time.
    Lost(Instant),
}

/// Attempts to come back.
#[derive(Debug)]
struct Attempts {
    pauses: Pauses,
    /// When the last one is over.
    end: Option<Instant>,
}

/// What came while a call waited for something else.
#[derive(Debug, Default)]
struct Kept {
    news: VecDeque<News>,
    bytes: usize,
}

impl Kept {
    fn push(&mut self, news: News) -> Result<(), Error> {
        if self.bytes >= KEPT_BYTES_MAX {
            return Err(Error::Unread);
        }
        self.bytes += weight(&news);
        self.news.push_back(news);
        Ok(())
    }

    fn pop(&mut self) -> Option<News> {
        let news = self.news.pop_front()?;
        self.bytes -= weight(&news);
        Some(news)
    }
}

/// About how much memory it takes.
fn weight(news: &News) -> usize {
    let message = match news {
        News::Event(Event::Message(message, _)) => message.weight(),
        News::Event(_) | News::Lost(_) => 0,
    };
    size_of::<News>() + message
}

/// What a wait is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    News,
    /// Or room for one more message.
    Room,
}

#[derive(Debug)]
enum Found {
    News(News),
    Room,
    /// The time is up, or another thread called.
    Nothing,
}

impl Client {
    /// Connects, and waits until the server has accepted.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`] and whatever else keeps the two apart. It is tried once.
    pub fn connect(
        address: Address,
        options: ConnectOptions,
        reconnect: Reconnect,
    ) -> Result<(Self, Connected), Error> {
        let waiting = Waiting::new().map_err(Error::System)?;
        let mut engine = Engine::new(options)?;
        let socket = waiting
            .connect(&address)
            .map_err(|error| Error::Unreachable { address: address.clone(), cause: error.into() })?;
        engine.connect(Instant::now());
        let line = Line::Open(socket);
        let (attempts, kept) = (None, Kept::default());
        let mut client = Self { engine, address, reconnect: Reconnect::Never, waiting, line, attempts, kept };
        loop {
            match client.find(None, Want::News) {
                Ok(Found::News(News::Event(Event::Connected(connected)))) => {
                    client.reconnect = reconnect;
                    return Ok((client, connected));
                }
                Ok(Found::News(_) | Found::Room | Found::Nothing) => {}
                Err(Error::Lost { address, loss }) => {
                    return Err(Error::Unreachable { address, cause: loss });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What happens next. `None` if nothing does until then, or if another thread used the
    /// [waker](Self::waker).
    ///
    /// # Errors
    /// If the client cannot go on: it is of no use any more.
    pub fn next(&mut self, until: Option<Instant>) -> Result<Option<News>, Error> {
        if let Some(news) = self.kept.pop() {
            return Ok(Some(news));
        }
        match self.find(until, Want::News)? {
            Found::News(news) => Ok(Some(news)),
            Found::Room | Found::Nothing => Ok(None),
        }
    }

    /// Publishes a message, and waits for room as long as it takes. At QoS 0 it is on its way then;
    /// above, [`Event::Published`] follows. News is kept for [`Self::next`] meanwhile.
    ///
    /// # Errors
    /// What is wrong with the message, or with the client; [`Error::Unread`] if more than [`KEPT_BYTES_MAX`] is
    /// kept.
    pub fn publish(&mut self, message: &Message) -> Result<Ticket, Error> {
        loop {
            if let Some(ticket) = self.publish_until(message, None)? {
                return Ok(ticket);
            }
        }
    }

    /// The same; `None` if there is no room until then, if there is news for [`Self::next`] first, or if another
    /// thread used the [waker](Self::waker).
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub fn publish_until(
        &mut self,
        message: &Message,
        until: Option<Instant>,
    ) -> Result<Option<Ticket>, Error> {
        loop {
            match self.engine.publish(message) {
                Ok(ticket) => {
                    self.write();
                    return Ok(Some(ticket));
                }
                Err(TakeError::NoRoom) => {}
                Err(error) => return Err(error.into()),
            }
            match self.find(until, Want::Room)? {
                Found::Room => {}
                Found::Nothing => return Ok(None),
                Found::News(news) => {
                    self.kept.push(news)?;
                    return Ok(None);
                }
            }
        }
    }

    /// Asks for messages and waits for the answers, one for each filter in their order. They may be
    /// refusals.
    ///
    /// # Errors
    /// What is wrong with the subscription, or with the client.
    pub fn subscribe(&mut self, subscription: &Subscription) -> Result<Vec<Goodbye>, Error> {
        let asked = self.engine.subscribe(subscription)?;
        let until = Instant::now() + ANSWER_TIME;
        loop {
            match self.find(Some(until), Want::News)? {
                Found::News(News::Event(Event::Subscribed(ticket, answers))) if ticket == asked => {
                    return Ok(answers);
                }
                Found::News(news) => self.kept.push(news)?,
                Found::Room => {}
                Found::Nothing if Instant::now() < until => {}
                Found::Nothing => {
                    return Err(Error::NoAnswer { address: self.address.clone(), time: ANSWER_TIME });
                }
            }
        }
    }

    /// Tells the server that a message and all that came before it are done with.
    pub fn acknowledge(&mut self, receipt: Receipt) {
        self.engine.acknowledge(receipt);
        self.write();
    }

    /// Published messages of QoS 1 and 2 that the server has not taken over completely.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.engine.unacknowledged()
    }

    /// Another thread's way to interrupt [`Self::next`] and [`Self::publish_until`].
    #[must_use]
    pub fn waker(&self) -> Arc<Waker> {
        self.waiting.waker()
    }

    /// Where the server is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Says goodbye and waits until the server has read everything and closed, for [`FAREWELL_TIME`] at most.
    ///
    /// # Errors
    /// If something was certainly not read. What was acknowledged was.
    pub fn disconnect(mut self, end: SessionEnd) -> Result<(), Error> {
        self.engine.disconnect(end);
        let until = Instant::now() + FAREWELL_TIME;
        let Line::Open(mut socket) = self.line else { return Ok(()) };
        let lost = |loss| Error::Lost { address: self.address.clone(), loss };
        let mut is_finished = false;
        while Instant::now() < until {
            while !is_finished {
                match self.engine.output() {
                    [] => {
                        socket.finish();
                        is_finished = true;
                    }
                    output => match socket.write(output).map_err(|error| lost(error.into()))? {
                        0 => break,
                        count => self.engine.sent(count, Instant::now()),
                    },
                }
            }
            match socket.read() {
                Ok(Some([])) if is_finished => return Ok(()),
                Ok(Some([])) => return Err(lost(Loss::Closed)),
                Ok(Some(_)) => {}
                Ok(None) => self.waiting.wait(Some(until), Some(&mut socket)).map_err(Error::System)?,
                Err(error) => return Err(lost(error.into())),
            }
        }
        // A server should close then, but need not.
        if is_finished { Ok(()) } else { Err(Error::NoAnswer { address: self.address, time: FAREWELL_TIME }) }
    }

    /// The one loop: reads, writes, waits, comes back.
    fn find(&mut self, until: Option<Instant>, want: Want) -> Result<Found, Error> {
        loop {
            match self.take_event()? {
                Polled::News(news) => return Ok(Found::News(news)),
                Polled::Lost => continue,
                Polled::Nothing => {}
            }
            self.write();
            let is_silent = self.engine.tick(Instant::now()).is_err();
            if want == Want::Room && self.engine.has_room() {
                return Ok(Found::Room);
            }
            match if is_silent { Err(Loss::Silent) } else { self.read() } {
                Ok(Progress::Made) => continue,
                Ok(Progress::None) => {}
                Err(loss) => match self.lose(loss)? {
                    Some(news) => return Ok(Found::News(news)),
                    None => continue,
                },
            }
            if self.waiting.take_woken() || until.is_some_and(|until| until <= Instant::now()) {
                return Ok(Found::Nothing);
            }
            self.wait(until)?;
        }
    }

    /// What the engine has to say, and what of it ends the connection.
    fn take_event(&mut self) -> Result<Polled, Error> {
        let event = match self.engine.poll_event(Instant::now()) {
            Ok(event) => event,
            Err(cause) => {
                self.write();
                return Err(Error::Protocol { address: self.address.clone(), cause });
            }
        };
        let goodbye = match event {
            None => return Ok(Polled::Nothing),
            Some(Event::Refused(goodbye)) if self.is_new() || !goodbye.is_temporary() => {
                return Err(Error::Refused { address: self.address.clone(), goodbye });
            }
            Some(Event::Refused(goodbye) | Event::Ended(goodbye)) => goodbye,
            Some(event) => {
                if matches!(event, Event::Connected(_)) {
                    self.attempts = None;
                }
                return Ok(Polled::News(News::Event(event)));
            }
        };
        Ok(self.lose(Loss::Ended(goodbye))?.map_or(Polled::Lost, Polled::News))
    }

    /// Whether it was never connected.
    fn is_new(&self) -> bool {
        self.reconnect == Reconnect::Never && self.attempts.is_none()
    }

    /// Writes as much as the socket takes. If it takes nothing any more the read says why.
    fn write(&mut self) {
        let Line::Open(socket) = &mut self.line else { return };
        loop {
            let output = self.engine.output();
            if output.is_empty() {
                return;
            }
            match socket.write(output) {
                Ok(0) | Err(_) => return,
                Ok(count) => self.engine.sent(count, Instant::now()),
            }
        }
    }

    /// Reads once, or connects once if that is due.
    fn read(&mut self) -> Result<Progress, Loss> {
        match &mut self.line {
            Line::Open(socket) => match socket.read()? {
                None => Ok(Progress::None),
                Some([]) => Err(Loss::Closed),
                Some(bytes) => {
                    self.engine.receive(bytes);
                    Ok(Progress::Made)
                }
            },
            Line::Lost(next) if *next > Instant::now() => Ok(Progress::None),
            Line::Lost(_) => {
                let socket = self.waiting.connect(&self.address)?;
                self.engine.connect(Instant::now());
                self.line = Line::Open(socket);
                Ok(Progress::Made)
            }
        }
    }

    fn wait(&mut self, until: Option<Instant>) -> Result<(), Error> {
        let (socket, next) = match &mut self.line {
            Line::Open(socket) => (Some(socket), self.engine.deadline()),
            Line::Lost(next) => (None, Some(*next)),
        };
        let until = until.into_iter().chain(next).min();
        self.waiting.wait(until, socket).map_err(Error::System)
    }

    /// Gives a connection up, or an attempt at one, and decides about the next. Only the first loss is
    /// news.
    fn lose(&mut self, loss: Loss) -> Result<Option<News>, Error> {
        let now = Instant::now();
        self.engine.lose();
        let is_first = self.attempts.is_none();
        let attempts = self.attempts.get_or_insert_with(|| Attempts {
            pauses: Pauses::default(),
            end: match self.reconnect {
                Reconnect::Never => Some(now),
                Reconnect::Within(time) => Some(now + time),
                Reconnect::Always => None,
            },
        });
        let is_final = matches!(&loss, Loss::Ended(goodbye) if !goodbye.is_temporary());
        if is_final || attempts.end.is_some_and(|end| end <= now) {
            return Err(Error::Lost { address: self.address.clone(), loss });
        }
        let next = now + attempts.pauses.next(random());
        self.line = Line::Lost(attempts.end.map_or(next, |end| next.min(end)));
        Ok(is_first.then_some(News::Lost(loss)))
    }
}

/// What the engine had to say.
enum Polled {
    News(News),
    /// That the connection is over, which is no news any more.
    Lost,
    Nothing,
}

/// Whether something was read, or a connection begun.
enum Progress {
    Made,
    None,
}

impl From<TakeError> for Error {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Message(error) => Self::Message(error),
            error => Self::NotTaken(error),
        }
    }
}
