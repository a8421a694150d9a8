//! The timeline: where the viewer is, and what there is to see elsewhere.
//!
//! Refuses to know how it came about. The invariant: the last row tells the
//! state even in the narrowest window.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr;

use super::super::clock::{hms, length};
use super::super::line::Line;
use super::super::model::{Model, TimeShown};
use crate::event::Micros;
use crate::screen::safe_text;

const BAR: Style = Style::new().fg(Color::White).bg(Color::Indexed(236));
const DIM: Style = Style::new().fg(Color::Gray).bg(Color::Indexed(236));
const WRONG: Style = Style::new().fg(Color::White).bg(Color::Red);

/// Draws the bar.
pub(super) fn draw(model: &Model, area: Rect, picture: &mut Buffer) {
    if area.height == 0 {
        return;
    }
    picture.set_style(area, BAR);
    if area.height > 1 {
        track(model, Rect { height: 1, ..area }, picture);
    }
    status(model, Rect { y: area.bottom() - 1, height: 1, ..area }, picture);
}

/// The whole recording from left to right.
fn track(model: &Model, area: Rect, picture: &mut Buffer) {
    let head = column(model.playhead.at(), model.playhead.length(), area.width);
    for n in 0..area.width {
        let Some(cell) = picture.cell_mut((area.x + n, area.y)) else { continue };
        let (symbol, colour) = match n.cmp(&head) {
            std::cmp::Ordering::Less => ("━", Color::Cyan),
            std::cmp::Ordering::Equal => ("●", Color::White),
            std::cmp::Ordering::Greater => ("─", Color::Gray),
        };
        cell.set_symbol(symbol).set_fg(colour);
    }
}

/// In which of `width` columns `time` is.
pub(in super::super) fn column(time: Micros, length: Micros, width: u16) -> u16 {
    let last = width.saturating_sub(1);
    let at = u128::from(time) * u128::from(width) / u128::from(length.max(1));
    u16::try_from(at).unwrap_or(last).min(last)
}

fn status(model: &Model, area: Rect, picture: &mut Buffer) {
    let playhead = &model.playhead;
    let (symbol, state) = match () {
        () if playhead.is_seeking() => ("…", "reading".to_owned()),
        () if playhead.is_following() => ("●", "LIVE".to_owned()),
        () if playhead.is_playing() => ("▶", playhead.speed().to_string()),
        () => ("⏸", playhead.speed().to_string()),
    };
    let symbol = if symbol == "⏸" { "‖" } else { symbol };
    let mut left = format!(" {symbol} {state}  {} ", time(model));
    if let Some(limit) = playhead.shortens() {
        left.push_str(&format!(" pauses ≤{}", length(limit)));
    }
    let skipped = playhead.skipped().total;
    if skipped > 0 {
        left.push_str(&format!(" ({} skipped)", length(skipped)));
    }
    picture.set_stringn(area.x, area.y, &left, area.width.into(), BAR);
    if let Some(message) = &model.message {
        let text = format!(" {} ", safe_text(&message.text));
        let style = if message.wrong { WRONG } else { BAR.add_modifier(Modifier::BOLD) };
        right(&text, style, left.width(), area, picture);
        return;
    }
    let size = playhead.screen().size();
    let text = format!(" {} {size}  ? help ", safe_text(&model.setup.name));
    right(&text, DIM, left.width(), area, picture);
}

/// Draws text at the right, as much of it as there is room for after `used`.
fn right(text: &str, style: Style, used: usize, area: Rect, picture: &mut Buffer) {
    let room = usize::from(area.width).saturating_sub(used);
    let width = text.width().min(room);
    let x = usize::from(area.right()).saturating_sub(width);
    picture.set_stringn(u16::try_from(x).unwrap_or(u16::MAX), area.y, text, width, style);
}

fn time(model: &Model) -> String {
    let (at, length) = (model.playhead.at(), model.playhead.length());
    let wall = |utc| model.setup.wall.clock(at, utc).unwrap_or_default();
    match model.time {
        TimeShown::Elapsed => format!("{} / {}", hms(at), hms(length)),
        TimeShown::Remaining => format!("-{} / {}", hms(length.saturating_sub(at)), hms(length)),
        TimeShown::Local => wall(false),
        TimeShown::Utc => wall(true),
    }
}

/// Draws a line that is being typed; gives where its cursor is.
pub(super) fn ask(prompt: &str, line: &Line, area: Rect, picture: &mut Buffer) -> Option<Position> {
    let y = area.bottom().checked_sub(1)?;
    let area = Rect { y, height: 1, ..area };
    let blank = " ".repeat(area.width.into());
    picture.set_stringn(area.x, y, blank, area.width.into(), BAR);
    let (x, _) = picture.set_stringn(
        area.x,
        y,
        format!(" {prompt}"),
        area.width.into(),
        BAR.add_modifier(Modifier::BOLD),
    );
    let room = usize::from(area.right().saturating_sub(x + 1));
    // As much of it as there is room for, ending at the cursor.
    let before = line.before();
    let mut shown = before.as_str();
    while safe_text(shown).width() > room {
        let mut chars = shown.chars();
        chars.next();
        shown = chars.as_str();
    }
    let after = line.text().chars().skip(before.chars().count()).collect::<String>();
    let (cursor, _) = picture.set_stringn(x, y, safe_text(shown), room, BAR);
    let rest = usize::from(area.right().saturating_sub(cursor));
    picture.set_stringn(cursor, y, safe_text(&after), rest, BAR);
    Some(Position::new(cursor.min(area.right().saturating_sub(1)), y))
}
