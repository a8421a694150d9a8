//! Output that only adds lines at the bottom: most of all there is.
//!
//! Refuses to know any other. The invariant: what is shown is what it would be
//! without this; the rows are written when something else is to come.

use std::collections::VecDeque;

use super::Sheet;
use super::parse::{character, printable, string};
use super::row::UNSEEN;
use crate::screen::sheet::acts::is_wide;

/// The bytes of the character at the start, if it is beyond ASCII and takes one
/// cell, whatever is before it.
#[must_use]
pub fn narrow(bytes: &[u8]) -> Option<usize> {
    character(bytes).filter(|ch| !is_wide(*ch)).map(char::len_utf8)
}

/// A line that has been ended.
#[derive(Debug, Default)]
struct Ended {
    text: Vec<u8>,
    rows: usize,
    id: u64,
    /// The look at it in this event.
    look: u32,
}

/// Lines that are not in their rows yet. While there are any, the cursor is
/// behind the last of them, in the bottom row.
#[derive(Debug, Default)]
pub(super) struct Plain {
    on: bool,
    /// Those of which some row is on the screen, and how many rows they have.
    ended: VecDeque<Ended>,
    rows: usize,
    /// The line that the cursor is in, how many cells of it there are, its
    /// number, and whether it was changed since it was looked at.
    line: Vec<u8>,
    cells: usize,
    id: u64,
    dirty: bool,
    /// To be used again.
    spare: Vec<Vec<u8>>,
}

impl Sheet {
    /// At an event's start: whether it may be taken so.
    pub(super) fn begin_plain(&mut self) {
        if self.plain.on {
            return;
        }
        let bottom = self.rows() - 1;
        let modes = self.insert || !self.wrap || self.drawing != [false; 2] || self.inside;
        let place = self.row != bottom || self.margins != (0, bottom) || bottom == 0;
        if modes || place || !self.carry.pieces.is_empty() {
            return;
        }
        let row = self.grid().row(bottom);
        let wraps = self.grid().row(bottom - 1).wrapped;
        let dirty = (0..=bottom).any(|row| self.grid().row(row).dirty);
        if dirty || wraps || !row.ends_at(self.col) {
            return;
        }
        let (id, mut line) = (row.id, Vec::new());
        row.push_text(false, &mut line);
        self.plain.id = id;
        self.plain.cells = self.col;
        self.plain.line = line;
        self.plain.dirty = false;
        self.plain.on = true;
    }

