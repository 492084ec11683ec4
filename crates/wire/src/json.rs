//! Text as the inside of a JSON string.
//!
//! Exact: a reader gets the same text back. Beyond what JSON demands, whatever
//! [`is_control`] names is escaped, and DEL and C1 with it, so that a line of
//! JSON drives no terminal and ends nowhere but at its newline.

use crate::printable::is_control;

/// True when every byte stands in a JSON string as it is.
#[inline]
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    // No branch, so that the compiler uses vector instructions.
    bytes.iter().fold(true, |plain, b| plain & (b.wrapping_sub(0x20) < 0x5f) & (*b != b'"') & (*b != b'\\'))
}

/// Appends `text`, escaped, without the quotes around it.
pub(crate) fn escape_into(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(may_need_escape) {
        // Such a byte is ASCII or leads a character, so the text can be cut before it.
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let mut chars = from.chars();
        if let Some(c) = chars.next() {
            push_char(out, c);
        }
        rest = chars.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}

/// True for the first byte of every character that is escaped, and of some others.
#[inline]
fn may_need_escape(byte: u8) -> bool {
    MAY_NEED_ESCAPE.get(usize::from(byte)) == Some(&true)
}

fn push_char(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        c if is_control(c) => push_escape(out, c),
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// `\uXXXX`; all that is escaped lies below U+10000, so there are no surrogates.
fn push_escape(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        let digit = u32::from(c) >> shift & 15;
        out.push(char::from_digit(digit, 16).map_or(b'0', |c| c as u8));
    }
}

/// A table because it is asked for every byte of a text that is not plain.
#[expect(clippy::indexing_slicing, reason = "a constant; a wrong index would not compile")]
const MAY_NEED_ESCAPE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            0..0x20 | b'"' | b'\\' | 0x7f => true,
            // Lead C1 (U+0080 to U+00BF), U+061C (U+0600 to U+063F), and U+2000 to U+2FFF.
            0xc2 | 0xd8 | 0xe2 => true,
            _ => false,
        };
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        escape_into(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn golden_escapes() {
        assert_eq!(escaped("a\tb\nc\r\"\\/"), "a\\tb\\nc\\r\\\"\\\\/");
        assert_eq!(escaped("\u{1b}[2J\0\u{7f}\u{8}\u{c}"), "\\u001b[2J\\u0000\\u007f\\b\\f");
        assert_eq!(escaped("\u{85}\u{9f}\u{a0}"), "\\u0085\\u009f\u{a0}");
        assert_eq!(escaped("\u{2028}\u{2029}\u{202e}\u{2066}"), "\\u2028\\u2029\\u202e\\u2066");
        assert_eq!(escaped("\u{61c}\u{200e}\u{200d}"), "\\u061c\\u200e\u{200d}");
        assert_eq!(escaped("Grüße 🎉 €"), "Grüße 🎉 €");
    }

    /// The short lists of bytes above miss none: every character that there is.
    #[test]
    fn every_character_is_exact_and_none_drives_a_terminal() {
        for c in '\0'..=char::MAX {
            let text = escaped(&c.to_string());
            let listed = matches!(u32::from(c), 0..=0x1f | 0x22 | 0x5c | 0x7f..=0x9f | 0x61c | 0x200e | 0x200f
                | 0x2028..=0x202e | 0x2066..=0x2069);
            assert_eq!(text != c.to_string(), listed, "{c:?}: {text:?}");
            assert_eq!(serde_json::from_str::<String>(&format!("\"{text}\"")).unwrap(), c.to_string());
            let plain = is_plain(c.to_string().as_bytes());
            assert_eq!(plain, c.is_ascii() && text == c.to_string(), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_back_is_the_same(text in any::<String>(), more in "[a\"\\\\\\x00-\\xff\u{2000}-\u{206f}]{0,40}") {
            for text in [text, more] {
                let json = format!("\"{}\"", escaped(&text));
                prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            }
        }
    }
}
