//! Why a server does not start or does not go on.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use thiserror::Error;

/// An error of the environment; the text is one line for an operator.
#[derive(Debug, Error)]
pub enum ServeError {
    #[error("cannot listen on {addr}: {}", bind_hint(*addr, .source))]
    Bind { addr: SocketAddr, source: io::Error },
    #[error("cannot wait for readiness: {0}")]
    Poll(#[source] io::Error),
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    #[error("cannot handle signals: {0}")]
    Signals(#[source] io::Error),
}

fn bind_hint(addr: SocketAddr, source: &io::Error) -> String {
    match source.kind() {
        ErrorKind::AddrInUse => format!(
            "the port is in use. Another server may be running; try another port: tidings server {}",
            addr.port().checked_add(1).unwrap_or(8071)
        ),
        ErrorKind::PermissionDenied => {
            "no permission. Ports below 1024 need a privilege; try: tidings server 8071".to_owned()
        }
        ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        _ => source.to_string(),
    }
}
