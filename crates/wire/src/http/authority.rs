//! Hosts and ports, as the fields Host and Origin say them (RFC 3986 3.2, RFC 6454).

use std::net::{Ipv4Addr, Ipv6Addr};

/// `host[:port]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority<'a> {
    pub host: Host<'a>,
    pub port: Option<u16>,
}

/// A host, by name or by number.
#[derive(Debug, Clone, Copy)]
pub enum Host<'a> {
    /// Compared in any letter case. What a resolver might take for a number in an old spelling (`127.1`)
    /// is a name here.
    Name(&'a str),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl<'a> Authority<'a> {
    /// `None` if this is no host, with or without a port; user names are not taken.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let port = if port.is_empty() { None } else { parse_port(port.strip_prefix(':')?)? };
            return Some(Self { host: Host::V6(address.parse().ok()?), port });
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, parse_port(port)?),
            None => (text, None),
        };
        Some(Self { host: Host::parse_name(name)?, port })
    }
}

impl<'a> Host<'a> {
    fn parse_name(name: &'a str) -> Option<Self> {
        if name.is_empty() || !name.bytes().all(is_of_name) {
            return None;
        }
        Some(name.parse().map_or(Host::Name(name), Host::V4))
    }

    /// Whether this names the machine itself, whatever a resolver says: 127.0.0.0/8, `[::1]`, `localhost`
    /// and what ends with it (RFC 6761 6.3). A page of another site cannot make a browser send one of
    /// these for a name of its own.
    #[must_use]
    pub fn is_loopback(self) -> bool {
        match self {
            Self::V4(address) => address.is_loopback(),
            Self::V6(address) => address.is_loopback(),
            Self::Name(name) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                let last = name.rsplit('.').next().unwrap_or(name);
                last.eq_ignore_ascii_case("localhost")
            }
        }
    }
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(one), Self::Name(other)) => one.eq_ignore_ascii_case(other),
            (Self::V4(one), Self::V4(other)) => one == other,
            (Self::V6(one), Self::V6(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Host<'_> {}

/// Where a page comes from, as a browser says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    pub authority: Authority<'a>,
    default_port: u16,
}

impl<'a> Origin<'a> {
    /// `None` for `null` and for whatever is no origin of HTTP or HTTPS: nobody can be told to trust it.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (scheme, authority) = text.split_once("://")?;
        let default_port = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => 80,
            _ if scheme.eq_ignore_ascii_case("https") => 443,
            _ => return None,
        };
        Some(Self { authority: Authority::parse(authority.as_bytes())?, default_port })
    }

    /// Whether the page comes from the very host and port that it asks. The scheme is not asked: in front
    /// of a proxy that speaks TLS it is not known.
    #[must_use]
    pub fn is_of(self, host: Authority<'_>) -> bool {
        let port = |authority: Authority<'_>| authority.port.unwrap_or(self.default_port);
        self.authority.host == host.host && port(self.authority) == port(host)
    }
}

/// What stands behind the colon; nothing is allowed (RFC 3986 3.2.3).
fn parse_port(text: &str) -> Option<Option<u16>> {
    if text.is_empty() {
        return Some(None);
    }
    // `parse` takes a sign as well.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?.map(Some)
}

/// Letters, digits and what else names of hosts are made of. RFC 3986 has more, which no resolver takes
/// and which has a meaning elsewhere.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}
