//! A piece of the text on the screen.
//!
//! Refuses to know where the rows come from. The invariant: the caret is on
//! the screen; and what was selected is what a person sees selected, with rows
//! that were wrapped put together.

use std::ops::RangeInclusive;

use avt::Line;
use unicode_width::UnicodeWidthChar;

use crate::screen::cell_char;

/// Column and row, from 0.
pub type Spot = (u16, u16);

/// A caret, and where the selection began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    caret: Spot,
    anchor: Option<Spot>,
}

impl Selection {
    /// A caret, and nothing selected.
    #[must_use]
    pub fn at(caret: Spot) -> Self {
        Self { caret, anchor: None }
    }

    /// From here to there.
    #[must_use]
    pub fn between(anchor: Spot, caret: Spot) -> Self {
        Self { caret, anchor: Some(anchor) }
    }

    /// Where the caret is.
    #[must_use]
    pub fn caret(&self) -> Spot {
        self.caret
    }

    /// Whether anything is selected.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.anchor.is_some()
    }

    /// Begins to select at the caret, or stops.
    pub fn toggle(&mut self) {
        self.anchor = match self.anchor {
            None => Some(self.caret),
            Some(_) => None,
        };
    }

    /// Moves the caret on a screen of this size.
    pub fn go(&mut self, columns: i32, rows: i32, size: (u16, u16)) {
        let moved = |at: u16, by: i32, end: u16| {
            let to = i32::from(at).saturating_add(by).clamp(0, i32::from(end.max(1)) - 1);
            u16::try_from(to).unwrap_or(0)
        };
        self.caret = (moved(self.caret.0, columns, size.0), moved(self.caret.1, rows, size.1));
    }

    /// All of the line that the caret is on, wrapped rows and all.
    #[must_use]
    pub fn line<'a>(&self, rows: impl IntoIterator<Item = &'a Line>) -> Self {
        let (mut first, mut last) = (0, self.caret.1);
        for (row, line) in (0_u16..).zip(rows) {
            last = row;
            if line.is_wrapped() {
                continue;
            }
            if row >= self.caret.1 {
                break;
            }
            first = row + 1;
        }
        Self::between((0, first), (u16::MAX, last))
    }

    /// The columns of this row that are selected, of `width`.
    #[must_use]
    pub fn columns(&self, row: u16, width: u16) -> Option<RangeInclusive<u16>> {
        let anchor = self.anchor?;
        let (start, end) = if (anchor.1, anchor.0) <= (self.caret.1, self.caret.0) {
            (anchor, self.caret)
        } else {
            (self.caret, anchor)
        };
        if !(start.1..=end.1).contains(&row) {
            return None;
        }
        let first = if row == start.1 { start.0 } else { 0 };
        let last = if row == end.1 { end.0 } else { width.saturating_sub(1) };
        Some(first..=last)
    }

    /// The selected text of these rows.
    #[must_use]
    pub fn text<'a>(&self, rows: impl IntoIterator<Item = &'a Line>) -> String {
        let mut text = String::new();
        let mut goes_on = true;
        for (row, line) in (0..).zip(rows) {
            let width = u16::try_from(line.len()).unwrap_or(u16::MAX);
            let Some(columns) = self.columns(row, width) else { continue };
            if !goes_on {
                text.push('\n');
            }
            let mut taken = String::new();
            for (column, cell) in (0..).zip(line.cells()) {
                if cell.width() > 0 && columns.contains(&column) {
                    let ch = cell_char(cell.char());
                    taken.push(ch);
                    // It joins the character before it; its own cell is blank.
                    if ch.width() == Some(0) {
                        taken.push(' ');
                    }
                }
            }
            goes_on = line.is_wrapped();
            text.push_str(if goes_on { &taken } else { taken.trim_end() });
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Data, Event, TermSize};
    use crate::screen::Model;

    #[test]
    fn what_is_seen_selected() {
        let mut model = Model::new(TermSize::clamped(10, 4));
        let text = "one   \r\nmore than ten\r\nlast 界!";
        model.event(&Event { time: 0, data: Data::Output(text.as_bytes().to_vec()) });
        let rows = || model.terminal().screen().visible_lines();
        let between = |from, to| Selection::between(from, to).text(rows());
        assert_eq!(between((0, 0), (9, 3)), "one\nmore than ten\nlast 界!");
        assert_eq!(between((9, 3), (0, 0)), "one\nmore than ten\nlast 界!");
        assert_eq!(between((1, 0), (3, 1)), "ne\nmore");
        assert_eq!(between((5, 1), (1, 2)), "than te");
        assert_eq!(between((5, 3), (5, 3)), "界");
        assert_eq!(Selection::at((1, 1)).text(rows()), "");
        let line = |row| Selection::at((1, row)).line(rows()).text(rows());
        assert_eq!([0, 1, 2, 3].map(line), ["one", "more than ten", "more than ten", "last 界!"]);
    }

    #[test]
    fn the_caret_stays_on_the_screen() {
        let mut selection = Selection::at((3, 3));
        for (by, at) in [
            ((-9, 0), (0, 3)),
            ((99, -1), (9, 2)),
            ((0, 99), (9, 3)),
            ((i32::MIN, i32::MIN), (0, 0)),
        ] {
            selection.go(by.0, by.1, (10, 4));
            assert_eq!(selection.caret(), at);
        }
    }
}
