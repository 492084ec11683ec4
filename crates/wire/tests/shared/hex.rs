//! Bytes as text: hexadecimal digits in groups, and `'words'` that stand for themselves.

/// # Panics
/// If the text is neither.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for group in text.split_whitespace() {
        if let Some(word) = group.strip_prefix('\'').and_then(|word| word.strip_suffix('\'')) {
            out.extend_from_slice(word.as_bytes());
            continue;
        }
        assert_eq!(group.len() % 2, 0, "half a byte in {group}");
        for pair in group.as_bytes().chunks(2) {
            let digits = std::str::from_utf8(pair).expect("hexadecimal digits are ASCII");
            out.push(u8::from_str_radix(digits, 16).expect("hexadecimal digits"));
        }
    }
    out
}
