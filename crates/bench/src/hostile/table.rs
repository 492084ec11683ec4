//! What an attack came to: the row that is printed and recorded.

use std::io::{self, Write};

use serde::Serialize;

use super::probe::Latency;

#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) attack: &'static str,
    pub(crate) shards: usize,
    pub(crate) quiet: Latency,
    pub(crate) attacked: Latency,
    /// A second and more, once the attackers had been gone for one.
    pub(crate) after: Latency,
    pub(crate) attack_seconds: f64,
    pub(crate) memory: Memory,
    pub(crate) is_alive: bool,
    pub(crate) notes: Vec<String>,
}

/// Resident memory of the broker.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Memory {
    pub(crate) memory_max_mib: u64,
    /// The most that were open at a time.
    pub(crate) connections: usize,
    pub(crate) quiet_mib: f64,
    pub(crate) peak_mib: f64,
    /// A minute (short: ten seconds) after the attack; `None` where the broker has ended.
    pub(crate) later_mib: Option<f64>,
    pub(crate) bound_mib: f64,
    pub(crate) holds: bool,
}

impl Memory {
    pub(crate) fn new(memory_max_mib: u64, connections: usize, quiet_bytes: u64, peak_bytes: u64) -> Memory {
        let bound_mib = memory_max_mib as f64
            + FREE_MIB
            + mebibytes(u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(CONNECTION_BYTES));
        let peak_mib = mebibytes(peak_bytes);
        Memory {
            memory_max_mib,
            connections,
            quiet_mib: mebibytes(quiet_bytes),
            peak_mib,
            later_mib: None,
            bound_mib,
            holds: peak_mib <= bound_mib,
        }
    }

    pub(crate) fn note_later(&mut self, bytes: Option<u64>) {
        self.later_mib = bytes.map(mebibytes);
    }
}

impl Row {
    /// Whether the broker lives and its memory stayed within the bound.
    pub(crate) fn holds(&self) -> bool {
        self.is_alive && self.memory.holds
    }

    /// One line, for whoever watches.
    pub(crate) fn summary(&self) -> String {
        let Latency { p99, max, .. } = self.attacked;
        format!("{}: p99 {p99:.1} ms, max {max:.0} ms, {:.0} MiB", self.attack, self.memory.peak_mib)
    }

    fn cells(&self) -> [String; COLUMNS] {
        let latency = |latency: &Latency| {
            format!("{} / {} / {}", time(latency.p50), time(latency.p99), time(latency.max))
        };
        let Memory { quiet_mib, peak_mib, later_mib, bound_mib, holds, .. } = self.memory;
        [
            self.attack.to_owned(),
            latency(&self.quiet),
            latency(&self.attacked),
            if meets_goal(&self.attacked) { "met" } else { "not met" }.to_owned(),
            format!("{} of {}", self.attacked.lost, self.attacked.sent),
            format!("{quiet_mib:.0}"),
            format!("{peak_mib:.0}"),
            later_mib.map_or("–".to_owned(), |mib| format!("{mib:.0}")),
            format!("{bound_mib:.0}"),
            if holds { "held" } else { "BROKEN" }.to_owned(),
            if self.is_alive { "yes" } else { "NO" }.to_owned(),
        ]
    }

    /// What does not fit into a cell.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let silence = self.attacked.silence;
        if silence >= SILENT_SHARE * self.attack_seconds * 1e3 {
            remarks.push("the probe heard nothing as long as the attack lasted".to_owned());
        } else if silence > SILENCE_MS {
            remarks.push(format!("the probe heard nothing for {}", time(silence)));
        }
        if !meets_goal(&self.after) {
            remarks.push(format!("and after it p99 {}, max {}", time(self.after.p99), time(self.after.max)));
        }
        remarks.extend(self.notes.iter().cloned());
        remarks
    }
}

/// Writes all rows below a head, in columns, each with its remarks below it.
pub(crate) fn write(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    let head = HEAD.map(str::to_owned);
    let cells: Vec<[String; COLUMNS]> = rows.iter().map(Row::cells).collect();
    let width = |column: usize| {
        let lengths = cells.iter().chain([&head]).map(|row| row[column].chars().count());
        lengths.max().unwrap_or_default()
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    write_line(out, &head, widths)?;
    for (row, cells) in rows.iter().zip(&cells) {
        write_line(out, cells, widths)?;
        row.remarks().iter().try_for_each(|remark| writeln!(out, "    {remark}"))?;
    }
    writeln!(out, "\nprobe: p50 / p99 / max of the pair that fared worst, {GOAL}; memory: resident MiB")
}

fn write_line(out: &mut impl Write, cells: &[String; COLUMNS], widths: [usize; COLUMNS]) -> io::Result<()> {
    let padded: Vec<String> =
        cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    writeln!(out, "{}", padded.join("  ").trim_end())
}

fn meets_goal(latency: &Latency) -> bool {
    latency.p99 <= P99_GOAL_MS && latency.max <= MAX_GOAL_MS
}

fn time(milliseconds: f64) -> String {
    match milliseconds {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

const COLUMNS: usize = 11;
const HEAD: [&str; COLUMNS] = [
    "attack",
    "probe alone",
    "probe attacked",
    "goal",
    "lost",
    "quiet",
    "peak",
    "later",
    "bound",
    "memory",
    "alive",
];
const GOAL: &str = "goal p99 ≤ 5 ms and max ≤ 50 ms";
const P99_GOAL_MS: f64 = 5.0;
const MAX_GOAL_MS: f64 = 50.0;
/// What is resident besides messages, and for each connection.
const FREE_MIB: f64 = 64.0;
const CONNECTION_BYTES: u64 = 4096;
/// Worth a remark.
const SILENCE_MS: f64 = 1000.0;
const SILENT_SHARE: f64 = 0.9;
