//! What the web thread asks a shard, and how the shard answers: each answer is a bounded amount of
//! work, so that nobody who looks holds up those who publish.

use broker::{ConnId, FilterRow, Now, Page, TopicRow, Wanted};
use frontend::{ClientRow, CloseReason};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use topic::{Filter, TopicName};

use crate::parcel::ShardReport;
use crate::shard_thread::ShardThread;

/// Rows that are looked at for one answer: about a fifth of a phase of a turn.
pub(crate) const LOOKED_MAX: u32 = 256;

/// Connections as they are at a moment of the shard's clock.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) at: broker::Instant,
    pub(crate) page: Page<ClientRow, u32>,
}

/// Whether there was somebody to be kicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kicked {
    Somebody,
    Nobody,
}

/// One question.
#[derive(Debug)]
pub(crate) enum Inquiry {
    Figures(Answer<ShardReport>),
    Clients { from: u32, answer: Answer<Clients> },
    Topics { wanted: Wanted, after: Option<TopicName>, answer: Answer<Page<TopicRow, TopicName>> },
    Filters { after: Option<Filter>, answer: Answer<Page<FilterRow, Filter>> },
    Kick { conn: ConnId, answer: Answer<Kicked> },
}

/// Where an answer goes, and the place that the question takes among those that the shard has not
/// answered.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    sender: oneshot::Sender<T>,
    _place: OwnedSemaphorePermit,
}

impl<T> Answer<T> {
    pub(crate) fn new(place: OwnedSemaphorePermit) -> (Self, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Self { sender, _place: place }, receiver)
    }

    /// Answers, without waiting for anyone.
    pub(crate) fn give(self, answer: T) {
        // Whoever asked may have stopped waiting.
        drop(self.sender.send(answer));
    }
}

impl ShardThread {
    pub(crate) fn answer(&mut self, now: Now, inquiry: Inquiry) {
        match inquiry {
            Inquiry::Figures(answer) => answer.give(self.report(now, 0)),
            Inquiry::Clients { from, answer } => {
                let page = self.station.clients_from(from, LOOKED_MAX);
                self.station.spend(page.work);
                answer.give(Clients { at: now.mono, page });
            }
            Inquiry::Topics { wanted, after, answer } => {
                let page = self.station.shard().topics(&wanted, after.as_ref(), LOOKED_MAX as usize);
                self.station.spend(page.work);
                answer.give(page);
            }
            Inquiry::Filters { after, answer } => {
                let page = self.station.shard().filters(after.as_ref(), LOOKED_MAX as usize);
                self.station.spend(page.work);
                answer.give(page);
            }
            Inquiry::Kick { conn, answer } => {
                let is_there = self.station.is_there(conn);
                self.station.end(now, conn, CloseReason::Kicked);
                answer.give(if is_there { Kicked::Somebody } else { Kicked::Nobody });
            }
        }
    }
}
