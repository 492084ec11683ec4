//! Answers to an operator's questions, from the shards' reports.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use broker::{ConnId, Gauge, Origin, ShardId, Stats, Use};
use frontend::{Census, ClientRow, RoleName};
use wire::printable::Label;

use crate::parcel::ShardReport;
use crate::rates::{Rate, Rates};

/// Lines of a list.
pub(crate) const LINES_MAX: usize = 200;

/// Remembers the last answer of each shard, for rates and for when one does not answer.
#[derive(Debug)]
pub(crate) struct Status {
    began: Instant,
    shards: Vec<Figures>,
}

/// What a shard said when it last answered.
#[derive(Debug, Clone)]
struct Figures {
    asked: Instant,
    stats: Stats,
    census: Census,
    history_bytes: usize,
    rates: Rates,
}

impl Status {
    pub(crate) fn new(shards: u8) -> Self {
        let began = Instant::now();
        let none = Figures {
            asked: began,
            stats: Stats::default(),
            census: Census::default(),
            history_bytes: 0,
            rates: Rates::new(began),
        };
        Self { began, shards: vec![none; usize::from(shards)] }
    }

    /// Remembers what a shard answered when it was `asked`; returns its rates up to then.
    pub(crate) fn note(&mut self, asked: Instant, report: &ShardReport) -> Rate {
        let Some(figures) = self.shards.get_mut(usize::from(report.shard.0)) else { return Rate::default() };
        let rate = figures.rates.until(asked, &report.into());
        // An answer to a sample may be read after one that was asked for later.
        if asked < figures.asked {
            return rate;
        }
        figures.rates.note(asked, report.into());
        (figures.asked, figures.stats) = (asked, report.stats);
        (figures.census, figures.history_bytes) = (report.census, report.history_bytes);
        rate
    }

    /// One paragraph about the whole server, from what the shards answered when they were
    /// `asked`. Rates are those of the shards that answered.
    pub(crate) fn describe(&mut self, asked: Instant, reports: &[ShardReport], gauge: &Gauge) -> String {
        let mut rate = Rate::default();
        for report in reports {
            rate.add(self.note(asked, report));
        }
        let mut stats = Stats::default();
        let mut census = Census::default();
        let mut history_bytes = 0;
        for figures in &self.shards {
            stats.add(&figures.stats);
            census.add(&figures.census);
            history_bytes += figures.history_bytes;
        }
        let mut text = format!(
            "publishers {}, subscribers {}, MQTT clients {}, others {}, up {}, shards {}\n\
             accepted {} ({:.0}/s), delivered {} ({:.0}/s), rates of the last {:.0} s\n\
             dropped {}, refused {}, not retained {}, publisher pauses {}\n\
             {}; of it history {}",
            census.publishers,
            census.subscribers,
            census.clients,
            census.others,
            uptime(self.began.elapsed()),
            self.shards.len(),
            stats.accepted,
            rate.accepted,
            stats.delivered,
            rate.delivered,
            rate.seconds,
            stats.dropped,
            stats.refused.sum(),
            stats.not_retained,
            stats.pauses,
            memory(gauge),
            kib(history_bytes),
        );
        for shard in silent(reports, self.shards.len()) {
            let age = asked.saturating_duration_since(self.shards[shard].asked).as_secs();
            write!(text, "\nshard {shard} does not answer: its figures are {age} s old, without rates")
                .expect("a String takes every write");
        }
        text
    }
}

/// What the account holds. Each use is rounded up for itself, so that what is shown adds up.
fn memory(gauge: &Gauge) -> String {
    let of = |what| kib(gauge.used_for(what));
    let (runs, unfinished, filters) = (of(Use::Runs), of(Use::Unfinished), of(Use::Filters));
    let (queues, replays, encoded) = (of(Use::Queues), of(Use::Replays), of(Use::Outgoing));
    let (topics, retained, sessions) = (of(Use::Topics), of(Use::Retained), of(Use::Sessions));
    let sum = runs + unfinished + filters + queues + replays + encoded + topics + retained + sessions;
    format!(
        "memory {sum} KiB: messages {runs}, unfinished {unfinished}, filters {filters}, queues {queues},\n  \
         replays {replays}, encoded {encoded}, topics {topics}, retained {retained},\n  \
         sessions {sessions}"
    )
}

