//! The browser's picture.
//!
//! Refuses to know what a key does. The invariant: what a recording says of
//! itself is drawn through [`crate::screen::safe_text`], and what was on its
//! screen as [`crate::screen::cell_char`] has it.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph, Widget, Wrap};
use unicode_width::UnicodeWidthStr;

use super::keys::{COMMANDS, Command};
use super::table::{Columns, bytes, cut, duration, look};
use super::{Browser, Open, Preview, Row, Screen, State};
use crate::play::keymap::Keymap;
use crate::play::view::draw_row;
use crate::screen::safe_text;

const BAR: Style = Style::new().fg(Color::White).bg(Color::Indexed(236));
const DIM: Style = Style::new().fg(Color::Gray).bg(Color::Indexed(236));
const WRONG: Style = Style::new().fg(Color::White).bg(Color::Red);
const FRAME: Style = Style::new().fg(Color::DarkGray);
const CLIPPED: Style = Style::new().fg(Color::Black).bg(Color::Yellow);
const NAME: Style = Style::new().fg(Color::Cyan);

/// From this width on the preview is beside the list.
const BESIDE: u16 = 120;
/// From this height on it is below, otherwise.
const BELOW: u16 = 18;

/// What the filter line says while nothing is typed.
const HINT: &str = "alice  target:db  host:web  date:2026-11  state:live  !word";

impl Browser {
    /// Draws it in `area`; gives where the cursor belongs.
    pub fn render(&mut self, area: Rect, picture: &mut Buffer) -> Option<Position> {
        let area = area.intersection(*picture.area());
        let [top, list, preview, foot] = self.areas(area);
        let cursor = self.filter_line(top, picture);
        self.list_at = list.y + u16::from(list.height > 3);
        if self.rows.is_empty() && self.listed {
            self.nothing(
                Rect { height: list.height + preview.height, width: area.width, ..list },
                picture,
            );
        } else {
            self.table(list, picture);
            self.preview_pane(preview, picture);
        }
        self.foot(foot, picture);
        if self.open == Open::Help {
            help(&self.keymap, area, picture);
            return None;
        }
        cursor
    }

    /// The filter's line, the list, the preview, and the last line.
    fn areas(&self, area: Rect) -> [Rect; 4] {
        let bars = match area.height {
            0 | 1 => [0, 0],
            2..=5 => [1, 0],
            _ => [1, 1],
        };
        let [top, foot] = bars;
        let middle = Rect { y: area.y + top, height: area.height - top - foot, ..area };
        let (mut list, mut preview) = (middle, Rect { height: 0, ..middle });
        if self.shows_preview && area.width >= BESIDE && middle.height >= 6 {
            // A recorded screen is usually 80 wide; half is what a list needs.
            let width = (area.width / 2).min(102);
            list.width -= width;
            preview = Rect { x: list.right(), width, height: middle.height, ..middle };
        } else if self.shows_preview && area.height >= BELOW {
            let most = (middle.height * 2 / 5).max(4);
            // Not by how many the filter leaves: it would jump as one types.
            let needed = u16::try_from(self.rows.len() + 2).unwrap_or(u16::MAX);
            list.height = most.min(needed).max(4);
            let height = middle.height - list.height;
            preview = Rect { y: list.bottom(), height, ..middle };
        }
        let bar = |y, height| Rect { y, height, ..area };
        [bar(area.y, top), list, preview, bar(area.bottom() - foot, foot)]
    }

    fn filter_line(&self, area: Rect, picture: &mut Buffer) -> Option<Position> {
        if area.is_empty() {
            return None;
        }
        picture.set_style(area, BAR);
        let count = match (self.shown.len(), self.rows.len()) {
            (_, 0) => String::new(),
            (1, 1) => " 1 recording ".to_owned(),
            (shown, all) if shown == all => format!(" {} recordings ", grouped(all)),
            (shown, all) => format!(" {} of {} ", grouped(shown), grouped(all)),
        };
        let (x, _) = picture.set_stringn(
            area.x,
            area.y,
            " Filter: ",
            area.width.into(),
            BAR.add_modifier(Modifier::BOLD),
        );
        let room = usize::from(area.right().saturating_sub(x));
        let count = if count.width() + 12 > room { String::new() } else { count };
        let room = room.saturating_sub(count.width());
        if self.line.text().is_empty() {
            picture.set_stringn(x, area.y, cut(HINT, room.saturating_sub(1)), room, DIM);
        }
        let cursor = typed(&self.line.before(), &self.line.text(), x, area.y, room, picture);
        let at = area.right().saturating_sub(width(&count));
        picture.set_stringn(at, area.y, &count, count.width(), DIM);
        Some(cursor)
    }

