//! Erasing, inserting and deleting.

use super::{Cell, Grid, RIGHT_HALF};

impl Grid {
    pub(super) fn erase_display(&mut self, what: u16) {
        let row = self.cursor.row;
        match what {
            0 => {
                self.erase_line(0);
                for gone in self.rows.split_off(&(row + 1)).into_values() {
                    self.cells -= gone.cells.len();
                }
            }
            1 => {
                self.erase_line(1);
                let kept = self.rows.split_off(&row);
                self.rows = kept;
                self.cells = self.rows.values().map(|r| r.cells.len()).sum();
            }
            _ => self.scramble(),
        }
    }

    pub(super) fn erase_line(&mut self, what: u16) {
        let col = self.cursor.col;
        let Some(row) = self.rows.get_mut(&self.cursor.row) else { return };
        let before = row.cells.len();
        match (what, col) {
            (0, Some(col)) => {
                row.cells.truncate(col);
                row.wrapped = false;
            }
            (1, Some(col)) => row.cells.iter_mut().take(col + 1).for_each(|c| *c = Cell::default()),
            _ => {
                row.cells.clear();
                row.wrapped = false;
            }
        }
        self.cells -= before - row.cells.len();
    }

    pub(super) fn erase(&mut self, n: usize) {
        let (Some(col), Some(row)) = (self.cursor.col, self.rows.get_mut(&self.cursor.row)) else {
            return;
        };
        row.cells.iter_mut().skip(col).take(n).for_each(|c| *c = Cell::default());
    }

    pub(super) fn insert(&mut self, n: usize) {
        let cols = self.size.0;
        let (Some(col), Some(row)) = (self.cursor.col, self.rows.get_mut(&self.cursor.row)) else {
            return;
        };
        split(&mut row.cells, col);
        if col < row.cells.len() {
            let before = row.cells.len();
            let blanks = std::iter::repeat_n(Cell::default(), n.min(cols));
            row.cells.splice(col..col, blanks);
            row.cells.truncate(cols);
            self.cells = self.cells + row.cells.len() - before;
        }
    }

    pub(super) fn delete(&mut self, n: usize) {
        let (Some(col), Some(row)) = (self.cursor.col, self.rows.get_mut(&self.cursor.row)) else {
            return;
        };
        split(&mut row.cells, col);
        split(&mut row.cells, col + n);
        let before = row.cells.len();
        if col < before {
            row.cells.drain(col..(col + n).min(before));
            self.cells -= before - row.cells.len();
        }
    }
}

/// A wide character of which the edit takes or moves one half is gone.
fn split(cells: &mut [Cell], at: usize) {
    if let Some([left, right]) = at.checked_sub(1).and_then(|left| cells.get_mut(left..=at))
        && right.shown == RIGHT_HALF
    {
        (*left, *right) = (Cell::default(), Cell::default());
    }
}
