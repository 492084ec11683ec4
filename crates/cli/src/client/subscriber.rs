//! A subscriber's session: lines as they come, until somebody ends it.

use std::time::{Duration, Instant};

use ::client::Pauses;

use super::args::Loyalty;
use super::connection::Connection;
use super::hello::{Format, Framing, Request};
use super::inbox::{Event, InputEnd};
use super::incoming::{Incoming, Reader, Verdict};
use super::limits::{DRAIN_SUBSCRIBER, SILENCE_REMARK};
use super::reconnect;
use super::render::{Style, Target};
use super::session::{Manners, Session, input_ending, output_ending};
use crate::ending::Ending;

/// How a subscriber introduced itself, so that it can do so again.
#[derive(Debug)]
pub(super) struct Introduction {
    pub(super) request: Request,
    /// What was typed at the server's prompt for a topic, if it has one.
    pub(super) topic: Option<Vec<u8>>,
}

/// One connection of a subscriber.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) connection: Connection,
    pub(super) framing: Framing,
    /// What came while the subscriber introduced itself.
    pub(super) early: Vec<u8>,
}

/// Listens, across as many connections as it takes.
pub(super) fn subscribe(
    session: &mut Session,
    introduction: &Introduction,
    mut line: Line,
    loyalty: Loyalty,
    count: Option<u64>,
) -> Ending {
    let reader = reader(session, introduction.request.options.format);
    let mut incoming = Incoming::new(line.framing, reader).expect(count);
    let mut pauses = Pauses::default();
    session.input.ask_for_end(&mut session.output);
    // A server that asked for the role has been heard.
    let mut remark_at = (session.manners == Manners::RoleGiven).then(|| Instant::now() + SILENCE_REMARK);
    loop {
        let begin = Instant::now();
        let (what, proven) = match listen(session, line, &mut incoming, remark_at.take()) {
            Stop::Ended(ending) => return ending,
            // It may do so again at once: only a steady session makes the pauses short.
            Stop::ServerEnded if loyalty == Loyalty::Return => (Ending::SERVER_ENDED.to_owned(), false),
            Stop::ServerEnded => return Ending::ServerEnded(Ending::SERVER_ENDED.to_owned()),
            Stop::Lost { what, proven } => (what, proven),
        };
        if loyalty == Loyalty::GiveUp {
            return Ending::Failed(what);
        }
        session.output.report(&format!("{what}; reconnecting"));
        if proven || begin.elapsed() >= STEADY {
            pauses = Pauses::default();
        }
        line = match reconnect::return_to(session, introduction, &mut pauses) {
            Ok(line) => line,
            Err(ending) => return ending,
        };
        let gap = match introduction.request.resumed(Duration::ZERO) == introduction.request {
            true => "; what was published meanwhile is not shown",
            false => "",
        };
        session.output.report(&format!("reconnected{gap}"));
    }
}

/// Why one connection is over.
enum Stop {
    Ended(Ending),
    /// The server said `terminate`.
    ServerEnded,
    /// The server is gone. `proven`: it did deliver something before.
    Lost {
        what: String,
        proven: bool,
    },
}

