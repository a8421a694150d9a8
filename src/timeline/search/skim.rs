//! Output that is searched as it is written, without a screen.
//!
//! Refuses to know any but what only adds lines at the bottom. The invariant:
//! what is skimmed shows nothing that is searched for, neither after an event nor
//! within one, and the screen after it is known.

use super::Query;
use crate::screen::{Sheet, narrow};

/// Text that is kept, in bytes, beside what may be on the screen: less than a
/// core's first cache holds.
const KEPT: usize = 24 << 10;
/// Bytes of a control sequence's parameters that are read here.
const SHORT: usize = 24;
/// Bytes that are copied at once.
const WORD: usize = 8;

/// A line that has been ended, without the blanks at its end.
struct Ended {
    end: usize,
    blanks: usize,
}

/// See the module. While it is on, the sheet knows nothing of what was taken.
#[derive(Default)]
pub(super) struct Skim {
    on: bool,
    /// Something was taken.
    any: bool,
    cols: usize,
    rows: usize,
    /// The last lines, each with a line feed, and the one the cursor is in.
    text: Vec<u8>,
    ended: Vec<Ended>,
    /// Where the cursor's line begins, and how many cells of it there are.
    start: usize,
    cells: usize,
}

/// What an event that is not taken leaves as it was.
#[derive(Clone, Copy)]
struct Mark {
    text: usize,
    ended: usize,
    start: usize,
    cells: usize,
}

impl Skim {
    /// Takes an event's output as it is written in a JSON string, unless it may
    /// show what is searched for, or more than lines.
    pub(super) fn takes(&mut self, written: &[u8], query: &Query, sheet: &mut Sheet) -> bool {
        // As what draws a screen begins.
        let moves = matches!(written, [b'\\', b'u', b'0', b'0', b'1', b'b', b'[', b'H' | b'?', ..]);
        if moves || !self.on && !self.begin(sheet) {
            return false;
        }
        let Mark { text, ended, start, cells } = Mark {
            text: self.text.len(),
            ended: self.ended.len(),
            start: self.start,
            cells: self.cells,
        };
        let low = self.read(written, sheet);
        let end = self.text.len() - self.blanks(self.text.len());
        let shown = self.text.get(start..end).unwrap_or_default();
        match low {
            Ok(_) if !query.is_in_lines(shown) => {
                self.any = true;
                self.forget();
                return true;
            }
            // What was cut off at the end of the line that was there was blank.
            Ok(low) | Err(low) => {
                self.text.truncate(low.min(text));
                self.text.resize(text, b' ');
            }
        }
        self.ended.truncate(ended);
        (self.start, self.cells) = (start, cells);
        false
    }

    fn begin(&mut self, sheet: &mut Sheet) -> bool {
        let (cols, rows) = sheet.size();
        let Some((line, cells)) = sheet.plain_line() else { return false };
        self.text.clear();
        self.text.extend_from_slice(line);
        self.ended.clear();
        (self.cols, self.rows, self.start, self.cells) = (cols, rows, 0, cells);
        (self.on, self.any) = (true, false);
        true
    }

    /// Ends it: the sheet gets what there is on the screen.
    pub(super) fn end(&mut self, sheet: &mut Sheet) {
        if !std::mem::take(&mut self.on) || !self.any {
            return;
        }
        let skip = self.ended.len().saturating_sub(self.rows);
        let before = skip.checked_sub(1).and_then(|last| self.ended.get(last));
        let mut from = before.map_or(0, |line| line.end + 1);
        let lines = self.ended.iter().skip(skip).map(|line| {
            let text = self.text.get(from..line.end).unwrap_or_default();
            from = line.end + 1;
            (text, line.blanks)
        });
        let line = self.text.get(self.start..).unwrap_or_default();
        sheet.skipped(lines, line, self.cells);
    }

