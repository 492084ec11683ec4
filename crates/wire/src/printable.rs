//! Foreign text made safe for a terminal, a log line or a plain delivery format.
//!
//! Escapes C0, C1, DEL, bidirectional controls, line separators and bytes that are
//! not UTF-8. Tab stays, and so do joiners, which emoji and scripts need. A backslash stays as it is: the aim is that
//! nobody can drive a terminal or forge a line, not that the text can be read back.

use std::fmt::{self, Display, Write as _};

/// True when every byte is printable ASCII or a tab, so that nothing needs escaping.
#[inline]
#[must_use]
pub fn is_plain_ascii(bytes: &[u8]) -> bool {
    // One subtraction and one maximum per byte, without a branch, so that the compiler uses
    // vector instructions; tabs are rare enough for a second look.
    let highest = bytes.iter().fold(0, |highest: u8, b| highest.max(b.wrapping_sub(0x20)));
    highest < 0x5f || bytes.iter().all(|b| matches!(b, 0x20..0x7f | b'\t'))
}

/// Appends `bytes` to `out`, escaping what must not reach a terminal.
///
/// One pass; plain ASCII is copied whole.
pub fn escape_into(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain_ascii(bytes) {
        out.extend_from_slice(bytes);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_char(out, c);
        }
        for byte in chunk.invalid() {
            push_hex(out, *byte);
        }
    }
}

/// Shows bytes escaped, cut after a number of characters.
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a> {
    bytes: &'a [u8],
    bytes_max: usize,
}

impl<'a> Printable<'a> {
    /// Shows at most `bytes_max` bytes of `bytes`, then `…`.
    #[must_use]
    pub fn new(bytes: &'a [u8], bytes_max: usize) -> Self {
        Self { bytes, bytes_max }
    }
}

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.bytes.get(..self.bytes_max).unwrap_or(self.bytes);
        let mut escaped = Vec::with_capacity(shown.len());
        escape_into(&mut escaped, shown);
        f.write_str(&String::from_utf8_lossy(&escaped))?;
        if shown.len() < self.bytes.len() {
            f.write_char('…')?;
        }
        Ok(())
    }
}

/// Shows a name or a topic so that it cannot be taken for what stands around it: blanks,
/// brackets, bars, quotes and `@` are escaped as well.
#[derive(Debug, Clone, Copy)]
pub struct Label<'a>(pub &'a str);

impl Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(self.0.len());
        escape_label_into(&mut out, self.0);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// Appends `text` to `out` as [`Label`] shows it.
pub fn escape_label_into(out: &mut Vec<u8>, text: &str) {
    for c in text.chars() {
        match c {
            '[' | ']' | '|' | '\'' | '@' => push_escape(out, c),
            c if c.is_whitespace() => push_escape(out, c),
            c => push_char(out, c),
        }
    }
}

/// True for characters that move the cursor, reorder text, or end a line somewhere.
#[must_use]
pub fn is_control(c: char) -> bool {
    match c {
        '\t' => false,
        '\u{200e}' | '\u{200f}' | '\u{61c}' // direction marks
        | '\u{2028}'..='\u{202e}' // line and paragraph separators, embeddings, overrides
        | '\u{2066}'..='\u{2069}' => true, // isolates
        c => c.is_control(),
    }
}

fn push_char(out: &mut Vec<u8>, c: char) {
    match c {
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        c if is_control(c) => push_escape(out, c),
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

fn push_escape(out: &mut Vec<u8>, c: char) {
    match u8::try_from(u32::from(c)) {
        Ok(byte) if byte < 0x80 => push_hex(out, byte),
        _ => out.extend_from_slice(format!("\\u{{{:x}}}", u32::from(c)).as_bytes()),
    }
}

fn push_hex(out: &mut Vec<u8>, byte: u8) {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).map_or(b'?', |c| c as u8);
    out.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn escaped(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        escape_into(&mut out, bytes);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn golden_escapes() {
        assert_eq!(escaped(b"a\tb"), "a\tb");
        assert_eq!(escaped(b"a\nb\r"), "a\\nb\\r");
        assert_eq!(escaped(b"\x1b[2J\x7f\0"), "\\x1b[2J\\x7f\\x00");
        assert_eq!(escaped("\u{202e}x\u{85}".as_bytes()), "\\u{202e}x\\u{85}");
        assert_eq!(escaped("Grüße 🎉".as_bytes()), "Grüße 🎉");
        assert_eq!(escaped(b"\xff\xc3("), "\\xff\\xc3(");
        assert_eq!(escaped(br"C:\new"), r"C:\new");
    }

    /// Every character that there is, against the list written out.
    #[test]
    fn exactly_these_are_escaped() {
        let listed = |c: char| {
            matches!(u32::from(c), 0..=8 | 0xa..=0x1f | 0x7f..=0x9f | 0x61c | 0x200e | 0x200f
                | 0x2028..=0x202e | 0x2066..=0x2069)
        };
        for c in '\0'..=char::MAX {
            let text = c.to_string();
            assert_eq!(escaped(text.as_bytes()) != text, listed(c), "{c:?}");
            assert_eq!(is_control(c), listed(c), "{c:?}");
        }
        let long = "plain text of some length, and at its end DEL\x7f";
        assert_eq!(escaped(long.as_bytes()), long.replace('\x7f', "\\x7f"));
    }

    #[test]
    fn labels_cannot_leave_their_place() {
        assert_eq!(Label("sports/goals").to_string(), "sports/goals");
        assert_eq!(Label("a] : b|'@").to_string(), "a\\x5d\\x20:\\x20b\\x7c\\x27\\x40");
        assert_eq!(Label("a\u{a0}\n\u{202e}é").to_string(), "a\\u{a0}\\x0a\\u{202e}é");
    }

    #[test]
    fn printable_cuts() {
        assert_eq!(Printable::new(b"abcdef", 3).to_string(), "abc…");
        assert_eq!(Printable::new("aé".as_bytes(), 2).to_string(), "a\\xc3…");
    }

    proptest! {
        #[test]
        fn nothing_that_drives_a_terminal_survives(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = escaped(&bytes);
            prop_assert!(!text.chars().any(is_control), "{text:?}");
        }

        #[test]
        fn controls_in_text_never_survive(text in "[a\\x00-\\x1f\\x7f-\\x9f\u{202a}-\u{202e}\u{2066}-\u{2069}]{0,40}") {
            prop_assert!(!escaped(text.as_bytes()).chars().any(is_control));
        }
    }
}