    fn table(&mut self, area: Rect, picture: &mut Buffer) {
        let columns = Columns::of(area.width.into());
        let mut area = area;
        if area.height > 3 {
            let style = FRAME.add_modifier(Modifier::UNDERLINED);
            let heading = format!("{:width$}", columns.heading(), width = usize::from(area.width));
            picture.set_stringn(area.x, area.y, heading, area.width.into(), style);
            area = Rect { y: area.y + 1, height: area.height - 1, ..area };
        }
        let page = usize::from(area.height);
        self.page = page;
        self.top = self.top.min(self.shown.len().saturating_sub(page)).min(self.chosen);
        self.top = self.top.max((self.chosen + 1).saturating_sub(page));
        if self.shown.is_empty() && page > 0 && !self.rows.is_empty() {
            let text = " No recording fits the filter. Esc clears it.";
            picture.set_stringn(area.x, area.y, text, area.width.into(), Style::new());
        }
        let shown = self.shown.iter().enumerate().skip(self.top);
        for ((n, at), place) in shown.zip(area.rows()) {
            let Some(row) = self.rows.get(*at) else { continue };
            let mut x = place.x;
            for (text, style) in columns.cells(row, self.now, &self.zone) {
                let room = usize::from(place.right().saturating_sub(x));
                x = picture.set_stringn(x, place.y, text, room, style).0;
            }
            if n == self.chosen {
                picture.set_style(place, Style::new().add_modifier(Modifier::REVERSED));
            }
        }
    }

    fn nothing(&self, area: Rect, picture: &mut Buffer) {
        let place = safe_text(&self.place);
        let lines = vec![
            Line::from(""),
            Line::from(format!("There are no recordings in {place} yet.")),
            Line::from(""),
            Line::from("To make one, leave (Esc) and type one of these:"),
            Line::from(""),
            Line::from(vec![
                Span::styled("  hrec rec        ", NAME),
                "a shell, until you leave it".into(),
            ]),
            Line::from(vec![
                Span::styled("  hrec ssh HOST   ", NAME),
                "a login on another machine".into(),
            ]),
            Line::from(""),
            Line::from("Recordings elsewhere are played by name: hrec play FILE"),
        ];
        let inside =
            Rect { x: area.x + 1.min(area.width), width: area.width.saturating_sub(2), ..area };
        Paragraph::new(lines).wrap(Wrap { trim: false }).render(inside, picture);
    }

