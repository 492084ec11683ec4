//! A thread that reads many subscribers, checks every delivery, and confirms it to the publishers' windows or takes its
//! latency.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::args::{Load, Pace};
use super::check::{Check, shared_padding};
use super::ledger::{Seen, Senders, Tally};
use super::pace::Schedule;
use super::progress::Progress;
use super::protocol::Protocol;
use super::window::Place;

/// What a receiver thread does with a checked delivery.
#[derive(Clone, Copy, Debug)]
pub(super) enum Use {
    Confirm,
    Latency { schedule: Schedule, from: Duration },
    Count,
}

#[derive(Debug)]
pub(super) struct Receiver {
    /// Its number among the receiver threads.
    id: usize,
    poll: Poll,
    progress: Arc<Progress>,
    usage: Use,
    linger: Duration,
    payload_bytes: usize,
    sweep_interval: Duration,
    subscribers: Vec<Subscriber>,
    latencies: Histogram<u64>,
}

#[derive(Debug)]
pub(super) struct ReceiverReport {
    /// Number and tally of each subscriber.
    pub(super) tallies: Vec<(usize, Tally)>,
    /// Nanoseconds.
    pub(super) latencies: Histogram<u64>,
}

/// A connected subscriber and what it is to hear.
#[derive(Debug)]
pub(super) struct Feed {
    /// Its number in the load.
    pub(super) number: usize,
    pub(super) stream: TcpStream,
    pub(super) senders: Senders,
}

#[derive(Debug)]
struct Subscriber {
    number: usize,
    stream: TcpStream,
    topic: usize,
    check: Check,
    /// The start of a message whose end has not arrived.
    carry: Vec<u8>,
    /// By slot: this subscriber's place in the window of each of its publishers.
    places: Vec<Place>,
    /// By slot: how far publishers were when the thread last looked for stalled ones.
    swept: Vec<Swept>,
    setup: Setup,
}

/// How far a publisher was, as its subscriber saw it and as itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Swept {
    /// The next message expected.
    next: u64,
    sent: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setup {
    /// Hello sent; the broker may not have read it.
    Pending,
    /// Saw a probe.
    Live,
    /// Saw the last probe.
    Ready,
}

impl Receiver {
    pub(super) fn new(
        id: usize,
        poll: Poll,
        load: &Load,
        progress: Arc<Progress>,
        usage: Use,
        feeds: Vec<Feed>,
    ) -> anyhow::Result<Receiver> {
        let padding = shared_padding(load.protocol, load.size);
        let interest = match load.protocol {
            Protocol::Text | Protocol::Framed(_) | Protocol::Forms(_) => Interest::READABLE,
            Protocol::Mqtt(_) => Interest::READABLE | Interest::WRITABLE,
        };
        let mut subscribers = Vec::with_capacity(feeds.len());
        for (index, Feed { number, mut stream, senders }) in feeds.into_iter().enumerate() {
            poll.registry().register(&mut stream, Token(index), interest)?;
            let windows = progress.windows.iter().skip(senders.topic).step_by(senders.topics);
            subscribers.push(Subscriber {
                number,
                stream,
                topic: senders.topic,
                check: Check::new(load.protocol, senders, padding.clone()),
                carry: Vec::new(),
                swept: vec![Swept::default(); senders.slots],
                places: windows.take(senders.slots).map(|window| window.place()).collect(),
                setup: Setup::Pending,
            });
        }
        let latencies = Histogram::new_with_bounds(LATENCY_NS.0, LATENCY_NS.1, 3)?;
        Ok(Receiver {
            id,
            poll,
            progress,
            usage,
            linger: load.linger,
            payload_bytes: load.size,
            sweep_interval: match load.protocol {
                Protocol::Text | Protocol::Forms(_) => SWEEP_INTERVAL,
                Protocol::Mqtt(_) | Protocol::Framed(_) => SILENT_LOSS_TIME,
            },
            subscribers,
            latencies,
        })
    }

