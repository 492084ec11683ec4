//! The command line of `tidings bench`, and the load it asks for, checked.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::payload::PUBLISHERS_MAX;
use super::protocol::{Protocol, ProtocolArgs, ProtocolName};

/// Measure a broker: throughput in a closed loop, or latency at a given rate; every delivery is checked.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    #[command(subcommand)]
    pub(super) command: Option<BenchCommand>,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// Connect idle subscribers: connections per second and bytes of server memory each.
    Idle(IdleArgs),
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Broker to measure [default: start one for the run]
    #[arg(value_name = "HOST:PORT")]
    pub(super) address: Option<String>,
    #[command(flatten)]
    pub(super) protocol: ProtocolArgs,
    #[command(flatten)]
    pub(super) load: LoadArgs,
    /// Shards of the broker that is started
    #[arg(long, conflicts_with = "address")]
    pub(super) shards: Option<NonZeroUsize>,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// Do not fail when the broker announces that it dropped messages
    #[arg(long)]
    pub(super) allow_gaps: bool,
}

/// A load as it is asked for on the command line.
#[derive(Debug, Args)]
pub struct LoadArgs {
    #[arg(long, default_value_t = 1, value_name = "N")]
    pubs: usize,
    #[arg(long, default_value_t = 1, value_name = "N")]
    subs: usize,
    /// Publisher i and subscriber i use topic i modulo this
    #[arg(long, default_value_t = 1, value_name = "N")]
    topics: usize,
    /// Payload bytes
    #[arg(long, default_value_t = 256, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    size: u32,
    /// Seconds measured
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds of load before the measurement
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    warmup: f64,
    /// Messages a publisher may have unconfirmed (closed loop)
    #[arg(long, default_value_t = 1024, value_name = "MESSAGES", conflicts_with = "rate")]
    window: u32,
    /// Messages published per second by all publishers together (open loop, measures latency)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    rate: Option<u32>,
    /// Receiver threads [default: 2, or 1 for a single subscriber]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Sender threads [default: 1, or 2 for ten publishers and more]
    #[arg(long, value_name = "N")]
    senders: Option<NonZeroUsize>,
    /// Receivers wait this long before they read, and publishers before they read acknowledgements
    #[arg(long, default_value_t = 0, value_name = "MICROSECONDS")]
    linger_us: u32,
    /// Of the subscribers, this many never read
    #[arg(long, default_value_t = 0, value_name = "N")]
    stuck: usize,
}

#[derive(Debug, Args)]
pub(super) struct IdleArgs {
    /// Broker to measure [default: start one for the run]
    #[arg(value_name = "HOST:PORT")]
    pub(super) address: Option<String>,
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub(super) subs: usize,
    /// What they speak
    #[arg(long, default_value = "text", value_name = "PROTOCOL")]
    pub(super) proto: ProtocolName,
    /// Shards of the broker that is started
    #[arg(long, conflicts_with = "address")]
    pub(super) shards: Option<NonZeroUsize>,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// A load that can be run: every topic has a publisher and a reading subscriber, all numbers are in range.
#[derive(Clone, Debug)]
pub struct Load {
    /// Publishers.
    pub pubs: usize,
    /// Subscribers, with those that are stuck.
    pub subs: usize,
    /// Publisher i and subscriber i use topic i modulo this.
    pub topics: usize,
    /// Payload bytes.
    pub size: usize,
    /// What bounds the publishers.
    pub pace: Pace,
    /// Load before the measurement.
    pub warmup: Duration,
    /// The measurement.
    pub measured: Duration,
    /// Receiver threads.
    pub receivers: usize,
    /// Sender threads.
    pub senders: usize,
    /// Receivers wait this long before they read, and publishers before they read acknowledgements.
    pub linger: Duration,
    /// The first subscribers, which never read.
    pub stuck: usize,
    /// What publishers and subscribers speak.
    pub protocol: Protocol,
}

/// What bounds how fast publishers send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Closed loop: at most this many messages unconfirmed per publisher.
    Window(u64),
    /// Open loop: this many messages per second over all publishers.
    Rate(u64),
}

