//! Golden screens, in `screens/` beside this file: `UPDATE_SCREENS=1 cargo test -p cli top` prints them anew.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Color, Modifier};

use super::super::super::api::ApiError;
use super::super::{keys, sample, state::State};
use super::*;

fn terminal(state: &State, theme: &Theme, columns: u16, rows: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| draw(state, theme, frame.area(), frame.buffer_mut())).unwrap();
    terminal
}

fn screen(state: &State, columns: u16, rows: u16) -> String {
    let terminal = terminal(state, &Theme::plain(), columns, rows);
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for row in 0..rows {
        let mut line = String::new();
        // The second half of a wide character is an empty cell.
        let mut column = 0;
        while column < columns {
            let symbol = buffer[(column, row)].symbol();
            line += symbol;
            column += u16::try_from(unicode_width::UnicodeWidthStr::width(symbol)).unwrap().max(1);
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[track_caller]
fn check(name: &str, state: &State, (columns, rows): (u16, u16)) {
    let folder = ["src", "operate", "top", "draw", "screens"].iter().collect::<PathBuf>();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder).join(format!("{name}.txt"));
    let shown = screen(state, columns, rows);
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        fs::write(&path, &shown).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(shown == expected, "{name} is not what it was, but\n{shown}");
}

fn press(state: &mut State, keys: &str) {
    for key in keys.chars() {
        keys::press(state, KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE));
    }
}

/// Half a minute with a load that comes and goes.
fn watched() -> State {
    let mut state = State::new("localhost:8071".to_owned());
    let mut accepted = 0;
    for second in 1..40_u32 {
        accepted += 1000 * u64::from(second % 10);
        let mut fetched = sample::with_clients(second, 60);
        fetched.status.messages.accepted_total = accepted;
        fetched.status.messages.delivered_total = accepted * 250;
        state.update(Instant::now(), Ok(fetched));
    }
    state
}

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (120, 40);

#[test]
fn clients() {
    let mut state = watched();
    check("clients-80x24", &state, SMALL);
    check("clients-120x40", &state, LARGE);
    // The last one is scrolled to.
    keys::press(&mut state, KeyCode::End.into());
    check("clients-end-80x24", &state, SMALL);
}

#[test]
fn topics() {
    let mut state = watched();
    press(&mut state, "2");
    check("topics-asking-80x24", &state, SMALL);
    for second in [40, 41] {
        state.update(Instant::now(), Ok(sample::with_topics(second)));
    }
    press(&mut state, "s");
    check("topics-80x24", &state, SMALL);
    check("topics-120x40", &state, LARGE);
}

#[test]
fn shards() {
    let mut state = watched();
    press(&mut state, "3");
    for second in [40, 41] {
        let mut fetched = sample::with_shards(second);
        fetched.status.shards.silent = vec![1];
        fetched.status.messages.lost_total = u64::from(second);
        state.update(Instant::now(), Ok(fetched));
    }
    check("shards-80x24", &state, SMALL);
    check("shards-120x40", &state, LARGE);
}

#[test]
fn questions_and_help() {
    let mut state = watched();
    press(&mut state, "?");
    check("help-80x24", &state, SMALL);
    press(&mut state, "xk");
    check("kick-80x24", &state, SMALL);
    press(&mut state, "n/a b");
    check("filter-80x24", &state, SMALL);
}

#[test]
fn a_server_that_is_gone() {
    let mut state = watched();
    let place = "localhost:8071".parse().unwrap();
    let gone = ApiError::Unreachable { place, why: "connection refused".to_owned() };
    let began = Instant::now();
    for seconds in 0..76 {
        state.update(began + Duration::from_secs(seconds), Err(gone.clone()));
    }
    check("gone-80x24", &state, SMALL);
    // It has begun anew, and its counters with it.
    let mut anew = sample::with_clients(2, 1);
    anew.status.started_at = "2026-11-26T13:00:00Z".to_owned();
    state.update(Instant::now(), Ok(anew));
    check("back-80x24", &state, SMALL);
}

#[test]
fn without_colours_nothing_is_coloured() {
    let state = watched();
    let colours = |theme: &Theme| {
        let terminal = terminal(&state, theme, 80, 24);
        let cells = terminal.backend().buffer().content().iter();
        cells.filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset).count()
    };
    assert_eq!(colours(&Theme::plain()), 0);
    assert!(colours(&Theme::coloured()) > 10);
    // What is marked can be told all the same.
    let terminal = terminal(&state, &Theme::plain(), 80, 24);
    assert!(terminal.backend().buffer()[(1, 8)].modifier.contains(Modifier::REVERSED));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_size_is_drawn(columns in 0..300_u16, rows in 0..100_u16, keys in "[123?k/sn]{0,4}") {
        let mut state = watched();
        press(&mut state, &keys);
        screen(&state, columns, rows);
    }
}
