//! SIGTERM, SIGINT and SIGHUP, turned into messages of the control thread.

use std::io;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use crate::console;
use crate::control::{Control, ControlSender, Ending};

/// A request to end that comes this soon after the first is the same one. GNU `timeout` and some
/// supervisors signal a process and then its group, which arrives twice within a millisecond;
/// and nobody has seen in less than this that the server does not end by itself.
const SAME_REQUEST: Duration = Duration::from_millis(500);

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
        Ending::Already(since) if since >= SAME_REQUEST => {
            console::restore();
            std::process::exit(128 + signal as i32);
        }
        Ending::Already(_) | Ending::Now => {}
    }
}
