//! What a session does with the lines that it receives.

use std::io;
use std::time::Instant;

use super::assemble::{Assembler, LineEnd, Part};
use super::hello::Framing;
use super::limits::{JSON_LINE_BYTES_MAX, LINE_BYTES_MAX};
use super::output::Output;
use super::payload::payload;
use super::render::Style;
use crate::visible::visible;

/// The receiving side of one connection.
#[derive(Debug)]
pub(super) struct Incoming {
    assembler: Assembler,
    reader: Reader,
    seen: Seen,
    tally: Tally,
}

/// Who reads the lines.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reader {
    /// A subscriber: they are the messages.
    Subscriber(Style),
    /// One that wants the payloads in them and nothing else.
    Raw(Style),
    /// A publisher: the server has something to say about what was sent.
    Publisher,
    /// One that asked for `OK` after each message.
    Confirmed,
}

/// What was received so far on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Nothing,
    Lines,
}

/// What is counted, over all connections.
#[derive(Debug, Default)]
struct Tally {
    /// How many messages a subscriber still wants; `None`: any number.
    left: Option<u64>,
    /// How many messages of a publisher the server has confirmed.
    confirmed: u64,
}

/// What the lines mean for the session.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    GoOn,
    /// Every message that was wanted is here.
    Enough,
    /// The server said `terminate`.
    ServerEnded,
    /// The first line says why the hello was refused.
    Refused(String),
}

impl Incoming {
    pub(super) fn new(framing: Framing, reader: Reader) -> Self {
        Self { assembler: assembler(framing, reader), reader, seen: Seen::Nothing, tally: Tally::default() }
    }

    /// The end comes after so many messages, over all connections.
    pub(super) fn expect(mut self, messages: Option<u64>) -> Self {
        self.tally.left = messages;
        self
    }

    /// Another connection of the same session.
    pub(super) fn begin(&mut self, framing: Framing) {
        self.assembler = assembler(framing, self.reader);
        self.seen = Seen::Nothing;
    }

    /// How many messages the server has confirmed, if it was asked to.
    pub(super) fn confirmed(&self) -> Option<u64> {
        matches!(self.reader, Reader::Confirmed).then_some(self.tally.confirmed)
    }

    /// When [`Self::silence`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.assembler.deadline()
    }

    /// Whether anything but a refusal was received.
    pub(super) fn has_lines(&self) -> bool {
        self.seen == Seen::Lines
    }

    /// Shows the lines that these bytes complete.
    ///
    /// # Errors
    /// Those of standard output.
    pub(super) fn take(&mut self, bytes: &[u8], output: &mut Output) -> io::Result<Verdict> {
        let mut page = Page::new(self.reader, &mut self.seen, &mut self.tally);
        self.assembler.push(Instant::now(), bytes, |part, line| page.add(part, line));
        page.show(output)
    }

    /// Shows what arrived without a line end.
    ///
    /// # Errors
    /// Those of standard output.
    pub(super) fn silence(&mut self, output: &mut Output) -> io::Result<Verdict> {
        let mut page = Page::new(self.reader, &mut self.seen, &mut self.tally);
        self.assembler.silence(|part, line| page.add(part, line));
        page.show(output)
    }

    /// Shows what is left when the server is gone, and says if half a line had to be dropped.
    ///
    /// # Errors
    /// Those of standard output.
    pub(super) fn finish(&mut self, output: &mut Output) -> io::Result<Verdict> {
        let mut page = Page::new(self.reader, &mut self.seen, &mut self.tally);
        let dropped = self.assembler.finish(|part, line| page.add(part, line));
        let verdict = page.show(output);
        if dropped > 0 {
            output.report(&format!("the last message broke off after {dropped} bytes and is not shown"));
        }
        verdict
    }
}

/// The lines of one read, printed together.
struct Page<'a> {
    reader: Reader,
    seen: &'a mut Seen,
    tally: &'a mut Tally,
    lines: Vec<u8>,
    /// What the server says that is no message.
    asides: Vec<String>,
    verdict: Verdict,
}

impl<'a> Page<'a> {
    fn new(reader: Reader, seen: &'a mut Seen, tally: &'a mut Tally) -> Self {
        Self { reader, seen, tally, lines: Vec::new(), asides: Vec::new(), verdict: Verdict::GoOn }
    }

