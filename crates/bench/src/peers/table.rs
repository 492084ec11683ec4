//! The side-by-side tables: ours against the best of the others, then everybody's medians with their spread, and what
//! went wrong.

use std::io::{self, Write};

use cli::bench::{Gaps, RunReport, count};

use super::contender::RELAY;
use super::kinds::{TIDINGS, TIDINGS_TEXT};
use super::{Compared, Results, Turns};
use crate::outcome::{Figure, Outcome, cores, median};

pub(super) fn write(results: &Results, out: &mut impl Write) -> io::Result<()> {
    let Results { machine, rounds, seconds, versions, missing, scenarios } = results;
    writeln!(out, "# Brokers side by side\n")?;
    writeln!(
        out,
        "{}, {}, {} cores, {}, commit {}. {rounds} rounds of {seconds} s, in turn. {}.{}\n",
        machine.date,
        machine.cpu_model,
        machine.cores,
        machine.kernel,
        machine.commit,
        versions.join("; "),
        if missing.is_empty() { String::new() } else { format!(" Not here: {}.", missing.join(", ")) }
    )?;
    write!(out, "{HOW_TO_READ}")?;
    write_best(scenarios, out)?;
    // Scenarios with the same figures stand together, as they do in the file.
    for like in scenarios.chunk_by(|one, other| one.figures == other.figures) {
        writeln!(out)?;
        write_all(like, out)?;
    }
    scenarios.iter().try_for_each(|compared| write_troubles(compared, out))
}

const HOW_TO_READ: &str = "\
Figures are medians (least–most of the rounds); in closed loops with the generator waiting before it reads as long as
was best for this broker. Ratios: tidings' median over the other's (least–most of the rounds); where less is better,
below 1 is better. Each broker is spoken to in its own protocol, tidings in MQTT and, as tidings-text, in lines; where a
scenario names who takes part, the first table has the first of its rows as tidings. Brokers and generator share
the cores; cores are processor seconds per second of both. Marked with *: not every delivery was right, or not
as many as were due, see the end.

";

/// Ours beside the best broker of any protocol, our own text protocol, and the relay.
fn write_best(scenarios: &[Compared], out: &mut impl Write) -> io::Result<()> {
    write_head(
        &["scenario", "figure", "tidings", "best peer", "ratio", "to tidings-text", "to the relay"],
        out,
    )?;
    for compared in scenarios {
        let Some(own) = best_turns(compared).next() else { continue };
        for figure in compared.figures {
            let named = |name: &str| best_turns(compared).find(|turns| turns.name == name);
            let peers = best_turns(compared).skip(1).filter(|turns| is_peer(turns.name));
            let ranked = peers.filter_map(|turns| Some((turns, figure.rank(turns.median(*figure)?))));
            let peer = ranked.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(turns, _)| turns);
            let ratio = |other: Option<&Turns>| other.map_or_else(dash, |other| ratio(*figure, own, other));
            let cells = [
                compared.scenario.clone(),
                figure.label().to_owned(),
                own.cell(*figure),
                peer.map_or_else(dash, |peer| format!("{} {}", peer.name, peer.cell(*figure))),
                ratio(peer),
                ratio(named(TIDINGS_TEXT.name)),
                ratio(named(RELAY)),
            ];
            write_row(&cells, out)?;
        }
    }
    Ok(())
}

/// A row for each contender in each of the scenarios, which have the same figures.
fn write_all(scenarios: &[Compared], out: &mut impl Write) -> io::Result<()> {
    let figures = scenarios.first().map(|compared| compared.figures).unwrap_or_default();
    let is_timed = scenarios.iter().any(|compared| best_turns(compared).any(Turns::is_timed));
    let mut columns = vec!["scenario", "broker"];
    figures.iter().for_each(|figure| columns.extend([figure.label(), "ratio"]));
    if is_timed {
        columns.extend(["waits", "cores: server + generator", "bottleneck"]);
    }
    write_head(&columns, out)?;
    for compared in scenarios {
        let Some(own) = best_turns(compared).next() else { continue };
        for (index, turns) in best_turns(compared).enumerate() {
            let mut row = vec![compared.scenario.clone(), turns.name.to_owned()];
            for figure in figures {
                row.push(turns.cell(*figure));
                row.push(if index == 0 { dash() } else { ratio(*figure, own, turns) });
            }
            if is_timed {
                row.extend([format!("{} µs", turns.linger_us), turns.cores(), turns.bottleneck()]);
            }
            write_row(&row, out)?;
        }
    }
    Ok(())
}

fn write_head(columns: &[&str], out: &mut impl Write) -> io::Result<()> {
    write_row(columns, out)?;
    writeln!(out, "|{}", "---|".repeat(columns.len()))
}

fn write_row<S: AsRef<str>>(cells: &[S], out: &mut impl Write) -> io::Result<()> {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    writeln!(out, "| {} |", cells.join(" | "))
}

