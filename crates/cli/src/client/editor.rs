//! The line editor, on its own thread: typing is never torn by what arrives.
//!
//! History lasts for the session. Nothing of what was typed is written to disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, ExternalPrinter, Helper};
use signal_hook::consts::SIGINT;
use signal_hook::low_level::raise;

use super::inbox::{Event, InputEnd};
use super::input::Ask;
use super::signals::Signalled;

/// What the editor's thread and the session tell one another.
#[derive(Debug)]
pub(super) struct Editing {
    signalled: Arc<Signalled>,
    /// How often printing above the editor began or ended: while it is odd something is being printed,
    /// and while it stays the same odd number the editor does not take it.
    prints: AtomicU64,
}

impl Editing {
    pub(super) fn new(signalled: Arc<Signalled>) -> Self {
        Self { signalled, prints: AtomicU64::new(0) }
    }

    /// Runs `print`, which waits for the editor if the editor is reading.
    pub(super) fn while_printing<T>(&self, print: impl FnOnce() -> T) -> T {
        self.prints.fetch_add(1, Ordering::SeqCst);
        let printed = print();
        self.prints.fetch_add(1, Ordering::SeqCst);
        printed
    }

    /// Ends a `readline` that may be running. The editor takes SIGINT for Ctrl+C while it reads, and that is
    /// the only way to end it from outside; between two lines the signal thread swallows it.
    pub(super) fn stop(&self, thread: &JoinHandle<()>) {
        self.signalled.stop();
        for _ in 0..STOP_TRIES {
            if thread.is_finished() {
                break;
            }
            // Raising a signal that exists cannot fail.
            drop(raise(SIGINT));
            thread::sleep(STOP_PAUSE);
        }
    }
}

pub(super) type MessageEditor = Editor<Tabs, DefaultHistory>;

/// Makes the tab key type a tab. There is nothing to complete in a message, and a paste from a
/// terminal that does not mark pastes comes as keys.
pub(super) struct Tabs;

impl Completer for Tabs {
    type Candidate = String;

    fn complete(
        &self,
        _line: &str,
        pos: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok((pos, vec!["\t".to_owned()]))
    }
}

impl Hinter for Tabs {
    type Hint = String;
}

impl Highlighter for Tabs {}
impl Validator for Tabs {}
impl Helper for Tabs {}

/// The editor and the means to print above it; `None` on terminals that cannot do that.
pub(super) fn open() -> Option<(MessageEditor, impl ExternalPrinter + Send + 'static)> {
    let config = Config::builder().auto_add_history(true).completion_type(CompletionType::List).build();
    let mut editor = MessageEditor::with_config(config).ok()?;
    editor.set_helper(Some(Tabs));
    let printer = editor.create_external_printer().ok()?;
    Some((editor, printer))
}

/// Reads a line for each request, until the user or the session ends it.
pub(super) fn edit(
    mut editor: MessageEditor,
    asks: &Receiver<Ask>,
    events: &SyncSender<Event>,
    editing: &Editing,
) {
    let mut prompt = String::new();
    while let Some(ask) = next_ask(asks, editing) {
        if let Some(Ask::Line(wanted)) = ask {
            prompt = wanted;
        }
        let end = match editor.readline(&prompt) {
            Ok(line) => {
                if events.send(Event::Typed(line.into_bytes())).is_err() {
                    return;
                }
                continue;
            }
            Err(ReadlineError::Interrupted) if editing.signalled.is_stopping() => return,
            Err(ReadlineError::Interrupted) => {
                // Counted as the first wish to end: a second Ctrl+C is a signal and ends at once.
                editing.signalled.is_repeated();
                InputEnd::Interrupted
            }
            Err(ReadlineError::Eof) => InputEnd::Eof,
            Err(ReadlineError::Io(error)) => InputEnd::Failed(error),
            Err(error) => InputEnd::Failed(std::io::Error::other(error)),
        };
        // First, so that whoever waits to print above the editor no longer does.
        drop(editor);
        // Fails only if the session has ended meanwhile.
        drop(events.send(Event::InputEnded(end)));
        return;
    }
}

/// The next request; `Some(None)` if the editor is needed without one. In a narrow race the session
/// hands a text to an editor that has just taken Enter; it would then wait for the next line to
/// begin, and the editor for the session.
fn next_ask(asks: &Receiver<Ask>, editing: &Editing) -> Option<Option<Ask>> {
    let mut stuck = None;
    loop {
        match asks.recv_timeout(RESCUE_PAUSE) {
            Ok(ask) => return Some(Some(ask)),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {
                let prints = Some(editing.prints.load(Ordering::SeqCst)).filter(|count| count % 2 == 1);
                if prints.is_some() && prints == stuck {
                    return Some(None);
                }
                stuck = prints;
            }
        }
    }
}

/// Far more than it takes to print one text.
const RESCUE_PAUSE: Duration = Duration::from_millis(100);
/// The editor answers at once; a second's tries are for a stopped or overloaded machine.
const STOP_TRIES: u32 = 200;
const STOP_PAUSE: Duration = Duration::from_millis(5);
