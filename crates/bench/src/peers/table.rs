//! The side-by-side table: medians with their spread, ratios with theirs, and what went wrong.

use std::io::{self, Write};

use cli::bench::{CpuUse, Gaps, RunReport, count};

use super::{Compared, Results, Turn, Turns};
use crate::summary::median;

pub(super) fn write(results: &Results, out: &mut impl Write) -> io::Result<()> {
    let Results { machine, rounds, seconds, versions, scenarios } = results;
    writeln!(out, "# MQTT brokers side by side\n")?;
    writeln!(
        out,
        "{}, {}, {} cores, {}, commit {}. {rounds} rounds of {seconds} s, in turn. {}.\n",
        machine.date,
        machine.cpu_model,
        machine.cores,
        machine.kernel,
        machine.commit,
        versions.join("; ")
    )?;
    writeln!(
        out,
        "Deliveries per second: median (least–most). Ratios: tidings over the other, of the medians (least–most of"
    )?;
    writeln!(
        out,
        "the rounds). Broker and generator share the cores; processor seconds per second of both are below.\n"
    )?;
    write_rates(scenarios, out)?;
    writeln!(out)?;
    write_cores(scenarios, out)?;
    scenarios.iter().try_for_each(|compared| write_troubles(compared, out))
}

fn write_rates(scenarios: &[Compared], out: &mut impl Write) -> io::Result<()> {
    let Some(first) = scenarios.first() else { return Ok(()) };
    let mut columns = vec!["scenario".to_owned()];
    for (index, turns) in first.contenders.iter().enumerate() {
        columns.push(turns.name.clone());
        columns.extend((index > 0).then(|| "ratio".to_owned()));
    }
    write_head(&columns, out)?;
    for compared in scenarios {
        let mut row = vec![compared.scenario.clone()];
        let own = compared.contenders.first();
        for (index, turns) in compared.contenders.iter().enumerate() {
            row.push(spread(turns.turns.iter().filter_map(Turn::deliveries), count) + turns.mark());
            if let Some(own) = own.filter(|_| index > 0) {
                row.push(ratio(own, turns));
            }
        }
        write_row(&row, out)?;
    }
    Ok(())
}

/// Medians of the processor time on both sides.
fn write_cores(scenarios: &[Compared], out: &mut impl Write) -> io::Result<()> {
    let Some(first) = scenarios.first() else { return Ok(()) };
    let names = first.contenders.iter().map(|turns| format!("{}: server + generator", turns.name));
    let columns: Vec<_> = std::iter::once("cores".to_owned()).chain(names).collect();
    write_head(&columns, out)?;
    for compared in scenarios {
        let cores = compared.contenders.iter().map(|turns| {
            let server = turns.cores(|report| report.server_cpu.as_ref());
            format!("{server} + {}", turns.cores(|report| report.generator_cpu.as_ref()))
        });
        let row: Vec<_> = std::iter::once(compared.scenario.clone()).chain(cores).collect();
        write_row(&row, out)?;
    }
    Ok(())
}

fn write_head(columns: &[String], out: &mut impl Write) -> io::Result<()> {
    write_row(columns, out)?;
    writeln!(out, "|{}", "---|".repeat(columns.len()))
}

fn write_row(cells: &[String], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "| {} |", cells.join(" | "))
}

fn write_troubles(compared: &Compared, out: &mut impl Write) -> io::Result<()> {
    for Turns { name, turns } in &compared.contenders {
        for (round, turn) in (1..).zip(turns) {
            let place = format!("{}, {name}, round {round}", compared.scenario);
            match turn {
                Turn::Failed(error) => writeln!(out, "\n{place}: {error}")?,
                Turn::Run(report) if !report.account.is_clean(Gaps::Fail) => {
                    writeln!(out, "\n{place}:\n\n```")?;
                    report.write(out)?;
                    writeln!(out, "```")?;
                }
                Turn::Run(_) => {}
            }
        }
    }
    Ok(())
}

impl Turns {
    /// Shows that not all was well; what it was stands below.
    fn mark(&self) -> &'static str {
        let is_clean = |turn: &Turn| matches!(turn, Turn::Run(report) if report.account.is_clean(Gaps::Fail));
        if self.turns.iter().all(is_clean) { "" } else { " *" }
    }

    fn cores(&self, side: impl Fn(&RunReport) -> Option<&CpuUse>) -> String {
        let used = self.turns.iter().filter_map(|turn| match turn {
            Turn::Run(report) => side(report).map(|used| used.cores),
            Turn::Failed(_) => None,
        });
        median(used.collect()).map_or_else(dash, |cores| format!("{cores:.2}"))
    }

    fn median(&self) -> Option<f64> {
        median(self.turns.iter().filter_map(Turn::deliveries).collect())
    }
}

/// Of the medians, and how far it was from round to round.
fn ratio(own: &Turns, other: &Turns) -> String {
    let Some((a, b)) = own.median().zip(other.median()) else { return dash() };
    let rounds = own.turns.iter().zip(&other.turns);
    let ratios = rounds.filter_map(|(a, b)| Some(a.deliveries()? / b.deliveries()?));
    let (least, most) =
        ratios.fold((f64::INFINITY, 0.0_f64), |(least, most), one| (least.min(one), most.max(one)));
    format!("{:.2} ({least:.2}–{most:.2})", a / b)
}

fn spread(values: impl Iterator<Item = f64>, show: impl Fn(f64) -> String) -> String {
    let values: Vec<f64> = values.collect();
    let (least, most) =
        values.iter().fold((f64::INFINITY, 0.0_f64), |(least, most), one| (least.min(*one), most.max(*one)));
    median(values).map_or_else(dash, |middle| format!("{} ({}–{})", show(middle), show(least), show(most)))
}

fn dash() -> String {
    "–".to_owned()
}
