//! The terminal: taken for a screen of our own, and given back as it was, however this ends.

use std::io::{self, IsTerminal as _, Stdout, Write as _};
use std::panic;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Rect;
use signal_hook::consts::SIGTSTP;
use signal_hook::low_level::emulate_default_handler;

/// Says if nothing can be drawn here.
///
/// # Errors
/// What to do instead.
pub(super) fn check_terminal() -> Result<(), String> {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    match io::stdout().is_terminal() && !is_dumb {
        true => Ok(()),
        false => Err("top draws on a terminal, and this is none: tidings status prints once".to_owned()),
    }
}

/// While it exists, the terminal shows it.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal. From here on a panic of any thread gives it back before it says what is wrong.
    ///
    /// # Errors
    /// If there is none, or it does not take it.
    pub(super) fn enter() -> io::Result<Self> {
        let say = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            leave();
            say(panic);
            // Threads that go on without this one would wait for it.
            std::process::abort();
        }));
        take()?;
        Ok(Self { terminal: terminal()? })
    }

    /// Shows what `draw` puts into the buffer.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub(super) fn draw(&mut self, draw: impl FnOnce(Rect, &mut Buffer)) -> io::Result<()> {
        self.terminal.draw(|frame| draw(frame.area(), frame.buffer_mut())).map(drop)
    }

    /// Stops this program as Ctrl+Z does; returns when it goes on.
    ///
    /// # Errors
    /// If the terminal is gone meanwhile.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        leave();
        emulate_default_handler(SIGTSTP)?;
        self.enter_again()
    }

    /// Takes the terminal again, which a shell has had meanwhile.
    ///
    /// # Errors
    /// If it is gone.
    pub(super) fn enter_again(&mut self) -> io::Result<()> {
        // Otherwise the modes are believed to be set already.
        disable_raw_mode()?;
        take()?;
        // A new one knows nothing of what is shown. To clear the old one would ask the terminal for its
        // cursor, and the thread that reads keys would get the answer.
        self.terminal = terminal()?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn terminal() -> io::Result<Terminal<CrosstermBackend<Stdout>>> {
    Terminal::new(CrosstermBackend::new(io::stdout()))
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, Hide, Clear(ClearType::All))
}

fn leave() {
    // A terminal that is gone needs nothing.
    drop(execute!(io::stdout(), LeaveAlternateScreen, Show));
    drop(io::stdout().flush());
    drop(disable_raw_mode());
}
