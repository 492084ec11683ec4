//! A monitor and an open page, which look at Tidings while it is measured.

use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, ensure};

/// They look once a second, until this is finished or dropped.
#[derive(Debug)]
pub(super) struct Watchers {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Watchers {
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(server: SocketAddr) -> anyhow::Result<Watchers> {
        let (stop, stopped) = mpsc::channel();
        let look = move || loop {
            for path in PATHS {
                ask(server, path).with_context(|| format!("asking for {path}"))?;
            }
            if stopped.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout) {
                return Ok(());
            }
        };
        let thread = thread::Builder::new().name("bench-watch".to_owned()).spawn(look)?;
        Ok(Watchers { stop, thread })
    }

    /// # Errors
    /// If they did not get what they asked for.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        drop(self.stop);
        self.thread.join().expect("a panic has ended the program")
    }
}

fn ask(server: SocketAddr, path: &str) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let begin = answer.get(..200.min(answer.len())).unwrap_or_default();
    ensure!(answer.starts_with(b"HTTP/1.1 200 "), "it answers {}", begin.escape_ascii());
    Ok(())
}

/// What Prometheus asks for, and what the live page does with its first tab open.
const PATHS: [&str; 4] =
    ["/metrics", "/api/v1/status", "/api/v1/clients?sort=queued&limit=1", "/api/v1/clients?limit=100"];
const PAUSE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);
