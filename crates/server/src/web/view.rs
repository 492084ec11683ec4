//! The broker as the web thread sees it: what all answers are made of.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use broker::Gauge;
use tokio::sync::{Semaphore, watch};

use super::asking::Asking;
use super::counts::Counts;
use super::figures::Remembered;
use crate::config::Settings;
use crate::limits::Limits;
use crate::mailbox::Mailbox;
use crate::newcomers::Newcomers;

/// How often shards are asked for figures when nobody else asks, so that rates are those of the last
/// seconds.
const SAMPLE_TIME: Duration = Duration::from_secs(10);

/// What the web thread is started with.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) mailboxes: Arc<[Mailbox]>,
    pub(crate) gauge: Gauge,
    pub(crate) newcomers: Newcomers,
    pub(crate) limits: Arc<Limits>,
    /// Where the server listens, as URLs.
    pub(crate) listeners: Vec<String>,
    /// Said when it was told to end.
    pub(crate) ending: Arc<OnceLock<Instant>>,
    /// The settings in force.
    pub(crate) settings: watch::Receiver<Settings>,
}

#[derive(Debug)]
pub(super) struct View {
    pub(super) asking: Asking,
    pub(super) remembered: Mutex<Remembered>,
    pub(super) gauge: Gauge,
    pub(super) newcomers: Newcomers,
    pub(super) counts: Counts,
    pub(super) limits: Arc<Limits>,
    pub(super) listeners: Vec<String>,
    pub(super) settings: watch::Receiver<Settings>,
    /// Free places for connections, and for lists.
    places: Arc<Semaphore>,
    pub(super) lists: Arc<Semaphore>,
    pub(super) began: Instant,
    pub(super) started_at: jiff::Timestamp,
    ending: Arc<OnceLock<Instant>>,
}

impl View {
    pub(super) fn new(setup: Setup, counts: Counts, places: Arc<Semaphore>) -> Self {
        let Setup { mailboxes, gauge, newcomers, limits, listeners, ending, settings } = setup;
        let began = Instant::now();
        Self {
            remembered: Mutex::new(Remembered::new(mailboxes.len(), began)),
            asking: Asking::new(mailboxes, limits.inquiries_max, limits.answer_time),
            gauge,
            newcomers,
            counts,
            lists: Arc::new(Semaphore::new(limits.web_lists_max)),
            limits,
            listeners,
            settings,
            places,
            began,
            started_at: jiff::Timestamp::now(),
            ending,
        }
    }

    /// Whether the server was told to end.
    pub(super) fn is_draining(&self) -> bool {
        self.ending.get().is_some()
    }

    /// Connections that are served or wait to be.
    pub(super) fn in_progress(&self) -> usize {
        self.limits.web_connections_max - self.places.available_permits()
    }

    /// The budget of the memory account.
    pub(super) fn memory_bytes_max(&self) -> usize {
        self.limits.station.core.memory_bytes_max
    }

    /// Asks for figures now and then, for as long as the thread runs.
    pub(super) async fn sample(self: Arc<Self>) {
        loop {
            drop(self.figures().await);
            tokio::time::sleep(SAMPLE_TIME).await;
        }
    }
}
