//! Where messages come from: the line editor, a plain terminal, or a pipe.
//!
//! Input is read when it is asked for, so a role that was piped in ahead of the server's
//! prompt waits for it, and the first message waits for the role.

use std::io::{self, BufRead, IsTerminal as _, Read as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::editor::{self, Editing};
use super::inbox::{Event, InputEnd};
use super::limits::INPUT_LINE_BYTES_MAX;
use super::output::Output;
use super::signals::Signalled;

/// Whether lines come from a human or from a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Typed,
    Piped,
}

/// The input of a session.
#[derive(Debug)]
pub(super) struct Input {
    asks: SyncSender<Ask>,
    means: Means,
}

#[derive(Debug)]
enum Means {
    /// Both ends are a terminal that can be drawn on.
    Editor(JoinHandle<()>, Arc<Editing>),
    /// A terminal, but ours is not the place to edit: `TERM=dumb`, or output goes elsewhere.
    Terminal,
    Pipe(Wanted),
}

/// What was asked of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Lines,
    Everything,
}

/// A request for input.
#[derive(Debug)]
pub(super) enum Ask {
    /// One line, typed behind this prompt.
    Line(String),
    /// Every line until the end.
    Rest,
}

impl Input {
    /// Finds out what standard input is, and starts its thread. The output learns to print
    /// above the line editor, if there is one.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub(super) fn open(
        events: SyncSender<Event>,
        signalled: &Arc<Signalled>,
        output: &mut Output,
    ) -> io::Result<Self> {
        // One request may be waiting while the line before it is still being read.
        let (asks, asked) = sync_channel(2);
        if io::stdin().is_terminal() && output.is_terminal() {
            let editing = Arc::new(Editing::new(Arc::clone(signalled)));
            if let Some((editor, printer)) = editor::open() {
                let shared = Arc::clone(&editing);
                let edit = move || editor::edit(editor, &asked, &events, &shared);
                let thread = thread::Builder::new().name("editor".to_owned()).spawn(edit)?;
                output.print_above(printer, Arc::clone(&editing));
                return Ok(Self { asks, means: Means::Editor(thread, editing) });
            }
        }
        let means = if io::stdin().is_terminal() { Means::Terminal } else { Means::Pipe(Wanted::Lines) };
        let read = move || read_lines(&mut io::stdin().lock(), &asked, &events);
        thread::Builder::new().name("input".to_owned()).spawn(read)?;
        Ok(Self { asks, means })
    }

    pub(super) fn source(&self) -> Source {
        match self.means {
            Means::Editor(..) | Means::Terminal => Source::Typed,
            Means::Pipe(_) => Source::Piped,
        }
    }

    /// Asks for one line, and shows what it is the answer to.
    pub(super) fn ask(&self, prompt: &str, output: &mut Output) {
        match self.means {
            Means::Editor(..) => {}
            Means::Terminal => output.prompt(prompt),
            // Nobody's Enter will end this line on the screen.
            Means::Pipe(_) => output.notice(prompt.trim_end()),
        }
        self.send(Ask::Line(prompt.to_owned()));
    }

    /// Asks for the next message: one more line of a terminal, all that is left in a pipe.
    pub(super) fn ask_message(&mut self, prompt: &str, output: &mut Output) {
        match &mut self.means {
            Means::Editor(..) => self.send(Ask::Line(prompt.to_owned())),
            Means::Terminal => {
                output.prompt(prompt);
                self.send(Ask::Line(prompt.to_owned()));
            }
            Means::Pipe(Wanted::Everything) => {}
            Means::Pipe(wanted) => {
                *wanted = Wanted::Everything;
                self.send(Ask::Rest);
            }
        }
    }

    /// Asks a subscriber's input for the word that ends the session. A terminal is left alone
    /// if the output goes elsewhere: the session may be a background job, which reading would stop.
    pub(super) fn ask_for_end(&mut self, output: &mut Output) {
        if !matches!(self.means, Means::Terminal) || output.is_terminal() {
            self.ask_message("", output);
        }
    }

    /// Ends the line editor, if it runs, and gives the terminal back as it was.
    pub(super) fn stop(self) {
        // A closed channel ends the threads between two lines.
        drop(self.asks);
        if let Means::Editor(thread, editing) = self.means {
            editing.stop(&thread);
        }
    }

    fn send(&self, ask: Ask) {
        // An input that has ended has said so, and is not to be asked again.
        drop(self.asks.try_send(ask));
    }
}

/// Reads what is asked for, and reports the end.
fn read_lines(input: &mut impl BufRead, asks: &Receiver<Ask>, events: &SyncSender<Event>) {
    let mut count = 0;
    while let Ok(ask) = asks.recv() {
        loop {
            count += 1;
            let event = match read_line(input) {
                Ok(Some(line)) if line.len() > INPUT_LINE_BYTES_MAX => {
                    Event::InputEnded(InputEnd::TooLong { line: count })
                }
                Ok(Some(line)) => Event::Typed(line),
                Ok(None) => Event::InputEnded(InputEnd::Eof),
                Err(error) => Event::InputEnded(InputEnd::Failed(error)),
            };
            let is_last = matches!(event, Event::InputEnded(_));
            if events.send(event).is_err() || is_last {
                return;
            }
            if matches!(ask, Ask::Line(_)) {
                break;
            }
        }
    }
}

/// One line without its end. One that is longer than allowed comes cut one byte above the limit.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let limit = u64::try_from(INPUT_LINE_BYTES_MAX + 1).unwrap_or(u64::MAX);
    if input.take(limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(input: &[u8], asks: Vec<Ask>) -> Vec<String> {
        let (send_ask, asked) = sync_channel(asks.len());
        asks.into_iter().for_each(|ask| send_ask.send(ask).unwrap());
        drop(send_ask);
        let (send, events) = sync_channel(16);
        let mut input = input;
        read_lines(&mut input, &asked, &send);
        drop(send);
        events
            .iter()
            .map(|event| match event {
                Event::Typed(line) => String::from_utf8_lossy(&line).into_owned(),
                Event::InputEnded(InputEnd::TooLong { line }) => format!("line {line} too long"),
                Event::InputEnded(InputEnd::Eof) => "eof".to_owned(),
                event => format!("{event:?}"),
            })
            .collect()
    }
    fn line() -> Ask {
        Ask::Line(String::new())
    }

    #[test]
    fn no_more_is_read_than_was_asked_for() {
        assert_eq!(events(b"SUB\r\nhello\nworld", vec![line()]), ["SUB"]);
        assert_eq!(
            events(b"SUB\r\nhello\n\nworld", vec![line(), Ask::Rest]),
            ["SUB", "hello", "", "world", "eof"]
        );
        assert_eq!(events(b"", vec![line(), line()]), ["eof"]);
    }

    #[test]
    fn an_endless_line_does_not_fill_the_memory() {
        let mut input = b"short\n".to_vec();
        input.resize(INPUT_LINE_BYTES_MAX + 7, b'x');
        assert_eq!(events(&input, vec![Ask::Rest]), ["short", "line 2 too long"]);
    }
}
