//! The recorded screen, or as much of it as there is room for.
//!
//! Refuses to know time. The invariant: a recorded cell is drawn at its place
//! or not at all; what is missing is told by a border.

use avt::{Cell, Color as Recorded, Pen};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthChar;

use super::super::model::{Model, Open};
use crate::screen::safe_text;

/// What the border around a smaller recording looks like.
const FRAME: Style = Style::new().fg(Color::DarkGray);
/// Where a larger one goes on.
const CLIPPED: Style = Style::new().fg(Color::Black).bg(Color::Yellow);

/// What was searched for.
const LIT: Style = Style::new()
    .fg(Color::Black)
    .bg(Color::LightYellow)
    // For terminals without colours.
    .add_modifier(Modifier::BOLD.union(Modifier::UNDERLINED));
const SELECTED: Style =
    Style::new().fg(Color::Black).bg(Color::LightCyan).add_modifier(Modifier::UNDERLINED);

/// Where the recorded screen is drawn, and which part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::play) struct Place {
    /// In the window.
    pub(in crate::play) area: Rect,
    /// The recorded column and row at its top left.
    pub(in crate::play) left: u16,
    pub(in crate::play) top: u16,
}

/// Where the screen goes in `room`.
pub(in crate::play) fn place(model: &Model, room: Rect) -> Place {
    let size = model.playhead.screen().size();
    let cursor = match &model.open {
        Open::Selecting(selection) => selection.caret(),
        _ => {
            let cursor = model.playhead.screen().terminal().cursor();
            (clamp(cursor.col), clamp(cursor.row))
        }
    };
    let (fixed_left, fixed_top) = model.pan.fixed.unzip();
    let (left, x, width) = span(size.cols(), room.width, cursor.0, fixed_left);
    let (top, y, height) = span(size.rows(), room.height, cursor.1, fixed_top);
    Place { area: Rect::new(room.x + x, room.y + y, width, height), left, top }
}

