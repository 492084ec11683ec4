//! What the threads of one run share: who is live, how far each side has come, and when to stop.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use mio::Waker;

use super::args::{Load, Pace};
use super::forms::Phase;
use super::window::Window;

#[derive(Debug)]
pub(super) struct Progress {
    /// One per publisher.
    pub(super) windows: Vec<Window>,
    /// One per sender thread.
    pub(super) gates: Vec<Gate>,
    /// One per receiver thread.
    pub(super) receivers: Vec<ReceiverCount>,
    /// One per topic.
    pub(super) topics: Vec<TopicReady>,
    /// When message 0 was due (open loop).
    pub(super) start: OnceLock<Instant>,
    pub(super) senders_stop: AtomicBool,
    pub(super) receivers_stop: AtomicBool,
    /// A thread met an error; its own result says which.
    pub(super) broken: AtomicBool,
    /// Between the end of the warm-up and the end of the measurement.
    pub(super) measuring: AtomicBool,
}

/// Where a sender thread waits when all its windows are full.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) waker: Waker,
    pub(super) waiting: AtomicBool,
}

#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct ReceiverCount {
    pub(super) received: AtomicU64,
    pub(super) announced: AtomicU64,
    waker: OnceLock<Waker>,
}

#[derive(Debug, Default)]
pub(super) struct TopicReady {
    /// Subscribers that have seen a probe.
    pub(super) live: AtomicUsize,
    /// Subscribers that have seen the last probe.
    pub(super) ready: AtomicUsize,
}

impl Progress {
    pub(super) fn new(load: &Load, sender_wakers: Vec<Waker>, receiver_wakers: Vec<Waker>) -> Progress {
        let window = match load.pace {
            Pace::Window(messages) => messages,
            Pace::Rate(_) => 1,
        };
        Progress {
            windows: (0..load.pubs)
                .map(|p| Window::new(window, load.readers_of(p % load.topics) as u64))
                .collect(),
            gates: sender_wakers
                .into_iter()
                .map(|waker| Gate { waker, waiting: AtomicBool::new(false) })
                .collect(),
            receivers: receiver_wakers
                .into_iter()
                .map(|waker| ReceiverCount { waker: OnceLock::from(waker), ..ReceiverCount::default() })
                .collect(),
            topics: (0..load.topics).map(|_| TopicReady::default()).collect(),
            start: OnceLock::new(),
            senders_stop: AtomicBool::new(false),
            receivers_stop: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            measuring: AtomicBool::new(false),
        }
    }

    pub(super) fn received(&self) -> u64 {
        self.receivers.iter().map(|count| count.received.load(Ordering::Acquire)).sum()
    }

    pub(super) fn announced(&self) -> u64 {
        self.receivers.iter().map(|count| count.announced.load(Ordering::Acquire)).sum()
    }

    pub(super) fn sent(&self) -> u64 {
        self.windows.iter().map(Window::sent).sum()
    }

    /// Deliveries that everything sent so far must lead to.
    pub(super) fn expected(&self, load: &Load) -> u64 {
        let readers: Vec<u64> = (0..load.topics).map(|topic| load.readers_of(topic) as u64).collect();
        self.windows.iter().zip(readers.iter().cycle()).map(|(window, readers)| window.sent() * readers).sum()
    }

    /// Lets the sender of publisher `publisher` go on if it waits.
    pub(super) fn wake_sender(&self, publisher: usize) {
        let Some(gate) = self.gates.get(publisher % self.gates.len().max(1)) else { return };
        if gate.waiting.swap(false, Ordering::SeqCst) && gate.waker.wake().is_err() {
            self.broken.store(true, Ordering::Release);
        }
    }

    pub(super) fn stop_senders(&self) {
        self.senders_stop.store(true, Ordering::Release);
        for gate in &self.gates {
            wake_or_break(&gate.waker, &self.broken);
        }
    }

    pub(super) fn stop_receivers(&self) {
        self.receivers_stop.store(true, Ordering::Release);
        for waker in self.receivers.iter().filter_map(|count| count.waker.get()) {
            wake_or_break(waker, &self.broken);
        }
    }

    /// Of what is sent now.
    pub(super) fn phase(&self) -> Phase {
        if self.measuring.load(Ordering::Relaxed) { Phase::Measured } else { Phase::Around }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }
}

/// Stops all threads of a run when it ends, so that an error of one side does not leave the other behind.
#[derive(Debug)]
pub(super) struct StopOnDrop(pub(super) Arc<Progress>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop_senders();
        self.0.stop_receivers();
    }
}

/// Waiting threads also look every 100 ms, so a failed wake-up delays the end but does not hang it.
fn wake_or_break(waker: &Waker, broken: &AtomicBool) {
    if waker.wake().is_err() {
        broken.store(true, Ordering::Release);
    }
}
