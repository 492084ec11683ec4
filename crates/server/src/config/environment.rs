//! The variables `TIDINGS_…`.
//!
//! An empty variable counts as absent, as compose files have it. An unknown one is an error, since
//! nobody sees a setting that is silently not in force; the clients' own are known here by name.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::error::{ConfigError, Origin};
use super::key::Key;
use super::layer::Layer;

#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) layer: Layer,
    pub(super) config: Option<OsString>,
}

pub(super) fn read(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Environment, ConfigError> {
    // Sorted, so that the same mistakes give the same message every time.
    let mut ours = BTreeMap::new();
    for (name, value) in variables {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with(PREFIX) && !value.is_empty() {
            ours.insert(name, value);
        }
    }
    let in_kubernetes = ours.keys().any(|name| name.ends_with("_SERVICE_HOST"));
    let mut environment = Environment::default();
    for (name, value) in &ours {
        if CLIENTS.contains(&name.as_str()) || (in_kubernetes && is_service_link(name, value)) {
            continue;
        }
        if name == CONFIG {
            environment.config = Some(value.clone());
            continue;
        }
        let Some(key) = Key::ALL.into_iter().find(|key| key.variable() == *name) else {
            return Err(ConfigError::UnknownVariable { name: name.clone(), nearest: nearest(name) });
        };
        let Some(text) = value.to_str() else {
            return Err(ConfigError::VariableNotText { name: name.clone() });
        };
        let push = |text: &str| environment.layer.push(key, text.trim(), Origin::Variable(key));
        match key {
            Key::Listen => text.split(',').for_each(push),
            _ => std::iter::once(text).for_each(push),
        }
    }
    Ok(environment)
}

/// Kubernetes gives every container variables for every service; those of a service called
/// `tidings` or `tidings-…` begin like ours: `TIDINGS_PORT=tcp://10.0.0.1:8071`,
/// `TIDINGS_SERVICE_PORT`, `TIDINGS_PORT_8071_TCP_ADDR`.
fn is_service_link(name: &str, value: &OsStr) -> bool {
    let value = value.to_string_lossy();
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let is_numbered_port = name.match_indices("_PORT_").any(|(at, found)| {
        name.get(at + found.len()..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || is_numbered_port
        || (name.ends_with("_PORT") && is_url)
}

fn nearest(name: &str) -> Option<String> {
    let known = Key::ALL.into_iter().map(Key::variable).chain([CONFIG.to_owned()]);
    let bare = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase();
    super::key::nearest(&bare(name), known, |candidate| bare(candidate))
}

const PREFIX: &str = "TIDINGS_";
const CONFIG: &str = "TIDINGS_CONFIG";

/// The clients' variables: a machine may run both.
const CLIENTS: [&str; 7] = [
    "TIDINGS_URL",
    "TIDINGS_HTTP_URL",
    "TIDINGS_USER",
    "TIDINGS_PASSWORD",
    "TIDINGS_PASSWORD_FILE",
    "TIDINGS_CONTEXT",
    "TIDINGS_NAME",
];
