//! What was seen, to be searched.
//!
//! Refuses to know screens. The invariant: lines are in the order in which
//! they were seen, each followed by a line feed.

use crate::event::Micros;

/// Lines that were shown.
#[derive(Debug, Default)]
pub struct Shown {
    /// Their text, each with a line feed behind it.
    pub text: Vec<u8>,
    /// Where and when each was.
    pub lines: Vec<ShownLine>,
}

/// A line that was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShownLine {
    /// Its first byte in [`Shown::text`].
    pub start: usize,
    /// The line's number while it moves: two looks at one have the same.
    pub row: u64,
    /// So many bytes of it are not among these, as they had scrolled away
    /// before.
    pub skip: usize,
    /// The event in which it was seen: how many are before that.
    pub event: u64,
    /// That event's time.
    pub time: Micros,
    /// How many bytes into the event it was seen.
    pub offset: u64,
    /// It was gone at the event's end.
    pub gone: bool,
    /// It was there before.
    pub old: bool,
    /// Its beginning had scrolled away: for each piece of it that had, where it
    /// ends (from `start`) and how many bytes into the event that was.
    pub pieces: Vec<(usize, u64)>,
}

impl Shown {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
    }

    /// The text of a line.
    #[must_use]
    pub fn line(&self, index: usize) -> &[u8] {
        let start = self.lines.get(index).map_or(self.text.len(), |line| line.start);
        let end = self.lines.get(index + 1).map_or(self.text.len(), |line| line.start);
        self.text.get(start..end.saturating_sub(1)).unwrap_or_default()
    }

    /// Adds a line.
    pub(super) fn add(&mut self, text: &[u8], row: u64, event: u64, time: Micros, offset: u64) {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        self.end(ShownLine { start, row, event, time, offset, ..ShownLine::default() });
    }

    /// Ends a line whose text was appended.
    pub(super) fn end(&mut self, line: ShownLine) {
        while self.text.len() > line.start && self.text.last() == Some(&b' ') {
            self.text.pop();
        }
        self.text.push(b'\n');
        self.lines.push(line);
    }
}