    fn add(&mut self, part: Part, line: &[u8]) {
        if self.verdict != Verdict::GoOn {
            return;
        }
        if part == Part::Whole && wire::text::is_terminate(line) {
            self.verdict = Verdict::ServerEnded;
            return;
        }
        // No message begins like this: each format begins with a bracket, a brace or a time.
        if part == Part::Whole && *self.seen == Seen::Nothing && line.starts_with(b"Invalid ") {
            self.verdict = Verdict::Refused(visible(line));
            return;
        }
        if matches!(self.reader, Reader::Confirmed) && line == wire::text::OK_LINE.trim_end().as_bytes() {
            self.tally.confirmed += 1;
            return;
        }
        *self.seen = Seen::Lines;
        match self.reader {
            Reader::Subscriber(style) => {
                style.render(&mut self.lines, part, line);
                if matches!(part, Part::Whole | Part::Last) && !is_gap(line) {
                    self.count();
                }
            }
            Reader::Raw(style) => match payload(line) {
                Some(payload) if part == Part::Whole => {
                    style.render(&mut self.lines, part, &payload);
                    self.count();
                }
                // A gap, a complaint, or a line that is longer than any of our server's.
                _ => self.asides.push(visible(line)),
            },
            Reader::Publisher | Reader::Confirmed => self.asides.push(visible(line)),
        }
    }

    fn count(&mut self) {
        if let Some(left) = &mut self.tally.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.verdict = Verdict::Enough;
            }
        }
    }

    fn show(self, output: &mut Output) -> io::Result<Verdict> {
        if !self.lines.is_empty() {
            output.lines(&self.lines)?;
        }
        for aside in self.asides {
            output.report(&format!("server: {aside}"));
        }
        Ok(self.verdict)
    }
}

fn assembler(framing: Framing, reader: Reader) -> Assembler {
    let line_end = match framing {
        Framing::Lines => LineEnd::Newline,
        Framing::Reads => LineEnd::NewlineOrSilence,
    };
    let line_bytes_max = match reader {
        Reader::Raw(_) => JSON_LINE_BYTES_MAX,
        Reader::Subscriber(_) | Reader::Publisher | Reader::Confirmed => LINE_BYTES_MAX,
    };
    Assembler::new(line_end, line_bytes_max)
}

/// Whether a line says that messages are missing. A message of the topic `GAP` begins with `[GAP]` or
/// `[GAP |`, and no JSON line of a message with that key.
fn is_gap(line: &[u8]) -> bool {
    let count = line.strip_prefix(b"[GAP ").or_else(|| line.strip_prefix(b"{\"gap\":"));
    count.and_then(<[u8]>::first).is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::render::Target;

    /// What these lines mean on a connection on which this was seen, and what is printed of them.
    fn page(mut seen: Seen, lines: &[&str]) -> (Verdict, String) {
        let style = Style { prefix: "Server: ", target: Target::Terminal };
        let mut tally = Tally { left: Some(2), confirmed: 0 };
        let mut page = Page::new(Reader::Subscriber(style), &mut seen, &mut tally);
        lines.iter().for_each(|line| page.add(Part::Whole, line.as_bytes()));
        (page.verdict, String::from_utf8(page.lines).unwrap())
    }

    #[test]
    fn terminate_alone_in_its_line_ends_the_session() {
        let (verdict, shown) = page(Seen::Nothing, &["[a]: terminate", "TERMINATE ", "[a]: too late"]);
        assert_eq!((verdict, shown.as_str()), (Verdict::ServerEnded, "Server: [a]: terminate\n"));
    }

    #[test]
    fn messages_are_counted_and_gaps_are_not() {
        let gap = wire::text::gap_line(wire::text::Format::From, 3);
        let gap = gap.trim_end();
        let (verdict, shown) = page(Seen::Nothing, &["[a]: 1", gap, "{\"gap\":3}"]);
        assert_eq!((verdict, shown.lines().count()), (Verdict::GoOn, 3));
        let (verdict, shown) =
            page(Seen::Nothing, &["[GAP | FROM a:1] : 1", gap, "[GAP] ('a', 1): 2", "[a]: too many"]);
        assert_eq!((verdict, shown.lines().count()), (Verdict::Enough, 3));
    }

    #[test]
    fn only_the_first_line_can_be_a_refusal() {
        let (verdict, shown) = page(Seen::Nothing, &["Invalid topic \"\x1b\": no"]);
        assert_eq!(verdict, Verdict::Refused("Invalid topic \"\\x1b\": no".to_owned()));
        assert_eq!(shown, "");
        let (verdict, shown) = page(Seen::Lines, &["Invalid topic"]);
        assert_eq!((verdict, shown.as_str()), (Verdict::GoOn, "Server: Invalid topic\n"));
    }
}
