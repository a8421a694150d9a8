//! What controls and sequences do, by ECMA-48 and xterm's `ctlseqs`.

use super::super::control::{Act, Csi};
use super::{Grid, Saved};

impl Grid {
    pub(in super::super) fn act(&mut self, act: &Act<'_>) {
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
            b'\r' => self.set_col(0),
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
                self.set_col(0);
                self.line_feed();
            }
            (0, b'M') => self.reverse_index(),
            (0, b'c') => {
                self.lose();
                self.concealed = false;
                self.drawing = [false; 2];
                self.shifted = 0;
                self.wraps = true;
                self.inserts = false;
                self.odd = false;
                self.region = None;
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
                self.set_col(0);
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
            b'J' => self.edit(|grid| grid.erase_display(csi.at(0))),
            b'K' => self.edit(|grid| grid.erase_line(csi.at(0))),
            b'X' => self.edit(|grid| grid.erase(n)),
            b'@' => self.edit(|grid| grid.insert(n)),
            b'P' => self.edit(|grid| grid.delete(n)),
            b'L' | b'M' | b'S' | b'T' => self.scramble(),
            b'b' => self.repeat(n),
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

    /// More than a screen's width of repeats is no echo of anybody's typing.
    fn repeat(&mut self, n: usize) {
        if let Some(c) = self.last {
            (0..n.min(self.size.0 * 2)).for_each(|_| self.print(c));
        }
    }

    fn edit(&mut self, edit: impl Fn(&mut Self)) {
        if self.cursor.full || self.cursor.col.is_none() {
            // Behind the last column, terminals differ in where the cursor is.
            self.lose();
            return;
        }
        edit(self);
        self.mend(0, self.size.0);
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
            6 | 69 => {
                self.lose();
                self.odd = set;
            }
            // 132 columns.
            3 => self.lose(),
            _ => {}
        }
    }

    fn save(&mut self) {
        let on_screen = self.top.map(|top| self.cursor.row - top);
        self.saved = Some(Saved {
            cursor: self.cursor,
            on_screen,
            feeds: self.feeds,
            concealed: self.concealed,
            drawing: self.drawing,
            shifted: self.shifted,
        });
    }

    fn restore(&mut self) {
        match self.saved {
            Some(saved) => {
                self.cursor = saved.cursor;
                // Terminals differ in whether it is to wrap.
                if std::mem::take(&mut self.cursor.full) {
                    self.cursor.col = None;
                }
                (self.concealed, self.drawing) = (saved.concealed, saved.drawing);
                self.shifted = saved.shifted;
                match (saved.on_screen, self.top) {
                    (Some(row), _) => self.set_row(row),
                    (None, None) if saved.feeds == self.feeds => {}
                    _ => {
                        let text = self.before_cursor(None);
                        self.fresh_rows();
                        self.recalled = self.place().map(|(row, col)| (row, col, text));
                    }
                }
            }
            None => {
                self.set_col(0);
                self.set_row(0);
            }
        }
    }
}
