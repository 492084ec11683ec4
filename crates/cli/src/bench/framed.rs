//! Protocols of other brokers, as data: what is said on connecting, and what stands around a payload, the same each time.
//!
//! Which ones there are is not known here; the crate `bench` has them. They acknowledge nothing that is published, and
//! whoever is answered on subscribing is live.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::head::Head;
use super::ledger::{Ledger, Seen, Senders};
use super::payload::{STAMP_BYTES, Stamp, fixed_topic_name};
use super::target::Role;

/// A protocol. `{topic}` stands for a topic, `{length}` for its length, `{size}` for that of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// What it is called.
    pub name: &'static str,
    /// What a publisher says first.
    pub publisher: Hello,
    /// What a subscriber says first.
    pub subscriber: Hello,
    /// What stands before a payload that is published.
    pub published: &'static str,
    /// What stands before a payload that is delivered.
    pub delivered: &'static str,
    /// What follows a payload on both ways.
    pub tail: &'static str,
    /// What the server may say between deliveries, and may be left unanswered for the time of a run.
    pub asides: &'static [&'static str],
}

/// Said on connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// All at once.
    pub says: &'static str,
    /// What the server's answer to that ends with.
    pub answer: &'static str,
}

impl Framing {
    /// What one of this role says, and what the answer ends with.
    #[must_use]
    pub fn hello(&self, role: Role, topic: &str) -> (String, String) {
        let Hello { says, answer } = match role {
            Role::Publisher => self.publisher,
            Role::Subscriber => self.subscriber,
        };
        (fill(says, topic, 0), fill(answer, topic, 0))
    }

    /// What stands before all payloads that are published to a topic.
    pub(super) fn head(&self, topic: &str, payload_bytes: usize) -> Head {
        Head::constant(fill(self.published, topic, payload_bytes).into_bytes())
    }
}

fn fill(template: &str, topic: &str, size: usize) -> String {
    let length = topic.len().to_string();
    template.replace("{topic}", topic).replace("{length}", &length).replace("{size}", &size.to_string())
}

/// Says hello and waits for the answer.
///
/// # Errors
/// If there is none within ten seconds.
pub(super) fn greet(
    stream: &mut TcpStream,
    framing: &Framing,
    role: Role,
    topic: &str,
) -> anyhow::Result<()> {
    stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    let (says, answer) = framing.hello(role, topic);
    stream.write_all(says.as_bytes()).context("greeting the server")?;
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    while !heard.ends_with(answer.as_bytes()) {
        let count = stream.read(&mut buffer).with_context(|| format!("it answered {}", shown(&heard)))?;
        ensure!(count > 0, "it closed the connection after {}", shown(&heard));
        heard.extend(buffer.iter().take(count));
        ensure!(heard.len() <= ANSWER_BYTES_MAX, "an answer of {} bytes", heard.len());
    }
    Ok(())
}

/// Whether the messages of one subscriber are what was published.
#[derive(Debug)]
pub(super) struct FramedCheck {
    framing: &'static Framing,
    head: Head,
    /// What follows a stamp; shared by all checks of a thread.
    padding: Arc<[u8]>,
    ledger: Ledger,
}

