//! Who may change something, or see what is not for everyone.
//!
//! There are no logins yet: whoever sits at this machine may. A proxy on this machine speaks for
//! others, so what it hands on is not taken for this machine's own.

use std::net::SocketAddr;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::connection::Peer;
use super::problem::Problem;

/// Proof that whoever asks may administer: an argument of every handler that needs it.
#[derive(Debug)]
pub(super) struct Administrator(());

/// Why somebody may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Comes from another machine.
    Elsewhere(SocketAddr),
    /// A proxy says that it asks for somebody.
    Proxied,
}

/// Whether `peer` may administer with this request.
pub(super) fn may_administer(peer: SocketAddr, request: &Parts) -> Result<(), Refused> {
    if !peer.ip().to_canonical().is_loopback() {
        return Err(Refused::Elsewhere(peer));
    }
    match PROXIES_SAY.iter().any(|name| request.headers.contains_key(*name)) {
        true => Err(Refused::Proxied),
        false => Ok(()),
    }
}

/// Fields with which proxies name whom they ask for.
const PROXIES_SAY: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = match refused {
            Refused::Elsewhere(peer) => {
                format!("only this machine may do that, and you come from {}", peer.ip())
            }
            Refused::Proxied => "only this machine may do that, and a proxy asks for you".to_owned(),
        };
        Self::new(StatusCode::FORBIDDEN, detail)
            .hinting("ask the server at a loopback address of its machine")
    }
}

impl<S: Sync> FromRequestParts<S> for Administrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Peer(peer) = *parts.extensions.get::<Peer>().expect("every connection says whose it is");
        may_administer(peer, parts)?;
        Ok(Self(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, field: &str, expected: Result<(), Refused>) {
        let mut request = axum::http::Request::builder();
        if !field.is_empty() {
            request = request.header(field, "1.2.3.4");
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(may_administer(peer.parse().unwrap(), &parts), expected, "{peer} {field}");
    }

    #[test]
    fn only_this_machine_itself_may() {
        check("127.0.0.1:5", "", Ok(()));
        check("127.9.9.9:5", "accept", Ok(()));
        check("[::1]:5", "", Ok(()));
        check("[::ffff:127.0.0.1]:5", "", Ok(()));
        for peer in ["192.0.2.7:5", "[2001:db8::1]:5", "[::ffff:192.0.2.7]:5", "0.0.0.0:5"] {
            check(peer, "", Err(Refused::Elsewhere(peer.parse().unwrap())));
        }
        for field in ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"] {
            check("127.0.0.1:5", field, Err(Refused::Proxied));
        }
    }
}
