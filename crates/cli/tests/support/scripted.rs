//! An HTTP server that answers what a test says, and remembers what it was asked.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::DEADLINE;

/// Answers until the test ends.
#[derive(Debug)]
pub(crate) struct Scripted {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

/// Status and body.
pub(crate) type Answer = (u16, String);

impl Scripted {
    /// Answers each request, told as `GET /path?query`.
    pub(crate) fn start(answer: impl Fn(&str) -> Answer + Send + 'static) -> Self {
        Self::start_with_stream("none", answer)
    }

    /// The same; but the answers to requests that begin like this have no end.
    pub(crate) fn start_with_stream(
        endless: &'static str,
        answer: impl Fn(&str) -> Answer + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        thread::spawn(move || {
            let mut streams = Vec::new();
            for mut stream in listener.incoming().map_while(Result::ok) {
                let Some(request) = read_head(&stream) else { continue };
                noted.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
                let answer = answer(&request);
                // Who has gone does not want the answer.
                match request.starts_with(endless) {
                    true => {
                        drop(stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{}", answer.1).as_bytes()));
                        streams.push(stream);
                    }
                    false => drop(write_answer(stream, &answer)),
                }
            }
        });
        Self { port, asked }
    }

    /// Says these bytes to everyone who connects and has sent something, and closes.
    pub(crate) fn saying(bytes: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                read_head(&stream);
                drop(stream.write_all(bytes));
            }
        });
        Self { port, asked: Arc::default() }
    }

    pub(crate) fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Method and target of a request without a body; `None` if there is none.
fn read_head(stream: &TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    for line in lines {
        if line.ok()?.is_empty() {
            return first.strip_suffix(" HTTP/1.1").map(str::to_owned);
        }
    }
    None
}

fn write_answer(mut stream: TcpStream, (status, body): &Answer) -> std::io::Result<()> {
    let kind = if *status < 400 { "application/json" } else { "application/problem+json" };
    let head = format!(
        "HTTP/1.1 {status} Scripted\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes())
}
