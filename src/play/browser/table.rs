//! Recordings as rows of a table.
//!
//! Refuses to know which row is chosen and where it is drawn. The invariant: a
//! row is as wide as its columns say, whatever a recording calls itself.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Details, Row, State};
use crate::recording::Id;
use crate::screen::safe_text;

/// What a column tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Start,
    Length,
    Size,
    State,
    What,
}

/// The columns that a table of this width has room for, and their widths.
pub(super) struct Columns {
    list: Vec<(Column, usize)>,
}

/// What is left for the last column in a window that shows them all.
const WHAT: usize = 24;

impl Columns {
    /// For a table of so many columns.
    pub(super) fn of(width: usize) -> Self {
        // What a reviewer can do without first goes last.
        let wishes: [&[(Column, usize)]; 5] = [
            &[(Column::Start, 19), (Column::Length, 8), (Column::Size, 7), (Column::State, 13)],
            &[(Column::Start, 16), (Column::Length, 8), (Column::Size, 7), (Column::State, 13)],
            &[(Column::Start, 12), (Column::Length, 8), (Column::State, 13)],
            &[(Column::Start, 12), (Column::State, 1)],
            &[],
        ];
        let needs = |wish: &[(Column, usize)]| wish.iter().map(|(_, width)| width + 2).sum();
        let fits = |wish: &&&[(Column, usize)]| {
            let needs: usize = needs(wish);
            wish.is_empty() || needs + WHAT.min(width / 3).max(8) < width
        };
        let mut list: Vec<_> =
            wishes.iter().find(fits).map(|wish| wish.to_vec()).unwrap_or_default();
        let used: usize = needs(&list);
        list.push((Column::What, width.saturating_sub(used + 1)));
        Self { list }
    }

    /// The line above the rows.
    pub(super) fn heading(&self) -> String {
        self.line(|column, width| {
            let name = match column {
                Column::Start => "START",
                Column::Length => "LENGTH",
                Column::Size => "SIZE",
                Column::State if width < 5 => "",
                Column::State => "STATE",
                Column::What => "WHO: WHAT",
            };
            name.to_owned()
        })
    }

    /// The cells of a row, each with the style that it asks for.
    pub(super) fn cells(&self, row: &Row, now: Timestamp, zone: &TimeZone) -> Vec<(String, Style)> {
        let details = row.details.as_ref();
        let cell = |(column, width): &(Column, usize)| {
            let (text, style) = match column {
                Column::Start => (start(row, *width, zone), Style::new()),
                Column::Length => (length(details, now), Style::new()),
                Column::Size => (details.map(|d| bytes(d.size)).unwrap_or_default(), Style::new()),
                Column::State => state(details, *width),
                Column::What => what(row),
            };
            (pad(&text, *column, *width), style)
        };
        self.list.iter().map(cell).collect()
    }

    fn line(&self, text: impl Fn(Column, usize) -> String) -> String {
        let cell = |(column, width): &(Column, usize)| pad(&text(*column, *width), *column, *width);
        self.list.iter().map(cell).collect()
    }
}

/// Numbers to the right, the rest to the left; two blanks after each column,
/// and one before the first.
fn pad(text: &str, column: Column, width: usize) -> String {
    let text = cut(text, width);
    let room = " ".repeat(width - text.width().min(width));
    match column {
        Column::Start => format!(" {text}{room}  "),
        Column::Length | Column::Size => format!("{room}{text}  "),
        Column::State => format!("{text}{room}  "),
        Column::What => format!("{text}{room}"),
    }
}

/// At most so many columns of a text; what is cut off is told.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 0;
    let room = width.saturating_sub(1);
    let fits = |ch: &char| {
        used += ch.width().unwrap_or(0);
        used <= room
    };
    let mut out: String = text.chars().take_while(fits).collect();
    if width > 0 {
        out.push('…');
    }
    out
}

fn start(row: &Row, width: usize, zone: &TimeZone) -> String {
    let known = row.details.as_ref().and_then(|details| details.start);
    let start = known.or_else(|| Id::parse(&row.entry.id)?.start());
    let Some(start) = start else { return "-".to_owned() };
    let form = match width {
        ..16 => "%b %d %H:%M",
        16..19 => "%Y-%m-%d %H:%M",
        _ => "%Y-%m-%d %H:%M:%S",
    };
    let mut text = start.to_zoned(zone.clone()).strftime(form).to_string();
    text.truncate(width);
    text
}

fn length(details: Option<&Details>, now: Timestamp) -> String {
    let Some(details) = details else { return String::new() };
    let since = |start: Timestamp| u64::try_from(now.duration_since(start).as_secs()).unwrap_or(0);
    let seconds = match details.state {
        State::Live => details.start.map(since),
        _ => details.seconds,
    };
    seconds.map_or_else(|| "-".to_owned(), duration)
}

/// A state's word and colour; in a narrow column, a sign.
fn state(details: Option<&Details>, width: usize) -> (String, Style) {
    let Some(state) = details.map(|details| details.state) else {
        return (String::new(), Style::new());
    };
    let (sign, style) = look(state);
    match width {
        ..8 => (sign.to_owned(), style),
        _ if sign == " " => (state.name().to_owned(), style),
        _ => (format!("{sign} {}", state.name()), style),
    }
}

/// How a state looks. Whoever sees no colours sees the sign.
pub(super) fn look(state: State) -> (&'static str, Style) {
    let colour = |colour| Style::new().fg(colour);
    match state {
        State::Live => ("●", colour(Color::Green).add_modifier(Modifier::BOLD)),
        State::Finished => (" ", Style::new()),
        State::Interrupted => ("!", colour(Color::Yellow)),
        State::Recovered => ("+", colour(Color::Yellow)),
        State::Missing => ("x", colour(Color::Red)),
    }
}

fn what(row: &Row) -> (String, Style) {
    let Some(details) = &row.details else {
        let id = Id::parse(&row.entry.id).map(|_| row.entry.id.get(21..)).unwrap_or_default();
        let text = id.unwrap_or(&row.entry.id);
        return (safe_text(text).into_owned(), Style::new().add_modifier(Modifier::DIM));
    };
    let summary = safe_text(&details.summary);
    match details.warnings.first() {
        None => (summary.into_owned(), Style::new()),
        Some(warning) => {
            let style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
            (format!("! {}: {summary}", safe_text(warning)), style)
        }
    }
}

/// `1:02:03`, or `2:03` below an hour.
#[must_use]
pub fn duration(seconds: u64) -> String {
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

/// `812 B`, `3.4 kB`: as `ls -h --si` has it.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if unit == "B" || value >= 9.95 {
        format!("{value:.0} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_lengths_read_well() {
        assert_eq!(
            [0, 999, 1000, 9_949, 10_000, 999_600].map(bytes),
            ["0 B", "999 B", "1.0 kB", "9.9 kB", "10 kB", "1.0 MB"]
        );
        assert_eq!([0, 59, 61, 3661].map(duration), ["0:00", "0:59", "1:01", "1:01:01"]);
    }

    #[test]
    fn as_wide_as_its_table() {
        for width in 0..200 {
            let columns = Columns::of(width);
            let heading = columns.heading();
            assert!(heading.width() <= width.max(1), "{width}: {heading}");
        }
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("abc", 0), "");
    }
}
