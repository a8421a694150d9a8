//! The model's screen on a viewer's terminal.
//!
//! Refuses to know where its bytes go. The invariant: all it ever writes is
//! the characters of cells and the sequences listed at [`Painter`].

use avt::{Cell, Color, Line, Pen};
use unicode_width::UnicodeWidthChar;

use super::Model;
use super::text::cell_char;
use crate::event::TermSize;

/// Paints a model's screen, writing only what changed since the last time.
///
/// The sequences it uses, all of ECMA-48 and the common private modes, are: CUP
/// (`CSI r;c H`), CHA (`CSI c G`), EL (`CSI K`), ED (`CSI 2 J`), SGR
/// (`CSI … m`), and modes 7, 25 and 1049 set and reset. None of them makes a
/// terminal answer.
///
/// Where the viewer's window is smaller than the recording, the part around the
/// cursor is shown.
#[derive(Debug)]
pub struct Painter {
    window: TermSize,
    /// What is on the viewer's terminal; empty when that is not known.
    shown: Vec<Vec<Cell>>,
    /// The recorded row and column at the window's top left.
    top: usize,
    left: usize,
}

impl Painter {
    /// A painter for a window of this size.
    #[must_use]
    pub fn new(window: TermSize) -> Self {
        Self { window, shown: Vec::new(), top: 0, left: 0 }
    }

    /// Appends what makes the terminal ours: the alternate screen, no wrapping
    /// (a character wider than this program thinks would shift all others).
    pub fn enter(out: &mut Vec<u8>) {
        out.extend_from_slice(b"\x1b[?1049h\x1b[?7l");
    }

