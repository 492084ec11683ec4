//! The operator's terminal: a line editor whose line is never torn by what is printed.

use std::io::{self, IsTerminal as _};
use std::sync::OnceLock;
use std::thread;

use rustix::process::getpgrp;
use rustix::termios::{Action, OptionalActions, Termios, tcflow, tcgetattr, tcgetpgrp, tcsetattr};
use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};

use crate::control::{Control, ControlSender};
use crate::last_words;
use crate::report::{EventSink, Note};

/// The commands, a line each.
pub const CONSOLE_COMMANDS: &str = "\
status     publishers, subscribers, uptime, rates and memory
clients    everyone who is connected
topics     topics with their publishers and subscribers
kick ID    end one connection (IDs stand in `clients`)
help       this list
exit       deliver what is queued and stop; so do quit and Ctrl+C";

/// What an operator typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Typed {
    Status,
    Clients,
    Topics,
    Kick(String),
}

/// The terminal's modes before the line editor changed them.
static MODES: OnceLock<Termios> = OnceLock::new();

/// Gives the terminal back as it was. The editor may be in the middle of a line when the process
/// ends, and it is the process that has to tidy up. It waits for nobody: the operator may have
/// stopped the output with Ctrl+S, and then the thread that prints holds the locks of std's output.
pub(crate) fn restore() {
    let Some(modes) = MODES.get() else { return };
    // In the background the terminal is another's, and changing it would stop the process.
    if !is_in_foreground() {
        return;
    }
    // A terminal that is gone needs no modes.
    tcsetattr(io::stdin(), OptionalActions::Now, modes).ok();
    tcflow(io::stdout(), Action::OOn).ok();
    last_words::write_now(io::stdout(), b"\n");
}

/// Whether someone sits there: both directions are a terminal, and it is ours.
pub(crate) fn is_attended() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal() && is_in_foreground()
}

/// Whether the terminal is this process's: started with `&`, it would be stopped by the kernel
/// (SIGTTOU, SIGTTIN) as soon as it changed the terminal's modes or read from it.
fn is_in_foreground() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|foreground| foreground == getpgrp())
}

/// Reads commands from a thread of its own; returns what prints above the line being typed.
pub(crate) fn open(
    control: ControlSender,
    events: EventSink,
) -> rustyline::Result<Box<dyn ExternalPrinter + Send>> {
    if let Ok(modes) = tcgetattr(io::stdin()) {
        MODES.get_or_init(|| modes);
    }
    let mut editor = DefaultEditor::new()?;
    let printer = editor.create_external_printer()?;
    thread::Builder::new()
        .name("console".to_owned())
        .spawn(move || read(&mut editor, &control, &events))
        .map_err(ReadlineError::Io)?;
    Ok(Box::new(printer))
}

fn read(editor: &mut DefaultEditor, control: &ControlSender, events: &EventSink) {
    loop {
        match editor.readline("tidings> ") {
            Ok(line) => {
                drop(editor.add_history_entry(line.trim()));
                if obey(line.trim(), control, events) == Then::Stop {
                    return;
                }
            }
            Err(ReadlineError::Interrupted) => {
                // The next Ctrl+C is a signal, since nobody edits a line any more.
                control.end();
                return;
            }
            Err(ReadlineError::Eof) => {
                events.note(Note::Answer("type exit to stop the server".to_owned()));
            }
            // The terminal is gone: nobody attends any more.
            Err(_) => {
                control.end();
                return;
            }
        }
    }
}

/// Whether there is anything more to read.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    GoOn,
    Stop,
}

fn obey(line: &str, control: &ControlSender, events: &EventSink) -> Then {
    let mut words = line.split_whitespace();
    let command = words.next().map(str::to_ascii_lowercase);
    let typed = match (command.as_deref(), words.next()) {
        (None, _) => return Then::GoOn,
        (Some("status"), None) => Typed::Status,
        (Some("clients"), None) => Typed::Clients,
        (Some("topics"), None) => Typed::Topics,
        (Some("kick"), Some(id)) => Typed::Kick(id.to_owned()),
        (Some("kick"), None) => {
            events.note(Note::Answer("whom? kick ID, with an ID from `clients`".to_owned()));
            return Then::GoOn;
        }
        (Some("exit" | "quit"), None) => {
            control.end();
            return Then::Stop;
        }
        (Some("help" | "?"), None) => {
            events.note(Note::Answer(CONSOLE_COMMANDS.to_owned()));
            return Then::GoOn;
        }
        _ => {
            let unknown = wire::printable::Printable::new(line.as_bytes(), 40).to_string();
            events.note(Note::Answer(format!(
                "unknown command \"{unknown}\"; these exist:\n{CONSOLE_COMMANDS}"
            )));
            return Then::GoOn;
        }
    };
    control.send(Control::Typed(typed));
    Then::GoOn
}
