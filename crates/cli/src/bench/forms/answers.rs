//! What a publisher is answered, one answer for each message and in their order, and how long each took.

use std::collections::VecDeque;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;

use super::{Forms, Published};
use crate::bench::frames::Unframed;

#[derive(Debug)]
pub(crate) struct Answers {
    form: Published,
    /// Messages that may be unanswered.
    unanswered_max: u64,
    heard: u64,
    /// Of the answers heard, those whose times are taken.
    timed: u64,
    writes: VecDeque<Write>,
    /// The start of an answer whose end has not arrived.
    carry: Vec<u8>,
    unframed: Option<Unframed>,
    /// What stands before the number in all ids; learned from the first.
    origin: Option<Box<[u8]>>,
}

/// Messages that were written at once.
#[derive(Clone, Copy, Debug)]
struct Write {
    /// The number of the message behind the last one.
    upto: u64,
    at: Instant,
    phase: Phase,
}

/// Whether a message is one of those that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Measured,
    /// Before or behind them.
    Around,
}

impl Answers {
    /// `None` where nobody answers.
    pub(crate) fn new(forms: Forms) -> Option<Answers> {
        let unframed = match forms.published {
            Published::Lines => return None,
            Published::AckedLines | Published::Posts => None,
            Published::Frames => Some(Unframed::new()),
        };
        Some(Answers {
            form: forms.published,
            unanswered_max: forms.unanswered_max.get().into(),
            heard: 0,
            timed: 0,
            writes: VecDeque::new(),
            carry: Vec::new(),
            unframed,
            origin: None,
        })
    }

    /// How many messages may follow the first `sent`.
    pub(crate) fn free(&self, sent: u64) -> u64 {
        (self.heard + self.unanswered_max).saturating_sub(sent)
    }

    /// Of the first `sent` messages, those that are not answered.
    pub(crate) fn open(&self, sent: u64) -> u64 {
        sent.saturating_sub(self.heard)
    }

    /// The messages before `upto` that were not told yet are written; the write began `at` that time.
    pub(crate) fn sent(&mut self, upto: u64, at: Instant, phase: Phase) {
        self.writes.push_back(Write { upto, at, phase });
    }

    /// Takes what was read from the server, when the first `sent` messages were written, and how long they took.
    ///
    /// # Errors
    /// If the server refuses a message, or says anything but the answer to the next one.
    pub(crate) fn hear(
        &mut self,
        bytes: &[u8],
        sent: u64,
        times_ns: &mut Histogram<u64>,
    ) -> anyhow::Result<()> {
        match self.unframed.take() {
            Some(mut unframed) => {
                unframed.each(bytes, |data| self.take(data, sent))?;
                self.unframed = Some(unframed);
            }
            None => {
                let mut carry = std::mem::take(&mut self.carry);
                carry.extend_from_slice(bytes);
                let used = self.take(&carry, sent)?;
                carry.drain(..used);
                ensure!(carry.len() <= ANSWER_BYTES_MAX, "an answer that never ends");
                self.carry = carry;
            }
        }
        self.take_times(times_ns);
        Ok(())
    }

    /// Takes whole answers and tells how many bytes they were.
    fn take(&mut self, bytes: &[u8], sent: u64) -> anyhow::Result<usize> {
        let mut rest = bytes;
        while let Some(Answer { id, after }) = split(self.form, rest)? {
            ensure!(self.heard < sent, "the server answers what was not sent");
            if let Some(id) = id {
                self.check_id(id)?;
            }
            self.heard += 1;
            rest = after;
        }
        Ok(bytes.len() - rest.len())
    }

    /// An id ends with the number of its message among this publisher's.
    fn check_id(&mut self, id: &[u8]) -> anyhow::Result<()> {
        let shown =
            || format!("the answer to message {} has id {:?}", self.heard, String::from_utf8_lossy(id));
        let at = memchr::memrchr(b'-', id).with_context(shown)? + 1;
        let (origin, number) = id.split_at(at);
        let number = std::str::from_utf8(number).ok().and_then(|text| text.parse().ok());
        let is_right =
            number == Some(self.heard) && self.origin.as_deref().is_none_or(|known| known == origin);
        ensure!(is_right, shown());
        self.origin.get_or_insert_with(|| origin.into());
        Ok(())
    }

    fn take_times(&mut self, times_ns: &mut Histogram<u64>) {
        let now = Instant::now();
        while let Some(write) = self.writes.front().copied().filter(|_| self.timed < self.heard) {
            let upto = write.upto.min(self.heard);
            if write.phase == Phase::Measured {
                let took = u64::try_from(now.duration_since(write.at).as_nanos()).unwrap_or(u64::MAX);
                times_ns.saturating_record_n(took, upto.saturating_sub(self.timed));
            }
            self.timed = upto;
            if write.upto <= self.heard {
                self.writes.pop_front();
            }
        }
    }
}

/// An answer that a message is accepted.
#[derive(Clone, Copy, Debug)]
struct Answer<'a> {
    /// Of the message, if it is said.
    id: Option<&'a [u8]>,
    /// What follows the answer.
    after: &'a [u8],
}

/// The answer that bytes begin with; `None` if it is not whole.
fn split(form: Published, bytes: &[u8]) -> anyhow::Result<Option<Answer<'_>>> {
    let found = match form {
        Published::Lines | Published::AckedLines => split_line(bytes),
        Published::Posts => return split_response(bytes),
        Published::Frames => split_object(bytes),
    };
    let whole = match form {
        Published::Frames => memchr::memchr(b'}', bytes),
        _ => memchr::memchr(b'\n', bytes),
    };
    if found.is_none() && whole.is_some() {
        bail!("the server answers {:?}", String::from_utf8_lossy(bytes.get(..SHOWN_BYTES).unwrap_or(bytes)));
    }
    Ok(found)
}

fn split_line(bytes: &[u8]) -> Option<Answer<'_>> {
    Some(Answer { id: None, after: bytes.strip_prefix(b"OK\n")? })
}

fn split_object(bytes: &[u8]) -> Option<Answer<'_>> {
    let id = bytes.strip_prefix(b"{\"event\":\"published\",\"ref\":1,\"id\":\"")?;
    let (id, rest) = id.split_at_checked(memchr::memchr(b'"', id)?)?;
    Some(Answer { id: Some(id), after: rest.strip_prefix(b"\"}")? })
}

/// A head with a length, and a body.
fn split_response(bytes: &[u8]) -> anyhow::Result<Option<Answer<'_>>> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let (head, rest) = bytes.split_at(end + 4);
    let shown = || format!("the server answers {:?}", String::from_utf8_lossy(bytes));
    ensure!(head.starts_with(b"HTTP/1.1 200 "), shown());
    let length = memchr::memmem::find(head, LENGTH).and_then(|at| head.get(at + LENGTH.len()..));
    let digits = length.and_then(|text| text.split(|byte| *byte == b'\r').next());
    let length = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let Some((body, after)) = rest.split_at_checked(length.with_context(shown)?) else { return Ok(None) };
    let id = body.strip_prefix(b"{\"id\":\"").and_then(|body| body.strip_suffix(b"\"}\n"));
    Ok(Some(Answer { id: Some(id.with_context(shown)?), after }))
}

const LENGTH: &[u8] = b"\r\ncontent-length: ";
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const SHOWN_BYTES: usize = 160;

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
