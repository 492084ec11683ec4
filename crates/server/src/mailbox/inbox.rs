//! Who may sleep, who has to be woken, and who waits for room: the decisions of a mailbox.
//!
//! Nothing here wakes anyone or knows what mail is. `every_order` compiles this file a second
//! time with atomics that let threads meet in any order: hence `super::sync`.
//!
//! Sleeping and waiting for room are one protocol. One side says what it has done and then looks
//! whether the other waits; the other says that it waits and then looks what has been done. All
//! four are SeqCst, so there is one order of them, and at least one side sees the other.

use std::sync::PoisonError;

use broker::ShardId;

use super::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering};

/// Who puts something in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    Shard(ShardId),
    /// The control thread and the web thread: what they send is bounded by themselves, and they never
    /// wait for room.
    Control,
}

/// What one sender put in at once.
#[derive(Debug)]
pub(crate) struct Batch<M> {
    pub(crate) from: Sender,
    pub(crate) mail: Vec<M>,
    bytes: usize,
}

/// Whether somebody has to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Ring {
    Sleeper,
    Nobody,
}

/// One receiver's box for many senders.
#[derive(Debug)]
pub(super) struct Inbox<M> {
    batches: Mutex<Vec<Batch<M>>>,
    /// Whether there is something to look at: read without the lock.
    has_mail: AtomicBool,
    sleeping: AtomicBool,
    /// By shard: bytes under way, and whether it waits for them to be taken.
    under_way: Vec<UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    bytes: AtomicUsize,
    sender_waits: AtomicBool,
}

impl<M> Inbox<M> {
    pub(super) fn new(shards: usize) -> Self {
        let under_way = || UnderWay { bytes: AtomicUsize::new(0), sender_waits: AtomicBool::new(false) };
        Self {
            batches: Mutex::new(Vec::new()),
            has_mail: AtomicBool::new(false),
            sleeping: AtomicBool::new(false),
            under_way: (0..shards).map(|_| under_way()).collect(),
        }
    }

    /// Puts something in. Whether the receiver must know is for [`Self::ring`].
    pub(super) fn push(&self, from: Sender, mail: Vec<M>, bytes: usize) {
        if let Sender::Shard(shard) = from {
            // Before it can be taken, or the count would go below zero.
            self.of(shard).bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        lock(&self.batches).push(Batch { from, mail, bytes });
        self.has_mail.store(true, Ordering::SeqCst);
    }

    /// Behind a push: whether the receiver sleeps and nobody has woken it yet.
    pub(super) fn ring(&self) -> Ring {
        match self.sleeping.swap(false, Ordering::SeqCst) {
            true => Ring::Sleeper,
            false => Ring::Nobody,
        }
    }

    /// Takes everything that has come, each sender's in its order.
    pub(super) fn take(&self, batches: &mut Vec<Batch<M>>) {
        if self.has_mail.swap(false, Ordering::SeqCst) {
            batches.append(&mut lock(&self.batches));
        }
    }

    /// The receiver is about to sleep. Returns whether it may: not if mail has come.
    pub(super) fn may_sleep(&self) -> bool {
        self.sleeping.store(true, Ordering::SeqCst);
        if self.has_mail.load(Ordering::SeqCst) {
            self.awake();
            return false;
        }
        true
    }

    /// The receiver does not sleep any more.
    pub(super) fn awake(&self) {
        self.sleeping.store(false, Ordering::SeqCst);
    }

    /// The receiver is done with a batch. Returns the sender if it waits for this.
    pub(super) fn done(&self, batch: &Batch<M>, bytes_max: usize) -> Option<ShardId> {
        let Sender::Shard(sender) = batch.from else { return None };
        let under_way = self.of(sender);
        let before = under_way.bytes.fetch_sub(batch.bytes, Ordering::SeqCst);
        assert!(before >= batch.bytes, "what is taken was counted before it could be");
        let waits =
            before - batch.bytes <= bytes_max / 2 && under_way.sender_waits.swap(false, Ordering::SeqCst);
        waits.then_some(sender)
    }

    /// Whether `from` has more under way than `bytes_max`; if so it will be rung when half is taken.
    pub(super) fn is_full(&self, from: ShardId, bytes_max: usize) -> bool {
        let under_way = self.of(from);
        if under_way.bytes.load(Ordering::Relaxed) <= bytes_max {
            return false;
        }
        under_way.sender_waits.store(true, Ordering::SeqCst);
        // It may have been taken before anyone could see that this one waits: nobody would ring.
        under_way.bytes.load(Ordering::SeqCst) > bytes_max / 2
    }

    /// Bytes under way from all shards; each figure is right for itself.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.under_way.iter().map(|under_way| under_way.bytes.load(Ordering::Relaxed)).sum()
    }

    fn of(&self, sender: ShardId) -> &UnderWay {
        &self.under_way[usize::from(sender.0)]
    }
}

// A panic under this lock is impossible: pushing and taking a Vec is all that happens.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
