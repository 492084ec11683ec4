//! What a request has to say to become a WebSocket, and what it is answered (RFC 6455 4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use thiserror::Error;

use crate::http::{Framing, Head, Headers, Status, write_head};

/// The only version that is spoken; an answer of 426 says it in `Sec-WebSocket-Version`.
pub const VERSION: &str = "13";

/// Why a request does not become a WebSocket. The text is a sentence for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HandshakeError {
    #[error("A WebSocket begins with GET.")]
    Method,
    /// Without the fields Connection and Upgrade, or in HTTP/1.0.
    #[error("This is for WebSocket: the request does not ask to upgrade to it.")]
    NoUpgrade,
    #[error("The only version of WebSocket that is spoken here is 13.")]
    Version,
    /// Missing, there twice, or not 16 bytes in base64.
    #[error("The field Sec-WebSocket-Key is malformed.")]
    Key,
    /// What follows the head would be read as frames.
    #[error("The request for a WebSocket has a body.")]
    Body,
}

impl HandshakeError {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::Method => Status::METHOD_NOT_ALLOWED,
            Self::NoUpgrade | Self::Version => Status::UPGRADE_REQUIRED,
            Self::Key | Self::Body => Status::BAD_REQUEST,
        }
    }

    /// The fields that an answer of this status must have.
    #[must_use]
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Method => &[("allow", "GET")],
            Self::NoUpgrade | Self::Version => {
                &[("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-version", VERSION)]
            }
            Self::Key | Self::Body => &[],
        }
    }
}

/// The value of `Sec-WebSocket-Accept`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptKey(String);

impl AcceptKey {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What answers this value of `Sec-WebSocket-Key`.
#[must_use]
pub fn accept_key(key: &[u8]) -> AcceptKey {
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key);
    hash.update(GUID);
    AcceptKey(BASE64.encode(hash.digest().bytes()))
}

/// Whether the request asks for a WebSocket in the right words; what to answer if it does.
///
/// # Errors
/// A [`HandshakeError`] says what to answer instead.
pub fn check_handshake(head: &Head<'_>) -> Result<AcceptKey, HandshakeError> {
    if !head.wants_websocket {
        return Err(HandshakeError::NoUpgrade);
    }
    if head.method != "GET" {
        return Err(HandshakeError::Method);
    }
    if only(head.headers, "sec-websocket-version") != Some(VERSION.as_bytes()) {
        return Err(HandshakeError::Version);
    }
    let key = only(head.headers, "sec-websocket-key").ok_or(HandshakeError::Key)?;
    let mut bytes = [0; KEY_BYTES + 2];
    if BASE64.decode_slice(key, &mut bytes) != Ok(KEY_BYTES) {
        return Err(HandshakeError::Key);
    }
    if !matches!(head.framing, Framing::None | Framing::Sized(0)) {
        return Err(HandshakeError::Body);
    }
    Ok(accept_key(key))
}

/// Whether the client offers to speak `protocol` over the WebSocket. Names of protocols have letter case.
#[must_use]
pub fn offers_protocol(headers: Headers<'_>, protocol: &str) -> bool {
    headers.elements("sec-websocket-protocol").any(|offered| offered == protocol.as_bytes())
}

/// Appends the answer behind which frames follow, with the protocol that was chosen among those offered.
pub fn write_accepted(out: &mut Vec<u8>, accept: &AcceptKey, protocol: Option<&str>) {
    let mut headers =
        vec![("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-accept", accept.as_str())];
    headers.extend(protocol.map(|protocol| ("sec-websocket-protocol", protocol)));
    write_head(out, Status::SWITCHING_PROTOCOLS, &headers, Framing::None);
}

/// The value of the field if there is just one.
fn only<'a>(headers: Headers<'a>, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.all(name);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES: usize = 16;
