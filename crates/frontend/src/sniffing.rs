//! A connection that has not said which protocol it speaks, or anything at all.
//!
//! Nobody's hello begins here: the first bytes decide (`wire::sniff`), and go whole to the
//! protocol that they begin. Who says nothing, or nothing but blanks and line ends, gets the
//! prompt of the text protocol. Whoever gets it without a word may still begin any other.
//!
//! ```text
//! silent ──prompt delay──▶ prompted ──hello time──▶ ends
//!    └────────bytes───────────┴──▶ a protocol
//! ```

use broker::Instant;
use wire::sniff::{Sniffed, sniff};
use wire::text::is_blank;

use crate::event::CloseReason;
use crate::limits::Limits;
use crate::link::ReadEnd;
use crate::text::First;

/// Waits for first bytes.
#[derive(Debug)]
pub(crate) struct Sniffing {
    first: First,
    opened: Instant,
}

/// What the first bytes, or their lack, amount to.
#[derive(Debug)]
pub(crate) enum Decided {
    /// Nothing yet; look again then.
    Wait(Instant),
    /// Whoever is silent is prompted; look again then.
    Prompt(Instant),
    /// The text protocol; who spoke first, and when that was due.
    Text { first: First, opened: Instant },
    /// MQTT, from a client that was not prompted.
    Mqtt,
    /// HTTP, from a client that was not prompted.
    Http,
    /// It ends.
    End(CloseReason),
}

impl Sniffing {
    pub(crate) fn new(now: Instant) -> Self {
        Self { first: First::Client, opened: now }
    }

    /// Looks at everything received so far.
    pub(crate) fn received(&self, now: Instant, bytes: &[u8], read_end: ReadEnd, limits: &Limits) -> Decided {
        let is_all = read_end == ReadEnd::Closed;
        let is_silent = is_blank(bytes) && bytes.len() <= limits.hello_bytes_max;
        match sniff(bytes) {
            Sniffed::Undecided | Sniffed::Text if is_silent => Decided::Wait(match self.first {
                First::Client => self.opened.after(limits.prompt_delay),
                First::Server => self.latest(limits),
            }),
            Sniffed::Text => self.text(),
            // The beginning of a word of either protocol, and nothing follows.
            Sniffed::Undecided if is_all => self.text(),
            // Whoever was prompted is typing.
            Sniffed::Undecided if self.first == First::Server => Decided::Wait(self.latest(limits)),
            Sniffed::Undecided => Decided::Wait(now.after(limits.prompt_delay).min(self.latest(limits))),
            // What was said to it is no MQTT, and cannot be taken back.
            Sniffed::Mqtt if self.first == First::Client => Decided::Mqtt,
            Sniffed::Http if self.first == First::Client => Decided::Http,
            foreign => Decided::End(CloseReason::Foreign(foreign)),
        }
    }

    /// The time that was waited for has come.
    pub(crate) fn timeout(&mut self, now: Instant, bytes: &[u8], limits: &Limits) -> Decided {
        match self.first {
            _ if !is_blank(bytes) => self.text(),
            First::Server => Decided::End(CloseReason::Silent),
            First::Client => {
                (self.first, self.opened) = (First::Server, now);
                Decided::Prompt(self.latest(limits))
            }
        }
    }

    fn text(&self) -> Decided {
        Decided::Text { first: self.first, opened: self.opened }
    }

    fn latest(&self, limits: &Limits) -> Instant {
        self.opened.after(limits.hello_time)
    }
}

/// What a client gets that begins a protocol which is not spoken, if anything would reach it.
pub(crate) fn farewell(begun: Sniffed) -> Option<&'static str> {
    match begun {
        Sniffed::Http => Some(HTTP_ANSWER),
        _ => None,
    }
}

const HTTP_ANSWER: &str = "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain\r\n\
    Content-Length: 48\r\nConnection: close\r\n\r\nToo late for HTTP: you were asked for your role\n";
