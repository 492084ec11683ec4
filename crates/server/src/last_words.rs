//! What a process says when it ends at once: one line, said without waiting for anyone.
//!
//! Another thread may hold the locks of std's output, and nobody may be reading at the other
//! end. Neither may keep the process alive, so this writes what there is room for, past std.

use std::io;
use std::os::fd::AsFd;
use std::panic::{self, PanicHookInfo};
use std::process;
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wire::printable::Printable;

use crate::console;

/// From now on a panic, in whatever thread, ends the process with one line on standard error.
///
/// A shard that has gone would leave the others waiting for its mail and its clients without
/// answers, and what a panic leaves behind is no state to go on with: nothing unwinds. The end
/// is a SIGABRT, which a supervisor takes for a failure and starts the server again.
pub(crate) fn abort_on_panic() {
    panic::set_hook(Box::new(|panic| {
        console::restore();
        write_now(io::stderr(), line(panic).as_bytes());
        process::abort();
    }));
}

fn line(panic: &PanicHookInfo<'_>) -> String {
    let thread = thread::current();
    let name = thread.name().unwrap_or("without a name");
    // An assertion shows both sides on lines of their own, and they may be long.
    let message =
        Printable::new(panic.payload_as_str().unwrap_or("no message").as_bytes(), MESSAGE_BYTES_MAX);
    let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
    format!("tidings: internal error, the server ends: thread {name}: {message}{place}\n")
}

/// Writes if there is room now. Where there is none, the words are lost.
pub(crate) fn write_now(output: impl AsFd, bytes: &[u8]) {
    let mut room = [PollFd::new(&output, PollFlags::OUT)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    // A terminal that is stopped by Ctrl+S and a pipe that is full have no room; a pipe with
    // room takes PIPE_BUF (4096) bytes at least.
    if poll(&mut room, Some(&at_once)).is_ok_and(|ready| ready > 0) {
        rustix::io::write(&output, bytes).ok();
    }
}

/// Escaped fourfold at most, it fits what a pipe takes at once.
const MESSAGE_BYTES_MAX: usize = 900;

#[cfg(test)]
mod tests {
    use std::env;
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, Stdio};
    use std::thread;

    use rustix::process::Signal;

    use crate::config::{ListenerSettings, Settings};

    const IS_SERVER: &str = "TEST_SERVES_AND_PANICS";

    /// Serves, and when anything is typed a thread of it panics.
    fn serve_and_panic() {
        let mut settings = Settings { shards: 1, ..Settings::default() };
        settings.listeners =
            vec![ListenerSettings { addr: "127.0.0.1:0".parse().unwrap(), ..settings.listeners[0] }];
        thread::spawn(|| {
            std::io::stdin().read_line(&mut String::new()).unwrap();
            let shard = thread::Builder::new().name("shard-7".to_owned());
            drop(shard.spawn(|| panic!("left: 1\nright: 2")).unwrap().join());
            // Nobody stopped the process.
            std::process::exit(0);
        });
        crate::serve(settings, Box::new(|| unreachable!("nobody sends SIGHUP"))).unwrap();
    }

    /// Runs a second time as a server: a test cannot look at its own end.
    #[test]
    fn a_panic_in_any_thread_ends_the_server_with_one_line() {
        if env::var_os(IS_SERVER).is_some() {
            return serve_and_panic();
        }
        let name = "last_words::tests::a_panic_in_any_thread_ends_the_server_with_one_line";
        let mut server = Command::new(env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(IS_SERVER, "1")
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(server.stdout.take().unwrap());
        let listening = stdout.lines().map_while(Result::ok).find(|line| line.contains("listening on"));
        assert!(listening.is_some(), "it does not start");
        server.stdin.take().unwrap().write_all(b"panic\n").unwrap();
        let mut said = String::new();
        server.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let said: Vec<&str> = said.lines().collect();
        let [line] = said.as_slice() else { panic!("not one line: {said:#?}") };
        let start = "tidings: internal error, the server ends: thread shard-7: left: 1\\nright: 2 at ";
        assert!(line.starts_with(start) && line.contains("last_words.rs:"), "{line}");
        let status = server.wait().unwrap();
        assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{status}");
    }

    #[test]
    fn a_full_pipe_is_not_waited_for() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let page = [b'x'; 4096];
        for _ in 0..100 {
            super::write_now(&writer, &page);
        }
        drop(writer);
        let mut taken = Vec::new();
        reader.read_to_end(&mut taken).unwrap();
        assert!(!taken.is_empty() && taken.len() < 100 * page.len());
    }
}