    fn preview_pane(&self, area: Rect, picture: &mut Buffer) {
        if area.height < 3 || area.width < 10 {
            return;
        }
        let row = self.row();
        let title = row.and_then(|row| row.details.as_ref()).map(|details| {
            let room = usize::from(area.width).saturating_sub(6);
            format!(" {} ", cut(&safe_text(&details.summary), room))
        });
        // No more lines than it takes: a screen of 80 columns is to fit into a
        // window of 80.
        let below = area.width == picture.area().width;
        let borders = if below { Borders::TOP } else { Borders::TOP | Borders::LEFT };
        let block = Block::new().borders(borders).border_style(FRAME).title(Span::styled(
            title.unwrap_or_default(),
            Style::new().add_modifier(Modifier::BOLD),
        ));
        let inside = block.inner(area);
        block.render(area, picture);
        let Some(row) = row else { return };
        let preview = self.preview(&row.entry.id);
        let facts = self.facts(row, preview, inside.width);
        // The screen has the better part of it.
        let most = usize::from(inside.height / 3).max(1);
        let facts = facts.get(..facts.len().min(most)).unwrap_or_default();
        for (line, place) in facts.iter().zip(inside.rows()) {
            picture.set_line(place.x, place.y, line, place.width);
        }
        let used = u16::try_from(facts.len()).unwrap_or(0);
        let below = Rect { y: inside.y + used, height: inside.height - used, ..inside };
        let rule = Rect { height: below.height.min(1), ..below };
        for x in rule.left()..rule.right() {
            picture.set_stringn(x, rule.y, "─", 1, FRAME);
        }
        let room = Rect { y: below.y + rule.height, height: below.height - rule.height, ..below };
        match preview.and_then(|preview| preview.screen.as_ref()) {
            None => told("…", Style::new(), room, picture),
            Some(Err(why)) => told(&safe_text(why), Style::new(), room, picture),
            Some(Ok(screen)) if screen.is_blank() => {
                told("The last screen is blank.", FRAME, room, picture);
            }
            Some(Ok(screen)) => {
                let whole = draw(screen, room, picture);
                let (cols, rows) = screen.size;
                let (part, style) = if whole { ("", FRAME) } else { ("part of ", CLIPPED) };
                let before = if screen.before { ", before it was cleared" } else { "" };
                let text = format!(" {part}{cols}x{rows}{before} ");
                let at = rule.right().saturating_sub(width(&text) + 1);
                picture.set_stringn(at, rule.y, &text, text.width(), style);
            }
        }
    }

    /// What is known of it, the most telling first.
    fn facts(&self, row: &Row, preview: Option<&Preview>, room: u16) -> Vec<Line<'static>> {
        let Some(details) = &row.details else { return Vec::new() };
        let bad = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
        let mut lines = Vec::new();
        for warning in &details.warnings {
            lines.push(Line::styled(format!("! {}", safe_text(warning)), bad));
        }
        if let Some((count, last)) = preview.and_then(|preview| preview.alerts.as_ref())
            && *count > 0
        {
            let s = if *count == 1 { "" } else { "s" };
            let last: Vec<_> = last.iter().map(|text| safe_text(text)).collect();
            let text = format!("! {count} alert{s}: {}", last.join("; "));
            lines.push(Line::styled(cut(&text, room.into()), bad));
        }
        let (sign, style) = look(details.state);
        let mut first = vec![Span::styled(
            if sign == " " {
                details.state.name().to_owned()
            } else {
                format!("{sign} {}", details.state.name())
            },
            style,
        )];
        if let (Some(seconds), false) = (details.seconds, details.state == State::Live) {
            first.push(Span::from(format!(", {}", duration(seconds))));
        }
        first.push(Span::from(format!(", {}", bytes(details.size))));
        lines.push(Line::from(first));
        let mut more = String::new();
        for (name, value) in &details.more {
            let next = format!("{name} {}", safe_text(value));
            if !more.is_empty() && more.width() + next.width() + 2 > room.into() {
                lines.push(Line::from(cut(&std::mem::take(&mut more), room.into())));
            }
            if !more.is_empty() {
                more.push_str(", ");
            }
            more.push_str(&next);
        }
        if !more.is_empty() {
            lines.push(Line::from(cut(&more, room.into())));
        }
        lines
    }

    fn foot(&self, area: Rect, picture: &mut Buffer) {
        if area.height == 0 {
            return;
        }
        picture.set_style(area, BAR);
        if let Some(message) = &self.message {
            let text = format!(" {} ", safe_text(message));
            picture.set_stringn(
                area.x,
                area.y,
                cut(&text, area.width.into()),
                area.width.into(),
                WRONG,
            );
            return;
        }
        let leave = if self.line.text().is_empty() { "leave" } else { "clear" };
        let preview = if self.shows_preview { "hide the screen" } else { "screen" };
        let key = |command| {
            let keys = self.keymap.shown(command);
            keys.split(' ').next().unwrap_or_default().to_owned()
        };
        let both = format!("{}{}", key(Command::Up), key(Command::Down));
        let hints = [
            (key(Command::Play), "play"),
            (both, "choose"),
            (key(Command::Leave), leave),
            (key(Command::Help), "keys"),
            (key(Command::Preview), preview),
        ];
        let hints = if self.rows.is_empty() { hints.get(2..4) } else { hints.get(..) };
        let mut x = area.x;
        for (key, what) in hints.unwrap_or_default() {
            // The person took its key away.
            if key.is_empty() {
                continue;
            }
            if usize::from(area.right().saturating_sub(x)) < key.width() + what.width() + 3 {
                break;
            }
            x = picture
                .set_stringn(x, area.y, format!(" {key} "), 20, BAR.add_modifier(Modifier::BOLD))
                .0;
            x = picture.set_stringn(x, area.y, format!("{what} "), 20, DIM).0;
        }
        let place = format!(" {} ", safe_text(&self.place));
        let room = usize::from(area.right().saturating_sub(x));
        if place.width() <= room {
            picture.set_stringn(area.right() - width(&place), area.y, &place, room, DIM);
        }
    }
}

