//! What each function of a terminal does to the characters.
//!
//! Refuses to know how it was written, and colours. The invariant: it does what
//! avt does.

use avt::Charset;
use avt::parser::{AnsiMode, CtcOp, DecMode, EdScope, ElScope, Function, TbcScope};
use unicode_width::UnicodeWidthChar;

use super::{Saved, Sheet};
use crate::screen::sheet::grid::Grid;

/// A parameter that is left out is another number.
fn or(value: u16, default: usize) -> usize {
    if value == 0 { default } else { value.into() }
}

pub(super) fn is_wide(ch: char) -> bool {
    ch > '\u{7e}' && ch.width() == Some(2)
}

impl Sheet {
    pub(super) fn act(&mut self, function: &Function, at: usize) {
        use Function::*;
        match function {
            Bs => self.bs(),
            Cbt(n) => self.tab_back(or(*n, 1)),
            Cha(n) => self.set_col(or(*n, 1) - 1),
            Cht(n) => self.tab(or(*n, 1)),
            Cnl(n) => {
                self.down(or(*n, 1));
                self.col = 0;
            }
            Cpl(n) => {
                self.up(or(*n, 1));
                self.col = 0;
            }
            Cr => self.col = 0,
            Ctc(CtcOp::Set) | Hts => self.set_tab(true),
            Ctc(CtcOp::ClearCurrentColumn) | Tbc(TbcScope::CurrentColumn) => self.set_tab(false),
            Ctc(CtcOp::ClearAll) | Tbc(TbcScope::All) => self.tabs.fill(false),
            Cub(n) => self.left(or(*n, 1)),
            Cud(n) | Vpr(n) => self.down(or(*n, 1)),
            Cuf(n) => self.set_col(self.col + or(*n, 1)),
            Cup(row, col) => self.place(or(*row, 1) - 1, or(*col, 1) - 1),
            Cuu(n) => self.up(or(*n, 1)),
            Dch(n) => self.delete(or(*n, 1)),
            Decaln => self.alignment(at),
            Decrc | Scorc => self.restore(),
            Decrst(modes) => modes.as_slice().iter().for_each(|&m| self.mode(m, false, at)),
            Decsc | Scosc => self.save(),
            Decset(modes) => modes.as_slice().iter().for_each(|&m| self.mode(m, true, at)),
            Decstbm(top, bottom) => self.set_margins(*top, *bottom),
            Decstr => self.soft_reset(),
            Dl(n) => self.delete_lines(or(*n, 1), at),
            Ech(n) => self.erase_chars(or(*n, 1)),
            Ed(scope) => self.erase_display(scope, at),
            El(ElScope::ToRight) => self.erase_line(self.col, self.cols(), true),
            El(ElScope::ToLeft) => self.erase_line(0, (self.col + 1).min(self.cols()), false),
            El(ElScope::All) => self.erase_line(0, self.cols(), true),
            G1d4(charset) => self.drawing[1] = *charset == Charset::Drawing,
            Gzd4(charset) => self.drawing[0] = *charset == Charset::Drawing,
            Ht => self.tab(1),
            Ich(n) => self.insert_blanks(or(*n, 1)),
            Il(n) => self.insert_lines(or(*n, 1), at),
            Lf => self.line_feed(at),
            Nel => {
                self.line_feed_only(at);
                self.col = 0;
            }
            Print(ch) => self.print(*ch, at),
            Rep(n) => self.repeat(or(*n, 1), at),
            Ri => self.reverse_index(at),
            Ris => self.hard_reset(at),
            Rm(modes) => modes.as_slice().iter().for_each(|&m| self.ansi_mode(m, false)),
            Sm(modes) => modes.as_slice().iter().for_each(|&m| self.ansi_mode(m, true)),
            Sd(n) => self.scroll_down(or(*n, 1), at),
            Su(n) => self.scroll_up(or(*n, 1), at),
            Si => self.shift = 0,
            So => self.shift = 1,
            Vpa(n) => self.set_row(or(*n, 1) - 1),
            Osc(_) | Sgr(_) | Xtwinops(_) => {}
        }
    }

    pub(super) fn bs(&mut self) {
        self.left(1);
    }

    pub(super) fn left(&mut self, count: usize) {
        let pending = usize::from(self.col == self.cols());
        self.col = self.col.saturating_sub(count + pending);
    }

