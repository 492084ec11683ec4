//! The target of a request, cut into its parts (RFC 9112 3.2).

use super::HeadError;
use super::authority::Authority;

/// A target in origin, absolute or asterisk form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Begins with a slash, or is the asterisk of OPTIONS. Not decoded.
    pub(super) path: &'a str,
    /// What stands behind the question mark. Not decoded.
    pub(super) query: Option<&'a str>,
    /// Of the absolute form, judged.
    pub(super) authority: Option<&'a str>,
}

impl<'a> Target<'a> {
    pub(super) fn parse(method: &str, text: &'a str) -> Result<Self, HeadError> {
        if method == "CONNECT" {
            return Err(HeadError::Connect);
        }
        // A client keeps its fragment to itself; with it, path and query would end elsewhere.
        if text.contains('#') {
            return Err(HeadError::Target);
        }
        if text.starts_with('/') {
            return Ok(Self::of(text, None));
        }
        if method == "OPTIONS" && text == "*" {
            return Ok(Self { path: "*", query: None, authority: None });
        }
        Self::absolute(text).ok_or(HeadError::Target)
    }

    fn absolute(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        let (authority, from_path) = rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len()))?;
        Authority::parse(authority.as_bytes())?;
        Some(Self::of(from_path, Some(authority)))
    }

    fn of(text: &'a str, authority: Option<&'a str>) -> Self {
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        // RFC 9110 4.2.3: an empty path is the root.
        Self { path: if path.is_empty() { "/" } else { path }, query, authority }
    }
}
