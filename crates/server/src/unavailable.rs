//! Whether a server could listen now, for `tidings config check`.

use crate::config::Settings;
use crate::error::ServeError;
use crate::listener;

/// Why a server with these settings could not listen at this moment, once for each such address.
/// Nothing listens meanwhile, so no client is accepted and no server that starts is in the way.
#[must_use]
pub fn unavailable(settings: &Settings) -> Vec<ServeError> {
    let addresses = settings.listeners.iter().map(|listener| listener.addr);
    let tried =
        addresses.map(|addr| listener::bound(addr).map_err(|source| ServeError::Bind { addr, source }));
    tried.filter_map(Result::err).collect()
}
