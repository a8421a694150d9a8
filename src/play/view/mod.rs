//! The player's picture.
//!
//! Refuses to know what a key does. The invariant: drawing changes nothing,
//! and what a recording says of itself is drawn through
//! [`crate::screen::safe_text`].

mod bar;
mod list;
mod popup;
mod screen;

pub(super) use screen::draw_row;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::model::{Asked, Model, Open};
use crate::timeline::search::Scope;

pub(super) use screen::Place;

/// Draws the player in its window; gives the picture, and where the cursor is.
#[must_use]
pub fn draw(model: &Model) -> (Buffer, Option<Position>) {
    let window = window(model);
    let mut picture = Buffer::empty(window);
    let (top, bottom) = areas(window);
    let mut cursor = screen::draw(model, top, &mut picture);
    if model.shows_keys {
        popup::typed(model, top, &mut picture);
    }
    bar::draw(model, bottom, &mut picture);
    // Where there is no bar, nowhere else.
    bar::long_message(model, top, &mut picture);
    match &model.open {
        Open::Nothing | Open::Selecting(_) => {}
        Open::Help { top: first } => {
            popup::draw("Keys", &popup::help(model), *first, top, &mut picture);
            cursor = None;
        }
        Open::Details { top: first } => {
            popup::draw("Details", &popup::details(model, top), *first, top, &mut picture);
            cursor = None;
        }
        Open::List(open) => cursor = list::draw(model, open, top, &mut picture),
        Open::Asking(asked, line) => {
            let (prompt, hint) = match asked {
                Asked::GoTo => ("Go to: ", "1:23:45  -30  +10  50%  14:03"),
                Asked::Search(Scope::Shown) => ("Search what was shown: ", "Tab: what was typed"),
                Asked::Search(Scope::Typed) => ("Search what was typed: ", "Tab: what was shown"),
                Asked::Mark(_) => ("Marker: ", "kept in your own notes"),
                Asked::Save => ("Write to: ", "Tab: text, ANSI, SVG"),
            };
            // On the screen's last row where there is no bar.
            let area = if bottom.height == 0 { top } else { bottom };
            cursor = bar::ask(prompt, hint, line, area, &mut picture);
        }
    }
    (picture, cursor)
}

/// Writes text into the picture, no farther than `most` columns and the
/// picture's end; gives the column after it.
fn put(
    picture: &mut Buffer,
    (x, y): (u16, u16),
    text: impl AsRef<str>,
    most: impl Into<usize>,
    style: impl Into<Style>,
) -> u16 {
    if !picture.area.contains(Position::new(x, y)) {
        return x;
    }
    picture.set_stringn(x, y, text, most.into(), style).0
}

fn window(model: &Model) -> Rect {
    Rect::new(0, 0, model.window.cols(), model.window.rows())
}

/// The recording's part of the window, and the bar's. In a window too small for
/// both, the recording comes first.
fn areas(window: Rect) -> (Rect, Rect) {
    let bar = match window.height {
        0..=2 => 0,
        3..=6 => 1,
        _ => 2,
    };
    let top = Rect { height: window.height - bar, ..window };
    (top, Rect { y: window.y + top.height, height: bar, ..window })
}

/// Where the recorded screen is.
pub(super) fn place(model: &Model) -> Place {
    screen::place(model, areas(window(model)).0)
}

/// Where the timeline is.
pub(super) fn bar_area(model: &Model) -> Rect {
    areas(window(model)).1
}

/// How far what is open can be scrolled.
pub(super) fn most_top(model: &Model) -> u16 {
    let room = areas(window(model)).0;
    let lines = match &model.open {
        Open::Help { .. } => popup::help(model),
        Open::Details { .. } => popup::details(model, room),
        _ => return 0,
    };
    popup::most_top(&lines, room)
}