fn kib(bytes: usize) -> usize {
    bytes.div_ceil(1024)
}

/// The shards that have not answered.
fn silent(reports: &[ShardReport], shards: usize) -> impl Iterator<Item = usize> {
    (0..shards).filter(|shard| !reports.iter().any(|report| usize::from(report.shard.0) == *shard))
}

/// Whether an order to end a connection may meet someone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sought {
    Possible,
    Nobody,
}

/// Who has an id, in words for whoever wants them kicked.
pub(crate) fn seek(reports: &[ShardReport], id: Origin, shards: u8) -> (Sought, String) {
    let report = reports.iter().find(|report| report.shard == id.shard);
    let row = report.and_then(|report| report.clients.iter().find(|row| row.id == id));
    if let Some(row) = row {
        return (Sought::Possible, format!("kicked {}", who(row)));
    }
    let all = report.is_some_and(|report| report.clients.len() as u64 == everyone(&report.census));
    if all || id.shard.0 >= shards {
        return (Sought::Nobody, format!("nobody has the ID {id}; `clients` shows them"));
    }
    // The shard is late, or has more connections than it lists.
    (Sought::Possible, format!("kicked {id}, if it is still there"))
}

/// The id that an operator typed.
pub(crate) fn id(text: &str) -> Option<Origin> {
    let mut parts = text.split('-');
    let shard = ShardId(parts.next()?.parse().ok()?);
    let conn = ConnId { slot: parts.next()?.parse().ok()?, generation: parts.next()?.parse().ok()? };
    parts.next().is_none().then_some(Origin { shard, conn })
}

/// Topics and filters with how many publish to and subscribe to them.
pub(crate) fn topics(reports: &[ShardReport], shards: u8) -> String {
    let mut counts: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    for row in reports.iter().flat_map(|report| &report.clients) {
        match row.role {
            RoleName::Publisher => counts.entry(&row.topic).or_default()[0] += 1,
            RoleName::Subscriber => counts.entry(&row.topic).or_default()[1] += 1,
            RoleName::Client | RoleName::Unknown => {}
        }
    }
    let mut text = String::from("PUBLISHERS  SUBSCRIBERS  TOPIC");
    for (topic, [publishers, subscribers]) in counts.iter().take(LINES_MAX) {
        write!(text, "\n{publishers:>10}  {subscribers:>11}  {}", safe(topic))
            .expect("a String takes every write");
    }
    more(&mut text, counts.len());
    incomplete(&mut text, reports, shards);
    text
}

pub(crate) fn more(text: &mut String, rows: usize) {
    if rows > LINES_MAX {
        write!(text, "\n… and {} more", rows - LINES_MAX).expect("a String takes every write");
    }
}

pub(crate) fn incomplete(text: &mut String, reports: &[ShardReport], shards: u8) {
    for shard in silent(reports, usize::from(shards)) {
        write!(text, "\nshard {shard} does not answer: its clients are missing")
            .expect("a String takes every write");
    }
}

fn who(row: &ClientRow) -> String {
    let name = row.name.as_deref().map_or_else(String::new, |name| format!("{}@", safe(name)));
    format!("{name}{}", row.addr)
}

/// All whom a shard has.
pub(crate) fn everyone(census: &Census) -> u64 {
    census.greeted() + census.others
}

pub(crate) fn safe(text: &str) -> String {
    Label(text).to_string()
}

