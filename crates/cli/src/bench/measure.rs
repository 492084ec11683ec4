//! The course of a run: wire up receivers and senders, warm up, measure, let everything arrive, and account for it.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mio::net::TcpStream;
use mio::{Poll, Token, Waker};

use super::args::{Load, Pace};
use super::cpu::{self, BothUse, CpuWatch};
use super::ledger::Senders;
use super::outgoing::Outgoing;
use super::pace::{Schedule, send_paced};
use super::probe;
use super::progress::{Progress, StopOnDrop};
use super::publisher::{Publisher, SendBuffer};
use super::receiver::{Feed, Receiver, ReceiverReport, Use, usage};
use super::report::{Account, RunReport};
use super::sender::Sender;
use super::target::{Connection, Dialect, Role, Running, Target};

pub(super) type Threads<T> = Vec<JoinHandle<anyhow::Result<T>>>;

/// Runs a load against a target and accounts for every message.
///
/// # Errors
/// If it cannot be run to its end. Wrong deliveries are no error but in the report.
pub fn run(load: &Load, target: &Target) -> anyhow::Result<RunReport> {
    cpu::check_open_files(load.pubs + load.subs + load.topics)?;
    let running = target.start(load.protocol)?;
    let (sender_polls, sender_wakers) = polls(load.senders)?;
    let (receiver_polls, receiver_wakers) = polls(load.receivers)?;
    let progress = Arc::new(Progress::new(load, sender_wakers, receiver_wakers));
    let _stop = StopOnDrop(progress.clone());

    let subscribe = |number: usize| {
        running.connect(Role::Subscriber, &super::topic_name(running.dialect, number % load.topics))
    };
    // Connected for the whole run, and never read.
    let _stuck = (0..load.stuck).map(subscribe).collect::<anyhow::Result<Vec<_>>>()?;
    let mut feeds = Vec::with_capacity(load.reading());
    for number in load.stuck..load.subs {
        let stream = TcpStream::from_std(subscribe(number)?.stream);
        feeds.push(Feed { number, stream, senders: senders(load, number % load.topics) });
    }
    let receivers = spawn_receivers(load, feeds, receiver_polls, &progress, usage(load))?;
    probe::until_ready(load, &running, &progress)?;
    let senders = spawn_senders(load, &running, sender_polls, &progress)?;

    let measured = measure(load, &progress, running.pid)?;
    progress.stop_senders();
    let round_trips = join(senders)?;
    drain(&progress, progress.expected(load));
    progress.stop_receivers();
    let reports = join(receivers)?;
    let expected_of = |number: usize| -> u64 {
        let topic = number % load.topics;
        progress.windows.iter().skip(topic).step_by(load.topics).map(|window| window.sent()).sum()
    };
    let account = Account::new(progress.sent(), &reports, expected_of);
    let latencies = merge(reports.iter().map(|report| &report.latencies))?;
    let report = RunReport::new(target.name(), load, &measured, account, Some(&latencies));
    Ok(report.with_round_trips(&merge(&round_trips)?))
}

/// What was counted between the end of the warm-up and the end of the measurement.
#[derive(Debug)]
pub struct Measured {
    pub(super) elapsed: Duration,
    /// `None` where nothing is published: the kernel reference writes deliveries itself.
    pub(super) published: Option<u64>,
    pub(super) delivered: u64,
    pub(super) used: BothUse,
}

pub(super) fn measure(load: &Load, progress: &Progress, server: Option<u32>) -> anyhow::Result<Measured> {
    let bar = progress_bar(load.warmup + load.measured);
    sleep_watching(load.warmup, progress, &bar)?;
    let watch = CpuWatch::start(server);
    progress.measuring.store(true, Ordering::Relaxed);
    let (published, delivered, start) = (progress.sent(), progress.received(), Instant::now());
    sleep_watching(load.measured, progress, &bar)?;
    progress.measuring.store(false, Ordering::Relaxed);
    let (delivered, published) = (progress.received() - delivered, progress.sent() - published);
    let elapsed = start.elapsed();
    let used = watch.so_far();
    bar.finish_and_clear();
    Ok(Measured { elapsed, published: Some(published), delivered, used })
}

