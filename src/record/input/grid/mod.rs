//! What stands on the rows near the cursor, and since when.
//!
//! Knows nothing of typing. It is less than a terminal model: rows are
//! numbered as they come, for ever, so that scrolling moves nothing; and where
//! it cannot tell where the cursor is, it says so. Its invariant: a cell that
//! it shows was put there by output, after the `stamp` bytes of input that it
//! bears, and nothing has been put over it since.

mod acts;
mod edits;

use std::collections::BTreeMap;

use unicode_width::UnicodeWidthChar;

use crate::event::TermSize;

/// How many cells are kept, 1.5 MiB of them: a paste of 64 KiB and the screen
/// around it.
const MAX_CELLS: usize = 96 << 10;

/// A place: row, counted from anywhere, and column from 0.
pub(super) type Place = (i64, usize);

/// One cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// What it shows; NUL where that cannot be said (concealed text, line
    /// drawing), or nothing was written.
    pub(super) shown: char,
    /// Combining characters upon it, mixed into one number.
    pub(super) marks: u32,
    /// How many bytes had been typed when it was written; 0: it is blank.
    pub(super) stamp: u64,
}

/// What the right half of a wide character shows.
const RIGHT_HALF: char = '\u{1}';

/// The next value of [`Cell::marks`] when this character combines.
pub(super) fn mark(marks: u32, c: char) -> u32 {
    (marks ^ u32::from(c)).wrapping_mul(0x0100_0193).wrapping_add(1)
}

#[derive(Clone, Debug, Default)]
struct Row {
    cells: Vec<Cell>,
    /// Whether its text goes on in the next row.
    wrapped: bool,
    /// Whether a wide character was ever in it.
    wide: bool,
}

#[derive(Clone, Copy, Debug)]
struct Cursor {
    row: i64,
    /// `None`: it could be anywhere.
    col: Option<usize>,
    /// The last column is written, the next character wraps.
    full: bool,
}

/// A cursor to come back to: a place on the screen, where that is known, else
/// a place on the rows, good until the next line feed.
#[derive(Clone, Copy, Debug)]
struct Saved {
    cursor: Cursor,
    on_screen: Option<i64>,
    feeds: u64,
    concealed: bool,
    drawing: [bool; 2],
    shifted: usize,
}

/// The rows and the cursor.
#[derive(Debug)]
pub(super) struct Grid {
    size: (usize, i64),
    rows: BTreeMap<i64, Row>,
    cells: usize,
    cursor: Cursor,
    /// The screen's first row, once the program has said where the cursor is.
    top: Option<i64>,
    /// First and last row of the scrolling region, when not all.
    region: Option<(i64, i64)>,
    saved: Option<Saved>,
    /// Where the cursor's row has a new number, or the terminal a new size:
    /// the row, how many of its cells are not to be looked at, and what stood
    /// left of the cursor before. A prompt may be among it.
    recalled: Option<(i64, usize, String)>,
    /// The main screen's column while the other is shown.
    main: Option<Option<usize>>,
    feeds: u64,
    lowest: i64,
    wraps: bool,
    /// Origin mode, or left and right margins: columns and rows are counted in
    /// a way that is not followed.
    odd: bool,
    inserts: bool,
    concealed: bool,
    /// Whether G0 and G1 are line drawing, and which is in use.
    drawing: [bool; 2],
    shifted: usize,
    last: Option<char>,
    /// To be put on each cell: how many bytes have been typed.
    pub(super) stamp: u64,
}

impl Grid {
    pub(super) fn new(size: TermSize) -> Self {
        Self {
            size: (usize::from(size.cols()), i64::from(size.rows())),
            rows: BTreeMap::new(),
            cells: 0,
            // A program is started from a prompt, whose Enter went to column 0.
            cursor: Cursor { row: 0, col: Some(0), full: false },
            top: None,
            region: None,
            saved: None,
            recalled: None,
            main: None,
            feeds: 0,
            lowest: 0,
            wraps: true,
            odd: false,
            inserts: false,
            concealed: false,
            drawing: [false; 2],
            shifted: 0,
            last: None,
            stamp: 1,
        }
    }

    /// One that stands in while another is lent out.
    pub(super) fn nowhere() -> Self {
        Self::new(TermSize::MIN)
    }

    /// Columns.
    pub(super) fn cols(&self) -> usize {
        self.size.0
    }

    /// Where the next character goes, if that is known.
    pub(super) fn place(&self) -> Option<Place> {
        let col = self.cursor.col?;
        Some(if self.cursor.full && self.wraps {
            (self.cursor.row + 1, 0)
        } else {
            (self.cursor.row, col)
        })
    }

