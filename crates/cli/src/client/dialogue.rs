//! The introduction: a role from the command line, or the second document's dialogue, in
//! which the server asks and a human answers.

use std::time::{Duration, Instant};

use wire::text::{ROLE_PROMPT, WAITING_LINE};

use super::answer::{Answer, judge};
use super::connection::Connection;
use super::hello::{Framing, Hello, Opening, Request, Side};
use super::inbox::{Event, InputEnd, Loss};
use super::limits::{
    DIALOGUE_BYTES_MAX, HELLO_PAUSE, PROMPT_WAIT, REFUSAL_WAIT, SILENCE, SILENCE_REMARK, WAITING_WAIT,
};
use super::session::{Session, input_ending};
use super::subscriber::{Introduction, Line, wish};
use crate::ending::Ending;
use crate::visible::visible;

/// A client that the server knows.
#[derive(Debug)]
pub(super) struct Introduced {
    pub(super) side: Side,
    pub(super) introduction: Introduction,
    pub(super) line: Line,
}

/// Why an introduction came to nothing.
#[derive(Debug)]
pub(super) enum Interruption {
    Lost(Loss),
    Ended(Ending),
}

/// Introduces the client for the first time.
///
/// # Errors
/// How the session ends if it does not get that far.
pub(super) fn introduce(
    session: &mut Session,
    mut connection: Connection,
    request: &Request,
) -> Result<Introduced, Ending> {
    if let (Opening::Given { side, .. }, Some(hello)) = (&request.opening, request.hello()) {
        say(session, &mut connection, &hello);
        let introduction = Introduction { request: request.clone(), topic: None };
        let line = Line { connection, framing: hello.framing, early: Vec::new() };
        return Ok(Introduced { side: *side, introduction, line });
    }
    let said = await_prompt(session).map_err(|why| why.ending(session))?;
    let prompt = show_all_but_prompt(session, &said);
    let words = typed(session, if prompt.is_empty() { ROLE_PROMPT } else { &prompt }, "a role")?;
    let request = Request {
        opening: Opening::Typed { words: String::from_utf8_lossy(&words).into_owned() },
        options: request.options.clone(),
    };
    let hello = request.hello().unwrap_or(Hello { bytes: words, framing: Framing::Reads });
    say(session, &mut connection, &hello);
    let (early, topic) = answer_questions(session, &mut connection, request.side())?;
    let Some(side) = request.side() else {
        return Err(Ending::Refused(
            "the server did not accept the role: use PUBLISHER or SUBSCRIBER".to_owned(),
        ));
    };
    let line = Line { connection, framing: hello.framing, early };
    Ok(Introduced { side, introduction: Introduction { request, topic }, line })
}

/// Introduces a subscriber again, in silence.
///
/// # Errors
/// If the connection is lost again or the user leaves.
pub(super) fn repeat(
    session: &mut Session,
    mut connection: Connection,
    request: &Request,
    topic: Option<&[u8]>,
) -> Result<Line, Interruption> {
    let Some(hello) = request.hello() else {
        return Err(Interruption::Ended(Ending::Refused("there is no role to repeat".to_owned())));
    };
    if matches!(request.opening, Opening::Given { .. }) {
        say(session, &mut connection, &hello);
        return Ok(Line { connection, framing: hello.framing, early: Vec::new() });
    }
    await_prompt(session)?;
    say(session, &mut connection, &hello);
    loop {
        match await_answer(session, request.side())? {
            Answer::Accepted(early) | Answer::Waiting(early) => {
                return Ok(Line { connection, framing: hello.framing, early });
            }
            // Whether it arrives or the server is gone: the reader reports it.
            Answer::AsksTopic(_) => drop(connection.answer(topic.unwrap_or(b"#"))),
            Answer::Refused(line) => return Err(Interruption::Ended(Ending::Refused(line))),
        }
    }
}

fn say(session: &Session, connection: &mut Connection, hello: &Hello) {
    // If the server is gone the reader reports it.
    drop(connection.say_hello(hello, session.input.source()));
}

/// What the server says first, until it is silent or has asked; nothing if it does not ask.
fn await_prompt(session: &mut Session) -> Result<Vec<u8>, Interruption> {
    let mut said = Vec::new();
    let begin = Instant::now();
    let mut patience = SILENCE_REMARK;
    loop {
        let until = if said.is_empty() { begin + patience } else { Instant::now() + SILENCE };
        match next(session, until)? {
            None if said.is_empty() && patience < PROMPT_WAIT => {
                session.remark_silence();
                patience = PROMPT_WAIT;
            }
            None => return Ok(said),
            Some(bytes) => said.extend(bytes),
        }
        if said.trim_ascii_end().ends_with(b":") || said.len() > DIALOGUE_BYTES_MAX {
            return Ok(said);
        }
    }
}

