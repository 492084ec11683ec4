//! What a key does.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::super::clients::Sort;
use super::fetch::View;
use super::state::{Flow, Mode, State, Tab, TopicSort};
use crate::ending::Ending;
use crate::visible::visible;

/// What is to be done besides drawing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Nothing.
    Shown,
    /// The server is to be asked for something else.
    Asks(View),
    /// The client with this id is to be kicked.
    Kicks(String),
    Suspends,
    Ends(Ending),
}

/// Does what the key means now.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Reaction {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Reaction::Ends(Ending::CTRL_C),
            KeyCode::Char('z') => Reaction::Suspends,
            _ => Reaction::Shown,
        };
    }
    state.notice = None;
    match std::mem::replace(&mut state.mode, Mode::Looking) {
        Mode::Looking => look(state, key.code),
        Mode::Filtering { before } => filter(state, key.code, before),
        Mode::Asking { id, .. } => match key.code {
            KeyCode::Char('y' | 'Y') => Reaction::Kicks(id),
            _ => {
                state.notice("nobody was kicked".to_owned());
                Reaction::Shown
            }
        },
        // Any key takes it away.
        Mode::Help => Reaction::Shown,
    }
}

fn look(state: &mut State, code: KeyCode) -> Reaction {
    match code {
        KeyCode::Char('q') => return Reaction::Ends(Ending::Done),
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => state.mode = Mode::Help,
        KeyCode::Char('1') => return turn_to(state, Tab::Clients),
        KeyCode::Char('2') => return turn_to(state, Tab::Topics),
        KeyCode::Char('3') => return turn_to(state, Tab::Shards),
        KeyCode::Tab | KeyCode::Right => return turn_to(state, next_tab(state.tab)),
        KeyCode::BackTab | KeyCode::Left => return turn_to(state, next_tab(next_tab(state.tab))),
        KeyCode::Up => state.mark(state.marked.saturating_sub(1)),
        KeyCode::Down => state.mark(state.marked.saturating_add(1)),
        KeyCode::PageUp => state.mark(state.marked.saturating_sub(PAGE_ROWS)),
        KeyCode::PageDown => state.mark(state.marked.saturating_add(PAGE_ROWS)),
        KeyCode::Home => state.mark(0),
        KeyCode::End => state.mark(usize::MAX),
        KeyCode::Char('s') => return reorder(state, next_in),
        KeyCode::Char('S') => return reorder(state, previous_in),
        KeyCode::Char('/') => match state.text() {
            Some(text) => state.mode = Mode::Filtering { before: text.to_owned() },
            None => state.notice("shards have no filter".to_owned()),
        },
        KeyCode::Esc => return set_text(state, String::new()),
        KeyCode::Char('k') => ask_to_kick(state),
        KeyCode::Char('p' | ' ') => {
            state.flow = if state.flow == Flow::Runs { Flow::Paused } else { Flow::Runs };
        }
        _ => {}
    }
    Reaction::Shown
}

fn filter(state: &mut State, code: KeyCode, before: String) -> Reaction {
    let mut text = state.text().unwrap_or_default().to_owned();
    match code {
        KeyCode::Enter => return Reaction::Shown,
        KeyCode::Esc => return set_text(state, before),
        KeyCode::Backspace => drop(text.pop()),
        KeyCode::Char(c) if text.chars().count() < TEXT_CHARS_MAX => text.push(c),
        _ => {}
    }
    state.mode = Mode::Filtering { before };
    set_text(state, text)
}

fn set_text(state: &mut State, text: String) -> Reaction {
    match state.text_mut() {
        Some(current) if *current != text => {
            *current = text;
            state.ask_anew();
            Reaction::Asks(state.view())
        }
        _ => Reaction::Shown,
    }
}

fn turn_to(state: &mut State, tab: Tab) -> Reaction {
    state.turn_to(tab);
    Reaction::Asks(state.view())
}

fn next_tab(tab: Tab) -> Tab {
    match tab {
        Tab::Clients => Tab::Topics,
        Tab::Topics => Tab::Shards,
        Tab::Shards => Tab::Clients,
    }
}

/// Clients are ordered by the server, which has all of them; topics are here.
fn reorder(state: &mut State, choose: fn(usize, usize) -> usize) -> Reaction {
    match state.tab {
        Tab::Clients => {
            state.client_sort = chosen(&CLIENT_SORTS, state.client_sort, choose);
            state.ask_anew();
            Reaction::Asks(state.view())
        }
        Tab::Topics => {
            state.topic_sort = chosen(&TOPIC_SORTS, state.topic_sort, choose);
            state.sort();
            Reaction::Shown
        }
        Tab::Shards => Reaction::Shown,
    }
}

fn chosen<T: Copy + PartialEq>(all: &[T], current: T, choose: fn(usize, usize) -> usize) -> T {
    let at = all.iter().position(|one| *one == current).unwrap_or(0);
    all.get(choose(at, all.len())).copied().unwrap_or(current)
}

fn next_in(at: usize, count: usize) -> usize {
    (at + 1) % count
}

fn previous_in(at: usize, count: usize) -> usize {
    (at + count - 1) % count
}

fn ask_to_kick(state: &mut State) {
    match state.marked_client() {
        Some(client) => {
            let name = client.name.as_deref().unwrap_or(&client.address);
            let who = visible(name.as_bytes());
            state.mode = Mode::Asking { id: client.id.clone(), who };
        }
        None => state.notice("mark a client to kick".to_owned()),
    }
}

const CLIENT_SORTS: [Sort; 3] = [Sort::Id, Sort::Queued, Sort::Age];
const TOPIC_SORTS: [TopicSort; 5] =
    [TopicSort::Name, TopicSort::Rate, TopicSort::Total, TopicSort::Bytes, TopicSort::Last];
const PAGE_ROWS: usize = 10;
/// What the server takes.
const TEXT_CHARS_MAX: usize = 256;
