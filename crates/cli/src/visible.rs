//! Foreign text as a person may see it on a terminal.

/// Text that cannot drive a terminal, reorder or hide anything.
pub(crate) fn visible(text: &[u8]) -> String {
    let mut escaped = Vec::with_capacity(text.len());
    wire::printable::escape_into(&mut escaped, text);
    let escaped = String::from_utf8_lossy(&escaped);
    match escaped.contains(is_hidden) {
        true => escaped
            .chars()
            .map(|c| if is_hidden(c) { c.escape_unicode().to_string() } else { c.into() })
            .collect(),
        false => escaped.into_owned(),
    }
}

/// The same for a JSON object, in which such characters occur only inside strings.
pub(crate) fn visible_json(text: &[u8]) -> String {
    let mut shown = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match wire::printable::is_control(c) || is_hidden(c) {
                // Every such character is below U+10000, so four digits do.
                true => shown.push_str(&format!("\\u{:04x}", u32::from(c))),
                false => shown.push(c),
            }
        }
        // No JSON, then: shown, not repaired.
        chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
    }
    shown
}

/// Characters without width that say nothing. Joiners have a meaning in many scripts and in emoji.
pub(crate) fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}
