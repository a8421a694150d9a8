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
    /// The cells while nothing in them is beyond ASCII, as in most rows there
    /// are: text is copied in and out.
    bytes: Box<[u8]>,
    /// The cells otherwise; else empty.
    cells: Vec<u32>,
    /// Behind this all is blank.
    used: usize,
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
        Self {
            bytes: vec![b' '; cols].into_boxed_slice(),
            cells: Vec::new(),
            used: 0,
            wrapped: false,
            dirty: false,
            look: UNSEEN,
            id,
            line: id,
            skip: 0,
        }
    }

    /// Makes it blank, and another row.
    pub(super) fn renew(&mut self, id: u64) {
        self.id = id;
        self.reset();
        self.dirty = false;
    }

    /// Makes it blank.
    pub(super) fn reset(&mut self) {
        if !self.cells.is_empty() {
            self.cells.clear();
            self.bytes.fill(b' ');
        } else if let Some(used) = self.bytes.get_mut(..self.used) {
            used.fill(b' ');
        }
        self.used = 0;
        self.wrapped = false;
        (self.line, self.skip) = (self.id, 0);
    }

    fn is_ascii(&self) -> bool {
        self.cells.is_empty()
    }

    /// From here on it may have any character.
    fn widen(&mut self) {
        if self.cells.is_empty() {
            self.cells.extend(self.bytes.iter().map(|byte| u32::from(*byte)));
        }
    }

    /// Whether it is plain text up to this column and blank behind.
    pub(super) fn ends_at(&self, col: usize) -> bool {
        self.is_ascii() && self.used == col && !self.wrapped
    }

    fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn get(&self, col: usize) -> u32 {
        let cell = match self.is_ascii() {
            true => self.bytes.get(col).map(|byte| u32::from(*byte)),
            false => self.cells.get(col).copied(),
        };
        cell.unwrap_or(BLANK)
    }

    /// Of a row that is not ASCII.
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
        self.used = self.used.max(end);
        if self.is_ascii() {
            if let Some(bytes) = self.bytes.get_mut(col..end) {
                bytes.copy_from_slice(text);
            }
            return;
        }
        if self.get(col) == TAIL {
            self.set(col - 1, BLANK);
        }
        if self.get(end) == TAIL {
            self.set(end, BLANK);
        }
        if let Some(cells) = self.cells.get_mut(col..end) {
            for (cell, byte) in cells.iter_mut().zip(text) {
                *cell = u32::from(*byte);
            }
        }
    }

    /// Writes a character; its width, or `None` when it does not fit.
    pub(super) fn put(&mut self, col: usize, ch: char, wide: bool) -> Option<usize> {
        let width = 1 + usize::from(wide);
        if self.is_ascii() {
            if ch.is_ascii() && !wide {
                if let Some(byte) = self.bytes.get_mut(col) {
                    *byte = ch as u8;
                }
                self.used = self.used.max(col + 1);
                return Some(1);
            }
            if wide && col + 1 >= self.len() {
                return None;
            }
            self.widen();
        }
        let tail = self.get(col) == TAIL;
        if wide {
            if col + 1 >= self.len() {
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
        self.used = self.used.max(col + width);
        Some(width)
    }

    /// Makes cells blank; a wide character that is in them by half goes whole.
    pub(super) fn clear(&mut self, from: usize, to: usize) {
        if from >= self.len() {
            return;
        }
        let from = if self.get(from) == TAIL { from - 1 } else { from };
        let to = if self.get(to) == TAIL { to + 1 } else { to };
        let cleared = from..to.min(self.used).max(from);
        if self.is_ascii() {
            self.bytes.get_mut(cleared).into_iter().for_each(|bytes| bytes.fill(b' '));
        } else {
            self.cells.get_mut(cleared).into_iter().for_each(|cells| cells.fill(BLANK));
        }
        if to >= self.used {
            self.used = self.used.min(from);
        }
    }

    /// Moves what is from `col` on to the right; what is pushed out comes in.
    pub(super) fn shift_right(&mut self, col: usize, count: usize) {
        let last = self.len() - 1;
        let col = col.min(last);
        self.used = self.len();
        if self.is_ascii() {
            if let Some(bytes) = self.bytes.get_mut(col..) {
                bytes.rotate_right(count);
            }
            return;
        }
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
    }

    /// Takes cells out; blanks come in at the end.
    pub(super) fn delete(&mut self, col: usize, count: usize) {
        let end = self.len() - count;
        self.wrapped = false;
        if self.is_ascii() {
            if let Some(bytes) = self.bytes.get_mut(col..) {
                bytes.rotate_left(count);
            }
            self.bytes.get_mut(end..).into_iter().for_each(|bytes| bytes.fill(b' '));
        } else {
            if self.get(col) == TAIL {
                self.set(col - 1, BLANK);
            }
            if let Some(cells) = self.cells.get_mut(col..) {
                cells.rotate_left(count);
            }
            if self.get(col) == TAIL {
                self.set(col, BLANK);
            }
            self.cells.get_mut(end..).into_iter().for_each(|cells| cells.fill(BLANK));
        }
        self.used = self.used.max(col).min(end);
    }

    /// Appends its text: all of it, or up to the last that is not blank.
    pub(super) fn push_text(&self, all: bool, out: &mut Vec<u8>) {
        let len = if all { self.len() } else { self.used };
        if self.is_ascii() {
            out.extend_from_slice(self.bytes.get(..len).unwrap_or_default());
            return;
        }
        for cell in self.cells.get(..len).unwrap_or_default() {
            match char::from_u32(*cell) {
                Some(ch) if ch.is_ascii() => out.push(ch as u8),
                Some(ch) => out.extend_from_slice(ch.encode_utf8(&mut [0; 4]).as_bytes()),
                None => {}
            }
        }
    }
}
