//! Queues within their bounds, looked at after every turn.

use broker::{QueueState, Queued};
use frontend::Limits;

use crate::check::Violation;
use crate::record::Replay;

/// Bytes that a run may cost besides its buffer and its spans; the broker's own figure is lower.
const RUN_OVERHEAD_MAX: usize = 512;
/// Bytes of head and tail that stand around a message in any format.
const LINE_OVERHEAD_MAX: usize = 400;
/// How much longer a byte may become when it is shown.
const ESCAPE_MAX: usize = 6;

/// An `OK` with its newline, an answer of HTTP with its head, and what else a publisher may be told.
pub(crate) const REPLY_BYTES: usize = 3;
pub(crate) const ANSWER_BYTES: usize = 400;
const PROMPTS_BYTES_MAX: usize = 128;

/// What one call may cost, in the stations' own units of about a nanosecond: the worlds here are
/// small, so what grows with what others hold shows long before it is a millisecond.
const WORK_MAX: u64 = 200_000;

/// What a shard says that waits in all queues is what waits there.
pub(crate) fn check_queued(said: Queued, is: Queued, found: &mut Vec<Violation>) {
    if said != is {
        found.push(Violation::new("queues", format!("{said:?} by the broker, {is:?} in fact")));
    }
}

/// The largest inputs that any station was given so far.
#[derive(Debug, Default)]
pub(crate) struct Largest {
    chunk_bytes: usize,
    messages: usize,
    memory_bytes: usize,
    read_bytes: usize,
}

impl Largest {
    pub(crate) fn saw(&mut self, chunk_bytes: usize, messages: usize) {
        self.chunk_bytes = self.chunk_bytes.max(chunk_bytes);
        self.messages = self.messages.max(messages);
    }

    pub(crate) fn run_bytes(&self) -> usize {
        run_bytes(self.chunk_bytes, self.messages)
    }

    /// What the runs of one read cost: of MQTT each message may be one.
    pub(crate) fn saw_read(&mut self, bytes: usize) {
        self.read_bytes = self.read_bytes.max(bytes);
    }

    /// What one read brings at most.
    pub(crate) fn read_bytes(&self) -> usize {
        self.read_bytes.max(self.run_bytes())
    }

    pub(crate) fn saw_memory(&mut self, bytes: usize) {
        self.memory_bytes = self.memory_bytes.max(bytes);
    }

    /// The most that was charged at any time.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }
}

/// What a run of a chunk costs at most.
pub(crate) fn run_bytes(chunk_bytes: usize, messages: usize) -> usize {
    chunk_bytes + 2 * 8 * messages + RUN_OVERHEAD_MAX
}

/// What the runs of a chunk cost at most if each message may be one.
pub(crate) fn runs_bytes(chunk_bytes: usize, messages: usize) -> usize {
    chunk_bytes + (2 * 8 + RUN_OVERHEAD_MAX) * messages.max(1)
}

/// Checks the bytes that wait in the core for one subscriber.
pub(crate) fn check_queue(
    queued: usize,
    replay: Replay,
    largest: &Largest,
    limits: &Limits,
    found: &mut Vec<Violation>,
) {
    let history = if replay == Replay::None { 0 } else { limits.core.replay_bytes_max };
    // The newest run stays however long it is, and so does one that was begun.
    let most = limits.core.queue_bytes_max + 2 * largest.run_bytes() + history;
    if queued > most {
        found.push(Violation::new("bounds", format!("{queued} bytes wait in a queue, at most {most} may")));
    }
}

/// Checks whom a queue holds up: nobody once it has lost something, and it is back when it is
/// empty.
pub(crate) fn check_brakes(state: QueueState, found: &mut Vec<Violation>) {
    if state.gap > 0 && state.brakes > 0 {
        let QueueState { gap, brakes, .. } = state;
        let what = format!("a queue that has lost {gap} messages brakes {brakes} publishers");
        found.push(Violation::new("brakes", what));
    }
    if state.is_behind && state.is_empty {
        found.push(Violation::new("brakes", "an empty queue counts as one that is behind".to_owned()));
    }
}

/// Checks what is kept of a connection that has not said what it is, or has nothing to say.
pub(crate) fn check_greeting(carry: usize, limits: &Limits, found: &mut Vec<Violation>) {
    let most = limits.hello_bytes_max + limits.core.read_bytes;
    if carry > most {
        found.push(Violation::new("bounds", format!("{carry} bytes are no hello yet, at most {most} may")));
    }
}

/// Answers that may wait for one publisher to read them, if each is so long: those to all that one read
/// brings come on top.
pub(crate) fn replies_bytes(reply_bytes: usize, largest: &Largest, limits: &Limits) -> usize {
    limits.replies_bytes_max + reply_bytes * largest.messages + PROMPTS_BYTES_MAX.max(reply_bytes)
}

/// Checks the answers that wait for one publisher to read them.
pub(crate) fn check_replies(waiting: usize, most: usize, found: &mut Vec<Violation>) {
    if waiting > most {
        let what = format!("{waiting} bytes of answers wait for a publisher, at most {most} may");
        found.push(Violation::new("bounds", what));
    }
}

/// Checks the bytes that wait for one socket.
///
/// MQTT cuts no message in parts: `whole` is the longest.
pub(crate) fn check_outgoing(
    waiting: usize,
    whole: usize,
    largest: &Largest,
    limits: &Limits,
    found: &mut Vec<Violation>,
) {
    let replies = limits.replies_bytes_max + REPLY_BYTES * largest.messages;
    // A part ends behind the piece that reaches its size, and a piece may be shown escaped.
    let part = limits.part_bytes + ESCAPE_MAX * limits.part_bytes.max(512) + LINE_OVERHEAD_MAX;
    let most = limits.write_bytes + part.max(whole) + replies;
    if waiting > most {
        found
            .push(Violation::new("bounds", format!("{waiting} bytes wait for a socket, at most {most} may")));
    }
}

/// Checks what the whole process holds: publishers of little go on for a while over the budget,
/// each station may have gone over that with one read, and after that each publisher may have had
/// one more, a short one.
pub(crate) fn check_memory(
    used: usize,
    (stations, publishers): (usize, usize),
    largest: &Largest,
    limits: &Limits,
    found: &mut Vec<Violation>,
) {
    let short_run = limits.short_run_bytes_max().min(largest.run_bytes());
    let budget = limits.core.memory_bytes_max + limits.core.memory_bytes_max / 32;
    let most = budget + stations * largest.read_bytes() + publishers * short_run;
    if used > most {
        found.push(Violation::new("bounds", format!("{used} bytes are charged, at most {most} may be")));
    }
}

/// No call does more work than a turn may.
pub(crate) fn check_work(work: u64, what: &str, violations: &mut Vec<Violation>) {
    if work > WORK_MAX {
        let text = format!("{what} cost {work} units of work, {WORK_MAX} are allowed");
        violations.push(Violation::new("work", text));
    }
}
