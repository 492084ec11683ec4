//! `tidings status`, `clients`, `topics`, `kick`, `check` and `top`: a server as its operator sees it.
//!
//! `args` is what they share on the command line, `api` asks the server and says whose fault it is if
//! there is no answer, `answers` is what it answers, `table` and `units` make rows of it. Nothing
//! here knows more than `docs/openapi.json` promises; a newer server may tell more.

mod answers;
mod api;
mod args;
mod check;
mod clients;
mod kick;
mod pages;
mod place;
mod status;
mod table;
mod top;
mod topics;
mod units;

use std::process::ExitCode;

use crate::ending::Ending;
use crate::printed::printed;

pub(crate) use check::{CheckArgs, run as check};
pub(crate) use clients::{ClientsArgs, run as clients};
pub(crate) use kick::{KickArgs, run as kick};
pub(crate) use status::{StatusArgs, run as status};
pub(crate) use top::{TopArgs, run as top};
pub(crate) use topics::{TopicsArgs, run as topics};

/// Prints a text. What went wrong instead is reported on standard error and is in the exit code.
fn conclude(text: Result<String, Ending>) -> ExitCode {
    match text {
        Ok(text) => printed(&text),
        Err(ending) => ending.conclude(),
    }
}

/// An answer, or a row of one, as a line of JSON that cannot drive a terminal.
fn json_line(value: &serde_json::Value) -> String {
    crate::visible::visible_json(value.to_string().as_bytes()) + "\n"
}

fn rows_max(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|rows| (1..=ROWS_MAX).contains(rows)).ok_or("use a number from 1 to 1000000")
}

/// All rows are in memory before the first is printed, since columns are as wide as their widest cell.
const ROWS_MAX: usize = 1_000_000;
