//! Everyone who is connected, in lines that fit a terminal of 80 columns.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use frontend::{ClientRow, RoleName};

use crate::shard_thread::Report;
use crate::status::{LINES_MAX, everyone, incomplete, more, safe};

/// When the latest connections came. Nobody says here that one has gone, so it is a log of a fixed
/// length: who is not in it came before all that are.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(VecDeque<(SocketAddr, Instant)>);

impl Arrivals {
    pub(crate) fn note(&mut self, addr: SocketAddr, at: Instant) {
        if self.0.len() == ARRIVALS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((addr, at));
    }

    fn age(&self, addr: SocketAddr, now: Instant) -> String {
        // From the end: an address may have come twice.
        let found = self.0.iter().rev().find(|(arrived, _)| *arrived == addr);
        let (mark, entry) = if found.is_some() { ("", found) } else { (">", self.0.front()) };
        let Some((_, at)) = entry else { return "-".to_owned() };
        format!("{mark}{}", in_short(now.saturating_duration_since(*at)))
    }
}

/// A line each, in the order of the ids.
pub(crate) fn clients(reports: &[Report], shards: u8, arrivals: &Arrivals, now: Instant) -> String {
    let mut rows: Vec<&ClientRow> = reports.iter().flat_map(|report| &report.clients).collect();
    rows.sort_unstable_by_key(|row| row.id);
    rows.truncate(LINES_MAX);
    let mut lines: Vec<[String; 7]> = vec![HEADER.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| cells(row, arrivals, now)));
    let widths: [usize; 7] =
        std::array::from_fn(|column| lines.iter().map(|cells| columns(&cells[column])).max().unwrap_or(0));
    let mut text = String::new();
    for cells in &lines {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            line += cell;
            line.extend(std::iter::repeat_n(' ', width - columns(cell) + 1));
        }
        writeln!(text, "{}", cut(line.trim_end(), COLUMNS_MAX)).expect("a String takes every write");
    }
    text.truncate(text.trim_end().len());
    let all: u64 = reports.iter().map(|report| everyone(&report.census)).sum();
    more(&mut text, usize::try_from(all).unwrap_or(usize::MAX));
    incomplete(&mut text, reports, shards);
    text
}

const HEADER: [&str; 7] = ["ID", "ROLE", "AGE", "QUEUED", "NAME", "ADDRESS", "TOPIC"];

fn cells(row: &ClientRow, arrivals: &Arrivals, now: Instant) -> [String; 7] {
    let role = match row.role {
        RoleName::Publisher => "PUB",
        RoleName::Subscriber => "SUB",
        RoleName::Unknown => "-",
    };
    let name = row.name.as_deref().map_or_else(|| "-".to_owned(), safe);
    let addr = row.addr.to_string();
    // Its end tells clients of one network apart. The connection's line in the log has all of it.
    let addr = match addr.len().checked_sub(ADDRESS_COLUMNS_MAX) {
        Some(over @ 1..) => format!("…{}", addr.chars().skip(over + 1).collect::<String>()),
        _ => addr,
    };
    let age = arrivals.age(row.addr, now);
    let queued = kib(row.queued_bytes);
    [row.id.to_string(), role.to_owned(), age, queued, cut(&name, NAME_COLUMNS_MAX), addr, safe(&row.topic)]
}

