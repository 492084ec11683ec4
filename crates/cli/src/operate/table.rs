//! Rows in columns that fit a terminal.

use std::io::{self, IsTerminal as _};

use ratatui::crossterm::terminal;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// What a column does if there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// Stays as wide as its widest cell.
    Whole,
    /// Loses its ends, down to so many columns.
    Start(usize),
    /// Loses its beginnings, down to so many columns: of an address the end tells one from the other.
    End(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) head: &'static str,
    pub(super) align: Align,
    pub(super) fit: Fit,
}

impl Column {
    pub(super) const fn text(head: &'static str, fit: Fit) -> Self {
        Self { head, align: Align::Left, fit }
    }

    pub(super) const fn number(head: &'static str) -> Self {
        Self { head, align: Align::Right, fit: Fit::Whole }
    }
}

/// How wide each column is, so that all fit into so many columns of a terminal, if that is possible.
pub(super) fn widths<const N: usize>(
    columns: &[Column; N],
    rows: &[[String; N]],
    columns_max: usize,
) -> [usize; N] {
    let widest = |at: usize| rows.iter().map(|row| row[at].width()).max().unwrap_or(0);
    let mut widths: [usize; N] = std::array::from_fn(|at| widest(at).max(columns[at].head.len()));
    while widths.iter().sum::<usize>() + N.saturating_sub(1) > columns_max {
        let can_shrink = |(at, width): &(usize, &mut usize)| match columns[*at].fit {
            Fit::Whole => false,
            Fit::Start(least) | Fit::End(least) => **width > least.max(columns[*at].head.len()),
        };
        let widest = widths.iter_mut().enumerate().filter(can_shrink).max_by_key(|(_, width)| **width);
        let Some((_, width)) = widest else { break };
        *width -= 1;
    }
    widths
}

/// A line of cells, without blanks at its end.
pub(super) fn line<const N: usize>(columns: &[Column; N], cells: [&str; N], widths: [usize; N]) -> String {
    let mut line = String::new();
    for ((cell, column), width) in cells.iter().zip(columns).zip(widths) {
        if !line.is_empty() || width == 0 {
            line.push(' ');
        }
        line += &fitted(cell, *column, width);
    }
    line.truncate(line.trim_end().len());
    line
}

/// A cell in exactly so many columns.
pub(super) fn fitted(cell: &str, column: Column, width: usize) -> String {
    let shown = match column.fit {
        Fit::End(_) => cut_start(cell, width),
        Fit::Whole | Fit::Start(_) => cut(cell, width),
    };
    let blanks = " ".repeat(width.saturating_sub(shown.width()));
    match column.align {
        Align::Left => shown + &blanks,
        Align::Right => blanks + &shown,
    }
}

/// Its beginning, if it is too wide.
pub(super) fn cut(text: &str, columns_max: usize) -> String {
    if text.width() <= columns_max {
        return text.to_owned();
    }
    let mut left = columns_max.saturating_sub(1);
    let begin = text.chars().take_while(|c| take(*c, &mut left));
    begin.chain((columns_max > 0).then_some('…')).collect()
}

/// Its end, if it is too wide.
fn cut_start(text: &str, columns_max: usize) -> String {
    if text.width() <= columns_max {
        return text.to_owned();
    }
    let mut left = columns_max.saturating_sub(1);
    let mut end: Vec<char> = text.chars().rev().take_while(|c| take(*c, &mut left)).collect();
    end.extend((columns_max > 0).then_some('…'));
    end.into_iter().rev().collect()
}

/// Whether there is room for it; then there is so much less.
fn take(c: char, left: &mut usize) -> bool {
    let room = left.checked_sub(c.width().unwrap_or(0));
    *left = room.unwrap_or(*left);
    room.is_some()
}

/// A head and rows; the head alone is worth nothing.
pub(super) fn table<const N: usize>(
    columns: &[Column; N],
    rows: &[[String; N]],
    columns_max: usize,
) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let widths = widths(columns, rows, columns_max);
    let mut text = line(columns, columns.each_ref().map(|column| column.head), widths) + "\n";
    for row in rows {
        text += &line(columns, row.each_ref().map(String::as_str), widths);
        text.push('\n');
    }
    text
}

/// Columns of the terminal that reads standard output. Whoever else reads it (`| grep`) gets whole cells, unless
/// it says how wide it is.
pub(super) fn columns_max() -> usize {
    let said = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0);
    let found = || io::stdout().is_terminal().then(terminal::size)?.ok().map(|(columns, _)| columns.into());
    said().or_else(found).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] =
        [Column::number("N"), Column::text("FROM", Fit::End(6)), Column::text("TOPIC", Fit::Start(8))];

    fn rows(cells: &[[&str; 3]]) -> Vec<[String; 3]> {
        cells.iter().map(|row| row.map(str::to_owned)).collect()
    }

    #[test]
    fn cells_stand_below_each_other() {
        let rows = rows(&[["1", "a", "x"], ["234", "bcdef", ""]]);
        assert_eq!(table(&COLUMNS, &rows, 80), "  N FROM  TOPIC\n  1 a     x\n234 bcdef\n");
        assert_eq!(table(&COLUMNS, &[], 80), "");
    }

    #[test]
    fn the_widest_gives_way_first() {
        let rows = rows(&[["1", "127.0.0.1:1234", "kitchen/temperature/now"]]);
        let fits = |columns| table(&COLUMNS, &rows, columns).lines().nth(1).unwrap().to_owned();
        assert_eq!(fits(40), "1 127.0.0.1:1234 kitchen/temperature/now");
        assert_eq!(fits(35), "1 127.0.0.1:1234 kitchen/temperatu…");
        assert_eq!(fits(25), "1 …0.0.1:1234 kitchen/te…");
        // No less than what a cell needs to be recognised.
        assert_eq!(fits(3), "1 …:1234 kitchen…");
    }

    #[test]
    fn what_is_wide_is_cut_where_it_fits() {
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut_start("日本語", 4), "…語");
        assert_eq!(cut("ab", 1), "…");
        assert_eq!(cut("ab", 0), "");
    }
}
