//! The characters of a terminal, and every line they ever made: a terminal
//! model for searching, without colours, ten times as fast as one for looking.
//!
//! Refuses to know files and what is searched for. The invariant: its rows are
//! those of avt, and no line that was shown is missed.
//!
//! *Shown* was a logical line (rows that were wrapped, joined; without the
//! blanks at its end) that stood
//!
//! 1. on the screen after an event;
//! 2. within an event, where the cursor was when a line feed came;
//! 3. within an event, in the top row of the scrolling region when that was
//!    scrolled by a line feed or by printing behind the last column;
//! 4. within an event, anywhere on the screen before part of the display was
//!    erased, lines were inserted or deleted, or the other screen was shown.
//!
//! Rows that scrolled away in the same event still belong to their line, up to
//! 64 KiB of it. What is then left of it on the screen is not shown anew by
//! that; when it is changed, it is a line as it stands. Text that was overwritten
//! in its row, or erased to the row's end, within the event that wrote it was
//! never shown.

mod acts;
mod grid;
mod parse;
mod plain;
mod row;
mod shown;
#[cfg(test)]
mod tests;

use avt::Parser;

use self::grid::Grid;
use self::plain::Plain;
pub use self::plain::narrow;
use self::row::UNSEEN;
pub use self::shown::{Shown, ShownLine};
use super::keyframe::Keyframe;
use super::model::Decoder;
use crate::event::{Micros, TermSize};

/// More of a line that has scrolled away is not kept, in bytes.
const CARRIED: usize = 64 << 10;

/// What DECSC saves, but for the pen.
#[derive(Clone, Copy, Debug)]
struct Saved {
    col: usize,
    row: usize,
    origin: bool,
    wrap: bool,
}

impl Default for Saved {
    fn default() -> Self {
        Self { col: 0, row: 0, origin: false, wrap: true }
    }
}

/// The rows of a line that have scrolled away in this event.
#[derive(Debug, Default)]
struct Carry {
    text: Vec<u8>,
    /// Where each row ends, and when it went.
    pieces: Vec<(usize, u64)>,
    /// There is something that was not looked at.
    dirty: bool,
    /// Bytes of the line before these.
    skip: usize,
}

impl Carry {
    fn clear(&mut self) {
        self.text.clear();
        self.skip = 0;
        self.pieces.clear();
        self.dirty = false;
    }
}

/// See the module.
pub struct Sheet {
    primary: Grid,
    /// The alternate screen.
    other: Grid,
    alternate: bool,
    /// Looks of this event at what waits behind it.
    behind: Vec<u32>,
    /// The cursor; behind the last column when the next character wraps.
    col: usize,
    row: usize,
    margins: (usize, usize),
    origin: bool,
    wrap: bool,
    insert: bool,
    new_line: bool,
    /// Whether G0 and G1 are the line drawing set.
    drawing: [bool; 2],
    /// Which of them is in use.
    shift: usize,
    /// Of the primary and the alternate screen.
    saved: [Saved; 2],
    tabs: Vec<bool>,

    parser: Parser,
    decoder: Decoder,
    /// A sequence or a character is open.
    inside: bool,

    shown: Shown,
    carry: Carry,
    plain: Plain,
    /// Events before this one, and its time.
    now: (u64, Micros),
    /// Looks go nowhere.
    blind: bool,
}

impl Sheet {
    /// A blank screen.
    #[must_use]
    pub fn new(size: TermSize) -> Self {
        let (cols, rows) = (size.cols().into(), size.rows().into());
        let mut sheet = Self {
            primary: Grid::new(cols, rows, 0),
            other: Grid::new(cols, rows, 0),
            alternate: false,
            behind: Vec::new(),
            col: 0,
            row: 0,
            margins: (0, 0),
            origin: false,
            wrap: true,
            insert: false,
            new_line: false,
            drawing: [false; 2],
            shift: 0,
            saved: [Saved::default(); 2],
            tabs: Vec::new(),
            parser: Parser::new(),
            decoder: Decoder::default(),
            inside: false,
            shown: Shown::default(),
            carry: Carry::default(),
            plain: Plain::default(),
            now: (0, 0),
            blind: false,
        };
        sheet.reset(0);
        sheet
    }

    /// The screens of a keyframe. Their lines are among those shown, as old.
    #[must_use]
    pub fn of(keyframe: &Keyframe) -> Self {
        let mut sheet = Self::new(keyframe.size);
        sheet.load(keyframe);
        sheet
    }

