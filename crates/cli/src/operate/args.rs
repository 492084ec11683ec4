//! What the commands share on their command line.

use std::time::Duration;

use clap::Args;

use super::api::Api;
use super::place::Place;
use crate::mqtt::duration;

/// Where the server is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ServerArgs {
    /// Server: http://HOST:PORT, HOST:PORT or HOST (then port 8071)
    #[arg(short, long, value_name = "URL", env = "TIDINGS_HTTP_URL", default_value = SERVER_DEFAULT)]
    pub(super) server: Place,
    /// Give up if there is no answer after this time
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(super) timeout: Duration,
}

impl ServerArgs {
    pub(super) fn api(&self) -> Api {
        Api::new(self.server.clone(), self.timeout)
    }
}

/// The exit codes of a command that asks once.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed, for example no answer in time
  2  wrong option
  3  cannot connect
  4  refused by the server";

/// Where `tidings server` listens.
const SERVER_DEFAULT: &str = "http://localhost:8071";
