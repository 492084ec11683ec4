//! `tidings client`: both founding documents' clients in one (docs/protocol/text.md).
//!
//! Four threads (server, input, signals, and the session that decides) and one queue of
//! events between them. Reading order: `args` and `hello`, `dialogue`, then `publisher`
//! and `subscriber`; `connection`, `input` and `output` are the three ends of a session.

mod answer;
mod args;
mod assemble;
mod connection;
mod dialogue;
mod editor;
mod hello;
mod inbox;
mod incoming;
mod input;
mod limits;
mod output;
mod payload;
mod publisher;
mod reconnect;
mod render;
mod session;
mod signals;
mod subscriber;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use anyhow::Context as _;

use crate::ending::Ending;
pub(crate) use args::ClientArgs;
use args::Loyalty;
use connection::{Address, Connection};
use hello::{Opening, Request, Side};
use inbox::{Event, Inbox};
use incoming::Reader;
use input::Input;
use output::Output;
use session::{Manners, Session};
use signals::Signalled;

/// Runs one session. What goes wrong with the server or the input is reported on standard
/// error and is in the exit code.
///
/// # Errors
/// If the system gives us no threads or signal handlers.
pub(crate) fn run(args: &ClientArgs) -> anyhow::Result<ExitCode> {
    let (address, request) = match args.parse() {
        Ok(parsed) => parsed,
        Err(usage) => {
            usage.print().context("print the usage error")?;
            return Ok(ExitCode::from(USAGE));
        }
    };
    let manners = match request.opening {
        Opening::Given { .. } => Manners::RoleGiven,
        Opening::Asked | Opening::Typed { .. } => Manners::RoleAsked,
    };
    let (loyalty, count) = (args.loyalty(), args.count());
    let signalled = Arc::new(Signalled::default());
    let (events, inbox) = Inbox::new(Arc::clone(&signalled));
    let mut output = Output::new();
    let connection = match connect(&address, manners, &events, &mut output) {
        Ok(connection) => connection,
        Err(ending) => return Ok(ending.conclude()),
    };
    // Not earlier: until here Ctrl+C may just end the process.
    signals::watch(Arc::clone(&signalled), events.clone()).context("watch for signals")?;
    let input = Input::open(events.clone(), &signalled, &mut output).context("read the input")?;
    let mut session = Session { address, manners, inbox, events, input, output };
    let ending = converse(&mut session, connection, &request, loyalty, count);

    // The terminal first, then the last words: they are not to be lost in the editor.
    session.output.settle();
    let Session { inbox, events, input, .. } = session;
    // Nobody is to wait for a session that is over.
    drop((inbox, events));
    input.stop();
    Ok(ending.conclude())
}

fn connect(
    address: &Address,
    manners: Manners,
    events: &SyncSender<Event>,
    output: &mut Output,
) -> Result<Connection, Ending> {
    let mut tell = |line: &str| {
        if manners == Manners::RoleAsked {
            output.notice(line);
        }
    };
    tell(&format!("Connecting to server at {address}..."));
    let connection = address
        .connect(events)
        .map_err(|error| Ending::Unreachable(format!("cannot connect to {address}: {error}")))?;
    tell("Server Connected");
    Ok(connection)
}

fn converse(
    session: &mut Session,
    connection: Connection,
    request: &Request,
    loyalty: Loyalty,
    count: Option<u64>,
) -> Ending {
    let introduced = match dialogue::introduce(session, connection, request) {
        Ok(introduced) => introduced,
        Err(ending) => return ending,
    };
    let (line, introduction) = (introduced.line, introduced.introduction);
    if let Some(purpose) = introduction.request.purpose() {
        let words = format!("connected to {}, {purpose}", session.address);
        session.output.remark(&words);
    }
    match introduced.side {
        Side::Publisher if introduction.request.options.ack => {
            publisher::publish(session, line, Reader::Confirmed)
        }
        Side::Publisher => publisher::publish(session, line, Reader::Publisher),
        Side::Subscriber => subscriber::subscribe(session, &introduction, line, loyalty, count),
    }
}

/// What clap exits with for arguments that it refuses itself.
const USAGE: u8 = 2;
