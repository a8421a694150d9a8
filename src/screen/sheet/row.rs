//! One row of characters, and what changing it does.
//!
//! Refuses to know where it stands. The invariants: behind `used` all cells
//! are blank, and a cell that a wide character takes beside its own follows
//! that character's.

/// The second cell of a wide character: no character has this number.
pub(super) const TAIL: u32 = 0x11_0000;
pub(super) const BLANK: u32 = ' ' as u32;

/// A row that was not looked at in this event.
pub(super) const UNSEEN: u32 = u32::MAX;

#[derive(Clone, Debug)]
pub(super) struct Row {
    cells: Box<[u32]>,
    /// Behind this all is blank.
    used: usize,
    /// Nothing in it is beyond ASCII.
    ascii: bool,
    /// The next row goes on with its line.
    pub(super) wrapped: bool,
    /// It was changed since it was looked at.
    pub(super) dirty: bool,
    /// The look at it in this event, while that is true.
    pub(super) look: u32,
    /// What it is known by while it moves.
    pub(super) id: u64,
    /// If a line begins here: that line's number, which is the row's own; or it
    /// began above the screen, as another row, and so many bytes of it are there.
    pub(super) line: u64,
    pub(super) skip: usize,
}

impl Row {
    pub(super) fn blank(cols: usize, id: u64) -> Self {
        let cells = vec![BLANK; cols].into_boxed_slice();
        let (used, look) = (0, UNSEEN);
        Self { cells, used, ascii: true, wrapped: false, dirty: false, look, id, line: id, skip: 0 }
    }

    /// Makes it blank, and another row.
    pub(super) fn renew(&mut self, id: u64) {
        self.id = id;
        self.reset();
        self.dirty = false;
    }

    /// Makes it blank.
    pub(super) fn reset(&mut self) {
        if let Some(used) = self.cells.get_mut(..self.used) {
            used.fill(BLANK);
        }
        self.used = 0;
        self.ascii = true;
        self.wrapped = false;
        (self.line, self.skip) = (self.id, 0);
    }

    /// Whether it is plain text up to this column and blank behind.
    pub(super) fn ends_at(&self, col: usize) -> bool {
        self.ascii && self.used == col && !self.wrapped
    }

    pub(super) fn get(&self, col: usize) -> u32 {
        self.cells.get(col).copied().unwrap_or(BLANK)
    }

    fn set(&mut self, col: usize, value: u32) {
        if let Some(cell) = self.cells.get_mut(col) {
            *cell = value;
        }
    }

    fn is_head(&self, col: usize) -> bool {
        self.get(col + 1) == TAIL
    }

    /// Writes ASCII; it must fit.
    pub(super) fn write(&mut self, col: usize, text: &[u8]) {
        let end = col + text.len();
        if !self.ascii {
            if self.get(col) == TAIL {
                self.set(col - 1, BLANK);
            }
            if self.get(end) == TAIL {
                self.set(end, BLANK);
            }
        }
        if let Some(cells) = self.cells.get_mut(col..end) {
            for (cell, byte) in cells.iter_mut().zip(text) {
                *cell = u32::from(*byte);
            }
        }
        self.used = self.used.max(end);
    }

    /// Writes a character; its width, or `None` when it does not fit.
    pub(super) fn put(&mut self, col: usize, ch: char, wide: bool) -> Option<usize> {
        let tail = self.get(col) == TAIL;
        if wide {
            if col + 1 >= self.cells.len() {
                return None;
            }
            if tail {
                self.set(col - 1, BLANK);
            }
            if !self.is_head(col) && self.is_head(col + 1) {
                self.set(col + 2, BLANK);
            }
            self.set(col, ch.into());
            self.set(col + 1, TAIL);
        } else {
            if tail {
                self.set(col - 1, BLANK);
            } else if self.is_head(col) {
                self.set(col + 1, BLANK);
            }
            self.set(col, ch.into());
        }
        let width = 1 + usize::from(wide);
        self.ascii &= ch.is_ascii() && !wide;
        self.used = self.used.max(col + width);
        Some(width)
    }

    /// Makes cells blank; a wide character that is in them by half goes whole.
    pub(super) fn clear(&mut self, from: usize, to: usize) {
        if from >= self.cells.len() {
            return;
        }
        let from = if self.get(from) == TAIL { from - 1 } else { from };
        let to = if self.get(to) == TAIL { to + 1 } else { to };
        if let Some(cells) = self.cells.get_mut(from..to.min(self.used).max(from)) {
            cells.fill(BLANK);
        }
        if to >= self.used {
            self.used = self.used.min(from);
        }
    }

    /// Moves what is from `col` on to the right; what is pushed out comes in.
    pub(super) fn shift_right(&mut self, col: usize, count: usize) {
        let last = self.cells.len() - 1;
        let col = col.min(last);
        if self.get(col) == TAIL {
            self.set(col, BLANK);
            self.set(col - 1, BLANK);
        }
        if let Some(cells) = self.cells.get_mut(col..) {
            cells.rotate_right(count);
        }
        if self.get(col) == TAIL {
            self.set(col, BLANK);
            self.set(last, BLANK);
        }
        self.used = self.cells.len();
    }

    /// Takes cells out; blanks come in at the end.
    pub(super) fn delete(&mut self, col: usize, count: usize) {
        if self.get(col) == TAIL {
            self.set(col - 1, BLANK);
        }
        if let Some(cells) = self.cells.get_mut(col..) {
            cells.rotate_left(count);
        }
        if self.get(col) == TAIL {
            self.set(col, BLANK);
        }
        let end = self.cells.len() - count;
        if let Some(cells) = self.cells.get_mut(end..) {
            cells.fill(BLANK);
        }
        self.used = self.used.max(col).min(end);
        self.wrapped = false;
    }

    /// Appends its text: all of it, or up to the last that is not blank.
    pub(super) fn push_text(&self, all: bool, out: &mut Vec<u8>) {
        let len = if all { self.cells.len() } else { self.used };
        let cells = self.cells.get(..len).unwrap_or_default();
        if self.ascii {
            let start = out.len();
            out.resize(start + cells.len(), b' ');
            let space = out.get_mut(start..).unwrap_or_default();
            for (byte, cell) in space.iter_mut().zip(cells) {
                *byte = *cell as u8;
            }
            return;
        }
        for cell in cells {
            match char::from_u32(*cell) {
                Some(ch) if ch.is_ascii() => out.push(ch as u8),
                Some(ch) => out.extend_from_slice(ch.encode_utf8(&mut [0; 4]).as_bytes()),
                None => {}
            }
        }
    }
}
