//! Bytes to lines, with bounded memory and for servers that do not end their lines.
//!
//! Our server ends every line. The first document's own may not: until a server has ended
//! one, what arrived is taken for a line after a short silence.

use std::time::Instant;

use super::limits::{LONG_LINE_SILENCE, SHORT_LINE_BYTES, SILENCE};

/// Which part of a line a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    First,
    Middle,
    Last,
}

/// What ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// A newline and nothing else: the server is one of ours, or has shown that it ends its lines.
    Newline,
    /// A newline or a silence.
    NewlineOrSilence,
}

/// The received bytes that are no whole line yet.
#[derive(Debug)]
pub(super) struct Assembler {
    held: Vec<u8>,
    /// The next text begins a line, or continues one that was handed on in part.
    at: Position,
    line_end: LineEnd,
    /// A longer line is handed on in pieces.
    line_bytes_max: usize,
    /// When bytes came last.
    fed: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    LineStart,
    InLine,
}

impl Assembler {
    pub(super) fn new(line_end: LineEnd, line_bytes_max: usize) -> Self {
        Self { held: Vec::new(), at: Position::LineStart, line_end, line_bytes_max, fed: None }
    }

    /// Takes bytes and hands on every line that they complete. Empty lines are left out.
    pub(super) fn push(&mut self, now: Instant, bytes: &[u8], mut emit: impl FnMut(Part, &[u8])) {
        self.fed = Some(now);
        let mut rest = bytes;
        while let Some((line, after)) = memchr::memchr(b'\n', rest).and_then(|end| rest.split_at_checked(end))
        {
            self.line_end = LineEnd::Newline;
            if self.held.is_empty() {
                end_line(&mut self.at, line, &mut emit);
            } else {
                self.held.extend_from_slice(line);
                end_line(&mut self.at, &self.held, &mut emit);
                self.held.clear();
            }
            rest = after.get(1..).unwrap_or_default();
        }
        self.held.extend_from_slice(rest);
        if self.held.len() > self.line_bytes_max {
            self.hand_on_piece(&mut emit);
        }
    }

    /// When [`Self::silence`] is due, unless bytes come before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.line_end == LineEnd::Newline || self.held.is_empty() {
            return None;
        }
        let silence = if self.held.len() <= SHORT_LINE_BYTES { SILENCE } else { LONG_LINE_SILENCE };
        self.fed.map(|fed| fed + silence)
    }

    /// Hands on what is held as a line.
    pub(super) fn silence(&mut self, mut emit: impl FnMut(Part, &[u8])) {
        end_line(&mut self.at, &self.held, &mut emit);
        self.held.clear();
    }

    /// Nothing more will come. Hands on an unended line of a server that does not end lines; where
    /// lines are ended it is half a message. Returns how many bytes of such a message were dropped.
    pub(super) fn finish(&mut self, emit: impl FnMut(Part, &[u8])) -> usize {
        match self.line_end {
            LineEnd::NewlineOrSilence => {
                self.silence(emit);
                0
            }
            LineEnd::Newline => self.held.len(),
        }
    }

    /// All that is held but an unfinished character.
    fn hand_on_piece(&mut self, emit: &mut impl FnMut(Part, &[u8])) {
        let tail = wire::text::utf8_tail(&self.held);
        let piece = self.held.len() - tail;
        let part = match self.at {
            Position::LineStart => Part::First,
            Position::InLine => Part::Middle,
        };
        emit(part, self.held.get(..piece).unwrap_or_default());
        self.held.drain(..piece);
        self.at = Position::InLine;
    }
}

fn end_line(at: &mut Position, line: &[u8], emit: &mut impl FnMut(Part, &[u8])) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match *at {
        Position::LineStart if line.is_empty() => {}
        Position::LineStart => emit(Part::Whole, line),
        Position::InLine => emit(Part::Last, line),
    }
    *at = Position::LineStart;
}

#[cfg(test)]
mod tests {
    use super::super::limits::LINE_BYTES_MAX;
    use super::*;
    use proptest::prelude::*;