    pub(super) fn set_col(&mut self, col: usize) {
        self.col = col.min(self.cols() - 1);
    }

    fn only_row(&mut self, row: usize) {
        self.col = self.col.min(self.cols() - 1);
        self.row = row;
    }

    pub(super) fn set_row(&mut self, row: usize) {
        let (top, bottom) = if self.origin { self.margins } else { (0, self.rows() - 1) };
        self.only_row((top + row).min(bottom));
    }

    pub(super) fn place(&mut self, row: usize, col: usize) {
        self.set_col(col);
        self.set_row(row);
    }

    fn home(&mut self) {
        self.col = 0;
        self.row = if self.origin { self.margins.0 } else { 0 };
    }

    pub(super) fn down(&mut self, count: usize) {
        let most = if self.row > self.margins.1 { self.rows() - 1 } else { self.margins.1 };
        self.only_row(most.min(self.row + count));
    }

    pub(super) fn up(&mut self, count: usize) {
        let least = if self.row < self.margins.0 { 0 } else { self.margins.0 };
        self.only_row(self.row.saturating_sub(count).max(least));
    }

    pub(super) fn tab(&mut self, count: usize) {
        let behind = self.tabs.iter().enumerate().skip(self.col + 1).filter(|(_, set)| **set);
        let col = behind.map(|(col, _)| col).nth(count - 1);
        self.set_col(col.unwrap_or(self.cols() - 1));
    }

    fn tab_back(&mut self, count: usize) {
        let before = self.tabs.iter().enumerate().take(self.col).rev().filter(|(_, set)| **set);
        let col = before.map(|(col, _)| col).nth(count - 1);
        self.set_col(col.unwrap_or(0));
    }

    fn set_tab(&mut self, on: bool) {
        let col = self.col;
        if col > 0 || !on {
            self.tabs.get_mut(col).into_iter().for_each(|tab| *tab = on);
        }
    }

    pub(super) fn line_feed(&mut self, at: usize) {
        self.line_feed_only(at);
        if self.new_line {
            self.col = 0;
        }
    }

    fn line_feed_only(&mut self, at: usize) {
        self.look_at_line(self.row, at);
        if self.row == self.margins.1 {
            self.scroll(false, at);
        } else if self.row < self.rows() - 1 {
            self.only_row(self.row + 1);
        }
    }

    /// A line feed, or a character behind the last column, in the bottom row of
    /// the margins.
    fn scroll(&mut self, wraps: bool, at: usize) {
        let (top, bottom) = self.margins;
        let mut rest = None;
        if top == 0 {
            rest = self.leave(at);
        } else {
            // What wraps was looked at before it was marked.
            if !wraps {
                self.look_at_line(top, at);
            }
            self.lose(top);
            self.cut(top);
            self.cut(top + 1);
        }
        self.cut(bottom + 1);
        if !wraps && bottom + 1 < self.rows() {
            self.grid_mut().row_mut(bottom).wrapped = false;
        }
        self.grid_mut().scroll_up(top, bottom + 1, 1);
        if let Some((line, skip)) = rest {
            let row = self.grid_mut().row_mut(0);
            (row.line, row.skip) = (line, skip);
        }
    }

    /// Writes a character that is no plain ASCII, or not in a plain way.
    pub(super) fn print(&mut self, ch: char, at: usize) {
        let ch = self.translate(ch);
        let (col, row, wide) = (self.col, self.row, is_wide(ch));
        if col < self.cols() {
            self.touch(row);
            let insert = self.insert;
            let line = self.grid_mut().row_mut(row);
            if insert {
                line.shift_right(col, 1);
            }
            if let Some(width) = line.put(col, ch, wide) {
                self.col += width;
                if self.col == self.cols() && !self.wrap {
                    self.col -= 1;
                }
                return;
            }
        }
        if self.wrap {
            self.wrap_row(at);
            self.touch(self.row);
            let row = self.row;
            self.col = self.grid_mut().row_mut(row).put(0, ch, wide).unwrap_or(0);
            return;
        }
        if let Some(col) = col.checked_sub(1) {
            self.touch(row);
            let line = self.grid_mut().row_mut(row);
            if line.put(col, ch, wide).is_none() && col > 0 {
                line.put(col - 1, ch, wide);
            }
        }
        self.col = self.cols() - 1;
    }

