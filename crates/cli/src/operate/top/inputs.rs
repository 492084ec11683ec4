//! Keys, signals and answers, in one line.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use super::super::api::ApiError;
use super::fetch::Fetched;

#[derive(Debug)]
pub(super) enum Input {
    Key(KeyEvent),
    Resized,
    Signal(i32),
    Fetched(Box<Result<Fetched, ApiError>>),
    /// What became of a kick, in words.
    Kicked(String),
    KeyboardGone,
}

#[derive(Debug)]
pub(super) struct Inputs {
    sender: Sender<Input>,
    receiver: Receiver<Input>,
}

impl Inputs {
    /// Begins with the signals.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub(super) fn start() -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT])?;
        let told = sender.clone();
        let watch = move || signals.forever().map(Input::Signal).try_for_each(|signal| told.send(signal));
        thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
        Ok(Self { sender, receiver })
    }

    pub(super) fn sender(&self) -> Sender<Input> {
        self.sender.clone()
    }

    /// Goes on with the keys. The terminal must be in raw mode.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub(super) fn watch_keys(&self) -> io::Result<()> {
        let told = self.sender.clone();
        let watch = move || {
            loop {
                let input = match event::read() {
                    Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => Input::Key(key),
                    Ok(Event::Resize(..)) => Input::Resized,
                    Ok(_) => continue,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(_) => Input::KeyboardGone,
                };
                let is_last = matches!(input, Input::KeyboardGone);
                if told.send(input).is_err() || is_last {
                    return;
                }
            }
        };
        thread::Builder::new().name("keys".to_owned()).spawn(watch)?;
        Ok(())
    }

    /// Waits for an input and returns it with all that have come meanwhile, so that one screen shows them.
    pub(super) fn wait(&self) -> Vec<Input> {
        // There is always a sender: this one.
        self.receiver.recv().into_iter().chain(self.receiver.try_iter()).collect()
    }
}
