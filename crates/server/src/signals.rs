//! SIGTERM, SIGINT and SIGHUP, turned into messages of the control thread.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::control::{Control, ControlSender};

/// Watches from a thread of its own. The second request to end does not wait for anything.
pub(crate) fn watch(control: ControlSender) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut ending = false;
        for signal in signals.forever() {
            match signal {
                SIGHUP => control.send(Control::Reload),
                _ if ending => std::process::exit(128 + signal),
                _ => {
                    ending = true;
                    control.send(Control::End);
                }
            }
        }
    })?;
    Ok(())
}