    /// Takes a state by other means than output: at a new size. Its lines are
    /// old then: they stood on the screen, in other rows.
    pub fn resized(&mut self, keyframe: &Keyframe) {
        let shown = std::mem::take(&mut self.shown);
        let id = self.primary.next_id().max(self.other.next_id());
        let now = self.now;
        *self = Self::new(keyframe.size);
        self.reset(id);
        self.now = now;
        self.shown = shown;
        self.load(keyframe);
    }

    fn load(&mut self, keyframe: &Keyframe) {
        let (dump, held) = keyframe.output();
        let blind = std::mem::replace(&mut self.blind, true);
        self.bytes(dump.as_bytes());
        self.bytes(held);
        self.blind = blind;
        let first = self.shown.lines.len();
        for alternate in [!self.alternate, self.alternate] {
            let active = std::mem::replace(&mut self.alternate, alternate);
            for row in 0..self.rows() {
                self.touch(row);
            }
            self.look_at_all(0);
            self.alternate = active;
        }
        for line in self.shown.lines.iter_mut().skip(first) {
            line.old = true;
        }
        self.forget_looks();
    }

    fn reset(&mut self, id: u64) {
        let (cols, rows) = (self.cols(), self.rows());
        self.primary = Grid::new(cols, rows, id);
        self.other = Grid::new(cols, rows, id + rows as u64);
        self.alternate = false;
        self.behind.clear();
        (self.col, self.row) = (0, 0);
        self.margins = (0, rows - 1);
        (self.origin, self.wrap, self.insert, self.new_line) = (false, true, false, false);
        self.drawing = [false; 2];
        self.shift = 0;
        self.saved = [Saved::default(); 2];
        self.tabs = (0..cols).map(|col| col > 0 && col % 8 == 0).collect();
        self.carry.clear();
        (0..rows).for_each(|row| self.touch(row));
    }

    /// Takes an event's output; `event` is how many events are before it.
    pub fn output(&mut self, event: u64, time: Micros, bytes: &[u8]) {
        self.now = (event, time);
        // As what draws a screen begins: it is not plain for long.
        if !matches!(bytes, [0x1b, b'[', b'H' | b'?', ..]) {
            self.begin_plain();
        }
        let plain = self.plain(bytes);
        if self.is_plain() {
            return self.finish_plain(bytes.len());
        }
        self.bytes_from(bytes, plain);
        for row in 0..self.rows() {
            if self.grid().row(row).dirty || row == 0 && self.carry.dirty {
                self.look_at_line(row, bytes.len());
            }
        }
        self.carry.clear();
        self.forget_looks();
    }

    /// The lines that were shown since this was cleared last.
    pub fn shown(&mut self) -> &mut Shown {
        &mut self.shown
    }

