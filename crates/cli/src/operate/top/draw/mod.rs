//! A screen from what is known: a function of state and size, which knows no terminal.

mod foot;
mod head;
mod lists;
mod theme;

#[cfg(test)]
mod tests;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

pub(super) use self::theme::Theme;
use super::state::{Mode, State};

/// Draws everything.
pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let head_rows = head::rows(area.height);
    let rows = [1, head_rows, 1].map(Constraint::Length).into_iter();
    let rows = rows.chain([Constraint::Min(0), Constraint::Length(1)]);
    let [title, head, tabs, list, foot] = *Layout::vertical(rows).split(area) else { return };
    // On a terminal of few rows the foot must stay: it asks.
    foot::draw(state, theme, foot, buffer);
    head::draw_title(state, theme, title, buffer);
    head::draw(state, theme, head, buffer);
    lists::draw_tabs(state, theme, tabs, buffer);
    match state.mode {
        Mode::Help => draw_help(list, buffer),
        _ => lists::draw(state, theme, list, buffer),
    }
}

/// Puts a line into a row of an area, if it has that row.
fn put(buffer: &mut Buffer, area: Rect, row: u16, line: &Line<'_>) {
    if row < area.height {
        buffer.set_line(area.x, area.y + row, line, area.width);
    }
}

/// As many spans as fit whole: half a number is a wrong one.
fn fitting<'a>(mut spans: Vec<Span<'a>>, columns: u16) -> Line<'a> {
    let mut room = usize::from(columns);
    let count = spans.iter().map_while(|span| {
        room = room.checked_sub(span.width())?;
        Some(())
    });
    let count = count.count();
    spans.truncate(count);
    spans.into()
}

fn draw_help(area: Rect, buffer: &mut Buffer) {
    for (row, line) in (0..).zip(HELP.lines()) {
        put(buffer, area, row, &Line::raw(line));
    }
}

const HELP: &str = "
  1 2 3, Tab   clients, topics, shards
  Up, Down     mark a row; PgUp, PgDn, Home, End
  s, S         the next order, the one before
  /            filter: clients by id, name, address or topic; topics by how they
               begin, with + and # by what matches. Enter keeps, Esc takes off
  k            kick the marked client, after a question
  p            pause and go on
  q, Ctrl+C    quit          Ctrl+Z  stop; fg goes on

  Rates are of the last look. BUSY is the part of its time in which a shard had
  something to do. QUEUED waits for a client to read it.

  Any key goes back.";