/// Waits until everything expected was received or announced as dropped, or nothing arrives any more.
pub(super) fn drain(progress: &Progress, expected: u64) {
    let mut last = (Instant::now(), 0);
    loop {
        let arrived = progress.received() + progress.announced();
        if arrived >= expected || progress.is_broken() {
            return;
        }
        if arrived > last.1 {
            last = (Instant::now(), arrived);
        } else if last.0.elapsed() > QUIET_TIME_MAX {
            return;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Distributes subscribers over receiver threads and starts them.
pub(super) fn spawn_receivers(
    load: &Load,
    feeds: Vec<Feed>,
    polls: Vec<Poll>,
    progress: &Arc<Progress>,
    usage: Use,
) -> anyhow::Result<Threads<ReceiverReport>> {
    let mut shares: Vec<Vec<Feed>> = polls.iter().map(|_| Vec::new()).collect();
    let count = shares.len();
    for feed in feeds {
        if let Some(share) = shares.get_mut(feed.number % count) {
            share.push(feed);
        }
    }
    let mut threads = Vec::with_capacity(count);
    for (id, (poll, feeds)) in polls.into_iter().zip(shares).enumerate() {
        let receiver = Receiver::new(id, poll, load, progress.clone(), usage, feeds)?;
        threads.push(thread::Builder::new().name(format!("bench-recv-{id}")).spawn(move || receiver.run())?);
    }
    Ok(threads)
}

fn spawn_senders(
    load: &Load,
    running: &Running,
    polls: Vec<Poll>,
    progress: &Arc<Progress>,
) -> anyhow::Result<Threads<Histogram<u64>>> {
    let mut shares: Vec<Vec<Publisher>> = polls.iter().map(|_| Vec::new()).collect();
    let count = shares.len();
    for index in 0..load.pubs {
        let topic = super::topic_name(running.dialect, index % load.topics);
        let Connection { stream, receive_max } = running.connect(Role::Publisher, &topic)?;
        let outgoing = match running.dialect {
            Dialect::Broker | Dialect::Relay => None,
            Dialect::Mqtt(mqtt) => Some(Outgoing::packets(mqtt, &topic, load.size, receive_max)),
            Dialect::Framed(framing) => Some(Outgoing::framed(framing.head(&topic, load.size))),
            Dialect::Forms(forms) => Some(Outgoing::forms(forms, &topic, load.size)),
        };
        if let Some(share) = shares.get_mut(index % count) {
            share.push(Publisher::new(index, TcpStream::from_std(stream), outgoing));
        }
    }
    let mut threads = Vec::with_capacity(count);
    for (id, (poll, publishers)) in polls.into_iter().zip(shares).enumerate() {
        let buffer = SendBuffer::new(running.dialect.layout(load))?;
        let progress = progress.clone();
        let (pace, publisher_count, linger) = (load.pace, load.pubs, load.linger);
        let work = move || {
            let result = match pace {
                Pace::Window(_) => {
                    Sender::new(id, poll, progress.clone(), publishers, buffer, linger).and_then(Sender::run)
                }
                Pace::Rate(rate) => {
                    send_paced(publishers, buffer, Schedule::new(rate, publisher_count), &progress)
                }
            };
            if result.is_err() {
                progress.broken.store(true, Ordering::Release);
            }
            result
        };
        threads.push(thread::Builder::new().name(format!("bench-send-{id}")).spawn(work)?);
    }
    Ok(threads)
}

pub(super) fn join<T>(threads: Threads<T>) -> anyhow::Result<Vec<T>> {
    threads
        .into_iter()
        .map(|thread| thread.join().map_err(|_| anyhow!("a thread of the generator panicked"))?)
        .collect()
}

/// A poll for each thread, and the wakers to interrupt them.
pub(super) fn polls(count: usize) -> anyhow::Result<(Vec<Poll>, Vec<Waker>)> {
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let poll = Poll::new().context("creating a poll")?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        pairs.push((poll, waker));
    }
    Ok(pairs.into_iter().unzip())
}

fn senders(load: &Load, topic: usize) -> Senders {
    Senders { topic, topics: load.topics, slots: load.publishers_of(topic), period: u64::MAX }
}

fn merge<'a>(parts: impl IntoIterator<Item = &'a Histogram<u64>>) -> anyhow::Result<Histogram<u64>> {
    let mut all = Histogram::new(3)?;
    for part in parts {
        all.add(part)?;
    }
    Ok(all)
}

/// Sleeps in short steps. A thread that met an error ends the measurement; joining it tells which.
fn sleep_watching(time: Duration, progress: &Progress, bar: &ProgressBar) -> anyhow::Result<()> {
    let end = Instant::now() + time;
    while !progress.is_broken() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let step = left.min(Duration::from_millis(100));
        thread::sleep(step);
        bar.inc(u64::try_from(step.as_millis())?);
    }
    Ok(())
}

fn progress_bar(time: Duration) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(u64::try_from(time.as_millis()).ok(), target);
    match ProgressStyle::with_template("{bar:40} {elapsed} of the run") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

const WAKER: Token = Token(usize::MAX);
/// After this long without a delivery the missing ones are lost.
const QUIET_TIME_MAX: Duration = Duration::from_secs(3);
