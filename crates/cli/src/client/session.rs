//! What a publisher's and a subscriber's session have in common.

use std::io;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use super::connection::{Address, Connection};
use super::inbox::{Event, Inbox, InputEnd, Loss};
use super::input::{Input, Source};
use super::limits::INPUT_LINE_BYTES_MAX;
use super::output::Output;
use crate::ending::Ending;

/// One run of the client.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) address: Address,
    pub(super) manners: Manners,
    pub(super) inbox: Inbox,
    /// For the readers of connections to come.
    pub(super) events: SyncSender<Event>,
    pub(super) input: Input,
    pub(super) output: Output,
}

/// Which of the two documents' clients this run behaves like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manners {
    /// The role was given: prompt `PUB: `, lines `Server: ...`.
    RoleGiven,
    /// The server asked for it: prompt `> `, `message sent`.
    RoleAsked,
}

/// How the server took our end.
#[derive(Debug)]
pub(super) enum Farewell {
    /// It closed: whatever was sent before has been read.
    Closed,
    Broken(io::Error),
    /// It did not close in time.
    NoAnswer,
}

impl Session {
    /// Sends nothing more and gives the server time to read everything and close. What it still
    /// says goes to `hear`.
    pub(super) fn part(
        &mut self,
        connection: &mut Connection,
        patience: Duration,
        mut hear: impl FnMut(&[u8], &mut Output),
    ) -> Farewell {
        connection.finish();
        let until = Instant::now() + patience;
        loop {
            match self.inbox.next(Some(until)) {
                None => return Farewell::NoAnswer,
                Some(Event::Lost(Loss::Closed)) => return Farewell::Closed,
                Some(Event::Lost(Loss::Broken(error))) => return Farewell::Broken(error),
                Some(Event::Received(bytes)) => hear(&bytes, &mut self.output),
                // It is ending already. Whoever cannot wait presses Ctrl+C again.
                Some(Event::Typed(_) | Event::InputEnded(_) | Event::Signal(_)) => {}
            }
        }
    }

    pub(super) fn lost(&self, loss: &Loss) -> String {
        format!("connection to {} lost: {loss}", self.address)
    }

    /// Tells that the server is silent. Where the client speaks first a quiet topic and a port behind
    /// which nobody speaks our protocol look the same, so both are named.
    pub(super) fn remark_silence(&mut self) {
        let words =
            format!("nothing heard from {} yet: no message so far, or no server of this kind", self.address);
        self.output.remark(&words);
    }

    pub(super) fn is_piped(&self) -> bool {
        self.input.source() == Source::Piped
    }
}

/// What the end of the input means. The end of a pipe is for the caller to judge.
pub(super) fn input_ending(end: InputEnd) -> Ending {
    match end {
        InputEnd::Eof => Ending::Done,
        InputEnd::Interrupted => Ending::CTRL_C,
        InputEnd::TooLong { line } => Ending::Failed(format!(
            "line {line} of the input is longer than {INPUT_LINE_BYTES_MAX} bytes: it and what follows was not sent"
        )),
        InputEnd::Failed(error) => Ending::Failed(format!("cannot read the input: {error}")),
    }
}

/// What a failure of standard output means: whoever read it may just have had enough.
pub(super) fn output_ending(error: &io::Error) -> Ending {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ending::Done,
        _ => Ending::Failed(format!("cannot write the output: {error}")),
    }
}
