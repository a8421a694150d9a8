//! What opens over the screen: the keys, the details, the keys that were typed.
//!
//! Refuses to know what a key does. The invariant: no text reaches beyond its
//! box.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget};

use super::super::keymap::{Command, GROUPS};
use super::super::model::Model;
use crate::screen::safe_text;

const BOX: Style = Style::new().fg(Color::White).bg(Color::Indexed(235));
const NAME: Style = Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);

/// Draws lines in a box, from line `first` on.
pub(super) fn draw(title: &str, lines: &[Line<'_>], first: u16, room: Rect, picture: &mut Buffer) {
    let area = area(lines, room);
    Clear.render(area, picture);
    let title = format!(" {title} ");
    let block = Block::bordered().title(title).style(BOX);
    let inside = block.inner(area);
    block.render(area, picture);
    for (line, row) in lines.iter().skip(first.into()).zip(inside.rows()) {
        picture.set_line(row.x, row.y, line, row.width);
    }
    let more = usize::from(first) + usize::from(inside.height) < lines.len();
    if more || first > 0 {
        let hint = if more { " ↓ more " } else { " ↑ more " };
        let y = area.bottom().saturating_sub(1);
        picture.set_stringn(area.x + 2, y, hint, usize::from(area.width).saturating_sub(3), BOX);
    }
}

/// The smallest box for these lines, or all there is.
fn area(lines: &[Line<'_>], room: Rect) -> Rect {
    let width = lines.iter().map(Line::width).max().unwrap_or(0) + 2;
    let width = u16::try_from(width).unwrap_or(u16::MAX).max(20).min(room.width);
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(room.height);
    let x = room.x + (room.width - width) / 2;
    Rect::new(x, room.y + (room.height - height) / 2, width, height)
}

/// How far these lines can be scrolled.
pub(super) fn most_top(lines: &[Line<'_>], room: Rect) -> u16 {
    let inside = area(lines, room).height.saturating_sub(2);
    u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_sub(inside)
}

/// Every command and its keys.
pub(super) fn help(model: &Model) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for group in GROUPS {
        lines.push(Line::styled(format!(" {}", group.title), NAME));
        for entry in group.entries {
            let (keys, about) = match entry.command.tenth() {
                None => (model.setup.keymap.shown(entry.command), entry.about),
                // The ten are one line.
                Some(0) => {
                    let key = |command| model.setup.keymap.shown(command);
                    let keys = format!("{} … {}", key(Command::Tenth0), key(Command::Tenth9));
                    (keys, "to so many tenths of the recording")
                }
                Some(_) => continue,
            };
            lines.push(Line::raw(format!("   {keys:<16} {about} ")));
        }
    }
    lines
}

/// What is known of the recording.
pub(super) fn details(model: &Model) -> Vec<Line<'static>> {
    let widest =
        model.setup.details.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, value): &(String, String)| {
        Line::from(vec![
            Span::styled(format!(" {:widest$}  ", safe_text(name)), NAME),
            Span::raw(format!("{} ", safe_text(value))),
        ])
    };
    model.setup.details.iter().map(line).collect()
}

/// The keys that were typed last, at the bottom right.
pub(super) fn typed(model: &Model, room: Rect, picture: &mut Buffer) {
    let mut text = String::new();
    for (_, keys) in model.playhead.typed() {
        text.push_str(&safe_text(&String::from_utf8_lossy(keys)));
    }
    let text: Vec<char> = text.chars().rev().take(usize::from(room.width / 2)).collect();
    let text: String = text.into_iter().rev().collect();
    let line =
        Line::styled(format!(" typed: {text} "), Style::new().fg(Color::Black).bg(Color::Green));
    let width = u16::try_from(line.width()).unwrap_or(u16::MAX).min(room.width);
    if let Some(y) = room.bottom().checked_sub(1) {
        picture.set_line(room.right() - width, y, &line, width);
    }
}
