//! What keys and answers do to what is shown.

use std::time::Instant;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::super::clients::Sort;
use super::fetch::{Fetched, Rows, View};
use super::keys::{Reaction, press};
use super::sample;
use super::state::{Mode, Shown, State};
use crate::ending::Ending;

fn looking_at(fetched: Fetched) -> State {
    let mut state = State::new("localhost:8071".to_owned());
    state.update(Instant::now(), Ok(fetched));
    state
}

fn key(state: &mut State, code: impl Into<KeyCode>) -> Reaction {
    press(state, KeyEvent::new(code.into(), KeyModifiers::NONE))
}

fn marked(state: &State) -> Option<&str> {
    state.marked_client().map(|client| client.id.as_str())
}

#[test]
fn a_kick_is_asked_for_and_anything_but_y_means_no() {
    let mut state = looking_at(sample::with_clients(1, 9));
    key(&mut state, KeyCode::Down);
    for no in [KeyCode::Char('n'), KeyCode::Enter, KeyCode::Esc, KeyCode::Char('q')] {
        assert_eq!(key(&mut state, KeyCode::Char('k')), Reaction::Shown);
        assert!(matches!(&state.mode, Mode::Asking { id, .. } if id == "1-1-0"));
        assert_eq!(key(&mut state, no), Reaction::Shown);
        assert_eq!(state.mode, Mode::Looking);
    }
    key(&mut state, KeyCode::Char('k'));
    // The list moves on meanwhile; the question stays what it was.
    let mut moved = sample::with_clients(2, 9);
    let Rows::Clients(_, page) = &mut moved.rows else { unreachable!("clients were asked for") };
    page.rows.remove(1);
    state.update(Instant::now(), Ok(moved));
    assert_eq!(key(&mut state, KeyCode::Char('y')), Reaction::Kicks("1-1-0".to_owned()));
}

#[test]
fn the_mark_stays_with_its_client() {
    let mut state = looking_at(sample::with_clients(1, 9));
    state.mark(5);
    assert_eq!(marked(&state), Some("1-5-0"));
    let mut fewer = sample::with_clients(2, 9);
    let Rows::Clients(_, page) = &mut fewer.rows else { unreachable!("clients were asked for") };
    page.rows.drain(..3);
    state.update(Instant::now(), Ok(fewer));
    assert_eq!((marked(&state), state.marked), (Some("1-5-0"), 2));
    // It has gone: whoever stands there now is marked.
    state.update(Instant::now(), Ok(sample::with_clients(3, 2)));
    assert_eq!(marked(&state), Some("1-1-0"));
    state.update(Instant::now(), Ok(sample::with_clients(4, 0)));
    assert_eq!(marked(&state), None);
}

#[test]
fn what_is_typed_is_asked_for_at_once() {
    let mut state = looking_at(sample::with_clients(1, 9));
    let asks = |text: &str| Reaction::Asks(View::Clients { sort: Sort::Id, text: text.to_owned() });
    key(&mut state, KeyCode::Char('/'));
    assert_eq!(key(&mut state, KeyCode::Char('q')), asks("q"));
    assert_eq!(key(&mut state, KeyCode::Char('k')), asks("qk"));
    assert_eq!(key(&mut state, KeyCode::Backspace), asks("q"));
    assert_eq!(key(&mut state, KeyCode::Enter), Reaction::Shown);
    // Esc in a filter brings the one before back, and without one takes it off.
    key(&mut state, KeyCode::Char('/'));
    key(&mut state, KeyCode::Char('x'));
    assert_eq!(key(&mut state, KeyCode::Esc), asks("q"));
    assert_eq!(key(&mut state, KeyCode::Esc), asks(""));
    assert_eq!(key(&mut state, KeyCode::Char('q')), Reaction::Ends(Ending::Done));
}

#[test]
fn an_answer_to_an_earlier_question_is_not_shown() {
    let mut state = looking_at(sample::with_clients(1, 9));
    key(&mut state, KeyCode::Char('s'));
    assert!(matches!(state.rows, Shown::Nothing));
    state.update(Instant::now(), Ok(sample::with_clients(2, 9)));
    assert!(matches!(state.rows, Shown::Nothing));
    let mut wanted = sample::with_clients(3, 9);
    let Rows::Clients(view, _) = &mut wanted.rows else { unreachable!("clients were asked for") };
    *view = View::Clients { sort: Sort::Queued, text: String::new() };
    state.update(Instant::now(), Ok(wanted));
    assert_eq!(state.rows.len(), 9);
}

#[test]
fn while_it_is_paused_nothing_moves() {
    let mut state = looking_at(sample::with_clients(1, 9));
    key(&mut state, KeyCode::Char('p'));
    state.update(Instant::now(), Ok(sample::with_clients(2, 3)));
    assert_eq!(state.rows.len(), 9);
    key(&mut state, KeyCode::Char('p'));
    state.update(Instant::now(), Ok(sample::with_clients(3, 3)));
    assert_eq!(state.rows.len(), 3);
}