    /// Goes on in the next row of the same line.
    pub(super) fn wrap_row(&mut self, at: usize) {
        let row = self.row;
        if row == self.margins.1 {
            if self.margins.0 > 0 {
                self.look_at_line(self.margins.0, at);
            }
            self.touch(row);
            self.grid_mut().row_mut(row).wrapped = true;
            self.scroll(true, at);
        } else if row < self.rows() - 1 {
            self.touch(row);
            self.grid_mut().row_mut(row).wrapped = true;
            self.row += 1;
            self.touch(self.row);
        }
    }

    fn translate(&self, ch: char) -> char {
        let drawing = if self.shift == 0 { self.drawing[0] } else { self.drawing[1] };
        if drawing { Charset::Drawing.translate(ch) } else { ch }
    }

    fn repeat(&mut self, count: usize, at: usize) {
        let Some(mut col) = self.col.checked_sub(1) else { return };
        let row = self.grid().row(self.row);
        while col > 0 && row.get(col) == super::row::TAIL {
            col -= 1;
        }
        let Some(ch) = char::from_u32(row.get(col)) else { return };
        (0..count).for_each(|_| self.print(ch, at));
    }

    fn insert_blanks(&mut self, count: usize) {
        self.col = self.col.min(self.cols() - 1);
        let (col, row) = (self.col, self.row);
        let count = count.min(self.cols() - col);
        self.touch(row);
        let line = self.grid_mut().row_mut(row);
        line.shift_right(col, count);
        (col..col + count).for_each(|col| {
            line.put(col, ' ', false);
        });
    }

    pub(super) fn delete(&mut self, count: usize) {
        self.col = self.col.min(self.cols() - 1);
        let (col, row) = (self.col, self.row);
        let count = count.min(self.cols() - col);
        self.touch(row);
        self.unwrap(row);
        self.grid_mut().row_mut(row).delete(col, count);
    }

    pub(super) fn erase_chars(&mut self, count: usize) {
        let (col, row) = (self.col, self.row);
        let end = self.cols().min(col + count);
        let whole = end == self.cols();
        self.touch(row);
        if whole {
            self.unwrap(row);
        }
        self.grid_mut().row_mut(row).clear(col, end);
    }

    pub(super) fn erase_line(&mut self, from: usize, to: usize, unwrap: bool) {
        let row = self.row;
        self.touch(row);
        if unwrap {
            self.unwrap(row);
        }
        self.grid_mut().row_mut(row).clear(from, to);
    }

    pub(super) fn erase_display(&mut self, scope: &EdScope, at: usize) {
        let rows = match scope {
            EdScope::Below => self.row + 1..self.rows(),
            EdScope::Above => 0..self.row,
            EdScope::All => 0..self.rows(),
            EdScope::SavedLines => return,
        };
        self.look_at_all(at);
        match scope {
            EdScope::Below => self.erase_line(self.col, self.cols(), true),
            EdScope::Above => self.erase_line(0, (self.col + 1).min(self.cols()), false),
            _ => {}
        }
        for row in rows {
            self.touch(row);
            self.grid_mut().row_mut(row).reset();
        }
    }

    /// The rows that lines are inserted into and deleted from.
    fn below(&self) -> (usize, usize) {
        let inside = self.row <= self.margins.1;
        (self.row, if inside { self.margins.1 + 1 } else { self.rows() })
    }

    pub(super) fn insert_lines(&mut self, count: usize, at: usize) {
        let (from, to) = self.below();
        self.move_down(from, to, count, at);
    }

    pub(super) fn delete_lines(&mut self, count: usize, at: usize) {
        let (from, to) = self.below();
        self.move_up(from, to, count, at);
    }

    pub(super) fn scroll_up(&mut self, count: usize, at: usize) {
        self.move_up(self.margins.0, self.margins.1 + 1, count, at);
    }

    pub(super) fn scroll_down(&mut self, count: usize, at: usize) {
        self.move_down(self.margins.0, self.margins.1 + 1, count, at);
    }

    fn move_up(&mut self, from: usize, to: usize, count: usize, at: usize) {
        self.look_at_all(at);
        let count = count.min(to - from);
        (from..from + count).for_each(|row| self.lose(row));
        [from, from + count, to].into_iter().for_each(|row| self.cut(row));
        if to < self.rows() {
            self.grid_mut().row_mut(to - 1).wrapped = false;
        }
        self.grid_mut().scroll_up(from, to, count);
    }

