//! Ctrl+C, SIGTERM and SIGHUP: the first ends a command in order, the second at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use mio::Waker;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The first signal that came; 0: none.
#[derive(Debug, Clone)]
pub(super) struct Signalled(Arc<AtomicI32>);

impl Signalled {
    pub(super) fn get(&self) -> Option<i32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
    }
}

/// Starts the thread that receives signals. It wakes whoever waits for the network.
///
/// # Errors
/// If the handlers cannot be installed.
pub(super) fn watch(waker: Arc<Waker>) -> io::Result<Signalled> {
    let signalled = Signalled(Arc::default());
    let told = signalled.clone();
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let watch = move || {
        for signal in signals.forever() {
            if told.0.swap(signal, Ordering::Relaxed) != 0 || waker.wake().is_err() {
                std::process::exit(128 + signal);
            }
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watch)?;
    Ok(signalled)
}
