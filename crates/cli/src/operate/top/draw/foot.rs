//! The last row: a question, what has happened, or which keys there are.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::super::state::{Link, Mode, State, Tab};
use super::{Theme, put};
use crate::visible::visible;

pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let line = match (&state.mode, &state.notice, &state.link) {
        (Mode::Asking { id, who }, ..) => {
            let id = visible(id.as_bytes());
            Line::styled(format!(" Kick {who}, {id}? y: yes, any other key: no"), theme.alarm)
        }
        (Mode::Filtering { .. }, ..) => {
            let text = visible(state.text().unwrap_or_default().as_bytes());
            Line::styled(format!(" Filter: {text}▏"), theme.head)
        }
        (_, Some(notice), _) => Line::styled(format!(" {}", visible(notice.as_bytes())), theme.head),
        (_, None, Link::Down { why, .. }) => {
            Line::styled(format!(" {}; trying again", visible(why.as_bytes())), theme.alarm)
        }
        (_, None, Link::Up) => Line::raw(keys(state.tab)),
    };
    put(buffer, area, 0, &line);
}

fn keys(tab: Tab) -> &'static str {
    match tab {
        Tab::Clients => " q quit  ? help  Tab next list  s order  / filter  k kick  p pause",
        Tab::Topics => " q quit  ? help  Tab next list  s order  / filter  p pause",
        Tab::Shards => " q quit  ? help  Tab next list  p pause",
    }
}