    /// Reads until told to stop.
    pub(super) fn run(mut self) -> anyhow::Result<ReceiverReport> {
        let progress = self.progress.clone();
        let result = self.read_all();
        if result.is_err() {
            progress.broken.store(true, Ordering::Release);
        }
        result?;
        let tallies =
            self.subscribers.iter().map(|one| (one.number, one.check.ledger().tally().clone())).collect();
        Ok(ReceiverReport { tallies, latencies: self.latencies })
    }

    fn read_all(&mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; READ_BYTES.max(4 * self.payload_bytes)];
        let mut next_sweep = Instant::now() + self.sweep_interval;
        while !self.progress.receivers_stop.load(Ordering::Acquire) {
            match self.poll.poll(&mut events, Some(Duration::from_millis(100))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result.context("waiting for deliveries")?,
            }
            if !self.linger.is_zero() {
                thread::sleep(self.linger);
            }
            for event in &events {
                self.read_one(event, &mut buffer)?;
            }
            if matches!(self.usage, Use::Confirm) && Instant::now() > next_sweep {
                self.confirm_stalled();
                next_sweep = Instant::now() + self.sweep_interval;
            }
        }
        Ok(())
    }

    /// Where many publishers share a topic, nobody can tell whose messages were dropped until the next one of the same
    /// publisher arrives. If none does, all it has in flight was dropped, and its window would stay full for ever. Where
    /// nobody says that messages were dropped, those that stay away count as such.
    fn confirm_stalled(&mut self) {
        let topics = self.progress.topics.len();
        for Subscriber { check, places, topic, swept, .. } in &mut self.subscribers {
            if check.hears_of_loss() && check.ledger().unattributed() == 0 {
                continue;
            }
            for (slot, last) in swept.iter_mut().enumerate() {
                let publisher = *topic + slot * topics;
                let sent = self.progress.windows.get(publisher).map_or(0, |window| window.sent());
                let now = Swept { next: check.ledger().next(slot), sent };
                let before = std::mem::replace(last, now);
                if before.next != now.next {
                    continue;
                }
                if check.hears_of_loss() {
                    confirm_dropped(&self.progress, check, places, slot, publisher);
                } else {
                    confirm(&self.progress, places, slot, publisher, before.sent);
                }
            }
        }
    }

    /// Reads one subscriber until its socket is empty.
    fn read_one(&mut self, event: &Event, buffer: &mut [u8]) -> anyhow::Result<()> {
        // Tokens past the end are the waker's.
        let Some(subscriber) = self.subscribers.get_mut(event.token().0) else { return Ok(()) };
        if event.is_writable() {
            subscriber.acknowledge()?;
        }
        if !event.is_readable() && !event.is_read_closed() && !event.is_error() {
            return Ok(());
        }
        loop {
            let carried = subscriber.carry.len();
            let (start, space) = buffer.split_at_mut(carried);
            start.copy_from_slice(&subscriber.carry);
            let room = space.len();
            let count = match subscriber.stream.read(space) {
                Ok(0) => anyhow::bail!("the server closed a subscriber's connection during the run"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("reading deliveries"),
            };
            let bytes = buffer.get(..carried + count).unwrap_or_default();
            let used = take(subscriber, bytes, &self.progress, self.id, self.usage, &mut self.latencies)?;
            subscriber.acknowledge()?;
            subscriber.carry.clear();
            subscriber.carry.extend(bytes.iter().skip(used));
            anyhow::ensure!(subscriber.carry.len() < buffer.len() / 2, "a delivered message never ends");
            // A short read has emptied the socket: the next arrival is a new edge.
            if count < room && !event.is_read_closed() {
                return Ok(());
            }
        }
    }
}

