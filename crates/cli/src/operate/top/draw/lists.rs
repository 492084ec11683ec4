//! The tables of clients, topics and shards.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::super::answers::{Shard, Topic};
use super::super::super::clients::{self, Sort};
use super::super::super::table::{Column, Fit, line, widths};
use super::super::super::topics::{moment, payload};
use super::super::super::units::{bytes, count};
use super::super::rates::ShardRates;
use super::super::state::{HasMore, Shown, State, Tab, TopicSort};
use super::{Theme, put};
use crate::visible::visible;

pub(super) fn draw_tabs(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let mut spans = Vec::new();
    for (tab, name) in TABS {
        let style = if tab == state.tab { theme.marked } else { theme.head };
        spans.push(Span::styled(format!(" {name} "), style));
    }
    spans.push(Span::raw(format!("  {}", order(state))));
    if let Some(text) = state.text().filter(|text| !text.is_empty()) {
        spans.push(Span::raw(format!("  filter {}", visible(text.as_bytes()))));
    }
    spans.push(Span::raw(how_many(state)));
    put(buffer, area, 0, &spans.into());
}

fn order(state: &State) -> &'static str {
    match (state.tab, state.client_sort, state.topic_sort) {
        (Tab::Clients, Sort::Id, _) => "by id",
        (Tab::Clients, Sort::Queued, _) => "by what is queued",
        (Tab::Clients, Sort::Age, _) => "by age",
        (Tab::Topics, _, TopicSort::Name) => "by name",
        (Tab::Topics, _, TopicSort::Rate) => "by rate",
        (Tab::Topics, _, TopicSort::Total) => "by total",
        (Tab::Topics, _, TopicSort::Bytes) => "by bytes",
        (Tab::Topics, _, TopicSort::Last) => "latest first",
        (Tab::Shards, ..) => "",
    }
}

/// What is to be said about what is not shown.
fn how_many(state: &State) -> String {
    let (has_more, missing) = match &state.rows {
        Shown::Nothing | Shown::Wrong(_) | Shown::Shards(_) => return String::new(),
        Shown::Clients(page) => (page.next.is_some() || !page.complete, &page.missing_shards),
        Shown::Topics { has_more, missing_shards, .. } => (*has_more == HasMore::Yes, missing_shards),
    };
    let mut words = format!("  {}{}", if has_more { "the first " } else { "" }, state.rows.len());
    if !missing.is_empty() {
        words += "  those of silent shards are missing";
    }
    words
}

pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let pane = Pane { theme, area, marked: state.marked };
    match &state.rows {
        Shown::Nothing => put(buffer, area, 0, &Line::raw(" asking…")),
        Shown::Wrong(words) => {
            put(buffer, area, 0, &Line::styled(format!(" {}", visible(words.as_bytes())), theme.alarm))
        }
        Shown::Clients(page) => pane.draw(&clients::COLUMNS, &page.rows, clients::cells, buffer),
        Shown::Topics { topics, .. } => pane.draw(&TOPIC_COLUMNS, topics, topic_cells, buffer),
        Shown::Shards(shards) => pane.draw(&SHARD_COLUMNS, shards, shard_cells, buffer),
    }
}

struct Pane<'a> {
    theme: &'a Theme,
    area: Rect,
    marked: usize,
}

impl Pane<'_> {
    /// The rows around the marked one, as many as there is room for.
    fn draw<Row, const N: usize>(
        &self,
        columns: &[Column; N],
        rows: &[Row],
        cells: fn(&Row) -> [String; N],
        buffer: &mut Buffer,
    ) {
        let room = usize::from(self.area.height.saturating_sub(1));
        let first = (self.marked + 1).saturating_sub(room);
        let shown: Vec<_> = rows.iter().skip(first).take(room).map(cells).collect();
        // A column on the left for nothing but the look of it.
        let widths = widths(columns, &shown, usize::from(self.area.width).saturating_sub(2));
        let head = line(columns, columns.each_ref().map(|column| column.head), widths);
        put(buffer, self.area, 0, &Line::styled(format!(" {head}"), self.theme.head));
        for (row, cells) in (1..).zip(&shown) {
            let text = line(columns, cells.each_ref().map(String::as_str), widths);
            put(buffer, self.area, row, &Line::raw(format!(" {text}")));
            if first + usize::from(row) == self.marked + 1 {
                let marked = Rect { y: self.area.y + row, height: 1, ..self.area };
                buffer.set_style(marked, self.theme.marked);
            }
        }
    }
}

fn topic_cells((topic, rate): &(Topic, Option<f64>)) -> [String; 7] {
    [
        visible(topic.name.as_bytes()),
        rate.map_or_else(|| "-".to_owned(), count),
        count(topic.messages_total as f64),
        count(topic.messages_kept as f64),
        bytes(topic.bytes),
        moment(&topic.last.time),
        payload(&topic.last.payload),
    ]
}

fn shard_cells((shard, rates): &(Shard, Option<ShardRates>)) -> [String; 10] {
    let rate = |of: fn(&ShardRates) -> f64| rates.as_ref().map_or_else(|| "-".to_owned(), |r| count(of(r)));
    [
        shard.shard.to_string(),
        if shard.answers { "answers" } else { "SILENT" }.to_owned(),
        rates.map_or_else(|| "-".to_owned(), |rates| format!("{:.0}%", rates.busy * 100.0)),
        count(shard.connections.total as f64),
        count(shard.subscriptions as f64),
        rate(|rates| rates.accepted),
        rate(|rates| rates.delivered),
        count(shard.messages.lost_total as f64),
        bytes(shard.history_bytes),
        bytes(shard.mail_waiting_bytes),
    ]
}

const TABS: [(Tab, &str); 3] =
    [(Tab::Clients, "1 Clients"), (Tab::Topics, "2 Topics"), (Tab::Shards, "3 Shards")];

const TOPIC_COLUMNS: [Column; 7] = [
    Column::text("TOPIC", Fit::Start(12)),
    Column::number("MSG/S"),
    Column::number("TOTAL"),
    Column::number("KEPT"),
    Column::number("BYTES"),
    Column::text("LAST", Fit::Whole),
    Column::text("PAYLOAD", Fit::Start(8)),
];

const SHARD_COLUMNS: [Column; 10] = [
    Column::number("SHARD"),
    Column::text("STATE", Fit::Whole),
    Column::number("BUSY"),
    Column::number("CONNS"),
    Column::number("SUBS"),
    Column::number("IN/S"),
    Column::number("OUT/S"),
    Column::number("LOST"),
    Column::number("HISTORY"),
    Column::number("MAIL"),
];
