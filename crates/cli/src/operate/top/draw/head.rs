//! The upper rows: who it is, what goes through, what it has.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{RenderDirection, Sparkline, Widget as _};

use super::super::super::answers::{Memory, Status, largest, numbers};
use super::super::super::units::{bytes, count, grouped, time};
use super::super::state::{Flow, Link, State};
use super::{Theme, fitting, put};
use crate::visible::visible;

/// Rows of the head on a screen of so many.
pub(super) fn rows(screen_rows: u16) -> u16 {
    match screen_rows {
        TALL_ROWS.. => 2 * TALL_GRAPH_ROWS + TEXT_ROWS,
        // A list of three rows, its head, tabs, title and foot come first.
        _ => (2 + TEXT_ROWS).min(screen_rows.saturating_sub(7)),
    }
}

pub(super) fn draw_title(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let style = match state.link {
        Link::Up => theme.title,
        Link::Down { .. } => theme.title.patch(theme.alarm),
    };
    buffer.set_style(area, style);
    let version = state.status.as_ref().map(|status| visible(status.version.as_bytes())).unwrap_or_default();
    put(buffer, area, 0, &Line::styled(format!(" tidings {version} at {} ", state.place), style));
    let words = condition(state);
    let width = u16::try_from(words.chars().count()).unwrap_or(u16::MAX);
    let right =
        Rect { x: area.right().saturating_sub(width).max(area.x), width: width.min(area.width), ..area };
    put(buffer, right, 0, &Line::styled(words, style));
}

fn condition(state: &State) -> String {
    let paused = if state.flow == Flow::Paused { " paused " } else { "" };
    match (&state.link, &state.status) {
        (Link::Down { since, now, .. }, _) => {
            format!("{paused} no answer for {} ", time(now.saturating_duration_since(*since).as_secs_f64()))
        }
        (Link::Up, Some(status)) => {
            let state = visible(status.state.as_bytes());
            let shards = status.shards.count;
            format!("{paused} {state}, up {}, shards {shards} ", time(status.uptime_seconds))
        }
        (Link::Up, None) => paused.to_owned(),
    }
}

pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let Some(status) = &state.status else { return };
    let graph_rows = if area.height > 2 + TEXT_ROWS { TALL_GRAPH_ROWS } else { 1 };
    let newest = state.history.newest();
    let flows = [
        ("Accepted", newest.accepted, newest.received_bytes, state.history.of(|rates| rates.accepted)),
        ("Delivered", newest.delivered, newest.sent_bytes, state.history.of(|rates| rates.delivered)),
    ];
    let mut row = 0;
    for (label, messages, size, graph) in flows {
        let numbers = format!("{:>8}/s {:>9}/s", count(messages), bytes(size as u64));
        put(buffer, area, row, &Line::from(vec![labelled(label, theme), numbers.into()]));
        draw_graph(&graph, theme, graph_area(area, row, graph_rows), buffer);
        row += graph_rows;
    }
    let texts =
        [connections(status, theme), memory(&status.memory, theme), trouble(status, newest.lost, theme)];
    for spans in texts {
        put(buffer, area, row, &fitting(spans, area.width));
        row += 1;
    }
}

fn graph_area(area: Rect, row: u16, rows: u16) -> Rect {
    let rest = Rect {
        x: area.x.saturating_add(GRAPH_COLUMN),
        y: area.y.saturating_add(row),
        width: area.width.saturating_sub(GRAPH_COLUMN),
        height: rows,
    };
    rest.intersection(area)
}

/// The newest at the right, where the numbers of before move away from.
fn draw_graph(newest_first: &[u64], theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let graph =
        Sparkline::default().data(newest_first).direction(RenderDirection::RightToLeft).style(theme.flow);
    graph.render(area, buffer);
}

fn connections(status: &Status, theme: &Theme) -> Vec<Span<'static>> {
    let (total, most) = (status.connections.total, status.connections_max);
    let mut spans =
        vec![labelled("Connections", theme), Span::raw(format!("{} of {}", grouped(total), grouped(most)))];
    let words = |(name, number): (String, u64)| format!("  {name} {number}").into();
    spans.extend(largest(&status.connections.by_protocol).into_iter().map(words));
    // What speaks MQTT has no other kind.
    let kinds = numbers(&status.connections.by_kind).filter(|(kind, number)| kind != "mqtt" && *number > 0);
    spans.extend(kinds.map(words));
    spans.push(format!("  subscriptions {}", status.subscriptions).into());
    spans
}

fn memory(memory: &Memory, theme: &Theme) -> Vec<Span<'static>> {
    let part = memory.used_bytes as f64 / memory.max_bytes.max(1) as f64;
    let full = ((part * BAR_COLUMNS as f64).round() as usize).min(BAR_COLUMNS);
    let bar = "█".repeat(full) + &"░".repeat(BAR_COLUMNS - full);
    // Above it publishers wait.
    let style = if part >= 0.9 { theme.alarm } else { theme.flow };
    let used = format!(" {:.0} %  {} of {}", part * 100.0, bytes(memory.used_bytes), bytes(memory.max_bytes));
    let mut spans = vec![labelled("Memory", theme), Span::styled(bar, style), used.into()];
    spans.extend(
        largest(&memory.by_use)
            .into_iter()
            .map(|(name, number)| format!("  {name} {}", bytes(number)).into()),
    );
    spans
}

/// What went wrong. What does so now stands out.
fn trouble(status: &Status, lost: f64, theme: &Theme) -> Vec<Span<'static>> {
    let mut spans = vec![labelled("Gaps", theme)];
    for shard in &status.shards.silent {
        spans.push(Span::styled(format!("shard {shard} does not answer  "), theme.alarm));
    }
    let is_losing = lost > 0.0;
    let now = if is_losing { format!(" ({}/s)", count(lost)) } else { String::new() };
    let words = format!("lost {}{now}", grouped(status.messages.lost_total));
    spans.push(if is_losing { Span::styled(words, theme.alarm) } else { words.into() });
    spans.push(format!("  pauses {}", grouped(status.pauses_total)).into());
    spans.push(format!("  refused {}", grouped(status.messages.refused_total)).into());
    spans.push(format!("  connections refused {}", grouped(status.sockets.refused_total)).into());
    spans
}

fn labelled(label: &'static str, theme: &Theme) -> Span<'static> {
    Span::styled(format!(" {label:LABEL_COLUMNS$}"), theme.label)
}

const LABEL_COLUMNS: usize = 12;
const GRAPH_COLUMN: u16 = 36;
const BAR_COLUMNS: usize = 20;
/// Connections, memory, gaps.
const TEXT_ROWS: u16 = 3;
const TALL_ROWS: u16 = 36;
const TALL_GRAPH_ROWS: u16 = 3;