impl LoadArgs {
    /// The load, if it can be run.
    ///
    /// # Errors
    /// If a number is out of range, or a topic has no publisher or no subscriber that reads.
    pub fn check(&self) -> anyhow::Result<Load> {
        let pace = match self.rate {
            Some(rate) => Pace::Rate(u64::from(rate)),
            None => Pace::Window(u64::from(self.window)),
        };
        let load = Load {
            pubs: self.pubs,
            subs: self.subs,
            topics: self.topics,
            size: self.size as usize,
            pace,
            warmup: Duration::try_from_secs_f64(self.warmup)?,
            measured: Duration::try_from_secs_f64(self.seconds)?,
            receivers: 1,
            senders: 1,
            linger: Duration::from_micros(u64::from(self.linger_us)),
            stuck: self.stuck,
            protocol: Protocol::Text,
        };
        load.check()?.with_threads(self.senders, self.threads)
    }
}

impl Load {
    /// Itself, if it can be run.
    ///
    /// # Errors
    /// If a number is out of range, or a topic has no publisher or no subscriber that reads.
    pub fn check(self) -> anyhow::Result<Load> {
        ensure!(self.pace != Pace::Window(0), "a window of 0 messages lets nothing through");
        ensure!(self.measured >= Duration::from_millis(100), "measure at least 0.1 seconds");
        ensure!(self.measured + self.warmup <= SECONDS_MAX, "measure at most an hour");
        ensure!(
            (1..=PUBLISHERS_MAX).contains(&self.pubs),
            "between 1 and {PUBLISHERS_MAX} publishers are possible"
        );
        ensure!(self.topics >= 1 && self.topics <= self.pubs, "every topic needs a publisher: topics ≤ pubs");
        ensure!(
            self.subs.saturating_sub(self.stuck) >= self.topics,
            "every topic needs a subscriber that reads: topics ≤ subs - stuck"
        );
        Ok(self)
    }

    /// Chooses how many threads drive the load, where the caller did not.
    ///
    /// # Errors
    /// If there are too many.
    pub fn with_threads(
        mut self,
        senders: Option<NonZeroUsize>,
        receivers: Option<NonZeroUsize>,
    ) -> anyhow::Result<Load> {
        let default_senders = if self.topics >= MANY_TOPICS { 2 } else { 1 };
        self.senders = senders.map_or(default_senders, NonZeroUsize::get).min(self.pubs);
        self.receivers = receivers.map_or(2, NonZeroUsize::get).min(self.reading());
        ensure!(
            self.senders <= THREADS_MAX && self.receivers <= THREADS_MAX,
            "at most {THREADS_MAX} threads a side"
        );
        Ok(self)
    }

    /// Subscribers that read.
    #[must_use]
    pub fn reading(&self) -> usize {
        self.subs - self.stuck
    }

    /// Subscribers of a topic that read.
    pub(super) fn readers_of(&self, topic: usize) -> usize {
        (self.stuck..self.subs).filter(|sub| sub % self.topics == topic).count()
    }

    pub(super) fn publishers_of(&self, topic: usize) -> usize {
        (topic..self.pubs).step_by(self.topics).count()
    }
}

/// The address a user gave, resolved.
pub(super) fn resolve(address: &str) -> anyhow::Result<SocketAddr> {
    use std::net::ToSocketAddrs;
    let found = address.to_socket_addrs()?.next();
    found.ok_or_else(|| anyhow::anyhow!("{address} has no address"))
}

/// Keeps due times in nanoseconds times messages within 64 bits.
const SECONDS_MAX: Duration = Duration::from_secs(3600);
const THREADS_MAX: usize = 64;
const MANY_TOPICS: usize = 10;
