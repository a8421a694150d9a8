//! A screen as SVG.
//!
//! Refuses to know where its rows come from. The invariant: every cell is
//! where it was, whatever fonts the viewer has: each run of text states its
//! width (`textLength`, SVG 1.1, 10.5), and lines and blocks are shapes.

use std::fmt::Write;

use avt::{Cell, Color, Pen};
use unicode_width::UnicodeWidthChar;

use super::boxes::{Filled, filled};
use crate::play::colour::rgb;
use crate::screen::cell_char;

/// A cell: nine by eighteen is what most monospaced fonts have at [`FONT`].
const WIDTH: f32 = 9.0;
const HEIGHT: f32 = 18.0;
/// The size of type; an advance of 0.6 em is that of DejaVu, Liberation,
/// Menlo, Consolas nearly, and whole pixels.
const FONT: f32 = 15.0;
/// From a row's top to the line that letters stand on.
const BASE: f32 = 13.5;
/// Marks over one character: more than a few are no writing.
const MARKS: usize = 8;
/// Around the screen.
const MARGIN: f32 = 9.0;

const FOREGROUND: [u8; 3] = [0xd9, 0xdc, 0xe1];
const BACKGROUND: [u8; 3] = [0x14, 0x16, 0x1a];
/// The sixteen colours: xterm's own blue cannot be read on black, so these are
/// of its hues and one lightness.
const SIXTEEN: [[u8; 3]; 16] = [
    [0x1d, 0x20, 0x25],
    [0xd9, 0x4f, 0x4f],
    [0x5f, 0xaf, 0x4b],
    [0xc9, 0xa2, 0x27],
    [0x4f, 0x8f, 0xdc],
    [0xb0, 0x6f, 0xc9],
    [0x35, 0xa9, 0xb0],
    [0xc9, 0xcd, 0xd3],
    [0x73, 0x79, 0x82],
    [0xf2, 0x7a, 0x7a],
    [0x8c, 0xd4, 0x78],
    [0xea, 0xcb, 0x5c],
    [0x82, 0xb6, 0xf5],
    [0xd3, 0x9b, 0xe8],
    [0x68, 0xd0, 0xd6],
    [0xff, 0xff, 0xff],
];

/// A pen's two colours, as they are on the screen.
fn colours(pen: &Pen) -> ([u8; 3], [u8; 3]) {
    let of = |colour: Option<Color>, default| match colour {
        None => default,
        Some(Color::Indexed(index)) => {
            SIXTEEN.get(usize::from(index)).copied().unwrap_or_else(|| rgb(index))
        }
        Some(Color::RGB(c)) => [c.r, c.g, c.b],
    };
    let text = of(pen.foreground(), FOREGROUND);
    let ground = of(pen.background(), BACKGROUND);
    if pen.is_inverse() { (ground, text) } else { (text, ground) }
}

pub(super) fn render(
    rows: &[&[Cell]],
    cols: usize,
    cursor: Option<(usize, usize)>,
    title: &str,
) -> String {
    let (width, height) = (cols as f32 * WIDTH, rows.len() as f32 * HEIGHT);
    let (whole_width, whole_height) = (width + 2.0 * MARGIN, height + 2.0 * MARGIN);
    let mut out = String::new();
    let _ = write!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole_width}\" \
         height=\"{whole_height}\" viewBox=\"{edge} {edge} {whole_width} {whole_height}\" \
         font-family=\"'DejaVu Sans Mono','Liberation Mono',Menlo,Consolas,monospace\" \
         font-size=\"{FONT}\" xml:space=\"preserve\">\n<title>",
        edge = -MARGIN
    );
    title.chars().for_each(|ch| push_escaped(ch, &mut out));
    let _ = writeln!(
        out,
        "</title>\n<rect x=\"{edge}\" y=\"{edge}\" width=\"{whole_width}\" \
         height=\"{whole_height}\" rx=\"6\" fill=\"{}\"/>",
        hex(BACKGROUND),
        edge = -MARGIN
    );
    // All backgrounds first: a letter may reach over its cell's edge.
    let mut grounds = String::new();
    let mut letters = String::new();
    for (row, cells) in rows.iter().enumerate() {
        let top = row as f32 * HEIGHT;
        let mut col = 0;
        for run in cells.chunk_by(|a, b| a.pen() == b.pen()) {
            let left = col as f32 * WIDTH;
            col += run.len();
            let pen = run.first().map(|cell| *cell.pen()).unwrap_or_default();
            let (text, ground) = colours(&pen);
            if ground != BACKGROUND {
                let _ = writeln!(
                    grounds,
                    "<rect x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{HEIGHT}\" fill=\"{}\"/>",
                    run.len() as f32 * WIDTH,
                    hex(ground)
                );
            }
            let behind = cells.get(col..).unwrap_or_default();
            push_run(run, behind, left, top, &pen, text, &mut letters);
        }
    }
    if !grounds.is_empty() {
        let _ = write!(out, "<g shape-rendering=\"crispEdges\">\n{grounds}</g>\n");
    }
    out.push_str(&letters);
    if let Some((col, row)) = cursor.filter(|(_, row)| *row < rows.len()) {
        let _ = writeln!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"{}\"/>",
            col as f32 * WIDTH + 0.5,
            row as f32 * HEIGHT + 0.5,
            WIDTH - 1.0,
            HEIGHT - 1.0,
            hex(FOREGROUND)
        );
    }
    out.push_str("</svg>\n");
    out
}

