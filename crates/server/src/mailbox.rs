//! Parcels between threads: handed over in batches, with one wake-up per burst.
//!
//! Each shard has one inbox, for the other shards and for the control thread. A sender pushes
//! everything of its turn at once; it rings only if the receiver sleeps. What is under way from
//! one shard to another is counted in bytes: over the bound the sender stops reading from its
//! sockets until half of it is taken.

#[cfg(test)]
mod every_order;
mod inbox;

use broker::{ShardId, Urgency};

use crate::parcel::Parcel;
use inbox::{Inbox, Ring};

pub(crate) use inbox::Sender;

/// What `inbox` is made of.
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(super) use std::sync::{Mutex, MutexGuard};
}

/// What one sender put in at once.
pub(crate) type Batch = inbox::Batch<Parcel>;

/// One shard's inbox.
#[derive(Debug)]
pub(crate) struct Mailbox {
    inbox: Inbox<Parcel>,
    waker: mio::Waker,
}

impl Mailbox {
    pub(crate) fn new(waker: mio::Waker, shards: usize) -> Self {
        Self { inbox: Inbox::new(shards), waker }
    }

    /// Hands a turn's parcels over and wakes the receiver if it sleeps and should know.
    pub(crate) fn push(&self, from: Sender, parcels: Vec<Parcel>) {
        let bytes = parcels.iter().map(Parcel::cost).sum();
        let wake = parcels.iter().any(|parcel| parcel.urgency() == Urgency::Wake);
        self.inbox.push(from, parcels, bytes);
        if wake {
            self.ring();
        }
    }

    /// Takes everything that has come.
    pub(crate) fn take(&self, batches: &mut Vec<Batch>) {
        self.inbox.take(batches);
    }

    /// The receiver is done with a batch. Returns the sender if it waits for this.
    pub(crate) fn done(&self, batch: &Batch, bytes_max: usize) -> Option<ShardId> {
        self.inbox.done(batch, bytes_max)
    }

    /// Whether `from` has more under way than `bytes_max`; if so it will be rung when half is taken.
    pub(crate) fn is_full(&self, from: ShardId, bytes_max: usize) -> bool {
        self.inbox.is_full(from, bytes_max)
    }

    /// Bytes that shards have sent and the receiver is not done with.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.inbox.waiting_bytes()
    }

    /// The receiver is about to sleep. Returns whether it may: not if mail has come.
    pub(crate) fn may_sleep(&self) -> bool {
        self.inbox.may_sleep()
    }

    /// The receiver is awake.
    pub(crate) fn awake(&self) {
        self.inbox.awake();
    }

    /// Wakes the receiver if it sleeps.
    fn ring(&self) {
        if self.inbox.ring() == Ring::Sleeper {
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
    use broker::Mail;
    use topic::Filter;

    const OTHER: Sender = Sender::Shard(ShardId(1));

    #[test]
    fn mail_arrives_in_order_and_senders_are_told() {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let mailbox = Mailbox::new(waker, 2);
        let unwant = |text: &str| Parcel::Mail(Mail::Unwant(Filter::parse(text).unwrap()));
        assert!(mailbox.may_sleep());
        mailbox.push(OTHER, vec![unwant("a"), unwant("b")]);
        assert!(!mailbox.may_sleep(), "no sleep with mail in the box");
        mailbox.push(OTHER, vec![unwant("c")]);
        let mut batches = Vec::new();
        mailbox.take(&mut batches);
        let filters: Vec<String> = batches
            .iter()
            .flat_map(|batch| &batch.mail)
            .map(|mail| match mail {
                Parcel::Mail(Mail::Unwant(filter)) => filter.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(filters, ["a", "b", "c"]);
        assert!(mailbox.may_sleep());
    }

    /// A brake alone waits until its receiver is awake; whatever stands behind it does not.
    #[test]
    fn a_batch_wakes_if_any_of_it_should() {
        let mut poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let mailbox = Mailbox::new(waker, 2);
        let origin = broker::Origin { shard: ShardId(0), conn: broker::ConnId { slot: 0, generation: 0 } };
        let unwant = || Parcel::Mail(Mail::Unwant(Filter::everything()));
        let brake = || Parcel::Mail(Mail::Brake(origin));
        let mut is_woken = |mail| {
            mailbox.take(&mut Vec::new());
            assert!(mailbox.may_sleep());
            mailbox.push(OTHER, mail);
            let mut events = mio::Events::with_capacity(1);
            poll.poll(&mut events, Some(std::time::Duration::ZERO)).unwrap();
            !events.is_empty()
        };
        assert!(!is_woken(vec![brake()]));
        assert!(is_woken(vec![brake(), unwant()]));
        assert!(is_woken(vec![unwant(), brake()]));
    }

    #[test]
    fn a_full_box_tells_its_sender_when_half_is_taken() {
        let inbox = Inbox::new(2);
        let sender = ShardId(1);
        inbox.push(OTHER, vec!["a"], 60);
        inbox.push(OTHER, vec!["b"], 40);
        assert!(!inbox.is_full(sender, 100));
        assert!(inbox.is_full(sender, 99));
        assert_eq!(inbox.waiting_bytes(), 100);
        let mut batches = Vec::new();
        inbox.take(&mut batches);
        let rings = batches.iter().map(|batch| inbox.done(batch, 99));
        assert_eq!(rings.collect::<Vec<_>>(), [Some(sender), None]);
        assert_eq!(inbox.waiting_bytes(), 0);
    }
}