    /// How many blanks there are before `end` in the cursor's line.
    fn blanks(&self, end: usize) -> usize {
        let line = self.text.get(self.start..end).unwrap_or_default();
        line.iter().rev().take_while(|byte| **byte == b' ').count()
    }

    /// Appends what output shows. Gives up to where the text is as it was: not
    /// farther than that, and less if blanks at its end were cut off. `Err`
    /// when it is not plain; then there is something behind that.
    fn read(&mut self, written: &[u8], sheet: &Sheet) -> Result<usize, usize> {
        let mut low = self.text.len();
        let (mut at, mut out) = (0, low);
        // A line that fills the screen scrolls away while it is written.
        let most = self.cols * (self.rows - 1);
        // What is shown is no longer than what is written, but for tabs.
        self.text.resize(out + written.len() + WORD, 0);
        loop {
            let rest = written.get(at..).unwrap_or_default();
            let len = copy(rest, self.text.get_mut(out..).unwrap_or_default());
            let rest = rest.get(len..).unwrap_or_default();
            at += len;
            out += len;
            self.cells += len;
            if self.cells > most {
                return Err(low);
            }
            at += match rest {
                [b'\\', b'r', b'\\', b'n', ..] => {
                    let blanks = self.blanks(out);
                    let end = out - blanks;
                    self.text.get_mut(end).into_iter().for_each(|byte| *byte = b'\n');
                    self.ended.push(Ended { end, blanks });
                    low = low.min(end);
                    out = end + 1;
                    (self.start, self.cells) = (out, 0);
                    4
                }
                // SGR.
                [b'\\', b'u', b'0', b'0', b'1', b'b', b'[', params @ ..] => {
                    let mut digits = params.iter().take(SHORT);
                    let len = digits.position(|byte| !matches!(byte, b'0'..=b';')).ok_or(low)?;
                    if params.get(len) != Some(&b'm') {
                        return Err(low);
                    }
                    7 + len + 1
                }
                // BEL.
                [b'\\', b'u', b'0', b'0', b'0', b'7', ..] => 6,
                [b'\\', byte @ (b'"' | b'\\' | b'/'), ..] => {
                    self.text.get_mut(out).into_iter().for_each(|out| *out = *byte);
                    out += 1;
                    self.cells += 1;
                    2
                }
                [b'\\', b't', ..] => {
                    let col = self.cells % self.cols;
                    let next = sheet.tab_after(col).ok_or(low)?;
                    if self.cells > 0 && col == 0 || self.cells + next - col > most {
                        return Err(low);
                    }
                    self.text.truncate(out);
                    out += next - col;
                    self.text.resize(out, b' ');
                    self.text.resize(out + written.len() - at + WORD, 0);
                    self.cells += next - col;
                    2
                }
                // Of U+FFFD, which begins so, more may be told.
                [0xc3..=0xee | 0xf0..=0xf4, ..] => {
                    let len = narrow(rest).ok_or(low)?;
                    let room = self.text.get_mut(out..out + len).unwrap_or_default();
                    room.copy_from_slice(rest.get(..len).unwrap_or_default());
                    out += len;
                    self.cells += 1;
                    len
                }
                [] => break,
                _ => return Err(low),
            };
        }
        self.text.truncate(out);
        Ok(low)
    }

    /// Lets lines go that are not on the screen any more.
    fn forget(&mut self) {
        let screen = 4 * self.cols * self.rows;
        if self.text.len() < KEPT + 2 * screen {
            return;
        }
        // As many lines as there are rows fill a screen, and so does as much
        // text as there may be in it.
        let from = |at: usize| match at.checked_sub(1).and_then(|last| self.ended.get(last)) {
            Some(line) => line.end + 1,
            None => 0,
        };
        let mut kept = self.ended.len();
        while kept > 0 && self.ended.len() - kept < self.rows && self.start - from(kept) < screen {
            kept -= 1;
        }
        let cut = from(kept);
        self.text.drain(..cut);
        self.ended.drain(..kept);
        self.ended.iter_mut().for_each(|line| line.end -= cut);
        self.start -= cut;
    }
}

