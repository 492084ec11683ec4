//! A real server process and what can be seen of it from outside.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::client::Client;
use super::{DEADLINE, clean, eventually, tidings};

/// How a server is to be started.
#[derive(Debug, Default)]
pub(crate) struct Start {
    args: Vec<String>,
    env: Vec<(String, String)>,
    shell: Option<String>,
    log_to: LogTo,
}

/// Where the server's log goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LogTo {
    /// To the test.
    #[default]
    Test,
    /// To a disk that is full.
    FullDisk,
    /// Into a pipe that nobody reads.
    Unread,
}

impl Start {
    /// With these arguments behind `server 0`.
    pub(crate) fn with(args: &[&str]) -> Self {
        Self { args: args.iter().map(|arg| (*arg).to_owned()).collect(), ..Self::default() }
    }

    /// With an environment variable.
    pub(crate) fn env(mut self, key: &str, value: &str) -> Self {
        self.env.push((key.to_owned(), value.to_owned()));
        self
    }

    /// With shell commands before it, such as `ulimit -n 64`.
    pub(crate) fn shell(mut self, commands: &str) -> Self {
        self.shell = Some(commands.to_owned());
        self
    }

    /// With its log to somewhere else than the test.
    pub(crate) fn log_to(mut self, log_to: LogTo) -> Self {
        self.log_to = log_to;
        self
    }

    /// Starts it and waits until it listens.
    pub(crate) fn run(self) -> Server {
        let mut command = match &self.shell {
            None => tidings(),
            Some(before) => {
                let mut shell = clean(Command::new("sh"));
                shell.args(["-c", &format!("{before}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_tidings")]);
                shell
            }
        };
        // Whoever names listeners names their ports.
        let port = (!self.args.iter().any(|arg| arg == "--listen")).then_some("0");
        let stderr = match self.log_to {
            LogTo::FullDisk => full_disk().into(),
            LogTo::Test | LogTo::Unread => Stdio::piped(),
        };
        command.arg("server").args(port).args(&self.args).envs(self.env);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().expect("the server starts");
        let log = Arc::new(Log::default());
        if self.log_to == LogTo::Test
            && let Some(stderr) = child.stderr.take()
        {
            let log = Arc::clone(&log);
            thread::spawn(move || BufReader::new(stderr).lines().for_each(|line| log.push(line)));
        }
        let mut first = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut first).expect("the server says something");
        let port = first.trim().strip_prefix(concat!(
            "tidings ",
            env!("CARGO_PKG_VERSION"),
            " listening on 127.0.0.1:"
        ));
        let port = port.and_then(|port| port.parse().ok());
        let Some(port) = port else { panic!("not the first line of a server: {first:?}") };
        Server { child, port, log }
    }
}

fn full_disk() -> fs::File {
    fs::OpenOptions::new().write(true).open("/dev/full").expect("a device that is always full")
}

/// A server that runs; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    port: u16,
    log: Arc<Log>,
}

