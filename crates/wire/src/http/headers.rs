//! The fields of a head, found again in its bytes.
//!
//! A table of them would have to be as large as the largest head for every request; a walk over some
//! hundred bytes that were just read costs less.

/// The header fields of a request, in their order. They were judged when the head was parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers<'a> {
    /// Lines `name: value`, each with its CR LF.
    lines: &'a [u8],
}

impl<'a> Headers<'a> {
    /// No fields.
    pub const EMPTY: Headers<'static> = Headers { lines: b"" };

    /// `lines` hold nothing but fields that were judged, each with its CR LF.
    pub(super) fn new(lines: &'a [u8]) -> Self {
        Self { lines }
    }

    /// Every field.
    #[must_use]
    pub fn iter(self) -> HeadersIter<'a> {
        HeadersIter { lines: self.lines }
    }

    /// The values of every field of this name, in any letter case.
    pub fn all(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value of the first field of this name.
    #[must_use]
    pub fn first(self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The elements of the comma-separated lists in all fields of this name, without the empty ones.
    pub fn elements(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name).flat_map(elements)
    }

    /// Whether one of these elements is `token`, in any letter case.
    #[must_use]
    pub fn has_token(self, name: &str, token: &str) -> bool {
        self.elements(name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }
}

/// The elements of one comma-separated list (RFC 9110 5.6.1), without the empty ones. A comma in a
/// quoted string separates as well: nothing that is read here has any.
pub(super) fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// Without the blanks and tabs around it (RFC 9110 5.6.3).
pub(super) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Name and value of each field. A value may have bytes that are no ASCII.
#[derive(Debug, Clone)]
pub struct HeadersIter<'a> {
    lines: &'a [u8],
}

impl<'a> Iterator for HeadersIter<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (line, rest) = self.lines.split_at_checked(memchr::memchr(b'\n', self.lines)? + 1)?;
        self.lines = rest;
        let (name, value) = line.split_at_checked(memchr::memchr(b':', line)?)?;
        let value = value.strip_prefix(b":")?.strip_suffix(b"\r\n")?;
        Some((std::str::from_utf8(name).ok()?, trim(value)))
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);
    type IntoIter = HeadersIter<'a>;

    fn into_iter(self) -> HeadersIter<'a> {
        self.iter()
    }
}
