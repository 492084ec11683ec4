//! Layers into settings, and the checks that concern more than one key.

use std::net::{IpAddr, SocketAddr};

use super::error::{ConfigError, Origin};
use super::key::Key;
use super::layer::{Given, Layer};
use super::{AnonymousAccess, ListenerSettings, Settings};

/// The settings that the layers, lowest first, make of the defaults. `command` is what to type to
/// listen on an address that needs leave.
pub(super) fn resolve(layers: &[Layer; 3], command: &str) -> Result<Settings, ConfigError> {
    let mut settings = Settings::default();
    // Nobody gave the default an origin; it is loopback and alone, so no message can name it.
    let mut origins = vec![Origin::Typed(Key::Listen)];
    let mut history = None;
    for Layer(given) in layers {
        make_room(&mut settings.listeners, &mut origins, given)?;
        for given in given {
            given.put(&mut settings)?;
            match given.key {
                Key::Listen => origins.push(given.origin.clone()),
                Key::Bind => origins = vec![given.origin.clone()],
                Key::HistoryMax => history = Some(&given.origin),
                _ => {}
            }
        }
    }
    check_listeners(&settings, &origins, command)?;
    bound_history(&mut settings.limits.station.core, history)?;
    settings.limits.station.share_out();
    Ok(settings)
}

/// A layer with URLs replaces all listeners; one with a port, an address or a prompt changes the
/// one listener there is.
fn make_room(
    listeners: &mut Vec<ListenerSettings>,
    origins: &mut Vec<Origin>,
    given: &[Given],
) -> Result<(), ConfigError> {
    let origin_of = |key| given.iter().find(|given| given.key == key).map(|given| given.origin.clone());
    let change = Key::ONE_LISTENER.into_iter().find_map(origin_of);
    match (origin_of(Key::Listen), change) {
        (Some(listen), Some(other)) => Err(ConfigError::ListenExcludes { listen, other }),
        (Some(_), None) => {
            listeners.clear();
            origins.clear();
            Ok(())
        }
        (None, Some(origin)) if listeners.len() != 1 => {
            Err(ConfigError::WhichListener { origin, count: listeners.len() })
        }
        (None, _) => Ok(()),
    }
}

fn check_listeners(settings: &Settings, origins: &[Origin], command: &str) -> Result<(), ConfigError> {
    assert_eq!(settings.listeners.len(), origins.len(), "each listener was given somewhere");
    for (index, (listener, origin)) in settings.listeners.iter().zip(origins).enumerate() {
        let addr = listener.addr;
        // A listener for IPv6 takes nothing else, so it cannot be bound to such an address.
        if let (IpAddr::V6(_), IpAddr::V4(ipv4)) = (addr.ip(), addr.ip().to_canonical()) {
            return Err(ConfigError::MappedAddress { origin: origin.clone(), addr, ipv4 });
        }
        if settings.allow_anonymous == AnonymousAccess::Loopback && !addr.ip().is_loopback() {
            let (origin, command) = (origin.clone(), command.to_owned());
            return Err(ConfigError::NotLoopback { origin, addr, command });
        }
        let mut earlier = settings.listeners.iter().take(index).map(|listener| listener.addr);
        if let Some(earlier) = earlier.find(|earlier| collide(*earlier, addr)) {
            return Err(ConfigError::ListenerTwice { origin: origin.clone(), addr, earlier });
        }
    }
    Ok(())
}

/// Whether the second of two listeners could not be bound. Port 0 is another one each time; one for IPv6
/// takes nothing else.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let any = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && a.is_ipv4() == b.is_ipv4() && (any || a == b)
}

fn bound_history(limits: &mut broker::Limits, origin: Option<&Origin>) -> Result<(), ConfigError> {
    let half = limits.memory_bytes_max / 2;
    match origin {
        Some(origin) if limits.history_bytes_max > half => Err(ConfigError::HistoryTooBig {
            origin: origin.clone(),
            history_max: limits.history_bytes_max,
            memory_max: limits.memory_bytes_max,
        }),
        Some(_) => Ok(()),
        // Who only makes the memory small need not know about history.
        None => {
            limits.history_bytes_max = limits.history_bytes_max.min(half);
            Ok(())
        }
    }
}
