//! The operator's terminal: a line editor whose line is never torn by what is printed.

use std::io::{self, IsTerminal as _};
use std::thread;

use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};

use crate::control::{Control, ControlSender};
use crate::report::{EventSink, Note};

const HELP: &str = "\
status     publishers, subscribers, uptime and rates
clients    everyone who is connected
topics     topics with their publishers and subscribers
kick ID    end one connection (IDs stand in `clients`)
exit       deliver what is queued and stop";

/// What an operator typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Typed {
    Status,
    Clients,
    Topics,
    Kick(String),
}

/// Whether someone sits there: both directions are a terminal.
pub(crate) fn is_attended() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Reads commands from a thread of its own; returns what prints above the line being typed.
pub(crate) fn open(
    control: ControlSender,
    events: EventSink,
) -> rustyline::Result<Box<dyn ExternalPrinter + Send>> {
    let mut editor = DefaultEditor::new()?;
    let printer = editor.create_external_printer()?;
    thread::Builder::new()
        .name("console".to_owned())
        .spawn(move || read(&mut editor, &control, &events))
        .map_err(ReadlineError::Io)?;
    Ok(Box::new(printer))
}

fn read(editor: &mut DefaultEditor, control: &ControlSender, events: &EventSink) {
    let mut ending = false;
    loop {
        match editor.readline("tidings> ") {
            Ok(line) => {
                drop(editor.add_history_entry(line.trim()));
                ending |= obey(line.trim(), control, events);
            }
            Err(ReadlineError::Interrupted) if ending => std::process::exit(130),
            Err(ReadlineError::Interrupted) => {
                ending = true;
                control.send(Control::End);
            }
            Err(ReadlineError::Eof) => {
                events.note(Note::Answer("type exit to stop the server".to_owned()));
            }
            // The terminal is gone: nobody attends any more.
            Err(_) => {
                control.send(Control::End);
                return;
            }
        }
    }
}

/// Returns whether the server is told to end.
fn obey(line: &str, control: &ControlSender, events: &EventSink) -> bool {
    let mut words = line.split_whitespace();
    let typed = match (words.next(), words.next()) {
        (None, _) => return false,
        (Some("status"), None) => Typed::Status,
        (Some("clients"), None) => Typed::Clients,
        (Some("topics"), None) => Typed::Topics,
        (Some("kick"), Some(id)) => Typed::Kick(id.to_owned()),
        (Some("exit" | "quit"), None) => {
            control.send(Control::End);
            return true;
        }
        (Some("help" | "?"), None) => {
            events.note(Note::Answer(HELP.to_owned()));
            return false;
        }
        _ => {
            let unknown = wire::printable::Printable::new(line.as_bytes(), 40).to_string();
            events.note(Note::Answer(format!("unknown command \"{unknown}\"; these exist:\n{HELP}")));
            return false;
        }
    };
    control.send(Control::Typed(typed));
    false
}
