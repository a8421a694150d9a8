use avt::parser::{AnsiMode, DecMode, Function};
use avt::{Parser, ScreenKind, Terminal};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::screen::keyframe::Position;
use crate::screen::model::new_terminal;
use crate::screen::skip::Keyframer;
use crate::screen::skip::tests::output::{Step, case};
use crate::screen::skip::tests::{shown, smallest};

/// What the module says is shown, seen in avt, before each function.
struct Reference {
    terminal: Terminal,
    parser: Parser,
    decoder: Decoder,
    margins: (usize, usize),
    wrap: bool,
    insert: bool,
    saved: [bool; 2],
    carry: String,
    /// Bytes of the event before the character that is read, and its last.
    at: (usize, usize),
    seen: Vec<Sighting>,
    /// Rows that left at the top, and when.
    left: Vec<(String, (usize, usize))>,
    /// All that ever left, while their line went on.
    ever: std::collections::HashSet<String>,
}

struct Sighting {
    text: String,
    /// So many bytes of it had left in this event.
    left: usize,
    at: (usize, usize),
}

impl Reference {
    fn new(size: TermSize) -> Self {
        Self {
            terminal: new_terminal(size),
            parser: Parser::new(),
            decoder: Decoder::default(),
            margins: (0, usize::from(size.rows()) - 1),
            wrap: true,
            insert: false,
            saved: [true; 2],
            carry: String::new(),
            at: (0, 0),
            seen: Vec::new(),
            left: Vec::new(),
            ever: std::collections::HashSet::new(),
        }
    }

    fn output(&mut self, bytes: &[u8]) {
        self.at = (0, 0);
        for (at, byte) in bytes.iter().enumerate() {
            self.at.1 = at;
            let mut chars = Vec::new();
            self.decoder.decode(&[*byte], |text| chars.extend(text.chars()));
            let any = !chars.is_empty();
            for ch in chars {
                if let Some(function) = self.parser.feed(ch) {
                    self.function(function);
                }
                self.at.0 = at;
            }
            self.at.0 += usize::from(any);
        }
        self.at = (bytes.len(), bytes.len());
        self.see(0..usize::MAX);
        self.carry.clear();
    }

    /// Looks at the lines that have any of these rows.
    fn see(&mut self, rows: std::ops::Range<usize>) {
        let (mut text, mut from) = (self.carry.clone(), 0);
        let mut seen = Vec::new();
        for (row, line) in self.terminal.screen().visible_lines().enumerate() {
            text.extend(line.chars());
            if !line.is_wrapped() {
                let text = std::mem::take(&mut text);
                if from < rows.end && row >= rows.start {
                    seen.push((text, if from == 0 { self.carry.len() } else { 0 }));
                }
                from = row + 1;
            }
        }
        seen.into_iter().for_each(|(text, left)| self.saw(&text, left));
    }

    fn saw(&mut self, text: &str, left: usize) {
        let text = text.trim_end_matches(' ').to_owned();
        self.seen.push(Sighting { left: left.min(text.len()), text, at: self.at });
    }

    fn scrolls(&mut self) {
        let (top, _) = self.margins;
        self.see(top..top + 1);
        if top > 0 {
            return;
        }
        let goes_on = self.terminal.screen().line(0).unwrap().is_wrapped();
        self.leaves(goes_on);
    }

    /// The top row does, and its line goes on or not.
    fn leaves(&mut self, goes_on: bool) {
        let text: String = self.terminal.screen().line(0).unwrap().chars().collect();
        self.leaves_as(text, goes_on);
    }

    fn leaves_as(&mut self, text: String, goes_on: bool) {
        self.left.push((text.clone(), self.at));
        if goes_on || !self.carry.is_empty() {
            self.carry.push_str(&text);
        }
        if goes_on {
            self.ever.insert(text.clone());
        }
        if !goes_on && !self.carry.is_empty() {
            let whole = std::mem::take(&mut self.carry);
            self.saw(&whole, whole.len() - text.len());
        }
    }

