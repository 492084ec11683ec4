//! How a session ends: what is said last, and the exit status.

use std::process::ExitCode;

use signal_hook::consts::SIGINT;

use super::inbox::Loss;

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The user ended it, or whoever read our output went away.
    Done,
    /// The server said `terminate`: this is left to say about it.
    ServerEnded(String),
    /// Something was lost: this.
    Failed(String),
    /// Nobody accepts connections there.
    Unreachable(String),
    /// The server does not want this client.
    Refused(String),
    /// A signal, or Ctrl+C.
    Signal(i32),
}

impl Ending {
    /// What is said when the server said `terminate`.
    pub(super) const SERVER_ENDED: &str = "server ended the session";
    pub(super) const CTRL_C: Self = Self::Signal(SIGINT);

    /// What is to be said about it on standard error.
    pub(super) fn words(&self) -> Option<&str> {
        match self {
            Self::Done | Self::Signal(_) => None,
            Self::ServerEnded(words)
            | Self::Failed(words)
            | Self::Unreachable(words)
            | Self::Refused(words) => Some(words),
        }
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        let code = match self {
            Self::Done => 0,
            Self::Failed(_) => 1,
            Self::Unreachable(_) => 3,
            Self::Refused(_) => 4,
            Self::ServerEnded(_) => 6,
            // The shells' habit. Signal numbers that are watched are small.
            Self::Signal(signal) => u8::try_from(*signal).map_or(1, |signal| 128 + signal),
        };
        ExitCode::from(code)
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by the server"),
            Self::Broken(error) => write!(f, "{error}"),
        }
    }
}
