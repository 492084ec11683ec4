//! `tidings top`: a server to look at, second by second.
//!
//! `fetch` asks the server on a thread of its own, `inputs` brings keys, signals and answers into one line, `state`
//! is what is known and chosen, `keys` what a key does to it, `draw` makes a screen of it and of
//! nothing else, `screen` has the terminal and gives it back.

mod draw;
mod fetch;
mod inputs;
mod keys;
mod rates;
#[cfg(test)]
mod sample;
mod screen;
mod state;
#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use signal_hook::consts::{SIGCONT, SIGTSTP};

use self::draw::Theme;
use self::fetch::Fetcher;
use self::inputs::{Input, Inputs};
use self::keys::Reaction;
use self::screen::Screen;
use self::state::State;
use super::args::ServerArgs;
use crate::ending::Ending;
use crate::mqtt::duration;

/// Watch a server: rates, memory, clients, topics and shards
///
/// Draws on the terminal until q is pressed; ? shows the keys.
#[derive(Debug, Clone, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct TopArgs {
    /// Ask the server this often
    #[arg(short = 'd', long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,
    #[command(flatten)]
    server: ServerArgs,
}

/// Draws until the user has seen enough. A server that is not there at the beginning is an error; one that
/// goes away later is waited for.
pub(crate) fn run(args: &TopArgs) -> ExitCode {
    match watch(args) {
        Ok(ending) | Err(ending) => ending.conclude(),
    }
}

fn watch(args: &TopArgs) -> Result<Ending, Ending> {
    screen::check_terminal().map_err(Ending::Failed)?;
    let api = args.server.api();
    let mut state = State::new(api.place().to_string());
    let first = fetch::fetch(&api, state.view())?;
    state.update(Instant::now(), Ok(first));
    let cannot = |error: std::io::Error| Ending::Failed(format!("cannot draw on this terminal: {error}"));
    let inputs = Inputs::start().map_err(cannot)?;
    let fetcher = Fetcher::start(api, args.interval, inputs.sender()).map_err(cannot)?;
    let mut screen = Screen::enter().map_err(cannot)?;
    inputs.watch_keys().map_err(cannot)?;
    let theme = Theme::of_environment();
    loop {
        screen.draw(|area, buffer| draw::draw(&state, &theme, area, buffer)).map_err(cannot)?;
        for input in inputs.wait() {
            match take(&mut state, input, &fetcher) {
                Next::Draw => {}
                Next::DrawAgain => screen.enter_again().map_err(cannot)?,
                Next::Suspend => screen.suspend().map_err(cannot)?,
                Next::End(ending) => return Ok(ending),
            }
        }
    }
}

/// What is to be done with the screen.
enum Next {
    Draw,
    /// Somebody else may have had the terminal meanwhile.
    DrawAgain,
    Suspend,
    End(Ending),
}

fn take(state: &mut State, input: Input, fetcher: &Fetcher) -> Next {
    match input {
        Input::Key(key) => match keys::press(state, key) {
            Reaction::Shown => {}
            Reaction::Asks(view) => fetcher.look_at(view),
            Reaction::Kicks(id) => fetcher.kick(id),
            Reaction::Suspends => return Next::Suspend,
            Reaction::Ends(ending) => return Next::End(ending),
        },
        Input::Resized => {}
        Input::Fetched(fetched) => state.update(Instant::now(), *fetched),
        Input::Kicked(words) => state.notice(words),
        Input::Signal(SIGCONT) => return Next::DrawAgain,
        Input::Signal(SIGTSTP) => return Next::Suspend,
        Input::Signal(signal) => return Next::End(Ending::Signal(signal)),
        Input::KeyboardGone => return Next::End(Ending::Done),
    }
    Next::Draw
}

fn interval(text: &str) -> Result<Duration, &'static str> {
    duration(text)
        .ok()
        .filter(|time| *time >= INTERVAL_MIN)
        .ok_or("use a time such as 1s or 500ms, 100ms at least")
}

/// Nobody sees more, and each look is three requests.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

const AFTER_HELP: &str = "\
Keys:
  1 2 3, Tab       clients, topics, shards
  Up, Down, PgUp, PgDn, Home, End
  s, S             the next order, the one before
  /                filter; Enter keeps it, Esc takes it off
  k                kick the client in the marked line, after a question
  p                pause
  ?                help
  q, Ctrl+C        quit

Without colours if NO_COLOR is set.

Exit codes:
  0         quit
  1         failed, for example no terminal
  2         wrong option
  3         cannot connect at the beginning
  4         refused by the server
  129, 130, 143  ended by SIGHUP, Ctrl+C, SIGTERM";
