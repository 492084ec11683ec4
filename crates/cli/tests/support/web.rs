//! Clients of the web that nobody here wrote: curl, and what `testdata/clients/install` installs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Script, clean};

/// curl, once it is known to be there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Curl {
    port: u16,
}

/// What one call of curl came to.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) body: String,
    /// What `-w` asks for.
    pub(crate) status: u16,
    pub(crate) content_type: String,
    /// What it says of itself with `-v`.
    pub(crate) errors: String,
}

impl Curl {
    /// `None`, and a line that cannot be overlooked, if there is none.
    pub(crate) fn to(port: u16, test: &str) -> Option<Self> {
        let mut version = Command::new("curl");
        let is_there = version.arg("--version").stdout(Stdio::null()).status().is_ok();
        if is_there { Some(Self { port }) } else { missing("curl", test) }
    }

    pub(crate) fn url(self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// One request, and all of its answer.
    #[track_caller]
    pub(crate) fn run(self, path: &str, args: &[&str]) -> Got {
        self.feed(path, args, b"")
    }

    /// The same with a standard input.
    #[track_caller]
    pub(crate) fn feed(self, path: &str, args: &[&str], input: &[u8]) -> Got {
        let mut command = self.command(path, args);
        command.args(["-w", "\n%{http_code} %{content_type}"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("curl starts");
        child.stdin.take().expect("a pipe").write_all(input).expect("curl reads");
        let output = child.wait_with_output().expect("it ends");
        let (text, errors) = (String::from_utf8(output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}: {errors}", output.status);
        let text = text.expect("text");
        let (body, words) = text.rsplit_once('\n').expect("what -w asks for");
        let (status, content_type) = words.split_once(' ').expect("two words");
        Got {
            body: body.to_owned(),
            status: status.parse().expect("a number"),
            content_type: content_type.to_owned(),
            errors: errors.into_owned(),
        }
    }

    /// A request whose answer is shown as it comes, its head on standard error, once it is there.
    #[track_caller]
    pub(crate) fn listen(self, path: &str, args: &[&str]) -> Script {
        let mut command = self.command(path, args);
        command.args(["-N", "-v"]).stderr(Stdio::piped());
        let listener = Script::run(command);
        listener.wait_for_error("\n< \r\n");
        listener
    }

    fn command(self, path: &str, args: &[&str]) -> Command {
        let mut command = clean(Command::new("curl"));
        // Nothing but these words: no .curlrc, no proxy, and an end.
        command.args(["-q", "-s", "-S", "--noproxy", "*", "--max-time", "60"]).args(args).arg(self.url(path));
        command
    }
}

/// Starts `testdata/clients/NAME`, a script of Python or Node.js, with the libraries that were installed for
/// it; `None`, and a line that cannot be overlooked, if they were not.
pub(crate) fn web_script(name: &str, args: &[&str], test: &str) -> Option<Script> {
    let folder = installed(test)?;
    let is_python = Path::new(name).extension().is_some_and(|extension| extension == "py");
    let mut command = if is_python {
        let mut python = clean(Command::new(folder.join("python/bin/python")));
        python.args(["-W", "ignore::DeprecationWarning"]);
        python
    } else {
        let mut node = clean(Command::new("node"));
        node.env("NODE_PATH", folder.join("node_modules"));
        node
    };
    let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../testdata/clients", name].iter().collect();
    command.arg(script).args(args);
    Some(Script::run(command))
}

/// Where the libraries are.
fn installed(test: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/tmp").join("clients");
    let is_there = folder.join("installed").exists();
    if is_there { Some(folder) } else { missing("testdata/clients/install target/clients", test) }
}

/// Says that it is not there, which is a failure where it has to be.
fn missing<T>(what: &str, test: &str) -> Option<T> {
    let required = std::env::var("TIDINGS_REQUIRE_WEB_CLIENTS").is_ok_and(|value| value == "1");
    assert!(!required, "no {what}, and TIDINGS_REQUIRE_WEB_CLIENTS=1");
    // Straight to the terminal: the test harness swallows what a passing test prints.
    drop(writeln!(std::io::stderr(), "SKIPPED: no {what} for {test}"));
    None
}
