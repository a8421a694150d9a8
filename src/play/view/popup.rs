//! What opens over the screen: the keys, the details, the keys that were typed.
//!
//! Refuses to know what a key does. The invariant: no text reaches beyond its
//! box.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget};

use crossterm::event::{KeyCode, KeyModifiers};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::super::input::{Decoder, Input};
use super::super::keymap::{Command, GROUPS, Key};
use super::super::model::Model;
use super::put;
use crate::screen::safe_text;

const BOX: Style = Style::new().fg(Color::White).bg(Color::Indexed(235));
const NAME: Style = Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);

const TYPED: Style = Style::new().fg(Color::Black).bg(Color::Green);

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
        put(picture, (area.x + 2, y), hint, area.width.saturating_sub(3), BOX);
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

/// What is known of the recording, in lines that fit into `room`.
pub(super) fn details(model: &Model, room: Rect) -> Vec<Line<'static>> {
    let details = &model.setup.details;
    let widest = details.iter().map(|(name, _)| safe_text(name).width()).max().unwrap_or(0);
    // Two for the box, three between.
    let left = usize::from(room.width).saturating_sub(widest + 5).max(10);
    let mut lines = Vec::new();
    for (name, value) in details {
        let mut name = safe_text(name).into_owned();
        for part in pieces(&safe_text(value), left) {
            let blanks = " ".repeat(widest - name.width());
            lines.push(Line::from(vec![
                Span::styled(format!(" {name}{blanks}  "), NAME),
                Span::raw(format!("{part} ")),
            ]));
            name.clear();
        }
    }
    lines
}

/// A text in pieces of at most so many columns, cut at blanks where there are
/// some in the second half.
pub(super) fn pieces(text: &str, most: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let (mut piece, mut width) = (String::new(), 0);
    for ch in text.chars() {
        let wide = ch.width().unwrap_or(0);
        if width + wide > most {
            let at = piece.rfind(' ').filter(|at| *at > piece.len() / 2);
            let rest = at.map_or_else(String::new, |at| piece.split_off(at + 1));
            pieces.push(std::mem::replace(&mut piece, rest));
            width = piece.width();
        }
        piece.push(ch);
        width += wide;
    }
    pieces.push(piece);
    pieces
}

/// The keys that were typed last, at the bottom right.
pub(super) fn typed(model: &Model, room: Rect, picture: &mut Buffer) {
    let mut text = String::new();
    for (_, keys) in model.playhead.typed() {
        match keys {
            Some(keys) => text.push_str(&named(keys)),
            None => text.push_str("[masked]"),
        }
    }
    // The last of them, as many as there is room for.
    let most = usize::from(room.width / 2);
    let mut shown = text.as_str();
    while shown.width() > most {
        let mut chars = shown.chars();
        chars.next();
        shown = chars.as_str();
    }
    let shown = if text.is_empty() { "nothing lately" } else { shown };
    let line = Line::styled(format!(" typed: {shown} "), TYPED);
    let width = u16::try_from(line.width()).unwrap_or(u16::MAX).min(room.width);
    if let Some(y) = room.bottom().checked_sub(1) {
        picture.set_line(room.right() - width, y, &line, width);
    }
}

/// Typed bytes as a person calls them.
fn named(keys: &[u8]) -> String {
    let (mut decoder, mut inputs) = (Decoder::default(), Vec::new());
    decoder.feed(keys, &mut inputs);
    decoder.give_up(&mut inputs);
    let mut text = String::new();
    for input in inputs {
        let Input::Key(key) = input else { continue };
        match (key.code, key.modifiers.is_empty()) {
            (KeyCode::Char(ch), true) => text.push_str(&safe_text(ch.encode_utf8(&mut [0; 4]))),
            (KeyCode::Enter, true) => text.push('⏎'),
            // A line feed.
            (KeyCode::Char('j'), false) if key.modifiers == KeyModifiers::CONTROL => {
                text.push('⏎');
            }
            (KeyCode::Tab, true) => text.push('⇥'),
            (KeyCode::Backspace, true) => text.push('⌫'),
            _ => text.push_str(&format!(" {} ", Key::of(&key).shown())),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_wrapped() {
        assert_eq!(pieces("", 5), [""]);
        assert_eq!(pieces("one two three", 8), ["one two ", "three"]);
        assert_eq!(pieces("ab cdefghijk", 8), ["ab cdefg", "hijk"]);
        assert_eq!(pieces("日本日本", 5), ["日本", "日本"]);
        assert_eq!(pieces("日本", 1), ["", "日", "本"]);
    }

    #[test]
    fn keys_have_names() {
        assert_eq!(named(b"ls -l\r"), "ls -l⏎");
        assert_eq!(named(b"ls\n"), "ls⏎");
        assert_eq!(named(b"\x03"), " ^C ");
        assert_eq!(named(b"a\x1b[Ab\x7f"), "a ↑ b⌫");
        assert_eq!(named(b"\x1b]0;x\x07\xff"), "");
    }
}
