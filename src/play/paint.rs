//! A drawn picture on the viewer's terminal.
//!
//! Refuses to know what is drawn, and where the bytes go. The invariant: all
//! that it ever writes is the printable characters of cells and the sequences
//! listed at [`Canvas`]; a cell that has anything else in it is U+FFFD.

use data_encoding::BASE64;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::colour::{Depth, Fitter};
use crate::screen::safe_text;

/// Draws pictures on a terminal, writing only what changed since the last one.
///
/// The sequences it uses, all of ECMA-48 and the common private modes, are: CUP
/// (`CSI r;c H`), CHA (`CSI c G`), ED (`CSI 2 J`), SGR (`CSI … m`), and modes 7,
/// 25, 1002, 1006 and 1049 set and reset. None of them makes a terminal answer.
/// [`Canvas::copy`] has one more.
#[derive(Debug)]
pub struct Canvas {
    colours: Fitter,
    /// What is on the terminal; `None` when that is not known.
    shown: Option<Buffer>,
    cursor: Option<Position>,
}

impl Canvas {
    /// A terminal that has so many colours, and of which nothing else is known.
    #[must_use]
    pub fn new(depth: Depth) -> Self {
        Self { colours: Fitter::new(depth), shown: None, cursor: None }
    }

    /// Appends what makes the terminal ours: the alternate screen, no wrapping
    /// (a character wider than this program thinks would shift all others), no
    /// cursor, and the mouse's buttons, wheel and dragging told, the way that
    /// has no limit on the width.
    pub fn enter(&mut self, out: &mut Vec<u8>) {
        self.forget();
        out.extend_from_slice(b"\x1b[?1049h\x1b[?7l\x1b[?25l\x1b[?1002h\x1b[?1006h");
    }

    /// Appends what gives the terminal back.
    pub fn leave(out: &mut Vec<u8>) {
        out.extend_from_slice(b"\x1b[0m\x1b[?1006l\x1b[?1002l\x1b[?7h\x1b[?25h\x1b[?1049l");
    }

    /// What is on the terminal, where that is known.
    #[must_use]
    pub fn shown(&self) -> Option<&Buffer> {
        self.shown.as_ref()
    }

    /// Appends what puts text on the clipboard of the viewer's terminal: OSC 52
    /// of xterm's ctlseqs, the one sequence with anything recorded in it, as
    /// base64, and only when a person asks for it.
    pub fn copy(text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\x1b]52;c;");
        out.extend_from_slice(BASE64.encode(text.as_bytes()).as_bytes());
        out.extend_from_slice(b"\x1b\\");
    }

    /// The terminal may show anything now.
    pub fn forget(&mut self) {
        self.shown = None;
        self.cursor = None;
    }

    /// Appends what makes the terminal show `picture`, with the cursor at
    /// `cursor`, or with none.
    pub fn draw(&mut self, picture: Buffer, cursor: Option<Position>, out: &mut Vec<u8>) {
        let area = picture.area;
        let known = self.shown.take().filter(|shown| shown.area == area);
        let start = out.len();
        if known.is_none() {
            out.extend_from_slice(b"\x1b[0m\x1b[2J");
        }
        let shown = known.unwrap_or_else(|| Buffer::empty(area));
        for y in area.top()..area.bottom() {
            self.push_row(&shown, &picture, area, y, out);
        }
        if out.len() > start && self.cursor.is_some() {
            // Nobody wants to see it run.
            out.splice(start..start, *b"\x1b[?25l");
            self.cursor = None;
        }
        match cursor {
            Some(at) if self.cursor != cursor => {
                push_csi(&[at.y + 1, at.x + 1], 'H', out);
                out.extend_from_slice(b"\x1b[?25h");
            }
            None if self.cursor.is_some() => out.extend_from_slice(b"\x1b[?25l"),
            _ => {}
        }
        self.cursor = cursor;
        self.shown = Some(picture);
    }

    /// From the first cell that differs to the last.
    fn push_row(&mut self, shown: &Buffer, wanted: &Buffer, area: Rect, y: u16, out: &mut Vec<u8>) {
        let (shown, wanted) = (row(shown, area, y), row(wanted, area, y));
        let differs = |(one, other): (&Cell, &Cell)| one != other;
        let Some(mut first) = shown.iter().zip(wanted).position(differs) else { return };
        let last = shown.iter().zip(wanted).rposition(differs).unwrap_or(first);
        // A wide character is written from its first half, the old one too.
        let wide =
            |cells: &[Cell], at: usize| cells.get(at).is_some_and(|cell| cell.symbol().width() > 1);
        while first > 0 && (wide(wanted, first - 1) || wide(shown, first - 1)) {
            first -= 1;
        }
        push_csi(&[y + 1, column(area, first)], 'H', out);
        out.extend_from_slice(b"\x1b[0m");
        let mut pen = Pen::default();
        let end = if wide(shown, last) { last + 2 } else { last + 1 };
        let mut at = first;
        while let Some(cell) = wanted.get(at).filter(|_| at < end) {
            let next = wanted.get(at + 1).map(Cell::symbol);
            let now = Pen::of(cell, &mut self.colours);
            if now != pen {
                now.push(out);
                pen = now;
            }
            let symbol = printable(cell.symbol());
            // Half of a wide character that something else stands in is a blank.
            let width = symbol.width().clamp(1, 2);
            let whole = width == 1 || next.is_some_and(|next| next.is_empty() || next == " ");
            let (symbol, width) = if whole { (symbol.as_str(), width) } else { (" ", 1) };
            out.extend_from_slice(symbol.as_bytes());
            at += width;
            if is_uncertain(symbol) && at < end {
                push_csi(&[column(area, at)], 'G', out);
            }
        }
        out.extend_from_slice(b"\x1b[0m");
    }
}