fn clamp(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// Of `total` cells in `room`: the first that is shown, how far in, and how
/// many are. Each side that is cut off costs a cell for its border.
fn span(total: u16, room: u16, cursor: u16, fixed: Option<u16>) -> (u16, u16, u16) {
    if total <= room {
        return (0, 0, total);
    }
    if room < 3 {
        return (cursor.min(total - room), 0, room);
    }
    // With both borders, so that what is shown does not jump.
    let inner = room - 2;
    let first = fixed.unwrap_or_else(|| {
        // The start, as long as the cursor is in it.
        if cursor < room - 1 { 0 } else { (cursor + 1).saturating_sub(inner) }
    });
    let first = first.min(total - inner - 1);
    if first == 0 {
        return (0, 0, room - 1);
    }
    if first + inner + 1 >= total {
        return (total - inner - 1, 1, inner + 1);
    }
    (first, 1, inner)
}

/// Draws the screen and its border; gives where the cursor is, if it shows.
pub(super) fn draw(model: &Model, room: Rect, picture: &mut Buffer) -> Option<Position> {
    let place = place(model, room);
    let area = place.area;
    let rows = model.rows();
    for (y, line) in area.rows().map(|row| row.y).zip(rows.iter().skip(place.top.into())) {
        let cells = line.cells().get(usize::from(place.left)..).unwrap_or_default();
        draw_row(cells, area.x, y, area.right(), picture);
    }
    light(model, place, picture);
    border(model, room, place, picture);
    let terminal = model.playhead.screen().terminal();
    let cursor = terminal.cursor();
    let size = model.playhead.screen().size();
    let (at, visible) = match &model.open {
        Open::Selecting(selection) => (selection.caret(), true),
        // Past the last column it waits to wrap.
        _ => {
            let at = (clamp(cursor.col).min(size.cols() - 1), clamp(cursor.row));
            (at, cursor.visible && model.back.is_none())
        }
    };
    let (col, row) = (at.0.checked_sub(place.left)?, at.1.checked_sub(place.top)?);
    let inside = visible && col < area.width && row < area.height;
    inside.then(|| Position::new(area.x + col, area.y + row))
}

/// Lights what was searched for, and what is selected.
fn light(model: &Model, place: Place, picture: &mut Buffer) {
    let mut style = |row: usize, cols: std::ops::Range<usize>, style: Style| {
        let Some(y) = row.checked_sub(place.top.into()).map(clamp) else { return };
        if y >= place.area.height {
            return;
        }
        let (left, width) = (usize::from(place.left), usize::from(place.area.width));
        let from = clamp(cols.start.saturating_sub(left).min(width));
        let to = clamp(cols.end.saturating_sub(left).min(width));
        let area = Rect::new(place.area.x + from, place.area.y + y, to.saturating_sub(from), 1);
        picture.set_style(area, style);
    };
    if let Some(finding) = &model.finding
        && model.back.is_none()
    {
        for (row, cols) in finding.query().lit(model.playhead.screen()) {
            style(row, cols, LIT);
        }
    }
    if let Open::Selecting(selection) = &model.open {
        let size = model.playhead.screen().size();
        for row in 0..size.rows() {
            if let Some(cols) = selection.columns(row, size.cols()) {
                let cols = usize::from(*cols.start())..usize::from(*cols.end()) + 1;
                style(row.into(), cols, SELECTED);
            }
        }
    }
}

/// Draws recorded cells from column `x` on, and before column `end`.
pub(in crate::play) fn draw_row(cells: &[Cell], x: u16, y: u16, end: u16, picture: &mut Buffer) {
    for (x, cell) in (x..end).zip(cells) {
        let Some(drawn) = picture.cell_mut((x, y)) else { return };
        drawn.set_style(style(cell.pen()));
        let ch = cell.char();
        let unsafe_char =
            !matches!(safe_text(ch.encode_utf8(&mut [0; 4])), std::borrow::Cow::Borrowed(_));
        match (cell.width(), ch.width()) {
            _ if unsafe_char => drawn.set_symbol("\u{fffd}"),
            // Half of a wide character whose other half is cut off.
            (2, _) if x + 1 >= end => drawn.set_symbol(" "),
            (0, _) => drawn.set_symbol(""),
            // It joins the character before it; its own cell is blank.
            (_, Some(0)) => {
                drawn.set_symbol(" ");
                if let Some(before) = x.checked_sub(1).and_then(|x| picture.cell_mut((x, y)))
                    && !before.symbol().is_empty()
                    && before.symbol().len() < 32
                {
                    let joined = format!("{}{ch}", before.symbol());
                    before.set_symbol(&joined);
                }
                continue;
            }
            _ => drawn.set_char(ch),
        };
    }
    // The first cell may be the second half of one that is cut off.
    if let Some(first) = picture.cell_mut((x, y)).filter(|cell| cell.symbol().is_empty()) {
        first.set_symbol(" ");
    }
}

/// A recorded pen, as it is drawn.
fn style(pen: &Pen) -> Style {
    let mut style = Style::new();
    style.fg = pen.foreground().map(colour);
    style.bg = pen.background().map(colour);
    let attributes = [
        (pen.is_bold(), Modifier::BOLD),
        (pen.is_faint(), Modifier::DIM),
        (pen.is_italic(), Modifier::ITALIC),
        (pen.is_underline(), Modifier::UNDERLINED),
        (pen.is_blink(), Modifier::SLOW_BLINK),
        (pen.is_inverse(), Modifier::REVERSED),
        (pen.is_strikethrough(), Modifier::CROSSED_OUT),
    ];
    for (set, modifier) in attributes {
        style = if set { style.add_modifier(modifier) } else { style };
    }
    style
}

fn colour(colour: Recorded) -> Color {
    match colour {
        Recorded::Indexed(n) => Color::Indexed(n),
        Recorded::RGB(c) => Color::Rgb(c.r, c.g, c.b),
    }
}

/// A thin line where the recording ends and the window does not; a bright one
/// where the recording goes on and the window does not.
fn border(model: &Model, room: Rect, place: Place, picture: &mut Buffer) {
    let size = model.playhead.screen().size();
    let area = place.area;
    let mut put = |x: u16, y: u16, symbol: &str, style: Style| {
        if room.contains(Position::new(x, y))
            && let Some(cell) = picture.cell_mut((x, y))
        {
            cell.reset();
            cell.set_symbol(symbol).set_style(style);
        }
    };
    let right_clipped = place.left + area.width < size.cols();
    let bottom_clipped = place.top + area.height < size.rows();
    for y in area.top()..area.bottom() {
        let (symbol, style) = if right_clipped { (">", CLIPPED) } else { ("│", FRAME) };
        put(area.right(), y, symbol, style);
        if place.left > 0 && area.x > room.x {
            put(area.x - 1, y, "<", CLIPPED);
        }
    }
    for x in area.left()..area.right() {
        let (symbol, style) = if bottom_clipped { ("v", CLIPPED) } else { ("─", FRAME) };
        put(x, area.bottom(), symbol, style);
        if place.top > 0 && area.y > room.y {
            put(x, area.y - 1, "^", CLIPPED);
        }
    }
    let (symbol, style) = match (right_clipped, bottom_clipped) {
        (false, false) => ("┘", FRAME),
        _ => (" ", CLIPPED),
    };
    put(area.right(), area.bottom(), symbol, style);
}