    /// Appends what gives the terminal back.
    pub fn leave(out: &mut Vec<u8>) {
        out.extend_from_slice(b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l");
    }

    /// The viewer's window has this size now, and may show anything. The next
    /// [`Painter::paint`] paints everything.
    pub fn resize(&mut self, window: TermSize) {
        self.window = window;
        self.shown.clear();
    }

    /// Appends what makes the terminal show the model's screen.
    pub fn paint(&mut self, model: &Model, out: &mut Vec<u8>) {
        let cursor = model.terminal().cursor();
        let (cols, rows) = (usize::from(self.window.cols()), usize::from(self.window.rows()));
        let (model_cols, model_rows) = model.terminal().size();
        follow(&mut self.top, cursor.row, rows, model_rows);
        follow(&mut self.left, cursor.col.min(model_cols.saturating_sub(1)), cols, model_cols);
        out.extend_from_slice(b"\x1b[?25l");
        if self.shown.len() != rows {
            out.extend_from_slice(b"\x1b[0m\x1b[2J");
            self.shown = vec![vec![Cell::default(); cols]; rows];
        }
        let mut lines = model.terminal().screen().visible_lines().skip(self.top);
        for (row, shown) in self.shown.iter_mut().enumerate() {
            let wanted = clipped(lines.next(), self.left, cols);
            if *shown != wanted {
                push_difference(row, shown, &wanted, out);
                *shown = wanted;
            }
        }
        let (row, col) =
            (cursor.row.saturating_sub(self.top), cursor.col.saturating_sub(self.left));
        push_position(row, col.min(cols.saturating_sub(1)), out);
        if cursor.visible && row < rows {
            out.extend_from_slice(b"\x1b[?25h");
        }
    }
}

/// Moves a window's beginning no further than it must, so that `at` is inside.
fn follow(start: &mut usize, at: usize, len: usize, total: usize) {
    *start = (*start).min(at).min(total.saturating_sub(len));
    *start = (*start).max((at + 1).saturating_sub(len));
}

/// `cols` cells of a line. Half of a wide character becomes a blank.
fn clipped(line: Option<&Line>, left: usize, cols: usize) -> Vec<Cell> {
    let cells = line.map(Line::cells).unwrap_or_default();
    let mut row: Vec<Cell> = cells.iter().skip(left).take(cols).copied().collect();
    if row.first().is_some_and(|c| c.width() == 0) {
        row.splice(..1, [Cell::default()]);
    }
    let full = row.len() == cols;
    if full && row.last().is_some_and(|c| c.width() == 2) {
        row.pop();
    }
    row.resize(cols, Cell::default());
    row
}

fn is_blank(cell: &Cell) -> bool {
    *cell == Cell::default()
}

/// Appends what turns one row into another: from the first cell that differs to
/// the last.
fn push_difference(row: usize, shown: &[Cell], wanted: &[Cell], out: &mut Vec<u8>) {
    let differs = |(a, b): (&Cell, &Cell)| a != b;
    let pairs = || shown.iter().zip(wanted);
    let Some(mut first) = pairs().position(differs) else { return };
    let last = pairs().rposition(differs).unwrap_or(first);
    // A wide character is written from its first half.
    while first > 0 && wanted.get(first).is_some_and(|c| c.width() == 0) {
        first -= 1;
    }
    let text_end = wanted.len() - wanted.iter().rev().take_while(|c| is_blank(c)).count();
    push_position(row, first, out);
    let end = last + 1;
    let cells = wanted.get(first..end.min(text_end.max(first))).unwrap_or_default();
    push_cells(cells, first, out);
    if end > text_end {
        out.extend_from_slice(b"\x1b[K");
    }
}

/// Appends cells from column `col` on, and resets the pen.
fn push_cells(cells: &[Cell], col: usize, out: &mut Vec<u8>) {
    let mut pen = Pen::default();
    out.extend_from_slice(b"\x1b[0m");
    for (n, cell) in cells.iter().enumerate() {
        if cell.width() == 0 {
            continue;
        }
        if *cell.pen() != pen {
            pen = *cell.pen();
            push_sgr(&pen, out);
        }
        let ch = cell_char(cell.char());
        out.extend_from_slice(ch.encode_utf8(&mut [0; 4]).as_bytes());
        if ch.width() == Some(0) {
            // It joins the character before it; its own cell is blank.
            out.push(b' ');
        }
        if is_uncertain(ch) {
            push_csi(&[col + n + 1 + usize::from(cell.width())], 'G', out);
        }
    }
    out.extend_from_slice(b"\x1b[0m");
}

/// Whether terminals disagree about how wide this is. ASCII, Latin, Greek,
/// Cyrillic, punctuation, arrows, mathematics, boxes and blocks are one cell
/// everywhere; after anything else the cursor is put where it belongs.
fn is_uncertain(ch: char) -> bool {
    ch >= '\u{2600}'
        || (ch >= '\u{a0}' && ch.width() != Some(1))
        || ('\u{530}'..'\u{2010}').contains(&ch)
}

fn push_position(row: usize, col: usize, out: &mut Vec<u8>) {
    push_csi(&[row + 1, col + 1], 'H', out);
}

fn push_csi(numbers: &[usize], end: char, out: &mut Vec<u8>) {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    out.extend_from_slice(format!("\x1b[{}{end}", numbers.join(";")).as_bytes());
}

/// Appends the SGR sequence that makes this the pen, whatever it was.
pub fn push_sgr(pen: &Pen, out: &mut Vec<u8>) {
    let mut codes = vec![0];
    let attributes = [
        (pen.is_bold(), 1),
        (pen.is_faint(), 2),
        (pen.is_italic(), 3),
        (pen.is_underline(), 4),
        (pen.is_blink(), 5),
        (pen.is_inverse(), 7),
        (pen.is_strikethrough(), 9),
    ];
    codes.extend(attributes.into_iter().filter(|(set, _)| *set).map(|(_, code)| code));
    push_colour(pen.foreground(), 30, &mut codes);
    push_colour(pen.background(), 40, &mut codes);
    push_csi(&codes, 'm', out);
}

/// `base` is 30 for the foreground, 40 for the background.
fn push_colour(colour: Option<Color>, base: usize, codes: &mut Vec<usize>) {
    match colour {
        None => {}
        Some(Color::Indexed(n @ 0..=7)) => codes.push(base + usize::from(n)),
        Some(Color::Indexed(n @ 8..=15)) => codes.push(base + 60 + usize::from(n) - 8),
        Some(Color::Indexed(n)) => codes.extend([base + 8, 5, usize::from(n)]),
        Some(Color::RGB(c)) => codes.extend([base + 8, 2, c.r.into(), c.g.into(), c.b.into()]),
    }
}

/// Appends the model's screen as lines that stay: down to its last row with
/// something in it, cut at `cols`.
pub fn push_final(model: &Model, cols: u16, out: &mut Vec<u8>) {
    let mut end = out.len();
    for line in model.terminal().screen().visible_lines() {
        let row = clipped(Some(line), 0, cols.into());
        let len = row.len() - row.iter().rev().take_while(|c| is_blank(c)).count();
        push_cells(row.get(..len).unwrap_or_default(), 0, out);
        out.extend_from_slice(b"\r\n");
        if len > 0 {
            end = out.len();
        }
    }
    out.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Data, Event};
    use proptest::prelude::*;

    fn output(text: &str) -> Event {
        Event { time: 0, data: Data::Output(text.as_bytes().to_vec()) }
    }

    fn screen(model: &Model) -> Vec<Vec<Cell>> {
        let lines = model.terminal().screen().visible_lines();
        lines.map(|l| clipped(Some(l), 0, l.cells().len())).collect()
    }

