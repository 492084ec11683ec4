//! One connection: one request, one answer, then the end.
//!
//! Everything together has `web_time`, so a peer that sends or takes byte by byte holds its place no
//! longer than that. What it sends behind its request is thrown away for a moment, since closing a
//! socket with unread bytes takes the answer away from a peer that has not read it yet.

use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::thread::Handed;
use super::view::View;
use crate::limits::Limits;

/// How long a peer may take to read its answer and close.
const LINGER: Duration = Duration::from_secs(1);

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// A place among the lists, held until the connection ends: its answer waits in memory so long.
#[derive(Debug, Clone, Default)]
pub(super) struct ListPlace(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl ListPlace {
    pub(super) fn hold(&self, place: OwnedSemaphorePermit) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(view: Arc<View>, router: Router, handed: Handed) {
    let outcome = timeout(view.limits.web_time, converse(&view.limits, router, handed)).await;
    match outcome {
        Ok(Some(())) => view.counts.serve(),
        Ok(None) | Err(_) => view.counts.cut_off(),
    }
}

/// `None` if it breaks before everything is written, or if it says no request.
async fn converse(limits: &Limits, router: Router, handed: Handed) -> Option<()> {
    let Handed { stream, peer, bytes, place: _place } = handed;
    // It was not blocking on its shard, and is not here.
    let (read, write) = TcpStream::from_std(stream).ok()?.into_split();
    let mut stream = tokio::io::join(Cursor::new(bytes).chain(read), write);
    let lists = ListPlace::default();
    let routes = TowerToHyperService::new(router);
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(lists.clone());
        routes.call(request)
    });
    let mut http = http1::Builder::new();
    // Half closed is how a peer says that it has no more to ask, and still wants its answer.
    http.keep_alive(false).half_close(true).max_buf_size(limits.web_head_bytes_max);
    let served = http.serve_connection(TokioIo::new(&mut stream), service).await.ok();
    // Also if it was no request: then that was the answer.
    linger(stream, limits.linger_bytes_max).await?;
    served
}

/// Everything is said: reads on until the peer has closed, within bounds.
async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes_max: usize) -> Option<()> {
    stream.shutdown().await.ok()?;
    let bytes_max = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut rest = stream.take(bytes_max);
    // Whether it closes, breaks or goes on: it had its moment.
    timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await.ok();
    Some(())
}