/// Copies what stands for itself in a JSON string and is printable ASCII, from
/// the start; returns how much that is. Behind that, anything may be written.
fn copy(from: &[u8], to: &mut [u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; WORD]);
    const HIGH: u64 = ONES << 7;
    let (words, _) = from.as_chunks::<WORD>();
    let mut at = 0;
    for (word, to) in words.iter().zip(to.as_chunks_mut::<WORD>().0) {
        *to = *word;
        let x = u64::from_le_bytes(*word);
        // The lowest high bit that is set is right.
        let is = |byte: u8| {
            let other = x ^ (ONES * u64::from(byte));
            other.wrapping_sub(ONES) & !other
        };
        let beyond = x.wrapping_sub(ONES << 5) | x.wrapping_add(ONES) | x;
        let other = (beyond | is(b'"') | is(b'\\')) & HIGH;
        if other != 0 {
            return at + other.trailing_zeros() as usize / 8;
        }
        at += WORD;
    }
    for (byte, to) in from.iter().zip(to).skip(at) {
        if !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\') {
            break;
        }
        *to = *byte;
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use rand::Rng;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use rand::seq::SliceRandom;

    use super::*;
    use crate::event::TermSize;
    use crate::format::asciicast::json::push_lossy;
    use crate::timeline::search::looks::Watch;
    use crate::timeline::search::{Match, Scope};

    /// Mostly lines; words that are searched for, whole, in pieces, and almost.
    fn output(rng: &mut StdRng, odd: u32) -> Vec<u8> {
        const PLAIN: [&str; 22] = [
            "ab",
            "c",
            "abc",
            "b",
            "a",
            " ",
            "    ",
            "c ab",
            "\t",
            "\r\n",
            "\r\n",
            "\r\n",
            "\r\n",
            "\u{1b}[m",
            "\u{1b}[1;31m",
            "\u{7}",
            "é",
            "\"",
            "\\",
            "→",
            "e\u{301}",
            "xyz/",
        ];
        const ODD: [&str; 24] = [
            "\r",
            "\n",
            "\u{8}",
            "界",
            "\u{1b}[K",
            "\u{1b}[2J",
            "\u{1b}[H",
            "\u{1b}[A",
            "\u{1b}[99B",
            "\u{1b}[?1049h",
            "\u{1b}[?1049l",
            "\u{1b}[2;3r",
            "\u{1b}[r",
            "\u{1b}[4h",
            "\u{1b}[4l",
            "\u{1b}[?7l",
            "\u{1b}[?7h",
            "\u{fffd}",
            "\u{85}",
            "\u{1b}M",
            "\u{1b}[",
            "\u{1b}c",
            "\u{1b}]0;abc\u{7}",
            "\u{7f}",
        ];
        let mut out = Vec::new();
        for _ in 0..rng.gen_range(0..14) {
            if rng.gen_range(0..1000) < odd {
                match rng.gen_range(0..12) {
                    0 => out.extend_from_slice(b"\xff"),
                    1 => out.extend_from_slice(b"\xe2\x86"),
                    _ => out.extend_from_slice(ODD.choose(rng).unwrap().as_bytes()),
                }
            } else if rng.gen_range(0..30) == 0 {
                let len = rng.gen_range(0..70);
                out.extend((0..len).map(|n| b"abc "[n % 4]));
            } else {
                out.extend_from_slice(PLAIN.choose(rng).unwrap().as_bytes());
            }
        }
        out
    }

    /// What is found, and how many events were skimmed.
    fn found(
        size: TermSize,
        query: &Query,
        outputs: &[Vec<u8>],
        skims: bool,
    ) -> (Vec<Match>, usize) {
        let mut watch = Watch::new(Sheet::new(size), query);
        let (mut matches, mut skimmed) = (Vec::new(), 0);
        for (n, bytes) in outputs.iter().enumerate() {
            let mut written = Vec::new();
            let exact = push_lossy(bytes, &mut written);
            let written = &written[1..written.len() - 1];
            if skims && watch.skims(written) {
                assert!(exact, "{bytes:?}");
                skimmed += 1;
                continue;
            }
            watch.output(n as u64, n as u64, bytes, &mut matches);
            if n % 7 == 0 {
                watch.finish(&mut matches);
            }
        }
        watch.finish(&mut matches);
        matches.sort_unstable_by_key(Match::order);
        (matches, skimmed)
    }

    /// `HREC_CASES` is how many cases, `HREC_SEED` the first one's.
    #[test]
    fn what_is_skimmed_changes_nothing() {
        let count = std::env::var("HREC_CASES").map_or(3_000, |n| n.parse().unwrap());
        let from = std::env::var("HREC_SEED").map_or(0, |n| n.parse().unwrap());
        let (mut all, mut skimmed, mut matched) = (0, 0, 0);
        for seed in from..from + count {
            let rng = &mut StdRng::seed_from_u64(seed);
            let size = TermSize::clamped(rng.gen_range(3..40), rng.gen_range(2..7));
            let odd = [0, 5, 60][rng.gen_range(0..3)];
            let outputs: Vec<Vec<u8>> =
                (0..rng.gen_range(1..80)).map(|_| output(rng, odd)).collect();
            let patterns = [
                "abc",
                "abc$",
                "^b",
                "aab",
                "b {3,}c",
                "é.*x",
                "\"b|\\\\c",
                "zc$",
                "^$|bb",
                "ca\\b",
            ];
            let pattern = patterns.choose(rng).unwrap();
            let Ok(query) = Query::new(pattern, Scope::Shown) else { continue };
            let (expected, _) = found(size, &query, &outputs, false);
            let (given, count) = found(size, &query, &outputs, true);
            assert_eq!(given, expected, "seed {seed}: {size} {pattern}\n{outputs:#?}");
            (all, skimmed, matched) = (all + outputs.len(), skimmed + count, matched + given.len());
        }
        println!("{all} events, {skimmed} skimmed, {matched} matches");
        assert!(skimmed * 4 > all, "{skimmed} of {all}");
        assert!(matched * 20 > all, "{matched} of {all}");
    }

    #[test]
    fn no_more_is_kept_than_a_screen_and_some() {
        let query = Query::new("never", Scope::Shown).unwrap();
        let mut sheet = Sheet::new(TermSize::clamped(80, 24));
        let mut skim = Skim::default();
        sheet.output(0, 0, b"\x1b[99B");
        for n in 0..20_000 {
            let line = format!("line {n} {}\\r\\n", "x".repeat(n % 900));
            assert!(skim.takes(line.as_bytes(), &query, &mut sheet));
            assert!(skim.text.capacity() < 128 << 10, "{}", skim.text.capacity());
        }
        skim.end(&mut sheet);
        sheet.output(1, 0, b"\x1b[2;1H\x1b[Ksee");
        let shown = sheet.shown();
        let lines: Vec<_> = (0..shown.lines.len()).map(|n| shown.line(n).len()).collect();
        // The screen as it was: 19,999 took three rows, and so on upwards.
        assert!(lines.len() > 3, "{lines:?}");
    }

    #[test]
    fn copying_stops_at_what_is_written_otherwise() {
        for len in 0..40 {
            for byte in 0..=255_u8 {
                let mut text = vec![b'a' + len % 20; 40];
                text[usize::from(len)] = byte;
                let mut to = vec![0; 50];
                let plain = matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
                let expected = if plain { 40 } else { usize::from(len) };
                assert_eq!(copy(&text, &mut to), expected, "{byte} at {len}");
                assert_eq!(to[..expected], text[..expected]);
            }
        }
    }
}
