//! Choosing a recording: a list that narrows as one types, and the last screen
//! of the one that is chosen.
//!
//! Refuses to know stores, keys to recordings and terminals: it is given
//! entries, and news of them as it comes; it takes keys and draws into a
//! buffer. The invariants: what is chosen stays chosen while the list around it
//! changes, unless the filter hides it; and it can be drawn at any moment, in a
//! window of any size.

mod desk;
pub mod filter;
pub mod keys;
mod panel;
mod table;
mod view;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use crossterm::event::{KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::keymap::Keymap;
use super::line::Line;
pub use desk::{Desk, Library, Wanted};
use filter::{Fields, Filter};
use keys::Command;
pub use panel::{Browsing, Choice};
pub use table::{bytes, duration};

/// Previews that are kept: those that one comes back to while comparing. Each
/// has at most [`Screen::COLS`] by [`Screen::ROWS`] cells of 20 bytes.
const PREVIEWS: usize = 24;

/// A recording in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id, by which it is known here. Entries come newest first.
    pub id: String,
    /// What to open.
    pub path: PathBuf,
}

/// The state of a recording's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Being made.
    Live,
    /// Whole.
    Finished,
    /// Readable up to the last append.
    Interrupted,
    /// Made whole from an interrupted one.
    Recovered,
    /// There is a manifest, and nothing else.
    Missing,
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Finished => "finished",
            Self::Interrupted => "interrupted",
            Self::Recovered => "recovered",
            Self::Missing => "missing",
        }
    }
}

/// What is known of a recording without a key. All text in it is anybody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// When it began.
    pub start: Option<Timestamp>,
    /// How long it took, or has been going on, in seconds.
    pub seconds: Option<u64>,
    /// Bytes that its files take.
    pub size: u64,
    /// Its state.
    pub state: State,
    /// What the filter looks at; `date` and `state` are filled in here.
    pub fields: Fields,
    /// Who did what, for the list: `alice: ssh db1`.
    pub summary: String,
    /// More, by name, for the preview: `from`, `exit`.
    pub more: Vec<(String, String)>,
    /// What a reviewer ought to know before anything else, a few words each:
    /// `store failed`.
    pub warnings: Vec<String>,
}

/// A screen to look at, no larger than is ever shown of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// The whole screen's size, columns and rows.
    pub size: (u16, u16),
    /// Its rows, from the first.
    pub rows: Vec<Vec<avt::Cell>>,
    /// Whether this is what was there before it was cleared, at the end: an
    /// editor leaves nothing behind.
    pub before: bool,
}

impl Screen {
    /// More columns are not kept.
    pub const COLS: usize = 300;
    /// More rows are not kept.
    pub const ROWS: usize = 120;

    /// Whether there is nothing on it.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.rows.is_empty()
    }

    /// The screen of a model. Of one that is too high the last rows with
    /// something on them are kept.
    #[must_use]
    pub fn of(model: &crate::screen::Model) -> Self {
        let blank = avt::Cell::default();
        let lines: Vec<_> = model.terminal().screen().visible_lines().collect();
        let used = lines.iter().rposition(|line| line.cells().iter().any(|cell| *cell != blank));
        let used = used.map_or(0, |last| last + 1);
        let rows = lines.iter().take(used).skip(used.saturating_sub(Self::ROWS));
        let row = |line: &&avt::Line| line.cells().iter().take(Self::COLS).copied().collect();
        let size = model.size();
        Self { size: (size.cols(), size.rows()), rows: rows.map(row).collect(), before: false }
    }
}

/// Something about a recording that was found out meanwhile.
#[derive(Clone, Debug)]
pub enum News {
    /// The recordings there are now, newest first.
    List(Vec<Entry>),
    /// What is known of these without a key, by id.
    Details(Vec<(String, Details)>),
    /// The last screen of the one with this id, or why there is none.
    Preview(String, Result<Screen, String>),
    /// The alerts in the one with this id: how many, and the last of them.
    Alerts(String, usize, Vec<String>),
    /// What went wrong with the list as a whole.
    Trouble(String),
}

/// What a key came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The person is not done.
    Stay,
    /// This recording is to be played.
    Play(Entry),
    /// The list is to be read anew.
    Reload,
    /// The person has seen enough.
    Quit,
}

struct Row {
    entry: Entry,
    details: Option<Details>,
    folded: Fields,
}

#[derive(Default)]
struct Preview {
    screen: Option<Result<Screen, String>>,
    alerts: Option<(usize, Vec<String>)>,
    /// There may be more by now; until that is known, this is better than
    /// nothing.
    stale: bool,
    /// How often that was so.
    version: u64,
}

/// What is open over the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    Help,
}

