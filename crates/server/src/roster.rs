//! Everyone who is connected, in lines that fit a terminal of 80 columns.

use std::fmt::Write as _;
use std::time::Duration;

use frontend::{ClientRow, RoleName};

use crate::parcel::ShardReport;
use crate::status::{LINES_MAX, everyone, incomplete, more, safe};

/// A line each, in the order of the ids.
pub(crate) fn clients(reports: &[ShardReport], shards: u8) -> String {
    let mut rows: Vec<(&ClientRow, Duration)> = Vec::new();
    for report in reports {
        rows.extend(report.clients.iter().map(|row| (row, report.at.since(row.since))));
    }
    rows.sort_unstable_by_key(|(row, _)| row.id);
    rows.truncate(LINES_MAX);
    let mut lines: Vec<[String; 7]> = vec![HEADER.map(str::to_owned)];
    lines.extend(rows.iter().map(|(row, age)| cells(row, *age)));
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

fn cells(row: &ClientRow, age: Duration) -> [String; 7] {
    let role = match row.role {
        RoleName::Publisher => "PUB",
        RoleName::Subscriber => "SUB",
        RoleName::Client => "MQTT",
        RoleName::Unknown => "-",
    };
    let name = row.name.as_deref().map_or_else(|| "-".to_owned(), safe);
    let addr = row.addr.to_string();
    // Its end tells clients of one network apart. The connection's line in the log has all of it.
    let addr = match addr.len().checked_sub(ADDRESS_COLUMNS_MAX) {
        Some(over @ 1..) => format!("…{}", addr.chars().skip(over + 1).collect::<String>()),
        _ => addr,
    };
    let age = in_short(age);
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

#[cfg(test)]
mod tests {
    use super::*;
    use broker::{ConnId, Origin, ShardId};
    use frontend::Census;

    fn row(shard: u8, slot: u32, addr: &str, name: &str, topic: &str) -> ClientRow {
        ClientRow {
            id: Origin { shard: ShardId(shard), conn: ConnId { slot, generation: 0 } },
            addr: addr.parse().unwrap(),
            since: broker::Instant(1_000_000_000),
            name: (!name.is_empty()).then(|| name.into()),
            role: RoleName::Subscriber,
            protocol: frontend::ProtocolName::Text,
            topic: topic.to_owned(),
            queued_bytes: 3_000_000,
        }
    }

    fn report(shard: u8, clients: Vec<ClientRow>) -> ShardReport {
        let census = Census { subscribers: clients.len() as u64, ..Census::default() };
        let at = broker::Instant(151_000_000_000);
        ShardReport { at, census, clients, ..ShardReport::empty(shard) }
    }

    #[test]
    fn clients_stand_sorted_with_name_and_age() {
        let reports = [
            report(1, vec![row(1, 0, "127.0.0.1:3", "", "#")]),
            report(0, vec![row(0, 10, "127.0.0.1:2", "b b", "b"), row(0, 2, "127.0.0.1:1", "alice", "a/b")]),
        ];
        assert_eq!(
            clients(&reports, 2),
            "ID     ROLE AGE QUEUED NAME   ADDRESS     TOPIC\n\
             0-2-0  SUB  2m  2930K  alice  127.0.0.1:1 a/b\n\
             0-10-0 SUB  2m  2930K  b\\x20b 127.0.0.1:2 b\n\
             1-0-0  SUB  2m  2930K  -      127.0.0.1:3 #"
        );
    }

    #[test]
    fn an_age_is_short() {
        for (seconds, shown) in [(0, "0s"), (59, "59s"), (150, "2m"), (7300, "2h"), (90_000, "1d")] {
            assert_eq!(in_short(Duration::from_secs(seconds)), shown);
        }
    }

    #[test]
    fn whatever_clients_call_themselves_a_line_fits_80_columns() {
        let long = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535";
        let mut rows = vec![
            row(0, 123_456, long, &"n".repeat(64), &"t/".repeat(99)),
            row(0, u32::MAX, "127.0.0.1:1", &"漢".repeat(20), &"字".repeat(50)),
        ];
        rows.extend((0..300).map(|slot| row(0, slot, "127.0.0.1:1", "", "#")));
        let text = clients(&[report(0, rows)], 1);
        assert!(text.lines().all(|line| columns(line) <= 80), "{text}");
        assert_eq!(text.lines().count(), 1 + LINES_MAX + 1, "{text}");
        assert!(text.ends_with("… and 102 more"), "{text}");
        let one = clients(&[report(0, vec![row(0, 1, long, "eve", "a")])], 1);
        assert!(one.ends_with(":5555:6666]:65535 a"), "{one}");
    }
}