fn write_troubles(compared: &Compared, out: &mut impl Write) -> io::Result<()> {
    for Turns { name, linger_us, turns } in compared.contenders.iter().flatten() {
        for (round, turn) in (1..).zip(turns) {
            let place = format!("{}, {name}, {linger_us} µs, round {round}", compared.scenario);
            match turn {
                Outcome::Failed(error) => writeln!(out, "\n{place}: {error}")?,
                Outcome::Load(report) if !report.account.is_clean(Gaps::Fail) => {
                    writeln!(out, "\n{place}:\n\n```")?;
                    report.write(out)?;
                    writeln!(out, "```")?;
                }
                Outcome::Load(report) if !report.kept_pace() => {
                    let delivered = count(report.delivered_per_second);
                    writeln!(out, "\n{place}: {delivered} deliveries/s, fewer than were due")?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn is_well(turn: &Outcome) -> bool {
    turn.is_clean() && turn.report().is_none_or(RunReport::kept_pace)
}

/// Of each contender, the turns with the best median of the first figure.
fn best_turns(compared: &Compared) -> impl Iterator<Item = &Turns> {
    let rank = |turns: &Turns| {
        let figure = compared.figures.first()?;
        Some(figure.rank(turns.median(*figure)?))
    };
    let rank = move |turns: &Turns| rank(turns).unwrap_or(f64::NEG_INFINITY);
    compared
        .contenders
        .iter()
        .filter_map(move |of_one| of_one.iter().max_by(|one, other| rank(one).total_cmp(&rank(other))))
}

impl Turns {
    fn values(&self, figure: Figure) -> impl Iterator<Item = f64> {
        self.turns.iter().filter_map(move |turn| figure.of(turn))
    }

    fn median(&self, figure: Figure) -> Option<f64> {
        median(self.values(figure).collect())
    }

    /// The median and its spread; marked where not all was well, and what it was stands below.
    fn cell(&self, figure: Figure) -> String {
        let mark = if self.turns.iter().all(is_well) { "" } else { " *" };
        let (least, most) = spread(self.values(figure));
        let shown = self.median(figure).map(|middle| {
            let [middle, least, most] = [middle, least, most].map(|value| figure.show(value));
            format!("{middle} ({least}–{most})")
        });
        shown.unwrap_or_else(dash) + mark
    }

    fn is_timed(&self) -> bool {
        self.turns.iter().any(|turn| turn.used().is_some())
    }

    fn cores(&self) -> String {
        let shown = |cores: Option<f64>| cores.map_or_else(dash, |cores| format!("{cores:.2}"));
        let [server, generator] = cores(&self.turns).map(shown);
        format!("{server} + {generator}")
    }

    /// Who was it in the last round.
    fn bottleneck(&self) -> String {
        let last = self.turns.iter().rev().find_map(Outcome::used);
        last.map_or_else(dash, |used| used.bottleneck())
    }
}

/// Of the medians, and how far it was from round to round.
fn ratio(figure: Figure, own: &Turns, other: &Turns) -> String {
    let Some((a, b)) = own.median(figure).zip(other.median(figure)) else { return dash() };
    let rounds = own.turns.iter().zip(&other.turns);
    let (least, most) = spread(rounds.filter_map(|(a, b)| Some(figure.of(a)? / figure.of(b)?)));
    format!("{:.2} ({least:.2}–{most:.2})", a / b)
}

fn spread(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, 0.0_f64), |(least, most), one| (least.min(one), most.max(one)))
}

fn dash() -> String {
    "–".to_owned()
}

/// Whether it is somebody else's; what is not is told apart from the best of the others.
fn is_peer(name: &str) -> bool {
    name != RELAY && !name.starts_with(TIDINGS.name)
}

#[cfg(test)]
mod tests {
    use cli::bench::BothUse;

    use super::*;
    use crate::outcome::{ResumeReport, VisitsReport};

    fn compared(figures: &'static [Figure], contenders: Vec<(&'static str, Vec<Outcome>)>) -> Compared {
        let contenders =
            contenders.into_iter().map(|(name, turns)| vec![Turns { name, linger_us: 0, turns }]);
        Compared { scenario: "test".to_owned(), figures, contenders: contenders.collect() }
    }

    fn visits(per_second: f64) -> Outcome {
        let used = BothUse { server: None, generator: None };
        Outcome::Visits(VisitsReport { clients: 1, per_second, used })
    }

    fn text(write: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn who_could_not_be_run_has_no_figure_and_a_reason() {
        let failed = || vec![Outcome::Failed("it does not listen".to_owned())];
        let one = compared(&[Figure::VisitsPerSecond], vec![("tidings", failed()), ("mosquitto", failed())]);
        let expected = "\
| scenario | broker | clients/s | ratio |
|---|---|---|---|
| test | tidings | – * | – |
| test | mosquitto | – * | – |

test, tidings, 0 µs, round 1: it does not listen

test, mosquitto, 0 µs, round 1: it does not listen
";
        let found = text(|out| {
            write_all(std::slice::from_ref(&one), out)?;
            write_troubles(&one, out)
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn the_best_peer_is_neither_the_relay_nor_our_text_protocol() {
        let all =
            [("tidings", 30.0), ("tidings-text", 60.0), ("relay", 90.0), ("redis", 15.0), ("nats", 10.0)];
        let turns =
            all.map(|(name, rate)| (name, vec![visits(rate), visits(rate / 2.0), visits(rate * 2.0)]));
        let one = compared(&[Figure::VisitsPerSecond], turns.to_vec());
        let expected = "\
| scenario | figure | tidings | best peer | ratio | to tidings-text | to the relay |
|---|---|---|---|---|---|---|
| test | clients/s | 30 (15–60) | redis 15 (8–30) | 2.00 (2.00–2.00) | 0.50 (0.50–0.50) | 0.33 (0.33–0.33) |
";
        assert_eq!(text(|out| write_best(std::slice::from_ref(&one), out)), expected);
    }

    #[test]
    fn the_best_is_the_least_where_less_is_better() {
        let resume = |first_message_ms| {
            let messages_per_second = 1000.0;
            let report = ResumeReport { resumes: 1, messages: 1, first_message_ms, messages_per_second };
            vec![Outcome::Resume(report)]
        };
        let turns = vec![("tidings", resume(1.0)), ("mosquitto", resume(4.0)), ("flashmq", resume(2.0))];
        let found = text(|out| write_best(&[compared(&[Figure::FirstMessageMs], turns.clone())], out));
        assert!(found.contains("| flashmq 2.00 (2.00–2.00) | 0.50 (0.50–0.50) |"), "{found}");
    }
}