    fn function(&mut self, function: Function) {
        use Function::*;
        let rows = self.terminal.size().1;
        let cols = self.terminal.size().0;
        let cursor = self.terminal.cursor();
        let alternate = self.terminal.active_screen_kind() == ScreenKind::Alternate;
        let active = usize::from(alternate);
        match &function {
            Decset(modes) if modes.as_slice().len() > 1 => {
                for mode in modes.as_slice() {
                    self.function(one(*mode, 'h'));
                }
                return;
            }
            Decrst(modes) if modes.as_slice().len() > 1 => {
                for mode in modes.as_slice() {
                    self.function(one(*mode, 'l'));
                }
                return;
            }
            Rep(count) => {
                let Some(mut col) = cursor.col.checked_sub(1) else { return };
                let line = self.terminal.screen().line(cursor.row).unwrap();
                while col > 0 && line.cells()[col].width() == 0 {
                    col -= 1;
                }
                let ch = line.cells()[col].char();
                for _ in 0..(*count).max(1) {
                    self.function(Print(ch));
                }
                return;
            }
            _ => {}
        }
        let all = match &function {
            Ed(avt::parser::EdScope::SavedLines) => false,
            Ed(_) | Il(_) | Dl(_) | Su(_) | Sd(_) | Decaln | Ris => true,
            Ri => cursor.row == self.margins.0,
            Decset(modes) => {
                let modes = modes.as_slice();
                !alternate
                    && modes.iter().any(|mode| {
                        matches!(
                            mode,
                            DecMode::AltScreenBuffer | DecMode::SaveCursorAltScreenBuffer
                        )
                    })
            }
            Decrst(modes) => {
                let modes = modes.as_slice();
                alternate
                    && modes.iter().any(|mode| {
                        matches!(
                            mode,
                            DecMode::AltScreenBuffer | DecMode::SaveCursorAltScreenBuffer
                        )
                    })
            }
            _ => false,
        };
        if all {
            self.see(0..usize::MAX);
            self.carry.clear();
        }
        let bottom = cursor.row == self.margins.1;
        match &function {
            Lf | Nel => {
                self.see(cursor.row..cursor.row + 1);
                if bottom {
                    self.scrolls();
                }
            }
            Print(ch) if bottom && self.wrap => {
                // Whether it wraps is known when it has. Then the row that was
                // the bottom one goes on, and is what it was.
                let wide = unicode_width::UnicodeWidthChar::width(*ch) == Some(2) && *ch > '~';
                if cursor.col == cols || (wide && cursor.col == cols - 1) {
                    self.wrapped_print(&function);
                    return;
                }
            }
            Decsc | Scosc => self.saved[active] = self.wrap,
            Decrc | Scorc => self.wrap = self.saved[active],
            Decset(modes) => match modes.as_slice() {
                [DecMode::AutoWrap] => self.wrap = true,
                [DecMode::SaveCursor | DecMode::SaveCursorAltScreenBuffer] => {
                    self.saved[active] = self.wrap;
                }
                _ => {}
            },
            Decrst(modes) => match modes.as_slice() {
                [DecMode::AutoWrap] => self.wrap = false,
                [DecMode::SaveCursor] => self.wrap = self.saved[active],
                [DecMode::SaveCursorAltScreenBuffer] => self.wrap = self.saved[0],
                _ => {}
            },
            Decstbm(top, bottom) => {
                let top = usize::from(*top).max(1) - 1;
                let bottom = if *bottom == 0 { rows } else { usize::from(*bottom) } - 1;
                if top < bottom && bottom < rows {
                    self.margins = (top, bottom);
                }
            }
            Sm(modes) if modes.as_slice().contains(&AnsiMode::Insert) => self.insert = true,
            Rm(modes) if modes.as_slice().contains(&AnsiMode::Insert) => self.insert = false,
            Decstr => {
                self.insert = false;
                self.margins = (0, rows - 1);
                self.saved[active] = true;
            }
            Ris => {
                self.insert = false;
                self.margins = (0, rows - 1);
                (self.wrap, self.saved) = (true, [true; 2]);
            }
            _ => {}
        }
        self.terminal.execute(function);
    }

