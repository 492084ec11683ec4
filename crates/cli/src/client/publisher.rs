//! A publisher's session: each line of input is a message.

use std::time::Instant;

use super::connection::Connection;
use super::inbox::{Event, InputEnd};
use super::incoming::{Incoming, Reader, Verdict};
use super::limits::{DRAIN_PIPED, DRAIN_SIGNAL, DRAIN_TYPED};
use super::session::{Farewell, Manners, Session, input_ending};
use super::subscriber::Line;
use crate::ending::Ending;

/// Both directions of a publisher's connection.
struct Publishing {
    connection: Connection,
    incoming: Incoming,
}

/// Publishes until the input ends, the user leaves, or the server is gone. `reader` says whether
/// messages are confirmed.
pub(super) fn publish(session: &mut Session, line: Line, reader: Reader) -> Ending {
    let incoming = Incoming::new(line.framing, reader);
    let mut publishing = Publishing { connection: line.connection, incoming };
    if let Some(ending) = hear(session, &mut publishing, Some(&line.early)) {
        return ending;
    }
    session.input.ask_message(prompt(session.manners), &mut session.output);
    loop {
        let (silence, due) = (publishing.incoming.deadline(), publishing.connection.due());
        let ending = match session.inbox.next(silence.into_iter().chain(due).min()) {
            None if due.is_some_and(|due| due <= Instant::now()) => {
                // If the server is gone the reader reports it.
                drop(publishing.connection.flush());
                None
            }
            None => hear(session, &mut publishing, None),
            Some(Event::Received(bytes)) => hear(session, &mut publishing, Some(&bytes)),
            Some(Event::Typed(text)) => say(session, &mut publishing, &text),
            Some(Event::InputEnded(end)) => return finish(session, &mut publishing, end),
            Some(Event::Signal(signal)) => {
                session.part(&mut publishing.connection, DRAIN_SIGNAL, |_, _| ());
                return Ending::Signal(signal);
            }
            Some(Event::Lost(loss)) => {
                return match publishing.incoming.finish(&mut session.output) {
                    Ok(Verdict::GoOn) | Err(_) => {
                        Ending::Failed(cut_short(session, &publishing, &session.lost(&loss)))
                    }
                    Ok(verdict) => end(session, &publishing, verdict),
                };
            }
        };
        if let Some(ending) = ending {
            return ending;
        }
    }
}

