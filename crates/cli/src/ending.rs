//! How a client's session ends: what is said last, and the exit status.

use std::io::{self, Write as _};
use std::process::ExitCode;

use signal_hook::consts::SIGINT;

use crate::visible::visible;

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The user ended it, or whoever read our output went away.
    Done,
    /// The server said `terminate`: this is left to say about it.
    ServerEnded(String),
    /// The command line asks for what the server does not know.
    Usage(String),
    /// What it is about does not exist.
    NotFound(String),
    /// Something was lost: this.
    Failed(String),
    /// Nobody accepts connections there.
    Unreachable(String),
    /// The server does not want this client.
    Refused(String),
    /// The time that the user gave it is over.
    Expired,
    /// A signal, or Ctrl+C.
    Signal(i32),
}

impl Ending {
    /// What is said when the server said `terminate`.
    pub(crate) const SERVER_ENDED: &str = "server ended the session";
    pub(crate) const CTRL_C: Self = Self::Signal(SIGINT);

    /// Says what there is to say, and how the program ends.
    pub(crate) fn conclude(&self) -> ExitCode {
        if let Some(words) = self.words() {
            report(words);
        }
        self.exit_code()
    }

    /// What is to be said about it, by who goes on all the same.
    pub(crate) fn into_words(self) -> String {
        self.words().unwrap_or_default().to_owned()
    }

    /// What is to be said about it on standard error.
    fn words(&self) -> Option<&str> {
        match self {
            Self::Done | Self::Expired | Self::Signal(_) => None,
            Self::ServerEnded(words)
            | Self::Usage(words)
            | Self::NotFound(words)
            | Self::Failed(words)
            | Self::Unreachable(words)
            | Self::Refused(words) => Some(words),
        }
    }

    fn exit_code(&self) -> ExitCode {
        let code = match self {
            Self::Done => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Refused(_) => 4,
            Self::ServerEnded(_) => 6,
            Self::NotFound(_) => 7,
            // That of mosquitto_sub.
            Self::Expired => 27,
            // The shells' habit. Signal numbers that are watched are small.
            Self::Signal(signal) => u8::try_from(*signal).map_or(1, |signal| 128 + signal),
        };
        ExitCode::from(code)
    }
}

/// Says something on standard error when there is no session any more, or not yet.
pub(crate) fn report(line: &str) {
    // There is no place left to say that this place is gone.
    drop(io::stderr().lock().write_all((visible(line.as_bytes()) + "\n").as_bytes()));
}
