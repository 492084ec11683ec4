//! Clients, run as programs: the documents' own, and ours with pipes or in a terminal.

use std::io::{Read, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::server::signal;
use super::{clean, eventually, tidings};

/// The Python interpreter; `None`, and a line that cannot be overlooked, if there is none.
pub(crate) fn python(test: &str) -> Option<&'static str> {
    if is_there("python3") {
        return Some("python3");
    }
    let required = std::env::var("TIDINGS_REQUIRE_PYTHON").is_ok_and(|value| value == "1");
    assert!(!required, "no python3, and TIDINGS_REQUIRE_PYTHON=1");
    // Straight to the terminal: the test harness swallows what a passing test prints.
    drop(writeln!(std::io::stderr(), "SKIPPED: no python3 for {test}"));
    None
}

/// The same for Node.js, without which the rest of the tests can do.
pub(crate) fn node(test: &str) -> Option<&'static str> {
    let node = ["node", "nodejs"].into_iter().find(|name| is_there(name));
    if node.is_none() {
        drop(writeln!(std::io::stderr(), "SKIPPED: no node for {test}"));
    }
    node
}

fn is_there(interpreter: &str) -> bool {
    let mut version = Command::new(interpreter);
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// A client program with a keyboard and a screen.
#[derive(Debug)]
pub(crate) struct Script {
    child: Child,
    keyboard: Option<ChildStdin>,
    screen: Arc<Mutex<String>>,
    /// Standard error, where that is not the test's own.
    errors: Arc<Mutex<String>>,
}

impl Script {
    /// Starts `testdata/clients/NAME`.
    pub(crate) fn start(interpreter: &str, name: &str, args: &[&str]) -> Self {
        let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../testdata/clients", name].iter().collect();
        let mut command = Command::new(interpreter);
        if interpreter.starts_with("python") {
            // Who runs the tests may have SIGINT ignored (`nohup`, `&` in a script), and a child
            // inherits that: without this Ctrl+C would do nothing.
            let heeds_ctrl_c = "import runpy, signal, sys\n\
                signal.signal(signal.SIGINT, signal.default_int_handler)\n\
                sys.argv.pop(0)\n\
                runpy.run_path(sys.argv[0], run_name='__main__')";
            command.args(["-c", heeds_ctrl_c]);
        }
        command.arg(path).args(args);
        Self::run(command)
    }

    /// Starts `tidings client ARGS` between pipes.
    pub(crate) fn client(args: &[&str]) -> Self {
        Self::tidings(&[&["client"], args].concat())
    }

    /// Starts `tidings ARGS` between pipes.
    pub(crate) fn tidings(args: &[&str]) -> Self {
        let mut command = tidings();
        command.args(args).stderr(Stdio::piped());
        Self::run(command)
    }

    /// Starts `tidings client ARGS` in a terminal of its own: keyboard and screen are that terminal's.
    pub(crate) fn client_in_terminal(interpreter: &str, args: &[&str]) -> Self {
        let relay = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
        let mut command = clean(Command::new(interpreter));
        command.args(["-c", relay]).arg(tidings().get_program()).arg("client").args(args);
        command.env("TERM", "xterm");
        Self::run(command)
    }

    /// Starts any program between pipes.
    pub(crate) fn run(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
        let screen = child.stdout.take().map(collect).expect("a pipe");
        let errors = child.stderr.take().map(collect).unwrap_or_default();
        Self { keyboard: child.stdin.take(), child, screen, errors }
    }

    /// Types these keys, or pipes these bytes.
    pub(crate) fn type_bytes(&mut self, bytes: impl AsRef<[u8]>) {
        let keyboard = self.keyboard.as_mut().expect("a running client");
        keyboard.write_all(bytes.as_ref()).expect("the client reads");
    }

    /// Ends the input.
    pub(crate) fn end_input(&mut self) {
        self.keyboard = None;
    }

    /// Waits until standard error holds `part`.
    #[track_caller]
    pub(crate) fn wait_for_error(&self, part: &str) {
        eventually(part, || self.errors().contains(part).then_some(()));
    }

    /// What was said on standard error.
    pub(crate) fn errors(&self) -> String {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Types a line.
    pub(crate) fn type_line(&mut self, line: &str) {
        let keyboard = self.keyboard.as_mut().expect("a running client");
        writeln!(keyboard, "{line}").expect("the client reads");
    }

    /// Waits until the screen shows `part`.
    #[track_caller]
    pub(crate) fn wait_for(&self, part: &str) {
        eventually(part, || self.screen().contains(part).then_some(()));
    }

    pub(crate) fn screen(&self) -> String {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lines on the screen that are not blank.
    pub(crate) fn screen_lines(&self) -> Vec<String> {
        self.screen().lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Presses Ctrl+C.
    pub(crate) fn interrupt(&self) {
        signal(self.child.id(), "INT");
    }

    /// Waits until the program has ended.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        eventually("the end of the client", || self.child.try_wait().expect("our child"))
    }
}

/// Everything that comes out of there, as it comes.
fn collect(mut from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let shown = Arc::clone(&text);
    thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..count]);
            shown.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        }
    });
    text
}

impl Drop for Script {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