/// Sends what was typed. Pasted text is as many messages as it has lines.
fn say(session: &mut Session, publishing: &mut Publishing, text: &[u8]) -> Option<Ending> {
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if wire::text::is_blank(line) {
            continue;
        }
        if wire::text::is_terminate(line) {
            if let Some(ending) = await_confirmations(session, publishing) {
                return Some(ending);
            }
            // Whether it arrives or the server is gone: the session ends either way.
            drop(publishing.connection.terminate());
            if let Farewell::NoAnswer = session.part(&mut publishing.connection, DRAIN_TYPED, |_, _| ()) {
                remark_no_answer(session, publishing);
            }
            return Some(Ending::Done);
        }
        if publishing.connection.publish(line).is_err() {
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
fn hear(session: &mut Session, publishing: &mut Publishing, bytes: Option<&[u8]>) -> Option<Ending> {
    let verdict = match bytes {
        Some(bytes) => publishing.incoming.take(bytes, &mut session.output),
        None => publishing.incoming.silence(&mut session.output),
    };
    match verdict {
        // A publisher's lines go to standard error, whose failures nobody could be told.
        Ok(Verdict::GoOn) | Err(_) => None,
        Ok(verdict) => Some(end(session, publishing, verdict)),
    }
}

fn end(session: &Session, publishing: &Publishing, verdict: Verdict) -> Ending {
    match verdict {
        Verdict::Refused(line) => Ending::Refused(line),
        // A human sees what was sent; a script must hear that its input was not used up.
        Verdict::ServerEnded | Verdict::Enough | Verdict::GoOn if session.is_piped() => {
            Ending::ServerEnded(cut_short(session, publishing, Ending::SERVER_ENDED))
        }
        Verdict::ServerEnded | Verdict::Enough | Verdict::GoOn => {
            Ending::ServerEnded(Ending::SERVER_ENDED.to_owned())
        }
    }
}

/// Waits for the confirmations that are owed, as long as they keep coming. It is done before the
/// sending side is closed: from then on the server takes its time as well.
fn await_confirmations(session: &mut Session, publishing: &mut Publishing) -> Option<Ending> {
    while publishing.owed() > 0 {
        match session.inbox.next(Some(Instant::now() + DRAIN_PIPED)) {
            Some(Event::Received(bytes)) => {
                if let Some(ending) = hear(session, publishing, Some(&bytes)) {
                    return Some(ending);
                }
            }
            Some(Event::Lost(loss)) => {
                return Some(Ending::Failed(unsure(publishing, &session.lost(&loss))));
            }
            Some(Event::Signal(signal)) => return Some(Ending::Signal(signal)),
            // It is ending already.
            Some(Event::Typed(_) | Event::InputEnded(_)) => {}
            None => {
                let what =
                    format!("{} has confirmed nothing for {} s", session.address, DRAIN_PIPED.as_secs());
                return Some(Ending::Failed(unsure(publishing, &what)));
            }
        }
    }
    None
}

/// The input has ended: everything that was sent is to be delivered.
fn finish(session: &mut Session, publishing: &mut Publishing, end: InputEnd) -> Ending {
    let ending = input_ending(end);
    if ending == Ending::Done
        && let Some(ending) = await_confirmations(session, publishing)
    {
        return ending;
    }
    let patience = match (&ending, session.is_piped()) {
        (Ending::Signal(_), _) => DRAIN_SIGNAL,
        (_, true) => DRAIN_PIPED,
        (_, false) => DRAIN_TYPED,
    };
    let Publishing { connection, incoming } = publishing;
    let mut last = Verdict::GoOn;
    let farewell = session.part(connection, patience, |bytes, output| {
        if let Ok(verdict @ (Verdict::Refused(_) | Verdict::ServerEnded)) = incoming.take(bytes, output) {
            last = verdict;
        }
    });
    match (farewell, ending) {
        (_, Ending::Done) if publishing.is_confirmed() => Ending::Done,
        (_, Ending::Done) if last != Verdict::GoOn => match last {
            Verdict::Refused(line) => Ending::Refused(line),
            // It closes whether or not it has read everything.
            _ => Ending::ServerEnded(unsure(publishing, Ending::SERVER_ENDED)),
        },
        // Where all is well a publisher hears nothing. What it heard is on the screen by now.
        (_, Ending::Done) if publishing.incoming.has_lines() => {
            Ending::Failed(unsure(publishing, "the server did not take everything"))
        }
        // Nothing was sent that could be lost.
        (_, Ending::Done) if publishing.connection.sent() == 0 => Ending::Done,
        (Farewell::Broken(error), Ending::Done) => {
            Ending::Failed(unsure(publishing, &format!("connection to {} lost: {error}", session.address)))
        }
        (Farewell::NoAnswer, Ending::Done) if session.is_piped() => {
            let what = format!(
                "{} has not closed {} s after the end of the input",
                session.address,
                patience.as_secs()
            );
            Ending::Failed(unsure(publishing, &what))
        }
        (Farewell::NoAnswer, Ending::Done) => {
            remark_no_answer(session, publishing);
            Ending::Done
        }
        (_, ending) => ending,
    }
}

/// A server of ours closes at once, and says nothing else to a publisher: this is all that a human
/// sees of a port behind which nobody listens to what is typed.
fn remark_no_answer(session: &mut Session, publishing: &Publishing) {
    if publishing.connection.sent() > 0 && !publishing.is_confirmed() {
        let words = format!("{} does not answer; what was sent may be lost", session.address);
        session.output.remark(&words);
    }
}

impl Publishing {
    /// How many confirmations are still to come.
    fn owed(&self) -> u64 {
        self.incoming.confirmed().map_or(0, |confirmed| self.connection.sent().saturating_sub(confirmed))
    }

    /// Whether it is certain that the server has everything.
    fn is_confirmed(&self) -> bool {
        self.connection.sent() > 0 && self.incoming.confirmed() == Some(self.connection.sent())
    }
}

/// What happened, and what is known about the messages.
fn unsure(publishing: &Publishing, what: &str) -> String {
    let lines = match (publishing.connection.sent(), publishing.incoming.confirmed()) {
        (0, _) => "nothing was sent".to_owned(),
        (sent, Some(confirmed)) => format!("{confirmed} of {sent} lines were confirmed"),
        (1, None) => "1 line was sent and may be lost".to_owned(),
        (count, None) => format!("{count} lines were sent, the last of them may be lost"),
    };
    format!("{what}; {lines}")
}

/// The same while there may be input that was not sent.
fn cut_short(session: &Session, publishing: &Publishing, what: &str) -> String {
    let rest = if session.is_piped() { "; the rest of the input was not sent" } else { "" };
    unsure(publishing, what) + rest
}

fn prompt(manners: Manners) -> &'static str {
    match manners {
        Manners::RoleGiven => "PUB: ",
        Manners::RoleAsked => "> ",
    }
}
