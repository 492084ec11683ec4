//! Layers into settings, and the checks that concern more than one key.

use std::net::IpAddr;

use broker::Limits;
use frontend::TopicPrompt;

use super::error::{ConfigError, Origin};
use super::key::Key;
use super::layer::{Given, Layer};
use super::{AnonymousAccess, ListenerSettings, Settings};

/// The settings that the layers, lowest first, make of the defaults. `command` is what to type to
/// listen on an address that needs leave.
pub(super) fn resolve(layers: &[Layer; 3], command: &str) -> Result<Settings, ConfigError> {
    let mut settings = Settings { limits: limits(layers)?, ..Settings::default() };
    if let Some(shards) = topmost(layers, |layer| layer.shards.as_ref()) {
        settings.shards = shards.value;
    }
    if let Some(log_format) = topmost(layers, |layer| layer.log_format.as_ref()) {
        settings.log_format = log_format.value;
    }
    if let Some(allow_anonymous) = topmost(layers, |layer| layer.allow_anonymous.as_ref()) {
        settings.allow_anonymous = allow_anonymous.value;
    }
    let default = settings.listeners.iter();
    // Nobody gave the default an origin; it is loopback and alone, so no message can name it.
    let mut listeners: Vec<_> =
        default.map(|&value| Given { value, origin: Origin::Typed(Key::Listen) }).collect();
    for layer in layers {
        listen(&mut listeners, layer)?;
    }
    check_listeners(&listeners, settings.allow_anonymous, command)?;
    settings.listeners = listeners.into_iter().map(|listener| listener.value).collect();
    Ok(settings)
}

fn topmost<'l, T>(
    layers: &'l [Layer; 3],
    get: impl Fn(&'l Layer) -> Option<&'l Given<T>>,
) -> Option<&'l Given<T>> {
    layers.iter().rev().find_map(get)
}

/// A layer with URLs replaces all listeners; one with a port, an address or a prompt changes the
/// one listener there is.
fn listen(listeners: &mut Vec<Given<ListenerSettings>>, layer: &Layer) -> Result<(), ConfigError> {
    let changes = [
        layer.port.as_ref().map(|port| &port.origin),
        layer.bind.as_ref().map(|bind| &bind.origin),
        layer.topic_prompt.as_ref().map(|topic_prompt| &topic_prompt.origin),
    ];
    let change = changes.into_iter().flatten().next();
    if let Some(first) = layer.listen.first() {
        if let Some(other) = change {
            let (listen, other) = (first.origin.clone(), other.clone());
            return Err(ConfigError::ListenExcludes { listen, other });
        }
        listeners.clear();
        listeners.extend(layer.listen.iter().map(|url| Given {
            value: ListenerSettings {
                addr: url.value.addr,
                topic_prompt: url.value.topic_prompt.unwrap_or(TopicPrompt::Off),
            },
            origin: url.origin.clone(),
        }));
        return Ok(());
    }
    let Some(change) = change else { return Ok(()) };
    let [one] = listeners.as_mut_slice() else {
        return Err(ConfigError::WhichListener { origin: change.clone(), count: listeners.len() });
    };
    if let Some(port) = &layer.port {
        one.value.addr.set_port(port.value);
    }
    if let Some(bind) = &layer.bind {
        one.value.addr = (bind.value, one.value.addr.port()).into();
        one.origin = bind.origin.clone();
    }
    if let Some(topic_prompt) = &layer.topic_prompt {
        one.value.topic_prompt = topic_prompt.value;
    }
    Ok(())
}

fn check_listeners(
    listeners: &[Given<ListenerSettings>],
    allow_anonymous: AnonymousAccess,
    command: &str,
) -> Result<(), ConfigError> {
    for (index, listener) in listeners.iter().enumerate() {
        let addr = listener.value.addr;
        // A listener for IPv6 takes nothing else, so it cannot be bound to such an address.
        if let (IpAddr::V6(_), IpAddr::V4(ipv4)) = (addr.ip(), addr.ip().to_canonical()) {
            return Err(ConfigError::MappedAddress { origin: listener.origin.clone(), addr, ipv4 });
        }
        if allow_anonymous == AnonymousAccess::Loopback && !addr.ip().is_loopback() {
            let (origin, command) = (listener.origin.clone(), command.to_owned());
            return Err(ConfigError::NotLoopback { origin, addr, command });
        }
        // Port 0 is another one each time.
        let is_same = |earlier: &Given<ListenerSettings>| earlier.value.addr == addr && addr.port() != 0;
        if listeners.iter().take(index).any(is_same) {
            return Err(ConfigError::ListenerTwice { origin: listener.origin.clone(), addr });
        }
    }
    Ok(())
}

fn limits(layers: &[Layer; 3]) -> Result<Limits, ConfigError> {
    let mut limits = Limits::default();
    if let Some(connections_max) = topmost(layers, |layer| layer.connections_max.as_ref()) {
        limits.connections_max = connections_max.value;
    }
    if let Some(queue_max) = topmost(layers, |layer| layer.queue_max.as_ref()) {
        limits.queue_bytes_max = queue_max.value;
    }
    if let Some(memory_max) = topmost(layers, |layer| layer.memory_max.as_ref()) {
        limits.memory_bytes_max = memory_max.value;
    }
    if let Some(history_last) = topmost(layers, |layer| layer.history_last.as_ref()) {
        limits.history_messages_max = history_last.value;
    }
    match topmost(layers, |layer| layer.history_max.as_ref()) {
        Some(history_max) if history_max.value > limits.memory_bytes_max / 2 => {
            return Err(ConfigError::HistoryTooBig {
                origin: history_max.origin.clone(),
                history_max: history_max.value,
                memory_max: limits.memory_bytes_max,
            });
        }
        Some(history_max) => limits.history_bytes_max = history_max.value,
        // Who only makes the memory small need not know about history.
        None => limits.history_bytes_max = limits.history_bytes_max.min(limits.memory_bytes_max / 2),
    }
    limits.share_out();
    Ok(limits)
}
