//! What stands on the rows near the cursor, and since when.
//!
//! Knows nothing of typing. It is less than a terminal model: rows are
//! numbered as they come, for ever, so that scrolling moves nothing; and where
//! it cannot tell where the cursor is, it says so. Its invariant: a cell that
//! it shows was put there by output, after the `stamp` bytes of input that it
//! bears, and nothing has been put over it since.

use std::collections::BTreeMap;

use unicode_width::UnicodeWidthChar;

use super::control::{Act, Csi};
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
    /// drawing, the right half of a wide character), or nothing was written.
    pub(super) shown: char,
    /// Combining characters upon it, mixed into one number.
    pub(super) marks: u32,
    /// How many bytes had been typed when it was written; 0: it is blank.
    pub(super) stamp: u64,
}

/// The next value of [`Cell::marks`] when this character combines.
pub(super) fn mark(marks: u32, c: char) -> u32 {
    (marks ^ u32::from(c)).wrapping_mul(0x0100_0193).wrapping_add(1)
}

#[derive(Clone, Debug, Default)]
struct Row {
    cells: Vec<Cell>,
    /// Whether its text goes on in the next row.
    wrapped: bool,
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
    /// The main screen's column while the other is shown.
    main: Option<Option<usize>>,
    feeds: u64,
    lowest: i64,
    wraps: bool,
    inserts: bool,
    concealed: bool,
    /// Whether G0 and G1 are line drawing, and which is in use.
    drawing: [bool; 2],
    shifted: usize,
    last: char,
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
            main: None,
            feeds: 0,
            lowest: 0,
            wraps: true,
            inserts: false,
            concealed: false,
            drawing: [false; 2],
            shifted: 0,
            last: ' ',
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
        let Some((row, col)) = self.place() else { return String::new() };
        let mut first = row;
        while first > row - 4 && self.rows.get(&(first - 1)).is_some_and(|above| above.wrapped) {
            first -= 1;
        }
        let mut text = String::new();
        for n in first..=row {
            let cells = self.rows.get(&n).map(|r| r.cells.as_slice()).unwrap_or_default();
            let end = if n == row { until.unwrap_or(col).min(col) } else { cells.len() };
            let mut halves = 0;
            for cell in cells.iter().take(end) {
                if halves > 0 {
                    halves -= 1;
                    continue;
                }
                text.push(if cell.shown == '\0' { ' ' } else { cell.shown });
                halves = cell.shown.width().unwrap_or(1).saturating_sub(1);
            }
        }
        text
    }

    /// The terminal has another size; what it did with its lines, and so
    /// where the cursor is, is its own affair.
    pub(super) fn resize(&mut self, size: TermSize) {
        self.size = (usize::from(size.cols()), i64::from(size.rows()));
        self.lose();
    }

    /// Nothing is known any more.
    pub(super) fn lose(&mut self) {
        self.rows.clear();
        self.cells = 0;
        self.fresh_rows();
        self.cursor.col = None;
        self.saved = None;
        self.region = None;
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

    pub(super) fn act(&mut self, act: &Act<'_>) {
        match act {
            Act::Print(c) => self.print(*c),
            Act::Control(c) => self.control(*c),
            Act::Escape(between, last) => self.escape(*between, *last),
            Act::Csi(csi) => self.csi(csi),
            Act::C1 => self.lose(),
        }
    }

    fn control(&mut self, c: u8) {
        match c {
            0x08 => self.column(|col, _| col.saturating_sub(1)),
            b'\t' => self.column(|col, cols| ((col / 8 + 1) * 8).min(cols - 1)),
            b'\r' => {
                self.cursor.col = Some(0);
                self.cursor.full = false;
            }
            0x0a..=0x0c => self.line_feed(),
            0x0e => self.shifted = 1,
            0x0f => self.shifted = 0,
            _ => {}
        }
    }

    fn escape(&mut self, between: u8, last: u8) {
        match (between, last) {
            (0, b'7') => self.save(),
            (0, b'8') => self.restore(),
            (0, b'D') => self.line_feed(),
            (0, b'E') => {
                self.cursor.col = Some(0);
                self.line_feed();
            }
            (0, b'M') => self.scramble(),
            (0, b'c') => {
                self.lose();
                self.concealed = false;
                self.drawing = [false; 2];
                self.shifted = 0;
                self.wraps = true;
                self.inserts = false;
            }
            (b'(', set) => self.drawing = [set == b'0', self.drawing[1]],
            (b')', set) => self.drawing = [self.drawing[0], set == b'0'],
            (b'#', _) => self.lose(),
            _ => {}
        }
    }

    fn csi(&mut self, csi: &Csi) {
        if csi.intermediate != 0 {
            return;
        }
        match (csi.private, csi.last) {
            (b'?', b'h' | b'l') => {
                for &mode in csi.params() {
                    self.private_mode(mode, csi.last == b'h');
                }
            }
            (0, b'h' | b'l') if csi.params().contains(&4) => self.inserts = csi.last == b'h',
            (0, b'h' | b'l') => {}
            (0, b'm') => {
                for &n in csi.params() {
                    match n {
                        8 => self.concealed = true,
                        0 | 28 => self.concealed = false,
                        // What follows are a colour's parts.
                        38 | 48 | 58 => break,
                        _ => {}
                    }
                }
                if csi.params().is_empty() {
                    self.concealed = false;
                }
            }
            (0, _) => self.movement(csi),
            _ => {}
        }
    }

    fn movement(&mut self, csi: &Csi) {
        let n = csi.count_at(0);
        let rows = i64::try_from(n).unwrap_or(i64::from(u16::MAX));
        match csi.last {
            b'A' => self.by_rows(-rows),
            b'B' | b'e' => self.by_rows(rows),
            b'C' | b'a' => self.column(|col, _| col + n),
            b'D' => self.column(|col, _| col.saturating_sub(n)),
            b'E' | b'F' => {
                self.cursor.col = Some(0);
                self.by_rows(if csi.last == b'E' { rows } else { -rows });
            }
            b'G' | b'`' => self.set_col(n - 1),
            b'H' | b'f' => {
                self.set_col(csi.count_at(1) - 1);
                self.set_row(rows - 1);
            }
            b'd' => self.set_row(rows - 1),
            b'I' => self.column(|col, _| (col / 8 + n) * 8),
            b'Z' => self.column(|col, _| (col.div_ceil(8)).saturating_sub(n) * 8),
            b'J' => self.erase_display(csi.at(0)),
            b'K' => self.erase_line(csi.at(0)),
            b'X' => self.erase(n),
            b'@' => self.insert(n),
            b'P' => self.delete(n),
            b'L' | b'M' | b'S' | b'T' => self.scramble(),
            b'b' => (0..n.min(self.size.0 * 2)).for_each(|_| self.print(self.last)),
            b'r' => {
                let last = i64::from(csi.at(1));
                let last = if last == 0 { self.size.1 } else { last.min(self.size.1) };
                self.region = Some((rows - 1, last - 1)).filter(|r| *r != (0, self.size.1 - 1));
                self.set_col(0);
                self.set_row(0);
            }
            b's' => self.save(),
            b'u' => self.restore(),
            _ => {}
        }
    }

    fn private_mode(&mut self, mode: u16, set: bool) {
        match mode {
            7 => self.wraps = set,
            // Another screen: other rows; of the cursor to come back to, the
            // column is enough to judge what is typed at the next prompt.
            47 | 1047 | 1049 => {
                let here = self.cursor.col;
                self.lose();
                self.cursor.col = if set {
                    self.main = Some(here);
                    here
                } else {
                    self.main.take().filter(|_| mode == 1049).unwrap_or(here)
                };
            }
            // Column 132, origin, left and right margins: positions mean
            // something else.
            3 | 6 | 69 => self.lose(),
            _ => {}
        }
    }

    fn save(&mut self) {
        let on_screen = self.top.map(|top| self.cursor.row - top);
        self.saved = Some(Saved { cursor: self.cursor, on_screen, feeds: self.feeds });
    }

    fn restore(&mut self) {
        match self.saved {
            Some(saved) => {
                self.cursor = saved.cursor;
                match (saved.on_screen, self.top) {
                    (Some(row), _) => self.set_row(row),
                    (None, None) if saved.feeds == self.feeds => {}
                    _ => self.fresh_rows(),
                }
            }
            None => {
                self.set_col(0);
                self.set_row(0);
            }
        }
    }

    fn column(&mut self, to: impl Fn(usize, usize) -> usize) {
        let cols = self.size.0;
        self.cursor.col = self.cursor.col.map(|col| to(col, cols).min(cols - 1));
        self.cursor.full = false;
    }

    fn set_col(&mut self, col: usize) {
        self.cursor.col = Some(col.min(self.size.0 - 1));
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
        self.cursor.row += rows;
        if let Some(top) = self.top {
            self.cursor.row = self.cursor.row.clamp(top, top + self.size.1 - 1);
        }
        self.cursor.full = false;
    }

    fn line_feed(&mut self) {
        self.feeds += 1;
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

    fn print(&mut self, c: char) {
        let Some(mut col) = self.cursor.col else { return };
        let width = c.width().unwrap_or(0);
        if width == 0 {
            let back = usize::from(!self.cursor.full);
            let place = (self.cursor.row, col.saturating_sub(back));
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
        self.last = c;
        if self.inserts {
            self.cursor.col = Some(col);
            self.insert(width);
        }
        let drawn = self.drawing.get(self.shifted) == Some(&true) && ('_'..='~').contains(&c);
        let shown = if self.concealed || drawn { '\0' } else { c };
        let stamp = self.stamp;
        self.write((self.cursor.row, col), Cell { shown, marks: 0, stamp });
        if width == 2 {
            self.write((self.cursor.row, col + 1), Cell { shown: '\0', marks: 0, stamp });
        }
        let next = col + width;
        self.cursor.full = next >= cols;
        self.cursor.col = Some(next.min(cols - 1));
    }

    fn at_mut(&mut self, (row, col): Place) -> Option<&mut Cell> {
        self.rows.get_mut(&row)?.cells.get_mut(col)
    }

    fn write(&mut self, (row, col): Place, cell: Cell) {
        if col >= self.size.0 {
            return;
        }
        let cells = &mut self.rows.entry(row).or_default().cells;
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

    fn erase_display(&mut self, what: u16) {
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

    fn erase_line(&mut self, what: u16) {
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

    fn erase(&mut self, n: usize) {
        let (Some(col), Some(row)) = (self.cursor.col, self.rows.get_mut(&self.cursor.row)) else {
            return;
        };
        row.cells.iter_mut().skip(col).take(n).for_each(|c| *c = Cell::default());
    }

    fn insert(&mut self, n: usize) {
        let cols = self.size.0;
        let (Some(col), Some(row)) = (self.cursor.col, self.rows.get_mut(&self.cursor.row)) else {
            return;
        };
        if col < row.cells.len() {
            let before = row.cells.len();
            let blanks = std::iter::repeat_n(Cell::default(), n.min(cols));
            row.cells.splice(col..col, blanks);
            row.cells.truncate(cols);
            self.cells = self.cells + row.cells.len() - before;
        }
    }

    fn delete(&mut self, n: usize) {
        let (Some(col), Some(row)) = (self.cursor.col, self.rows.get_mut(&self.cursor.row)) else {
            return;
        };
        let before = row.cells.len();
        if col < before {
            row.cells.drain(col..(col + n).min(before));
            self.cells -= before - row.cells.len();
        }
    }
}
