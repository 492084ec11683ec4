//! Asking shards, without ever waiting for one that does not answer longer than `answer_time`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot::Receiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::inquiry::{Answer, Inquiry};
use crate::mailbox::{self, Mailbox};
use crate::parcel::{Order, Parcel};

/// The shards, as whoever asks them knows them.
#[derive(Debug)]
pub(super) struct Asking {
    /// By shard.
    mailboxes: Arc<[Mailbox]>,
    /// By shard: places of questions that it has not answered, so that one that hangs is not sent more
    /// and more of them.
    places: Vec<Arc<Semaphore>>,
    answer_time: Duration,
}

impl Asking {
    pub(super) fn new(mailboxes: Arc<[Mailbox]>, inquiries_max: usize, answer_time: Duration) -> Self {
        let places = mailboxes.iter().map(|_| Arc::new(Semaphore::new(inquiries_max))).collect();
        Self { mailboxes, places, answer_time }
    }

    pub(super) fn shards(&self) -> usize {
        self.mailboxes.len()
    }

    /// Bytes of mail of other shards that a shard has not taken.
    pub(super) fn mail_waiting_bytes(&self, shard: usize) -> usize {
        self.mailboxes.get(shard).map_or(0, Mailbox::waiting_bytes)
    }

    /// Asks one shard; `None` if it does not answer in time.
    pub(super) async fn one<T>(&self, shard: usize, inquiry: impl Fn(Answer<T>) -> Inquiry) -> Option<T> {
        self.some(&[shard], |_, answer| inquiry(answer)).await.pop().flatten()
    }

    /// Asks every shard; the answers by shard.
    pub(super) async fn all<T>(&self, inquiry: impl Fn(Answer<T>) -> Inquiry) -> Vec<Option<T>> {
        let all: Vec<usize> = (0..self.shards()).collect();
        self.some(&all, |_, answer| inquiry(answer)).await
    }

    /// Asks these shards, each its own; the answers in their order.
    pub(super) async fn some<T>(
        &self,
        shards: &[usize],
        inquiry: impl Fn(usize, Answer<T>) -> Inquiry,
    ) -> Vec<Option<T>> {
        let until = Instant::now() + self.answer_time;
        // All who can be asked at once are, before anyone is waited for.
        let places = shards.iter().map(|shard| Arc::clone(self.places.get(*shard)?).try_acquire_owned().ok());
        let mut asked: Vec<Option<Receiver<T>>> = Vec::with_capacity(shards.len());
        for (shard, place) in shards.iter().zip(places) {
            asked.push(place.and_then(|place| self.ask(*shard, place, &inquiry)));
        }
        for (shard, receiver) in shards.iter().zip(&mut asked).filter(|(_, receiver)| receiver.is_none()) {
            let Some(places) = self.places.get(*shard) else { continue };
            if let Ok(Ok(place)) = timeout_at(until, Arc::clone(places).acquire_owned()).await {
                *receiver = self.ask(*shard, place, &inquiry);
            }
        }
        let mut answers = Vec::with_capacity(shards.len());
        for receiver in asked {
            answers.push(match receiver {
                Some(receiver) => timeout_at(until, receiver).await.ok().and_then(Result::ok),
                None => None,
            });
        }
        answers
    }

    fn ask<T>(
        &self,
        shard: usize,
        place: OwnedSemaphorePermit,
        inquiry: &impl Fn(usize, Answer<T>) -> Inquiry,
    ) -> Option<Receiver<T>> {
        let (answer, receiver) = Answer::new(place);
        let order = Order::Inquire(inquiry(shard, answer));
        self.mailboxes.get(shard)?.push(mailbox::Sender::Control, vec![Parcel::Order(order)]);
        Some(receiver)
    }
}