    /// The cell there; a blank one where nothing was written.
    pub(super) fn cell(&self, (row, col): Place) -> Cell {
        self.rows.get(&row).and_then(|r| r.cells.get(col)).copied().unwrap_or_default()
    }

    /// The cursor's row.
    pub(super) fn row(&self) -> i64 {
        self.cursor.row
    }

    /// The text left of the cursor, and of the column `until`, with the rows
    /// that it is wrapped from, four at most.
    pub(super) fn before_cursor(&self, until: Option<usize>) -> String {
        let row = self.place().map_or(self.cursor.row, |(row, _)| row);
        let (skip, mut text) = match &self.recalled {
            Some((recalled, skip, text)) if *recalled == row => (*skip, text.clone()),
            _ => (0, String::new()),
        };
        let Some((_, col)) = self.place() else { return text };
        let mut first = row;
        while first > row - 4 && self.rows.get(&(first - 1)).is_some_and(|above| above.wrapped) {
            first -= 1;
        }
        for n in first..=row {
            let cells = self.rows.get(&n).map(|r| r.cells.as_slice()).unwrap_or_default();
            let end = if n == row { until.unwrap_or(col).min(col) } else { cells.len() };
            let mut halves = 0;
            let skip = if n == row { skip } else { 0 };
            for cell in cells.iter().take(end).skip(skip) {
                if halves > 0 {
                    halves -= 1;
                    continue;
                }
                text.push(if cell.shown < ' ' { ' ' } else { cell.shown });
                halves = cell.shown.width().unwrap_or(1).saturating_sub(1);
            }
        }
        text
    }

    /// The terminal has another size; what it did with its lines, and so
    /// where the cursor is, is its own affair.
    pub(super) fn resize(&mut self, size: TermSize) {
        self.size = (usize::from(size.cols()), i64::from(size.rows()));
        self.region = None;
        let text = self.before_cursor(None);
        self.lose();
        self.recalled = Some((self.cursor.row, 0, text));
    }

    /// Whether what is printed now is not to be seen.
    pub(super) fn conceals(&self) -> bool {
        self.concealed
    }

    /// Nothing is known any more.
    pub(super) fn lose(&mut self) {
        self.rows.clear();
        self.cells = 0;
        self.fresh_rows();
        self.cursor.col = None;
        self.saved = Some(Saved {
            cursor: self.cursor,
            on_screen: None,
            feeds: u64::MAX,
            concealed: self.concealed,
            drawing: self.drawing,
            shifted: self.shifted,
        });
    }

    /// Forgets rows that nobody will ask for: all but this many above the
    /// cursor.
    pub(super) fn forget_above(&mut self, rows: i64) {
        let first = self.cursor.row - rows;
        while let Some(oldest) = self.rows.first_entry() {
            if *oldest.key() >= first {
                break;
            }
            self.cells -= oldest.remove().cells.len();
        }
    }

    /// Rows below all that ever were.
    fn fresh_rows(&mut self) {
        self.lowest = self.lowest.max(self.cursor.row) + self.size.1 + 1;
        self.cursor = Cursor { row: self.lowest, col: self.cursor.col, full: false };
        self.top = None;
    }

    /// What the rows hold has moved, in a way that is not followed.
    fn scramble(&mut self) {
        self.rows.clear();
        self.cells = 0;
    }

    fn column(&mut self, to: impl Fn(usize, usize) -> usize) {
        let cols = self.size.0;
        self.cursor.col = self.cursor.col.map(|col| to(col, cols).min(cols - 1));
        self.cursor.full = false;
    }

    fn set_col(&mut self, col: usize) {
        self.cursor.col = (!self.odd).then_some(col.min(self.size.0 - 1));
        self.cursor.full = false;
    }

    fn set_row(&mut self, row: i64) {
        let top = match self.top {
            Some(top) => top,
            None => {
                self.fresh_rows();
                self.top = Some(self.cursor.row);
                self.lowest = self.cursor.row + self.size.1;
                self.cursor.row
            }
        };
        self.cursor.row = top + row.clamp(0, self.size.1 - 1);
        self.cursor.full = false;
    }

    fn by_rows(&mut self, rows: i64) {
        let from = self.cursor.row;
        self.cursor.row += rows;
        if let Some(top) = self.top {
            // A region's edge stops what comes from within or from beyond.
            let (mut first, mut last) = (top, top + self.size.1 - 1);
            if let Some((region_first, region_last)) = self.region {
                first = if from >= top + region_first { top + region_first } else { first };
                last = if from <= top + region_last { top + region_last } else { last };
            }
            self.cursor.row = self.cursor.row.clamp(first, last);
        }
        self.cursor.full = false;
    }