/// `remark_at`: when to say that nothing was heard, if nothing was.
fn listen(
    session: &mut Session,
    line: Line,
    incoming: &mut Incoming,
    mut remark_at: Option<Instant>,
) -> Stop {
    let mut connection = line.connection;
    incoming.begin(line.framing);
    let mut heard = incoming.take(&line.early, &mut session.output);
    loop {
        match heard {
            Ok(Verdict::GoOn) => {}
            Ok(Verdict::Enough) => {
                say_goodbye(session, &mut connection);
                return Stop::Ended(Ending::Done);
            }
            Ok(verdict) => return stop(verdict),
            Err(error) => return Stop::Ended(output_ending(&error)),
        }
        let Some(event) = session.inbox.next(incoming.deadline().or(remark_at)) else {
            heard = match incoming.deadline() {
                Some(_) => incoming.silence(&mut session.output),
                None => {
                    remark_at = None;
                    session.remark_silence();
                    Ok(Verdict::GoOn)
                }
            };
            continue;
        };
        heard = match event {
            Event::Received(bytes) => {
                remark_at = None;
                incoming.take(&bytes, &mut session.output)
            }
            Event::Lost(loss) => {
                let (what, proven) = (session.lost(&loss), incoming.has_lines());
                return match incoming.finish(&mut session.output) {
                    Ok(Verdict::GoOn) => Stop::Lost { what, proven },
                    Ok(verdict) => stop(verdict),
                    Err(error) => Stop::Ended(output_ending(&error)),
                };
            }
            event => match wish(session, event) {
                None => Ok(Verdict::GoOn),
                Some(wish) => {
                    match wish {
                        Wish::Terminate => say_goodbye(session, &mut connection),
                        Wish::Leave(_) => {
                            session.part(&mut connection, DRAIN_SUBSCRIBER, |_, _| ());
                        }
                    }
                    return Stop::Ended(wish.ending());
                }
            },
        };
    }
}

/// Ends by the word, and gives the server time to see it.
fn say_goodbye(session: &mut Session, connection: &mut Connection) {
    // Whether it arrives or the server is gone: the session ends either way.
    drop(connection.terminate());
    session.part(connection, DRAIN_SUBSCRIBER, |_, _| ());
}

/// How the user wants to leave.
#[derive(Debug)]
pub(super) enum Wish {
    /// By the word, which the server hears.
    Terminate,
    /// Otherwise.
    Leave(Ending),
}

impl Wish {
    pub(super) fn ending(self) -> Ending {
        match self {
            Self::Terminate => Ending::Done,
            Self::Leave(ending) => ending,
        }
    }
}

/// What input or a signal asks of a subscriber; `None`: to go on.
pub(super) fn wish(session: &mut Session, event: Event) -> Option<Wish> {
    match event {
        Event::Typed(text) if text.split(|b| *b == b'\n').any(wire::text::is_terminate) => {
            Some(Wish::Terminate)
        }
        Event::Typed(text) => {
            if !wire::text::is_blank(&text) && !session.is_piped() {
                session.output.notice("a subscriber only listens; terminate, Ctrl+D or Ctrl+C ends it");
            }
            session.input.ask_for_end(&mut session.output);
            None
        }
        // A subscriber in a script or a service has no input, and is there to listen.
        Event::InputEnded(InputEnd::Eof) if session.is_piped() => None,
        Event::InputEnded(end) => Some(Wish::Leave(input_ending(end))),
        Event::Signal(signal) => Some(Wish::Leave(Ending::Signal(signal))),
        Event::Received(_) | Event::Lost(_) => None,
    }
}

fn stop(verdict: Verdict) -> Stop {
    match verdict {
        Verdict::Refused(line) => Stop::Ended(Ending::Refused(line)),
        Verdict::Enough => Stop::Ended(Ending::Done),
        Verdict::ServerEnded | Verdict::GoOn => Stop::ServerEnded,
    }
}

fn reader(session: &Session, format: Format) -> Reader {
    let target = match (session.output.is_terminal(), format) {
        (true, Format::Json) => Target::JsonTerminal,
        (true, Format::Plain | Format::Raw) => Target::Terminal,
        (false, _) => Target::Elsewhere,
    };
    let prefix = match (session.manners, format) {
        (Manners::RoleGiven, Format::Plain) => "Server: ",
        _ => "",
    };
    let style = Style { prefix, target };
    match format {
        Format::Raw => Reader::Raw(style),
        Format::Plain | Format::Json => Reader::Subscriber(style),
    }
}

/// A connection that lasted this long was no accident: pauses begin anew.
const STEADY: Duration = Duration::from_secs(5);
