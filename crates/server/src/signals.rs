//! SIGTERM, SIGINT and SIGHUP, turned into messages of the control thread.

use std::io;
use std::thread;

use nix::sys::signal::{SigSet, Signal};

use crate::console;
use crate::control::{Control, ControlSender, Ending};

/// Watches from a thread of its own. The second request to end does not wait for anything.
///
/// The signals are blocked here and in every thread that is started afterwards, so it must be
/// called before any of them. The line editor has a handler of its own for SIGINT while it reads;
/// it would swallow the signal as long as a stopped terminal does not let the editor go on.
pub(crate) fn watch(control: ControlSender) -> io::Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block()?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        // Waiting fails only for a set that is not one.
        while let Ok(signal) = signals.wait() {
            obey(signal, &control);
        }
    })?;
    Ok(())
}

fn obey(signal: Signal, control: &ControlSender) {
    if signal == Signal::SIGHUP {
        control.send(Control::Reload);
        return;
    }
    match control.end() {
        Ending::Already => {
            console::restore();
            std::process::exit(128 + signal as i32);
        }
        Ending::Now => {}
    }
}