    fn text(part: Part, text: &[u8]) -> String {
        let text = String::from_utf8_lossy(text);
        if part == Part::Whole { text.into_owned() } else { format!("{part:?} {text}") }
    }
    fn push(assembler: &mut Assembler, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        assembler.push(Instant::now(), bytes, |part, line| lines.push(text(part, line)));
        lines
    }

    #[test]
    fn lines_in_pieces() {
        let mut assembler = Assembler::new(LineEnd::Newline, LINE_BYTES_MAX);
        assert_eq!(push(&mut assembler, b"one\r\ntw"), ["one"]);
        assert_eq!(push(&mut assembler, b"o"), [""; 0]);
        assert_eq!(push(&mut assembler, b"\n\n\r\nthree\nfo"), ["two", "three"]);
        assert_eq!(assembler.deadline(), None);
        assert_eq!(assembler.finish(|_, _| panic!("half a line is no line")), 2);
    }

    #[test]
    fn a_line_without_an_end_is_one_after_a_silence() {
        let mut assembler = Assembler::new(LineEnd::NewlineOrSilence, LINE_BYTES_MAX);
        let begin = Instant::now();
        assembler.push(begin, b"[addr]: hel", |_, _| panic!("not yet"));
        assembler.push(begin, b"lo", |_, _| panic!("not yet"));
        assert_eq!(assembler.deadline(), Some(begin + SILENCE));
        let mut lines = Vec::new();
        assembler.silence(|part, line| lines.push(text(part, line)));
        assert_eq!(lines, ["[addr]: hello"]);
        assert_eq!(assembler.deadline(), None);
        assert_eq!(push(&mut assembler, b"\nnext\nhalf"), ["next"], "the late newline is no empty line");
        assert_eq!(assembler.deadline(), None, "a server that ends lines ends all of them");
    }

    #[test]
    fn a_long_line_without_an_end_gets_more_time() {
        let mut assembler = Assembler::new(LineEnd::NewlineOrSilence, LINE_BYTES_MAX);
        let begin = Instant::now();
        assembler.push(begin, &[b'x'; SHORT_LINE_BYTES + 1], |_, _| panic!("not yet"));
        assert_eq!(assembler.deadline(), Some(begin + LONG_LINE_SILENCE));
        let mut shown = 0;
        assert_eq!(assembler.finish(|_, line| shown += line.len()), 0);
        assert_eq!(shown, SHORT_LINE_BYTES + 1);
    }

    #[test]
    fn an_endless_line_comes_in_whole_characters_and_bounded_pieces() {
        let mut assembler = Assembler::new(LineEnd::Newline, LINE_BYTES_MAX);
        let mut pieces = Vec::new();
        let chunk = "aé€".repeat(1000) + "a";
        let mut sent = 0;
        while pieces.len() < 3 {
            // Odd chunks, so that pieces would end inside characters.
            for byte in chunk.as_bytes().chunks(7) {
                assembler.push(Instant::now(), byte, |part, piece| pieces.push((part, piece.to_vec())));
                sent += byte.len();
            }
            assert!(assembler.held.len() <= LINE_BYTES_MAX);
        }
        assembler.push(Instant::now(), b"\n", |part, piece| pieces.push((part, piece.to_vec())));
        let parts: Vec<Part> = pieces.iter().map(|(part, _)| *part).collect();
        assert_eq!(parts, [Part::First, Part::Middle, Part::Middle, Part::Last]);
        assert!(pieces.iter().all(|(_, piece)| std::str::from_utf8(piece).is_ok()));
        assert_eq!(pieces.iter().map(|(_, piece)| piece.len()).sum::<usize>(), sent);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(bytes in "[ab\r\n]{0,60}", cuts in proptest::collection::vec(0usize..60, 0..6)) {
            let mut whole = Assembler::new(LineEnd::Newline, LINE_BYTES_MAX);
            let expected = push(&mut whole, bytes.as_bytes());
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut split = Assembler::new(LineEnd::Newline, LINE_BYTES_MAX);
            let lines: Vec<String> =
                cuts.windows(2).flat_map(|ends| push(&mut split, &bytes.as_bytes()[ends[0]..ends[1]])).collect();
            prop_assert_eq!(lines, expected);
        }
    }
}
