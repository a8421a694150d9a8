//! Cutting out of the unfed output what no longer matters.
//!
//! Refuses to know what sequences do. The invariant: after each cut, all marks
//! stand where they stood, and feeding what is left gives the state that
//! feeding all would have given.

use memchr::{memrchr, memrchr_iter};

use super::carry::{Carry, Op};
use super::{Keyframer, Outer, Restart};

impl Keyframer {
    /// Cuts out what does not matter to the state at the end.
    pub(super) fn shorten(&mut self) {
        let end = self.restart(self.ground());
        let Some(pin) = self.pin else {
            if let Some(end) = end {
                self.trim(self.base, end);
            }
            return;
        };
        let mut before = None;
        if let Some(end) = end.filter(|end| end.at > pin.at) {
            self.trim(pin.at, end);
            // The cells at the pin scrolled away since; the cursor was saved.
            if !self.alternate {
                before = self.line(pin.outer, pin.from);
            }
        }
        if let Some(before) = before.or_else(|| self.search(pin.outer, pin.from)).or(pin.outer.safe)
        {
            self.trim(self.base, before);
        }
    }

    /// Cuts, if it is worth it.
    fn trim(&mut self, from: usize, restart: Restart) {
        if restart.at > from.max(self.base) + self.limits.worth {
            self.cut(from, restart);
        }
    }

    /// Replaces what is between `from` and the restart by what it leaves behind.
    pub(super) fn cut(&mut self, from: usize, restart: Restart) {
        let (from, to) = (from.max(self.base), restart.at);
        if to < from {
            return;
        }
        let first = self.ops.partition_point(|op| op.at < from);
        let last = self.ops.partition_point(|op| op.at < to);
        let Some(inner) = self.ops.get(first..last) else { return };
        let Carry { mut text, mut ops, .. } = Carry::of(&self.text, from, to, inner);
        if restart.bottom {
            text.extend_from_slice(format!("\x1b[{};1H", self.rows()).as_bytes());
        }
        ops.iter_mut().for_each(|op| op.at += from);
        self.replace(from, to, first, last, &text, &ops);
    }

    /// Puts `text` and `ops` where `from..to` and `first..last` were, and moves
    /// all marks.
    pub(super) fn replace(
        &mut self,
        from: usize,
        to: usize,
        first: usize,
        last: usize,
        text: &[u8],
        ops: &[Op],
    ) {
        debug_assert!(self.base <= from && from <= to && to <= self.text.len());
        let moved = |at: usize| at + text.len() - (to - from);
        let mark = |at: usize| {
            if at >= to { moved(at) } else { at.min(from) }
        };
        // A barrier or restart inside: what is behind it begins with what
        // replaces it.
        let barrier = |at: usize| if at > from { moved(at.max(to)) } else { at };
        let restart = |restart: Restart| {
            let inside = restart.at > from && restart.at < to;
            (!inside).then(|| Restart { at: mark(restart.at), ..restart })
        };
        self.text.splice(from..to, text.iter().copied());
        for op in self.ops.iter_mut().skip(last) {
            op.at = moved(op.at);
        }
        self.ops.splice(first..last, ops.iter().copied());
        self.at = mark(self.at);
        self.span = mark(self.span);
        // Line feeds before `from` are no longer followed by those behind `to`.
        self.barrier = barrier(self.barrier.max(to));
        self.safe = self.safe.and_then(restart);
        if let Some(pin) = &mut self.pin {
            if to <= pin.from {
                pin.outer.barrier = barrier(pin.outer.barrier.max(to));
            }
            pin.outer.safe = pin.outer.safe.and_then(restart);
            pin.from = mark(pin.from);
            pin.at = mark(pin.at);
        }
        self.adjacent.end = usize::MAX;
        self.next_search = 0;
    }

    /// What a restart argument stands on now.
    pub(super) fn outer(&self) -> Outer {
        Outer { barrier: self.barrier, safe: self.safe, margins: self.margins }
    }

    /// The last restart that determines the state at `end`.
    pub(super) fn restart(&mut self, end: usize) -> Option<Restart> {
        if end >= self.next_search {
            // Not again for every few bytes: a search reads `rows` lines.
            self.next_search = end + self.rows();
            if let Some(found) = self.search(self.outer(), end) {
                self.safe = Some(found);
            }
        }
        self.safe
    }

    /// The bytes behind the barrier, if what holds there lets line feeds
    /// scroll the whole screen.
    fn lines(&self, outer: Outer, end: usize) -> Option<(usize, &[u8])> {
        let from = outer.barrier.max(self.base);
        let text = self.text.get(from..end)?;
        (outer.margins == (0, self.rows() - 1)).then_some((from, text))
    }

    /// Looks for a line that all at `end` depends on.
    pub(super) fn search(&self, outer: Outer, end: usize) -> Option<Restart> {
        let rows = self.rows();
        let (from, text) = self.lines(outer, end)?;
        let mut feeds = memrchr_iter(b'\n', text);
        feeds.nth(rows - 1)?;
        let feed = feeds
            .find(|&at| at.checked_sub(1).and_then(|before| text.get(before)) == Some(&b'\r'))?;
        // Its own line feed is one of the `rows - 1` that lead to the bottom.
        if rows > 2 {
            feeds.nth(rows - 3)?;
        }
        Some(Restart { at: from + feed + 1, bottom: true })
    }

    /// Where the line at `end` begins, if that is the bottom row.
    pub(super) fn line(&self, outer: Outer, end: usize) -> Option<Restart> {
        let rows = self.rows();
        let (from, text) = self.lines(outer, end)?;
        let start = memrchr(b'\r', text)?;
        if rows > 1 {
            memrchr_iter(b'\n', text.get(..start)?).nth(rows - 2)?;
        }
        // An LF after the CR stays in the bottom row.
        Some(Restart { at: from + start + 1, bottom: true })
    }
}
