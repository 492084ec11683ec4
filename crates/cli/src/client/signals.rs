//! Ctrl+C, SIGTERM and SIGHUP: the first ends the session in order, the second at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::inbox::Event;

/// What the signal thread, the line editor and the session tell one another.
#[derive(Debug, Default)]
pub(super) struct Signalled {
    /// The signal that the session has not seen yet; 0: none.
    pending: AtomicI32,
    /// How often the user asked to end, by signal or by Ctrl+C in the line editor.
    asked: AtomicU32,
    /// The session raises SIGINT itself to end the line editor.
    stopping: AtomicBool,
}

impl Signalled {
    pub(super) fn take(&self) -> Option<i32> {
        match self.pending.swap(0, Ordering::Relaxed) {
            0 => None,
            signal => Some(signal),
        }
    }

    /// Counts a wish to end; true if it was not the first.
    pub(super) fn is_repeated(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) > 0
    }

    /// From here on SIGINT means that the session is stopping its line editor.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

/// Starts the thread that receives signals.
///
/// # Errors
/// If the handlers cannot be installed.
pub(super) fn watch(signalled: Arc<Signalled>, events: SyncSender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let watch = move || {
        for signal in signals.forever() {
            if signalled.is_stopping() {
                continue;
            }
            if signalled.is_repeated() {
                std::process::exit(128 + signal);
            }
            signalled.pending.store(signal, Ordering::Relaxed);
            // Only to wake the session. If the queue is full it is awake, and looks at `pending` first.
            drop(events.try_send(Event::Signal(signal)));
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
    Ok(())
}
