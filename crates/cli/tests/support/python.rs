//! The documents' clients, run as programs.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::eventually;
use super::server::signal;

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
}

impl Script {
    /// Starts `testdata/clients/NAME`.
    pub(crate) fn start(interpreter: &str, name: &str, args: &[&str]) -> Self {
        let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../testdata/clients", name].iter().collect();
        let mut child = Command::new(interpreter)
            .arg(path)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter starts");
        let screen = Arc::new(Mutex::new(String::new()));
        let mut stdout = child.stdout.take().expect("a pipe");
        let shown = Arc::clone(&screen);
        thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..count]);
                shown.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        });
        Self { keyboard: child.stdin.take(), child, screen }
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

impl Drop for Script {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