impl Server {
    /// A server with this many shards.
    pub(crate) fn start(shards: u8) -> Self {
        Start::with(&["--shards", &shards.to_string()]).run()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A connection that has said nothing yet.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.port)
    }

    /// A subscriber, framed, for whom the kernel keeps little as long as it does not read.
    #[track_caller]
    pub(crate) fn slow_subscriber(&self, hello: &str) -> Client {
        let mut client = Client::connect_with_little_room(self.port);
        client.send(format!("{hello}\n"));
        self.wait_for_role(&client);
        client
    }

    /// A connection with a framed hello which the server has understood.
    #[track_caller]
    pub(crate) fn client(&self, hello: &str) -> Client {
        let mut client = self.connect();
        client.send(format!("{hello}\n"));
        self.wait_for_role(&client);
        client
    }

    /// Waits until the server knows what a client is: a subscriber's subscription stands then.
    #[track_caller]
    pub(crate) fn wait_for_role(&self, client: &Client) {
        let addr = format!("{}] Role: ", client.addr());
        self.wait_for_log(&addr);
    }

    /// Waits until the server has read everything that a client has sent, its end included.
    #[track_caller]
    pub(crate) fn wait_until_read(&self, client: &Client) {
        eventually("everything is read", || self.has_read(client).then_some(()));
    }

    /// Whether the server has read everything that a client has sent, its end included.
    pub(crate) fn has_read(&self, client: &Client) -> bool {
        self.unread_bytes(client) == Some(0)
    }

    /// What the kernel holds of what a client has sent; `None` if the server has closed.
    fn unread_bytes(&self, client: &Client) -> Option<u64> {
        // proc_net_tcp(5): number, own address, peer's address, state, bytes to be sent and read.
        let table = fs::read_to_string("/proc/net/tcp").expect("the kernel's table of sockets");
        let own = format!(":{:04X}", self.port);
        let peer = format!(":{:04X}", client.port());
        table.lines().find_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let (from, to) = (fields.next()?, fields.next()?);
            let (_, unread) = fields.nth(1)?.split_once(':')?;
            (from.ends_with(&own) && to.ends_with(&peer)).then(|| u64::from_str_radix(unread, 16).ok())?
        })
    }

    /// Waits until the server has noticed that a client is gone.
    #[track_caller]
    pub(crate) fn wait_for_end(&self, addr: &str) -> String {
        self.wait_for_log(&format!("Client disconnected: {addr}, "))
    }

    /// Waits for a log line that contains `part` and returns it.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, part: &str) -> String {
        match self.log.find(part) {
            Some(line) => line,
            None => panic!("not in the log: {part:?}\nlast lines: {:#?}", self.log.last(20)),
        }
    }

    /// The log lines so far that contain `part`.
    pub(crate) fn log_lines(&self, part: &str) -> Vec<String> {
        self.log.lock().iter().filter(|line| line.contains(part)).cloned().collect()
    }

    /// How many log lines so far contain `part`.
    pub(crate) fn log_count(&self, part: &str) -> usize {
        self.log.lock().iter().filter(|line| line.contains(part)).count()
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Asks the server to end and waits until it has.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Waits until the server has ended.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        eventually("the end of the server", || self.child.try_wait().expect("our child"))
    }

    /// How the server has ended, if it has.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our child")
    }

    #[track_caller]
    pub(crate) fn assert_alive(&mut self) {
        let ended = self.child.try_wait().expect("our child");
        assert_eq!(ended, None, "the server has ended; last lines: {:#?}", self.log.last(20));
    }

    /// KiB of memory that the process occupies.
    pub(crate) fn memory_kib(&self) -> usize {
        self.status_kib("VmRSS:")
    }

    /// KiB of memory that the process has occupied at most.
    pub(crate) fn peak_memory_kib(&self) -> usize {
        self.status_kib("VmHWM:")
    }

    fn status_kib(&self, field: &str) -> usize {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a field of proc(5)");
        line.trim().trim_end_matches(" kB").parse().expect("a number of kB")
    }

    /// Ticks (10 ms) of CPU time that the process has used.
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let stat = self.proc("stat");
        // Behind the name in parentheses, utime and stime are the 12th and 13th field (proc(5)).
        let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
        fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().expect("ticks")).sum()
    }

    /// Open file descriptors.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("a running process").count()
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("a running process")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends a signal to a process that a test has started.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
    assert!(status.expect("a shell").success(), "no process {pid} to signal");
}

/// The lines of standard error so far.
#[derive(Debug, Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Log {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: std::io::Result<String>) {
        self.lock().push(line.unwrap_or_else(|error| format!("unreadable line: {error}")));
        self.grown.notify_all();
    }

    fn find(&self, part: &str) -> Option<String> {
        let until = Instant::now() + DEADLINE;
        let mut lines = self.lock();
        let mut seen = 0;
        loop {
            if let Some(line) = lines.iter().skip(seen).find(|line| line.contains(part)) {
                return Some(line.clone());
            }
            seen = lines.len();
            let left = until.checked_duration_since(Instant::now())?;
            lines = self.grown.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn last(&self, count: usize) -> Vec<String> {
        let lines = self.lock();
        let last = lines.iter().skip(lines.len().saturating_sub(count));
        last.map(|line| line.chars().take(200).collect()).collect()
    }
}
