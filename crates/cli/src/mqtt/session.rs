//! A connection with the manners of a command: a signal ends it, a loss is told on standard error,
//! and every way to end has its exit code.

use std::time::{Duration, Instant};

use ::client::{
    Address, Client, ConnectOptions, Connected, Error, Event, Goodbye, Message, News, Outcome, QoS, Reason,
    Receipt, Reconnect, SessionEnd, SessionState, Subscription,
};

use super::signals::{self, Signalled};
use crate::ending::{Ending, report};

/// One run of a command.
#[derive(Debug)]
pub(super) struct Session {
    client: Client,
    signalled: Signalled,
    /// What was not accepted.
    rejects: Rejects,
}

/// Published messages that did not arrive, or perhaps not.
#[derive(Debug, Default)]
struct Rejects {
    refused: u64,
    /// Why the first of them was.
    first: Option<Goodbye>,
    unsure: u64,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// How the command ends if that does not succeed at once.
    pub(super) fn open(
        address: Address,
        options: ConnectOptions,
        reconnect: Reconnect,
    ) -> Result<(Self, Connected), Ending> {
        let (client, connected) =
            Client::connect(address, options, reconnect).map_err(|error| ending(&error))?;
        // Not earlier: until here Ctrl+C may just end the process.
        let signalled = signals::watch(client.waker())
            .map_err(|error| Ending::Failed(format!("cannot watch for signals: {error}")))?;
        Ok((Self { client, signalled, rejects: Rejects::default() }, connected))
    }

    pub(super) fn waker(&self) -> std::sync::Arc<mio::Waker> {
        self.client.waker()
    }

    /// Asks for messages. A server that grants less than was asked for is told about.
    ///
    /// # Errors
    /// How the command ends, also if one filter was refused.
    pub(super) fn subscribe(&mut self, subscription: &Subscription) -> Result<(), Ending> {
        let answers = self.client.subscribe(subscription).map_err(|error| ending(&error))?;
        for ((filter, options), answer) in subscription.filters.iter().zip(&answers) {
            check_granted(answer, filter)?;
            let code = answer.reason.0;
            if QoS::of(code).is_some_and(|granted| granted < options.qos) {
                report(&format!("{filter}: messages come with QoS {code} at most"));
            }
        }
        Ok(())
    }

    /// Publishes, however long there is no room; not longer than `patience` without anything that
    /// happens.
    ///
    /// # Errors
    /// How the command ends.
    pub(super) fn publish(&mut self, message: &Message, patience: Duration) -> Result<(), Ending> {
        let mut until = Instant::now() + patience;
        loop {
            if let Some(signal) = self.signalled.get() {
                return Err(Ending::Signal(signal));
            }
            let published =
                self.client.publish_until(message, Some(until)).map_err(|error| ending(&error))?;
            let has_heard = self.hear_all()?;
            match published {
                Some(_) => return Ok(()),
                None if has_heard => until = Instant::now() + patience,
                None if Instant::now() >= until => return Err(self.no_progress(patience)),
                None => {}
            }
        }
    }

    /// The next message; nothing if something else happens first: the time is over, standard input has
    /// something, or the server said something that is no message.
    ///
    /// # Errors
    /// How the command ends.
    pub(super) fn next(&mut self, until: Option<Instant>) -> Result<Option<(Message, Receipt)>, Ending> {
        if let Some(signal) = self.signalled.get() {
            return Err(Ending::Signal(signal));
        }
        match self.client.next(until).map_err(|error| ending(&error))? {
            Some(News::Event(Event::Message(message, receipt))) => return Ok(Some((message, receipt))),
            Some(news) => self.hear(&news)?,
            None => {}
        }
        Ok(None)
    }

