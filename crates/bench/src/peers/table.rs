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
    write!(out, "{HOW_TO_READ}")?;
    write_rates(scenarios, out)?;
    writeln!(out)?;
    write_cores(scenarios, out)?;
    scenarios.iter().try_for_each(|compared| write_troubles(compared, out))
}

const HOW_TO_READ: &str = "\
Deliveries per second: median (least–most), with the generator waiting before it reads as long as was best for this
broker. Ratios: tidings over the other, of the medians (least–most of the rounds). Broker and generator share the cores;
processor seconds per second of both are below. Marked with *: not every delivery was right, see the end.

";

fn write_rates(scenarios: &[Compared], out: &mut impl Write) -> io::Result<()> {
    let Some(first) = scenarios.first() else { return Ok(()) };
    let mut columns = vec!["scenario".to_owned()];
    for (index, turns) in best(first).enumerate() {
        columns.push(turns.name.clone());
        columns.extend((index > 0).then(|| "ratio".to_owned()));
    }
    write_head(&columns, out)?;
    for compared in scenarios {
        let mut row = vec![compared.scenario.clone()];
        let own = best(compared).next();
        for (index, turns) in best(compared).enumerate() {
            row.push(spread(turns.turns.iter().filter_map(Turn::deliveries), count) + turns.mark());
            if let Some(own) = own.filter(|_| index > 0) {
                row.push(ratio(own, turns));
            }
        }
        write_row(&row, out)?;
    }
    Ok(())
}

/// Medians of the processor time on both sides, and how long the generator waited.
fn write_cores(scenarios: &[Compared], out: &mut impl Write) -> io::Result<()> {
    let Some(first) = scenarios.first() else { return Ok(()) };
    let names = best(first).map(|turns| format!("{}: server + generator", turns.name));
    let columns: Vec<_> = std::iter::once("cores".to_owned()).chain(names).collect();
    write_head(&columns, out)?;
    for compared in scenarios {
        let cores = best(compared).map(|turns| {
            let server = turns.cores(|report| report.server_cpu.as_ref());
            let generator = turns.cores(|report| report.generator_cpu.as_ref());
            format!("{server} + {generator} ({} µs)", turns.linger_us)
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
    for Turns { name, linger_us, turns } in compared.contenders.iter().flatten() {
        for (round, turn) in (1..).zip(turns) {
            let place = format!("{}, {name}, {linger_us} µs, round {round}", compared.scenario);
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

/// Of each contender, the turns with the best median.
fn best(compared: &Compared) -> impl Iterator<Item = &Turns> {
    compared.contenders.iter().filter_map(|of_one| {
        let rate = |turns: &Turns| turns.median().unwrap_or(0.0);
        of_one.iter().max_by(|one, other| rate(one).total_cmp(&rate(other)))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(name: &str) -> Vec<Turns> {
        let turns = vec![Turn::Failed("it does not listen".to_owned())];
        vec![Turns { name: name.to_owned(), linger_us: 50, turns }]
    }

    #[test]
    fn who_could_not_be_run_has_no_figure_and_a_reason() {
        let contenders = vec![failed("tidings"), failed("mosquitto")];
        let compared = [Compared { scenario: "1 to 1".to_owned(), contenders }];
        let mut out = Vec::new();
        write_rates(&compared, &mut out).unwrap();
        write_troubles(&compared[0], &mut out).unwrap();
        let expected = "\
| scenario | tidings | mosquitto | ratio |
|---|---|---|---|
| 1 to 1 | – * | – * | – |

1 to 1, tidings, 50 µs, round 1: it does not listen

1 to 1, mosquitto, 50 µs, round 1: it does not listen
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_spread_is_around_the_median() {
        let shown = spread([3.0, 1.0, 2.0].into_iter(), |value| value.to_string());
        assert_eq!(shown, "2 (1–3)");
    }
}
