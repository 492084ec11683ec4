//! Listening sockets: binding with errors that help, accepting, and placing on shards.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

/// Connections that the kernel holds for us between two turns of the control thread.
const BACKLOG: i32 = 4096;
/// A silent peer is asked after this long whether it is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;
/// A peer that acknowledges nothing for this long while bytes wait for it is gone. It also ends
/// a client that reads nothing for as long.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(120);

/// Opens a listening socket.
pub(crate) fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking(), None)?;
    // Connections of an earlier run in TIME_WAIT do not stand in the way; a live listener does.
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Sets what every client's socket has.
pub(crate) fn tune(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(KEEPALIVE_PROBES),
    )
}

/// Gives each connection to the shard with the fewest, so that even a few spread evenly.
#[derive(Debug)]
pub(crate) struct Placement {
    loads: Vec<Arc<AtomicUsize>>,
    next: usize,
}

impl Placement {
    pub(crate) fn new(shards: usize) -> Self {
        Self { loads: (0..shards).map(|_| Arc::default()).collect(), next: 0 }
    }

    /// The counter that shard `index` counts down when a connection ends.
    pub(crate) fn load(&self, index: usize) -> Arc<AtomicUsize> {
        Arc::clone(&self.loads[index])
    }

    /// Connections that live now.
    pub(crate) fn connections(&self) -> usize {
        self.loads.iter().map(|load| load.load(Ordering::Relaxed)).sum()
    }

    /// The shard for the next connection, which is counted.
    pub(crate) fn place(&mut self) -> usize {
        let shards = self.loads.len();
        let order = (0..shards).map(|offset| (self.next + offset) % shards);
        let chosen = order.min_by_key(|index| self.loads[*index].load(Ordering::Relaxed)).unwrap_or_default();
        self.next = (chosen + 1) % shards;
        self.loads[chosen].fetch_add(1, Ordering::Relaxed);
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_connections_spread_evenly() {
        let mut placement = Placement::new(4);
        let mut shards: Vec<usize> = (0..4).map(|_| placement.place()).collect();
        shards.sort_unstable();
        assert_eq!(shards, [0, 1, 2, 3]);
        placement.load(2).fetch_sub(1, Ordering::Relaxed);
        assert_eq!(placement.place(), 2, "the one with the fewest");
        assert_eq!(placement.connections(), 4);
    }

    #[test]
    fn a_taken_port_is_an_error() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = bind(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