/// Waits for an answer to the role or the topic, as long as one can be expected.
fn await_answer(session: &mut Session, side: Option<Side>) -> Result<Answer, Interruption> {
    let mut said = Vec::new();
    let until = Instant::now() + patience(side);
    loop {
        match next(session, until)? {
            None => return Ok(Answer::Accepted(said)),
            Some(bytes) => said.extend(bytes),
        }
        if let Some(answer) = judge(&said, side) {
            return Ok(answer);
        }
        if said.len() > DIALOGUE_BYTES_MAX {
            return Ok(Answer::Accepted(said));
        }
    }
}

fn patience(side: Option<Side>) -> Duration {
    match side {
        // It hears nothing if all is well.
        Some(Side::Publisher) => HELLO_PAUSE,
        Some(Side::Subscriber) => WAITING_WAIT,
        None => REFUSAL_WAIT,
    }
}

/// Waits for the server's answer, has a topic typed where it asks for one, and tells the user what came of it.
fn answer_questions(
    session: &mut Session,
    connection: &mut Connection,
    side: Option<Side>,
) -> Result<(Vec<u8>, Option<Vec<u8>>), Ending> {
    let mut topic = None;
    let answer = loop {
        match await_answer(session, side).map_err(|why| why.ending(session))? {
            Answer::AsksTopic(prompt) => {
                let words = typed(session, &prompt, "a topic")?;
                // If the server is gone the reader reports it.
                drop(connection.answer(&words));
                topic = Some(words);
            }
            answer => break answer,
        }
    };
    let Some(side) = side else {
        return match answer {
            Answer::Refused(line) => Err(Ending::Refused(line)),
            _ => Ok((Vec::new(), topic)),
        };
    };
    let early = match answer {
        Answer::Refused(line) => return Err(Ending::Refused(line)),
        Answer::Waiting(early) => {
            welcome(session, side, Some(WAITING_LINE.trim_end()));
            early
        }
        Answer::Accepted(early) => {
            welcome(session, side, None);
            early
        }
        Answer::AsksTopic(_) => Vec::new(),
    };
    Ok((early, topic))
}

fn welcome(session: &mut Session, side: Side, waiting: Option<&str>) {
    let output = &mut session.output;
    output.notice("");
    output.notice(&format!("registered as {}", side.name()));
    if let Some(waiting) = waiting {
        output.notice(waiting);
    }
    output.notice("");
    match side {
        Side::Publisher => {
            output.notice("You are a PUBLISHER. Type messages to broadcast.");
            output.notice("Type 'terminate' to quit.");
        }
        Side::Subscriber => {
            // A log has the server's line already.
            if output.is_watched() {
                output.notice("You are a SUBSCRIBER. Waiting for messages...");
            }
            output.notice("Press Ctrl+C to quit.");
        }
    }
    output.notice("");
}

/// Shows the lines before the prompt, and returns the prompt.
fn show_all_but_prompt(session: &mut Session, said: &[u8]) -> String {
    let mut lines: Vec<&[u8]> = said.split(|byte| *byte == b'\n').collect();
    let prompt = lines.pop().unwrap_or_default();
    for line in lines {
        session.output.notice(&String::from_utf8_lossy(line));
    }
    visible(prompt)
}

/// One line that is not blank, typed at this prompt.
fn typed(session: &mut Session, prompt: &str, what: &str) -> Result<Vec<u8>, Ending> {
    session.input.ask(prompt, &mut session.output);
    loop {
        match session.inbox.next(None) {
            Some(Event::Typed(text)) => {
                let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
                if wire::text::is_terminate(line) {
                    return Err(Ending::Done);
                }
                if !line.is_empty() {
                    return Ok(line.to_vec());
                }
                session.input.ask(prompt, &mut session.output);
            }
            Some(Event::InputEnded(InputEnd::Eof)) if session.is_piped() => {
                return Err(Ending::Failed(format!("the input ended before {what} was given")));
            }
            Some(Event::InputEnded(end)) => return Err(input_ending(end)),
            Some(Event::Signal(signal)) => return Err(Ending::Signal(signal)),
            Some(Event::Lost(loss)) => return Err(Interruption::Lost(loss).ending(session)),
            Some(Event::Received(bytes)) => {
                session.output.notice(String::from_utf8_lossy(&bytes).trim_end());
            }
            None => {}
        }
    }
}

/// The next bytes of the server, until then.
fn next(session: &mut Session, until: Instant) -> Result<Option<Vec<u8>>, Interruption> {
    loop {
        match session.inbox.next(Some(until)) {
            None => return Ok(None),
            Some(Event::Received(bytes)) => return Ok(Some(bytes)),
            Some(Event::Lost(loss)) => return Err(Interruption::Lost(loss)),
            Some(event) => {
                if let Some(wish) = wish(session, event) {
                    return Err(Interruption::Ended(wish.ending()));
                }
            }
        }
    }
}

impl Interruption {
    fn ending(self, session: &Session) -> Ending {
        match self {
            Self::Lost(loss) => Ending::Failed(session.lost(&loss)),
            Self::Ended(ending) => ending,
        }
    }
}