/// Cells of one pen. Marks at the start of what is behind them are drawn over
/// their letter, with its pen.
fn push_run(
    run: &[Cell],
    behind: &[Cell],
    left: f32,
    top: f32,
    pen: &Pen,
    colour: [u8; 3],
    out: &mut String,
) {
    let mut style = format!("fill=\"{}\"", hex(colour));
    if pen.is_faint() {
        style.push_str(" opacity=\".6\"");
    }
    let mut shapes = String::new();
    for (at, across) in [(pen.is_underline(), BASE + 2.0), (pen.is_strikethrough(), 9.0)] {
        if at {
            push_rect([left, top + across, run.len() as f32 * WIDTH, 1.0], &mut shapes);
        }
    }
    let mut weight = String::new();
    if pen.is_bold() {
        weight.push_str(" font-weight=\"bold\"");
    }
    if pen.is_italic() {
        weight.push_str(" font-style=\"italic\"");
    }
    let mut words = Words { text: String::new(), from: 0, cells: 0 };
    for (n, cell) in run.iter().enumerate() {
        let ch = cell_char(cell.char());
        if cell.width() == 0 || joins(ch) {
            continue;
        }
        // The marks after it are drawn over it; their own cells are blank.
        let after = run.iter().skip(n + 1).chain(behind).map(|cell| cell_char(cell.char()));
        let marks: String = after.take_while(|ch| joins(*ch)).take(MARKS).collect();
        if let Some(Filled { rects, opacity }) = filled(ch, WIDTH, HEIGHT) {
            words.push(left, top, &style, &weight, out);
            let at = left + n as f32 * WIDTH;
            let mut shape = String::new();
            for [x, y, w, h] in rects {
                push_rect([at + x, top + y, w, h], &mut shape);
            }
            if opacity < 1.0 {
                push_shapes(&shape, &format!("{style} fill-opacity=\"{opacity}\""), out);
            } else {
                shapes.push_str(&shape);
            }
        } else if ch == ' ' && words.ends_blank() {
            // Nothing to draw, and what comes next has a place of its own.
            words.push(left, top, &style, &weight, out);
        } else if is_sure(ch) && marks.is_empty() {
            if words.cells == 0 {
                words.from = n;
            }
            words.text.push(ch);
            words.cells += 1;
        } else {
            words.push(left, top, &style, &weight, out);
            let text = format!("{ch}{marks}");
            words = Words { text, from: n, cells: cell.width().into() };
            words.push(left, top, &style, &weight, out);
        }
    }
    words.push(left, top, &style, &weight, out);
    push_shapes(&shapes, &style, out);
}

/// Text that is gathered.
struct Words {
    text: String,
    /// The cell of the run that it begins in.
    from: usize,
    cells: usize,
}

impl Words {
    fn ends_blank(&self) -> bool {
        self.text.is_empty() || self.text.ends_with(' ')
    }

    /// Appends what was gathered, and begins anew.
    fn push(&mut self, left: f32, top: f32, style: &str, weight: &str, out: &mut String) {
        let text = self.text.trim_end_matches(' ');
        let cells = self.cells - (self.text.len() - text.len());
        if !text.is_empty() {
            let (x, y) = (left + self.from as f32 * WIDTH, top + BASE);
            let _ = write!(
                out,
                "<text x=\"{x}\" y=\"{y}\" textLength=\"{}\" \
                 lengthAdjust=\"spacingAndGlyphs\" {style}{weight}>",
                cells as f32 * WIDTH
            );
            text.chars().for_each(|ch| push_escaped(ch, out));
            out.push_str("</text>\n");
        }
        self.text.clear();
        self.cells = 0;
    }
}

/// Whether it is drawn over the character before it.
fn joins(ch: char) -> bool {
    ch.width() == Some(0)
}