    /// Every sequence in `bytes` is on the list, and there is no other control
    /// character.
    pub(crate) fn assert_listed(bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).unwrap();
        let listed = regex::Regex::new(
            "\u{1b}\\[([0-9]+;[0-9]+H|[0-9]+G|K|2J|[0-9;]+m|\\?(7|25|1049)[hl])|\r\n",
        )
        .unwrap();
        let rest = listed.replace_all(text, "");
        assert!(!rest.chars().any(super::super::safe::is_unsafe), "{rest:?}");
    }

    /// Titles, clipboard, questions, printer, mouse, beeps, in 7 and 8 bits.
    const HOSTILE: &[&str] = &[
        "\u{7}\u{1b}]0;title\u{7}\u{1b}]2;title\u{1b}\\",
        "\u{1b}]52;c;cm0gLXJm\u{7}\u{9d}52;c;cm0gLXJm\u{9c}",
        "\u{1b}[c\u{1b}[>c\u{1b}[=c\u{1b}[5n\u{1b}[6n\u{9b}6n\u{9b}c\u{1b}Z\u{5}",
        "\u{1b}[5i\u{1b}[4i\u{1b}[?5i\u{1b}[21t\u{1b}[18t\u{1b}[?1000h\u{1b}[?1006h\u{1b}[?2004h",
        "\u{1b}]10;?\u{7}\u{1b}]11;?\u{7}\u{1b}]4;1;?\u{7}\u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{7}",
        "\u{1b}P+q544e\u{1b}\\\u{1b}P$qm\u{1b}\\\u{90}+q544e\u{9c}\u{1b}[>q\u{1b}[?u\u{1b}[x",
        "\u{1b}_Gi=1,a=q;AAAA\u{1b}\\\u{1b}^pm\u{1b}\\\u{1b}Xsos\u{1b}\\\u{1b}]1337;File=:AA\u{7}",
        "\u{1b}[?1049h\u{1b}[2Jalt\u{1b}c\u{1b}#8\u{202e}rtl\u{2066}\u{200b}\u{feff}\u{0}\u{7f}",
    ];

    #[test]
    fn nothing_recorded_gets_through() {
        let mut model = Model::new(TermSize::DEFAULT);
        let mut painter = Painter::new(TermSize::DEFAULT);
        let mut out = Vec::new();
        Painter::enter(&mut out);
        for text in HOSTILE {
            for cut in 0..=text.len() {
                model
                    .event(&Event { time: 0, data: Data::Output(text.as_bytes()[..cut].to_vec()) });
                model
                    .event(&Event { time: 0, data: Data::Output(text.as_bytes()[cut..].to_vec()) });
                painter.paint(&model, &mut out);
            }
        }
        push_final(&model, 80, &mut out);
        Painter::leave(&mut out);
        assert_listed(&out);
        assert!(!String::from_utf8(out).unwrap().contains("rm -rf"));
    }

    #[test]
    fn only_what_changed_is_written() {
        let mut model = Model::new(TermSize::clamped(20, 3));
        let mut painter = Painter::new(TermSize::clamped(20, 3));
        let mut out = Vec::new();
        model.event(&output("hello world\r\nsecond"));
        painter.paint(&model, &mut out);
        out.clear();
        model.event(&output("\u{1b}[1;7HW"));
        painter.paint(&model, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\u{1b}[?25l\u{1b}[1;7H\u{1b}[0mW\u{1b}[0m\u{1b}[1;8H\u{1b}[?25h"
        );
    }

    #[test]
    fn a_small_window_follows_the_cursor() {
        let mut model = Model::new(TermSize::clamped(20, 6));
        model.event(&output("1\r\n2\r\n3\r\n4\r\n5\r\n6 and a long line"));
        let mut painter = Painter::new(TermSize::clamped(8, 2));
        let mut out = Vec::new();
        painter.paint(&model, &mut out);
        let mut viewer = Model::new(TermSize::clamped(8, 2));
        viewer.event(&output(std::str::from_utf8(&out).unwrap()));
        assert_eq!(viewer.terminal().screen().text(), ["", "ng line"]);
    }

    #[test]
    fn the_final_screen_stays() {
        let mut model = Model::new(TermSize::clamped(20, 5));
        model.event(&output("a\r\n\u{1b}[1;38;5;200mb\u{1b}[0m\r\n\r\n"));
        let mut out = Vec::new();
        push_final(&model, 10, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\u{1b}[0ma\u{1b}[0m\r\n\u{1b}[0m\u{1b}[0;1;38;5;200mb\u{1b}[0m\r\n"
        );
    }

    proptest! {
        /// What a terminal shows that was painted step by step is what the
        /// model shows.
        #[test]
        fn painting_is_exact(
            steps in prop::collection::vec(
                "(\u{1b}\\[[0-9;]{0,8}[A-HJ-MPSTXdfm@]|\u{1b}\\[(3[0-7]|9[1-7]|4[0-7]|38;5;99|48;2;1;2;3|[1-9]|0)m|[ -~é界│\n\r\t]{1,9}){1,10}",
                1..8,
            ),
            resizes in prop::collection::vec(prop::option::of((1..20u64, 1..8u64)), 8),
        ) {
            let size = TermSize::clamped(12, 4);
            let mut model = Model::new(size);
            let mut painter = Painter::new(size);
            let mut viewer = Model::new(size);
            let mut out = Vec::new();
            Painter::enter(&mut out);
            for (step, resize) in steps.iter().zip(resizes) {
                if let Some((cols, rows)) = resize {
                    let size = TermSize::clamped(cols, rows);
                    let event = Event { time: 0, data: Data::Resize(size) };
                    model.event(&event);
                    viewer.event(&event);
                    painter.resize(size);
                }
                model.event(&output(step));
                painter.paint(&model, &mut out);
                assert_listed(&out);
                viewer.event(&output(std::str::from_utf8(&out).unwrap()));
                out.clear();
                prop_assert_eq!(screen(&viewer), screen(&model));
            }
        }
    }
}