    fn line_feed(&mut self) {
        self.feeds += 1;
        if self.cursor.full {
            // Terminals differ in whether it will still wrap.
            self.cursor.col = None;
        }
        self.cursor.full = false;
        if let Some(top) = self.top {
            let at = self.cursor.row - top;
            match self.region {
                Some((_, last)) if at == last => {
                    self.scramble();
                    return;
                }
                Some(_) if at == self.size.1 - 1 => return,
                None if at == self.size.1 - 1 => self.top = Some(top + 1),
                _ => {}
            }
        }
        self.cursor.row += 1;
        self.lowest = self.lowest.max(self.cursor.row);
    }

    fn reverse_index(&mut self) {
        if self.cursor.full {
            self.cursor.col = None;
        }
        match self.top {
            Some(top) if self.cursor.row - top == self.region.map_or(0, |(first, _)| first) => {
                self.scramble();
            }
            Some(_) => self.by_rows(-1),
            None => self.fresh_rows(),
        }
        self.cursor.full = false;
    }

    fn print(&mut self, c: char) {
        let Some(mut col) = self.cursor.col else {
            // It may wrap.
            self.fresh_rows();
            return;
        };
        let width = c.width().unwrap_or(0);
        if width == 0 {
            let back = usize::from(!self.cursor.full);
            let mut place = (self.cursor.row, col.saturating_sub(back));
            if self.cell(place).shown == RIGHT_HALF {
                place.1 = place.1.saturating_sub(1);
            }
            if let Some(cell) = self.at_mut(place) {
                cell.marks = mark(cell.marks, c);
            }
            return;
        }
        let cols = self.size.0;
        if self.wraps && (self.cursor.full || col + width > cols) {
            let row = self.cursor.row;
            self.rows.entry(row).or_default().wrapped = true;
            self.line_feed();
            col = 0;
        }
        if col + width > cols {
            // Terminals differ in where this goes.
            self.lose();
            return;
        }
        self.last = Some(c);
        if self.inserts {
            self.cursor.col = Some(col);
            self.insert(width);
            self.mend(0, cols);
        }
        let drawn = self.drawing.get(self.shifted) == Some(&true) && ('_'..='~').contains(&c);
        let shown = if self.concealed || drawn { '\0' } else { c };
        let stamp = self.stamp;
        self.write((self.cursor.row, col), Cell { shown, marks: 0, stamp });
        if width == 2 {
            self.write((self.cursor.row, col + 1), Cell { shown: RIGHT_HALF, marks: 0, stamp });
        }
        self.mend(col.saturating_sub(1), width + 2);
        let next = col + width;
        self.cursor.full = self.wraps && next >= cols;
        self.cursor.col = Some(next.min(cols - 1));
    }

    /// Half of a wide character shows nothing once the other half is gone.
    fn mend(&mut self, from: usize, count: usize) {
        let Some(row) = self.rows.get_mut(&self.cursor.row).filter(|row| row.wide) else { return };
        let wide = |cell: Option<&Cell>| {
            cell.is_some_and(|c| c.stamp > 0 && c.shown > '\u{ff}' && c.shown.width() == Some(2))
        };
        for at in from..(from + count).min(row.cells.len()) {
            let left = wide(at.checked_sub(1).and_then(|left| row.cells.get(left)));
            let this = row.cells.get(at).copied().unwrap_or_default();
            let right = row.cells.get(at + 1).is_some_and(|c| c.shown == RIGHT_HALF);
            let broken = (this.shown == RIGHT_HALF && !left) || (wide(Some(&this)) && !right);
            if broken && let Some(cell) = row.cells.get_mut(at) {
                *cell = Cell::default();
            }
        }
    }

    fn at_mut(&mut self, (row, col): Place) -> Option<&mut Cell> {
        self.rows.get_mut(&row)?.cells.get_mut(col)
    }

    fn write(&mut self, (row, col): Place, cell: Cell) {
        if col >= self.size.0 {
            return;
        }
        let row = self.rows.entry(row).or_default();
        row.wide |= cell.shown == RIGHT_HALF;
        let cells = &mut row.cells;
        if cells.len() <= col {
            self.cells += col + 1 - cells.len();
            cells.resize(col + 1, Cell::default());
        }
        if let Some(place) = cells.get_mut(col) {
            *place = cell;
        }
        while self.cells > MAX_CELLS {
            let Some((_, gone)) = self.rows.pop_first() else { break };
            self.cells -= gone.cells.len();
        }
    }
}

#[cfg(test)]
mod tests;
