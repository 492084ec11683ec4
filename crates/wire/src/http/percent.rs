//! Percent escapes in paths and queries (RFC 3986 2.1).
//!
//! A `+` stays a `+`, in queries, too: it is forms that write a blank so, and filters of topics are
//! written with `+`.

use std::borrow::Cow;

use super::PercentError;

/// `text` without its escapes; borrowed if it has none. Cut a path at its slashes before: an escaped
/// slash is one of the text.
///
/// # Errors
/// A percent sign without two digits, bytes that are no UTF-8.
pub fn decode(text: &str) -> Result<Cow<'_, str>, PercentError> {
    let mut pieces = text.split('%');
    let plain = pieces.next().unwrap_or_default();
    if plain.len() == text.len() {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(plain.as_bytes());
    for piece in pieces {
        let (digits, plain) = piece.as_bytes().split_first_chunk().ok_or(PercentError::Escape)?;
        out.push(byte_of(*digits).ok_or(PercentError::Escape)?);
        out.extend_from_slice(plain);
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| PercentError::Utf8)
}

fn byte_of([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// The pairs `name=value` of a query, decoded. A name without `=` has an empty value; nothing between
/// two `&` is no pair.
#[must_use]
pub fn pairs(query: &str) -> Pairs<'_> {
    Pairs { rest: Some(query) }
}

/// See [`pairs`].
#[derive(Debug, Clone)]
pub struct Pairs<'a> {
    rest: Option<&'a str>,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<(Cow<'a, str>, Cow<'a, str>), PercentError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (pair, rest) = match self.rest?.split_once('&') {
                Some((pair, rest)) => (pair, Some(rest)),
                None => (self.rest?, None),
            };
            self.rest = rest;
            if !pair.is_empty() {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                return Some(decode(name).and_then(|name| Ok((name, decode(value)?))));
            }
        }
    }
}
