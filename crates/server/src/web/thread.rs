//! The web thread: takes connections that shards hand over, as many at once as there are places.

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use mio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::connection;
use super::counts::Counts;
use super::router;
use super::view::{Setup, View};
use crate::error::ServeError;

/// Hands connections to the web thread, from any thread.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    connections: mpsc::UnboundedSender<Handed>,
    places: Arc<Semaphore>,
    counts: Counts,
}

/// A connection under way, with its place: the channel holds no more of them than there are places.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) stream: std::net::TcpStream,
    pub(super) peer: SocketAddr,
    /// What was read of it and not used, from the request line on.
    pub(super) bytes: Bytes,
    pub(super) place: OwnedSemaphorePermit,
}

impl Sender {
    /// Has a connection served and closed. Waits for nothing: who finds no place is told so, if its
    /// socket takes that at once.
    pub(crate) fn serve(&self, stream: TcpStream, peer: SocketAddr, bytes: Bytes) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.counts.refuse();
            return turn_away(stream);
        };
        // It fails only once the thread has ended, and with it the process.
        self.connections.send(Handed { stream: stream.into(), peer, bytes, place }).ok();
    }
}

#[cfg(test)]
impl Sender {
    /// One that turns everyone away.
    pub(crate) fn to_nobody() -> Self {
        let (connections, _) = mpsc::unbounded_channel();
        Self { connections, places: Arc::new(Semaphore::new(0)), counts: Counts::default() }
    }
}

fn turn_away(mut stream: TcpStream) {
    // Nothing was written to it before, so this is written at once or not at all.
    if stream.write_all(NO_PLACE).is_ok() {
        stream.shutdown(Shutdown::Write).ok();
    }
}

const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Content-Type: application/problem+json\r\n\
    Content-Length: 145\r\n\
    Retry-After: 1\r\n\
    Connection: close\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\
    \"detail\":\"as many requests are served as may be at once (web_connections_max)\"}\n\
    ";

/// Starts the thread.
///
/// # Errors
/// If the operating system gives no thread, or no readiness queue.
pub(crate) fn start(setup: Setup) -> Result<Sender, ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(ServeError::Poll)?;
    let places = Arc::new(Semaphore::new(setup.limits.web_connections_max));
    let counts = Counts::default();
    let (connections, handed) = mpsc::unbounded_channel();
    let view = View::new(setup, counts.clone(), Arc::clone(&places));
    let serve = move || runtime.block_on(serve(Arc::new(view), handed));
    std::thread::Builder::new().name("web".to_owned()).spawn(serve).map_err(ServeError::Thread)?;
    Ok(Sender { connections, places, counts })
}

/// Serves until every sender is gone.
async fn serve(view: Arc<View>, mut handed: mpsc::UnboundedReceiver<Handed>) {
    let router = router::router(Arc::clone(&view));
    tokio::spawn(Arc::clone(&view).sample());
    while let Some(connection) = handed.recv().await {
        tokio::spawn(connection::serve(Arc::clone(&view), router.clone(), connection));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn who_finds_no_place_is_told_a_whole_problem() {
        let text = std::str::from_utf8(super::NO_PLACE).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], 503);
    }
}
