//! Whether a server could listen now, for `tidings config check`.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

use crate::config::Settings;
use crate::error::ServeError;

/// Why a server with these settings could not listen at this moment, once for each such address.
/// Nothing listens meanwhile, so no client is accepted and no server that starts is in the way.
#[must_use]
pub fn unavailable(settings: &Settings) -> Vec<ServeError> {
    let addresses = settings.listeners.iter().map(|listener| listener.addr);
    let tried = addresses.map(|addr| bind(addr).map_err(|source| ServeError::Bind { addr, source }));
    tried.filter_map(Result::err).collect()
}

/// With the options of `listener::bind`: they decide what stands in the way.
fn bind(addr: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&addr.into())
}