fn uptime(up: Duration) -> String {
    let seconds = up.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster;

    fn report(shard: u8, accepted: u64) -> ShardReport {
        ShardReport {
            stats: Stats { accepted, delivered: 2 * accepted, ..Stats::default() },
            census: Census { publishers: 1, ..Census::default() },
            ..ShardReport::empty(shard)
        }
    }

    /// What `status` said when a shard did not answer in time: fewer messages than before.
    #[test]
    fn a_shard_that_does_not_answer_is_named_and_its_figures_stay() {
        let mut status = Status::new(2);
        let began = status.began;
        let mut describe = |seconds, reports: &[ShardReport]| {
            let text = status.describe(began + Duration::from_secs(seconds), reports, &Gauge::new());
            text.lines().filter(|line| line.contains("rates")).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(
            describe(10, &[report(0, 100), report(1, 1000)]),
            "accepted 1100 (110/s), delivered 2200 (220/s), rates of the last 10 s"
        );
        assert_eq!(
            describe(20, &[report(0, 200)]),
            "accepted 1200 (10/s), delivered 2400 (20/s), rates of the last 10 s\n\
             shard 1 does not answer: its figures are 10 s old, without rates"
        );
        assert_eq!(
            describe(30, &[report(1, 1200), report(0, 200)]),
            "accepted 1400 (10/s), delivered 2800 (20/s), rates of the last 20 s",
            "since it answered before, 20 s ago"
        );
        // Whatever a shard says and whenever: no arithmetic that ends the server.
        describe(30, &[report(0, 0), report(0, u64::MAX / 4)]);
    }

    #[test]
    fn the_uses_of_memory_add_up_to_what_is_shown() {
        let gauge = Gauge::new();
        let _messages = gauge.charge(Use::Runs, 3_000_001);
        let _others = [
            gauge.charge(Use::Unfinished, 1),
            gauge.charge(Use::Filters, 1025),
            gauge.charge(Use::Queues, 4096),
            gauge.charge(Use::Replays, 7),
            gauge.charge(Use::Outgoing, 1023),
            gauge.charge(Use::Topics, 99_999),
            gauge.charge(Use::Retained, 5000),
            gauge.charge(Use::Sessions, 1),
        ];
        let text = Status::new(1).describe(Instant::now(), &[report(0, 0)], &gauge);
        let (_, memory) = text.split_once("memory ").unwrap();
        let memory = memory.split(';').next().unwrap();
        let numbers: Vec<usize> =
            memory.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
        let [sum, uses @ ..] = numbers.as_slice() else { panic!("{memory}") };
        assert_eq!((*sum, uses.len()), (uses.iter().sum(), 9), "{memory}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn whoever_is_to_be_kicked_is_named_or_said_not_to_be_there() {
        let check = |report: ShardReport, text: &str, expected: Sought, answer: &str| {
            let (sought, said) = seek(&[report], id(text).unwrap(), 2);
            assert_eq!((sought, said.as_str()), (expected, answer));
        };
        let row = ClientRow {
            id: id("0-17-3").unwrap(),
            addr: "127.0.0.1:50123".parse().unwrap(),
            since: broker::Instant(0),
            name: Some("eve".into()),
            role: RoleName::Publisher,
            protocol: frontend::ProtocolName::Text,
            topic: "a".to_owned(),
            queued_bytes: 0,
        };
        let one = || ShardReport { clients: vec![row.clone()], ..report(0, 0) };
        check(one(), "0-17-3", Sought::Possible, "kicked eve@127.0.0.1:50123");
        let nobody = |id: &str| format!("nobody has the ID {id}; `clients` shows them");
        check(one(), "0-17-2", Sought::Nobody, &nobody("0-17-2"));
        check(one(), "2-17-3", Sought::Nobody, &nobody("2-17-3"));
        // Shard 1 did not answer; the other has more than it listed.
        check(one(), "1-17-3", Sought::Possible, "kicked 1-17-3, if it is still there");
        check(report(0, 0), "0-17-3", Sought::Possible, "kicked 0-17-3, if it is still there");
        for text in ["", "17", "0-17", "0-17-3-4", "256-0-0", "a-b-c"] {
            assert_eq!(id(text), None);
        }
    }

    #[test]
    fn lists_say_whose_clients_are_missing() {
        let reports = [report(0, 0), report(2, 0)];
        for text in [roster::clients(&reports, 3), topics(&reports, 3)] {
            let last: Vec<&str> = text.lines().skip(1).collect();
            assert_eq!(last, ["shard 1 does not answer: its clients are missing"]);
        }
    }
}
