//! What a received line looks like: as it came in a pipe or a file, harmless on a terminal.

use super::assemble::Part;
use crate::visible::{visible, visible_json};

/// How lines are to be shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// Stands before each line.
    pub(super) prefix: &'static str,
    pub(super) target: Target,
}

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Whatever could drive the terminal or hide is escaped as `\x1b`, `\u{202e}`.
    Terminal,
    /// The same for JSON, whose own escapes keep the object the same: `\u202e`.
    JsonTerminal,
    /// Bytes as they came.
    Elsewhere,
}

impl Style {
    /// Appends a line or a part of one. Only what ends a line brings a newline.
    pub(super) fn render(self, out: &mut Vec<u8>, part: Part, text: &[u8]) {
        if matches!(part, Part::Whole | Part::First) {
            out.extend_from_slice(self.prefix.as_bytes());
        }
        match self.target {
            Target::Elsewhere => out.extend_from_slice(text),
            Target::Terminal => out.extend_from_slice(visible(text).as_bytes()),
            Target::JsonTerminal => out.extend_from_slice(visible_json(text).as_bytes()),
        }
        if matches!(part, Part::Whole | Part::Last) {
            out.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visible::is_hidden;
    use proptest::prelude::*;

    fn rendered(style: Style, part: Part, text: &[u8]) -> String {
        let mut out = Vec::new();
        style.render(&mut out, part, text);
        String::from_utf8(out).unwrap()
    }
    const ON_TERMINAL: Style = Style { prefix: "Server: ", target: Target::Terminal };
    const JSON: Style = Style { prefix: "", target: Target::JsonTerminal };

    #[test]
    fn lines_on_a_terminal() {
        for (text, shown) in [
            (&b"[('127.0.0.1', 54321)]: Hello"[..], "Server: [('127.0.0.1', 54321)]: Hello\n"),
            (b"\x1b[2J\tx\x07\x7f", "Server: \\x1b[2J\tx\\x07\\x7f\n"),
            (
                "\u{202e}evil \u{2066}\u{200b}\u{feff}\u{9b}".as_bytes(),
                "Server: \\u{202e}evil \\u{2066}\\u{200b}\\u{feff}\\u{9b}\n",
            ),
            ("Grüße 👨\u{200d}👩".as_bytes(), "Server: Grüße 👨\u{200d}👩\n"),
            (b"a\xffb\xc3", "Server: a\\xffb\\xc3\n"),
        ] {
            assert_eq!(rendered(ON_TERMINAL, Part::Whole, text), shown);
        }
    }

    #[test]
    fn pieces_make_one_line() {
        let mut out = Vec::new();
        for (part, text) in [(Part::First, "a"), (Part::Middle, "b"), (Part::Last, "c")] {
            ON_TERMINAL.render(&mut out, part, text.as_bytes());
        }
        assert_eq!(out, b"Server: abc\n");
    }

    #[test]
    fn json_on_a_terminal_is_still_the_same_json() {
        let line =
            serde_json::json!({ "payload": "\u{202e}x\u{7f}\u{85}\u{200b}\x1b", "topic": "ü" }).to_string();
        let shown = rendered(JSON, Part::Whole, line.as_bytes());
        assert!(!shown.trim_end().contains(|c| wire::printable::is_control(c) || is_hidden(c)), "{shown}");
        let (before, after): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(&line).unwrap(), serde_json::from_str(&shown).unwrap());
        assert_eq!(before, after);
    }

    proptest! {
        #[test]
        fn nothing_drives_a_terminal(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC*[\u{0}-\u{a0}\u{200b}-\u{206f}]*") {
            for text in [&bytes, text.as_bytes()] {
                for style in [ON_TERMINAL, JSON] {
                    let shown = rendered(style, Part::Whole, text);
                    let line = shown.strip_suffix('\n').unwrap();
                    prop_assert!(!line.contains(|c| wire::printable::is_control(c) || is_hidden(c)), "{:?}", line);
                }
            }
        }

        #[test]
        fn a_pipe_gets_the_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            Style { prefix: "Server: ", target: Target::Elsewhere }.render(&mut out, Part::Whole, &bytes);
            prop_assert_eq!(out, [b"Server: ", &bytes[..], b"\n"].concat());
        }
    }
}