impl Subscriber {
    /// Writes acknowledgements; what does not fit waits for room.
    fn acknowledge(&mut self) -> anyhow::Result<()> {
        while !self.check.due().is_empty() {
            match self.stream.write(self.check.due()) {
                Ok(count) => self.check.written(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("acknowledging deliveries"),
            }
        }
        anyhow::ensure!(self.check.due().len() <= DUE_BYTES_MAX, "the server does not read acknowledgements");
        Ok(())
    }
}

/// Checks what was read and passes on what it means; returns the bytes used.
fn take(
    subscriber: &mut Subscriber,
    bytes: &[u8],
    progress: &Progress,
    receiver: usize,
    usage: Use,
    latencies: &mut Histogram<u64>,
) -> anyhow::Result<usize> {
    let Subscriber { check, places, setup, topic, .. } = subscriber;
    let (received, announced) = (check.ledger().tally().received, check.ledger().tally().announced);
    let topics = progress.topics.len();
    let topic = *topic;
    let now = match (usage, progress.start.get()) {
        (Use::Latency { .. }, Some(start)) => Instant::now().duration_since(*start),
        _ => Duration::ZERO,
    };
    let used = check.consume(bytes, |seen| match seen {
        Seen::Run { slot, first, next } => match usage {
            Use::Confirm => confirm(progress, places, slot, topic + slot * topics, next),
            Use::Latency { schedule, from } => {
                for sequence in first..next {
                    let due = schedule.due(topic + slot * topics, sequence);
                    if due >= from {
                        let latency = now.saturating_sub(due);
                        latencies.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
                    }
                }
            }
            Use::Count => {}
        },
        Seen::Probe => set_up(progress, topic, setup, Setup::Live),
        Seen::ProbesEnded => set_up(progress, topic, setup, Setup::Ready),
    })?;
    if matches!(usage, Use::Confirm) && places.len() == 1 && check.ledger().unattributed() > 0 {
        // Only one publisher can have sent what was dropped.
        confirm_dropped(progress, check, places, 0, topic);
    }
    if let Some(count) = progress.receivers.get(receiver) {
        count.received.fetch_add(check.ledger().tally().received - received, Ordering::Release);
        count.announced.fetch_add(check.ledger().tally().announced - announced, Ordering::Release);
    }
    Ok(used)
}

/// Lets a publisher through for which a subscriber waits in vain: what it sent last may be among the dropped.
fn confirm_dropped(progress: &Progress, check: &Check, places: &mut [Place], slot: usize, publisher: usize) {
    let sent = progress.windows.get(publisher).map_or(0, |window| window.sent());
    confirm(
        progress,
        places,
        slot,
        publisher,
        (check.ledger().next(slot) + check.ledger().unattributed()).min(sent),
    );
}

#[inline]
fn confirm(progress: &Progress, places: &mut [Place], slot: usize, publisher: usize, next: u64) {
    if let (Some(window), Some(place)) = (progress.windows.get(publisher), places.get_mut(slot))
        && window.reached(place, next)
    {
        progress.wake_sender(publisher);
    }
}

fn set_up(progress: &Progress, topic: usize, setup: &mut Setup, now: Setup) {
    let Some(ready) = progress.topics.get(topic) else { return };
    match (*setup, now) {
        (Setup::Pending, Setup::Live) => ready.live.fetch_add(1, Ordering::AcqRel),
        (Setup::Live, Setup::Ready) => ready.ready.fetch_add(1, Ordering::AcqRel),
        _ => return,
    };
    *setup = now;
}

/// How deliveries of a load are used by its receivers.
pub(super) fn usage(load: &Load) -> Use {
    match load.pace {
        Pace::Window(_) => Use::Confirm,
        Pace::Rate(rate) => Use::Latency { schedule: Schedule::new(rate, load.pubs), from: load.warmup },
    }
}

/// Fits a second-level cache beside the check's own state.
const READ_BYTES: usize = 256 * 1024;
/// Far longer than anything that is not dropped stays away.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);
/// The same where nobody says what was dropped; a server may keep one subscriber waiting for a while.
const SILENT_LOSS_TIME: Duration = Duration::from_secs(2);
/// Two acknowledgements for each message that can be under way to one subscriber.
const DUE_BYTES_MAX: usize = 8 * 65_536;
/// A microsecond to a minute.
const LATENCY_NS: (u64, u64) = (1_000, 60_000_000_000);
