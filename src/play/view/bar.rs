//! The timeline: where the viewer is, and what there is to see elsewhere.
//!
//! Refuses to know how it came about. The invariant: the last row tells the
//! state even in the narrowest window.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr;

use super::super::clock::{hms, length};
use super::super::keymap::Command;
use super::super::line::Line;
use super::super::model::{Message, Model, Open, TimeShown};
use super::super::track::{Tick, column};
use super::popup::pieces;
use super::put;
use crate::screen::safe_text;
use crate::timeline::search::Scope;

const BAR: Style = Style::new().fg(Color::White).bg(Color::Indexed(236));
const DIM: Style = Style::new().fg(Color::Gray).bg(Color::Indexed(236));
const WRONG: Style = Style::new().fg(Color::White).bg(Color::Red);

/// How high a column is.
const BARS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

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

/// The whole recording from left to right: how much happened, and what of note.
fn track(model: &Model, area: Rect, picture: &mut Buffer) {
    let head = column(model.playhead.at(), model.playhead.length(), area.width);
    for n in 0..area.width {
        let Some(cell) = picture.cell_mut((area.x + n, area.y)) else { continue };
        let bar = match model.track.height(n) {
            None => "─",
            // Nothing happened.
            Some(0) => "·",
            Some(height) => BARS.get(usize::from(height) - 1).copied().unwrap_or("█"),
        };
        let passed = if n <= head { Color::Cyan } else { Color::Gray };
        let (symbol, colour) = match model.track.tick(n) {
            None => (bar, passed),
            Some(Tick::Alert) => ("!", Color::LightRed),
            Some(Tick::Match) => ("*", Color::LightYellow),
            Some(Tick::Note) => ("▾", Color::LightGreen),
            Some(Tick::Marker) => ("▾", Color::LightMagenta),
            Some(Tick::Resize) => ("↕", Color::LightBlue),
        };
        cell.set_symbol(symbol).set_fg(colour);
        if model.track.tick(n).is_some() {
            cell.modifier.insert(Modifier::BOLD);
        }
        if n == head {
            cell.modifier.insert(Modifier::REVERSED);
        }
    }
}

fn status(model: &Model, area: Rect, picture: &mut Buffer) {
    let playhead = &model.playhead;
    let state = match () {
        () if model.back.is_some() => "↑ looking back".to_owned(),
        () if playhead.is_seeking() => "… reading".to_owned(),
        () if playhead.is_following() => "● LIVE".to_owned(),
        () if playhead.is_playing() => format!("▶ {}", playhead.speed()),
        () => format!("‖ {}", playhead.speed()),
    };
    let mut left = format!(" {state}  {} ", time(model));
    match (playhead.shortens(), playhead.skipped().total) {
        (None, _) => {}
        (Some(limit), 0) => left.push_str(&format!(" pauses ≤ {}", length(limit))),
        (Some(limit), skipped) => {
            left.push_str(&format!(" pauses ≤ {}, {} skipped", length(limit), length(skipped)));
        }
    }
    put(picture, (area.x, area.y), &left, area.width, BAR);
    let (text, style) = if let Some(message) = model.message.as_ref().filter(|_| !is_long(model)) {
        (format!(" {} ", safe_text(&message.text)), tone(message))
    } else if let Open::Selecting(selection) = &model.open {
        let room = usize::from(area.width).saturating_sub(left.width().min(third(area)));
        (selecting(selection.is_some(), room), BAR.add_modifier(Modifier::BOLD))
    } else if let Some(finding) = &model.finding {
        let told = finding.told(model.search_place());
        let mark = match finding.query().scope() {
            Scope::Shown => '/',
            Scope::Typed => '\\',
        };
        (format!(" {mark}{}  {told} ", safe_text(finding.query().pattern())), BAR)
    } else {
        let (name, size) = (safe_text(&model.setup.name), playhead.screen().size());
        let key = model.setup.keymap.shown(Command::Help);
        let help = match key.split(' ').next() {
            Some(key) if !key.is_empty() => format!(" {key} help "),
            _ => String::new(),
        };
        let room = usize::from(area.width).saturating_sub(left.width());
        let all = [format!(" {name} {size} {help}"), format!(" {size} {help}"), help];
        (all.into_iter().find(|text| text.width() <= room).unwrap_or_default(), DIM)
    };
    // What is said comes before what is always there.
    let selecting = matches!(model.open, Open::Selecting(_));
    let said = model.message.is_some() && !is_long(model) || model.finding.is_some() || selecting;
    let used = if said { left.width().min(third(area)) } else { left.width() };
    right(&text, style, used, area, picture);
}

