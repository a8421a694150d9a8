//! A run of typed text, and whether the terminal showed it.
//!
//! Knows nothing of time limits. Its invariant: a run counts as shown only
//! when each of its characters stood in its place, from the cell in which the
//! cursor was when the run began, written after it was typed, and the cursor
//! behind the last.

use unicode_width::UnicodeWidthChar;

use super::Reason;
use super::grid::{Grid, Place, mark};
use super::keys::text_of;
use super::secret::Secret;
use crate::event::Micros;

/// The longest run, of which the specification says that it is judged there.
pub(super) const LONGEST: usize = 64 << 10;

/// How often a run's end is looked for in what the terminal shows. A program
/// that comes by the end of a run so often and never shows it is none that
/// echoes.
const TRIES: u16 = 1024;

/// What is known of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It may be shown yet.
    Open,
    /// It was shown.
    Shown,
    /// It can no longer be, or must not be kept.
    Masked(Reason),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By Tab, after which a program may at once write more behind it.
    Completion,
    /// By Enter.
    Enter,
    /// By any other key, or it was long enough.
    Key,
}

/// One run.
#[derive(Debug)]
pub(super) struct Run {
    bytes: Secret,
    /// How many bytes had been typed before it in the session.
    before: u64,
    anchor: Option<Place>,
    /// Up to here it is known to have been shown: a byte of it, its place.
    so_far: (usize, Place),
    pub(super) start: Micros,
    pub(super) last: Micros,
    pub(super) end: Option<(Micros, End)>,
    pub(super) fate: Fate,
    tries: u16,
    /// How many bytes it was counted for while it waits.
    pub(super) weight: usize,
    /// An escape sequence has begun that may turn out to be a key and so the
    /// run's end: whether it stood since.
    pub(super) closing: Option<bool>,
    /// A line feed came while it was closing.
    pub(super) left: bool,
    win32: bool,
}

/// What a run is expected to show.
enum Glyph {
    Char(char),
    LineEnd,
    Tab,
    /// A mark of a paste, a key's release.
    Nothing,
    /// What could not be recognised.
    Unknown,
}

impl Run {
    pub(super) fn new(start: Micros, before: u64, anchor: Option<Place>, win32: bool) -> Self {
        Self {
            bytes: Secret::default(),
            before,
            anchor,
            so_far: (0, anchor.unwrap_or_default()),
            start,
            last: start,
            end: None,
            fate: Fate::Open,
            tries: TRIES,
            weight: 0,
            closing: None,
            left: false,
            win32,
        }
    }

