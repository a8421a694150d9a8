//! The player's picture.
//!
//! Refuses to know what a key does. The invariant: drawing changes nothing,
//! and what a recording says of itself is drawn through
//! [`crate::screen::safe_text`].

mod bar;
mod popup;
mod screen;

pub(super) use screen::draw_row;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::model::{Asked, Model, Open};

/// Draws the player in its window; gives the picture, and where the cursor is.
#[must_use]
pub fn draw(model: &Model) -> (Buffer, Option<Position>) {
    let window = Rect::new(0, 0, model.window.cols(), model.window.rows());
    let mut picture = Buffer::empty(window);
    let (top, bottom) = areas(window);
    let mut cursor = screen::draw(model, top, &mut picture);
    if model.shows_keys {
        popup::typed(model, top, &mut picture);
    }
    bar::draw(model, bottom, &mut picture);
    match &model.open {
        Open::Nothing => {}
        Open::Help { top: first } => {
            popup::draw("Keys", &popup::help(model), *first, top, &mut picture);
            cursor = None;
        }
        Open::Details { top: first } => {
            popup::draw("Details", &popup::details(model), *first, top, &mut picture);
            cursor = None;
        }
        Open::Asking(asked, line) => {
            let prompt = match asked {
                Asked::GoTo => "Go to: ",
            };
            cursor = bar::ask(prompt, line, bottom, &mut picture);
        }
    }
    (picture, cursor)
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

/// How far what is open can be scrolled.
pub(super) fn most_top(model: &Model) -> u16 {
    let (top, _) = areas(Rect::new(0, 0, model.window.cols(), model.window.rows()));
    let lines = match &model.open {
        Open::Help { .. } => popup::help(model),
        Open::Details { .. } => popup::details(model),
        _ => return 0,
    };
    popup::most_top(&lines, top)
}
