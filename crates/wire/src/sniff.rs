//! Tells the protocol of a connection by its first bytes.
//!
//! The answer is final: a connection is never tried as another protocol afterwards.

/// What the first bytes of a connection begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// Too few bytes to tell; ask again with more.
    Undecided,
    /// The text protocol, or something that its hello parser will refuse.
    Text,
    /// An MQTT CONNECT packet (control packet type 1, flags 0: MQTT5-3.1.1).
    Mqtt,
    /// A TLS handshake record (content type 22: RFC 8446, 5.1).
    Tls,
    /// An HTTP/1 request line or the HTTP/2 preface (RFC 9110, 9.1; RFC 9113, 3.4).
    Http,
}

impl Sniffed {
    /// The name to show an operator.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::Text => "text",
            Self::Mqtt => "MQTT",
            Self::Tls => "TLS",
            Self::Http => "HTTP",
        }
    }
}

const HTTP_METHODS: [&[u8]; 10] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"CONNECT ",
    b"TRACE ",
    b"PRI * ",
];

/// Decides from `first`, everything that was received so far.
///
/// Undecided only while `first` is empty or a proper beginning of an HTTP method,
/// so at most eight bytes are ever waited for.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniffed {
    match first.first() {
        None => Sniffed::Undecided,
        Some(0x10) => Sniffed::Mqtt,
        Some(0x16) => Sniffed::Tls,
        Some(_) => sniff_words(first),
    }
}

fn sniff_words(first: &[u8]) -> Sniffed {
    if HTTP_METHODS.iter().any(|method| first.starts_with(method)) {
        return Sniffed::Http;
    }
    if HTTP_METHODS.iter().any(|method| method.starts_with(first)) {
        return Sniffed::Undecided;
    }
    Sniffed::Text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_first_bytes() {
        for (bytes, expected) in [
            (&b""[..], Sniffed::Undecided),
            (b"\x10\x0c\x00\x04MQTT", Sniffed::Mqtt),
            (b"\x16\x03\x01", Sniffed::Tls),
            (b"GET / HTTP/1.1\r\n", Sniffed::Http),
            (b"PRI * HTTP/2.0", Sniffed::Http),
            (b"P", Sniffed::Undecided),
            (b"PU", Sniffed::Undecided),
            (b"PUB", Sniffed::Text),
            (b"PUT", Sniffed::Undecided),
            (b"PUT /x", Sniffed::Http),
            (b"pub", Sniffed::Text),
            (b"sub:sports\n", Sniffed::Text),
            (b" \r\nSUBSCRIBER", Sniffed::Text),
            (b"\xff\xfe", Sniffed::Text),
        ] {
            assert_eq!(sniff(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn every_prefix_of_a_method_waits_and_then_decides() {
        for method in HTTP_METHODS {
            for end in 1..method.len() {
                let prefix = method.get(..end).unwrap();
                assert_eq!(sniff(prefix), Sniffed::Undecided, "{prefix:?}");
            }
            assert_eq!(sniff(method), Sniffed::Http);
        }
    }
}
