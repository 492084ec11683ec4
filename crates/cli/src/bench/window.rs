//! How far a publisher may run ahead of its slowest subscriber, without a lock and without a scan over subscribers.
//!
//! Messages are confirmed in chunks of an eighth of the window: a subscriber that passes the end of a chunk adds one to
//! that chunk's counter, and who completes the counter confirms the chunk. So a thousand subscribers cost an atomic add
//! each per chunk, and the publisher reads a single number.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Window {
    messages_max: u64,
    chunk_messages: u64,
    subscribers: u64,
    passed: [AtomicU64; CHUNKS_MAX],
    confirmed: AtomicU64,
    /// The confirmed number that the waiting publisher asked to be woken at.
    wake_at: AtomicU64,
    /// Messages written whole; a sender's own count, published for the final account.
    sent: AtomicU64,
}

/// One subscriber's place in one publisher's window.
#[derive(Clone, Debug)]
pub(super) struct Place {
    chunks_passed: u64,
    /// The message count at which the next chunk is passed.
    next_boundary: u64,
}

impl Window {
    pub(super) fn new(messages_max: u64, subscribers: u64) -> Window {
        assert!(messages_max > 0, "a window of nothing lets nothing through");
        Window {
            messages_max,
            chunk_messages: (messages_max / 8).max(1),
            subscribers,
            passed: std::array::from_fn(|_| AtomicU64::new(0)),
            confirmed: AtomicU64::new(0),
            wake_at: AtomicU64::new(u64::MAX),
            sent: AtomicU64::new(0),
        }
    }

    pub(super) fn place(&self) -> Place {
        Place { chunks_passed: 0, next_boundary: self.chunk_messages }
    }

    /// How many messages may follow the first `sent`; 0 until at least half the window is free, so that senders wake
    /// for work worth a system call.
    pub(super) fn free(&self, sent: u64) -> u64 {
        let confirmed = self.confirmed.load(Ordering::SeqCst);
        if confirmed < self.wake_point(sent) {
            return 0;
        }
        (confirmed + self.messages_max).saturating_sub(sent)
    }

    /// Asks for a wake-up as soon as `free(sent)` is not 0; false where it already is not.
    pub(super) fn ask_wake(&self, sent: u64) -> bool {
        self.wake_at.store(self.wake_point(sent), Ordering::SeqCst);
        self.free(sent) == 0
    }

    /// A subscriber has everything before message `next`. Returns whether this lets a publisher that asked go on.
    #[inline]
    pub(super) fn reached(&self, place: &mut Place, next: u64) -> bool {
        let mut wakes = false;
        while next >= place.next_boundary {
            wakes |= self.pass(place.chunks_passed);
            place.chunks_passed += 1;
            place.next_boundary += self.chunk_messages;
        }
        wakes
    }

    pub(super) fn set_sent(&self, sent: u64) {
        self.sent.store(sent, Ordering::Release);
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    fn pass(&self, chunk: u64) -> bool {
        let Some(counter) = self.passed.get(chunk as usize % CHUNKS_MAX) else { return false };
        if counter.fetch_add(1, Ordering::AcqRel) + 1 < self.subscribers {
            return false;
        }
        // Nobody can be CHUNKS_MAX chunks ahead before this is confirmed, so the counter is free again.
        counter.store(0, Ordering::Release);
        let confirmed = (chunk + 1) * self.chunk_messages;
        self.confirmed.store(confirmed, Ordering::SeqCst);
        confirmed >= self.wake_at.load(Ordering::SeqCst)
    }

    fn wake_point(&self, sent: u64) -> u64 {
        sent.saturating_sub(self.messages_max / 2)
    }
}

/// A window is under 16 chunks, as a chunk is an eighth of it rounded down; twice that never collides.
const CHUNKS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_window_is_free_to_its_size() {
        assert_eq!(Window::new(1024, 1).free(0), 1024);
        assert_eq!(Window::new(1, 1).free(0), 1);
    }

    #[test]
    fn less_than_half_free_counts_as_full() {
        let window = Window::new(1024, 1);
        assert_eq!(window.free(512), 512);
        assert_eq!(window.free(513), 0);
        assert_eq!(window.free(1024), 0);
    }

    #[test]
    fn the_slowest_subscriber_confirms() {
        let window = Window::new(16, 2);
        let (mut fast, mut slow) = (window.place(), window.place());
        window.reached(&mut fast, 16);
        assert_eq!(window.free(16), 0);
        window.reached(&mut slow, 7);
        assert_eq!(window.free(16), 0, "7 passes three chunks of 2, which is less than half");
        window.reached(&mut slow, 8);
        assert_eq!(window.free(16), 8);
        window.reached(&mut slow, 16);
        assert_eq!(window.free(16), 16);
    }

    #[test]
    fn a_window_of_one_waits_for_each_message() {
        let window = Window::new(1, 1);
        let mut place = window.place();
        for sent in 1..200 {
            assert_eq!(window.free(sent), 0);
            assert!(window.ask_wake(sent));
            assert!(window.reached(&mut place, sent));
            assert_eq!(window.free(sent), 1);
        }
    }

    #[test]
    fn only_a_publisher_that_asked_is_woken_and_only_at_half() {
        let window = Window::new(16, 1);
        let mut place = window.place();
        assert!(!window.reached(&mut place, 4), "nobody asked");
        assert!(window.ask_wake(16));
        assert!(!window.reached(&mut place, 6));
        assert!(window.reached(&mut place, 8));
        assert!(!window.ask_wake(16), "it need not wait");
    }

    /// No window size can end with everything sent received and the publisher still waiting.
    #[test]
    fn no_size_deadlocks() {
        for size in 1..300 {
            let window = Window::new(size, 3);
            let mut places = [window.place(), window.place(), window.place()];
            let mut sent = 0;
            for _ in 0..100 {
                let free = window.free(sent);
                assert!(free > 0 && free <= size, "size {size}: {free} free after {sent}");
                sent += free;
                for place in &mut places {
                    window.reached(place, sent);
                }
            }
        }
    }
}