    fn move_down(&mut self, from: usize, to: usize, count: usize, at: usize) {
        self.look_at_all(at);
        let count = count.min(to - from);
        (to - count..to).for_each(|row| self.lose(row));
        [from, to - count, to].into_iter().for_each(|row| self.cut(row));
        self.grid_mut().scroll_down(from, to, count);
    }

    /// If a line goes on from the row before into this one, it is two lines
    /// now.
    fn cut(&mut self, row: usize) {
        let before = row.checked_sub(1).filter(|before| self.grid().row(*before).wrapped);
        if let Some(before) = before {
            self.touch(before);
            if row < self.rows() {
                self.touch(row);
            }
        }
    }

    /// The line ends with this row.
    fn unwrap(&mut self, row: usize) {
        self.cut(row + 1);
        self.grid_mut().row_mut(row).wrapped = false;
    }

    pub(super) fn reverse_index(&mut self, at: usize) {
        if self.row == self.margins.0 {
            self.move_down(self.margins.0, self.margins.1 + 1, 1, at);
        } else if self.row > 0 {
            self.set_row(self.row - 1);
        }
    }

    fn alignment(&mut self, at: usize) {
        self.look_at_all(at);
        for row in 0..self.rows() {
            self.touch(row);
            let cols = self.cols();
            let line = self.grid_mut().row_mut(row);
            (0..cols).for_each(|col| {
                line.put(col, 'E', false);
            });
        }
    }

    fn ansi_mode(&mut self, mode: AnsiMode, on: bool) {
        match mode {
            AnsiMode::Insert => self.insert = on,
            AnsiMode::NewLine => self.new_line = on,
        }
    }

    fn mode(&mut self, mode: DecMode, on: bool, at: usize) {
        match (mode, on) {
            (DecMode::CursorKeys | DecMode::TextCursorEnable, _) => {}
            (DecMode::Origin, _) => {
                self.origin = on;
                self.home();
            }
            (DecMode::AutoWrap, _) => self.wrap = on,
            (DecMode::AltScreenBuffer, true) => self.enter_alternate(at),
            (DecMode::AltScreenBuffer, false) => self.leave_alternate(at),
            (DecMode::SaveCursor, true) => self.save(),
            (DecMode::SaveCursor, false) => self.restore(),
            (DecMode::SaveCursorAltScreenBuffer, true) => {
                self.save();
                self.enter_alternate(at);
            }
            (DecMode::SaveCursorAltScreenBuffer, false) => {
                self.leave_alternate(at);
                self.restore();
            }
        }
    }

    fn enter_alternate(&mut self, at: usize) {
        if !self.alternate {
            self.look_at_all(at);
            self.hide();
            let id = self.primary.next_id().max(self.other.next_id());
            self.other = Grid::new(self.cols(), self.rows(), id);
            self.alternate = true;
        }
    }

    fn leave_alternate(&mut self, at: usize) {
        if self.alternate {
            self.look_at_all(at);
            self.lose_all();
            self.primary.skip_ids(self.other.next_id());
            self.alternate = false;
            self.unhide();
        }
    }

    fn save(&mut self) {
        let saved = Saved {
            col: self.col.min(self.cols() - 1),
            row: self.row,
            origin: self.origin,
            wrap: self.wrap,
        };
        *self.saved_mut() = saved;
    }

    fn restore(&mut self) {
        let saved = *self.saved_mut();
        self.col = saved.col;
        self.row = saved.row;
        self.origin = saved.origin;
        self.wrap = saved.wrap;
    }

    fn set_margins(&mut self, top: u16, bottom: u16) {
        let (top, bottom) = (or(top, 1) - 1, or(bottom, self.rows()) - 1);
        if top < bottom && bottom < self.rows() {
            self.margins = (top, bottom);
        }
        self.home();
    }

    fn soft_reset(&mut self) {
        self.margins = (0, self.rows() - 1);
        self.insert = false;
        self.origin = false;
        self.drawing = [false; 2];
        self.shift = 0;
        *self.saved_mut() = Saved::default();
    }

    fn hard_reset(&mut self, at: usize) {
        self.look_at_all(at);
        self.lose_all();
        let id = self.primary.next_id().max(self.other.next_id());
        self.reset(id);
    }
}
