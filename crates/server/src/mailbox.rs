//! Mail between shards: handed over in batches, with one wake-up per burst.
//!
//! Each shard has one inbox. A sender pushes everything of its turn at once; it rings only if
//! the receiver sleeps. What is under way from one shard to another is counted in bytes: over
//! the bound the sender stops reading from its sockets until half of it is taken.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use broker::{Mail, ShardId, Urgency};

/// The mail of one turn from one sender.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) from: ShardId,
    pub(crate) mail: Vec<Mail>,
    bytes: usize,
}

/// One shard's inbox.
#[derive(Debug)]
pub(crate) struct Mailbox {
    batches: Mutex<Vec<Batch>>,
    /// Whether `batches` holds something: looked at without the lock.
    has_mail: AtomicBool,
    sleeping: AtomicBool,
    waker: mio::Waker,
    /// By sender: bytes under way, and whether it waits for them to be taken.
    under_way: Vec<UnderWay>,
}

#[derive(Debug, Default)]
struct UnderWay {
    bytes: AtomicUsize,
    sender_waits: AtomicBool,
}

impl Mailbox {
    pub(crate) fn new(waker: mio::Waker, shards: usize) -> Self {
        Self {
            batches: Mutex::default(),
            has_mail: AtomicBool::new(false),
            sleeping: AtomicBool::new(false),
            waker,
            under_way: (0..shards).map(|_| UnderWay::default()).collect(),
        }
    }

    /// Hands over a turn's mail and wakes the receiver if it sleeps and should know.
    pub(crate) fn push(&self, from: ShardId, mail: Vec<Mail>) {
        let bytes = mail.iter().map(Mail::cost).sum();
        let wake = mail.iter().any(|mail| mail.urgency() == Urgency::Wake);
        self.under_way[usize::from(from.0)].bytes.fetch_add(bytes, Ordering::Relaxed);
        // A panic under this lock is impossible: pushing and taking a Vec is all that happens.
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(Batch { from, mail, bytes });
        self.has_mail.store(true, Ordering::SeqCst);
        if wake {
            self.ring();
        }
    }

    /// Makes the receiver look around: something came by another way.
    pub(crate) fn nudge(&self) {
        self.has_mail.store(true, Ordering::SeqCst);
        self.ring();
    }

    /// Takes everything that has come.
    pub(crate) fn take(&self, batches: &mut Vec<Batch>) {
        if self.has_mail.swap(false, Ordering::SeqCst) {
            batches.append(&mut self.batches.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// The receiver is done with a batch. Returns the sender if it waits for this.
    pub(crate) fn done(&self, batch: &Batch, bytes_max: usize) -> Option<ShardId> {
        let under_way = &self.under_way[usize::from(batch.from.0)];
        let left = under_way.bytes.fetch_sub(batch.bytes, Ordering::SeqCst) - batch.bytes;
        let wakes = left <= bytes_max / 2 && under_way.sender_waits.swap(false, Ordering::SeqCst);
        wakes.then_some(batch.from)
    }

    /// Whether `from` has more under way than `bytes_max`; if so it will be rung when half is taken.
    pub(crate) fn is_full(&self, from: ShardId, bytes_max: usize) -> bool {
        let under_way = &self.under_way[usize::from(from.0)];
        if under_way.bytes.load(Ordering::Relaxed) <= bytes_max {
            return false;
        }
        under_way.sender_waits.store(true, Ordering::SeqCst);
        // It may have been taken between the two lines; then nobody would ring.
        under_way.bytes.load(Ordering::SeqCst) > bytes_max / 2
    }

    /// The receiver is about to sleep. Returns whether it may: not if mail has come.
    pub(crate) fn may_sleep(&self) -> bool {
        self.sleeping.store(true, Ordering::SeqCst);
        if self.has_mail.load(Ordering::SeqCst) {
            self.sleeping.store(false, Ordering::SeqCst);
            return false;
        }
        true
    }

    /// The receiver is awake.
    pub(crate) fn awake(&self) {
        self.sleeping.store(false, Ordering::SeqCst);
    }

    /// Wakes the receiver if it sleeps.
    fn ring(&self) {
        if self.sleeping.swap(false, Ordering::SeqCst) {
            self.wake();
        }
    }

    /// Wakes the receiver in any case.
    pub(crate) fn wake(&self) {
        // The only error is a full eventfd counter, and then it is awake.
        drop(self.waker.wake());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use topic::Filter;

    #[test]
    fn mail_arrives_in_order_and_senders_are_told() {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let mailbox = Mailbox::new(waker, 2);
        let unwant = |text: &str| Mail::Unwant(Filter::parse(text).unwrap());
        assert!(mailbox.may_sleep());
        mailbox.push(ShardId(1), vec![unwant("a"), unwant("b")]);
        assert!(!mailbox.may_sleep(), "no sleep with mail in the box");
        mailbox.push(ShardId(1), vec![unwant("c")]);
        let mut batches = Vec::new();
        mailbox.take(&mut batches);
        let filters: Vec<String> = batches
            .iter()
            .flat_map(|batch| &batch.mail)
            .map(|mail| match mail {
                Mail::Unwant(filter) => filter.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(filters, ["a", "b", "c"]);
        assert!(mailbox.may_sleep());

        mailbox.under_way[1].bytes.store(100, Ordering::SeqCst);
        assert!(!mailbox.is_full(ShardId(1), 100));
        assert!(mailbox.is_full(ShardId(1), 99));
        let batch = Batch { from: ShardId(1), mail: Vec::new(), bytes: 60 };
        assert_eq!(mailbox.done(&batch, 99), Some(ShardId(1)));
        assert_eq!(mailbox.done(&Batch { bytes: 40, ..batch }, 99), None);
    }
}