    /// The numbers of the lines on either screen, and some more.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        let rows = (0..self.rows()).flat_map(|row| [self.primary.row(row), self.other.row(row)]);
        rows.map(|row| row.line).chain(self.plain_numbers())
    }

    fn cols(&self) -> usize {
        self.primary.cols()
    }

    fn rows(&self) -> usize {
        self.primary.len()
    }

    fn grid(&self) -> &Grid {
        if self.alternate { &self.other } else { &self.primary }
    }

    fn grid_mut(&mut self) -> &mut Grid {
        if self.alternate { &mut self.other } else { &mut self.primary }
    }

    fn saved_mut(&mut self) -> &mut Saved {
        let [primary, alternate] = &mut self.saved;
        if self.alternate { alternate } else { primary }
    }

    /// A row is about to change.
    fn touch(&mut self, row: usize) {
        let row = self.grid_mut().row_mut(row);
        row.dirty = true;
        let look = std::mem::replace(&mut row.look, UNSEEN);
        self.gone(look);
    }

    /// A row is about to leave the screen.
    fn lose(&mut self, row: usize) {
        let look = std::mem::replace(&mut self.grid_mut().row_mut(row).look, UNSEEN);
        self.gone(look);
    }

    fn gone(&mut self, look: u32) {
        if look != UNSEEN
            && let Some(line) = self.shown.lines.get_mut(look as usize)
        {
            line.gone = true;
        }
    }

    fn lose_all(&mut self) {
        (0..self.rows()).for_each(|row| self.lose(row));
        self.carry.clear();
    }

    /// The other screen comes before this one.
    fn hide(&mut self) {
        for row in 0..self.rows() {
            let look = self.grid().row(row).look;
            if let Some(line) = self.shown.lines.get_mut(look as usize)
                && !std::mem::replace(&mut line.gone, true)
            {
                self.behind.push(look);
            }
        }
    }

    /// It is seen again, as it was.
    fn unhide(&mut self) {
        for look in std::mem::take(&mut self.behind) {
            if let Some(line) = self.shown.lines.get_mut(look as usize) {
                line.gone = false;
            }
        }
    }

    /// The event is over: what was seen in it is no longer to be changed.
    fn forget_looks(&mut self) {
        self.behind.clear();
        for row in 0..self.rows() {
            self.primary.row_mut(row).look = UNSEEN;
            if self.alternate {
                self.other.row_mut(row).look = UNSEEN;
            }
        }
    }

    /// Looks at the line that `row` is in, unless nothing changed since the
    /// last look.
    fn look_at_line(&mut self, row: usize, at: usize) {
        let (from, to) = self.grid().line(row);
        let carried = from == 0 && !self.carry.pieces.is_empty();
        let changed = (from..to).any(|row| self.grid().row(row).dirty);
        if !(changed || carried && self.carry.dirty) {
            return;
        }
        if self.blind {
            (from..to).for_each(|row| self.grid_mut().row_mut(row).dirty = false);
            return;
        }
        let mut shown = std::mem::take(&mut self.shown);
        // No line begins in the others any more.
        for row in from + 1..to {
            let start = shown.text.len();
            shown.end(ShownLine { gone: true, ..self.line(row, at, start) });
        }
        let index = u32::try_from(shown.lines.len()).unwrap_or(UNSEEN);
        let mut line = self.line(from, at, shown.text.len());
        if carried {
            shown.text.extend_from_slice(&self.carry.text);
            line.pieces = self.carry.pieces.clone();
            line.skip = self.carry.skip;
            self.carry.dirty = false;
        }
        for row in from..to {
            let row = self.grid_mut().row_mut(row);
            row.push_text(row.wrapped, &mut shown.text);
            row.dirty = false;
            row.look = index;
        }
        shown.end(line);
        self.shown = shown;
    }

    fn line(&self, row: usize, at: usize, start: usize) -> ShownLine {
        let (event, time) = self.now;
        let row = self.grid().row(row);
        let (row, skip) = (row.line, row.skip);
        ShownLine { start, row, skip, event, time, offset: at as u64, ..ShownLine::default() }
    }

    fn look_at_all(&mut self, at: usize) {
        for row in 0..self.rows() {
            if self.grid().row(row).dirty || row == 0 && self.carry.dirty {
                self.look_at_line(row, at);
            }
        }
        self.carry.clear();
    }

    /// The top row leaves the screen. If its line goes on, the next is to get
    /// what this gives: the line's number, and how much of it went.
    fn leave(&mut self, at: usize) -> Option<(u64, usize)> {
        let row = self.grid().row(0);
        if !row.wrapped && self.carry.pieces.is_empty() {
            self.look_at_line(0, at);
            self.lose(0);
            return None;
        }
        // Unless it goes on behind the screen's last row now: whatever becomes of
        // the rest, this is how it was.
        if self.grid().line(0).1 <= self.margins.1 {
            self.look_at_line(0, at);
        }
        let row = self.grid().row(0);
        let (wrapped, dirty, number, skip) = (row.wrapped, row.dirty, row.line, row.skip);
        let mut carry = std::mem::take(&mut self.carry);
        if carry.pieces.is_empty() {
            carry.skip = skip;
        }
        let before = carry.text.len();
        self.grid().row(0).push_text(wrapped, &mut carry.text);
        let skip = skip + carry.text.len() - before;
        carry.pieces.push((carry.text.len(), at as u64));
        carry.dirty |= dirty;
        let full = carry.text.len() > CARRIED;
        if carry.dirty && (!wrapped || full) && !self.blind {
            let mut line = self.line(0, at, self.shown.text.len());
            line.gone = true;
            line.pieces = carry.pieces.clone();
            line.skip = carry.skip;
            self.shown.text.extend_from_slice(&carry.text);
            self.shown.end(line);
            carry.dirty = false;
        }
        if !wrapped {
            carry.clear();
        } else if full {
            // A screen of it stays, so that what spans the cut is found.
            let cut = carry.pieces.len().saturating_sub(self.rows());
            let bytes = cut.checked_sub(1).and_then(|last| carry.pieces.get(last));
            let bytes = bytes.map_or(0, |piece| piece.0);
            carry.text.drain(..bytes);
            carry.skip += bytes;
            carry.pieces.drain(..cut);
            carry.pieces.iter_mut().for_each(|piece| piece.0 -= bytes);
        }
        self.carry = carry;
        self.lose(0);
        wrapped.then_some((number, skip))
    }
}
