//! The one place that prints. Messages go to standard output; the session's own words to the
//! same terminal, or to standard error where standard output is no terminal.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;

use rustyline::ExternalPrinter;

use super::editor::Editing;
use crate::visible::visible;

/// Standard output and standard error of a session.
pub(super) struct Output {
    screen: Screen,
}

enum Screen {
    /// A terminal with the line editor at its bottom.
    AboveEditor {
        printer: Box<dyn ExternalPrinter + Send>,
        editing: Arc<Editing>,
    },
    Terminal,
    /// A pipe or a file.
    Elsewhere,
}

impl Output {
    pub(super) fn new() -> Self {
        let screen = if io::stdout().is_terminal() { Screen::Terminal } else { Screen::Elsewhere };
        Self { screen }
    }

    pub(super) fn is_terminal(&self) -> bool {
        !matches!(self.screen, Screen::Elsewhere)
    }

    /// From here on prints above the line editor.
    pub(super) fn print_above(
        &mut self,
        printer: impl ExternalPrinter + Send + 'static,
        editing: Arc<Editing>,
    ) {
        self.screen = Screen::AboveEditor { printer: Box::new(printer), editing };
    }

    /// Prints whole rendered lines, or pieces of a very long one, in one write.
    ///
    /// # Errors
    /// Those of standard output; a reader that has gone is one of them.
    pub(super) fn lines(&mut self, rendered: &[u8]) -> io::Result<()> {
        match &mut self.screen {
            Screen::AboveEditor { printer, editing } => {
                let text = String::from_utf8_lossy(rendered).into_owned();
                editing.while_printing(|| printer.print(text)).map_err(io::Error::other)
            }
            Screen::Terminal | Screen::Elsewhere => write_whole(&mut io::stdout().lock(), rendered),
        }
    }

    /// A line of the dialogue: part of the session at a terminal, no data elsewhere.
    pub(super) fn notice(&mut self, line: &str) {
        let line = visible(line.as_bytes()) + "\n";
        match self.screen {
            Screen::Elsewhere => tell(line.as_bytes()),
            // A terminal that is gone ends the input, too, which ends the session.
            Screen::AboveEditor { .. } | Screen::Terminal => drop(self.lines(line.as_bytes())),
        }
    }

    /// A line about the session itself: a lost server, a refusal. Always on standard error,
    /// above the editor if that is on the same terminal.
    pub(super) fn report(&mut self, line: &str) {
        let line = visible(line.as_bytes()) + "\n";
        match self.screen {
            Screen::AboveEditor { .. } if io::stderr().is_terminal() => drop(self.lines(line.as_bytes())),
            Screen::AboveEditor { .. } | Screen::Terminal | Screen::Elsewhere => tell(line.as_bytes()),
        }
    }

    /// Says how things stand to whoever watches standard error; a log need not have it.
    pub(super) fn remark(&mut self, line: &str) {
        if io::stderr().is_terminal() {
            self.report(line);
        }
    }

    /// Whether a person sees what is said here.
    pub(super) fn is_watched(&self) -> bool {
        self.is_terminal() || io::stderr().is_terminal()
    }

    /// The words in front of what is typed at a terminal without the line editor.
    pub(super) fn prompt(&mut self, prompt: &str) {
        let prompt = visible(prompt.as_bytes());
        match self.screen {
            Screen::Elsewhere => tell(prompt.as_bytes()),
            Screen::AboveEditor { .. } | Screen::Terminal => drop(self.lines(prompt.as_bytes())),
        }
    }

    /// Waits until the line editor has taken everything that was printed. It holds one text at a time, so
    /// it has once it accepts another; this one goes one line up and down again.
    pub(super) fn settle(&mut self) {
        if let Screen::AboveEditor { .. } = self.screen {
            drop(self.lines(b"\x1b[A\n"));
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let screen = match self.screen {
            Screen::AboveEditor { .. } => "AboveEditor",
            Screen::Terminal => "Terminal",
            Screen::Elsewhere => "Elsewhere",
        };
        f.debug_struct("Output").field("screen", &screen).finish()
    }
}

fn tell(bytes: &[u8]) {
    // There is no place left to say that this place is gone.
    drop(write_whole(&mut io::stderr().lock(), bytes));
}

fn write_whole(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}