/// Text in the middle of a pane, wrapped.
fn told(text: &str, style: Style, room: Rect, picture: &mut Buffer) {
    let inside =
        Rect { x: room.x + 1.min(room.width), width: room.width.saturating_sub(2), ..room };
    Paragraph::new(text.to_owned()).style(style).wrap(Wrap { trim: true }).render(inside, picture);
}

/// Draws as much of a screen as there is room for; whether that was all. Of
/// one that is too high it is the last part: a session ends at the bottom.
fn draw(screen: &Screen, room: Rect, picture: &mut Buffer) -> bool {
    let height = usize::from(room.height);
    let rows = screen.rows.iter().skip(screen.rows.len().saturating_sub(height));
    for (row, place) in rows.zip(room.rows()) {
        draw_row(row, place.x, place.y, place.right(), picture);
    }
    let (cols, _) = screen.size;
    screen.rows.len() <= height && cols <= room.width
}

/// Draws what is typed, so that the cursor shows; gives where that is.
fn typed(before: &str, text: &str, x: u16, y: u16, room: usize, picture: &mut Buffer) -> Position {
    let mut shown = before;
    while safe_text(shown).width() + 1 > room && !shown.is_empty() {
        let mut chars = shown.chars();
        chars.next();
        shown = chars.as_str();
    }
    let (cursor, _) = picture.set_stringn(x, y, safe_text(shown), room, BAR);
    let after = text.get(before.len()..).unwrap_or_default();
    let rest = room.saturating_sub(usize::from(cursor - x));
    picture.set_stringn(cursor, y, safe_text(after), rest, BAR);
    let last = picture.area().right().saturating_sub(1);
    Position::new(cursor.min(last), y)
}

fn help(keymap: &Keymap<Command>, area: Rect, picture: &mut Buffer) {
    const BOX: Style = Style::new().fg(Color::White).bg(Color::Indexed(235));
    let shown = || COMMANDS.iter().map(|entry| (keymap.shown(entry.command), entry));
    let wide = shown().map(|(keys, _)| keys.width()).max().unwrap_or(0);
    let mut lines: Vec<Line<'_>> = shown()
        .map(|(keys, entry)| {
            let room = " ".repeat(wide - keys.width() + 2);
            let name = NAME.add_modifier(Modifier::BOLD);
            Line::from(vec![" ".into(), Span::styled(keys, name), room.into(), entry.about.into()])
        })
        .collect();
    lines.push(Line::from(""));
    for text in [
        " Letters go to the filter. Every word must fit, in any order:",
        " alice      anywhere: user, host, target, program, date, state, id",
        " user:alice target:db host:web program:psql date:2026-11-21 state:live",
        " date:today, date:yesterday; !word: not that",
    ] {
        lines.push(Line::from(text));
    }
    let widest = lines.iter().map(Line::width).max().unwrap_or(0) + 3;
    let width = u16::try_from(widest).unwrap_or(u16::MAX).min(area.width);
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(area.height);
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(place, picture);
    let block = Block::bordered().title(" Keys ").style(BOX);
    let inside = block.inner(place);
    block.render(place, picture);
    Paragraph::new(lines).render(inside, picture);
}

/// `10,000`.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn width(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}