/// At most five columns.
fn in_short(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

fn kib(bytes: usize) -> String {
    if bytes == 0 { "0".to_owned() } else { format!("{}K", bytes.div_ceil(1024)) }
}

fn cut(text: &str, columns_max: usize) -> String {
    if columns(text) <= columns_max {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        if columns(&short) + columns_of(c) + 1 > columns_max {
            break;
        }
        short.push(c);
    }
    short + "…"
}

/// At most what a terminal takes for it: two columns for each character that may be wide.
fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

fn columns_of(c: char) -> usize {
    // Letters of the scripts below that are never wide; `…` is ours.
    if c < '\u{1100}' || c == '…' { 1 } else { 2 }
}

const COLUMNS_MAX: usize = 80;
const NAME_COLUMNS_MAX: usize = 12;

/// Room for any IPv4 address with its port.
const ADDRESS_COLUMNS_MAX: usize = 21;

/// 200 KiB, only where there is a console.
const ARRIVALS_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use broker::{ConnId, Origin, ShardId, Stats};
    use frontend::Census;

    fn row(shard: u8, slot: u32, addr: &str, name: &str, topic: &str) -> ClientRow {
        ClientRow {
            id: Origin { shard: ShardId(shard), conn: ConnId { slot, generation: 0 } },
            addr: addr.parse().unwrap(),
            name: (!name.is_empty()).then(|| name.into()),
            role: RoleName::Subscriber,
            topic: topic.to_owned(),
            queued_bytes: 3_000_000,
        }
    }

    fn report(shard: u8, clients: Vec<ClientRow>) -> Report {
        let census = Census { subscribers: clients.len() as u64, ..Census::default() };
        Report { shard: ShardId(shard), stats: Stats::default(), census, clients, history_bytes: 0 }
    }

    #[test]
    fn clients_stand_sorted_with_name_and_age() {
        let now = Instant::now() + Duration::from_secs(100_000);
        let mut arrivals = Arrivals::default();
        let mut came = |addr: &str, ago| arrivals.note(addr.parse().unwrap(), now - Duration::from_secs(ago));
        came("127.0.0.1:2", 90_000);
        came("127.0.0.1:1", 7300);
        came("127.0.0.1:3", 150);
        came("127.0.0.1:2", 7);
        let reports = [
            report(1, vec![row(1, 0, "127.0.0.1:3", "", "#")]),
            report(0, vec![row(0, 10, "127.0.0.1:2", "b b", "b"), row(0, 2, "127.0.0.1:1", "alice", "a/b")]),
            report(2, vec![row(2, 0, "127.0.0.1:4", "", "#")]),
        ];
        assert_eq!(
            clients(&reports, 3, &arrivals, now),
            "ID     ROLE AGE QUEUED NAME   ADDRESS     TOPIC\n\
             0-2-0  SUB  2h  2930K  alice  127.0.0.1:1 a/b\n\
             0-10-0 SUB  7s  2930K  b\\x20b 127.0.0.1:2 b\n\
             1-0-0  SUB  2m  2930K  -      127.0.0.1:3 #\n\
             2-0-0  SUB  >1d 2930K  -      127.0.0.1:4 #"
        );
    }

    #[test]
    fn whatever_clients_call_themselves_a_line_fits_80_columns() {
        let long = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535";
        let mut rows = vec![
            row(0, 123_456, long, &"n".repeat(64), &"t/".repeat(99)),
            row(0, u32::MAX, "127.0.0.1:1", &"漢".repeat(20), &"字".repeat(50)),
        ];
        rows.extend((0..300).map(|slot| row(0, slot, "127.0.0.1:1", "", "#")));
        let text = clients(&[report(0, rows)], 1, &Arrivals::default(), Instant::now());
        assert!(text.lines().all(|line| columns(line) <= 80), "{text}");
        assert_eq!(text.lines().count(), 1 + LINES_MAX + 1, "{text}");
        assert!(text.ends_with("… and 102 more"), "{text}");
        let one =
            clients(&[report(0, vec![row(0, 1, long, "eve", "a")])], 1, &Arrivals::default(), Instant::now());
        assert!(one.ends_with(":5555:6666]:65535 a"), "{one}");
    }

    #[test]
    fn arrivals_are_bounded_and_the_oldest_give_way() {
        let now = Instant::now();
        let mut arrivals = Arrivals::default();
        for port in 1..=10_000 {
            let at = now + Duration::from_secs(u64::from(port));
            arrivals.note(SocketAddr::from(([127, 0, 0, 1], port)), at);
        }
        assert_eq!(arrivals.0.len(), ARRIVALS_MAX);
        let age =
            |port| arrivals.age(SocketAddr::from(([127, 0, 0, 1], port)), now + Duration::from_secs(10_000));
        assert_eq!((age(9990), age(1)), ("10s".to_owned(), ">1h".to_owned()));
    }
}
