//! A screen as a file that a person can keep: text, ANSI, SVG.
//!
//! Refuses to know files and time. The invariant: nothing recorded gets into a
//! picture but as a printable character in its place. In text there is no
//! escape sequence at all, in ANSI only SGR (ECMA-48, 8.3.117), and SVG has
//! neither script nor link.

mod boxes;
mod svg;

use avt::{Cell, Line, Pen};
use unicode_width::UnicodeWidthChar;

use crate::screen::{Model, cell_char, push_sgr};

/// The forms a picture can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// UTF-8 text.
    Text,
    /// Text with colours, for `cat` and `less -R`.
    Ansi,
    /// Scalable Vector Graphics 1.1, for a report or a browser.
    Svg,
}

impl Form {
    /// All of them, in the order they are offered in.
    pub const ALL: [Self; 3] = [Self::Text, Self::Ansi, Self::Svg];

    /// What the names of such files end in.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Ansi => "ansi",
            Self::Svg => "svg",
        }
    }
}

/// What was on a screen.
#[derive(Clone, Debug)]
pub struct Picture<'a> {
    rows: Vec<&'a [Cell]>,
    cols: usize,
    /// Column and row of a cursor that is shown.
    cursor: Option<(usize, usize)>,
}

impl<'a> Picture<'a> {
    /// A model's screen, with its cursor.
    #[must_use]
    pub fn of(model: &'a Model) -> Self {
        let terminal = model.terminal();
        let cursor = terminal.cursor();
        let cols = usize::from(model.size().cols());
        // A cursor that waits to wrap is past the last column.
        let cursor = cursor.visible.then(|| (cursor.col.min(cols.saturating_sub(1)), cursor.row));
        Self { cursor, ..Self::of_lines(terminal.screen().visible_lines(), cols) }
    }

    /// These lines of `cols` columns, such as those that scrolled off.
    #[must_use]
    pub fn of_lines(lines: impl IntoIterator<Item = &'a Line>, cols: usize) -> Self {
        Self { rows: lines.into_iter().map(Line::cells).collect(), cols, cursor: None }
    }

    /// The picture in this form. `title` is what it is a picture of; only SVG
    /// has a place for it.
    #[must_use]
    pub fn render(&self, form: Form, title: &str) -> String {
        match form {
            Form::Text => self.text(),
            Form::Ansi => self.ansi(),
            Form::Svg => self.svg(title),
        }
    }

    /// Lines of text, without what is blank at their ends and below the last.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let start = text.len();
            push_chars(row, &mut text);
            text.truncate(start + text.get(start..).map_or(0, |row| row.trim_end().len()));
            text.push('\n');
        }
        text.truncate(text.trim_end_matches('\n').len());
        text.push('\n');
        text
    }

    /// The same with SGR sequences; each line begins and ends with the default
    /// pen.
    #[must_use]
    pub fn ansi(&self) -> String {
        let mut out = Vec::new();
        let mut end = 0;
        for row in &self.rows {
            let row = trimmed(row);
            let mut pen = Pen::default();
            for run in row.chunk_by(|a, b| a.pen() == b.pen()) {
                let new = run.first().map(|cell| *cell.pen()).unwrap_or_default();
                if new != pen {
                    push_sgr(&new, &mut out);
                    pen = new;
                }
                let mut text = String::new();
                push_chars(run, &mut text);
                out.extend_from_slice(text.as_bytes());
            }
            if pen != Pen::default() {
                out.extend_from_slice(b"\x1b[0m");
            }
            out.push(b'\n');
            if !row.is_empty() {
                end = out.len();
            }
        }
        out.truncate(end.max(1));
        String::from_utf8_lossy(&out).into_owned()
    }

    /// A picture that needs nothing but itself; see [`svg`].
    #[must_use]
    pub fn svg(&self, title: &str) -> String {
        svg::render(&self.rows, self.cols, self.cursor, title)
    }
}

/// A row without the blank cells at its end; one with a background is not
/// blank.
fn trimmed(row: &[Cell]) -> &[Cell] {
    let blank = Cell::default();
    let len = row.iter().rposition(|cell| *cell != blank).map_or(0, |last| last + 1);
    row.get(..len).unwrap_or_default()
}

/// The characters of cells. What takes no space of its own joins the character
/// before it, and its cell is blank.
fn push_chars(cells: &[Cell], out: &mut String) {
    for cell in cells.iter().filter(|cell| cell.width() > 0) {
        let ch = cell_char(cell.char());
        out.push(ch);
        if ch.width() == Some(0) {
            out.push(' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Data, Event, TermSize};
    use proptest::prelude::*;

    pub(super) fn model(cols: u64, rows: u64, output: &str) -> Model {
        let mut model = Model::new(TermSize::clamped(cols, rows));
        model.event(&Event { time: 0, data: Data::Output(output.as_bytes().to_vec()) });
        model
    }

    #[test]
    fn text_is_what_is_read() {
        let model = model(12, 6, "$ ls  \r\n\r\n\u{1b}[1;31m日本\u{1b}[0m <a>\r\n  \r\n");
        let picture = Picture::of(&model);
        assert_eq!(picture.text(), "$ ls\n\n日本 <a>\n");
        assert_eq!(picture.ansi(), "$ ls\n\n\u{1b}[0;1;31m日本\u{1b}[0m <a>\n");
        assert_eq!(Picture::of(&self::model(5, 3, "")).text(), "\n");
        assert_eq!(Picture::of(&self::model(5, 3, "")).ansi(), "\n");
    }

    #[test]
    fn a_background_to_the_edge_is_kept() {
        let model = model(4, 2, "\u{1b}[48;2;1;2;3mab\u{1b}[K\u{1b}[0m\r\n\u{1b}[93;7mx");
        assert_eq!(
            Picture::of(&model).ansi(),
            "\u{1b}[0;48;2;1;2;3mab  \u{1b}[0m\n\u{1b}[0;7;93mx\u{1b}[0m\n"
        );
    }

    proptest! {
        /// Whatever was recorded, a terminal that is shown the ANSI shows the
        /// screen, and nothing in any form could act on it.
        #[test]
        fn exact_and_harmless(
            output in "(\u{1b}\\[[0-9;]{0,8}[A-HJ-MPSTXdfm@]|\u{1b}\\[(3[0-7]|9[1-7]|4[0-7]|38;5;99|48;2;1;2;3|[1-9]|0)m|\u{1b}\\][0-9;a-z?]{0,9}\u{7}|[ -~é界│\u{202e}\u{9d}\n\r\t]{1,9}){1,30}",
        ) {
            let model = model(14, 5, &output);
            let picture = Picture::of(&model);
            let text = picture.text();
            prop_assert!(!text.chars().any(|ch| ch.is_control() && ch != '\n'));
            let ansi = picture.ansi();
            let sgr = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
            let rest = sgr.replace_all(&ansi, "");
            prop_assert!(!rest.chars().any(|ch| ch.is_control() && ch != '\n'), "{ansi:?}");
            prop_assert!(!rest.contains('\u{202e}'), "a character that reorders");
            // No newline at the end: it would scroll.
            let again = self::model(14, 5, &format!("\u{1b}[?7l{}", ansi.trim_end_matches('\n').replace('\n', "\r\n")));
            let shown = |model: &Model| {
                let lines = model.terminal().screen().visible_lines();
                let safe = |cell: &Cell| (cell_char(cell.char()), cell.width(), *cell.pen());
                lines.map(|line| line.cells().iter().map(safe).collect()).collect::<Vec<Vec<_>>>()
            };
            prop_assert_eq!(shown(&again), shown(&model));
        }
    }
}
