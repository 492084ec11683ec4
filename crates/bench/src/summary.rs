//! From the outcomes of rounds to medians, ratios and goals, and the table of them.

use std::io::{self, Write};

use cli::bench::count;
use serde::Serialize;

use crate::outcome::{Figure, Outcome, cores, median};
use crate::scenario::{Bound, Goal};

#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    scenario: String,
    contenders: Vec<ContenderSummary>,
    goals: Vec<GoalSummary>,
}

#[derive(Debug, Serialize)]
struct ContenderSummary {
    name: String,
    figures: Vec<FigureSummary>,
    server_cores: Option<f64>,
    generator_cores: Option<f64>,
    outcomes: Vec<Outcome>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct FigureSummary {
    figure: Figure,
    median: f64,
    min: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct GoalSummary {
    #[serde(flatten)]
    goal: Goal,
    /// The ratio or figure to hold against the bound; `None` where a contender has no figure.
    value: Option<f64>,
    met: bool,
}

impl Summary {
    /// Goals are for the first contender; ratios are to the second.
    pub(crate) fn new(
        scenario: &str,
        goals: &[Goal],
        contenders: impl Iterator<Item = (String, Vec<Outcome>)>,
    ) -> Summary {
        let contenders: Vec<_> =
            contenders.map(|(name, outcomes)| ContenderSummary::new(name, outcomes)).collect();
        let goals = goals.iter().map(|goal| GoalSummary::new(*goal, &contenders)).collect();
        Summary { scenario: scenario.to_owned(), contenders, goals }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.contenders.iter().all(ContenderSummary::is_clean)
    }
}

impl ContenderSummary {
    fn new(name: String, outcomes: Vec<Outcome>) -> ContenderSummary {
        let figures = Figure::ALL.into_iter().filter_map(|figure| {
            let values = outcomes.iter().filter_map(|outcome| figure.of(outcome)).collect();
            FigureSummary::new(figure, values)
        });
        let [server_cores, generator_cores] = cores(&outcomes);
        ContenderSummary { figures: figures.collect(), server_cores, generator_cores, name, outcomes }
    }

    fn is_clean(&self) -> bool {
        self.outcomes.iter().all(Outcome::is_clean)
    }

    fn figure(&self, figure: Figure) -> Option<FigureSummary> {
        self.figures.iter().copied().find(|one| one.figure == figure)
    }
}

impl FigureSummary {
    fn new(figure: Figure, values: Vec<f64>) -> Option<FigureSummary> {
        let min = values.iter().copied().reduce(f64::min)?;
        let max = values.iter().copied().reduce(f64::max)?;
        Some(FigureSummary { figure, median: median(values)?, min, max })
    }
}

impl GoalSummary {
    fn new(goal: Goal, contenders: &[ContenderSummary]) -> GoalSummary {
        let figure_of = |index: usize| Some(contenders.get(index)?.figure(goal.figure)?.median);
        let own = figure_of(0);
        let ratio = own.zip(figure_of(1)).map(|(own, other)| own / other);
        let (value, met) = match goal.bound {
            Bound::RatioMin(min) => (ratio, ratio.is_some_and(|ratio| ratio >= min)),
            Bound::RatioMax(max) => (ratio, ratio.is_some_and(|ratio| ratio <= max)),
            Bound::Min(min) => (own, own.is_some_and(|own| own >= min)),
            Bound::Max(max) => (own, own.is_some_and(|own| own <= max)),
        };
        // A figure from wrong deliveries is no figure.
        let met = met && contenders.iter().take(2).all(ContenderSummary::is_clean);
        GoalSummary { goal, value, met }
    }
}

/// A markdown table, one row for each goal, and below it what went wrong.
pub(crate) fn write_table(summaries: &[Summary], out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "| scenario | figure | tidings | relay or baseline | kernel | ratio | goal | met | cores: server + generator |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|")?;
    for summary in summaries {
        for goal in &summary.goals {
            write_row(summary, goal, out)?;
        }
    }
    for summary in summaries {
        for contender in &summary.contenders {
            for outcome in &contender.outcomes {
                write_trouble(&summary.scenario, &contender.name, outcome, out)?;
            }
        }
    }
    Ok(())
}

fn write_row(summary: &Summary, goal: &GoalSummary, out: &mut impl Write) -> io::Result<()> {
    let figure = goal.goal.figure;
    let cell = |index: usize| -> String {
        let found = summary.contenders.get(index).and_then(|contender| contender.figure(figure));
        found
            .map_or_else(dash, |one| format!("{} ({}–{})", count(one.median), count(one.min), count(one.max)))
    };
    let (ratio, bound) = match goal.goal.bound {
        Bound::RatioMin(min) => (goal.value.map(|ratio| format!("{ratio:.2}")), format!("≥ {min}")),
        Bound::RatioMax(max) => (goal.value.map(|ratio| format!("{ratio:.2}")), format!("≤ {max}")),
        Bound::Min(min) => (None, format!("≥ {min}")),
        Bound::Max(max) => (None, format!("≤ {max}")),
    };
    let cores = summary.contenders.iter().take(2).filter_map(|contender| {
        Some(format!("{:.1} + {:.1}", contender.server_cores?, contender.generator_cores?))
    });
    writeln!(
        out,
        "| {} | {} | {} | {} | {} | {} | {bound} | {} | {} |",
        summary.scenario,
        figure.label(),
        cell(0),
        cell(1),
        cell(2),
        ratio.unwrap_or_else(dash),
        if goal.met { "yes" } else { "no" },
        cores.collect::<Vec<_>>().join(", "),
    )
}

fn write_trouble(scenario: &str, contender: &str, outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    match outcome {
        Outcome::Failed(error) => writeln!(out, "\n{scenario}, {contender}: {error}"),
        Outcome::Load(report) if !outcome.is_clean() => {
            writeln!(out, "\n{scenario}, {contender}: wrong deliveries")?;
            report.write(out)
        }
        _ => Ok(()),
    }
}

fn dash() -> String {
    "–".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(connects_per_second: f64, bytes: f64) -> Outcome {
        Outcome::Idle(cli::bench::idle::IdleReport {
            subscribers: 1,
            connects_per_second,
            server_bytes_each: Some(bytes),
        })
    }

    fn goals_met(goals: &[Goal], contenders: &[(&str, &[Outcome])]) -> Vec<bool> {
        let named = contenders.iter().map(|(name, outcomes)| ((*name).to_owned(), outcomes.to_vec()));
        Summary::new("test", goals, named).goals.iter().map(|goal| goal.met).collect()
    }

    #[test]
    fn the_median_decides_not_the_outlier() {
        let goal = Goal { figure: Figure::ConnectsPerSecond, bound: Bound::Min(100.0) };
        assert_eq!(
            goals_met(&[goal], &[("a", &[idle(1.0, 0.0), idle(100.0, 0.0), idle(101.0, 0.0)])]),
            [true]
        );
        assert_eq!(
            goals_met(&[goal], &[("a", &[idle(1.0, 0.0), idle(99.0, 0.0), idle(900.0, 0.0)])]),
            [false]
        );
    }

    #[test]
    fn ratios_are_to_the_second_contender() {
        let goals = [
            Goal { figure: Figure::ServerBytesEach, bound: Bound::RatioMin(0.5) },
            Goal { figure: Figure::ServerBytesEach, bound: Bound::RatioMax(0.4) },
        ];
        assert_eq!(
            goals_met(&goals, &[("a", &[idle(0.0, 50.0)]), ("b", &[idle(0.0, 100.0)])]),
            [true, false]
        );
    }

    #[test]
    fn a_failed_round_meets_no_goal() {
        let goal = Goal { figure: Figure::ConnectsPerSecond, bound: Bound::Min(100.0) };
        let outcomes = [idle(200.0, 0.0), idle(200.0, 0.0), Outcome::Failed("it ended".to_owned())];
        assert_eq!(goals_met(&[goal], &[("a", &outcomes)]), [false]);
    }
}
