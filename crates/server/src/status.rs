//! Answers to an operator's questions, from the shards' reports.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use broker::Stats;
use frontend::{Census, ClientRow, RoleName};
use wire::printable::Label;

use crate::shard_thread::Report;

/// Lines of a list.
const LINES_MAX: usize = 200;

/// Remembers the last look, for rates.
#[derive(Debug)]
pub(crate) struct Status {
    began: Instant,
    last: (Instant, Stats),
}

impl Status {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self { began: now, last: (now, Stats::default()) }
    }

    /// One paragraph about the whole server.
    pub(crate) fn describe(&mut self, reports: &[Report], memory_bytes: usize) -> String {
        let mut stats = Stats::default();
        let mut census = Census::default();
        let mut history_bytes = 0;
        for report in reports {
            stats.add(&report.stats);
            census.publishers += report.census.publishers;
            census.subscribers += report.census.subscribers;
            census.others += report.census.others;
            history_bytes += report.history_bytes;
        }
        let now = Instant::now();
        let (then, before) = std::mem::replace(&mut self.last, (now, stats));
        let rate = |new: u64, old: u64| (new - old) as f64 / (now - then).as_secs_f64().max(0.001);
        format!(
            "publishers {}, subscribers {}, others {}, up {}\n\
             accepted {} ({:.0}/s), delivered {} ({:.0}/s), dropped {}, publisher pauses {}\n\
             memory for messages {} KiB, of it history {} KiB; shards {}",
            census.publishers,
            census.subscribers,
            census.others,
            uptime(self.began.elapsed()),
            stats.accepted,
            rate(stats.accepted, before.accepted),
            stats.delivered,
            rate(stats.delivered, before.delivered),
            stats.dropped,
            stats.pauses,
            memory_bytes / 1024,
            history_bytes / 1024,
            reports.len(),
        )
    }
}

/// Everyone who is connected, a line each.
pub(crate) fn clients(reports: &[Report]) -> String {
    let mut text = String::from("ID           ROLE        TOPIC                 QUEUED  ADDRESS");
    let rows: Vec<&ClientRow> = reports.iter().flat_map(|report| &report.clients).collect();
    for row in rows.iter().take(LINES_MAX) {
        let role = match row.role {
            RoleName::Publisher => "PUBLISHER",
            RoleName::Subscriber => "SUBSCRIBER",
            RoleName::Unknown => "-",
        };
        let name = row.name.as_deref().map_or_else(String::new, |name| format!("{}@", safe(name)));
        let id = row.id.to_string();
        let topic = safe(&row.topic);
        let queued = row.queued_bytes;
        write!(text, "\n{id:<12} {role:<11} {topic:<20} {queued:>7}  {name}{}", row.addr)
            .expect("a String takes every write");
    }
    more(&mut text, rows.len());
    text
}

/// Topics and filters with how many publish to and subscribe to them.
pub(crate) fn topics(reports: &[Report]) -> String {
    let mut counts: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    for row in reports.iter().flat_map(|report| &report.clients) {
        match row.role {
            RoleName::Publisher => counts.entry(&row.topic).or_default()[0] += 1,
            RoleName::Subscriber => counts.entry(&row.topic).or_default()[1] += 1,
            RoleName::Unknown => {}
        }
    }
    let mut text = String::from("PUBLISHERS  SUBSCRIBERS  TOPIC");
    for (topic, [publishers, subscribers]) in counts.iter().take(LINES_MAX) {
        write!(text, "\n{publishers:>10}  {subscribers:>11}  {}", safe(topic))
            .expect("a String takes every write");
    }
    more(&mut text, counts.len());
    text
}

fn more(text: &mut String, rows: usize) {
    if rows > LINES_MAX {
        write!(text, "\n… and {} more", rows - LINES_MAX).expect("a String takes every write");
    }
}

fn safe(text: &str) -> String {
    Label(text).to_string()
}

fn uptime(up: Duration) -> String {
    let seconds = up.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}