    /// Columns and rows.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.cols(), self.rows())
    }

    /// Between events, where output may only add lines at the bottom: the line
    /// that the cursor is behind, and its cells. What such output is, and no
    /// more, is printable ASCII, [`narrow`] characters, CR LF, SGR, BEL, and a
    /// tab to a stop in the same row; and there are no more cells in a
    /// line than in all rows but one.
    pub fn plain_line(&mut self) -> Option<(&[u8], usize)> {
        self.begin_plain();
        self.plain.on.then_some((&self.plain.line, self.plain.cells))
    }

    /// Takes lines that output has added since [`Sheet::plain_line`], each with
    /// a number of blanks behind it, and the text and cells of the one that the
    /// cursor is behind now. No look is taken at any. If there are as many as
    /// rows, those before them may be left out.
    pub fn skipped<'a>(
        &mut self,
        lines: impl Iterator<Item = (&'a [u8], usize)>,
        line: &[u8],
        cells: usize,
    ) {
        // The first one has a new number, too: whatever was known of it as the
        // line it was before is no longer so.
        for (line, blanks) in lines {
            let mut text = self.plain.spare.pop().unwrap_or_default();
            text.extend_from_slice(line);
            text.resize(line.len() + blanks, b' ');
            self.plain.cells = text.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
            let (rows, id) = (self.line_rows(), self.grid_mut().take_id());
            self.plain.ended.push_back(Ended { text, rows, id, look: UNSEEN });
            self.plain.rows += rows;
        }
        self.plain.line.clear();
        self.plain.line.extend_from_slice(line);
        self.plain.cells = cells;
        self.plain.dirty = false;
        self.plain.id = self.grid_mut().take_id();
        self.trim_plain();
    }

    /// The column of the first tab stop behind `col`.
    #[must_use]
    pub fn tab_after(&self, col: usize) -> Option<usize> {
        let behind = self.tabs.get(col + 1..).unwrap_or_default();
        behind.iter().position(|set| *set).map(|tab| col + 1 + tab)
    }

    /// Takes what is plain from the start of `bytes`; returns how much that is.
    pub(super) fn plain(&mut self, bytes: &[u8]) -> usize {
        if !self.plain.on {
            return 0;
        }
        let cols = self.cols();
        // A line that fills the screen scrolls away while it is written.
        let most = cols * (self.rows() - 1);
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let rest = bytes.get(at..).unwrap_or_default();
            let used = match byte {
                0x20..=0x7e => {
                    let len = printable(rest);
                    if self.plain.cells + len > most {
                        break;
                    }
                    self.plain.line.extend_from_slice(rest.get(..len).unwrap_or_default());
                    self.plain.cells += len;
                    self.plain.dirty = true;
                    len
                }
                b'\r' if rest.get(1) == Some(&b'\n') => {
                    self.end_plain_line(at + 1);
                    2
                }
                0x1b => match Self::plain_sequence(rest.get(1..).unwrap_or_default()) {
                    Some(len) => 1 + len,
                    None => break,
                },
                0xc3..=0xf4 => match character(rest) {
                    Some(ch) if !is_wide(ch) && self.plain.cells < most => {
                        let len = ch.len_utf8();
                        self.plain.line.extend_from_slice(rest.get(..len).unwrap_or_default());
                        self.plain.cells += 1;
                        self.plain.dirty = true;
                        len
                    }
                    _ => break,
                },
                b'\t' => {
                    let cell = self.plain.cells;
                    let col = cell % cols;
                    let Some(next) = self.tab_after(col) else { break };
                    if cell > 0 && col == 0 || cell + next - col > most {
                        break;
                    }
                    let len = self.plain.line.len() + next - col;
                    self.plain.line.resize(len, b' ');
                    self.plain.cells += next - col;
                    1
                }
                0x07 => 1,
                _ => break,
            };
            at += used;
        }
        if at < bytes.len() {
            self.settle();
        }
        at
    }

    /// A sequence that shows nothing and moves nothing.
    fn plain_sequence(rest: &[u8]) -> Option<usize> {
        match rest {
            [b'[', params @ ..] => {
                let len = params.iter().take(24).position(|b| !matches!(b, b'0'..=b';'))?;
                (params.get(len) == Some(&b'm')).then_some(len + 2)
            }
            [b']', ..] => string(rest),
            _ => None,
        }
    }

    fn line_rows(&self) -> usize {
        let (cells, cols) = (self.plain.cells, self.cols());
        // A division takes as long as all the rest of a short line.
        if cells <= cols { 1 } else { cells.div_ceil(cols) }
    }

    /// CR LF: its LF is at `at`.
    fn end_plain_line(&mut self, at: usize) {
        let look = self.look_at_plain(at);
        let rows = self.line_rows();
        let spare = self.plain.spare.pop().unwrap_or_default();
        let text = std::mem::replace(&mut self.plain.line, spare);
        self.plain.ended.push_back(Ended { text, rows, id: self.plain.id, look });
        self.plain.rows += rows;
        self.plain.cells = 0;
        self.plain.dirty = false;
        self.plain.id = self.grid_mut().take_id();
        self.trim_plain();
    }

    /// Lets those go that are not on the screen any more.
    fn trim_plain(&mut self) {
        let room = self.rows() - self.line_rows();
        while self.plain.rows > room {
            let Some(first) = self.plain.ended.front_mut() else { break };
            let look = std::mem::replace(&mut first.look, UNSEEN);
            let rows = first.rows;
            self.gone(look);
            if self.plain.rows - rows < room {
                break;
            }
            self.plain.rows -= rows;
            if let Some(mut first) = self.plain.ended.pop_front() {
                first.text.clear();
                self.plain.spare.push(first.text);
            }
        }
    }

    /// Looks at the line that the cursor is in.
    fn look_at_plain(&mut self, at: usize) -> u32 {
        if !std::mem::take(&mut self.plain.dirty) || self.blind {
            return UNSEEN;
        }
        let (event, time) = self.now;
        let index = u32::try_from(self.shown.lines.len()).unwrap_or(UNSEEN);
        self.shown.add(&self.plain.line, self.plain.id, event, time, at as u64);
        index
    }

    /// At an event's end.
    pub(super) fn finish_plain(&mut self, at: usize) {
        self.look_at_plain(at);
        self.trim_plain();
        for line in &mut self.plain.ended {
            line.look = UNSEEN;
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        self.plain.on
    }

    pub(super) fn plain_numbers(&self) -> impl Iterator<Item = u64> {
        self.plain.ended.iter().map(|line| line.id).chain([self.plain.id])
    }

    /// Writes the lines into their rows.
    pub(super) fn settle(&mut self) {
        if !std::mem::take(&mut self.plain.on) {
            return;
        }
        // A row is wrapped only once something is written in the next.
        self.trim_plain();
        let blind = std::mem::replace(&mut self.blind, true);
        let bottom = self.rows() - 1;
        let ended = std::mem::take(&mut self.plain.ended);
        self.plain.rows = 0;
        // The first of them is in the bottom row by its beginning, or all of
        // the row is new.
        self.begin_rows();
        for line in ended {
            self.write_plain(&line.text, line.id, line.look);
            self.line_feed(0);
            self.col = 0;
            let mut text = line.text;
            text.clear();
            self.plain.spare.push(text);
        }
        let line = std::mem::take(&mut self.plain.line);
        self.write_plain(&line, self.plain.id, UNSEEN);
        self.col = match self.plain.cells {
            0 => 0,
            cells => (cells - 1) % self.cols() + 1,
        };
        let dirty = self.plain.dirty;
        let (from, to) = self.grid().line(bottom);
        (from..to).for_each(|row| self.grid_mut().row_mut(row).dirty = dirty);
        self.plain.line = line;
        self.carry.clear();
        self.blind = blind;
    }

    /// Makes the bottom row blank: what was in it is among the lines.
    fn begin_rows(&mut self) {
        let bottom = self.rows() - 1;
        self.grid_mut().row_mut(bottom).reset();
        self.col = 0;
    }

    fn write_plain(&mut self, text: &[u8], id: u64, look: u32) {
        let bottom = self.rows() - 1;
        self.bytes(text);
        let (from, to) = self.grid().line(bottom);
        for row in from..to {
            let row = self.grid_mut().row_mut(row);
            row.dirty = false;
            row.look = look;
        }
        let row = self.grid_mut().row_mut(from);
        (row.id, row.line) = (id, id);
    }
}
