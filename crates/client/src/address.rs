//! Where a server is: `mqtt://host:1883`, in as few words as will do.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an address, that of IPv6 without brackets.
    pub host: String,
    pub port: u16,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    #[error("{0}:// is not spoken here: use mqtt://HOST:PORT (no TLS, no WebSocket)")]
    Scheme(String),
    #[error("a user does not belong into the address")]
    User,
    #[error("a path does not belong into the address")]
    Path,
    #[error("the host is missing or malformed: use HOST, HOST:PORT or [IPV6]:PORT")]
    Host,
    #[error("invalid port \"{0}\": use a number from 1 to 65535")]
    Port(String),
}

/// The port of MQTT.
pub const PORT_DEFAULT: u16 = 1883;

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let rest = match text.split_once("://") {
            Some(("mqtt" | "tcp", rest)) => rest,
            Some((scheme, _)) => return Err(AddressError::Scheme(scheme.to_owned())),
            None => text,
        };
        Self::parse(rest, PORT_DEFAULT)
    }
}

impl Address {
    /// Reads what stands behind a scheme: `HOST:PORT`, or `HOST` for the default port.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str, port_default: u16) -> Result<Self, AddressError> {
        let rest = text.strip_suffix('/').unwrap_or(text);
        if rest.contains('@') {
            return Err(AddressError::User);
        }
        if rest.contains('/') {
            return Err(AddressError::Path);
        }
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or(AddressError::Host)?;
                (host, Some(rest).filter(|rest| !rest.is_empty()))
            }
            // Several colons are an IPv6 address, in which nobody could tell the port.
            None => match rest.split_once(':') {
                Some((_, port)) if port.contains(':') => (rest, None),
                Some((host, _)) => (host, rest.strip_prefix(host)),
                None => (rest, None),
            },
        };
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(AddressError::Host);
        }
        let port = match port.map(|port| port.strip_prefix(':').ok_or(AddressError::Host)).transpose()? {
            None => port_default,
            Some(port) => {
                let number = port.parse().ok().filter(|port| *port > 0);
                number.ok_or_else(|| AddressError::Port(port.to_owned()))?
            }
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_all_their_forms() {
        for (text, expected) in [
            ("localhost", "localhost:1883"),
            ("localhost:8071", "localhost:8071"),
            ("mqtt://10.0.0.1", "10.0.0.1:1883"),
            ("tcp://10.0.0.1:1/", "10.0.0.1:1"),
            ("::1", "[::1]:1883"),
            ("[::1]", "[::1]:1883"),
            ("mqtt://[::1]:8071", "[::1]:8071"),
        ] {
            assert_eq!(text.parse::<Address>().map(|a| a.to_string()).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_address() {
        let scheme = |text: &str| AddressError::Scheme(text.to_owned());
        let port = |text: &str| AddressError::Port(text.to_owned());
        for (text, error) in [
            ("mqtts://a", scheme("mqtts")),
            ("ws://a", scheme("ws")),
            ("mqtt://me@a", AddressError::User),
            ("mqtt://a/b", AddressError::Path),
            ("", AddressError::Host),
            (":1", AddressError::Host),
            ("mqtt://", AddressError::Host),
            ("[::1", AddressError::Host),
            ("[::1]1", AddressError::Host),
            ("a b", AddressError::Host),
            ("a:", port("")),
            ("a:0", port("0")),
            ("a:65536", port("65536")),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
    }
}