    /// Before a wrap the bottom row is marked as going on, which no call of
    /// avt's does alone.
    fn wrapped_print(&mut self, function: &Function) {
        let (top, bottom) = self.margins;
        if top == bottom || bottom == 0 {
            // One row: it goes whole, as the beginning of the line. Inserting cuts
            // a wide character before it is known that there is no room.
            let line = self.terminal.screen().line(0).unwrap();
            let mut text: String = line.chars().collect();
            let col = self.terminal.cursor().col;
            if self.insert && line.cells().get(col).is_some_and(|cell| cell.width() == 0) {
                text.pop();
                text.push_str("  ");
            }
            self.leaves_as(text, true);
        } else if top == 0 {
            let rows: Vec<bool> =
                self.terminal.screen().visible_lines().map(avt::Line::is_wrapped).collect();
            // Not the line that is being written.
            if rows.iter().take(bottom).any(|wrapped| !wrapped) {
                self.see(0..1);
            }
            self.leaves(rows[0]);
        } else {
            // Of the region's top row, with those that it belongs to; unless
            // that is the line that goes on, which is seen later.
            self.see(top..top + 1);
        }
        self.terminal.execute(function.clone());
    }

    fn resize(&mut self, size: TermSize) {
        if size.rows() != u16::try_from(self.terminal.size().1).unwrap() {
            self.margins = (0, usize::from(size.rows()) - 1);
        }
        self.terminal.resize(size.cols().into(), size.rows().into());
        self.see(0..usize::MAX);
    }
}

fn one(mode: DecMode, last: char) -> Function {
    let text = format!("\u{1b}[?{}{last}", mode as u16);
    let mut parser = Parser::new();
    text.chars().find_map(|ch| parser.feed(ch)).unwrap()
}

type Rows = Vec<(String, bool)>;

fn rows_of(grid: &Grid) -> Rows {
    let row = |row: usize| {
        let row = grid.row(row);
        let mut text = Vec::new();
        row.push_text(true, &mut text);
        (String::from_utf8(text).unwrap(), row.wrapped)
    };
    (0..grid.len()).map(row).collect()
}

fn rows_of_avt(screen: avt::Screen<'_>) -> Rows {
    screen.visible_lines().map(|line| (line.chars().collect(), line.is_wrapped())).collect()
}

fn same(sheet: &Sheet, terminal: &Terminal) -> Result<(), String> {
    let cursor = terminal.cursor();
    let active = rows_of(sheet.grid()) == rows_of_avt(terminal.screen());
    let primary = rows_of(&sheet.primary) == rows_of_avt(terminal.primary_screen());
    if active && primary && (cursor.col, cursor.row) == (sheet.col, sheet.row) {
        return Ok(());
    }
    Err(format!(
        "{:?} {:?}\n{:?} {:?}\n{:?}\n{:?}",
        (cursor.col, cursor.row),
        rows_of_avt(terminal.screen()),
        (sheet.col, sheet.row),
        rows_of(sheet.grid()),
        rows_of_avt(terminal.primary_screen()),
        rows_of(&sheet.primary),
    ))
}

#[derive(Debug, Default)]
struct Tally {
    events: usize,
    seen: usize,
    given: usize,
    /// Cases whose state avt's own dump does not restore.
    left: usize,
}

