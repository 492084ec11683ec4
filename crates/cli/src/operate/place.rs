//! Where a server's HTTP is.

use std::fmt;
use std::str::FromStr;

use ::client::{Address, AddressError};

/// A host and a port, as of a URL without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place(Address);

impl Place {
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0)
    }

    pub(super) fn address(&self) -> &Address {
        &self.0
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rest, port) = match text.split_once("://") {
            None => (text, PORT_DEFAULT),
            Some(("http", rest)) => (rest, PORT_OF_HTTP),
            Some(("https", _)) => return Err("TLS is not spoken here yet: use http://HOST:PORT".to_owned()),
            Some((scheme, _)) => {
                return Err(format!("no scheme {scheme}: use http://HOST:PORT or HOST:PORT"));
            }
        };
        Address::parse(rest, port).map(Self).map_err(|error: AddressError| error.to_string())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where `tidings server` listens.
const PORT_DEFAULT: u16 = 8071;
/// What a URL means that says none.
const PORT_OF_HTTP: u16 = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_all_their_forms() {
        for (text, url) in [
            ("localhost", "http://localhost:8071/x"),
            ("localhost:9000", "http://localhost:9000/x"),
            ("http://localhost:9000/", "http://localhost:9000/x"),
            ("http://example.org", "http://example.org:80/x"),
            ("[::1]", "http://[::1]:8071/x"),
        ] {
            assert_eq!(text.parse::<Place>().map(|place| place.url("/x")).as_deref(), Ok(url), "{text}");
        }
    }

    #[test]
    fn what_is_no_place() {
        for (text, part) in [
            ("https://a", "TLS"),
            ("mqtt://a", "no scheme mqtt"),
            ("http://a/b", "path"),
            ("http://me@a", "user"),
            ("http://", "host"),
            ("a:0", "port"),
        ] {
            let error = text.parse::<Place>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
