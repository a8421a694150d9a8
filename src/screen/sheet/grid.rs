//! The rows of a screen.
//!
//! Refuses to know the cursor. The invariant: scrolling the whole screen by a
//! row costs one row, whatever its size.

use super::row::Row;

#[derive(Clone, Debug)]
pub(super) struct Grid {
    rows: Vec<Row>,
    /// Where in `rows` the first row is.
    top: usize,
    cols: usize,
    next_id: u64,
}

impl Grid {
    /// Blank rows, with numbers from `id` on, of which there are enough.
    pub(super) fn new(cols: usize, rows: usize, id: u64) -> Self {
        let rows = (0..rows as u64).map(|n| Row::blank(cols, id + n)).collect::<Vec<_>>();
        let next_id = id + rows.len() as u64;
        Self { rows, top: 0, cols, next_id }
    }

    /// The number after its last row's.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn cols(&self) -> usize {
        self.cols
    }

    fn index(&self, row: usize) -> usize {
        let at = self.top + row;
        if at >= self.rows.len() { at - self.rows.len() } else { at }
    }

    /// A row, from 0. One that is not there is a bug, and then the first.
    #[allow(clippy::indexing_slicing)]
    pub(super) fn row(&self, row: usize) -> &Row {
        debug_assert!(row < self.rows.len());
        &self.rows[self.index(row)]
    }

    #[allow(clippy::indexing_slicing)]
    pub(super) fn row_mut(&mut self, row: usize) -> &mut Row {
        debug_assert!(row < self.rows.len());
        let index = self.index(row);
        &mut self.rows[index]
    }

    /// Gives no number below this one any more.
    pub(super) fn skip_ids(&mut self, id: u64) {
        self.next_id = self.next_id.max(id);
    }

    /// A number for a row that is yet to come.
    pub(super) fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    fn renew(&mut self, row: usize) {
        let id = self.next_id;
        self.next_id += 1;
        self.row_mut(row).renew(id);
    }

    fn swap(&mut self, one: usize, other: usize) {
        let (one, other) = (self.index(one), self.index(other));
        self.rows.swap(one, other);
    }

    /// Rows `from..to` go up; blank ones come in below.
    pub(super) fn scroll_up(&mut self, from: usize, to: usize, count: usize) {
        let count = count.min(to - from);
        if from == 0 && to == self.rows.len() {
            self.top = self.index(count % self.rows.len());
        } else {
            for row in from..to - count {
                self.swap(row, row + count);
            }
        }
        (to - count..to).for_each(|row| self.renew(row));
        if from > 0 {
            self.row_mut(from - 1).wrapped = false;
        }
    }

    /// Rows `from..to` go down; blank ones come in above.
    pub(super) fn scroll_down(&mut self, from: usize, to: usize, count: usize) {
        let count = count.min(to - from);
        for row in (from + count..to).rev() {
            self.swap(row, row - count);
        }
        (from..from + count).for_each(|row| self.renew(row));
        if from > 0 {
            self.row_mut(from - 1).wrapped = false;
        }
        self.row_mut(to - 1).wrapped = false;
    }

    /// The rows of the line that `row` is in: the first, and the one after the
    /// last.
    pub(super) fn line(&self, row: usize) -> (usize, usize) {
        let mut from = row;
        while from > 0 && self.row(from - 1).wrapped {
            from -= 1;
        }
        let mut to = row + 1;
        while to < self.len() && self.row(to - 1).wrapped {
            to += 1;
        }
        (from, to)
    }
}