    pub(super) fn anchor(&self) -> Option<Place> {
        self.anchor
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// More of it was typed.
    pub(super) fn push(&mut self, time: Micros, bytes: &[u8]) {
        self.last = time;
        if !matches!(self.fate, Fate::Masked(_)) {
            self.bytes.push(bytes);
        }
    }

    /// It will not be kept.
    pub(super) fn mask(&mut self, reason: Reason) {
        self.bytes.clear();
        self.fate = Fate::Masked(match self.fate {
            // What the person's own terminal or a prompt said stands.
            Fate::Masked(known) => known.min(reason),
            _ => reason,
        });
    }

    /// Its bytes, to be kept.
    pub(super) fn reveal(&mut self) -> Vec<u8> {
        self.bytes.reveal()
    }

    /// Whether its first character stands where it began: so far it is echoed.
    pub(super) fn begins(&self, grid: &Grid) -> bool {
        let first = Glyphs { bytes: self.bytes.get(), win32: self.win32 }.next();
        match (first, self.anchor) {
            (Some((Glyph::Char(c), _)), Some(anchor)) => {
                let cell = grid.cell(anchor);
                cell.shown == c && cell.stamp > self.before
            }
            _ => false,
        }
    }

    /// It goes on after all: what ended it was part of a paste.
    pub(super) fn reopen(&mut self) {
        self.end = None;
        if self.fate == Fate::Shown {
            self.fate = Fate::Open;
        }
    }

    /// Whether it hangs on what the terminal shows next.
    pub(super) fn is_watched(&self) -> bool {
        self.fate == Fate::Open
    }

    /// Whether it stands there whole just now, with the cursor behind it.
    pub(super) fn stands(&mut self, grid: &Grid) -> bool {
        if self.anchor.is_none() || self.tries == 0 {
            return false;
        }
        self.tries -= 1;
        let Some(cursor) = grid.place() else { return false };
        // What stood when an earlier row was left has been looked at.
        let mut seen = self.so_far.0 > 0;
        let Some((_, end)) = self.compare(grid, None, &mut seen) else { return false };
        let completed = matches!(self.end, Some((_, End::Completion)));
        seen && (completed || cursor == end || cursor == wrapped(end, grid.cols()))
    }

    /// The output goes to a new row. What has been shown before it stays so;
    /// false when the run was to be shown on this row and is not.
    pub(super) fn leaves_row(&mut self, grid: &Grid, row: i64) -> bool {
        let (at, place) = self.so_far;
        if self.anchor.is_none() {
            return false;
        }
        if at > 0 && place.0 > row {
            return true;
        }
        let mut seen = at > 0;
        match self.compare(grid, Some(row), &mut seen) {
            Some((at, place)) if place.0 > row && seen => {
                self.so_far = (at, place);
                true
            }
            _ => false,
        }
    }

    /// Goes through the run from `so_far` on, to its end or to the first
    /// place below `last_row`, as long as it is shown. `seen` becomes true
    /// where more than blanks are: those are no proof of a space.
    fn compare(
        &self,
        grid: &Grid,
        last_row: Option<i64>,
        seen: &mut bool,
    ) -> Option<(usize, Place)> {
        let cols = grid.cols();
        let (mut at, mut place) = self.so_far;
        let mut base: Option<(Place, u32)> = None;
        let done = |base: Option<(Place, u32)>| {
            base.is_none_or(|(place, marks)| grid.cell(place).marks == marks)
        };
        for (glyph, length) in (Glyphs { bytes: self.bytes.get().get(at..)?, win32: self.win32 }) {
            let typed = self.before + (at + length) as u64;
            match glyph {
                Glyph::Char(c) => match c.width() {
                    Some(width @ 1..) => {
                        if !done(base.take()) {
                            return None;
                        }
                        if place.1 + width > cols {
                            place = (place.0 + 1, 0);
                        }
                        if last_row.is_some_and(|last| place.0 > last) {
                            return Some((at, place));
                        }
                        let cell = grid.cell(place);
                        let blank = c == ' ' && matches!(cell.shown, ' ' | '\0') && cell.stamp == 0;
                        if !blank && (cell.shown != c || cell.stamp < typed) {
                            return None;
                        }
                        *seen |= !blank;
                        base = Some((place, 0)).filter(|_| !blank);
                        place.1 += width;
                    }
                    _ => {
                        let (place, marks) = base.take()?;
                        base = Some((place, mark(marks, c)));
                    }
                },
                Glyph::LineEnd => {
                    if !done(base.take()) {
                        return None;
                    }
                    place = (place.0 + 1, 0);
                    if last_row.is_some_and(|last| place.0 > last) {
                        return Some((at + length, place));
                    }
                }
                Glyph::Tab => place.1 = ((place.1 / 8 + 1) * 8).min(cols - 1),
                Glyph::Nothing => {}
                Glyph::Unknown => return None,
            }
            at += length;
        }
        let ends_below = last_row.is_some_and(|last| wrapped(place, cols).0 > last);
        let place = if ends_below { wrapped(place, cols) } else { place };
        done(base).then_some((at, place))
    }
}

/// The place where the next character goes when this one is past the margin.
fn wrapped((row, col): Place, cols: usize) -> Place {
    if col >= cols { (row + 1, 0) } else { (row, col) }
}

/// What these bytes are expected to show, each with how many bytes it takes.
struct Glyphs<'a> {
    bytes: &'a [u8],
    win32: bool,
}

impl Glyphs<'_> {
    fn first(&self) -> Option<(Glyph, usize)> {
        let &first = self.bytes.first()?;
        Some(match first {
            b'\r' | b'\n' => (Glyph::LineEnd, 1),
            b'\t' => (Glyph::Tab, 1),
            0x1b => self.sequence(),
            0x00..=0x1f | 0x7f => (Glyph::Unknown, 1),
            0x20..=0x7e => (Glyph::Char(char::from(first)), 1),
            _ => {
                let start = self.bytes.get(..4).unwrap_or(self.bytes);
                let valid = match std::str::from_utf8(start) {
                    Ok(text) => text,
                    Err(e) => start
                        .get(..e.valid_up_to())
                        .and_then(|valid| std::str::from_utf8(valid).ok())
                        .unwrap_or_default(),
                };
                match valid.chars().next() {
                    Some(c) if !c.is_control() => (Glyph::Char(c), c.len_utf8()),
                    _ => (Glyph::Unknown, 1),
                }
            }
        })
    }

    fn sequence(&self) -> (Glyph, usize) {
        let length = match self.bytes {
            [0x1b, b'O', _, ..] => 3,
            _ => self.bytes.iter().skip(2).take_while(|b| (0x20..0x40).contains(*b)).count() + 3,
        };
        let sequence = self.bytes.get(..length).unwrap_or(self.bytes);
        if matches!(sequence, b"\x1b[200~" | b"\x1b[201~") {
            return (Glyph::Nothing, length);
        }
        let Some(text) = text_of(sequence, self.win32) else { return (Glyph::Unknown, length) };
        let mut chars = text.chars();
        let glyph = match (chars.next(), chars.next()) {
            (None, _) => Glyph::Nothing,
            (Some(c), None) => Glyph::Char(c),
            _ => Glyph::Unknown,
        };
        (glyph, length)
    }
}

impl Iterator for Glyphs<'_> {
    type Item = (Glyph, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let (glyph, length) = self.first()?;
        self.bytes = self.bytes.get(length..).unwrap_or_default();
        Some((glyph, length))
    }
}