    /// Waits until everything that was published is settled; not longer than `patience` without anything
    /// that happens.
    ///
    /// # Errors
    /// How the command ends; also if something was not accepted.
    pub(super) fn settle(&mut self, patience: Duration) -> Result<(), Ending> {
        let mut until = Instant::now() + patience;
        while self.client.unacknowledged() > 0 {
            if let Some(signal) = self.signalled.get() {
                return Err(Ending::Signal(signal));
            }
            match self.client.next(Some(until)).map_err(|error| ending(&error))? {
                Some(news) => {
                    self.hear(&news)?;
                    until = Instant::now() + patience;
                }
                None if Instant::now() >= until => return Err(self.no_progress(patience)),
                None => {}
            }
        }
        self.hear_all()?;
        self.rejects.ending().map_or(Ok(()), Err)
    }

    /// How the command ends if something that was published is known to be refused.
    pub(super) fn rejected(&self) -> Option<Ending> {
        self.rejects.ending()
    }

    pub(super) fn acknowledge(&mut self, receipt: Receipt) {
        self.client.acknowledge(receipt);
    }

    /// Says goodbye.
    ///
    /// # Errors
    /// If something may not have been read.
    pub(super) fn close(self, end: SessionEnd) -> Result<(), Ending> {
        self.client.disconnect(end).map_err(|error| ending(&error))
    }

    /// Takes note of everything that is known already, and whether there was anything.
    fn hear_all(&mut self) -> Result<bool, Ending> {
        let mut has_heard = false;
        while let Some(news) = self.client.next(Some(Instant::now())).map_err(|error| ending(&error))? {
            self.hear(&news)?;
            has_heard = true;
        }
        Ok(has_heard)
    }

    /// Takes note of what is no message.
    fn hear(&mut self, news: &News) -> Result<(), Ending> {
        match news {
            News::Lost(loss) => {
                report(&format!("connection to {} lost: {loss}; trying again", self.client.address()));
            }
            News::Event(Event::Connected(connected)) => {
                let forgotten = match connected.session {
                    SessionState::Resumed => "",
                    SessionState::New => ", which has forgotten us: messages may be missing",
                };
                report(&format!("connected to {} again{forgotten}", self.client.address()));
            }
            News::Event(Event::Published(_, Outcome::Refused(goodbye))) => self.rejects.refuse(goodbye),
            News::Event(Event::Published(_, Outcome::Unsure)) => self.rejects.unsure += 1,
            News::Event(Event::Subscribed(_, answers)) => {
                for answer in answers {
                    check_granted(answer, "a filter")?;
                }
            }
            News::Event(_) => {}
        }
        Ok(())
    }

    fn no_progress(&self, patience: Duration) -> Ending {
        Ending::Failed(format!(
            "{} has not accepted anything for {} s; {} messages are not acknowledged",
            self.client.address(),
            patience.as_secs_f32(),
            self.client.unacknowledged()
        ))
    }
}

impl Rejects {
    fn refuse(&mut self, goodbye: &Goodbye) {
        self.refused += 1;
        self.first.get_or_insert_with(|| goodbye.clone());
    }

    fn ending(&self) -> Option<Ending> {
        let messages = |count| if count == 1 { "1 message".to_owned() } else { format!("{count} messages") };
        match &self.first {
            Some(goodbye) => {
                let words = format!("{} refused: {goodbye}", messages(self.refused));
                Some(match goodbye.reason {
                    Reason::NOT_AUTHORIZED => Ending::Refused(words),
                    _ => Ending::Failed(words),
                })
            }
            None if self.unsure > 0 => Some(Ending::Failed(format!(
                "the server has forgotten us: {} may have arrived or not",
                messages(self.unsure)
            ))),
            None => None,
        }
    }
}

fn check_granted(answer: &Goodbye, filter: &str) -> Result<(), Ending> {
    match answer.reason.is_error() {
        true => Err(Ending::Refused(format!("{filter} refused: {answer}"))),
        false => Ok(()),
    }
}

/// How a command ends that its client cannot go on with.
fn ending(error: &Error) -> Ending {
    let words = error.to_string();
    match error {
        Error::Unreachable { .. } => Ending::Unreachable(words),
        Error::Refused { .. } => Ending::Refused(words),
        Error::Lost { .. }
        | Error::Protocol { .. }
        | Error::NoAnswer { .. }
        | Error::Message(_)
        | Error::NotTaken(_)
        | Error::Unread
        | Error::System(_) => Ending::Failed(words),
    }
}
