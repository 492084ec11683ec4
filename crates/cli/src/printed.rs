//! Text to standard output, at once.

use std::io::{self, Write as _};
use std::process::ExitCode;

/// Prints it. Who reads only the first lines (`| head`) has what they wanted.
pub(crate) fn printed(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}
