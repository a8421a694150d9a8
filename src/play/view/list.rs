//! The list of what there is to go to.
//!
//! Refuses to know what a key does. The invariant: what is chosen is in sight.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::{Block, Clear, Widget};
use unicode_width::UnicodeWidthStr;

use super::super::clock::hms;
use super::super::landmarks::{Landmark, Sort};
use super::super::list::List;
use super::super::model::{Model, TimeShown};
use super::put;
use crate::event::Micros;
use crate::screen::safe_text;
use crate::timeline::scan::Kind;

const BOX: Style = Style::new().fg(Color::White).bg(Color::Indexed(235));
const DIM: Style = Style::new().fg(Color::Gray).bg(Color::Indexed(235));

/// Draws the list; gives where the filter's cursor is.
pub(super) fn draw(
    model: &Model,
    list: &List,
    room: Rect,
    picture: &mut Buffer,
) -> Option<Position> {
    Clear.render(room, picture);
    let title = match model.landmarks.progress() {
        Some(part) => format!(" List ({} % is read) ", (part * 100.0).floor()),
        None => " List ".to_owned(),
    };
    let count = match list.filter() {
        Some(_) => format!(" {} of {} ", list.shown().len(), list.count()),
        None => format!(" {} ", list.count()),
    };
    let keys = " Enter goes there · / filters · Esc closes ";
    let block = Block::bordered().title(title).title_bottom(keys).style(BOX);
    let inside = block.inner(room);
    block.render(room, picture);
    let width = u16::try_from(count.width()).unwrap_or(u16::MAX);
    if let Some(x) = room.right().checked_sub(width + 1)
        && x > room.x + 30
    {
        put(picture, (x, room.y), count, width, BOX);
    }
    let (rows, cursor) = match list.filter() {
        Some(filter) if inside.height > 1 => {
            let y = inside.bottom() - 1;
            let text = format!(" filter: {}", safe_text(&filter));
            let x = put(picture, (inside.x, y), text, inside.width, BOX);
            let at = Position::new(x.min(inside.right().saturating_sub(1)), y);
            let rows = Rect { height: inside.height - 1, ..inside };
            (rows, list.is_filtering().then_some(at))
        }
        _ => (inside, None),
    };
    // The chosen one in the middle, where there is more than fits.
    let half = usize::from(rows.height / 2);
    let most = list.shown().len().saturating_sub(rows.height.into());
    let first = list.place().saturating_sub(half).min(most);
    for ((place, one), row) in list.shown().enumerate().skip(first).zip(rows.rows()) {
        draw_one(model, one, place == list.place(), row, picture);
    }
    if list.shown().len() == 0 {
        let text = match (model.landmarks.error(), model.landmarks.progress()) {
            (Some(error), _) => safe_text(error).into_owned(),
            (None, Some(_)) => "nothing yet".to_owned(),
            (None, None) if list.filter().is_some() => "nothing of that".to_owned(),
            (None, None) => "no command, marker, alert, transfer or resize is in it".to_owned(),
        };
        put(picture, (rows.x + 1, rows.y), text, rows.width.saturating_sub(1), DIM);
    }
    cursor
}

fn draw_one(model: &Model, one: &Landmark, chosen: bool, row: Rect, picture: &mut Buffer) {
    let here = if chosen { Modifier::REVERSED } else { Modifier::empty() };
    let style = BOX.add_modifier(here);
    picture.set_style(row, style);
    let colour = match one.sort {
        Sort::Recorded(Kind::Alert) => Color::LightRed,
        Sort::Recorded(Kind::Statement) => Color::LightYellow,
        Sort::Recorded(Kind::Marker) => Color::LightMagenta,
        Sort::Note => Color::LightGreen,
        Sort::Recorded(Kind::Command) => Color::LightCyan,
        Sort::Recorded(_) => Color::Gray,
    };
    let (x, end) = (row.x, row.right());
    let room = |x: u16| usize::from(end.saturating_sub(x));
    let x = put(picture, (x, row.y), format!(" {}  ", time(model, one.time)), room(x), style);
    let name = format!("{:<10}", one.sort.name());
    let x = put(picture, (x, row.y), name, room(x), style.fg(colour));
    put(picture, (x, row.y), safe_text(&one.text), room(x), style);
}

fn time(model: &Model, time: Micros) -> String {
    let wall = |utc| model.setup.wall.clock(time, utc).unwrap_or_default();
    match model.time {
        TimeShown::Elapsed => hms(time),
        TimeShown::Remaining => format!("-{}", hms(model.playhead.length().saturating_sub(time))),
        TimeShown::Local => wall(false),
        TimeShown::Utc => wall(true),
    }
}
