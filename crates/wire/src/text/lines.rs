//! Finds the messages in what a publisher sends.

/// One framed line: where its message ends and where the next line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// End of the message, without the line end and one CR before it.
    pub end: usize,
    /// Start of the next line.
    pub next: usize,
}

/// The line that begins at `start`, if its newline lies in `bytes`. The search begins
/// at `from`, so that a long line which arrives in pieces is scanned once.
#[inline]
#[must_use]
pub fn next_line(bytes: &[u8], start: usize, from: usize) -> Option<Line> {
    let newline = from + memchr::memchr(b'\n', bytes.get(from..)?)?;
    let message = bytes.get(start..newline)?;
    let end = match message.last() {
        Some(b'\r') => newline - 1,
        _ => newline,
    };
    Some(Line { end, next: newline + 1 })
}

/// True for a message that is empty or made of white space only.
#[inline]
#[must_use]
pub fn is_blank(message: &[u8]) -> bool {
    match message.first() {
        Some(first) if *first > b' ' => false,
        _ => message.iter().all(u8::is_ascii_whitespace),
    }
}

/// True for `terminate` alone in its message, in any letter case.
#[inline]
#[must_use]
pub fn is_terminate(message: &[u8]) -> bool {
    const WORD: &[u8] = b"terminate";
    match message.first() {
        Some(b't' | b'T' | b' ' | b'\t' | b'\r') if message.len() >= WORD.len() => {
            message.trim_ascii().eq_ignore_ascii_case(WORD)
        }
        _ => false,
    }
}

/// True for what may become `terminate` when more bytes come.
#[must_use]
pub fn begins_terminate(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii();
    // White space without end is not the beginning of a word.
    bytes.len() <= 64 && b"terminate".get(..start.len()).is_some_and(|word| word.eq_ignore_ascii_case(start))
}

/// How many bytes at the end of `bytes` begin a UTF-8 character that is not complete yet
/// (0 to 3). An unframed message keeps them back until the rest arrives.
#[must_use]
pub fn utf8_tail(bytes: &[u8]) -> usize {
    let last = bytes.get(bytes.len().saturating_sub(3)..).unwrap_or(bytes);
    match std::str::from_utf8(last) {
        Ok(_) => 0,
        // The window may begin inside a character: only an unfinished end counts.
        Err(_) => (1..=last.len())
            .find(|tail| {
                let from = last.len() - tail;
                last.get(from).is_some_and(|b| *b >= 0xc0)
                    && last
                        .get(from..)
                        .is_some_and(|end| std::str::from_utf8(end).is_err_and(|e| e.error_len().is_none()))
            })
            .unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_newlines_and_drop_one_carriage_return() {
        let bytes = b"one\r\ntwo\n\r\r\nlast";
        let mut start = 0;
        let mut found = Vec::new();
        while let Some(line) = next_line(bytes, start, start) {
            found.push(bytes.get(start..line.end).unwrap());
            start = line.next;
        }
        assert_eq!(found, [&b"one"[..], b"two", b"\r"]);
        assert_eq!(bytes.get(start..).unwrap(), b"last");
    }

    #[test]
    fn every_prefix_without_a_newline_has_no_line() {
        for end in 0..4 {
            assert_eq!(next_line(b"one\n".get(..end).unwrap(), 0, 0), None);
        }
    }

    #[test]
    fn blank_and_terminate() {
        assert!(is_blank(b"") && is_blank(b" \t\r"));
        assert!(!is_blank(b" x") && !is_blank(b"\x00"));
        assert!(is_terminate(b"terminate") && is_terminate(b" TerMinate \r"));
        assert!(begins_terminate(b"") && begins_terminate(b" TERM") && !begins_terminate(b"hi"));
        assert!(!is_terminate(b"terminated") && !is_terminate(b"please terminate"));
    }

    #[test]
    fn an_unfinished_character_is_kept_back() {
        let text = "aé€🎉";
        for end in 0..=text.len() {
            let bytes = text.as_bytes().get(..end).unwrap();
            let whole = (0..=end).rev().find(|i| text.is_char_boundary(*i)).unwrap();
            assert_eq!(utf8_tail(bytes), end - whole, "{bytes:?}");
        }
        assert_eq!(utf8_tail(b"\xff"), 0, "never a character, so nothing to wait for");
        assert_eq!(utf8_tail(b"a\x80"), 0);
    }
}
