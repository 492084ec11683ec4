//! SIGTERM, SIGINT and SIGHUP, turned into messages of the control thread.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::console;
use crate::control::{Control, ControlSender, Ending};

/// Watches from a thread of its own. The second request to end does not wait for anything.
pub(crate) fn watch(control: ControlSender) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGHUP {
                control.send(Control::Reload);
            } else if control.end() == Ending::Already {
                console::restore();
                std::process::exit(128 + signal);
            }
        }
    })?;
    Ok(())
}