fn run(size: TermSize, eager: bool, steps: &[Step], tally: &mut Tally) -> Result<(), String> {
    let mut reference = Reference::new(size);
    let mut sheet = Sheet::new(size);
    let mut keyframer = Keyframer::new(size);
    // What stood on the screen after the event before.
    let mut stood: Vec<String> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        reference.seen.clear();
        reference.left.clear();
        sheet.shown().clear();
        match step {
            Step::Output(bytes) => {
                reference.output(bytes);
                sheet.output(at as u64, 0, bytes);
                keyframer.output(bytes);
            }
            Step::Resize(cols, rows) => {
                let size = TermSize::clamped(*cols, *rows);
                reference.resize(size);
                keyframer.resize(size);
                let Some(keyframe) = keyframer.keyframe(Position::default()) else {
                    tally.left += 1;
                    return Ok(());
                };
                sheet.resized(&keyframe);
            }
            _ => continue,
        }
        tally.events += 1;
        if eager || at + 1 == steps.len() {
            sheet.settle();
        }
        if !sheet.is_plain() {
            same(&sheet, &reference.terminal).map_err(|error| format!("step {at}: {error}"))?;
        }
        let shown = std::mem::take(sheet.shown());
        let at_end = reference_lines(reference.terminal.screen());
        if let Step::Output(bytes) = step {
            let check = Check { reference: &reference, stood: &stood, at_end: &at_end };
            let told = check.told(&sheet, &shown, bytes.len());
            let given = told.map_err(|error| format!("step {at}: {error}"))?;
            check.missed(&given).map_err(|error| format!("step {at}: {error}"))?;
            tally.given += given.len();
            tally.seen += reference.seen.len();
        }
        stood = at_end.into_iter().map(|line| line.1).collect();
        if reference.terminal.active_screen_kind() == ScreenKind::Alternate {
            // It waits behind the other.
            let primary = reference_lines(reference.terminal.primary_screen());
            stood.extend(primary.into_iter().map(|line| line.1));
        }
    }
    Ok(())
}

/// The lines of the screen, each with its first row.
fn reference_lines(screen: avt::Screen<'_>) -> Vec<(usize, String)> {
    let (mut lines, mut text, mut from) = (Vec::new(), String::new(), 0);
    for (row, line) in screen.visible_lines().enumerate() {
        text.extend(line.chars());
        if !line.is_wrapped() {
            let text = std::mem::take(&mut text);
            lines.push((from, text.trim_end_matches(' ').to_owned()));
            from = row + 1;
        }
    }
    lines
}

/// The end of a text is enough to know it by.
fn short(text: &str) -> String {
    let skip = text.chars().count().saturating_sub(80);
    format!("{:?}", text.chars().skip(skip).collect::<String>())
}

/// A line that the sheet told of.
struct Given {
    text: String,
    gone: bool,
}

struct Check<'a> {
    reference: &'a Reference,
    stood: &'a [String],
    at_end: &'a [(usize, String)],
}

