//! The mouse.
//!
//! Refuses to know how it is told. The invariant: it does nothing that no key
//! does.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::super::model::{Drag, Model, Open};
use super::super::selection::Spot;
use super::super::{track, view};
use super::Effects;
use crate::event::Micros;
use crate::recording::Result;

/// Rows that a notch of the wheel scrolls: what terminals do.
const NOTCH: i64 = 3;
/// And seconds that it goes on the timeline.
const STEP: Micros = 5_000_000;

impl Model {
    /// Takes what the mouse did.
    pub(super) fn mouse(&mut self, now: Micros, mouse: &MouseEvent) -> Result<Effects> {
        let at = Position::new(mouse.column, mouse.row);
        let bar = view::bar_area(self);
        let on_bar = bar.contains(at);
        match (mouse.kind, self.drag) {
            (MouseEventKind::ScrollUp | MouseEventKind::ScrollDown, _) => {
                let up = mouse.kind == MouseEventKind::ScrollUp;
                return self.wheel(now, up, on_bar);
            }
            (MouseEventKind::Up(_), Some(_)) => self.drag = None,
            (MouseEventKind::Down(MouseButton::Left), _) if on_bar => {
                self.drag = Some(Drag::Bar);
                self.go_to_column(now, mouse.column)?;
            }
            (MouseEventKind::Drag(MouseButton::Left), Some(Drag::Bar)) => {
                self.go_to_column(now, mouse.column)?;
            }
            (MouseEventKind::Down(MouseButton::Left), _) => match &self.open {
                Open::Nothing | Open::Selecting(_) => {
                    self.open = Open::Nothing;
                    self.drag = self.recorded(at).map(Drag::Screen);
                }
                // A click beside what is open closes it.
                _ => self.open = Open::Nothing,
            },
            (MouseEventKind::Drag(MouseButton::Left), Some(Drag::Screen(anchor))) => {
                if let Some(caret) = self.recorded(at) {
                    self.select_between(anchor, caret);
                }
            }
            _ => return Ok(Effects::default()),
        }
        Ok(Effects::draw())
    }

    fn wheel(&mut self, now: Micros, up: bool, on_bar: bool) -> Result<Effects> {
        if on_bar {
            let at = self.playhead.at();
            let to = if up { at.saturating_sub(STEP) } else { at.saturating_add(STEP) };
            self.playhead.go(to);
        } else if let Open::Help { top } | Open::Details { top } = &mut self.open {
            *top = if up { top.saturating_sub(3) } else { top.saturating_add(3) };
            let most = view::most_top(self);
            if let Open::Help { top } | Open::Details { top } = &mut self.open {
                *top = (*top).min(most);
            }
        } else if matches!(self.open, Open::Nothing | Open::Selecting(_)) {
            self.open = Open::Nothing;
            self.scroll(now, if up { NOTCH } else { -NOTCH })?;
        }
        Ok(Effects::draw())
    }

    fn go_to_column(&mut self, now: Micros, column: u16) -> Result<()> {
        self.wish = None;
        if let Some(length) = self.length(now)? {
            self.playhead.go(track::time_at(column, length, self.window.cols()));
        }
        Ok(())
    }

    /// The recorded cell there.
    fn recorded(&self, at: Position) -> Option<Spot> {
        let place = view::place(self);
        let inside = place.area.contains(at);
        inside.then(|| (at.x - place.area.x + place.left, at.y - place.area.y + place.top))
    }
}
