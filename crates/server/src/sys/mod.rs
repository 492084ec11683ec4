//! What the broker tells of itself under `$SYS/broker`, for clients that know that of Mosquitto.
//!
//! Every interval all shards are asked for their figures, and nobody waits for the answers. Once all
//! of them have come, one shard is given what has changed since it was last told, and publishes
//! it. While a shard does not answer nothing is told: uptime that stands still says so.

mod load;
mod topics;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use broker::{Gauge, Stats};
use frontend::{Census, Traffic};
use topic::TopicName;

use crate::parcel::{ShardReport, SocketBytes};
use topics::Loads;

/// What all topics begin with.
const ROOT: &str = "$SYS/broker/";

/// Messages of the broker's own: topics, and what they say.
pub(crate) type News = Vec<(TopicName, String)>;

/// The figures of all shards together, and what no shard knows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    stats: Stats,
    census: Census,
    traffic: Traffic,
    bytes: SocketBytes,
    /// Topics with a retained message: every shard knows all of them.
    retained: u64,
    /// Sockets that were accepted.
    sockets: u64,
    /// What the memory account holds.
    memory_bytes: u64,
}

impl Totals {
    fn add(&mut self, report: &ShardReport) {
        self.stats.add(&report.stats);
        self.census.add(&report.census);
        self.traffic.add(&report.traffic);
        self.bytes.add(report.bytes);
        self.retained = self.retained.max(report.retained as u64);
    }
}

/// What is told, and when.
#[derive(Debug)]
pub(crate) struct SystemTopics {
    interval: Duration,
    shards: usize,
    began: Instant,
    /// When the shards are asked next.
    next: Instant,
    /// The end of the last interval of the averages.
    told_at: Instant,
    asked: Option<Asked>,
    loads: Loads,
    /// The most clients that were connected when anybody asked.
    clients_max: u64,
    /// What each topic said last.
    told: BTreeMap<String, String>,
}

/// Shards that were asked and have not all answered.
#[derive(Debug)]
struct Asked {
    at: Instant,
    answers: Receiver<ShardReport>,
    answered: usize,
    totals: Totals,
}

impl SystemTopics {
    /// `None` if the interval is zero: then nothing is told.
    pub(crate) fn new(interval: Duration, shards: usize, now: Instant) -> Option<Self> {
        (!interval.is_zero()).then(|| Self {
            interval,
            shards,
            began: now,
            next: now,
            told_at: now,
            asked: None,
            loads: Loads::default(),
            clients_max: 0,
            told: BTreeMap::new(),
        })
    }

    /// When [`SystemTopics::ask`] has something to do. Not while shards are asked: their answers wake
    /// the thread.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.asked.is_none().then_some(self.next)
    }

    /// Where every shard is to report to, if it is time.
    pub(crate) fn ask(&mut self, now: Instant) -> Option<Sender<ShardReport>> {
        if self.asked.is_some() || now < self.next {
            return None;
        }
        // In even steps, as long as nobody is late: updates that were missed are not made up for.
        let even = self.next + self.interval;
        self.next = if even > now { even } else { now + self.interval };
        let (sender, answers) = channel();
        self.asked = Some(Asked { at: now, answers, answered: 0, totals: Totals::default() });
        Some(sender)
    }

    /// What has changed, once every shard has answered. `sockets` were accepted so far.
    pub(crate) fn take_news(&mut self, sockets: u64, gauge: &Gauge) -> News {
        let Some(asked) = &mut self.asked else { return News::new() };
        while let Ok(report) = asked.answers.try_recv() {
            asked.totals.add(&report);
            asked.answered += 1;
        }
        let Some(asked) = self.asked.take_if(|asked| asked.answered == self.shards) else {
            return News::new();
        };
        let totals = Totals { sockets, memory_bytes: gauge.used() as u64, ..asked.totals };
        self.changed(asked.at, &totals)
    }

    fn changed(&mut self, at: Instant, totals: &Totals) -> News {
        self.loads.note(totals, at.saturating_duration_since(self.told_at));
        self.told_at = at;
        self.clients_max = self.clients_max.max(totals.census.greeted());
        let up = at.saturating_duration_since(self.began);
        let mut news = News::new();
        for (name, value) in topics::values(up, totals, self.clients_max, &self.loads) {
            if self.told.get(&name) != Some(&value) {
                let topic = TopicName::parse(&format!("{ROOT}{name}")).expect("our own topics are topics");
                news.push((topic, value.clone()));
                self.told.insert(name, value);
            }
        }
        news
    }
}

#[cfg(test)]
mod tests;
