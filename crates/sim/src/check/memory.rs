//! What is held is charged.
//!
//! The account is compared with a sum that knows nothing of charges: what each station says it
//! holds, looked at after every turn.

use broker::{Gauge, Use};

use crate::check::Violation;
use crate::check::bounds::Largest;

/// What a run's place in a queue costs at least.
const PLACE_BYTES_MIN: usize = 32;
/// Words that are the same for everyone and cost nobody anything.
const STATIC_BYTES_MAX: usize = 64;

/// What one station holds, or all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    /// Kept messages and topics.
    pub(crate) history: usize,
    /// Cached routes.
    pub(crate) routes: usize,
    /// Beginnings of messages that are long enough to count.
    pub(crate) unfinished: usize,
    /// Bodies of which some messages are still to be published, at most.
    pub(crate) lines: usize,
    /// The longest queue: others may hold the same runs.
    pub(crate) queue_max: usize,
    /// Runs that wait in queues, at least.
    pub(crate) queued: usize,
    /// What waits for the socket where most does: others may wait for the same bytes.
    pub(crate) outgoing: usize,
}

impl Held {
    /// One connection holds so much in its queue, and so much waits for its socket.
    pub(crate) fn add_subscriber(&mut self, queued: usize, outgoing: usize, largest: &Largest) {
        self.queue_max = self.queue_max.max(queued);
        // The rest of a run that was begun has no place.
        self.queued += (queued / largest.run_bytes()).saturating_sub(1);
        self.outgoing = self.outgoing.max(outgoing);
    }

    /// Adds what another station holds.
    pub(crate) fn add(&mut self, other: &Self) {
        self.history += other.history;
        self.routes += other.routes;
        self.unfinished += other.unfinished;
        self.lines += other.lines;
        self.queue_max = self.queue_max.max(other.queue_max);
        self.queued += other.queued;
        self.outgoing += other.outgoing.saturating_sub(STATIC_BYTES_MAX);
    }
}

/// Checks that nothing is held that is not charged.
pub(crate) fn check_charged(held: &Held, gauge: &Gauge, found: &mut Vec<Violation>) {
    let charged = |uses: &[Use]| uses.iter().map(|what| gauge.used_for(*what)).sum::<usize>();
    let kept = charged(&[Use::Runs, Use::Topics]);
    let rows = [
        ("history", held.history, kept),
        ("a queue", held.queue_max, charged(&[Use::Runs])),
        ("places in queues", held.queued * PLACE_BYTES_MIN, charged(&[Use::Queues, Use::Replays])),
        ("cached routes", held.routes, charged(&[Use::Filters])),
        ("encoded bytes", held.outgoing, charged(&[Use::Outgoing])),
        ("unfinished messages", held.unfinished, charged(&[Use::Unfinished])),
    ];
    for (what, held, charged) in rows {
        if held > charged {
            found.push(Violation::new("account", format!("{what}: {held} bytes, {charged} are charged")));
        }
    }
    let unfinished = charged(&[Use::Unfinished]);
    // A carry is charged at its capacity, and keeps its allocation while it fills half of it.
    if unfinished > 2 * (held.unfinished + held.lines) {
        let what = format!("{unfinished} bytes are charged as unfinished, {} are", held.unfinished);
        found.push(Violation::new("account", what));
    }
}