/// The browser.
pub struct Browser {
    /// Where recordings are kept, for the person to read.
    place: String,
    zone: TimeZone,
    keymap: Keymap<Command>,
    now: Timestamp,
    rows: Vec<Row>,
    by_id: HashMap<String, usize>,
    line: Line,
    filter: Filter,
    /// Rows that fit the filter.
    shown: Vec<usize>,
    /// Of `shown`.
    chosen: usize,
    /// The first of `shown` on the screen.
    top: usize,
    /// How many of them were on the screen last, and from which line on.
    page: usize,
    list_at: u16,
    previews: VecDeque<(String, Preview)>,
    shows_preview: bool,
    open: Open,
    message: Option<String>,
    /// Whether it is known what there is.
    listed: bool,
}

impl std::fmt::Debug for Browser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Browser").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl Browser {
    /// A browser of what is at `place`, of which nothing is known yet, for a
    /// viewer in this time zone.
    #[must_use]
    pub fn new(place: &str, zone: TimeZone) -> Self {
        Self {
            place: place.to_owned(),
            zone,
            keymap: Keymap::default(),
            now: Timestamp::now(),
            rows: Vec::new(),
            by_id: HashMap::new(),
            line: Line::default(),
            filter: Filter::default(),
            shown: Vec::new(),
            chosen: 0,
            top: 0,
            page: 1,
            list_at: 0,
            previews: VecDeque::new(),
            shows_preview: true,
            open: Open::Nothing,
            message: None,
            listed: false,
        }
    }

    /// Gives commands other keys.
    pub fn set_keys(&mut self, keymap: Keymap<Command>) {
        self.keymap = keymap;
    }

    /// Sets the time that lengths of live recordings and `date:today` go by.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Tells the person something, until the next key: why a recording could
    /// not be played.
    pub fn tell(&mut self, message: &str) {
        self.message = Some(message.to_owned());
    }

    /// The recording that is chosen.
    #[must_use]
    pub fn chosen(&self) -> Option<&Entry> {
        self.row().map(|row| &row.entry)
    }

    fn row(&self) -> Option<&Row> {
        self.shown.get(self.chosen).and_then(|at| self.rows.get(*at))
    }

    /// The one of which more is wanted than is known, and how often that was
    /// so before: what is live grows.
    #[must_use]
    pub fn wanted(&self) -> Option<(&Entry, u64)> {
        let entry = self.chosen().filter(|_| self.shows_preview)?;
        let Some(preview) = self.preview(&entry.id) else { return Some((entry, 0)) };
        let known = match preview.screen {
            None => false,
            Some(Err(_)) => !preview.stale,
            Some(Ok(_)) => !preview.stale && preview.alerts.is_some(),
        };
        (!known).then_some((entry, preview.version))
    }

    fn preview(&self, id: &str) -> Option<&Preview> {
        self.previews.iter().find(|(known, _)| known == id).map(|(_, preview)| preview)
    }

    fn change_preview(&mut self, id: String, change: impl FnOnce(&mut Preview)) {
        let at = self.previews.iter().position(|(known, _)| *known == id);
        let found = at.and_then(|at| self.previews.remove(at));
        let mut found = found.unwrap_or_else(|| (id, Preview::default()));
        change(&mut found.1);
        self.previews.truncate(PREVIEWS - 1);
        self.previews.push_front(found);
    }

    /// Whether the list on the screen has a live recording.
    #[must_use]
    pub fn shows_live(&self) -> bool {
        let live = |row: &Row| row.details.as_ref().is_some_and(|d| d.state == State::Live);
        let shown = self.shown.iter().skip(self.top).take(self.page);
        shown.filter_map(|at| self.rows.get(*at)).any(live)
    }

    /// What could not be opened before may be openable now: the person gave a
    /// passphrase.
    pub fn forget_failures(&mut self) {
        self.previews.retain(|(_, preview)| !matches!(preview.screen, Some(Err(_))));
    }

    /// Takes news.
    pub fn learn(&mut self, news: News) {
        match news {
            News::List(entries) => self.list(entries),
            News::Details(all) => {
                for (id, details) in all {
                    self.detail(&id, details);
                }
                self.refilter();
            }
            News::Preview(id, screen) => self.change_preview(id, |preview| {
                preview.screen = Some(screen);
                preview.stale = false;
            }),
            News::Alerts(id, count, last) => {
                self.change_preview(id, |preview| preview.alerts = Some((count, last)));
            }
            News::Trouble(what) => self.message = Some(what),
        }
    }

    fn list(&mut self, entries: Vec<Entry>) {
        self.listed = true;
        let mut before: HashMap<String, Row> =
            self.rows.drain(..).map(|row| (row.entry.id.clone(), row)).collect();
        let chosen = self.shown.get(self.chosen).copied();
        let chosen = chosen.and_then(|at| {
            self.by_id.iter().find(|(_, known)| **known == at).map(|(id, _)| id.clone())
        });
        self.by_id.clear();
        for (at, entry) in entries.into_iter().enumerate() {
            self.by_id.insert(entry.id.clone(), at);
            let row = before.remove(&entry.id).map(|row| Row { entry: entry.clone(), ..row });
            let folded = || Fields { id: entry.id.clone(), ..Fields::default() }.folded();
            self.rows.push(row.unwrap_or_else(|| Row {
                folded: folded(),
                entry: entry.clone(),
                details: None,
            }));
        }
        self.refilter_with(chosen.and_then(|id| self.by_id.get(&id).copied()));
    }

    fn detail(&mut self, id: &str, details: Details) {
        let Some(row) = self.by_id.get(id).and_then(|at| self.rows.get_mut(*at)) else { return };
        let before = row.details.as_ref().map(|details| details.state);
        let changed = before == Some(State::Live) || before.is_some_and(|was| was != details.state);
        let date = details
            .start
            .map(|at| at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string());
        row.folded = Fields {
            id: id.to_owned(),
            date: date.unwrap_or_default(),
            state: details.state.name().to_owned(),
            ..details.fields.clone()
        }
        .folded();
        row.details = Some(details);
        if changed
            && let Some((_, preview)) = self.previews.iter_mut().find(|(known, _)| known == id)
        {
            preview.stale = true;
            preview.version += 1;
        }
    }

    /// Takes a key.
    pub fn key(&mut self, key: &KeyEvent) -> Outcome {
        self.message = None;
        if std::mem::replace(&mut self.open, Open::Nothing) == Open::Help {
            return match self.keymap.command(key) {
                Some(Command::Quit) => Outcome::Quit,
                _ => Outcome::Stay,
            };
        }
        let Some(command) = self.keymap.command(key) else {
            let before = self.line.text();
            self.line.key(key);
            if self.line.text() != before {
                self.retype();
            }
            return Outcome::Stay;
        };
        let last = self.shown.len().saturating_sub(1);
        match command {
            Command::Up => self.chosen = self.chosen.saturating_sub(1),
            Command::Down => self.chosen = (self.chosen + 1).min(last),
            Command::PageUp => self.chosen = self.chosen.saturating_sub(self.page.max(1)),
            Command::PageDown => self.chosen = (self.chosen + self.page.max(1)).min(last),
            Command::First => self.chosen = 0,
            Command::Last => self.chosen = last,
            Command::Play => return self.play(),
            Command::Preview => self.shows_preview = !self.shows_preview,
            Command::Reload => {
                self.previews.clear();
                return Outcome::Reload;
            }
            Command::Help => self.open = Open::Help,
            Command::Leave if self.line.text().is_empty() => return Outcome::Quit,
            Command::Leave => {
                self.line = Line::default();
                self.retype();
            }
            Command::Quit => return Outcome::Quit,
        }
        Outcome::Stay
    }

    fn play(&mut self) -> Outcome {
        let Some(row) = self.row() else { return Outcome::Stay };
        if row.details.as_ref().is_some_and(|details| details.state == State::Missing) {
            self.tell("only the manifest of this recording is left here; there is nothing to play");
            return Outcome::Stay;
        }
        Outcome::Play(row.entry.clone())
    }

    /// Takes what the mouse did: the wheel goes through the list, a click
    /// chooses, and a click on what is chosen plays it.
    pub fn mouse(&mut self, event: &MouseEvent) -> Outcome {
        let last = self.shown.len().saturating_sub(1);
        match event.kind {
            MouseEventKind::ScrollUp => self.chosen = self.chosen.saturating_sub(3),
            MouseEventKind::ScrollDown => self.chosen = (self.chosen + 3).min(last),
            MouseEventKind::Down(MouseButton::Left) => {
                let line = event.row.checked_sub(self.list_at).map(usize::from);
                let at = line.filter(|line| *line < self.page).map(|line| self.top + line);
                let Some(at) = at.filter(|at| *at <= last && !self.shown.is_empty()) else {
                    return Outcome::Stay;
                };
                if at == self.chosen {
                    return self.play();
                }
                self.chosen = at;
            }
            _ => {}
        }
        Outcome::Stay
    }

    /// The filter was changed: its best fit is the newest recording.
    fn retype(&mut self) {
        let today = self.now.to_zoned(self.zone.clone()).date();
        self.filter = Filter::parse(&self.line.text(), today);
        let chosen = self.shown.get(self.chosen).copied();
        self.refilter_with(chosen);
    }

    fn refilter(&mut self) {
        let chosen = self.shown.get(self.chosen).copied();
        self.refilter_with(chosen);
    }

    /// `chosen`, of the rows, stays so if it is still there.
    fn refilter_with(&mut self, chosen: Option<usize>) {
        let fits = |(at, row): (usize, &Row)| self.filter.fits(&row.folded).then_some(at);
        self.shown = self.rows.iter().enumerate().filter_map(fits).collect();
        let at = chosen.and_then(|chosen| self.shown.binary_search(&chosen).ok());
        self.chosen = at.unwrap_or(0);
    }
}