impl Check<'_> {
    /// Every line that was told of was there: when it says so, and where.
    fn told(&self, sheet: &Sheet, shown: &Shown, len: usize) -> Result<Vec<Given>, String> {
        let mut given = Vec::new();
        for (n, line) in shown.lines.iter().enumerate() {
            let text = String::from_utf8(shown.line(n).to_vec()).unwrap();
            // A row in which no line begins any more is told as an empty one.
            if text.is_empty() {
                continue;
            }
            let offset = usize::try_from(line.offset).unwrap();
            let here = |at: &(usize, usize), offset| (at.0..=at.1).contains(&offset);
            // As a whole, or without some of what had left. More than is kept
            // begins anywhere.
            let same = |one: &&Sighting| match one.text.strip_suffix(text.as_str()) {
                Some(gone) => gone.len() <= one.left,
                None => false,
            };
            let cut = |one: &&Sighting| one.text.len() > CARRIED && one.text.contains(&text);
            let seen = &self.reference.seen;
            if !seen.iter().filter(same).any(|one| here(&one.at, offset))
                && !seen.iter().any(|one| cut(&one))
            {
                return Err(format!("{} was not shown at {offset} of {len}", short(&text)));
            }
            let mut from = 0;
            for (end, offset) in &line.pieces {
                let offset = usize::try_from(*offset).unwrap();
                let piece = text.get(from..*end).unwrap_or(&text[from.min(text.len())..]);
                let left = &self.reference.left;
                let same = |row: &str| row.trim_end_matches(' ') == piece.trim_end_matches(' ');
                if !left.iter().any(|(row, at)| same(row) && here(at, offset)) {
                    return Err(format!("{piece:?} of {text:?} did not leave at {offset}"));
                }
                from = *end;
            }
            if !line.gone {
                let rest = |whole: &str| !line.pieces.is_empty() && text.ends_with(whole);
                let there = |row: Option<usize>| {
                    self.at_end.iter().any(|(from, whole)| {
                        row.is_none_or(|row| row == *from) && (*whole == text || rest(whole))
                    })
                };
                let grid = sheet.grid();
                let row = (0..grid.len()).find(|row| grid.row(*row).line == line.row);
                if !sheet.is_plain() && row.is_none() || !there(row.filter(|_| !sheet.is_plain())) {
                    return Err(format!(
                        "{text:?} is not at the end in {row:?}: {:?}",
                        self.at_end
                    ));
                }
            }
            given.push(Given { text, gone: line.gone });
        }
        Ok(given)
    }

    /// No line was there that was not told of, unless it stood there before.
    fn missed(&self, given: &[Given]) -> Result<(), String> {
        // What is left of a line whose rows before it left is part of that.
        let rest = |text: &str| {
            let mut whole = given.iter().map(|one| &one.text).chain(self.stood);
            let ever = &self.reference.ever;
            whole.any(|whole| {
                whole
                    .strip_suffix(text)
                    .is_some_and(|gone| ever.iter().any(|row| gone.ends_with(row)))
            })
        };
        let all = || given.iter().map(|one| &one.text).chain(self.stood);
        let told = |text: &str| text.is_empty() || all().any(|one| one == text) || rest(text);
        for Sighting { text, left, at } in &self.reference.seen {
            // What had left was told, and what it goes on with, when it was there.
            let parts = || {
                let tails = all().filter_map(|tail| text.strip_suffix(tail.as_str()));
                let mut gone = tails.filter(|gone| gone.len() <= *left);
                gone.any(|gone| {
                    gone.trim_end_matches(' ').is_empty()
                        || all().any(|one| one.contains(gone.trim_end_matches(' ')))
                })
            };
            if !(text.len() > CARRIED || told(text) || *left > 0 && parts()) {
                let text = short(text);
                return Err(format!("{text} was missed at {at:?}, before {:?}", self.stood));
            }
        }
        for (_, text) in self.at_end.iter().filter(|line| !line.1.is_empty()) {
            let there = self.at_end.iter().filter(|line| line.1 == *text).count();
            let told = given.iter().filter(|one| one.text == *text && !one.gone).count();
            let stood = self.stood.iter().filter(|one| *one == text).count();
            let part = usize::from(rest(text));
            if there > told + stood + part {
                return Err(format!("{text:?} is there {there} times, told {told}, was {stood}"));
            }
        }
        Ok(())
    }
}

fn fails(size: TermSize, eager: bool, steps: &[Step]) -> bool {
    let run = std::panic::AssertUnwindSafe(|| run(size, eager, steps, &mut Tally::default()));
    !matches!(std::panic::catch_unwind(run), Ok(Ok(())))
}

/// `HREC_CASES` is how many cases, `HREC_SEED` the first one's.
#[test]
fn it_is_avt_and_misses_nothing() {
    let count = std::env::var("HREC_CASES").map_or(4_000, |n| n.parse().unwrap());
    let from = std::env::var("HREC_SEED").map_or(0, |n| n.parse().unwrap());
    let mut tally = Tally::default();
    for seed in from..from + count {
        let (size, _, steps) = case(&mut StdRng::seed_from_u64(seed));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            run(size, seed % 2 == 0, &steps, &mut tally)
        }));
        if !matches!(outcome, Ok(Ok(()))) {
            let steps = smallest(steps, |steps| fails(size, seed % 2 == 0, steps));
            let error = run(size, seed % 2 == 0, &steps, &mut Tally::default());
            let error = error.unwrap_err();
            panic!("seed {seed}: {size}\n{}\n{error}", shown(&steps));
        }
    }
    println!("{tally:?}");
    assert!(tally.left * 100 < tally.events, "{tally:?}");
}
