//! The mailbox's decisions, with threads that meet in many orders.
//!
//! Shuttle runs each of these again and again, with the types of [`sync`] in place of std's, and
//! decides at each of them which thread goes on. A thread that waits for ever is a deadlock,
//! which it reports with the schedule that led there. Not checked: what weaker orderings than
//! SeqCst would allow, which is why the protocol has none where it matters.

use broker::ShardId;
use shuttle::sync::{Arc, Condvar};
use shuttle::thread;

use inbox::{Inbox, Ring, Sender};

mod sync {
    pub(super) use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(super) use shuttle::sync::{Mutex, MutexGuard};
}

#[path = "inbox.rs"]
#[expect(clippy::duplicate_mod, reason = "the same code with other atomics is what is checked")]
mod inbox;

/// What an eventfd in a poll is: wakes the next wait, however often it was told to.
#[derive(Default)]
struct Waker {
    told: sync::Mutex<bool>,
    changed: Condvar,
}

impl Waker {
    fn wake(&self) {
        *self.told.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn wait(&self) {
        let told = self.told.lock().unwrap();
        *self.changed.wait_while(told, |told| !*told).unwrap() = false;
    }
}

/// Runs it in `RUNS` orders by chance and as many with few changes of threads, which find other
/// errors (Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs").
fn check(run: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(run, RUNS);
    shuttle::check_pct(run, RUNS, 3);
}

const RUNS: usize = 2_000;

/// A receiver's box with what wakes it, as a `Mailbox` is.
struct Mailbox {
    inbox: Inbox<u32>,
    waker: Waker,
}

impl Mailbox {
    fn new() -> Arc<Self> {
        Arc::new(Self { inbox: Inbox::new(2), waker: Waker::default() })
    }

    fn push(&self, from: u8, mail: u32) {
        self.inbox.push(Sender::Shard(ShardId(from)), vec![mail], 1);
    }

    fn ring(&self) {
        if self.inbox.ring() == Ring::Sleeper {
            self.waker.wake();
        }
    }

    /// A receiver's turns: `turn` gets what has come and says whether it goes on.
    fn receive(&self, mut turn: impl FnMut(Vec<inbox::Batch<u32>>) -> Turn) {
        loop {
            let mut batches = Vec::new();
            self.inbox.take(&mut batches);
            if turn(batches) == Turn::Last {
                return;
            }
            if self.inbox.may_sleep() {
                self.waker.wait();
            }
            self.inbox.awake();
        }
    }
}

#[derive(PartialEq, Eq)]
enum Turn {
    Next,
    Last,
}

impl Turn {
    /// The last one if it has `heard` all of that.
    fn until(heard: usize, all: usize) -> Self {
        if heard == all { Self::Last } else { Self::Next }
    }
}

/// What came from each of two senders, in the order in which it came.
#[derive(Default)]
struct Heard([Vec<u32>; 2]);

impl Heard {
    fn note(&mut self, batches: Vec<inbox::Batch<u32>>) {
        for batch in batches {
            let Sender::Shard(shard) = batch.from else { continue };
            self.0[usize::from(shard.0)].extend(batch.mail);
        }
    }
}

#[test]
fn a_sleeping_receiver_hears_two_senders() {
    check(|| {
        let mailbox = Mailbox::new();
        for sender in 0..2 {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || {
                mailbox.push(sender, 0);
                mailbox.ring();
            });
        }
        let mut heard = Heard::default();
        mailbox.receive(|batches| {
            heard.note(batches);
            Turn::until(heard.0.iter().map(Vec::len).sum(), 2)
        });
        assert_eq!(heard.0, [[0], [0]]);
    });
}

/// Mail that wakes nobody is taken with, and before, the mail behind it that does.
#[test]
fn a_sender_s_mail_comes_in_its_order() {
    check(|| {
        let mailbox = Mailbox::new();
        let sender = Arc::clone(&mailbox);
        thread::spawn(move || {
            sender.push(0, 0);
            sender.ring();
            sender.push(0, 1);
            sender.push(0, 2);
            sender.ring();
        });
        let mut heard = Heard::default();
        mailbox.receive(|batches| {
            heard.note(batches);
            Turn::until(heard.0[0].len(), 3)
        });
        assert_eq!(heard.0[0], [0, 1, 2]);
    });
}

/// Whoever is told that mail was sent, and sends an order then, has it taken behind that mail.
#[test]
fn an_order_stands_behind_what_was_sent_before_it() {
    const ORDER: u32 = 9;
    check(|| {
        let mailbox = Mailbox::new();
        let sent = Arc::new(Waker::default());
        let (shard, told) = (Arc::clone(&mailbox), Arc::clone(&sent));
        thread::spawn(move || {
            shard.push(0, 0);
            shard.ring();
            told.wake();
        });
        let control = Arc::clone(&mailbox);
        thread::spawn(move || {
            sent.wait();
            control.inbox.push(Sender::Control, vec![ORDER], 0);
            control.ring();
        });
        let mut taken = Vec::new();
        mailbox.receive(|batches| {
            taken.extend(batches.into_iter().flat_map(|batch| batch.mail));
            Turn::until(taken.len(), 2)
        });
        assert_eq!(taken, [0, ORDER]);
    });
}

/// Who waits for room is told when there is some, and all that it sends arrives.
#[test]
fn a_sender_that_waits_for_room_goes_on() {
    const BYTES_MAX: usize = 1;
    check(|| {
        let mailbox = Mailbox::new();
        let room = Arc::new(Waker::default());
        let (sender, has_room) = (Arc::clone(&mailbox), Arc::clone(&room));
        thread::spawn(move || {
            for mail in 0..4 {
                while sender.inbox.is_full(ShardId(0), BYTES_MAX) {
                    has_room.wait();
                }
                sender.push(0, mail);
                sender.ring();
            }
        });
        let mut heard = Heard::default();
        mailbox.receive(|batches| {
            for batch in &batches {
                if mailbox.inbox.done(batch, BYTES_MAX).is_some() {
                    room.wake();
                }
            }
            heard.note(batches);
            Turn::until(heard.0[0].len(), 4)
        });
        assert_eq!(heard.0[0], [0, 1, 2, 3]);
        assert_eq!(mailbox.inbox.waiting_bytes(), 0);
    });
}