fn row(buffer: &Buffer, area: Rect, y: u16) -> &[Cell] {
    let width = usize::from(area.width);
    let start = usize::from(y - area.top()) * width;
    buffer.content().get(start..start + width).unwrap_or_default()
}

fn column(area: Rect, at: usize) -> u16 {
    area.left().saturating_add(u16::try_from(at).unwrap_or(u16::MAX)).saturating_add(1)
}

/// A cell's text as it may be written: one character that takes a place, and
/// such as join it.
fn printable(symbol: &str) -> String {
    if symbol.is_empty() {
        return " ".to_owned();
    }
    let safe = safe_text(symbol);
    let mut chars = symbol.chars();
    let first = chars.next().and_then(UnicodeWidthChar::width);
    let sound = first.is_some_and(|width| width > 0) && chars.all(|ch| ch.width() == Some(0));
    if sound && safe == symbol { symbol.to_owned() } else { "\u{fffd}".to_owned() }
}

/// Whether terminals disagree about how wide this is. ASCII, Latin, Greek,
/// Cyrillic, punctuation, arrows, mathematics, boxes and blocks are one cell
/// everywhere; after anything else the cursor is put where it belongs.
fn is_uncertain(symbol: &str) -> bool {
    let mut chars = symbol.chars();
    chars.next().is_some_and(|ch| {
        ch >= '\u{2600}'
            || (ch >= '\u{a0}' && ch.width() != Some(1))
            || ('\u{530}'..'\u{2010}').contains(&ch)
    }) || chars.next().is_some()
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Pen {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Default for Pen {
    fn default() -> Self {
        Self { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() }
    }
}

impl Pen {
    fn of(cell: &Cell, colours: &mut Fitter) -> Self {
        Self { fg: colours.fit(cell.fg), bg: colours.fit(cell.bg), modifier: cell.modifier }
    }

    fn push(self, out: &mut Vec<u8>) {
        let mut codes = vec![0];
        let attributes = [
            (Modifier::BOLD, 1),
            (Modifier::DIM, 2),
            (Modifier::ITALIC, 3),
            (Modifier::UNDERLINED, 4),
            (Modifier::SLOW_BLINK, 5),
            (Modifier::REVERSED, 7),
            (Modifier::CROSSED_OUT, 9),
        ];
        let set = attributes.into_iter().filter(|(modifier, _)| self.modifier.contains(*modifier));
        codes.extend(set.map(|(_, code)| code));
        push_colour(self.fg, 30, &mut codes);
        push_colour(self.bg, 40, &mut codes);
        push_csi(&codes, 'm', out);
    }
}

/// `base` is 30 for the foreground, 40 for the background.
fn push_colour(colour: Color, base: u16, codes: &mut Vec<u16>) {
    let index = match colour {
        Color::Reset => return,
        Color::Rgb(r, g, b) => {
            codes.extend([base + 8, 2, r.into(), g.into(), b.into()]);
            return;
        }
        Color::Indexed(n) => u16::from(n),
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
    };
    match index {
        0..=7 => codes.push(base + index),
        8..=15 => codes.push(base + 60 + index - 8),
        _ => codes.extend([base + 8, 5, index]),
    }
}

fn push_csi(numbers: &[u16], end: char, out: &mut Vec<u8>) {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    out.extend_from_slice(format!("\x1b[{}{end}", numbers.join(";")).as_bytes());
}
