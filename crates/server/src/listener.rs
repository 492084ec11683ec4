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
/// The same for a peer that may have gone. Linux remembers a socket that was closed both ways for a
/// minute and answers for it; the first question after that is answered by a reset.
const CLOSE_WATCH: Duration = Duration::from_secs(4);

/// By how many connections a shard may be ahead of another one and still get a publisher of it.
const MOVE_SLACK: usize = 1;

/// Opens a listening socket.
pub(crate) fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(addr)?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// The same before it listens.
pub(crate) fn bound(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking(), None)?;
    // Connections of an earlier run in TIME_WAIT do not stand in the way; a live listener does.
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// Sets what every client's socket has.
///
/// A peer that takes nothing for `untaken_time` while bytes wait for it is gone: whether its
/// machine is silent or it does not read, the kernel ends the connection.
pub(crate) fn tune(stream: &TcpStream, untaken_time: Duration) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(untaken_time))?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(KEEPALIVE_PROBES),
    )
}

/// Asks often whether a peer that has closed its sending half is still there.
pub(crate) fn watch_closely(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(CLOSE_WATCH).with_interval(CLOSE_WATCH);
    // Without it the usual keep-alive finds out, later.
    SockRef::from(stream).set_tcp_keepalive(&keepalive).ok();
}

/// How many connections each shard has.
#[derive(Debug, Clone)]
pub(crate) struct Loads(Arc<[AtomicUsize]>);

impl Loads {
    pub(crate) fn new(shards: usize) -> Self {
        Self((0..shards).map(|_| AtomicUsize::new(0)).collect())
    }

    /// Connections that live now.
    pub(crate) fn connections(&self) -> usize {
        self.0.iter().map(|load| load.load(Ordering::Relaxed)).sum()
    }

    /// A connection of this shard has ended.
    pub(crate) fn ended(&self, shard: usize) {
        self.0[shard].fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether a connection may move without tipping the balance.
    pub(crate) fn may_move(&self, from: usize, to: usize) -> bool {
        self.of(to) <= self.of(from) + MOVE_SLACK
    }

    /// A connection has moved.
    pub(crate) fn moved(&self, from: usize, to: usize) {
        self.0[to].fetch_add(1, Ordering::Relaxed);
        self.ended(from);
    }

    fn of(&self, shard: usize) -> usize {
        self.0[shard].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
impl Loads {
    /// A connection has come, as placing it counts.
    pub(crate) fn began(&self, shard: usize) {
        self.0[shard].fetch_add(1, Ordering::Relaxed);
    }
}

/// Gives each connection to the shard with the fewest, so that even a few spread evenly.
#[derive(Debug)]
pub(crate) struct Balance {
    loads: Loads,
    next: usize,
}

impl Balance {
    pub(crate) fn new(loads: Loads) -> Self {
        Self { loads, next: 0 }
    }

    /// The shard for the next connection, which is counted.
    pub(crate) fn place(&mut self) -> usize {
        let shards = self.loads.0.len();
        let order = (0..shards).map(|offset| (self.next + offset) % shards);
        let chosen = order.min_by_key(|shard| self.loads.of(*shard)).unwrap_or_default();
        self.next = (chosen + 1) % shards;
        self.loads.0[chosen].fetch_add(1, Ordering::Relaxed);
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_connections_spread_evenly() {
        let loads = Loads::new(4);
        let mut balance = Balance::new(loads.clone());
        let mut shards: Vec<usize> = (0..4).map(|_| balance.place()).collect();
        shards.sort_unstable();
        assert_eq!(shards, [0, 1, 2, 3]);
        loads.ended(2);
        assert_eq!(balance.place(), 2, "the one with the fewest");
        assert!(loads.may_move(0, 3));
        loads.moved(0, 3);
        assert!(!loads.may_move(0, 3), "not more than the balance bears");
        assert_eq!(loads.connections(), 4);
    }

    #[test]
    fn a_taken_port_is_an_error() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = bind(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