/// What the state keeps of the bar when something is said beside it.
fn third(area: Rect) -> usize {
    usize::from(area.width) / 3
}

/// What the keys do while text is selected, in so much room.
fn selecting(begun: bool, room: usize) -> String {
    let all = match begun {
        false => [
            " move, v or space begins, y copies the line, Esc leaves ",
            " v begins, y the line, Esc ",
        ],
        true => [" move, y copies, v or space lets go, Esc leaves ", " y copies, Esc leaves "],
    };
    let [_, short] = all;
    all.into_iter().find(|text| text.width() <= room).unwrap_or(short).to_owned()
}

/// Whether there is a message that is longer than the bar has room for beside
/// the state.
fn is_long(model: &Model) -> bool {
    let width = usize::from(model.window.cols());
    let room = width - width / 3;
    model.message.as_ref().is_some_and(|message| safe_text(&message.text).width() + 2 > room)
}

fn tone(message: &Message) -> Style {
    if message.wrong { WRONG } else { BAR.add_modifier(Modifier::BOLD) }
}

/// Draws a message that is longer than the bar over the last rows above it.
pub(super) fn long_message(model: &Model, room: Rect, picture: &mut Buffer) {
    let Some(message) = model.message.as_ref().filter(|_| is_long(model)) else { return };
    let lines = pieces(&safe_text(&message.text), usize::from(room.width).saturating_sub(2).max(1));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(room.height);
    let area = Rect { y: room.bottom() - height, height, ..room };
    for (line, row) in lines.iter().zip(area.rows()) {
        let line = format!(" {line:<width$}", width = usize::from(row.width));
        put(picture, (row.x, row.y), line, row.width, tone(message));
    }
}

/// Draws text at the right, as much of it as there is room for after `used`.
fn right(text: &str, style: Style, used: usize, area: Rect, picture: &mut Buffer) {
    let room = usize::from(area.width).saturating_sub(used);
    let width = text.width().min(room);
    let x = usize::from(area.right()).saturating_sub(width);
    put(picture, (u16::try_from(x).unwrap_or(u16::MAX), area.y), text, width, style);
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
pub(super) fn ask(
    prompt: &str,
    hint: &str,
    line: &Line,
    area: Rect,
    picture: &mut Buffer,
) -> Option<Position> {
    let y = area.bottom().checked_sub(1)?;
    let area = Rect { y, height: 1, ..area };
    let blank = " ".repeat(area.width.into());
    put(picture, (area.x, y), blank, area.width, BAR);
    let prompt = format!(" {prompt}");
    let strong = BAR.add_modifier(Modifier::BOLD);
    let x = put(picture, (area.x, y), prompt, area.width, strong);
    let room = usize::from(area.right().saturating_sub(x + 1));
    // As much of it as there is room for, ending at the cursor.
    let before = line.before();
    let mut shown = before.as_str();
    while safe_text(shown).width() > room {
        let mut chars = shown.chars();
        chars.next();
        shown = chars.as_str();
    }
    let after: String = line.text().chars().skip(before.chars().count()).collect();
    let cursor = put(picture, (x, y), safe_text(shown), room, BAR);
    let rest = usize::from(area.right().saturating_sub(cursor));
    let end = put(picture, (cursor, y), safe_text(&after), rest, BAR);
    let hint = format!(" {hint} ");
    let free = usize::from(area.right().saturating_sub(end));
    if hint.width() + 2 < free {
        right(&hint, DIM, 0, area, picture);
    }
    Some(Position::new(cursor.min(area.right().saturating_sub(1)), y))
}