/// Whether every font has this in one cell: its run may be set as a whole.
/// Anything else is set alone, into exactly the cells that it had.
fn is_sure(ch: char) -> bool {
    ch < '\u{530}' && ch.width() == Some(1)
}

fn push_rect([x, y, w, h]: [f32; 4], out: &mut String) {
    let _ = write!(out, "M{x} {y}h{w}v{h}h-{w}z");
}

fn push_shapes(shapes: &str, style: &str, out: &mut String) {
    if !shapes.is_empty() {
        let _ = writeln!(out, "<path shape-rendering=\"crispEdges\" {style} d=\"{shapes}\"/>");
    }
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Appends a character of text (XML 1.0, 2.2 and 2.4).
fn push_escaped(ch: char, out: &mut String) {
    match ch {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
        ch => out.push(cell_char(ch)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Picture, tests::model};

    #[test]
    fn every_cell_in_its_place() {
        let model = model(
            20,
            3,
            "ab\u{1b}[31;4mcd  e\u{1b}[0m\r\n\u{1b}[7m日x\u{1b}[0m ─┐\r\n\u{1b}[2;48;5;196m▒é",
        );
        let svg = Picture::of(&model).svg("<&> \u{1b}\u{ffff}");
        let lines: Vec<&str> = svg.lines().collect();
        assert!(svg.contains("<title>&lt;&amp;&gt; \u{fffd}\u{fffd}</title>"), "{svg}");
        assert!(lines[1].contains("width=\"198\" height=\"72\" viewBox=\"-9 -9 198 72\""), "{svg}");
        for part in [
            "<text x=\"0\" y=\"13.5\" textLength=\"18\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#d9dce1\">ab</text>",
            // Blanks that are underlined are, and the word after them stands alone.
            "<text x=\"18\" y=\"13.5\" textLength=\"18\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#d94f4f\">cd</text>",
            "<text x=\"54\" y=\"13.5\" textLength=\"9\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#d94f4f\">e</text>",
            "d=\"M18 15.5h45v1h-45z\"",
            "<rect x=\"0\" y=\"18\" width=\"27\" height=\"18\" fill=\"#d9dce1\"/>",
            "<text x=\"0\" y=\"31.5\" textLength=\"18\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#14161a\">日</text>",
            "<text x=\"18\" y=\"31.5\" textLength=\"9\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#14161a\">x</text>",
            "d=\"M36 26.5h4.5v1h-4.5z",
            "fill=\"#ff0000\"/>",
            "opacity=\".6\" fill-opacity=\"0.5\" d=\"M0 36h9v18h-9z\"",
        ] {
            assert!(svg.contains(part), "{part}\n{svg}");
        }
        assert!(svg.ends_with("stroke=\"#d9dce1\"/>\n</svg>\n"), "{svg}");
    }

    #[test]
    fn marks_stand_over_their_letter() {
        let model = model(20, 2, "caf e\u{301}\u{323}x \u{1b}[1m\u{300}bo\u{1b}[31m\u{308}");
        let svg = Picture::of(&model).svg("");
        for part in [
            "<text x=\"0\" y=\"13.5\" textLength=\"27\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#d9dce1\">caf</text>",
            "<text x=\"36\" y=\"13.5\" textLength=\"9\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#d9dce1\">e\u{301}\u{323}</text>",
            // As in avt's model: a mark takes a cell.
            "<text x=\"63\" y=\"13.5\" textLength=\"9\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#d9dce1\">x</text>",
        ] {
            assert!(svg.contains(part), "{part}\n{svg}");
        }
        // Over a blank it is drawn too, and one of another pen as its letter is.
        assert!(svg.contains(">\u{20}\u{300}</text>"), "{svg}");
        assert!(svg.contains("fill=\"#d9dce1\" font-weight=\"bold\">o\u{308}</text>"), "{svg}");
    }

    #[test]
    fn what_was_recorded_is_text_and_nothing_else() {
        let hostile = "</text><script>alert(1)</script>\r\n\u{1b}]8;;javascript:x\u{7}l\u{1b}]8;;\u{7}&lt;\u{fffe}";
        let svg = Picture::of(&model(60, 4, hostile)).svg(hostile);
        assert!(!svg.contains("<script") && !svg.contains("javascript:x\""), "{svg}");
        assert!(svg.contains("&lt;/text&gt;&lt;script&gt;alert(1)&lt;/script&gt;"), "{svg}");
        assert!(svg.contains("&amp;lt;"));
        assert!(!svg.chars().any(|ch| ch.is_control() && ch != '\n'));
        assert!(!svg.contains(['\u{fffe}', '\u{ffff}']));
    }
}
