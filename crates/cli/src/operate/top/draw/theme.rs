//! Colours, or none.

use ratatui::style::{Color, Modifier, Style};

/// How things look that mean something.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Theme {
    /// The first row.
    pub(super) title: Style,
    /// What numbers are about.
    pub(super) label: Style,
    /// Heads of columns and the list that is shown.
    pub(super) head: Style,
    /// The marked row.
    pub(super) marked: Style,
    /// What went through.
    pub(super) flow: Style,
    /// What somebody should look at.
    pub(super) alarm: Style,
}

impl Theme {
    /// With colours, unless the user wants none (no-color.org).
    pub(in super::super) fn of_environment() -> Self {
        match std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            true => Self::plain(),
            false => Self::coloured(),
        }
    }

    /// Colours of the terminal's own palette, which its user has chosen.
    pub(super) fn coloured() -> Self {
        Self {
            label: Style::new().fg(Color::Cyan),
            flow: Style::new().fg(Color::Green),
            alarm: Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            ..Self::plain()
        }
    }

    pub(super) fn plain() -> Self {
        Self {
            title: Style::new().add_modifier(Modifier::REVERSED),
            label: Style::new(),
            head: Style::new().add_modifier(Modifier::BOLD),
            marked: Style::new().add_modifier(Modifier::REVERSED),
            flow: Style::new(),
            alarm: Style::new().add_modifier(Modifier::BOLD),
        }
    }
}
