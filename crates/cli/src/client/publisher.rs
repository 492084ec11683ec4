//! A publisher's session: each line of input is a message.

use super::connection::Connection;
use super::ending::Ending;
use super::hello::Framing;
use super::inbox::{Event, InputEnd};
use super::incoming::{Incoming, Reader, Verdict};
use super::limits::{DRAIN_PIPED, DRAIN_SIGNAL, DRAIN_TYPED};
use super::session::{Farewell, Manners, Session, input_ending};

/// Publishes until the input ends, the user leaves, or the server is gone.
pub(super) fn publish(
    session: &mut Session,
    mut connection: Connection,
    framing: Framing,
    early: &[u8],
) -> Ending {
    let mut incoming = Incoming::new(framing, Reader::Publisher);
    if let Some(ending) = hear(session, &mut incoming, Some(early), &connection) {
        return ending;
    }
    session.input.ask_message(prompt(session.manners), &mut session.output);
    loop {
        let ending = match session.inbox.next(incoming.deadline()) {
            None => hear(session, &mut incoming, None, &connection),
            Some(Event::Received(bytes)) => hear(session, &mut incoming, Some(&bytes), &connection),
            Some(Event::Typed(text)) => say(session, &mut connection, &text),
            Some(Event::InputEnded(end)) => return finish(session, &connection, incoming, end),
            Some(Event::Signal(signal)) => {
                session.part(&connection, DRAIN_SIGNAL, |_, _| ());
                return Ending::Signal(signal);
            }
            Some(Event::Lost(loss)) => {
                return match incoming.finish(&mut session.output) {
                    Ok(Verdict::GoOn) | Err(_) => {
                        Ending::Failed(cut_short(session, &connection, &session.lost(&loss)))
                    }
                    Ok(verdict) => end(session, &connection, verdict),
                };
            }
        };
        if let Some(ending) = ending {
            return ending;
        }
    }
}

/// Sends what was typed. Pasted text is as many messages as it has lines.
fn say(session: &mut Session, connection: &mut Connection, text: &[u8]) -> Option<Ending> {
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if wire::text::is_blank(line) {
            continue;
        }
        if wire::text::is_terminate(line) {
            // Whether it arrives or the server is gone: the session ends either way.
            drop(connection.terminate());
            session.part(connection, DRAIN_TYPED, |_, _| ());
            return Some(Ending::Done);
        }
        if connection.publish(line).is_err() {
            // The reader is about to say why.
            return None;
        }
        if session.manners == Manners::RoleAsked {
            session.output.notice("message sent");
        }
    }
    if session.manners == Manners::RoleAsked && !session.is_piped() {
        session.output.notice("");
    }
    session.input.ask_message(prompt(session.manners), &mut session.output);
    None
}

/// Takes what the server says, or its silence.
fn hear(
    session: &mut Session,
    incoming: &mut Incoming,
    bytes: Option<&[u8]>,
    connection: &Connection,
) -> Option<Ending> {
    let verdict = match bytes {
        Some(bytes) => incoming.take(bytes, &mut session.output),
        None => incoming.silence(&mut session.output),
    };
    match verdict {
        // A publisher's lines go to standard error, whose failures nobody could be told.
        Ok(Verdict::GoOn) | Err(_) => None,
        Ok(verdict) => Some(end(session, connection, verdict)),
    }
}

fn end(session: &Session, connection: &Connection, verdict: Verdict) -> Ending {
    match verdict {
        Verdict::Refused(line) => Ending::Refused(line),
        // A human sees what was sent; a script must hear that its input was not used up.
        Verdict::ServerEnded | Verdict::Enough | Verdict::GoOn if session.is_piped() => {
            Ending::ServerEnded(cut_short(session, connection, Ending::SERVER_ENDED))
        }
        Verdict::ServerEnded | Verdict::Enough | Verdict::GoOn => {
            Ending::ServerEnded(Ending::SERVER_ENDED.to_owned())
        }
    }
}

/// The input has ended: everything that was sent is to be delivered.
fn finish(session: &mut Session, connection: &Connection, mut incoming: Incoming, end: InputEnd) -> Ending {
    let ending = input_ending(end);
    let patience = match (&ending, session.is_piped()) {
        (Ending::Signal(_), _) => DRAIN_SIGNAL,
        (_, true) => DRAIN_PIPED,
        (_, false) => DRAIN_TYPED,
    };
    let mut last = Verdict::GoOn;
    let farewell = session.part(connection, patience, |bytes, output| {
        if let Ok(verdict @ (Verdict::Refused(_) | Verdict::ServerEnded)) = incoming.take(bytes, output) {
            last = verdict;
        }
    });
    match (farewell, ending) {
        (_, Ending::Done) if last != Verdict::GoOn => match last {
            Verdict::Refused(line) => Ending::Refused(line),
            // It closes whether or not it has read everything.
            _ => Ending::ServerEnded(unsure(connection, Ending::SERVER_ENDED)),
        },
        // Where all is well a publisher hears nothing. What it heard is on the screen by now.
        (_, Ending::Done) if incoming.has_lines() => {
            Ending::Failed(unsure(connection, "the server did not take everything"))
        }
        // Nothing was sent that could be lost.
        (_, Ending::Done) if connection.sent() == 0 => Ending::Done,
        (Farewell::Broken(error), Ending::Done) => {
            Ending::Failed(unsure(connection, &format!("connection to {} lost: {error}", session.address)))
        }
        (Farewell::NoAnswer, Ending::Done) if session.is_piped() => {
            let what = format!(
                "{} has not closed {} s after the end of the input",
                session.address,
                patience.as_secs()
            );
            Ending::Failed(unsure(connection, &what))
        }
        (_, ending) => ending,
    }
}

/// What happened, and what is known about the messages.
fn unsure(connection: &Connection, what: &str) -> String {
    let lines = match connection.sent() {
        0 => "nothing was sent".to_owned(),
        1 => "1 line was sent and may be lost".to_owned(),
        count => format!("{count} lines were sent, the last of them may be lost"),
    };
    format!("{what}; {lines}")
}

/// The same while there may be input that was not sent.
fn cut_short(session: &Session, connection: &Connection, what: &str) -> String {
    let rest = if session.is_piped() { "; the rest of the input was not sent" } else { "" };
    unsure(connection, what) + rest
}

fn prompt(manners: Manners) -> &'static str {
    match manners {
        Manners::RoleGiven => "PUB: ",
        Manners::RoleAsked => "> ",
    }
}
