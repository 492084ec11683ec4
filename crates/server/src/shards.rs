//! The shards' threads: what each gets of its own and what all share.

use std::sync::Arc;
use std::thread;

use broker::{Gauge, ShardId};
use frontend::{Rules, StationConfig};
use mio::{Poll, Waker};

use crate::clock::Clock;
use crate::config::{ListenerSettings, Settings};
use crate::error::ServeError;
use crate::limits::Limits;
use crate::listener::Loads;
use crate::mailbox::Mailbox;
use crate::report::EventSink;
use crate::shard_thread::{Setup, ShardThread, WAKER};
use crate::web;

/// What all shards have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limits: Arc<Limits>,
    pub(crate) clock: Clock,
    pub(crate) loads: Loads,
    pub(crate) gauge: Gauge,
    pub(crate) events: EventSink,
    pub(crate) web: web::Sender,
}

/// Where shards are reached, before they run.
#[derive(Debug)]
pub(crate) struct Boxes {
    /// By shard.
    pub(crate) mailboxes: Arc<[Mailbox]>,
    polls: Vec<Poll>,
}

impl Boxes {
    /// # Errors
    /// If the operating system gives no readiness queue.
    pub(crate) fn new(shards: u8) -> Result<Self, ServeError> {
        let count = usize::from(shards);
        let mut polls = Vec::with_capacity(count);
        let mut mailboxes = Vec::with_capacity(count);
        for _ in 0..count {
            let poll = Poll::new().map_err(ServeError::Poll)?;
            let waker = Waker::new(poll.registry(), WAKER).map_err(ServeError::Poll)?;
            mailboxes.push(Mailbox::new(waker, count));
            polls.push(poll);
        }
        Ok(Self { mailboxes: mailboxes.into(), polls })
    }
}

#[cfg(test)]
impl Boxes {
    /// Of these shards only the first ones are started: the others never answer.
    pub(crate) fn let_run(&mut self, count: usize) {
        self.polls.truncate(count);
    }
}

/// Starts all of them.
///
/// # Errors
/// If the operating system gives no thread or no readiness queue.
pub(crate) fn start(settings: &Settings, shared: &Shared, boxes: Boxes) -> Result<(), ServeError> {
    let limits = &shared.limits;
    limits.check(settings.shards);
    let station_limits = Arc::new(settings.limits.station.clone());
    let home_seed = random_seed();
    let epoch = random_seed();
    let access = Arc::new(settings.web.clone());
    for (own, poll) in (0..settings.shards).zip(boxes.polls) {
        let setup = Setup {
            config: StationConfig {
                own: ShardId(own),
                shards: settings.shards,
                limits: Arc::clone(&station_limits),
                seed: random_seed(),
                home_seed,
                epoch,
                web: Arc::clone(&access),
                gauge: shared.gauge.clone(),
            },
            limits: Arc::clone(limits),
            rules: rules(settings, &station_limits),
            clock: shared.clock,
            poll,
            mailboxes: Arc::clone(&boxes.mailboxes),
            events: shared.events.clone(),
            loads: shared.loads.clone(),
            web: shared.web.clone(),
        };
        // A broker with a shard less is worse than none: this ends the process like any panic.
        let serve = move || {
            if let Err(error) = ShardThread::new(setup).run() {
                panic!("readiness cannot be waited for: {error}");
            }
        };
        thread::Builder::new().name(format!("shard-{own}")).spawn(serve).map_err(ServeError::Thread)?;
    }
    Ok(())
}

fn rules(settings: &Settings, limits: &Arc<frontend::Limits>) -> Vec<Rules> {
    let rules = |listener: &ListenerSettings| Rules {
        limits: Arc::clone(limits),
        spoken: listener.spoken,
        topic_prompt: listener.topic_prompt,
    };
    settings.listeners.iter().map(rules).collect()
}

/// A number that clients cannot know, for the hashers.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0)
}