impl FramedCheck {
    pub(super) fn new(framing: &'static Framing, senders: Senders, padding: Arc<[u8]>) -> FramedCheck {
        let payload_bytes = STAMP_BYTES + padding.len() - framing.tail.len();
        let topic = fixed_topic_name(senders.topic);
        let head = Head::constant(fill(framing.delivered, &topic, payload_bytes).into_bytes());
        FramedCheck { framing, head, padding, ledger: Ledger::new(senders) }
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Checks all whole messages in `bytes` and tells how many bytes they were.
    ///
    /// # Errors
    /// If anything else is between them.
    pub(super) fn consume(&mut self, bytes: &[u8], mut seen: impl FnMut(Seen)) -> anyhow::Result<usize> {
        let mut rest = bytes;
        loop {
            rest = self.head.expected_run(&self.padding, &mut self.ledger, rest, &mut seen, |_| {});
            let mut asides = self.framing.asides.iter();
            if let Some(after) = asides.find_map(|aside| rest.strip_prefix(aside.as_bytes())) {
                rest = after;
                continue;
            }
            let message_bytes = self.head.len() + STAMP_BYTES + self.padding.len();
            let Some((message, after)) = rest.split_at_checked(message_bytes) else { break };
            match self.parse(message) {
                Some((slot, sequence)) => self.ledger.enter_one(slot, sequence, &mut seen),
                None => bail!("the server sent a subscriber {}", shown(message)),
            }
            rest = after;
        }
        ensure!(self.may_begin(rest), "the server sent a subscriber {}", shown(rest));
        Ok(bytes.len() - rest.len())
    }

    /// Slot and number of a message that may have been published.
    fn parse(&self, message: &[u8]) -> Option<(usize, u64)> {
        let stamped = message.strip_prefix(self.head.bytes())?.strip_suffix(&*self.padding)?;
        let (publisher, sequence) = Stamp::from_bytes(stamped.try_into().ok()?).parse()?;
        self.ledger.slot_of(publisher).map(|slot| (slot, sequence))
    }

    /// Whether what is left may be the start of something whose end has not arrived: an error that is shorter than a
    /// message must not be waited for.
    fn may_begin(&self, rest: &[u8]) -> bool {
        let agrees = |expected: &[u8]| rest.iter().zip(expected).all(|(one, other)| one == other);
        agrees(self.head.bytes()) || self.framing.asides.iter().any(|aside| agrees(aside.as_bytes()))
    }
}

fn shown(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes.get(..SHOWN_BYTES_MAX).unwrap_or(bytes)))
}

const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const SHOWN_BYTES_MAX: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::ledger::Tally;

    const FRAMING: Framing = Framing {
        name: "test",
        publisher: Hello { says: "HELLO\n", answer: "YES\n" },
        subscriber: Hello { says: "HELLO {topic} {length}\n", answer: "{topic}\n" },
        published: "PUT {topic} {size}\n",
        delivered: "GET {topic} {size}\n",
        tail: "\r\n",
        asides: &["PING\r\n"],
    };

    fn message(publisher: u16, sequence: u64) -> String {
        format!("GET b00003 20\n{publisher:04x}{sequence:012x}xxxx\r\n")
    }

    /// The tally of a subscriber of topic 3 of 4 with two publishers, the same however the bytes are cut.
    fn consume(text: &str) -> anyhow::Result<Tally> {
        let senders = Senders { topic: 3, topics: 4, slots: 2, period: u64::MAX };
        let in_steps = |step: usize| {
            let mut check = FramedCheck::new(&FRAMING, senders, b"xxxx\r\n".as_slice().into());
            let mut carry = Vec::new();
            for piece in text.as_bytes().chunks(step) {
                carry.extend(piece);
                let used = check.consume(&carry, |_| {})?;
                carry.drain(..used);
            }
            anyhow::Ok(check.ledger().tally().clone())
        };
        let whole = in_steps(text.len())?;
        for step in 1..text.len() {
            assert_eq!(in_steps(step).unwrap(), whole, "{step} bytes at a time");
        }
        Ok(whole)
    }

    #[test]
    fn templates_are_filled() {
        assert_eq!(FRAMING.hello(Role::Subscriber, "ab"), ("HELLO ab 2\n".to_owned(), "ab\n".to_owned()));
        assert_eq!(FRAMING.head("b00001", 300).bytes(), b"PUT b00001 300\n");
    }

    #[test]
    fn messages_of_all_publishers_are_counted_whatever_is_said_between_them() {
        let text = [message(3, 0), message(7, 0), "PING\r\n".to_owned(), message(3, 1), message(7, 1)];
        assert_eq!(consume(&text.concat()).unwrap(), Tally { received: 4, ..Tally::default() });
    }

    #[test]
    fn what_is_repeated_or_late_is_noticed() {
        let tally = consume(&[0, 2, 1, 1, 3].map(|number| message(3, number)).concat()).unwrap();
        assert_eq!(tally, Tally { received: 4, misordered: 1, duplicates: 1, ..Tally::default() });
    }

    #[test]
    fn an_error_of_the_server_is_no_start_of_a_message() {
        for wrong in ["-ERR slow\r\n", "GET b00004", &message(4, 0), &message(3, 0).replace("xxxx", "xxxy")] {
            let error = consume(&(message(3, 0) + wrong)).unwrap_err().to_string();
            assert!(error.contains(wrong.get(..5).unwrap()), "{error}");
        }
    }
}
