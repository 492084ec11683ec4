//! The hello of the text protocol: what its bytes say, when it is whole, and whether it is framed.
//!
//! ```text
//! Word ──newline──▶ known, framed
//!   └──settle time──▶ known, unframed
//! ```
//! It begins with the first word: who is silent, or sends blanks, has not decided for text yet.
//! A hello without a newline is taken as whole once nothing follows for the settle time, or
//! once bytes follow a role word that cannot belong to it. A shard that is behind may read what
//! follows together with the hello, or long after the settle time: what the client had said
//! when that time was over is the hello.

use broker::Instant;
use wire::text::{Hello, RoleWord, is_blank, next_line, parse_hello, role_word};

use crate::event::CloseReason;
use crate::limits::Limits;

/// A listener's setting for clients that send role and topic as two messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TopicPrompt {
    /// A hello without a topic is complete.
    #[default]
    Off,
    /// A hello without a topic is followed by one more message with the topic.
    On,
}

/// Whether newlines end this client's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// A newline ends a message, and nothing else does.
    Framed,
    /// The end of a read ends a message as well.
    Unframed,
    /// Unframed so far, but nothing followed yet: a lone newline still makes it framed.
    Fresh,
}

/// Who spoke first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    Client,
    Server,
}

/// A hello under way.
#[derive(Debug)]
pub(super) struct HelloState {
    pub(super) first: First,
    opened: Instant,
    /// Length of the role word that was complete when the last read ended.
    word: Option<usize>,
    /// How much there was after the last read, and when that is taken as whole.
    settles: Option<(usize, Instant)>,
}

/// What the bytes so far amount to.
#[derive(Debug)]
pub(super) enum Progress {
    /// Nothing yet; look again at this time at the latest.
    Wait(Instant),
    /// A hello, in the first `used` bytes.
    Known { hello: Box<Hello>, framing: Framing, used: usize },
    /// No hello and no hope of one.
    Refused(CloseReason),
}

impl HelloState {
    pub(super) fn new(first: First, opened: Instant) -> Self {
        Self { first, opened, word: None, settles: None }
    }

    /// Looks at everything received so far.
    pub(super) fn received(&mut self, now: Instant, bytes: &[u8], limits: &Limits) -> Progress {
        if let Some(settled) = self.settled(now, bytes) {
            return settled;
        }
        let progress = self.look(now, bytes, limits);
        self.settles = match &progress {
            Progress::Wait(until) => Some((bytes.len(), *until)),
            _ => None,
        };
        progress
    }

    /// The hello of the read before, if it was whole before this one and its timer was late.
    /// A role word alone goes on with a separator: one dialect sends `PUBLISHER`, then `,NEWS`.
    fn settled(&self, now: Instant, bytes: &[u8]) -> Option<Progress> {
        let (len, _) = self.settles.filter(|(_, at)| *at <= now)?;
        let (text, rest) = bytes.split_at_checked(len)?;
        let goes_on = role_word(text) == RoleWord::Complete && rest.first().is_none_or(separates);
        let hello = parse_hello(text).ok().filter(|_| !goes_on && !rest.is_empty())?;
        Some(Progress::Known { hello: Box::new(hello), framing: Framing::Fresh, used: len })
    }

    fn look(&mut self, now: Instant, bytes: &[u8], limits: &Limits) -> Progress {
        if let Some(word) = self.bare_word(bytes) {
            return known(word, Framing::Unframed, word.len());
        }
        let mut start = 0;
        while let Some(line) = next_line(bytes, start, start) {
            let text = bytes.get(start..line.end).unwrap_or_default();
            if !is_blank(text) {
                return match text.len() > limits.hello_bytes_max {
                    true => too_long(limits),
                    false => known(text, Framing::Framed, line.next),
                };
            }
            start = line.next;
        }
        if bytes.len() > limits.hello_bytes_max {
            return too_long(limits);
        }
        let ends_in_blank = bytes.last().is_some_and(|b| matches!(b, b' ' | b'\t'));
        self.word = (role_word(bytes) == RoleWord::Complete && !ends_in_blank).then_some(bytes.len());
        match role_word(bytes) {
            // Whoever was prompted is typing.
            RoleWord::Beginning if self.first == First::Server => Progress::Wait(self.latest(limits)),
            RoleWord::Beginning => Progress::Wait(now.after(limits.prompt_delay).min(self.latest(limits))),
            _ => Progress::Wait(now.after(limits.settle_time).min(self.latest(limits))),
        }
    }

    /// The role word of the read before, if what follows it cannot belong to a hello: then the
    /// word was all of it, and a message follows.
    fn bare_word<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (word, rest) = bytes.split_at_checked(self.word?)?;
        let first_word = bytes.trim_ascii_start().split(separates).next().unwrap_or_default();
        // The longer spelling may come in two pieces: SUB, then SCRIBER:sports.
        let goes_on = role_word(first_word) != RoleWord::Other || rest.first().is_none_or(separates);
        (!goes_on).then_some(word)
    }

    /// The time that was waited for has come.
    pub(super) fn timeout(bytes: &[u8]) -> Progress {
        known(bytes, Framing::Fresh, bytes.len())
    }

    /// When the hello must be whole, however slowly it comes.
    fn latest(&self, limits: &Limits) -> Instant {
        self.opened.after(limits.hello_time)
    }
}

/// Whether a byte ends a role word and the hello goes on behind it.
fn separates(b: &u8) -> bool {
    b.is_ascii_whitespace() || matches!(b, b':' | b',' | b'|')
}

fn too_long(limits: &Limits) -> Progress {
    let line = format!("Hello too long: limit is {} bytes", limits.hello_bytes_max);
    Progress::Refused(CloseReason::Refused(line))
}

fn known(text: &[u8], framing: Framing, used: usize) -> Progress {
    match parse_hello(text) {
        Ok(hello) => Progress::Known { hello: Box::new(hello), framing, used },
        Err(error) => Progress::Refused(CloseReason::Refused(error.to_string())),
    }
}
